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

// pooled returns harnesses with stores of their own, whose Dispatchers share a pool
// and a receiver.
func pooled(t *testing.T, n int, opts *webhook.PoolOptions, stores ...webhook.Store) []*harness {
	shared := &receiver{}
	p, err := webhook.NewPool(&http.Client{Transport: shared}, opts)
	require.NoError(t, err)
	var rs []*harness
	for i := range n {
		r := &harness{t: t, ctx: t.Context(), store: &memstore.Store{}, receiver: shared}
		if i < len(stores) {
			r.store = stores[i]
		}
		r.Dispatcher, err = p.NewDispatcher(r.store, nil)
		require.NoError(t, err)
		rs = append(rs, r)
	}
	return rs
}

func TestDispatchersOfAPoolShareItsLimits(t *testing.T) {
	for _, c := range []struct {
		name string
		opts webhook.PoolOptions
		host func(i int) string
		peak int
	}{
		{"of all attempts", webhook.PoolOptions{Concurrency: 6, PerHost: 6}, func(i int) string { return fmt.Sprint(i, ".test") }, 6},
		{"of one host", webhook.PoolOptions{PerHost: 3}, func(int) string { return "shared.test" }, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				rs := pooled(t, 4, &c.opts)
				rs[0].receiver.set(slowly(50 * time.Millisecond))
				for i, r := range rs {
					r.put(at(c.host(i)))
					r.start()
					for n := range 8 {
						r.emit(open(fmt.Sprint(n)))
					}
				}
				time.Sleep(time.Minute)
				assert.Len(t, rs[0].receiver.requests(), 4*8)
				assert.Equal(t, c.peak, rs[0].receiver.peak)
			})
		})
	}
}

func TestADatabaseThatHangsDelaysNoOtherOfThePool(t *testing.T) {
	bubble(t, func(t *testing.T) {
		hung := &stallingStore{Store: &memstore.Store{}}
		rs := pooled(t, 2, &webhook.PoolOptions{Concurrency: 4, PerHost: 4}, hung)
		bad, good := rs[0].start(), rs[1].start()
		bad.put(at("bad.test"))
		good.put(at("good.test"))
		for i := range 100 {
			bad.emit(open(fmt.Sprint(i)))
		}
		hung.set(func(s *stallingStore) { s.apply, s.claim = untilCanceled, untilCanceled })
		time.Sleep(5 * time.Second)
		for i := range 100 {
			began := time.Now()
			good.emit(open(fmt.Sprint(i)))
			synctest.Wait()
			got := good.receiver.requests()
			require.Equal(t, "https://good.test/", got[len(got)-1].URL)
			assert.Equal(t, began, got[len(got)-1].At)
			time.Sleep(10 * time.Millisecond)
		}
	})
}

func TestTheGoroutinesOfAPoolEndWithItsLastDispatcher(t *testing.T) {
	bubble(t, func(t *testing.T) {
		others := workers() // of tests that shut nothing down
		rs := pooled(t, 2, nil)
		for _, r := range rs {
			r.put(nil)
			r.start()
			r.emit(open("e"))
		}
		time.Sleep(time.Second)
		require.NoError(t, rs[0].Shutdown(rs[0].ctx))
		require.NoError(t, rs[0].Shutdown(rs[0].ctx), "again")
		rs[1].emit(open("more"))
		synctest.Wait()
		assert.Len(t, rs[1].receiver.requests(), 3)
		assert.Positive(t, workers()-others)
		require.NoError(t, rs[1].Shutdown(rs[1].ctx))
		synctest.Wait()
		assert.Zero(t, workers()-others)
	})
}

// countsClaims is a store that counts how often it is asked.
type countsClaims struct {
	webhook.Store

	mu sync.Mutex // guards at
	at []time.Time
}

func (s *countsClaims) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
	s.mu.Lock()
	s.at = append(s.at, time.Now())
	s.mu.Unlock()
	return s.Store.Claim(ctx, c)
}

func (s *countsClaims) since(t time.Time) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range s.at {
		if at.After(t) {
			n++
		}
	}
	return n
}

func TestIdleDispatchersOfAPoolPollLessOften(t *testing.T) {
	for _, c := range []struct {
		dispatchers int
		interval    time.Duration
	}{
		{1, time.Second}, {20, time.Second}, {100, 5 * time.Second}, {300, 10 * time.Second},
	} {
		t.Run(fmt.Sprint(c.dispatchers), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				store := &countsClaims{Store: &memstore.Store{}}
				rs := pooled(t, c.dispatchers, nil, store)
				for _, r := range rs {
					r.start()
				}
				time.Sleep(time.Minute)
				idle := time.Now()
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				n := store.since(idle)
				want := int(10 * time.Minute / c.interval)
				assert.GreaterOrEqual(t, n, want-1)
				assert.LessOrEqual(t, n, want*10/9+2, "an interval is up to a tenth shorter")
				require.NoError(t, rs[0].Ready())
			})
		})
	}
}

func TestADispatcherThatIsNotIdlePollsAsOftenAsAlways(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := &countsClaims{Store: &memstore.Store{}}
		rs := pooled(t, 100, nil, store)
		for _, r := range rs {
			r.start()
		}
		r := rs[0]
		r.put(nil)
		time.Sleep(time.Minute)
		emitter := r.another(nil) // another process: only a poll finds what it emits
		require.NoError(t, emitter.Emit(r.ctx, open("first")))
		began := time.Now()
		for len(r.receiver.requests()) == 0 {
			time.Sleep(time.Millisecond)
		}
		assert.LessOrEqual(t, time.Since(began), 5*time.Second)
		for i := range 20 {
			time.Sleep(3 * time.Second)
			require.NoError(t, emitter.Emit(r.ctx, open(fmt.Sprint(i))))
			time.Sleep(time.Second)
			assert.Len(t, r.receiver.requests(), i+2, "found within a second")
		}

		time.Sleep(time.Minute)
		require.NoError(t, emitter.Emit(r.ctx, open("woken")))
		r.Wake()
		synctest.Wait()
		assert.Len(t, r.receiver.requests(), 22)
	})
}

func TestPoolsRefuse(t *testing.T) {
	p, err := webhook.NewPool(nil, nil)
	require.NoError(t, err)
	_, err = p.NewDispatcher(&memstore.Store{}, nil)
	require.NoError(t, err)
	store := &memstore.Store{}
	for field, do := range map[string]func() error{
		"PoolOptions.Concurrency": func() error { _, err := webhook.NewPool(nil, &webhook.PoolOptions{Concurrency: -1}); return err },
		"PoolOptions.PerHost":     func() error { _, err := webhook.NewPool(nil, &webhook.PoolOptions{PerHost: -1}); return err },
		"store":                   func() error { _, err := p.NewDispatcher(nil, nil); return err },
		"Pool":                    func() error { _, err := new(webhook.Pool).NewDispatcher(store, nil); return err },
		"Options.Concurrency":     func() error { _, err := p.NewDispatcher(store, &webhook.Options{Concurrency: 8}); return err },
		"Options.PerHost":         func() error { _, err := p.NewDispatcher(store, &webhook.Options{PerHost: 8}); return err },
		"Options.Timeout":         func() error { _, err := p.NewDispatcher(store, &webhook.Options{Timeout: -1}); return err },
	} {
		var invalid *webhook.InvalidError
		require.ErrorAs(t, do(), &invalid, field)
		assert.Equal(t, field, invalid.Field)
	}
	client := webhook.NewClient(&webhook.ClientOptions{AllowPorts: []uint16{0}})
	_, err = webhook.NewPool(client, nil)
	require.Error(t, err, "as New refuses it")
}

// An idle Dispatcher seldom asks for changed webhooks, but knows them when it
// delivers.
func TestAnIdleDispatcherDeliversToTheWebhookAsItIs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		rs := pooled(t, 100, nil)
		for _, r := range rs {
			r.start()
		}
		r := rs[0]
		w := r.put(nil)
		r.emit(open("known"))
		time.Sleep(time.Minute)
		other := r.another(nil) // another process
		for i, url := range []string{"https://moved.test/1", "https://moved.test/2", "https://moved.test/3"} {
			w.URL = url
			var err error
			w, err = other.UpdateWebhook(r.ctx, w)
			require.NoError(t, err)
			e := open(url)
			if i == 2 {
				r.emit(e)
			} else {
				require.NoError(t, other.Emit(r.ctx, e))
			}
			time.Sleep(35 * time.Second) // idle again
			got := r.receiver.requests()
			require.Len(t, got, i+2)
			assert.Equal(t, url, got[i+1].URL)
		}
	})
}
