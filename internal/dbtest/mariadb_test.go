package dbtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/mysqlstore"
	"github.com/listhook/webhook/storetest"
)

// Galera demands innodb_autoinc_lock_mode 2, in which rows of one statement are
// not numbered in a row.
func TestStoreOnMariaDBWithAutoincLockMode2(t *testing.T) {
	t.Parallel()
	server := startMariaDB(t, "--innodb-autoinc-lock-mode=2")
	suite(t, storage{again: true, empty: emptyMariaDB, create: func(t testing.TB) func(string) *handle {
		dsn := server.source(server.create(t), "")
		return func(prefix string) *handle { return mysqlHandle(open(t, "mysql", dsn, 8), prefix) }
	}}).Run(t)
}

// In the first schema the server numbered the deliveries.
func TestMigrateUpgradesTheFirstSchemaOfMariaDBWithItsRows(t *testing.T) {
	ctx := t.Context()
	dsn := mariadb(t)
	h := mysqlHandle(open(t, "mysql", dsn, 8), "")
	for statement := range strings.SplitSeq(strings.TrimSuffix(h.Schema(0), h.Schema(1)), ";\n") {
		if statement != "" {
			if err := h.exec(ctx, statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	due := now.UnixMilli()
	insert := func(id, state string, due int64, lane, wake string) error {
		return h.exec(ctx, fmt.Sprintf(`
insert ignore into webhook_deliveries
  (id, account, webhook, event, type, created, state, due, lease, attempts, token, lane, wake, body, carrier, log)
values ('%s', 'acme', '1', 'e', 'open', %d, '%s', %d, 0, 0, 7, %s, %s, 'type=open', '', '')`, id, now.UnixMilli(), state, due, lane, wake))
	}
	for i := range 300 {
		if err := insert(fmt.Sprintf("ready %03d", i), "pending", due+int64(i), `'1'`, `null`); err != nil {
			t.Fatal(err)
		}
	}
	for id, err := range map[string]error{
		"waits":    insert("waits", "pending", due+60_000, `null`, fmt.Sprint(due+60_000)),
		"finished": insert("finished", "delivered", due, `null`, `null`),
	} {
		if err != nil {
			t.Fatal(id, err)
		}
	}
	_, err := h.Enqueue(ctx, storetest.Events(delivery("early")))
	says(t, err, "older version")

	migrated(t, h)
	if n := count(t, h); n != 302 {
		t.Errorf("there are %d deliveries after the upgrade, want 302", n)
	}
	had, err := h.Enqueue(ctx, storetest.Events(delivery("new"), delivery("ready 007"), delivery("finished")))
	slices.Sort(had)
	if err != nil || !slices.Equal(had, []string{"finished", "ready 007"}) {
		t.Errorf("Enqueue returned %q and the error %v, want the two that the first schema held", had, err)
	}
	claim := webhook.Claim{Now: now, Until: now.Add(1e9), Limit: 9, Each: 1}
	if ds, err := h.Claim(ctx, claim); err != nil || len(ds) != 1 || ds[0].Due != claim.Until {
		t.Errorf("claimed %+v and got the error %v, want one", ds, err)
	}
	claim.Now, claim.Limit, claim.Each = now.Add(1e11), 999, 999
	if ds, err := h.Claim(ctx, claim); err != nil || len(ds) != 302 {
		t.Errorf("claimed %d and got the error %v, want all that is pending", len(ds), err)
	}
	// A process of the older version that still runs would not know the numbers:
	// it must fail rather than lose what it adds.
	if err := insert("by an older process", "pending", due, `'1'`, `null`); err == nil {
		t.Error("an older version's insert did not fail")
	}
}

// A store that cannot keep its promises on the server that it meets says so at
// Migrate, and at the first call of each process, since another may have migrated.
func TestMariaDBThatLosesEventsIsRefused(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server := startMariaDB(t, "--log-bin", "--server-id=1", "--sync-binlog=1", "--default-storage-engine=MyISAM")
	root := server.root(t)
	database := server.create(t)
	handleOf := func(params string) *handle {
		return mysqlHandle(open(t, "mysql", server.source(database, params), 8), "")
	}
	migrated(t, handleOf(""))
	rows := 0
	err := root.QueryRow(`
select count(*) from information_schema.tables where table_schema = ? and engine <> 'InnoDB'`, database).Scan(&rows)
	if err != nil || rows != 0 {
		t.Errorf("%d tables are of the default engine, and the error is %v; want all of InnoDB", rows, err)
	}

	for _, c := range []struct {
		name, params string
		before       string // what is done to the server, and undone
		after        string
		says         string
		tx           bool // so is it in the app's transactions
	}{
		{name: "autocommit", params: "autocommit=0", says: "autocommit is"},
		{name: "sql_mode not strict", params: "sql_mode=%27NO_ENGINE_SUBSTITUTION%27", says: "sql_mode is"},
		{name: "sql_mode with empty strings as null", params: "sql_mode=%27STRICT_ALL_TABLES,EMPTY_STRING_IS_NULL%27", says: "EMPTY_STRING_IS_NULL", tx: true},
		{name: "isolation", params: "tx_isolation=%27READ-UNCOMMITTED%27", says: "tx_isolation is"},
		{name: "flush 2", before: `set global innodb_flush_log_at_trx_commit = 2`, after: `set global innodb_flush_log_at_trx_commit = 1`, says: "innodb_flush_log_at_trx_commit is", tx: true},
		{name: "flush 0", before: `set global innodb_flush_log_at_trx_commit = 0`, after: `set global innodb_flush_log_at_trx_commit = 1`, says: "innodb_flush_log_at_trx_commit is", tx: true},
		{name: "sync_binlog", before: `set global sync_binlog = 0`, after: `set global sync_binlog = 1`, says: "sync_binlog is", tx: true},
		{name: "sql_log_bin", params: "sql_log_bin=0", says: "sql_log_bin is", tx: true},
		{name: "binlog_format", params: "binlog_format=%27STATEMENT%27", says: "binlog_format is", tx: true},
		{name: "engine", before: `alter table ` + database + `.webhook_deliveries engine = MyISAM`, after: `alter table ` + database + `.webhook_deliveries engine = InnoDB`, says: "the engine of webhook_deliveries is", tx: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.before != "" {
				must(t, root, c.before)
				defer must(t, root, c.after)
			}
			says(t, handleOf(c.params).Migrate(ctx), c.says)
			for name, call := range calls(ctx) {
				t.Run(name, func(t *testing.T) { says(t, call(handleOf(c.params)), c.says) })
			}
			err := inTx(ctx, handleOf(c.params), func(tx transaction) error {
				if _, err := tx.Enqueue(ctx, storetest.Events(delivery("of the app"))); err != nil {
					return err
				}
				return errors.New("stored")
			})
			if c.tx {
				says(t, err, c.says)
			} else {
				says(t, err, "stored")
			}
		})
	}
	if n := count(t, handleOf("")); n != 0 {
		t.Errorf("there are %d deliveries, want none", n)
	}

	must(t, root, `set global innodb_flush_log_at_trx_commit = 2`)
	must(t, root, `set global sync_binlog = 0`)
	relaxed := mysqlstore.New(open(t, "mysql", server.source(database, ""), 8), &mysqlstore.Options{Relaxed: true})
	if err := relaxed.Migrate(ctx); err != nil {
		t.Error(err)
	}
	if _, err := relaxed.Enqueue(ctx, storetest.Events(delivery("d"))); err != nil {
		t.Error(err)
	}
}

// An event that is emitted again because its commit was not confirmed is not
// acknowledged before a semi-synchronous replica has it.
func TestEventEmittedAgainWaitsForTheSemiSynchronousReplica(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	primary := startMariaDB(t, "--log-bin", "--server-id=1", "--sync-binlog=1", "--gtid-strict-mode=1",
		"--rpl-semi-sync-master-enabled=1", "--rpl-semi-sync-master-timeout=600000")
	replica := startMariaDB(t, "--server-id=2", "--gtid-strict-mode=1", "--rpl-semi-sync-slave-enabled=1")
	far := replica.root(t)
	must(t, far, fmt.Sprintf(`change master to master_host='127.0.0.1', master_port=%s, master_user='root', master_use_gtid=slave_pos`, primary.port))
	must(t, far, `start slave`)
	h := migrated(t, mysqlHandle(open(t, "mysql", primary.source(primary.create(t), ""), 8), ""))
	if _, err := h.Enqueue(ctx, storetest.Events(delivery("before"))); err != nil {
		t.Fatal(err)
	}

	must(t, far, `stop slave io_thread`)
	// waits begins a call, and returns where its error comes once it is seen to
	// wait for the replica, or has not waited.
	seen := primary.root(t)
	waits := func(call func() error) <-chan error {
		before := waiting(t, seen)
		done := make(chan error, 1)
		go func() { done <- call() }()
		for waiting(t, seen) == before && len(done) == 0 {
			time.Sleep(10 * time.Millisecond)
		}
		return done
	}
	event := storetest.Events(delivery("d"), delivery("e"))
	for _, attempt := range []string{"first", "second", "third"} {
		ctx, cancel := context.WithCancel(ctx)
		done := waits(func() error {
			_, err := h.Enqueue(ctx, event)
			return err
		})
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("the %s Enqueue returned %v before the replica had the event", attempt, err)
		}
	}
	done := waits(func() error {
		return inTx(ctx, h, func(tx transaction) error {
			_, err := tx.Enqueue(ctx, event)
			return err
		})
	})
	if len(done) > 0 {
		t.Fatalf("a transaction ended before the replica had the event: %v", <-done)
	}

	must(t, far, `start slave io_thread`)
	if err := <-done; err != nil {
		t.Error(err)
	}
	had, err := h.Enqueue(ctx, event)
	slices.Sort(had)
	if err != nil || !slices.Equal(had, []string{"d", "e"}) {
		t.Errorf("Enqueue returned %q and the error %v, want both as stored before", had, err)
	}
}

// waiting returns how many sessions wait for a semi-synchronous replica.
func waiting(t testing.TB, db *sql.DB) (n int) {
	t.Helper()
	var name string
	if err := db.QueryRow(`show status like 'Rpl_semi_sync_master_wait_sessions'`).Scan(&name, &n); err != nil {
		t.Fatal(err)
	}
	return n
}
