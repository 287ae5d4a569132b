package webhook_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

func (r *harness) wantsOpens(source webhook.Source) bool {
	return r.Wants(r.ctx, "", webhook.TypeOpen, source)
}

func TestWantsSaysWhatEmitWouldFind(t *testing.T) {
	opens := func(change func(*webhook.Webhook)) func(*webhook.Webhook) {
		return func(w *webhook.Webhook) {
			w.Events, w.Sources = []webhook.EventType{webhook.TypeOpen}, []webhook.Source{webhook.SourcePublic}
			if change != nil {
				change(w)
			}
		}
	}
	for name, c := range map[string]struct {
		change func(*webhook.Webhook)
		want   bool
	}{
		"a webhook for it":                            {opens(nil), true},
		"a webhook of one list":                       {opens(func(w *webhook.Webhook) { w.List = "99" }), true},
		"another type":                                {opens(func(w *webhook.Webhook) { w.Events[0] = webhook.TypeClick }), false},
		"another source":                              {opens(func(w *webhook.Webhook) { w.Sources[0] = webhook.SourceAPI }), false},
		"another account":                             {opens(func(w *webhook.Webhook) { w.Account = "other" }), false},
		"a webhook that is disabled":                  {opens(func(w *webhook.Webhook) { w.Disabled = "By hand." }), false},
		"a webhook that is disabled and keeps events": {opens(func(w *webhook.Webhook) { w.Disabled, w.KeepEvents = "By hand.", true }), true},
		"a webhook that names its type two times":     {opens(func(w *webhook.Webhook) { w.Events = append(w.Events, w.Events...) }), true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newHarness(t, nil)
			r.put(c.change)
			assert.Equal(t, c.want, r.wantsOpens(webhook.SourcePublic), "the account is read")
			assert.Equal(t, c.want, r.wantsOpens(webhook.SourcePublic), "it is remembered")
			r.emit(open("1"))
		})
	}
	r := newHarness(t, nil)
	assert.False(t, r.wantsOpens(webhook.SourcePublic), "an account without webhooks")
	assert.False(t, r.Wants(r.ctx, "", "unheard of", webhook.SourcePublic))
}

func TestWantsFollowsChanges(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		elsewhere := r.another(nil) // in another process, so to speak
		assert.False(t, r.wantsOpens(webhook.SourcePublic))

		w := r.put(func(w *webhook.Webhook) { w.Events = append(w.Events, webhook.TypeOpen) })
		assert.True(t, r.wantsOpens(webhook.SourcePublic), "added here: at once")
		for i, change := range []struct {
			change func(*webhook.Webhook)
			want   bool
		}{
			{func(w *webhook.Webhook) { w.Events = []webhook.EventType{webhook.TypeClick} }, false},
			{func(w *webhook.Webhook) { w.Events = webhook.EventTypes() }, true},
			{func(w *webhook.Webhook) { w.Disabled = "By hand." }, false},
			{func(w *webhook.Webhook) { w.Disabled = "" }, true},
			{func(w *webhook.Webhook) { w.List = "99" }, true},
		} {
			d := r.Dispatcher
			if i%2 == 1 {
				d = elsewhere
			}
			change.change(&w)
			var err error
			w, err = d.UpdateWebhook(r.ctx, w)
			require.NoError(t, err)
			if d == elsewhere {
				time.Sleep(2 * time.Second)
			}
			assert.Equal(t, change.want, r.wantsOpens(webhook.SourcePublic), "change %d", i)
		}
		require.NoError(t, elsewhere.DeleteWebhook(r.ctx, "", w.ID))
		time.Sleep(2 * time.Second)
		assert.False(t, r.wantsOpens(webhook.SourcePublic), "deleted elsewhere: after two polls")
		time.Sleep(10 * time.Minute)
		assert.False(t, r.wantsOpens(webhook.SourcePublic), "the account was read anew")
	})
}

func TestWantsIsTrueWhereNobodyKnows(t *testing.T) {
	r, store := newGatedHarness(t)
	store.set(func(s *gatedStore) { s.failing = true })
	assert.True(t, r.wantsOpens(webhook.SourcePublic), "Emit says what is wrong")
	assert.Error(t, r.Emit(r.ctx, open("1")))
	store.set(func(s *gatedStore) { s.failing = false })
	assert.False(t, r.wantsOpens(webhook.SourcePublic))
}

func TestWantsCallsAndAllocatesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newGatedHarness(t)
		for i := range 1000 {
			r.put(func(w *webhook.Webhook) { w.List = fmt.Sprint(1 + i) })
		}
		assert.True(t, r.wantsOpens(webhook.SourcePublic))
		reads, polls := store.counts()
		allocated := testing.AllocsPerRun(1000, func() { r.wantsOpens(webhook.SourcePublic) })
		assert.Zero(t, allocated, "allocations of a call")
		r2, p2 := store.counts()
		assert.Equal(t, []int{reads, polls}, []int{r2, p2}, "no call of the store")
	})
}

// Nobody wants the event, as is the case for most opens of most apps; and one of a
// thousand webhooks does.
func BenchmarkWants(b *testing.B) {
	d, err := webhook.New(memstore.New(), nil, &webhook.Options{PollInterval: time.Hour})
	require.NoError(b, err)
	for i := range 1000 {
		_, err := d.AddWebhook(b.Context(), webhook.Webhook{Settings: webhook.Settings{
			URL: "https://example.com/hook", List: fmt.Sprint(1 + i), Events: []webhook.EventType{webhook.TypeOpen}, Sources: webhook.Sources(),
		}})
		require.NoError(b, err)
	}
	for _, t := range []webhook.EventType{webhook.TypeClick, webhook.TypeOpen} {
		b.Run(string(t), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				d.Wants(b.Context(), "", t, webhook.SourcePublic)
			}
		})
	}
}
