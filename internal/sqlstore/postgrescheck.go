package sqlstore

import (
	"context"
	"fmt"
	"strings"
)

// checkPostgres returns an error if the server is not a PostgreSQL that the store
// supports, if it is read-only, or, unless the store is relaxed, if it may lose
// acknowledged commits.
func checkPostgres(ctx context.Context, s *Store, q Querier) error {
	ask := func(query string, dest ...any) error {
		return q.Query(ctx, query, nil, func(scan Scan) error { return scan(dest...) })
	}
	var product string
	if err := ask(`select version()`, &product); err != nil {
		return err
	}
	if !isPostgres(product) {
		return fmt.Errorf("webhook: the server is %.40q: the store needs PostgreSQL itself, 14 or newer: other databases lack or change what it uses (pg_notify, advisory locks, skip locked)", product)
	}
	var (
		version                              int
		standby                              bool
		fsync, pages, commit, names, release string

		encoding, client, isolation, readOnly, schema, unlogged string
	)
	tables := s.d.prepare(s.prefix, `
select coalesce(min(relname), '') from pg_class where relpersistence <> 'p' and oid in (
  to_regclass('{}webhooks'), to_regclass('{}puts'), to_regclass('{}deliveries'), to_regclass('{}ready'), to_regclass('{}waiting'),
  to_regclass('{}leases'), to_regclass('{}subjects'), to_regclass('{}line_events'), to_regclass('{}lines'), to_regclass('{}steps'))`)
	err := ask(`
select cast(current_setting('server_version_num') as integer), current_setting('server_version'), pg_is_in_recovery(),
  current_setting('fsync'), current_setting('full_page_writes'),
  current_setting('synchronous_commit'), current_setting('synchronous_standby_names'),
  current_setting('server_encoding'), current_setting('client_encoding'),
  current_setting('default_transaction_isolation'), current_setting('default_transaction_read_only'),
  coalesce(current_schema(), ''), (`+tables.text+`)`,
		&version, &release, &standby, &fsync, &pages, &commit, &names, &encoding, &client, &isolation, &readOnly, &schema, &unlogged)
	if err != nil {
		return err
	}
	_, app := q.(appTx) // whose isolation and schemas are the app's choice
	s.awaitsStandbys.Store(names != "" && commit != "off" && commit != "local")
	var setting, harm string
	switch {
	case version < 140000:
		return fmt.Errorf("webhook: the server is PostgreSQL %s: the store needs 14 or newer", release)
	case standby:
		return fmt.Errorf("webhook: the server is a standby (pg_is_in_recovery), which is read-only: connect to the primary; with several hosts in the connection string, target_session_attrs=read-write finds it")
	case encoding != "UTF8":
		return fmt.Errorf("webhook: the database has server_encoding=%s, which cannot hold every text: make one with encoding 'UTF8'", encoding)
	case client != "UTF8":
		return fmt.Errorf("webhook: the connection has client_encoding=%s, with which texts would be changed: leave it out of the connection string, or set it to UTF8", client)
	case readOnly == "on" && !app:
		return fmt.Errorf("webhook: the connection has default_transaction_read_only=on, with which nothing can be stored: take it off the role, the database or the connection string")
	case isolation != "read committed" && !app:
		return fmt.Errorf("webhook: the connection has default_transaction_isolation=%s, with which calls fail where they should wait for others: leave it at read committed for the store's connections", isolation)
	case schema == "" && !app:
		return fmt.Errorf("webhook: the connection has a search_path without a schema that exists and that its role may use: name one for the store's connections")
	case strings.HasPrefix(schema, "pg_temp") && !app:
		return fmt.Errorf("webhook: the connection has a search_path that begins with pg_temp, in which the tables would end with the connection: take it out for the store's connections")
	case unlogged != "":
		return fmt.Errorf("webhook: the table %s is unlogged, so that a crash of the server empties it: alter table %s set logged", unlogged, unlogged)
	case s.relaxed:
		return nil
	case fsync == "off":
		setting, harm = "fsync=off", "a crash of its machine may destroy the database"
	case pages == "off":
		setting, harm = "full_page_writes=off", "a crash of its machine may destroy pages"
	case commit == "off":
		setting, harm = "synchronous_commit=off", "a crash of the server loses its last commits"
	case commit == "local" && names != "":
		setting, harm = "synchronous_commit=local beside synchronous_standby_names", "a failover loses its last commits"
	default:
		return nil
	}
	return fmt.Errorf("webhook: the server has %s, with which %s: change it, or accept that with the store's Options.Relaxed", setting, harm)
}

// isPostgres reports whether a server with this version() is PostgreSQL, rather than
// another database with the same protocol.
func isPostgres(product string) bool {
	if !strings.HasPrefix(product, "PostgreSQL ") {
		return false
	}
	for _, other := range []string{"CockroachDB", "-YB-", "Yugabyte", "Redshift", "Greenplum", "Materialize", "RisingWave", "CrateDB", "QuestDB"} {
		if strings.Contains(product, other) {
			return false
		}
	}
	return true
}
