package dbtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/sqlstore"
)

// A page of the log on MariaDB reads about as many rows as it has, however long the log is.
func TestAPageOfMariaDBsLogReadsNoLongLog(t *testing.T) {
	const rows, page = 5000, 51
	db := open(t, "mysql", mariadb(t), 1)
	s := sqlstore.NewMariaDB(db, sqlstore.DefaultPrefix, false)
	require.NoError(t, s.Migrate(t.Context()))
	u := use{t, s}
	var middle webhook.Cursor
	for n := 0; n < rows; {
		var ds []webhook.Delivery
		for range 500 {
			d := delivery(fmt.Sprintf("%05d", n))
			d.WebhookID, d.State = []string{"a", "b"}[n/2%2], webhook.StateDelivered
			d.Created = now.Add(time.Duration(n/2) * time.Millisecond) // two of each millisecond
			if ds, n = append(ds, d), n+1; n == rows/2 {
				middle = d.Cursor()
			}
		}
		u.enqueue(ds...)
	}
	must(t, db, `analyze table `+sqlstore.DefaultPrefix+`deliveries`)
	account := delivery("").Account
	for name, q := range map[string]webhook.DeliveryQuery{
		"newest":             {Account: account},
		"further back":       {Account: account, After: middle},
		"oldest":             {Account: account, Oldest: true},
		"further on":         {Account: account, Oldest: true, After: middle},
		"of a webhook":       {Account: account, Webhook: "a", After: middle},
		"of a state":         {Account: account, States: []webhook.State{webhook.StateDelivered}, After: middle},
		"since":              {Account: account, Since: now.Add(time.Millisecond), Until: now.Add(2 * time.Second)},
		"of all":             {All: true},
		"of all, further on": {All: true, Oldest: true, After: middle},
	} {
		t.Run(name, func(t *testing.T) {
			q.Limit = page
			before := rowsRead(t, db)
			ds, err := s.Deliveries(t.Context(), q)
			read := rowsRead(t, db) - before
			require.NoError(t, err)
			require.Len(t, ds, page)
			assert.Less(t, read, 1000, "rows")
			for i := range ds {
				assert.True(t, q.Selects(&ds[i]))
				assert.True(t, i == 0 || q.Compare(&ds[i-1], &ds[i]) < 0, "%s follows %s", ds[i].ID, ds[max(i-1, 0)].ID)
			}
		})
	}
}
