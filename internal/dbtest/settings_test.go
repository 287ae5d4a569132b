package dbtest

import (
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/storetest"
)

// A setting is one that a store may meet: it works with it, or Migrate refuses it by
// name and leaves nothing behind.
type setting struct {
	name    string
	open    func(t testing.TB) func(prefix string) *handle
	refusal string // what the refusal says; "": the store works
}

// onDatabase opens databases of their own on PostgreSQL, made with options.
func onDatabase(options string) func(testing.TB) func(string) *handle {
	return func(t testing.TB) func(string) *handle {
		base, err := url.Parse(postgres(t)) // which skips without a server
		if err != nil {
			t.Fatal(err)
		}
		base.RawQuery = "sslmode=disable"
		admin := open(t, "pgx", base.String(), 1)
		n := name()
		must(t, admin, "create database "+n+" template template0 "+options)
		t.Cleanup(func() { must(t, admin, "drop database "+n+" with (force)") })
		base.Path = "/" + n
		return func(prefix string) *handle { return postgresHandle(t, open(t, "pgx", base.String(), 4), prefix) }
	}
}

// onPostgres opens stores whose connections have a setting.
func onPostgres(driver, name, value string) func(testing.TB) func(string) *handle {
	return func(t testing.TB) func(string) *handle {
		base, err := url.Parse(postgres(t))
		if err != nil {
			t.Fatal(err)
		}
		query := base.Query()
		query.Set(name, value)
		base.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
		return func(prefix string) *handle { return postgresHandle(t, open(t, driver, base.String(), 4), prefix) }
	}
}

// onMariaDB opens stores whose connections have settings.
func onMariaDB(params string) func(testing.TB) func(string) *handle {
	return func(t testing.TB) func(string) *handle {
		dsn := mariadb(t) + "?" + params
		return func(prefix string) *handle { return mysqlHandle(open(t, "mysql", dsn, 4), prefix) }
	}
}

// withoutDatabase opens stores whose data source name ends before the name of a database.
func withoutDatabase(t testing.TB) func(string) *handle {
	dsn := mariadb(t)
	db := open(t, "mysql", dsn[:strings.LastIndex(dsn, "/")+1], 4)
	return func(prefix string) *handle { return mysqlHandle(db, prefix) }
}

// onSQLite opens stores on a file that a statement has made.
func onSQLite(first, params string) func(testing.TB) func(string) *handle {
	return func(t testing.TB) func(string) *handle {
		file := "file:" + t.TempDir() + "/app.db"
		must(t, open(t, "sqlite", file, 1), first)
		return func(prefix string) *handle {
			db := open(t, "sqlite", file+params, 4)
			return sqliteHandle(db, prefix)
		}
	}
}

func TestSettings(t *testing.T) {
	for _, s := range []setting{
		{"postgres/UTF8", onDatabase("encoding 'UTF8' locale 'C'"), ""},
		{"postgres/SQL_ASCII", onDatabase("encoding 'SQL_ASCII' locale 'C'"), "server_encoding=SQL_ASCII"},
		{"postgres/LATIN1", onDatabase("encoding 'LATIN1' locale 'C'"), "server_encoding=LATIN1"},
		{"postgres/serializable", onPostgres("pgx", "default_transaction_isolation", "serializable"), "default_transaction_isolation=serializable"},
		{"postgres/repeatable read", onPostgres("pgx", "default_transaction_isolation", "repeatable read"), "default_transaction_isolation=repeatable read"},
		{"postgres/read only", onPostgres("pgx", "default_transaction_read_only", "on"), "default_transaction_read_only=on"},
		{"postgres/strings", onPostgres("pgx", "standard_conforming_strings", "off"), ""},
		{"postgres/dates", onPostgres("pgx", "datestyle", "German"), ""},
		{"postgres/bytea", onPostgres("pgx", "bytea_output", "escape"), ""},
		{"postgres/nulls", onPostgres("pgx", "transform_null_equals", "on"), ""},
		{"postgres/plans", onPostgres("pgx", "plan_cache_mode", "force_generic_plan"), ""},
		{"postgres/time zone", onPostgres("pgx", "timezone", "Asia/Kolkata"), ""},
		{"postgres/LATIN1 client", onPostgres("pgx", "client_encoding", "LATIN1"), "client_encoding=LATIN1"},

		{"postgres/deferrable", onPostgres("pgx", "default_transaction_deferrable", "on"), ""},
		{"postgres/array nulls", onPostgres("pgx", "array_nulls", "off"), ""},
		{"postgres/no temp schema", onPostgres("pgx", "search_path", "pg_temp, public"), "search_path that begins with pg_temp"},
		{"postgres/no schema", onPostgres("pgx", "search_path", "nowhere"), "search_path without a schema"},

		{"mariadb/no database", withoutDatabase, "names no database"},
		{"mariadb/chain", onMariaDB("completion_type=1"), "completion_type is"},
		{"mariadb/unique", onMariaDB("unique_checks=0"), "unique_checks is"},
		{"mariadb/engine", onMariaDB("default_storage_engine=%27MyISAM%27"), ""},
		{"mariadb/group concat", onMariaDB("group_concat_max_len=4"), ""},
		{"mariadb/div", onMariaDB("div_precision_increment=0"), ""},
		{"mariadb/snapshot", onMariaDB("innodb_snapshot_isolation=1"), ""},
		{"mariadb/collation", onMariaDB("collation=utf8mb4_unicode_ci"), ""},

		{"mariadb/ANSI", onMariaDB("sql_mode=%27ANSI,STRICT_ALL_TABLES%27"), ""},
		{"mariadb/ORACLE", onMariaDB("sql_mode=%27ORACLE,STRICT_ALL_TABLES%27"), "take ORACLE out"},
		{"mariadb/MSSQL", onMariaDB("sql_mode=%27MSSQL,STRICT_ALL_TABLES%27"), ""},
		{"mariadb/no backslashes", onMariaDB("sql_mode=%27NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES%27&interpolateParams=true"), ""},
		{"mariadb/TRADITIONAL", onMariaDB("sql_mode=%27TRADITIONAL,ONLY_FULL_GROUP_BY,PAD_CHAR_TO_FULL_LENGTH%27"), ""},
		{"mariadb/serializable", onMariaDB("tx_isolation=%27SERIALIZABLE%27"), ""},
		{"mariadb/utf8mb3", onMariaDB("charset=utf8mb3"), "character_set_client is"},
		{"mariadb/latin1", onMariaDB("charset=latin1"), "character_set_client is"},
		{"mariadb/null", onMariaDB("sql_auto_is_null=1"), ""},
		{"mariadb/safe updates", onMariaDB("sql_safe_updates=1"), "sql_safe_updates is"},
		{"mariadb/few rows", onMariaDB("sql_select_limit=3"), "sql_select_limit is"},
		{"mariadb/small joins", onMariaDB("max_join_size=1000"), "sql_big_selects is"},
		{"mariadb/small joins that need not be", onMariaDB("max_join_size=1000,sql_big_selects=1"), ""}, // in this order: max_join_size sets the other one
		{"mariadb/found rows", onMariaDB("clientFoundRows=true"), ""},
		{"mariadb/read only", onMariaDB("tx_read_only=1"), "tx_read_only is"},
		{"mariadb/times", onMariaDB("parseTime=true&loc=Local"), ""},

		{"sqlite/UTF-16", onSQLite("pragma encoding = 'UTF-16'; create table app (n integer)", ""), ""},
		{"sqlite/read only", onSQLite("create table app (n integer)", "?mode=ro"), "readonly database"},
		{"sqlite/query only", onSQLite("create table app (n integer)", "?_pragma=query_only(1)"), "readonly database"},
		{"sqlite/like", onSQLite("create table app (n integer)", "?_pragma=case_sensitive_like(1)&_pragma=recursive_triggers(1)&_pragma=foreign_keys(1)"), ""},
		{"sqlite/off", onSQLite("create table app (n integer)", "?_pragma=journal_mode(off)"), "journal_mode is"},
		{"sqlite/memory", onSQLite("create table app (n integer)", "?_pragma=journal_mode(memory)"), "journal_mode is"},
		{"sqlite/exclusive", onSQLite("create table app (n integer)", "?_txlock=exclusive"), ""},
		{"sqlite/immediate", onSQLite("create table app (n integer)", "?_txlock=immediate"), ""},
	} {
		t.Run(s.name, func(t *testing.T) {
			opens := s.open(t)
			h := opens("")
			err := h.Migrate(t.Context())
			if s.refusal != "" {
				says(t, err, s.refusal)
				if tables := tablesOf(t, h, s.name); tables != 0 {
					t.Errorf("there are %d tables after the refusal", tables)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			works(t, h, opens(""))
		})
	}
}

// tablesOf returns how many tables of the store's there are.
func tablesOf(t testing.TB, h *handle, database string) int {
	t.Helper()
	query := `select count(*) from information_schema.tables where table_name like 'webhook\_%'`
	switch {
	case strings.HasPrefix(database, "sqlite"):
		query = `select count(*) from sqlite_master where name like 'webhook_%'`
	case strings.HasPrefix(database, "postgres"):
		query += ` and table_schema = current_schema()`
	default:
		query += ` and table_schema = database()`
	}
	n, err := h.number(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// works has deliveries go through their life, half of it in another process.
func works(t testing.TB, h, other *handle) {
	t.Helper()
	ctx := t.Context()
	texts := []string{"plain", "Grüße, 東京 🦊", `a \ b '' " % _`, "€ $1 ? @name"}
	w := webhook.Webhook{ID: "hook ü", Account: "acme \\ 東", Settings: webhook.Settings{List: "12", Name: texts[1], Headers: map[string]string{"X": texts[2]}}, Changed: now}
	version, err := h.PutWebhook(ctx, w)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.PutWebhook(ctx, w); err == nil {
		t.Error("a webhook was added twice")
	}
	ws, err := other.Webhooks(ctx, webhook.WebhookQuery{Account: w.Account})
	if err != nil || len(ws) != 1 || ws[0].Name != w.Name || ws[0].Headers["X"] != texts[2] || ws[0].Version != version {
		t.Errorf("the webhook is read as %+v, %v", ws, err)
	}
	var ds []webhook.Delivery
	for i := range 40 {
		d := delivery(fmt.Sprint("id ", i, " ", texts[i%len(texts)]))
		d.Account, d.WebhookID = w.Account, w.ID
		d.Body, d.Carrier = []byte("\x00\xff\\ "+texts[i%len(texts)]), map[string]string{"traceparent": texts[i%len(texts)]}
		ds = append(ds, d)
	}
	for range 2 {
		if _, err := h.Enqueue(ctx, storetest.Events(ds...)); err != nil {
			t.Fatal(err)
		}
	}
	had, err := other.Enqueue(ctx, storetest.Events(ds...))
	if err != nil || len(had) != len(ds) {
		t.Errorf("of %d stored before %d are known, %v", len(ds), len(had), err)
	}
	claimed, err := other.Claim(ctx, webhook.Claim{Now: now, Until: now.Add(time.Minute), Limit: 100, Each: 100})
	if err != nil || len(claimed) != len(ds) {
		t.Fatalf("%d of %d were claimed, %v", len(claimed), len(ds), err)
	}
	byID := map[string]webhook.Delivery{}
	for _, d := range ds {
		byID[d.ID] = d
	}
	var changes []webhook.Change
	for i, d := range claimed {
		want := byID[d.ID]
		if string(d.Body) != string(want.Body) || !reflect.DeepEqual(d.Carrier, want.Carrier) || d.EventID != want.EventID {
			t.Errorf("a delivery is claimed as %+v, want %+v", d, want)
		}
		c := webhook.Change{ID: d.ID, Lease: d.Lease, State: webhook.StateDelivered, Due: now, Attempts: 1,
			Log: &webhook.Attempt{Start: now, Status: 200, Reason: texts[i%len(texts)], Response: []byte("\x00\xfe" + texts[1])}}
		if i%2 == 0 {
			c.State, c.Due = webhook.StatePending, now.Add(time.Hour)
		}
		changes = append(changes, c)
	}
	for i, want := range []int{0, len(changes)} { // the second time their leases are others
		lost, err := h.Apply(ctx, changes)
		if err != nil || len(lost) != want {
			t.Errorf("round %d: %d changes were lost, %v, want %d", i, len(lost), err, want)
		}
	}
	log, err := other.Deliveries(ctx, webhook.DeliveryQuery{Account: w.Account, States: []webhook.State{webhook.StateDelivered}})
	if err != nil || len(log) != len(ds)/2 || len(log[0].Log) != 1 || string(log[0].Log[0].Response) != "\x00\xfe"+texts[1] {
		t.Errorf("the log has %d deliveries, %v", len(log), err)
	}
	again, err := other.Claim(ctx, webhook.Claim{Now: now.Add(2 * time.Hour), Until: now.Add(3 * time.Hour), Limit: 100, Each: 100})
	if err != nil || len(again) != len(ds)/2 {
		t.Errorf("%d are due again, %v", len(again), err)
	}
	if n, err := h.Prune(ctx, webhook.Prune{Before: now.Add(time.Second), Limit: 100}); err != nil || n != len(ds)/2 {
		t.Errorf("%d were pruned, %v", n, err)
	}
	err = inTx(ctx, h, func(tx transaction) error {
		d := delivery("of the app " + texts[1])
		_, err := tx.Enqueue(ctx, storetest.Events(d))
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if n := count(t, other); n != len(ds)/2+1 {
		t.Errorf("there are %d deliveries, want %d", n, len(ds)/2+1)
	}
}

// A crash of PostgreSQL empties unlogged tables, as which queues are often made.
func TestUnloggedTablesAreRefused(t *testing.T) {
	dsn := postgres(t)
	h := migrated(t, postgresHandle(t, open(t, "pgx", dsn, 2), ""))
	for _, table := range []string{"webhook_deliveries", "webhook_ready"} {
		must(t, open(t, "pgx", dsn, 1), "alter table "+table+" set unlogged")
		other := postgresHandle(t, open(t, "pgx", dsn, 2), "")
		_, err := other.Webhooks(t.Context(), webhook.WebhookQuery{All: true})
		says(t, err, table+" is unlogged")
		says(t, other.Migrate(t.Context()), table+" is unlogged")
		err = inTx(t.Context(), other, func(tx transaction) error {
			_, err := tx.Enqueue(t.Context(), storetest.Events(delivery("d")))
			return err
		})
		says(t, err, table+" is unlogged")
		must(t, open(t, "pgx", dsn, 1), "alter table "+table+" set logged")
	}
	if err := h.Migrate(t.Context()); err != nil {
		t.Error(err)
	}
}
