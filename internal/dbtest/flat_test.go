package dbtest

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/sqlstore"
	"github.com/listhook/webhook/storetest"
)

// recorded is a database that records its statements and their arguments.
type recorded struct {
	sqlstore.Database
	list *[]recordedStatement
}

type recordedStatement struct {
	query string
	args  []any
}

func (r recorded) InTx(ctx context.Context, several bool, f func(sqlstore.Querier) error) error {
	return r.Database.InTx(ctx, several, func(q sqlstore.Querier) error { return f(recordedQuerier{q, r.list}) })
}

func (r recorded) Exec(ctx context.Context, query string, args []any) (int64, error) {
	return recordedQuerier{r.Database, r.list}.Exec(ctx, query, args)
}

func (r recorded) Query(ctx context.Context, query string, args []any, row func(sqlstore.Scan) error) error {
	return recordedQuerier{r.Database, r.list}.Query(ctx, query, args, row)
}

type recordedQuerier struct {
	sqlstore.Querier
	list *[]recordedStatement
}

// recording guards the lists: a request of the page may read at several places at once.
var recording sync.Mutex

func (r recordedQuerier) record(query string, args []any) {
	recording.Lock()
	defer recording.Unlock()
	*r.list = append(*r.list, recordedStatement{query, args})
}

func (r recordedQuerier) Exec(ctx context.Context, query string, args []any) (int64, error) {
	r.record(query, args)
	return r.Querier.Exec(ctx, query, args)
}

func (r recordedQuerier) Query(ctx context.Context, query string, args []any, row func(sqlstore.Scan) error) error {
	r.record(query, args)
	return r.Querier.Query(ctx, query, args, row)
}

// However many deliveries stand behind the first one of a line, a claim that leaves
// them, the first delivery of another line, the outcome of the first one, and the claim of
// the next one read no more rows.
func TestBlockedDeliveriesCostNothing(t *testing.T) {
	many := 10_000
	if long() {
		many = 100_000
	}
	for _, database := range []string{"postgres", "mariadb"} {
		t.Run(database, func(t *testing.T) {
			var s *sqlstore.Store
			var read func() int
			if database == "postgres" {
				db := open(t, "pgx", postgres(t), 1)
				if _, err := db.Exec(`select pg_stat_force_next_flush()`); err != nil {
					t.Skip("PostgreSQL counts rows at once from version 15 on")
				}
				s = sqlstore.NewPostgres(db, sqlstore.DefaultPrefix, false)
				// The planner scans a small table of deliveries for any batch of them.
				read = func() (n int) {
					must(t, db, `select pg_stat_force_next_flush()`)
					must(t, db, `select pg_stat_clear_snapshot()`)
					require.NoError(t, db.QueryRow(`
select coalesce(sum(coalesce(idx_tup_fetch, 0) + case when relname like '%deliveries' then 0 else seq_tup_read end), 0)
from pg_stat_user_tables where schemaname = current_schema()`).Scan(&n))
					return n
				}
			} else {
				db := open(t, "mysql", mariadb(t), 1)
				s = sqlstore.NewMariaDB(db, sqlstore.DefaultPrefix, false)
				read = func() int { return rowsRead(t, db) }
			}
			u := use{t, s}
			require.NoError(t, s.Migrate(t.Context()))
			first := few(u, read, "few", 50)
			second := few(u, read, "many", many)
			t.Logf("%d rows are read with 50 blocked, %d with %d", first, second, many)
			if second > first+200 { // as many as single pages may have
				t.Errorf("%d rows were read with %d blocked, and %d with 50", second, many, first)
			}
		})
	}
	t.Run("sqlite", func(t *testing.T) {
		var list []recordedStatement
		plain := plainStores["sqlite"](t)
		var db sqlstore.Database
		s := plain.WithDatabase(func(d sqlstore.Database) sqlstore.Database {
			db = d
			return recorded{d, &list}
		})
		u := use{t, s}
		require.NoError(t, s.Migrate(t.Context()))
		calls := 0
		few(u, func() int {
			if calls++; calls == 1 {
				list = nil // without what fills the line
			}
			return 0
		}, "few", 50)
		require.NotEmpty(t, list)
		for _, statement := range list {
			err := db.Query(t.Context(), "explain query plan "+statement.query, statement.args, func(scan sqlstore.Scan) error {
				var id, parent, unused int
				var detail string
				err := scan(&id, &parent, &unused, &detail)
				table, scans := strings.CutPrefix(detail, "SCAN ")
				if table, _, _ = strings.Cut(table, " "); scans && slices.Contains([]string{"webhook_lines", "webhook_deliveries", "l", "d"}, table) &&
					!strings.Contains(detail, "INDEX") {
					t.Errorf("%s, in the statement\n%s", detail, statement.query)
				}
				return err
			})
			require.NoError(t, err, statement.query)
		}
	})
}

// few enqueues a line of n more than one, and returns how much reading it takes to
// claim nothing, to store the first of another line leased, to deliver the first one, to
// claim the next one, and to cancel one in the midst.
func few(u use, read func() int, key string, n int) int {
	u.Helper()
	for from := 0; from < n+1; {
		var ds []webhook.Delivery
		for ; from < n+1 && len(ds) < 5000; from++ {
			d := delivery(fmt.Sprintf("%s %06d", key, from))
			d.EventID, d.Key, d.Joined, d.WebhookID = "the same", key, now, key
			ds = append(ds, d)
		}
		if _, err := u.store.Enqueue(u.Context(), storetest.Events(ds...)); err != nil {
			u.Fatal(err)
		}
	}
	first, next := key+" 000000", key+" 000001"
	u.claims(now, first)
	for range n/4096 + 1 { // what joined is taken over in steps
		u.claims(now)
	}
	u.deliver(1, first)
	u.claims(now, next)
	before := read()
	u.claims(now)
	other := delivery(key + " other")
	other.Key, other.WebhookID, other.Due = "other", key, now.Add(time.Hour)
	events := storetest.Events(other)
	events[0].Deliveries[0].LeaseUntil = now.Add(time.Minute)
	_, _, err := u.store.(webhook.LineLeaser).EnqueueLeasing(u.Context(), events)
	require.NoError(u, err)
	u.deliver(1, next)
	u.claims(now, key+" 000002")
	u.apply(0, webhook.StateCanceled, now, key+" 000005") // which gives it its Sequence
	u.claims(now)
	return read() - before
}

// rowsRead returns how many rows and entries of indexes MariaDB has read for db's only
// connection.
func rowsRead(t *testing.T, db *sql.DB) (sum int) {
	t.Helper()
	rows, err := db.Query(`show session status where variable_name like 'Handler_read%' or variable_name = 'Handler_icp_attempts'`)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var name string
		var n int
		require.NoError(t, rows.Scan(&name, &n))
		sum += n
	}
	require.NoError(t, rows.Err())
	return sum
}
