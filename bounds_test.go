package webhook_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

func TestAnEventOfTooManyDeliveriesIsRefused(t *testing.T) {
	store := &memstore.Store{}
	d, err := webhook.New(store, nil, nil)
	require.NoError(t, err)
	for range 2 {
		_, err := d.AddWebhook(t.Context(), everything())
		require.NoError(t, err)
	}
	e := concerning(webhook.Subscribe{}, nil).(webhook.Subscribe)
	e.Lists = nil
	for i := range 25_001 {
		e.Lists = append(e.Lists, strconv.Itoa(i+1))
	}
	var invalid *webhook.InvalidError
	require.ErrorAs(t, d.Emit(t.Context(), e), &invalid)
	assert.Equal(t, "Lists", invalid.Field)
	assert.Contains(t, invalid.Reason, "50002")
	e.Lists = e.Lists[1:]
	require.NoError(t, d.Emit(t.Context(), e))
	n, err := store.Count(t.Context(), webhook.DeliveryQuery{All: true})
	require.NoError(t, err)
	assert.Equal(t, 50_000, n)
}

// One of several events that has too many deliveries is named, and the others are stored
// with SkipInvalid.
func TestAnEventOfTooManyDeliveriesIsNamed(t *testing.T) {
	for _, skip := range []bool{false, true} {
		for way := range waysToEmit(nil, nil) {
			if way == "EmitBuffered" {
				continue // it drops the event later
			}
			t.Run(fmt.Sprintf("%s, skip %v", way, skip), func(t *testing.T) {
				store := &memstore.Store{}
				d, err := webhook.New(store, nil, &webhook.Options{SkipInvalid: skip})
				require.NoError(t, err)
				for range 51 {
					_, err := d.AddWebhook(t.Context(), everything())
					require.NoError(t, err)
				}
				large := webhook.Subscribe{Meta: open("large").Meta, Subscriber: open("large").Subscriber}
				large.Lists = nil
				for i := range 1000 {
					large.Lists = append(large.Lists, fmt.Sprint("list", i))
				}
				events := append(withoutSource(3, 0, 2), large, open("last"), nil, large)
				err = waysToEmit(d, store)[way](t.Context(), events...)
				var invalid *webhook.InvalidEventsError
				require.ErrorAs(t, err, &invalid)
				named := map[int]string{}
				for _, bad := range invalid.Invalid {
					named[bad.Index] = bad.Err.Field
				}
				n, err := store.Count(t.Context(), webhook.DeliveryQuery{All: true})
				require.NoError(t, err)
				if !skip { // what is invalid by itself is named before the webhooks are read
					assert.Equal(t, map[int]string{0: "Source", 2: "Source", 5: "Event"}, named)
					assert.Zero(t, n)
					err = waysToEmit(d, store)[way](t.Context(), open("first"), large, open("last"), large)
					require.ErrorAs(t, err, &invalid)
					require.Len(t, invalid.Invalid, 2)
					assert.Equal(t, []int{1, 3}, []int{invalid.Invalid[0].Index, invalid.Invalid[1].Index})
					return
				}
				assert.Equal(t, map[int]string{0: "Source", 2: "Source", 3: "Lists", 5: "Event", 6: "Lists"}, named)
				assert.True(t, slices.IsSortedFunc(invalid.Invalid, func(a, b webhook.InvalidEvent) int { return a.Index - b.Index }))
				assert.Equal(t, 2*51, n, "two events can be delivered")
			})
		}
	}
}

// A boundedStore fails the test for a query that names more than a Store has to take.
type boundedStore struct {
	webhook.Store
	t *testing.T
}

func (s *boundedStore) Webhooks(ctx context.Context, q webhook.WebhookQuery) ([]webhook.Webhook, error) {
	assert.LessOrEqual(s.t, max(len(q.IDs), len(q.Lists)), 1000)
	return s.Store.Webhooks(ctx, q)
}

func (s *boundedStore) Deliveries(ctx context.Context, q webhook.DeliveryQuery) ([]webhook.Delivery, error) {
	assert.LessOrEqual(s.t, len(q.IDs), 1000)
	return s.Store.Deliveries(ctx, q)
}

func (s *boundedStore) Count(ctx context.Context, q webhook.DeliveryQuery) (int, error) {
	assert.LessOrEqual(s.t, len(q.IDs), 1000)
	return s.Store.Count(ctx, q)
}

func TestAQueryMayNameMoreThanAStoreTakes(t *testing.T) {
	r := &harness{t: t, ctx: t.Context(), store: &boundedStore{&memstore.Store{}, t}, receiver: &receiver{}}
	r.Dispatcher = r.another(nil)
	var webhooks, ids, lists []string
	for i := range 2500 {
		lists = append(lists, strconv.Itoa(i+1))
		if i%100 == 0 {
			webhooks = append(webhooks, r.put(func(w *webhook.Webhook) { w.List, w.ID = lists[i], "w"+lists[i] }).ID)
		} else {
			webhooks = append(webhooks, "none"+lists[i])
		}
	}
	e := concerning(webhook.Subscribe{}, nil).(webhook.Subscribe)
	e.Lists = lists
	require.NoError(t, r.EmitTx(r.ctx, r.store, e)) // which asks by lists, since nothing is known yet
	for _, d := range r.log() {
		ids = append(ids, d.ID)
	}
	require.Len(t, ids, 25)
	for i := range 2500 {
		ids = append(ids, "none"+lists[i], ids[i%25])
	}
	q := webhook.DeliveryQuery{IDs: ids}
	n, err := r.Count(r.ctx, q)
	require.NoError(t, err)
	assert.Equal(t, 25, n)
	ds, err := r.Deliveries(r.ctx, q)
	require.NoError(t, err)
	log, err := r.store.Deliveries(r.ctx, webhook.DeliveryQuery{})
	require.NoError(t, err)
	require.Len(t, ds, 25)
	for i := range ds {
		assert.Equal(t, log[i].ID, ds[i].ID)
	}
	q.Limit, q.After = 10, ds[4].Cursor()
	page, err := r.Deliveries(r.ctx, q)
	require.NoError(t, err)
	assert.Equal(t, ds[5:15], page)
	n, err = r.Count(r.ctx, webhook.DeliveryQuery{IDs: ids, Limit: 7})
	require.NoError(t, err)
	assert.Equal(t, 7, n)
	ws, err := r.Webhooks(r.ctx, webhook.WebhookQuery{IDs: webhooks, Lists: lists, Limit: 20})
	require.NoError(t, err)
	require.Len(t, ws, 20)
	for i := 1; i < len(ws); i++ {
		assert.Less(t, ws[i-1].ID, ws[i].ID)
	}
}

// A store would read all that failed to find that none of it was delivered.
func TestWhatWasDeliveredHasNoFailureToSearchFor(t *testing.T) {
	store := &askedStore{Store: &memstore.Store{}}
	r := newHarnessOn(t, store, nil)
	for _, tt := range []struct {
		failures []string
		states   []webhook.State
		asks     bool
	}{
		{[]string{"503", "timeout"}, []webhook.State{webhook.StateDelivered}, false},
		{[]string{"503", ""}, []webhook.State{webhook.StateDelivered}, true},
		{[]string{"503"}, []webhook.State{webhook.StateDelivered, webhook.StateFailed}, true},
		{[]string{"503"}, nil, true},
		{nil, []webhook.State{webhook.StateDelivered}, true},
	} {
		store.asked = 0
		q := webhook.DeliveryQuery{All: true, Failures: tt.failures, States: tt.states}
		_, err := r.Deliveries(r.ctx, q)
		require.NoError(t, err)
		_, err = r.Count(r.ctx, q)
		require.NoError(t, err)
		assert.Equal(t, tt.asks, store.asked > 0, q)
	}
}

// An askedStore counts queries of deliveries.
type askedStore struct {
	webhook.Store
	asked int
}

func (s *askedStore) Deliveries(ctx context.Context, q webhook.DeliveryQuery) ([]webhook.Delivery, error) {
	s.asked++
	return s.Store.Deliveries(ctx, q)
}

func (s *askedStore) Count(ctx context.Context, q webhook.DeliveryQuery) (int, error) {
	s.asked++
	return s.Store.Count(ctx, q)
}
