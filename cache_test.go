package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// A gatedStore is a store whose readings of webhooks are counted, and may be
// held up before or after they were made.
type gatedStore struct {
	webhook.Store
	mu            sync.Mutex
	before, after chan struct{} // nil: not held up; else until closed
	reads, polls  int
	failing       bool
}

func (s *gatedStore) Webhooks(ctx context.Context, q webhook.WebhookQuery) ([]webhook.Webhook, error) {
	s.mu.Lock()
	before, after, failing := s.before, s.after, s.failing
	switch {
	case len(q.IDs) > 0 || q.Newest: // of an edit, or before the first reading
		before, after = nil, nil
	case !q.All:
		s.reads++
	default:
		s.polls++
	}
	s.mu.Unlock()
	if failing {
		return nil, errDown
	}
	if err := pass(ctx, before); err != nil {
		return nil, err
	}
	ws, err := s.Store.Webhooks(ctx, q)
	if err := pass(ctx, after); err != nil {
		return nil, err
	}
	return ws, err
}

func pass(ctx context.Context, gate chan struct{}) error {
	if gate == nil {
		return nil
	}
	select {
	case <-gate:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *gatedStore) set(f func(*gatedStore)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

func (s *gatedStore) counts() (reads, polls int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads, s.polls
}

func newGatedHarness(t *testing.T) (*harness, *gatedStore) {
	store := &gatedStore{Store: &memstore.Store{}}
	r := &harness{t: t, ctx: t.Context(), store: store, receiver: &receiver{}}
	r.Dispatcher = r.another(nil)
	return r, store
}

func TestCallersShareAReadingOfTheStore(t *testing.T) {
	for _, warm := range []bool{false, true} {
		t.Run(fmt.Sprintf("warm %v", warm), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r, store := newGatedHarness(t)
				r.put(nil)
				if warm {
					r.emit(open("before"))
					time.Sleep(time.Minute) // changes are to be asked for
				}
				sofar := len(r.log())
				reads, polls := store.counts()
				gate := make(chan struct{})
				store.set(func(s *gatedStore) { s.before = gate })

				var hasty, patient sync.WaitGroup
				for i := range 200 {
					hasty.Go(func() {
						ctx, cancel := context.WithTimeout(r.ctx, 100*time.Millisecond)
						defer cancel()
						began := time.Now()
						assert.ErrorIs(t, r.Emit(ctx, open(fmt.Sprint("hasty ", i))), context.DeadlineExceeded)
						assert.Equal(t, 100*time.Millisecond, time.Since(began), "one who gives up does not wait")
					})
				}
				synctest.Wait()
				for i := range 200 {
					patient.Go(func() {
						assert.NoError(t, r.Emit(r.ctx, open(fmt.Sprint("patient ", i))), "nor fail the others")
					})
				}
				hasty.Wait()
				time.Sleep(10 * time.Second)
				close(gate)
				patient.Wait()
				assert.Len(t, r.log(), sofar+200)
				nowReads, nowPolls := store.counts()
				assert.Equal(t, 1, nowReads-reads+nowPolls-polls, "all share one call")
			})
		})
	}
}

func TestAStoreThatHangsFailsItsCallersInTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newGatedHarness(t)
		r.put(nil)
		gate := make(chan struct{})
		store.set(func(s *gatedStore) { s.before = gate })
		began := time.Now()
		err := r.Emit(r.ctx, open("e1"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Contains(t, err.Error(), "webhook: Emit: the store has not answered for 15s")
		assert.Equal(t, 15*time.Second, time.Since(began))
		synctest.Wait()
		close(gate)
		r.emit(open("e1")) // the next call is another
		assert.Len(t, r.log(), 1)
	})
}

// A webhook that is put during a shared read of its account is not hidden by the
// result of that read.
func TestAReadingThatIsOlderThanAPutHidesItNot(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*harness, webhook.Webhook)
		want   []string // the paths that get the event
	}{
		{"added", func(r *harness, _ webhook.Webhook) { r.put(tied("12")) }, []string{"https://receiver.test/12", everything().URL}},
		{"deleted", func(r *harness, w webhook.Webhook) { require.NoError(r.t, r.DeleteWebhook(r.ctx, "", w.ID)) }, nil},
		{"edited", func(r *harness, w webhook.Webhook) {
			w.URL = "https://new.test/"
			_, err := r.UpdateWebhook(r.ctx, w)
			require.NoError(r.t, err)
		}, []string{"https://new.test/"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r, store := newGatedHarness(t)
				w := r.put(nil)
				gate := make(chan struct{})
				store.set(func(s *gatedStore) { s.after = gate })
				emitted := make(chan error)
				go func() { emitted <- r.Emit(r.ctx, open("0")) }()
				synctest.Wait() // it has read, and has no answer yet
				c.change(r, w)
				go func() { emitted <- r.Emit(r.ctx, open("1")) }()
				synctest.Wait()
				store.set(func(s *gatedStore) { s.after = nil })
				close(gate)
				require.NoError(t, <-emitted)
				require.NoError(t, <-emitted)
				r.emit(open("2"))
				r.start()
				time.Sleep(time.Minute)
				got := map[string]int{}
				for _, q := range r.receiver.requests() {
					got[q.URL]++
				}
				want := map[string]int{}
				for _, u := range c.want {
					want[u] = 3
				}
				assert.Equal(t, want, got)
			})
		})
	}
}

// The same of an account that was in use before, and is read again after five minutes.
func TestAReadingAgainThatIsOlderThanAPutHidesItNot(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*harness, webhook.Webhook)
		want   []string // the paths that get the event
	}{
		{"added", func(r *harness, _ webhook.Webhook) { r.put(tied("12")) }, []string{"https://receiver.test/12", everything().URL}},
		{"deleted", func(r *harness, w webhook.Webhook) { require.NoError(r.t, r.DeleteWebhook(r.ctx, "", w.ID)) }, nil},
		{"added and deleted", func(r *harness, _ webhook.Webhook) {
			require.NoError(r.t, r.DeleteWebhook(r.ctx, "", r.put(tied("12")).ID))
		}, []string{everything().URL}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r, store := newGatedHarness(t)
				w := r.put(nil)
				r.emit(open("0"))
				r.start()
				time.Sleep(6 * time.Minute)
				before := len(r.receiver.requests())
				gate := make(chan struct{})
				store.set(func(s *gatedStore) { s.after = gate })
				emitted := make(chan error)
				go func() { emitted <- r.Emit(r.ctx, open("1")) }()
				synctest.Wait() // it has read, and has no answer yet
				c.change(r, w)
				store.set(func(s *gatedStore) { s.after = nil })
				close(gate)
				require.NoError(t, <-emitted)
				time.Sleep(time.Minute)
				r.emit(open("2"))
				time.Sleep(time.Minute)
				got := map[string]int{}
				for _, q := range r.receiver.requests()[before:] {
					got[q.URL]++
				}
				want := map[string]int{}
				for _, u := range c.want {
					want[u] = 2
				}
				assert.Equal(t, want, got)
			})
		})
	}
}

// A skewedStore shows the store to a process whose clock is wrong.
type skewedStore struct {
	webhook.Store
	by time.Duration
}

func (s *skewedStore) PutWebhook(ctx context.Context, w webhook.Webhook) (int64, error) {
	w.Changed = w.Changed.Add(s.by)
	return s.Store.PutWebhook(ctx, w)
}

// A change by a process whose clock is wrong is found after five minutes at the
// latest, however wrong it is.
func TestNoClockHidesAChangeForLongerThanFiveMinutes(t *testing.T) {
	changes := []struct {
		name          string
		before, after int // webhooks that get the event
		change        func(*testing.T, context.Context, *webhook.Dispatcher, webhook.Webhook)
	}{
		{"added", 1, 2, func(t *testing.T, ctx context.Context, d *webhook.Dispatcher, _ webhook.Webhook) {
			_, err := d.AddWebhook(ctx, everything())
			require.NoError(t, err)
		}},
		{"deleted", 1, 0, func(t *testing.T, ctx context.Context, d *webhook.Dispatcher, w webhook.Webhook) {
			require.NoError(t, d.DeleteWebhook(ctx, "", w.ID))
		}},
		{"disabled", 1, 0, func(t *testing.T, ctx context.Context, d *webhook.Dispatcher, w webhook.Webhook) {
			w.Disabled = "By its owner."
			_, err := d.UpdateWebhook(ctx, w)
			require.NoError(t, err)
		}},
		{"tied to another list", 1, 0, func(t *testing.T, ctx context.Context, d *webhook.Dispatcher, w webhook.Webhook) {
			w.List = "13"
			_, err := d.UpdateWebhook(ctx, w)
			require.NoError(t, err)
		}},
	}
	readers := []struct {
		name string
		run  bool
		busy bool // it emits all the time
		emit func(*webhook.Dispatcher, *harness, webhook.Event) error
	}{
		{"a process that delivers", true, true, func(d *webhook.Dispatcher, r *harness, e webhook.Event) error { return d.Emit(r.ctx, e) }},
		{"a process that only emits", false, true, func(d *webhook.Dispatcher, r *harness, e webhook.Event) error { return d.Emit(r.ctx, e) }},
		{"one that was idle", true, false, func(d *webhook.Dispatcher, r *harness, e webhook.Event) error { return d.Emit(r.ctx, e) }},
		{"one that emits in transactions", true, true, func(d *webhook.Dispatcher, r *harness, e webhook.Event) error {
			tx := &transaction{Outbox: r.store}
			if err := d.EmitTx(r.ctx, tx, e); err != nil {
				return err
			}
			return tx.commit(r.ctx)
		}},
	}
	for _, skew := range []time.Duration{-48 * time.Hour, -10 * time.Minute, -2 * time.Minute, 0, 2 * time.Minute, 48 * time.Hour} {
		for _, c := range changes {
			for _, p := range readers {
				t.Run(fmt.Sprintf("%s by a clock %s wrong, %s", c.name, skew, p.name), func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						r := newHarness(t, &webhook.Options{PollInterval: 10 * time.Second})
						w := r.put(nil)
						writer, err := webhook.New(&skewedStore{r.store, skew}, &http.Client{Transport: r.receiver}, nil)
						require.NoError(t, err)
						if p.run {
							r.start()
						}
						n := 0
						emitted := func() int {
							n++
							id := fmt.Sprint("e", n)
							require.NoError(t, p.emit(r.Dispatcher, r, open(id)))
							found := 0
							for _, d := range r.log() {
								if d.EventID == id && d.State != webhook.StateCanceled {
									found++
								}
							}
							return found
						}
						require.Equal(t, c.before, emitted())
						time.Sleep(7 * time.Minute)
						require.Equal(t, c.before, emitted())
						c.change(t, r.ctx, writer, w)
						for range 5 {
							time.Sleep(time.Minute)
							if p.busy {
								emitted()
							}
						}
						assert.Equal(t, c.after, emitted())
					})
				})
			}
		}
	}
}

func TestWhatIsUsedAllTheTimeIsReadAFewTimesAnHour(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newGatedHarness(t)
		r.put(nil)
		r.start()
		r.emit(open("0"))
		reads, _ := store.counts()
		for i := range 3600 {
			r.emit(open(fmt.Sprint(i)))
			time.Sleep(time.Second)
		}
		now, _ := store.counts()
		assert.GreaterOrEqual(t, now-reads, 12)
		assert.LessOrEqual(t, now-reads, 24)
	})
}

// Emit waits for a read only if the cached account is too old. EmitTx never waits.
func TestReadingAgainHoldsUpNobody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newGatedHarness(t)
		r.put(nil)
		r.start()
		r.emit(open("0"))
		time.Sleep(4 * time.Minute)
		gate := make(chan struct{})
		store.set(func(s *gatedStore) { s.after = gate })
		defer close(gate)
		began := time.Now()
		tx := &transaction{Outbox: store.Store}
		require.NoError(t, r.EmitTx(r.ctx, tx, open("1")))
		time.Sleep(10 * time.Minute) // no poll has an answer either
		began = began.Add(10 * time.Minute)
		require.NoError(t, r.EmitTx(r.ctx, tx, open("2")))
		assert.Equal(t, began, time.Now())
		assert.Len(t, tx.events, 2)
	})
}

// readingTx is a transaction that counts how often webhooks are read through it.
type readingTx struct {
	transaction
	reads int
}

func (tx *readingTx) Webhooks(ctx context.Context, q webhook.WebhookQuery) ([]webhook.Webhook, error) {
	tx.reads++
	return tx.transaction.Webhooks(ctx, q)
}

// A process that calls nothing but EmitTx has what it needs in its cache too: a
// transaction in which it has not makes it ready for the next one.
func TestATransactionLeavesTheCacheReadyForTheNext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newGatedHarness(t)
		w := r.put(nil)
		other := r.another(nil) // emits only
		reads := func() int {
			tx := &readingTx{transaction: transaction{Outbox: store.Store}}
			require.NoError(t, other.EmitTx(r.ctx, tx, open("1")))
			require.Len(t, tx.events, 1)
			synctest.Wait()
			return tx.reads
		}
		assert.Equal(t, 1, reads(), "the account is not known")
		assert.Equal(t, 0, reads())
		time.Sleep(time.Minute)
		assert.Equal(t, 1, reads(), "nobody has asked for changes")
		assert.Equal(t, 0, reads())

		w.Events = []webhook.EventType{webhook.TypeClick}
		_, err := r.UpdateWebhook(r.ctx, w)
		require.NoError(t, err)
		time.Sleep(time.Minute)
		tx := &readingTx{transaction: transaction{Outbox: store.Store}}
		require.NoError(t, other.EmitTx(r.ctx, tx, open("1")))
		assert.Empty(t, tx.events)
		synctest.Wait()
		require.NoError(t, other.EmitTx(r.ctx, tx, open("1")))
		assert.Empty(t, tx.events, "the cache has taken the change over")
		assert.Equal(t, 1, tx.reads)
	})
}

func TestAnAccountThatCannotBeReadAgainIsTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newGatedHarness(t)
		r.put(nil)
		r.emit(open("0"))
		time.Sleep(10 * time.Minute)
		store.set(func(s *gatedStore) { s.failing = true })
		require.ErrorIs(t, r.Emit(r.ctx, open("1")), errDown)
		store.set(func(s *gatedStore) { s.failing = false })
		r.emit(open("1"))
		assert.Len(t, r.log(), 2)
	})
}
