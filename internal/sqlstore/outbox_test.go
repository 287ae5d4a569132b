package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"github.com/listhook/webhook"
)

// answering is a database whose every query fails with err, or returns the schema's
// version if err is nil.
type answering struct{ err error }

func (a answering) Exec(context.Context, string, []any) (int64, error) { return 0, a.err }

func (a answering) Query(_ context.Context, _ string, _ []any, row func(Scan) error) error {
	if a.err != nil {
		return a.err
	}
	return row(func(dest ...any) error {
		*dest[0].(*int) = len(mariadb.schema)
		return nil
	})
}

func (a answering) InTx(_ context.Context, _ bool, f func(Querier) error) error { return f(a) }

// numbered is an error like that of MariaDB's driver.
type numbered struct{ Number uint16 }

func (*numbered) Error() string { return "an error of the server's" }

// A node of a cluster that lags behind has no tables yet, and the check waits for it on
// another connection. A deadlock has ended the app's transaction: if the check hid it,
// the statements that follow would be committed without those before.
func TestOutboxReturnsADeadlockOfTheCheck(t *testing.T) {
	for _, c := range []struct {
		number uint16
		hidden bool
	}{{1146, true}, {1213, false}, {1205, false}} {
		d := mariadb
		d.check = nil
		s := newStore(answering{}, &d, DefaultPrefix)
		s.cluster.Store(true)
		cause := &numbered{c.number}
		_, err := s.Outbox(answering{cause}).Webhooks(t.Context(), webhook.WebhookQuery{})
		// The query after the check fails too, so whether the check passed is asked.
		if s.schemaOK.Load() != c.hidden || !errors.Is(err, cause) {
			t.Errorf("%d: the other connection was asked: %t; the error is %v", c.number, s.schemaOK.Load(), err)
		}
	}
}

// A transaction that failed to begin is nil, and its error may have been overlooked.
func TestATransactionThatIsNilIsAnError(t *testing.T) {
	s := NewPostgres(nil, "webhook_", false)
	var none *sql.Tx
	for name, outbox := range map[string]webhook.Outbox{
		"nil": s.Tx(nil), "a nil pointer": s.Tx(none), "of another library": s.Outbox(nil),
	} {
		_, err := outbox.Webhooks(t.Context(), webhook.WebhookQuery{})
		if !errors.Is(err, errNoTx) {
			t.Errorf("%s: the webhooks' error is %v", name, err)
		}
		if _, err = outbox.Enqueue(t.Context(), nil); !errors.Is(err, errNoTx) {
			t.Errorf("%s: Enqueue's error is %v", name, err)
		}
	}
}

func TestAMissingTableIsExplainedOnce(t *testing.T) {
	s := NewSQLite(nil, "webhook_", "")
	missing := errors.New("SQL logic error: no such table: webhook_meta (1)")
	explained := s.explain(missing)
	if explained.Error() != "webhook: the tables webhook_* are not in this database: call the store's Migrate once, or run the SQL that its Schema returns"+
		", and for a database in memory call SetMaxOpenConns(1), since each connection has another one: "+missing.Error() {
		t.Error(explained)
	}
	if again := s.explain(explained); again.Error() != explained.Error() || !errors.Is(again, missing) {
		t.Error(again)
	}
}
