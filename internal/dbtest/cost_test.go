package dbtest

import (
	"context"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/ids"
	"github.com/listhook/webhook/internal/sqlstore"
	"github.com/listhook/webhook/storetest"
)

// counting is a database that counts statements, and those that name the tables of
// lines, their events or subjects.
type counting struct {
	sqlstore.Database
	n *statementCount
}

type statementCount struct{ all, lines, transactions int }

func (c counting) InTx(ctx context.Context, several bool, f func(sqlstore.Querier) error) error {
	c.n.transactions++
	return c.Database.InTx(ctx, several, func(q sqlstore.Querier) error { return f(countingQuerier{q, c.n}) })
}

func (c counting) Exec(ctx context.Context, query string, args []any) (int64, error) {
	return countingQuerier{c.Database, c.n}.Exec(ctx, query, args)
}

func (c counting) Query(ctx context.Context, query string, args []any, row func(sqlstore.Scan) error) error {
	return countingQuerier{c.Database, c.n}.Query(ctx, query, args, row)
}

type countingQuerier struct {
	sqlstore.Querier
	n *statementCount
}

func (c countingQuerier) count(query string) {
	c.n.all++
	for _, table := range []string{"webhook_lines", "webhook_line_events", "webhook_subjects", "webhook_steps"} {
		if strings.Contains(query, table) {
			c.n.lines++
			return
		}
	}
}

func (c countingQuerier) Exec(ctx context.Context, query string, args []any) (int64, error) {
	c.count(query)
	return c.Querier.Exec(ctx, query, args)
}

func (c countingQuerier) Query(ctx context.Context, query string, args []any, row func(sqlstore.Scan) error) error {
	c.count(query)
	return c.Querier.Query(ctx, query, args, row)
}

// A delivery without a key costs the statements that it did before there were lines:
// one to store it pre-leased, with its lease, and one for its outcome, none of which
// names what is for lines. That holds for an event with a time of its own too.
func TestADeliveryWithoutAKeyPaysNothingForLines(t *testing.T) {
	want := map[string]int{"postgres": 2, "sqlite": 3, "mariadb": 3}
	for database, fresh := range plainStores {
		t.Run(database, func(t *testing.T) {
			var n statementCount
			s := fresh(t).WithDatabase(func(d sqlstore.Database) sqlstore.Database { return counting{d, &n} })
			u := use{t, s}
			require.NoError(t, s.Migrate(t.Context()))
			u.enqueue(preLeased("first")) // checks the server and the schema
			n = statementCount{}
			timed := preLeased("a")
			timed.Time = now.Add(-time.Hour)
			u.enqueue(timed, preLeased("b"), preLeased("c"), preLeased("d"))
			u.deliver(1, "a", "b", "c", "d")
			require.Equal(t, statementCount{all: want[database], transactions: 2}, n)
		})
	}
}

// A delivery with a key that is the first of its line costs two transactions too, and no
// event of lines: one to store it leased, and one for its outcome. It is not claimed.
func TestADeliveryWithAKeyIsStoredLeased(t *testing.T) {
	// On PostgreSQL each transaction takes the lock and has one statement. On SQLite the
	// first one looks at the lines, inserts deliveries, entries of lines and the lease, and
	// the second one writes outcomes, removes entries and looks at those behind them.
	want := map[string]statementCount{"postgres": {4, 4, 2}, "sqlite": {9, 6, 2}}
	for database, count := range want {
		t.Run(database, func(t *testing.T) {
			var n statementCount
			s := plainStores[database](t).WithDatabase(func(d sqlstore.Database) sqlstore.Database { return counting{d, &n} })
			u := use{t, s}
			require.NoError(t, s.Migrate(t.Context()))
			u.enqueue(preLeased("first")) // checks the server and the schema
			n = statementCount{}
			var ds []webhook.Delivery
			for _, id := range []string{"a", "b", "c", "d"} {
				d := delivery(id)
				d.Key, d.Joined = id, now
				ds = append(ds, d)
			}
			u.enqueueLeasing(ds...)
			u.deliver(1, "a", "b", "c", "d")
			require.Equal(t, count, n)
			left, err := s.Count(t.Context(), webhook.DeliveryQuery{All: true, States: []webhook.State{webhook.StatePending}})
			require.NoError(t, err)
			require.Equal(t, 1, left, "the first one")
		})
	}
}

// enqueueLeasing stores new deliveries, all of which are the first of their lines.
func (u use) enqueueLeasing(ds ...webhook.Delivery) {
	u.Helper()
	events := storetest.Events(ds...)
	for _, e := range events {
		for i := range e.Deliveries {
			e.Deliveries[i].LeaseUntil = now.Add(time.Minute)
		}
	}
	had, leased, err := u.store.(webhook.LineLeaser).EnqueueLeasing(u.Context(), events)
	require.NoError(u, err)
	require.Empty(u, had)
	require.Len(u, leased, len(ds))
}

// An event in a transaction of the app's is one statement, as long as it is new. On MariaDB
// one with an ID of the app's is looked for first.
func TestAnEventInATransactionIsOneStatement(t *testing.T) {
	for database, fresh := range plainStores {
		t.Run(database, func(t *testing.T) {
			var db sqlstore.Database
			s := fresh(t).WithDatabase(func(d sqlstore.Database) sqlstore.Database { db = d; return d })
			require.NoError(t, s.Migrate(t.Context()))
			require.NoError(t, db.InTx(t.Context(), true, func(q sqlstore.Querier) error {
				var n statementCount
				app := s.Outbox(countingQuerier{q, &n})
				made := true // the IDs of events
				enqueue := func(want []string, names ...string) {
					var ds []webhook.Delivery
					for _, id := range names {
						d := delivery(id)
						if made {
							d.EventID = ids.NewEvent(d.Created)
						}
						ds = append(ds, d)
					}
					had, err := app.Enqueue(t.Context(), storetest.Events(ds...))
					require.NoError(t, err)
					require.ElementsMatch(t, want, had)
				}
				enqueue(nil, "first") // checks the server and the schema
				n = statementCount{}
				enqueue(nil, "a", "b")
				require.Equal(t, statementCount{all: 1}, n)
				enqueue([]string{"a", "first"}, "first", "a", "c")
				made, n = false, statementCount{}
				enqueue(nil, "d")
				require.Equal(t, map[string]int{"postgres": 1, "sqlite": 1, "mariadb": 2}[database], n.all)
				enqueue([]string{"a", "first"}, "first", "a", "e")
				return nil
			}))
			left, err := s.Count(t.Context(), webhook.DeliveryQuery{All: true})
			require.NoError(t, err)
			require.Equal(t, 6, left)
		})
	}
}

// With LISTHOOK_COST=1 this prints the bytes that events write to the write-ahead log,
// in groups of 20 as a busy dispatcher stores them: docs/performance.md has the result.
// On PostgreSQL it counts those of the whole server, so nobody else may use that.
func TestBytesOfAnEvent(t *testing.T) {
	if os.Getenv("LISTHOOK_COST") == "" {
		t.Skip("set LISTHOOK_COST=1 to measure")
	}
	stores := map[string]func(t *testing.T) (*sqlstore.Store, func() int){
		"sqlite": func(t *testing.T) (*sqlstore.Store, func() int) {
			file := filepath.Join(t.TempDir(), "app.db")
			db := open(t, "sqlite", "file:"+file+"?_pragma=wal_autocheckpoint(0)", 1)
			return sqlstore.NewSQLite(db, sqlstore.DefaultPrefix, "FULL"), func() int {
				info, err := os.Stat(file + "-wal")
				require.NoError(t, err)
				return int(info.Size())
			}
		},
		"postgres": func(t *testing.T) (*sqlstore.Store, func() int) {
			db := open(t, "pgx", postgres(t), 1)
			return sqlstore.NewPostgres(db, sqlstore.DefaultPrefix, false), func() (n int) {
				require.NoError(t, db.QueryRow(`select cast(pg_current_wal_insert_lsn() - '0/0' as bigint)`).Scan(&n))
				return n
			}
		},
	}
	const groups, size = 300, 20
	for database, fresh := range stores {
		for _, kind := range []string{"plain", "keyed", "searchable"} {
			t.Run(database+", "+kind, func(t *testing.T) {
				s, written := fresh(t)
				u, before := use{t, s}, 0
				require.NoError(t, s.Migrate(t.Context()))
				for g := range groups + 1 {
					if g == 1 {
						before = written() // without what the first group costs once
					}
					var ds []webhook.Delivery
					var ids []string
					for i := range size {
						d := preLeased(fmt.Sprintf("%05d-%05d", g, i))
						d.Time = now.Add(-time.Second)
						d.Body = bodyOf(g*size + i)
						if kind == "searchable" {
							d.Subjects = []string{"#event " + d.ID + "01234", "#id " + d.ID + "01234567", "#email " + d.ID + "01234", "#campaign 0123456789012"}
						}
						if kind == "keyed" {
							d.Lease, d.Due, d.Key, d.Joined = 0, now, d.ID, now
						}
						ds, ids = append(ds, d), append(ids, d.ID)
					}
					if kind == "keyed" {
						u.enqueueLeasing(ds...)
					} else {
						u.enqueue(ds...)
					}
					u.deliver(1, ids...)
				}
				t.Logf("%d bytes an event", (written()-before)/groups/size)
			})
		}
	}
}

// bodyOf returns a body of about 400 bytes, of the n-th subscriber.
func bodyOf(n int) []byte {
	h := fnv.New64a()
	fmt.Fprint(h, n)
	name := strconv.FormatUint(h.Sum64(), 36)
	return fmt.Appendf(nil, "type=open&date_time=2026-11-23+09%%3A28%%3A42&initiated_from=public&initiated_by=public&list=%d"+
		"&subscriber%%5Bid%%5D=%d&subscriber%%5Bemail%%5D=%s%%40example.com&subscriber%%5Bfirst_name%%5D=%s"+
		"&subscriber%%5Blast_name%%5D=%s&subscriber%%5Bip%%5D=203.0.113.%d&subscriber%%5Bfields%%5D%%5B1%%5D=%s"+
		"&subscriber%%5Bfields%%5D%%5B2%%5D=premium&campaign%%5Bid%%5D=%d&campaign%%5Bname%%5D=November+news",
		n%10+1, 4711+n, name, name[:5], name[5:], n%256, name[3:9], n/1000)
}
