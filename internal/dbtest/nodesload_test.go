package dbtest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/listhook/webhook"
)

// nodesTime returns for how long the nodes of a cluster are killed and frozen, which
// LISTHOOK_NODES says. Without it the test is skipped: a cluster of real nodes takes
// minutes to say anything.
func nodesTime(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("LISTHOOK_NODES")
	if text == "" {
		t.Skip("LISTHOOK_NODES does not say for how long, such as 2m; make long does")
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A nodesLoad is events that several apps emit and deliver, while something is done to
// their database. Each event that was promised has to arrive.
type nodesLoad struct {
	t        *testing.T
	receiver *httptest.Server
	apps     []*loadApp
	stop     chan struct{}
	emitters sync.WaitGroup

	mu        sync.Mutex // guards all below
	promised  map[string]time.Time
	arrived   map[string]int
	newest    map[string]int // by key: the number of the last event that has arrived
	overtaken []string       // events that arrived behind a later one of their key
	faults    map[string][]time.Duration
	lost      int // outcomes
	failures  map[string]int
	errors    map[string]error // the last of each app
}

// A loadApp is a dispatcher that emits and delivers.
type loadApp struct {
	*webhook.Dispatcher
	name string
}

func newNodesLoad(t *testing.T) *nodesLoad {
	l := &nodesLoad{
		t: t, stop: make(chan struct{}), promised: map[string]time.Time{}, arrived: map[string]int{}, newest: map[string]int{},
		faults: map[string][]time.Duration{}, failures: map[string]int{}, errors: map[string]error{},
	}
	l.receiver = httptest.NewServer(http.HandlerFunc(l.receive))
	t.Cleanup(l.receiver.Close)
	return l
}

func (l *nodesLoad) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	id := form.Get("subscriber[id]")
	if err != nil || id == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if at := strings.LastIndexByte(id, '-'); form.Get("type") == "unsubscribe" && l.arrived[id] == 0 {
		n, _ := strconv.Atoi(id[at+1:])
		if n < l.newest[id[:at]] {
			l.overtaken = append(l.overtaken, id)
		}
		l.newest[id[:at]] = max(n, l.newest[id[:at]])
	}
	l.arrived[id]++
}

// app starts an app on a store. The first one adds the webhook. listen, unless nil,
// wakes it.
func (l *nodesLoad) app(name string, h *handle, listen func(ctx context.Context, wake func()) error) {
	l.t.Helper()
	host, _, err := net.SplitHostPort(l.receiver.Listener.Addr().String())
	if err != nil {
		l.t.Fatal(err)
	}
	d, err := webhook.New(h.store, webhook.NewClient(&webhook.ClientOptions{AllowHosts: []string{host}}), &webhook.Options{
		Timeout: 5 * time.Second, StoreTimeout: 5 * time.Second, PollInterval: 200 * time.Millisecond,
		Backoff: webhook.Schedule(200*time.Millisecond, time.Second, time.Second, time.Second, 5*time.Second),
		Logger:  slog.New(slog.DiscardHandler),
		Hooks: webhook.Hooks{Lost: func(webhook.Delivery) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.lost++
		}},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	if len(l.apps) == 0 {
		_, err := d.AddWebhook(l.t.Context(), webhook.Webhook{Settings: webhook.Settings{
			Name: "all", URL: l.receiver.URL, Events: webhook.EventTypes(), Sources: webhook.Sources(), Format: webhook.Format2013,
		}})
		if err != nil {
			l.t.Fatal(err)
		}
	}
	if err := d.Start(); err != nil {
		l.t.Fatal(err)
	}
	if listen != nil {
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = listen(ctx, d.Wake)
		}()
		l.t.Cleanup(func() { cancel(); <-ended })
	}
	l.apps = append(l.apps, &loadApp{d, name})
}

// begin has each app emit some sixty events a second.
func (l *nodesLoad) begin() {
	for _, a := range l.apps {
		for n := range 4 {
			l.emitters.Go(func() { l.emitAll(a, n) })
		}
	}
}

// emitAll emits one event after the other, each second one in order. One that was not
// promised is emitted again with the same ID, until it is.
func (l *nodesLoad) emitAll(a *loadApp, emitter int) {
	for n := 0; ; n++ {
		id := fmt.Sprintf("%s-%d-%d", a.name, emitter, n)
		m, s := webhook.Meta{ID: id, Source: webhook.SourcePublic}, webhook.Subscriber{ID: id, Email: "a@example.com"}
		var e webhook.Event = webhook.Open{Meta: m, Subscriber: s, Campaign: webhook.Campaign{ID: "3", Name: "News"}}
		if n%2 == 1 {
			m.Key, m.Lists = fmt.Sprint(a.name, "-", emitter), []string{"1"}
			e = webhook.Unsubscribe{Meta: m, Subscriber: s}
		}
		for {
			err := a.Emit(context.Background(), e)
			if err == nil {
				break
			}
			l.mu.Lock()
			l.failures[a.name]++
			l.errors[a.name] = err
			l.mu.Unlock()
			time.Sleep(100 * time.Millisecond)
		}
		l.mu.Lock()
		l.promised[id] = time.Now()
		l.mu.Unlock()
		select {
		case <-l.stop:
			return
		case <-time.After(50*time.Millisecond + rand.N(30*time.Millisecond)):
		}
	}
}

// goesOn waits until an event has arrived that was promised after a time, by each of
// some apps.
func (l *nodesLoad) goesOn(since time.Time, apps ...string) {
	l.t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		left := slices.DeleteFunc(slices.Clone(apps), func(name string) bool { return l.delivers(since, name) })
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.t.Fatalf("nothing that %s emitted was delivered for two minutes; the last errors are %v", left, l.errors)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// delivers reports whether an event of an app's has arrived that was promised after a
// time.
func (l *nodesLoad) delivers(since time.Time, app string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, at := range l.promised {
		if at.After(since) && l.arrived[id] > 0 && len(id) > len(app) && id[:len(app)+1] == app+"-" {
			return true
		}
	}
	return false
}

// names returns those of all apps but one; -1: of all.
func (l *nodesLoad) names(but int) (names []string) {
	for i, a := range l.apps {
		if i != but {
			names = append(names, a.name)
		}
	}
	return names
}

// fault does something to the database, and notes how long it was from its beginning
// until deliveries went on: until an event arrived that was promised after its end, by
// each of some apps.
func (l *nodesLoad) fault(kind string, apps []string, do func()) {
	l.t.Helper()
	began := time.Now()
	do()
	l.goesOn(time.Now(), apps...)
	took := time.Since(began)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults[kind] = append(l.faults[kind], took)
	l.t.Logf("%s: goes on after %.1f s; %d promised", kind, took.Seconds(), len(l.promised))
}

// end stops emitting, waits until all is delivered, and checks it.
func (l *nodesLoad) end() {
	l.t.Helper()
	close(l.stop)
	l.emitters.Wait()
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		n, err := l.apps[0].Count(l.t.Context(), webhook.DeliveryQuery{All: true, States: []webhook.State{webhook.StatePending}})
		if err == nil && n == 0 {
			break
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("%d deliveries are pending after three minutes; the error is %v", n, err)
		}
	}
	for _, a := range l.apps {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		if err := a.Shutdown(ctx); err != nil {
			l.t.Error(err)
		}
		cancel()
	}
	l.audit()
}

func (l *nodesLoad) audit() {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ds, err := l.apps[0].Deliveries(ctx, webhook.DeliveryQuery{All: true, Brief: true})
	if err != nil {
		l.t.Fatal(err)
	}
	state := map[string]webhook.State{}
	for _, d := range ds {
		state[d.EventID] = d.State
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	missing, undelivered, twice := 0, 0, 0
	for id := range l.promised {
		if l.arrived[id] == 0 {
			missing++
		}
		if state[id] != webhook.StateDelivered {
			undelivered++
		}
	}
	for _, n := range l.arrived {
		twice += n - 1
	}
	total := 0
	for kind, times := range l.faults {
		slices.Sort(times)
		total += len(times)
		l.t.Logf("%d × %s: deliveries go on after %.1f s (median), %.1f s (longest)",
			len(times), kind, times[len(times)/2].Seconds(), times[len(times)-1].Seconds())
	}
	l.t.Logf("%d faults, %d events promised, %d lost, %d came twice; %d outcomes were lost, and calls of Emit failed %v times",
		total, len(l.promised), missing, twice, l.lost, l.failures)
	if missing > 0 || undelivered > 0 {
		l.t.Errorf("of %d events promised %d did not arrive, and the log does not say of %d that they did", len(l.promised), missing, undelivered)
	}
	if len(l.overtaken) > 0 {
		l.t.Errorf("%d events arrived behind a later one of their key: %q", len(l.overtaken), l.overtaken)
	}
	if total == 0 || len(l.promised) < 10 {
		l.t.Error("the test has shown nothing")
	}
}
