//go:build unix

package crash

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/webhooktest"
)

// misbehaviours are receivers that never do what they should.
func misbehaviours() map[string]webhooktest.Options {
	ok := webhooktest.Status(200)
	return map[string]webhooktest.Options{
		"hangs":     {Answer: webhooktest.Hang()},
		"resets":    {Answer: webhooktest.Reset()},
		"drips":     {Answer: ok.Drip(100 * time.Millisecond)},
		"endless":   {Answer: ok.Endless()},
		"headless":  {Answer: webhooktest.EndlessHead()},
		"redirects": {Answer: webhooktest.Redirect("http://127.0.0.1:1/")},
		"busy":      {Answer: webhooktest.Status(429).Header("Retry-After", "1")},
		"expired":   {TLS: webhooktest.TLSExpired},
	}
}

// A soak is one process that lives through everything, and others that come
// and go, under a load of events for good receivers and bad ones.
type soak struct {
	*scene
	rng     *rand.Rand
	server  *server // nil: SQLite
	proxy   *proxy
	db      database // as the children reach it
	long    *process
	brief   *process
	started int
	rate    int // events a second of each process
}

func TestSoak(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		db := freshSQLite(t)
		t.Parallel()
		(&soak{scene: newScene(t, db, steady, flaky, once), db: db}).run()
	})
	onEachServer(t, func(t *testing.T, r *harness) {
		(&soak{scene: r.scene, db: r.via, server: r.server, proxy: r.proxy}).run()
	})
}

func (s *soak) run() {
	t, length := s.t, soakTime(s.t)
	if s.rate = 25; length > 10*time.Minute {
		s.rate = 4 // else hours of events would be left at the end, of receivers that often fail
	}
	s.rng = newRand(t)
	good := s.webhooks
	wild := s.putMisbehaving()
	s.long = s.child("long")
	first := s.long.await(sayUsage, 1)
	s.brief = s.child("brief")

	var warm usage
	for begin, next := time.Now(), length/3; time.Since(begin) < length; {
		pause(200*time.Millisecond + time.Duration(s.rng.Int64N(int64(time.Second))))
		s.fault()
		if time.Since(begin) > next && warm.Heap == 0 {
			warm = s.long.usage()
		}
	}
	s.goesOn(20)
	s.long.silence()
	s.brief.silence()
	drained(t, s.store, good...)
	end := s.long.usage()
	s.brief.stop()
	after := s.long.stop()

	a := audit{record: s.record, receiver: s.receiver, webhooks: append(good, wild...), wild: wild}
	t.Logf("%s; %d lost outcomes", a.check(t, s.store), s.record.lostOutcomes())
	s.leaks(s.long.parseUsage(first), warm, end, after)
}

// leaks compares what the long process used before it opened anything, after
// a third of the time, at the end of it, and after it had closed everything.
func (s *soak) leaks(before, warm, end, after usage) {
	s.t.Helper()
	s.t.Logf("before, warm, at the end, closed: heap %d, %d, %d, %d KiB; goroutines %d, %d, %d, %d; descriptors %d, %d, %d, %d",
		before.Heap>>10, warm.Heap>>10, end.Heap>>10, after.Heap>>10,
		before.Goroutines, warm.Goroutines, end.Goroutines, after.Goroutines,
		before.Descriptors, warm.Descriptors, end.Descriptors, after.Descriptors)
	// What attempts that are under way hold comes and goes.
	if end.Heap > warm.Heap+warm.Heap/2+(8<<20) {
		s.t.Errorf("the heap has grown from %d to %d KiB", warm.Heap>>10, end.Heap>>10)
	}
	if after.Goroutines > before.Goroutines {
		s.t.Errorf("%d goroutines were left, and %d there had been:\n%s", after.Goroutines, before.Goroutines, after.Stacks)
	}
	if after.Descriptors > before.Descriptors {
		s.t.Errorf("%d descriptors were left open, and %d had been", after.Descriptors, before.Descriptors)
	}
}

// putMisbehaving adds a webhook for each misbehaviour.
func (s *soak) putMisbehaving() (names []string) {
	s.t.Helper()
	d, err := webhook.New(s.store, webhook.NewClient(webhooktest.ClientOptions()), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for name, opts := range misbehaviours() {
		r := webhooktest.NewReceiver(s.t, &opts)
		w := webhook.Webhook{ID: name, Settings: webhook.Settings{
			Name: name, URL: r.URL(), Events: webhook.EventTypes(), Sources: webhook.Sources(),
		}}
		if _, err := d.AddWebhook(s.t.Context(), w); err != nil {
			s.t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

func (s *soak) child(kind string) *process {
	s.t.Helper()
	s.started++
	return start(s.t, s.record, childConfig{
		Name: fmt.Sprintf("%s%d", kind, s.started), Database: s.db,
		Deliver: true, Timeout: 2 * time.Second, Concurrency: slots, Emit: s.rate, Transactions: true,
	}).ready()
}

// fault lets one thing go wrong.
func (s *soak) fault() {
	s.t.Helper()
	faults := []func(){s.death}
	if s.server != nil {
		faults = append(faults, s.proxy.cutAll, s.sluggishness, s.restart)
	} else {
		faults = append(faults, s.lock)
	}
	faults[s.rng.IntN(len(faults))]()
}

func (s *soak) death() {
	s.brief.kill()
	s.brief = s.child("brief")
}

func (s *soak) sluggishness() {
	s.proxy.slow(300 * time.Millisecond)
	pause(time.Second)
	s.proxy.slow(0)
}

func (s *soak) restart() {
	s.server.abort()
	pause(time.Duration(s.rng.Int64N(int64(longLife))))
	s.server.start()
	s.goesOn(10)
}

// lock keeps everybody from writing for a while. It gets the lock once the others leave it
// room, which SQLite does not promise to anybody.
func (s *soak) lock() {
	s.t.Helper()
	var err error
	for range 10 {
		err = s.store.inTx(s.t.Context(), false, func(webhook.Outbox) error {
			pause(time.Second)
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), "SQLITE_BUSY") {
			break
		}
	}
	if err != nil {
		s.t.Error(err)
	}
}
