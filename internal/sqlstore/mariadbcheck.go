package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// checkMariaDB returns an error for a server or a session on which the store would
// lose acknowledged commits. On Galera it checks each of the app's transactions,
// because the driver's settings matter, and the app may have several pools.
func checkMariaDB(ctx context.Context, s *Store, q Querier) error {
	_, app := q.(appTx)
	if app && s.checkedTx.Load() {
		return checkTextProtocol(ctx, q)
	}
	if err := checkDatabase(ctx, q); err != nil {
		return err
	}
	if err := checkSelectLimit(ctx, q); err != nil {
		return err
	}
	v, err := readVariables(ctx, q)
	if err != nil {
		return err
	}
	if err := v.checkVersion(); err != nil {
		return err
	}
	if err := v.checkWritable(app); err != nil {
		return err
	}
	if err := v.checkDurability(s.relaxed); err != nil {
		return err
	}
	if err := v.checkSession(app); err != nil {
		return err
	}
	if err := checkEngines(ctx, s, q); err != nil {
		return err
	}
	if provider := v["wsrep_provider"]; provider == "" || provider == "none" {
		return nil
	}
	return s.checkGalera(ctx, q, v)
}

// refusal returns the error for a setting that the store cannot work with.
func refusal(setting, value, why string) error {
	return fmt.Errorf("webhook: the store refuses this database, on which %s is %s: %s", setting, strconv.Quote(value), why)
}

// variables are the values of a session's variables, by name.
type variables map[string]string

// checkDatabase refuses a connection without a database, in which Migrate's lock has no
// name.
func checkDatabase(ctx context.Context, q Querier) error {
	var name string
	err := q.Query(ctx, `select coalesce(database(), '')`, nil, func(scan Scan) error { return scan(&name) })
	if err == nil && name == "" {
		return errors.New("webhook: the data source name names no database: add one after its last slash")
	}
	return err
}

// checkSelectLimit refuses a limit on the rows of each result. It comes before checks that
// such a limit would mislead.
func checkSelectLimit(ctx context.Context, q Querier) error {
	var limit string
	err := q.Query(ctx, `select cast(@@sql_select_limit as char)`, nil, func(scan Scan) error { return scan(&limit) })
	if err == nil && len(limit) < len("1000000000000") {
		return refusal("sql_select_limit", limit, "the store would overlook rows: leave it at its default for the store's connections")
	}
	return err
}

// readVariables reads the session's variables that the checks use. A server may lack
// some of them.
func readVariables(ctx context.Context, q Querier) (variables, error) {
	v := variables{}
	err := q.Query(ctx, `
show session variables where variable_name in (
  'version', 'autocommit', 'sql_mode', 'tx_isolation', 'transaction_isolation',
  'read_only', 'tx_read_only', 'transaction_read_only', 'innodb_read_only', 'sql_safe_updates',
  'unique_checks', 'completion_type', 'sql_big_selects',
  'character_set_client', 'character_set_connection', 'character_set_results',
  'innodb_flush_log_at_trx_commit', 'innodb_doublewrite', 'log_bin', 'sql_log_bin', 'sync_binlog', 'binlog_format',
  'wsrep_on', 'wsrep_provider', 'wsrep_osu_method')`, nil, func(scan Scan) error {
		var name, value string
		err := scan(&name, &value)
		v[strings.ToLower(name)] = value
		return err
	})
	return v, err
}

// checkVersion refuses servers that the store is not tested with.
func (v variables) checkVersion() error {
	const why = "it is tested with MariaDB only, and needs 10.6 or newer"
	version := strings.TrimPrefix(v["version"], "5.5.5-")
	if !strings.Contains(strings.ToLower(version), "mariadb") {
		return refusal("version", v["version"], why)
	}
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil || major < 10 || major == 10 && minor < 6 {
		return refusal("version", v["version"], why)
	}
	return nil
}

// checkWritable refuses replicas and other servers on which nothing can be stored.
func (v variables) checkWritable(app bool) error {
	if isOn(v["read_only"]) || isOn(v["innodb_read_only"]) {
		return refusal("read_only or innodb_read_only", "ON", "it is a replica, or set to take no writes: connect to the primary")
	}
	for _, name := range []string{"tx_read_only", "transaction_read_only"} {
		if isOn(v[name]) && !app {
			return refusal(name, v[name], "nothing could be stored: set it to OFF for the store's connections")
		}
	}
	return nil
}

// isOn reports whether a variable has another value than OFF.
func isOn(value string) bool { return !slices.Contains([]string{"", "0", "OFF"}, value) }

// checkDurability refuses settings with which a crash may undo commits, unless the
// store is relaxed.
func (v variables) checkDurability(relaxed bool) error {
	const otherwise = ", or set the store's Options.Relaxed"
	if flush := v["innodb_flush_log_at_trx_commit"]; flush != "1" && flush != "3" && !relaxed {
		return refusal("innodb_flush_log_at_trx_commit", flush, "a crash would undo the last commits: set it to 1"+otherwise)
	}
	if write := v["innodb_doublewrite"]; (write == "OFF" || write == "0") && !relaxed {
		return refusal("innodb_doublewrite", write, "a crash of its machine may destroy pages: set it to ON"+otherwise)
	}
	if v["log_bin"] != "ON" {
		return nil
	}
	if log := v["sql_log_bin"]; (log == "OFF" || log == "0") && !relaxed {
		return refusal("sql_log_bin", log, "replicas and restored backups would not have what is written: set it to ON for these connections"+otherwise)
	}
	if sync := v["sync_binlog"]; sync != "1" && !relaxed {
		return refusal("sync_binlog", sync, "after a power failure the server undoes commits that its binary log has lost: set it to 1"+otherwise)
	}
	if format := v["binlog_format"]; format == "STATEMENT" {
		return refusal("binlog_format", format, "set it to MIXED or ROW")
	}
	return nil
}

// checkSession refuses settings with which statements are not committed, change the
// values that they store, or read uncommitted rows. In a transaction of the app's, it
// checks only that statements run and that values stay unchanged; the other settings
// are the app's choice.
func (v variables) checkSession(app bool) error {
	mode := strings.Split(v["sql_mode"], ",")
	if slices.Contains(mode, "EMPTY_STRING_IS_NULL") {
		return refusal("sql_mode", v["sql_mode"], "take EMPTY_STRING_IS_NULL out of it")
	}
	if slices.Contains(mode, "ORACLE") {
		return refusal("sql_mode", v["sql_mode"], "it changes the types and the syntax of statements: take ORACLE out of it for the store's connections")
	}
	for _, name := range []string{"character_set_client", "character_set_connection", "character_set_results"} {
		if v[name] != "utf8mb4" {
			return refusal(name, v[name], "texts would be changed: leave charset out of the data source name, or set it to utf8mb4")
		}
	}
	if isOn(v["sql_safe_updates"]) {
		return refusal("sql_safe_updates", v["sql_safe_updates"], "the server would refuse the store's updates: set it to OFF for the store's connections")
	}
	if checks := v["unique_checks"]; checks == "OFF" || checks == "0" {
		return refusal("unique_checks", checks, "the server may store an ID twice: set it to 1 for the store's connections")
	}
	if app {
		return nil
	}
	if completion := v["completion_type"]; !slices.Contains([]string{"", "0", "NO_CHAIN"}, completion) {
		return refusal("completion_type", completion, "a commit would begin another transaction or end the connection: set it to NO_CHAIN for the store's connections")
	}
	if big := v["sql_big_selects"]; big == "OFF" || big == "0" {
		return refusal("sql_big_selects", big, "with max_join_size the server would refuse queries once the tables are large: set it to ON for the store's connections")
	}
	if on := v["autocommit"]; on != "ON" && on != "1" {
		return refusal("autocommit", on, "nothing would be committed: set it to 1 for the store's connections")
	}
	if !slices.Contains(mode, "STRICT_TRANS_TABLES") && !slices.Contains(mode, "STRICT_ALL_TABLES") {
		return refusal("sql_mode", v["sql_mode"], "values would be cut without an error: add STRICT_TRANS_TABLES for the store's connections")
	}
	for _, name := range []string{"tx_isolation", "transaction_isolation"} {
		if v[name] == "READ-UNCOMMITTED" {
			return refusal(name, v[name], "it would see what is not committed: use READ-COMMITTED or REPEATABLE-READ for the store's connections")
		}
	}
	return nil
}

// checkEngines refuses tables of storage engines without transactions.
func checkEngines(ctx context.Context, s *Store, q Querier) error {
	st := s.d.prepare(s.prefix, `
select table_name, coalesce(engine, '') from information_schema.tables
where table_schema = database() and table_name in (
  '{}webhooks', '{}puts', '{}deliveries', '{}leases', '{}subjects', '{}line_events', '{}lines', '{}steps')`)
	var wrong error
	err := q.Query(ctx, st.text, nil, func(scan Scan) error {
		var table, engine string
		err := scan(&table, &engine)
		if !strings.EqualFold(engine, "InnoDB") {
			wrong = refusal("the engine of "+table, engine, "alter the table to InnoDB")
		}
		return err
	})
	if err != nil {
		return err
	}
	return wrong
}

// checkGalera checks a node of a Galera cluster.
func (s *Store) checkGalera(ctx context.Context, q Querier, v variables) error {
	if v["wsrep_on"] != "ON" {
		var global string
		err := q.Query(ctx, `select cast(@@global.wsrep_on as char)`, nil, func(scan Scan) error { return scan(&global) })
		if err != nil {
			return err
		}
		if global == "0" {
			return nil // the server is configured for a cluster, but not in one
		}
		return refusal("wsrep_on", v["wsrep_on"], "the other nodes would not get what is written: set it to ON for these connections")
	}
	if method := v["wsrep_osu_method"]; method != "TOI" {
		return refusal("wsrep_osu_method", method, "the other nodes would not get the tables: set it to TOI")
	}
	if err := checkTextProtocol(ctx, q); err != nil {
		return err
	}
	s.cluster.Store(true)
	s.checkEveryTx.Store(true)
	return nil
}

// checkTextProtocol returns an error unless the driver sends statements with arguments
// as text. If another node's write aborts a transaction while a prepared statement
// runs, the server may lose the first half of the transaction and still commit the
// second, without an error.
func checkTextProtocol(ctx context.Context, q Querier) error {
	command := ""
	err := q.Query(ctx, `select command from information_schema.processlist where id = connection_id() and 1 = ?`,
		[]any{1}, func(scan Scan) error { return scan(&command) })
	if err != nil {
		return err
	}
	if command != "Query" {
		return fmt.Errorf("webhook: the store refuses this connection to a Galera cluster (wsrep_on), because it uses prepared statements, with which transactions lose writes: set interpolateParams=true in the data source name")
	}
	return nil
}
