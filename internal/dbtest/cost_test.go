package dbtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/sqlstore"
)

// counting is a database that counts statements, and those that name the tables of
// lines, their events or subjects.
type counting struct {
	sqlstore.Database
	n *statementCount
}

type statementCount struct{ all, lines int }

func (c counting) InTx(ctx context.Context, several bool, f func(sqlstore.Querier) error) error {
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
// names what is for lines.
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
			u.enqueue(preLeased("a"), preLeased("b"), preLeased("c"), preLeased("d"))
			u.deliver(1, "a", "b", "c", "d")
			require.Equal(t, statementCount{all: want[database]}, n)
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
		for _, keyed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, keyed %t", database, keyed), func(t *testing.T) {
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
						d.Body = []byte(strings.Repeat("type=open&", 40))
						if keyed {
							d.Lease, d.Due, d.Key, d.Joined = 0, now, d.ID, now
						}
						ds, ids = append(ds, d), append(ids, d.ID)
					}
					u.enqueue(ds...)
					if keyed {
						u.claims(now, ids...)
					}
					u.deliver(1, ids...)
				}
				t.Logf("%d bytes an event", (written()-before)/groups/size)
			})
		}
	}
}
