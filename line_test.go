package webhook_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// person is an event of a type about somebody, for a list.
func person(t webhook.EventType, id, list string) webhook.Event {
	m := webhook.Meta{Lists: []string{list}, Source: webhook.SourcePublic}
	s := webhook.Subscriber{ID: id, Email: "p" + id + "@example.com"}
	switch t {
	case webhook.TypeSubscribe:
		return webhook.Subscribe{Meta: m, Subscriber: s}
	case webhook.TypeUnsubscribe:
		return webhook.Unsubscribe{Meta: m, Subscriber: s}
	case webhook.TypeUpdate:
		return webhook.Update{Meta: m, Subscriber: s}
	case webhook.TypeBounce:
		return webhook.Bounce{Meta: m, Subscriber: s, Campaign: webhook.Campaign{ID: "1", Name: "News"}, Details: webhook.BounceDetails{Type: webhook.BounceHard}}
	}
	return webhook.Open{Meta: m, Subscriber: s, Campaign: webhook.Campaign{ID: "1", Name: "News"}}
}

// told returns what the receiver was sent about each person, in order.
func (r *harness) told() map[string][]string {
	told := map[string][]string{}
	for _, got := range r.receiver.requests() {
		who := got.Form.Get("subscriber[id]")
		told[who] = append(told[who], got.Form.Get("type"))
	}
	return told
}

// refusing answers 400 to requests of a type, until it is told not to.
func refusing(t webhook.EventType) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		if req.Header.Get(webhook.HeaderEvent) == string(t) {
			return status(400)(req)
		}
		return status(200)(req)
	}
}

// Which deliveries wait for each other, by what events and webhooks say.
func TestDeliveriesOfOneKeyWaitForEachOther(t *testing.T) {
	id := func(m *webhook.Subscriber) { m.Email = "" }
	email := func(m *webhook.Subscriber) { m.ID = "" }
	for _, c := range []struct {
		name          string
		order         webhook.Order
		first, second webhook.Event
		waits         bool
	}{
		{"two of a subscriber", "", concerning(webhook.Subscribe{}, nil), concerning(webhook.Unsubscribe{}, nil), true},
		{"an update and a bounce", webhook.OrderState, concerning(webhook.Update{}, nil), concerning(webhook.Bounce{}, nil), true},
		{"by the ID alone", "", concerning(webhook.Subscribe{}, id), concerning(webhook.Unsubscribe{}, nil), true},
		{"by the email without an ID", "", concerning(webhook.Subscribe{}, email), concerning(webhook.Unsubscribe{}, func(s *webhook.Subscriber) {
			s.ID, s.Email = "", "JANE@example.com"
		}), true},
		{"two subscribers", "", concerning(webhook.Subscribe{}, nil), concerning(webhook.Unsubscribe{}, func(s *webhook.Subscriber) { s.ID = "2" }), false},
		{"nobody", webhook.OrderAll, webhook.Sample(webhook.TypeSent), webhook.Sample(webhook.TypeSent), false},
		{"an open", "", concerning(webhook.Open{}, nil), concerning(webhook.Unsubscribe{}, nil), false},
		{"an open, where all are ordered", webhook.OrderAll, concerning(webhook.Open{}, nil), concerning(webhook.Unsubscribe{}, nil), true},
		{"no order", webhook.OrderNone, concerning(webhook.Subscribe{}, nil), concerning(webhook.Unsubscribe{}, nil), false},
		{"a key of the app's", "", withKey(concerning(webhook.Subscribe{}, nil), "company"),
			withKey(concerning(webhook.Unsubscribe{}, func(s *webhook.Subscriber) { s.ID = "2" }), "company"), true},
		{"another key of the app's", "", withKey(concerning(webhook.Subscribe{}, nil), "a"), withKey(concerning(webhook.Unsubscribe{}, nil), "b"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newHarness(t, nil).start()
				r.put(func(w *webhook.Webhook) { w.Order = c.order })
				r.receiver.set(slowly(5 * time.Second))
				r.emit(c.first)
				time.Sleep(time.Second)
				r.emit(c.second)
				time.Sleep(2 * time.Second)
				assert.Len(t, r.receiver.requests(), map[bool]int{true: 1, false: 2}[c.waits])
				time.Sleep(time.Minute)
				assert.Len(t, r.receiver.requests(), 2)
			})
		})
	}
}

// concerning returns an event with a subscriber.
func concerning(e webhook.Event, change func(*webhook.Subscriber)) webhook.Event {
	s := webhook.Subscriber{ID: "1", Email: "jane@example.com"}
	if change != nil {
		change(&s)
	}
	m := webhook.Meta{Lists: []string{"12"}, Source: webhook.SourcePublic}
	campaign := webhook.Campaign{ID: "3", Name: "News"}
	switch e.(type) {
	case webhook.Subscribe:
		return webhook.Subscribe{Meta: m, Subscriber: s}
	case webhook.Unsubscribe:
		return webhook.Unsubscribe{Meta: m, Subscriber: s}
	case webhook.Update:
		return webhook.Update{Meta: m, Subscriber: s}
	case webhook.Bounce:
		return webhook.Bounce{Meta: m, Subscriber: s, Campaign: campaign, Details: webhook.BounceDetails{Type: webhook.BounceHard}}
	}
	return webhook.Open{Meta: m, Subscriber: s, Campaign: campaign}
}

// A delivery keeps its place through retries, a shutdown and a webhook that is
// disabled for a while.
func TestALineSurvivesWhatInterruptsIt(t *testing.T) {
	for name, interrupt := range map[string]func(*harness, string){
		"nothing": func(*harness, string) {},
		"a shutdown": func(r *harness, _ string) {
			require.NoError(r.t, r.Shutdown(r.ctx))
			r.Dispatcher = r.another(nil)
			r.start()
		},
		"disabled and enabled": func(r *harness, id string) {
			w := r.webhook(id)
			w.Disabled, w.KeepEvents = "For a while.", true
			_, err := r.UpdateWebhook(r.ctx, w)
			require.NoError(r.t, err)
			time.Sleep(time.Hour)
			r.resume(id)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newHarness(t, nil).start()
				id := r.put(nil).ID
				var want []string
				r.receiver.set(slowly(100 * time.Millisecond))
				for i := range 30 {
					e := []webhook.EventType{webhook.TypeSubscribe, webhook.TypeUpdate, webhook.TypeUnsubscribe}[i%3]
					r.emit(person(e, "1", "12"))
					want = append(want, string(e))
				}
				time.Sleep(time.Second + 50*time.Millisecond)
				interrupt(r, id)
				time.Sleep(time.Minute)
				got := r.told()["1"]
				for i := 1; i < len(got); i++ { // one that was cut short comes again
					if len(got) > len(want) && got[i] == got[i-1] {
						got = append(got[:i], got[i+1:]...)
					}
				}
				assert.Equal(t, want, got)
			})
		})
	}
}

// 40 people change six times within a second. Two dispatchers, whose clocks are three
// seconds apart, deliver to a receiver that needs up to 50 ms and fails a fifth of the
// time. Everybody ends in the right state.
func TestEverybodyEndsInTheRightState(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				chance := rand.New(rand.NewPCG(seed, 1))
				var mu sync.Mutex
				draw := func(n int) int {
					mu.Lock()
					defer mu.Unlock()
					return chance.IntN(n)
				}
				state, now := map[string]string{}, map[string]string{}
				opts := &webhook.Options{Backoff: webhook.Schedule(time.Second, 2*time.Second, 3*time.Second, 5*time.Second,
					5*time.Second, 5*time.Second, 5*time.Second, 5*time.Second, 5*time.Second, 5*time.Second, 5*time.Second)}
				r := newHarness(t, opts).start()
				skewed := &fastClockStore{Store: r.store, by: 3 * time.Second}
				other, err := webhook.New(skewed, &http.Client{Transport: r.receiver}, opts)
				require.NoError(t, err)
				require.NoError(t, other.Start())
				t.Cleanup(func() {
					ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
					defer cancel()
					assert.NoError(t, other.Shutdown(ctx))
				})
				r.put(nil)
				r.receiver.set(func(req *http.Request) (*http.Response, error) {
					time.Sleep(time.Duration(draw(51)) * time.Millisecond)
					if draw(5) == 0 {
						return status(500)(req)
					}
					require.NoError(t, req.ParseForm())
					return status(200)(req)
				})
				var people sync.WaitGroup
				for p := range 40 {
					people.Go(func() {
						for i := range 6 {
							e := []webhook.EventType{webhook.TypeSubscribe, webhook.TypeUnsubscribe}[(p+i)%2]
							d := []*webhook.Dispatcher{r.Dispatcher, other}[draw(2)]
							assert.NoError(t, d.Emit(r.ctx, person(e, strconv.Itoa(p), "12")))
							mu.Lock()
							state[strconv.Itoa(p)] = string(e)
							mu.Unlock()
							time.Sleep(time.Duration(draw(160)) * time.Millisecond)
						}
					})
				}
				people.Wait()
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				delivered := map[string]int{}
				for _, d := range r.log() {
					delivered[string(d.State)]++
				}
				require.Equal(t, map[string]int{"delivered": 240}, delivered)
				sequence := map[string]int64{}
				for _, got := range r.receiver.requests() {
					who := got.Form.Get("subscriber[id]")
					n, err := strconv.ParseInt(got.Header.Get(webhook.HeaderSequence), 10, 64)
					require.NoError(t, err)
					assert.GreaterOrEqual(t, n, sequence[who], "an older one never comes after a newer one")
					sequence[who], now[who] = n, got.Form.Get("type")
				}
				assert.Equal(t, state, now)
			})
		})
	}
}

// A fastClockStore is a store as a process sees it whose clock is fast: it gives what the
// process stores and asks the times of that clock. The process itself has the test's
// clock, which is slow by as much.
type fastClockStore struct {
	webhook.Store
	by time.Duration
}

func (s *fastClockStore) shift(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(s.by)
}

func (s *fastClockStore) Enqueue(ctx context.Context, events []webhook.OutboxEvent) ([]string, error) {
	shifted := make([]webhook.OutboxEvent, len(events))
	for i, e := range events {
		e.Deliveries = append([]webhook.OutboxDelivery(nil), e.Deliveries...)
		for j := range e.Deliveries {
			d := &e.Deliveries[j]
			d.Created, d.Due, d.Joined = s.shift(d.Created), s.shift(d.Due), s.shift(d.Joined)
		}
		shifted[i] = e
	}
	return s.Store.Enqueue(ctx, shifted)
}

func (s *fastClockStore) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
	c.Now, c.Until = s.shift(c.Now), s.shift(c.Until)
	ds, err := s.Store.Claim(ctx, c)
	for i := range ds {
		ds[i].Due = ds[i].Due.Add(-s.by)
	}
	return ds, err
}

func (s *fastClockStore) Apply(ctx context.Context, cs []webhook.Change) ([]string, error) {
	shifted := append([]webhook.Change(nil), cs...)
	for i := range shifted {
		shifted[i].Due, shifted[i].Joined = s.shift(shifted[i].Due), s.shift(shifted[i].Joined)
	}
	return s.Store.Apply(ctx, shifted)
}

// Opens and clicks keep their path while state events are emitted beside them.
func TestUnorderedDeliveriesAreStillPreLeased(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{PollInterval: time.Hour}).start()
		r.put(nil)
		for i := range 20 {
			r.emit(person(webhook.TypeUpdate, strconv.Itoa(i), "12"), person(webhook.TypeOpen, strconv.Itoa(i), "12"))
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Second)
		for _, d := range r.log() {
			assert.Equal(t, webhook.StateDelivered, d.State)
			assert.Equal(t, d.Type == webhook.TypeUpdate, d.Sequence > 0)
			assert.Equal(t, int64(2), d.Lease)
		}
	})
}

func TestAKeyIsNoAddress(t *testing.T) {
	r := newHarness(t, nil)
	r.put(nil)
	r.emit(concerning(webhook.Subscribe{}, func(s *webhook.Subscriber) { s.ID = "" }))
	r.emit(withKey(concerning(webhook.Subscribe{}, nil), "company 7"))
	keys := map[string]bool{}
	for _, d := range r.log() {
		keys[d.Key] = true
		assert.NotContains(t, d.Key, "jane")
		assert.Less(t, len(d.Key), 32)
	}
	assert.Len(t, keys, 2)
	assert.True(t, keys["company 7"])
	n, err := r.EraseSubscriber(r.ctx, "", "", "jane@example.com", nil)
	require.NoError(t, err)
	assert.Equal(t, 2, n)
	for _, d := range r.log() {
		assert.Empty(t, d.Key, "it is forgotten too")
	}
}

// Erasing the first of a line lets the others go on.
func TestErasingDoesNotBreakALine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		r.put(nil)
		for i := range 3 {
			r.emit(withKey(person(webhook.TypeUpdate, strconv.Itoa(i), "12"), "company"))
			time.Sleep(time.Second)
		}
		for _, id := range []string{"0", "1"} {
			n, err := r.EraseSubscriber(r.ctx, "", id, "", nil)
			require.NoError(t, err)
			require.Equal(t, 1, n)
		}
		r.start()
		time.Sleep(time.Minute)
		assert.Equal(t, map[string][]string{"2": {"update"}}, r.told())
	})
}
