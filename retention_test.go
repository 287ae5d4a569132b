package webhook_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

func TestRetentionByStateAndType(t *testing.T) {
	for name, c := range map[string]struct {
		opts  webhook.Options
		hours map[string]int // until it is gone; 0: never
	}{
		"all alike": {webhook.Options{Retention: 5 * time.Hour}, map[string]int{
			"open delivered": 5, "open failed": 5, "click delivered": 5, "click canceled": 5, "retired failed": 5, "tombstone": 5,
		}},
		"failures for longer, opens for less": {webhook.Options{
			Retention: 5 * time.Hour,
			RetentionRules: []webhook.RetentionRule{
				{Types: []webhook.EventType{webhook.TypeOpen}, Keep: 2 * time.Hour},
				{States: []webhook.State{webhook.StateFailed}, Keep: 9 * time.Hour},
			},
		}, map[string]int{
			"open delivered": 2, "open failed": 2, "click delivered": 5, "click canceled": 5, "retired failed": 9, "tombstone": 5,
		}},
		"failures for ever": {webhook.Options{
			Retention:      5 * time.Hour,
			RetentionRules: []webhook.RetentionRule{{States: []webhook.State{webhook.StateFailed}, Keep: -1}},
		}, map[string]int{
			"open delivered": 5, "open failed": 0, "click delivered": 5, "click canceled": 5, "retired failed": 0, "tombstone": 5,
		}},
		"only opens not for ever": {webhook.Options{
			Retention:      -1,
			RetentionRules: []webhook.RetentionRule{{Types: []webhook.EventType{webhook.TypeOpen}, Keep: 3 * time.Hour}},
		}, map[string]int{
			"open delivered": 3, "open failed": 3, "click delivered": 0, "click canceled": 0, "retired failed": 0, "tombstone": 0,
		}},
		"all for ever": {webhook.Options{Retention: -1}, map[string]int{
			"open delivered": 0, "open failed": 0, "click delivered": 0, "click canceled": 0, "retired failed": 0, "tombstone": 0,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c.opts.PollInterval = time.Minute // nothing is to be delivered
				r := newHarness(t, &c.opts)
				at := time.Now().UTC().Truncate(time.Millisecond)
				for what := range c.hours {
					if what == "tombstone" {
						gone := webhook.Webhook{ID: what, Account: "acme", Deleted: true, Changed: at}
						_, err := r.store.PutWebhook(r.ctx, gone)
						require.NoError(t, err)
						continue
					}
					eventType, state, _ := strings.Cut(what, " ")
					d := webhook.Delivery{
						ID: what, Account: "acme", WebhookID: "1", EventID: what, Type: webhook.EventType(eventType),
						Created: at, Due: at, State: webhook.State(state),
					}
					_, err := r.store.Enqueue(r.ctx, []webhook.OutboxEvent{{
						Bodies: [][]byte{nil}, Deliveries: []webhook.OutboxDelivery{{Delivery: d}},
					}})
					require.NoError(t, err)
				}
				r.start()
				for hour := range 12 {
					time.Sleep(30 * time.Minute) // pruning is every ten minutes
					left := map[string]bool{}
					ds, err := r.store.Deliveries(r.ctx, webhook.DeliveryQuery{All: true})
					require.NoError(t, err)
					for _, d := range ds {
						left[d.ID] = true
					}
					ws, err := r.store.Webhooks(r.ctx, webhook.WebhookQuery{All: true, Deleted: true})
					require.NoError(t, err)
					for _, w := range ws {
						left[w.ID] = true
					}
					for what, last := range c.hours {
						assert.Equal(t, last == 0 || hour < last, left[what], "%s in hour %d", what, hour)
					}
					time.Sleep(30 * time.Minute)
				}
			})
		})
	}
}

func TestRetentionRulesNameWhatHasEnded(t *testing.T) {
	for field, rule := range map[string]webhook.RetentionRule{
		"Options.RetentionRules[0].States": {Keep: 1, States: []webhook.State{webhook.StatePending}},
		"Options.RetentionRules[0].Types":  {Keep: 1, Types: []webhook.EventType{"opne"}},
	} {
		_, err := webhook.New(memstore.New(), nil, &webhook.Options{RetentionRules: []webhook.RetentionRule{rule}})
		var bad *webhook.InvalidError
		require.ErrorAs(t, err, &bad)
		require.Equal(t, field, bad.Field)
	}
}

func TestBodiesAreDroppedOnceDelivered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{DropBodies: true}).start()
		id := r.put(nil).ID
		r.emit(open("delivered"))
		time.Sleep(time.Second)
		r.receiver.set(status(500))
		r.emit(open("waits"))
		time.Sleep(time.Second)
		states := map[string]webhook.Delivery{}
		for _, d := range r.log() {
			states[d.EventID] = d
		}
		done, waits := states["delivered"], states["waits"]
		require.Equal(t, []any{webhook.StateDelivered, 0, 1, true}, []any{done.State, len(done.Body), len(done.Log), done.BodyDropped()})
		require.Equal(t, []any{webhook.StatePending, false}, []any{waits.State, waits.BodyDropped()})
		require.NotEmpty(t, waits.Body)

		for _, redeliver := range []error{
			r.Redeliver(r.ctx, "", done.ID), r.RedeliverAnyway(r.ctx, "", done.ID),
		} {
			var bad *webhook.InvalidError
			require.True(t, errors.As(redeliver, &bad), fmt.Sprint(redeliver))
			require.Equal(t, "Body", bad.Field)
			require.Contains(t, bad.Reason, "removed after delivery")
		}
		replayed, err := r.Replay(r.ctx, "", id, webhook.ReplayQuery{})
		require.NoError(t, err)
		require.Zero(t, replayed.Resent)

		r.receiver.set(status(200))
		require.NoError(t, r.Redeliver(r.ctx, "", waits.ID))
		time.Sleep(time.Second)
		requests := r.receiver.requests()
		require.NotEmpty(t, requests[len(requests)-1].Body)
		for _, d := range r.log() {
			require.True(t, d.BodyDropped(), "%s: the last attempt was a success", d.EventID)
		}
	})
}

// Replay compares bodies of a line to tell which one replaces which.
func TestBodiesThatReplayComparesAreKept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{DropBodies: true, PollInterval: time.Minute}).start()
		id := r.put(nil).ID
		r.receiver.set(status(400))
		r.emit(person(webhook.TypeSubscribe, "1", "12"))
		time.Sleep(4 * day)
		r.receiver.set(status(200))
		r.emit(person(webhook.TypeUnsubscribe, "1", "12"))
		time.Sleep(time.Hour)
		for _, d := range r.log() {
			require.NotEmpty(t, d.Body, d.EventID)
		}
		replayed, err := r.Replay(r.ctx, "", id, webhook.ReplayQuery{States: []webhook.State{webhook.StateFailed}})
		require.NoError(t, err)
		require.Equal(t, webhook.Replayed{Replaced: 1}, replayed)
	})
}
