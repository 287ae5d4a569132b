package manage

import (
	"context"
	"fmt"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/tally"
	"github.com/listhook/webhook/manage/internal/page"
	"github.com/listhook/webhook/memstore"
	"github.com/listhook/webhook/storetest"
)

// A countingStore counts the calls that read.
type countingStore struct {
	*memstore.Store
	calls   atomic.Int64
	pending atomic.Int64 // those of calls that read pending deliveries of all webhooks
}

func (s *countingStore) Webhooks(ctx context.Context, q webhook.WebhookQuery) ([]webhook.Webhook, error) {
	s.calls.Add(1)
	return s.Store.Webhooks(ctx, q)
}

func (s *countingStore) Deliveries(ctx context.Context, q webhook.DeliveryQuery) ([]webhook.Delivery, error) {
	s.calls.Add(1)
	if q.Webhook == "" && q.Blocking.IsZero() && slices.Equal(q.States, []webhook.State{webhook.StatePending}) {
		s.pending.Add(1)
	}
	return s.Store.Deliveries(ctx, q)
}

func (s *countingStore) Count(ctx context.Context, q webhook.DeliveryQuery) (int, error) {
	s.calls.Add(1)
	return s.Store.Count(ctx, q)
}

// busyTallies are those of a webhook with attempts in every hour of a month.
func busyTallies() []byte {
	doc := &tally.Document{}
	for i := range 31 * 24 {
		h := tally.Hour{Start: time.Now().Add(time.Duration(i-31*24+1) * time.Hour).UTC().Truncate(time.Hour)}
		h.Attempts, h.Delivered, h.Failed = 123_456, 120_000, 1_234
		for j := range 40 {
			h.Took(time.Duration(j*j) * 9 * time.Millisecond)
		}
		doc.Add(h, time.Now())
	}
	return doc.Bytes()
}

// TestNoPageIsLargeOrAsksTheStoreOften looks at every page of an account with 5,000
// webhooks.
func TestNoPageIsLargeOrAsksTheStoreOften(t *testing.T) {
	store := &countingStore{Store: &memstore.Store{}}
	r := newHarnessOn(t, store, func(o *Options) { o.MaxWebhooks = 10_000 })
	var some webhook.Webhook
	figures := busyTallies()
	var ds []webhook.Delivery
	now := time.Now().UTC().Truncate(time.Millisecond)
	for i := range 5000 {
		w := webhook.Webhook{ID: fmt.Sprint(1000 + i), Account: "acme", Created: now, Revision: 1, Settings: webhook.Settings{
			Name: fmt.Sprintf("Shop %d", i), URL: fmt.Sprintf("https://shop%d.example.com/hooks/in?key=%d", i, i),
			Events: webhook.EventTypes(), Sources: webhook.Sources(), Headers: map[string]string{"X-Shop": "1"},
		}, Tallies: figures}
		_, err := store.PutWebhook(t.Context(), w)
		require.NoError(t, err)
		some = w
		for j, state := range []webhook.State{webhook.StateDelivered, webhook.StateFailed, webhook.StatePending, webhook.StateCanceled} {
			d := webhook.Delivery{
				ID: fmt.Sprintf("msg_%d_%d", i, j), Account: "acme", WebhookID: w.ID, EventID: "e", Type: webhook.TypeOpen,
				Body: webhook.SampleBody(webhook.TypeOpen, webhook.FormatCurrent), State: state, Created: now.Add(-time.Duration(4*i+j) * 4 * time.Second), Attempts: 1,
			}
			d.Due = d.Created
			ds = append(ds, d)
		}
	}
	for len(ds) > 0 {
		n := min(len(ds), 500)
		_, err := store.Enqueue(t.Context(), storetest.Events(ds[:n]...))
		require.NoError(t, err)
		ds = ds[n:]
	}
	_, err := r.Webhook(t.Context(), "acme", some.ID)
	require.NoError(t, err)

	targets := []string{
		"/?search=shop", "/?after=2000", "/?period=30d", "/webhooks/" + some.ID + "?period=30d", "/deliveries?webhook=Shop+77", "/deliveries?webhook=1077", "/deliveries?state=failed",
		"/explain?event=open&source=public", "/samples?format=json", "/samples?format=current", "/operator?search=shop",
		"/operator/webhook?account=acme&id=" + some.ID,
	}
	for _, route := range page.Routes() {
		if route.Method == "GET" && !strings.HasPrefix(route.Path, "assets") && route.Path != "operator/webhook" {
			targets = append(targets, "/"+strings.NewReplacer("{$}", "", "webhooks/{id}", "webhooks/"+some.ID, "deliveries/{id}", "deliveries/msg_7_1").Replace(route.Path))
		}
	}
	for _, target := range targets {
		user := "ann"
		if strings.HasPrefix(target, "/operator") {
			user = "op"
		}
		r.isSmall(store, user, target, nil)
	}
}

// isSmall asks for a page, and holds what it may cost.
func (r *harness) isSmall(store *countingStore, user, target string, form url.Values) (body string) {
	r.t.Helper()
	var before, after runtime.MemStats
	store.calls.Store(0)
	store.pending.Store(0)
	runtime.ReadMemStats(&before)
	got := r.as(user, target, form)
	runtime.ReadMemStats(&after)
	assert.Contains(r.t, []int{200, 303, 409, 422}, got.Code, target)
	size, calls, memory := got.Body.Len(), store.calls.Load(), (after.TotalAlloc-before.TotalAlloc)>>20
	r.t.Logf("%-60s %7d bytes %3d calls %3d MB", target, size, calls, memory)
	assert.LessOrEqual(r.t, size, 150<<10, target)
	assert.LessOrEqual(r.t, calls, int64(10), target)
	assert.LessOrEqual(r.t, store.pending.Load(), int64(1), "%s: a store sorts all that is pending for each of these calls", target)
	assert.LessOrEqual(r.t, memory, uint64(64), "%s: all that is allocated, freed or not, in MB", target)
	return got.Body.String()
}

func TestTheLogTakesANameWhereThereAreManyWebhooks(t *testing.T) {
	r := newHarness(t, func(o *Options) { o.MaxWebhooks = 1000 })
	for i := range 102 {
		r.put(func(w *webhook.Webhook) { w.Name = fmt.Sprint("Shop ", i/2) })
	}
	w := r.put(func(w *webhook.Webhook) { w.Name = "The CRM" })
	r.finished(w, 1, webhook.StateFailed, webhook.TypeClick, time.Now().Add(-time.Hour))
	for typed, want := range map[string]string{
		"the crm": "click-failed-000", w.ID: "click-failed-000", "": "click-failed-000",
		"e cr": "click-failed-000", "Nobody": "No webhook has this name or ID.", "Shop 7": "Several webhooks match: choose one.",
		"shop": "102 webhooks have this in their name: enter more of the name, or an ID.",
	} {
		got := r.as("ann", "/deliveries?webhook="+url.QueryEscape(typed), nil)
		assert.Contains(t, got.Body.String(), want, typed)
		control := `<input id="webhook"`
		if strings.Contains(want, "choose") {
			control = `<select id="webhook"`
		}
		assert.Contains(t, got.Body.String(), control, typed)
		assert.Equal(t, strings.Contains(want, "webhooks") || strings.HasPrefix(want, "No "), got.Code == 422, typed)
	}
}

func TestWhereManyWebhooksAreExplainedThoseThatGetTheEventComeFirst(t *testing.T) {
	r := newHarness(t, func(o *Options) { o.MaxWebhooks = 1000 })
	for range 120 {
		r.put(func(w *webhook.Webhook) { w.Events = []webhook.EventType{"click"} })
	}
	r.put(func(w *webhook.Webhook) { w.Name = "The last one" })
	body := r.as("ann", "/explain?event=open&source=public", nil).Body.String()
	assert.Contains(t, body, "1 webhook gets such events. 21 webhooks are not shown here.")
	assert.Less(t, strings.Index(body, "The last one"), strings.Index(body, ">No</span>"))
}
