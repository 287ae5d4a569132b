package dbtest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/sqlstore"
	"github.com/listhook/webhook/storetest"
)

// searched fills a log with many deliveries: every campaign has 50,000, a subscriber 20,
// and one in 500 failed, one of them with 410.
func searched(t *testing.T, s webhook.Store, many int) {
	t.Helper()
	const batch = 500
	for from := 0; from < many; from += batch {
		var ds []webhook.Delivery
		for i := from; i < min(from+batch, many); i++ {
			d := delivery(fmt.Sprintf("%08d", i))
			d.Created = now.Add(time.Duration(i) * 100 * time.Millisecond)
			d.Due, d.State, d.WebhookID = d.Created, webhook.StateDelivered, strconv.Itoa(i%7)
			d.Body = []byte(strings.Repeat("type=open&", 40))
			d.Subjects = []string{
				fmt.Sprintf("#event %015d", i), fmt.Sprintf("#subscriber %010d", i/20), fmt.Sprintf("#email %015d", i/20), fmt.Sprintf("#campaign %012d", i/50_000),
			}
			if i%500 == 0 {
				d.State = webhook.StateFailed
				d.Log = []webhook.Attempt{{Start: d.Created, Status: 503, Reason: "It failed."}}
			}
			if i == many/3 {
				d.State = webhook.StateFailed
				d.Log = []webhook.Attempt{{Start: d.Created, Status: 410, Reason: "It is gone."}}
			}
			ds = append(ds, d)
		}
		_, err := s.Enqueue(t.Context(), storetest.Events(ds...))
		require.NoError(t, err)
	}
}

// A search of the log reads an index, whatever is looked for. With LISTHOOK_SEARCH=1000000
// it is a log of so many deliveries, and the time of each search is printed:
// docs/performance.md has the result.
func TestSearchesReadAnIndex(t *testing.T) {
	many := 20_000
	if n, err := strconv.Atoi(os.Getenv("LISTHOOK_SEARCH")); err == nil {
		many = n
	}
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			var list []recordedStatement
			var db sqlstore.Database
			s := plainStores[database](t).WithDatabase(func(d sqlstore.Database) sqlstore.Database {
				db = d
				return recorded{d, &list}
			})
			require.NoError(t, s.Migrate(t.Context()))
			searched(t, s, many)
			_, err := db.Exec(t.Context(), "analyze", nil)
			require.NoError(t, err)
			if database == "postgres" && many >= 1_000_000 {
				require.NoError(t, db.Query(t.Context(), `select pg_total_relation_size('webhook_subjects')`, nil, func(scan sqlstore.Scan) error {
					var bytes int
					err := scan(&bytes)
					t.Logf("%d bytes of subjects a delivery", bytes/many)
					return err
				}))
			}
			// Near the end where a page begins, almost all of the log is before or after it.
			page := webhook.Cursor{Created: now.Add(time.Duration(many-100) * 100 * time.Millisecond), ID: "x"}
			first := webhook.Cursor{Created: now.Add(100 * 100 * time.Millisecond), ID: "x"}
			for what, c := range map[string]struct {
				q    webhook.DeliveryQuery
				want int
			}{
				"an event":                  {webhook.DeliveryQuery{Subject: fmt.Sprintf("#event %015d", many/2)}, 1},
				"a subscriber":              {webhook.DeliveryQuery{Subject: fmt.Sprintf("#email %015d", many/40)}, 20},
				"nobody":                    {webhook.DeliveryQuery{Subject: "#email nobody"}, 0},
				"a campaign":                {webhook.DeliveryQuery{Subject: "#campaign 000000000000"}, 51},
				"a campaign's next page":    {webhook.DeliveryQuery{Subject: "#campaign 000000000000", After: webhook.Cursor{Created: now.Add(time.Duration(min(many/4, 25_000)) * 100 * time.Millisecond), ID: "x"}}, 51},
				"a status that is frequent": {webhook.DeliveryQuery{Failures: []string{"503"}}, min(51, many/500)},
				"a status that is rare":     {webhook.DeliveryQuery{Failures: []string{"410"}}, 1},
				"a status that never was":   {webhook.DeliveryQuery{Failures: []string{"refused"}}, 0},
				"a delivery":                {webhook.DeliveryQuery{IDs: []string{"00000077"}}, 1},
				"the log's next page":       {webhook.DeliveryQuery{After: page}, 51},
				"the log's page before":     {webhook.DeliveryQuery{After: first, Oldest: true}, 51},
				"what is older":             {webhook.DeliveryQuery{Until: page.Created}, 51},
				"what is newer":             {webhook.DeliveryQuery{Since: first.Created}, 51},
				"all accounts' next page":   {webhook.DeliveryQuery{All: true, After: page}, 51},
				"a type's next page":        {webhook.DeliveryQuery{After: page, Types: []webhook.EventType{"open"}}, 51},
				"a webhook's next page":     {webhook.DeliveryQuery{After: page, Webhook: "1"}, 51},
				"a subscriber's failures":   {webhook.DeliveryQuery{Subject: "#email 000000000000000", Failures: []string{"503"}}, 1},
			} {
				q := c.q
				if !q.All {
					q.Account = "acme"
				}
				q.Limit, q.Brief = 51, true
				list = nil
				began := time.Now()
				found, err := s.Deliveries(t.Context(), q)
				took := time.Since(began)
				require.NoError(t, err, what)
				require.Len(t, found, c.want, what)
				require.Len(t, list, 1)
				plan := explained(t, db, database, list[0])
				for _, line := range plan {
					if strings.Contains(line, "Seq Scan") || strings.Contains(line, "SCAN webhook") && !strings.Contains(line, "INDEX") ||
						strings.Contains(line, "MULTI-INDEX") || strings.Contains(line, "deliveries_log") && !strings.HasPrefix(what, "the log") && !strings.HasPrefix(what, "what") && !strings.HasSuffix(what, "next page") ||
						(strings.Contains(line, "  Sort  ") || strings.Contains(line, "B-TREE FOR ORDER BY")) && c.want == 51 {
						t.Errorf("%s: %s\n%s", what, line, strings.Join(plan, "\n"))
					}
				}
				if many >= 1_000_000 {
					t.Logf("%s: %s", what, took.Round(10*time.Microsecond))
				}
			}

			list = nil
			n, err := s.Prune(t.Context(), webhook.Prune{Before: page.Created, Limit: 50})
			require.NoError(t, err)
			require.Equal(t, 50, n)
			for _, line := range explained(t, db, database, list[0]) {
				if strings.Contains(line, "Seq Scan") || strings.Contains(line, "SCAN webhook") || strings.Contains(line, "B-TREE FOR ORDER BY") {
					t.Errorf("pruning: %s", line)
				}
			}
		})
	}
}

// A query of what is pending looks the few deliveries up by ID, and reads nothing else of the
// log: with statistics and without, when PostgreSQL expects hardly any that are pending.
func TestPendingDeliveriesAreLookedUp(t *testing.T) {
	var list []recordedStatement
	var db sqlstore.Database
	s := plainStores["postgres"](t).WithDatabase(func(d sqlstore.Database) sqlstore.Database {
		db = d
		return recorded{d, &list}
	})
	require.NoError(t, s.Migrate(t.Context()))
	for _, table := range []string{"deliveries", "ready", "waiting", "leases", "lines", "line_events"} {
		_, err := db.Exec(t.Context(), "alter table webhook_"+table+" set (autovacuum_enabled = off)", nil)
		require.NoError(t, err)
	}
	searched(t, s, 20_000)
	u := use{t, s}
	ask := func(when string, want int) {
		t.Helper()
		for _, q := range []webhook.DeliveryQuery{
			{All: true}, {Account: "acme"}, {Account: "acme", Webhook: "1"}, {Account: "acme", Webhook: "1", DueBy: now.Add(24 * time.Hour)},
		} {
			q.States, q.Limit = []webhook.State{webhook.StatePending}, 10_001
			list = nil
			n, err := s.Count(t.Context(), q)
			require.NoError(t, err)
			require.Equal(t, want, n, when)
			require.Len(t, list, 1)
			plan := explained(t, db, "postgres", list[0])
			for _, line := range plan {
				if strings.Contains(line, "Scan") && strings.Contains(line, "webhook_deliveries") && !strings.Contains(line, "Bitmap Heap Scan") && !strings.Contains(line, "webhook_deliveries_pkey") {
					t.Errorf("%s: %s\n%s", when, line, strings.Join(plan, "\n"))
				}
			}
		}
	}
	analyze := func() {
		_, err := db.Exec(t.Context(), "analyze", nil)
		require.NoError(t, err)
	}
	ask("nothing is pending, without statistics", 0)
	var ds []webhook.Delivery
	for i := range 300 {
		leased, blocked, waiting := delivery(fmt.Sprint("leased ", i)), keyed(fmt.Sprint("in line ", i), fmt.Sprint("k", i%20)), delivery(fmt.Sprint("waiting ", i))
		waiting.Due = now.Add(time.Hour)
		ds = append(ds, leased, blocked, waiting)
	}
	u.enqueue(ds...)
	require.Len(t, u.claim(now), 320)
	ds = nil
	for i := range 100 {
		ds = append(ds, delivery(fmt.Sprint("ready ", i)))
	}
	u.enqueue(ds...)
	ask("1,000 are pending, without statistics", 1000)
	analyze()
	ask("1,000 are pending, with statistics", 1000)
	_, err := db.Exec(t.Context(), "delete from webhook_ready; delete from webhook_waiting; delete from webhook_leases; delete from webhook_lines; delete from webhook_deliveries where state = 'pending'", nil)
	require.NoError(t, err)
	analyze()
	ask("nothing is pending, with statistics", 0)
}

// explained returns the lines of a statement's plan.
func explained(t *testing.T, db sqlstore.Database, database string, statement recordedStatement) (plan []string) {
	t.Helper()
	explain := "explain "
	if database == "sqlite" {
		explain = "explain query plan "
	}
	err := db.Query(t.Context(), explain+statement.query, statement.args, func(scan sqlstore.Scan) error {
		var line string
		var id, parent, unused int
		var err error
		if database == "sqlite" {
			err = scan(&id, &parent, &unused, &line)
		} else {
			err = scan(&line)
		}
		plan = append(plan, line)
		return err
	})
	require.NoError(t, err, statement.query)
	return plan
}
