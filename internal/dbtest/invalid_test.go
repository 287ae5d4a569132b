package dbtest

import (
	"errors"
	"testing"

	"github.com/listhook/webhook"
)

// An event that cannot be delivered is refused before anything is asked of the
// transaction: it can go on, on PostgreSQL too, where any error of the server's would
// have spoiled it.
func TestATransactionIsUsableAfterAnInvalidEvent(t *testing.T) {
	each(t, func(t *testing.T, open func(string) *handle) {
		ctx := t.Context()
		h := migrated(t, open(""))
		if err := h.exec(ctx, `create table app (name varchar(9) not null)`); err != nil {
			t.Fatal(err)
		}
		strict, err := webhook.New(h.store, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		lenient, err := webhook.New(h.store, nil, &webhook.Options{SkipInvalid: true})
		if err != nil {
			t.Fatal(err)
		}
		_, err = strict.AddWebhook(ctx, webhook.Webhook{Settings: webhook.Settings{
			URL: "https://example.com/hook", Events: webhook.EventTypes(), Sources: webhook.Sources(),
		}})
		if err != nil {
			t.Fatal(err)
		}
		good := func(id string) webhook.Event {
			return webhook.Update{
				Meta: webhook.Meta{ID: id, Source: webhook.SourceAPI}, Subscriber: webhook.Subscriber{ID: "1"},
			}
		}
		bad := webhook.Update{Meta: webhook.Meta{Source: webhook.SourceAPI}}

		tx, err := h.begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.rollback() }()
		for i, emit := range []func() error{
			func() error { return strict.EmitTx(ctx, tx.Outbox, bad) },
			func() error { return strict.EmitTx(ctx, tx.Outbox, good("never"), bad) },
			func() error { return lenient.EmitTx(ctx, tx.Outbox, good("a"), bad, good("b")) },
		} {
			if err := emit(); !errors.As(err, new(*webhook.InvalidEventsError)) {
				t.Fatalf("call %d returned %v, want an *InvalidEventsError", i, err)
			}
			if err := tx.exec(ctx, `insert into app (name) values ('ann')`); err != nil {
				t.Fatalf("after call %d the transaction cannot go on: %v", i, err)
			}
		}
		if err := strict.EmitTx(ctx, tx.Outbox, good("c")); err != nil {
			t.Fatal(err)
		}
		if err := tx.commit(); err != nil {
			t.Fatal(err)
		}
		if n := count(t, h); n != 3 {
			t.Errorf("there are %d deliveries, want those of a, b and c", n)
		}
	})
}
