package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// answers is a server that answers each query with a row: the first whose key
// the query contains.
type answers map[string][]any

func (a answers) Exec(context.Context, string, []any) (int64, error) {
	return 0, errors.New("nothing is to be written")
}

func (a answers) Query(_ context.Context, query string, _ []any, row func(Scan) error) error {
	for part, values := range a {
		if strings.Contains(query, part) {
			return row(func(dest ...any) error {
				for i := range dest {
					reflect.ValueOf(dest[i]).Elem().Set(reflect.ValueOf(values[i]))
				}
				return nil
			})
		}
	}
	return fmt.Errorf("unknown: %s", query)
}

func (a answers) InTx(_ context.Context, _ bool, f func(Querier) error) error { return f(a) }

func TestPostgresRefusesServersOnWhichItCannotKeepItsPromises(t *testing.T) {
	const real = "PostgreSQL 17.2 (Debian 17.2-1) on x86_64-pc-linux-gnu, compiled by gcc"
	type settings struct {
		version                     int
		standby                     bool
		fsync, pages, commit, names string

		encoding, client, isolation, readOnly, unlogged string
	}
	good := settings{170002, false, "on", "on", "on", "", "UTF8", "UTF8", "read committed", "off", ""}
	but := func(change func(*settings)) settings {
		s := good
		change(&s)
		return s
	}
	for _, c := range []struct {
		name, product string
		settings      settings
		refusal       string // what it names; "": there is none
		relaxed       bool   // would be taken
	}{
		{"PostgreSQL", real, good, "", true},
		{"EnterpriseDB's", "PostgreSQL 16.4 (EnterpriseDB Advanced Server 16.4.1) on x86_64", good, "", true},
		{"an old one", "PostgreSQL 13.18 on x86_64", but(func(s *settings) { s.version = 130018 }), "14 or newer", false},
		{"CockroachDB", "CockroachDB CCL v24.3.1 (x86_64-pc-linux-gnu)", good, "CockroachDB", false},
		{"YugabyteDB", "PostgreSQL 15.2-YB-2025.1.0.0-b0 on x86_64", good, "YB", false},
		{"Redshift", "PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2, Redshift 1.0.12103", good, "PostgreSQL itself", false},
		{"Materialize", "PostgreSQL 14.0 on x86_64 (Materialize v0.130.0)", good, "PostgreSQL itself", false},
		{"a standby", real, but(func(s *settings) { s.standby = true }), "target_session_attrs=read-write", false},
		{"another encoding", real, but(func(s *settings) { s.encoding = "SQL_ASCII" }), "server_encoding=SQL_ASCII", false},
		{"another encoding of the client", real, but(func(s *settings) { s.client = "LATIN1" }), "client_encoding=LATIN1", false},
		{"a table that a crash empties", real, but(func(s *settings) { s.unlogged = "webhook_ready" }), "webhook_ready is unlogged", false},
		{"no fsync", real, but(func(s *settings) { s.fsync = "off" }), "fsync=off", true},
		{"no full pages", real, but(func(s *settings) { s.pages = "off" }), "full_page_writes=off", true},
		{"commits that do not wait for the disk", real, but(func(s *settings) { s.commit = "off" }), "synchronous_commit=off", true},
		{"commits that do not wait for the standbys that there are", real,
			but(func(s *settings) { s.commit, s.names = "local", "ANY 1 (a, b)" }), "synchronous_commit=local", true},
		{"commits that have none to wait for", real, but(func(s *settings) { s.commit = "local" }), "", true},
		{"commits that wait for standbys' memory", real, but(func(s *settings) { s.commit, s.names = "remote_write", "a" }), "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.settings
			server := answers{
				"select version()":   {c.product},
				"server_version_num": {s.version, "13.18", s.standby, s.fsync, s.pages, s.commit, s.names, s.encoding, s.client, s.isolation, s.readOnly, "public", s.unlogged},
				"max(version)":       {len(postgres.schema)},
				"from webhook_ready": {true, true},
			}
			for _, relaxed := range []bool{false, true} {
				store := NewPostgresOn(server, DefaultPrefix, relaxed)
				_, err := store.Webhooks(t.Context(), webhook.WebhookQuery{Account: "a"})
				if c.refusal == "" || relaxed && c.relaxed {
					require.NotContains(t, fmt.Sprint(err), "webhook: the ")
					continue
				}
				require.ErrorContains(t, err, "webhook: the ")
				require.ErrorContains(t, err, c.refusal)
				require.ErrorContains(t, store.Migrate(t.Context()), c.refusal)
				require.ErrorContains(t, store.Outbox(server).(*outbox).check(t.Context()), c.refusal)
			}
		})
	}
}
