//go:build unix

package crash

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/listhook/webhook"
)

// A scene is a store with webhooks of a receiver, and a dispatcher of the
// test's own that only emits.
type scene struct {
	t        *testing.T
	db       database
	store    *opened
	record   *record
	receiver *receiver
	emitter  *webhook.Dispatcher
	emitted  int
	webhooks []string
}

func newScene(t *testing.T, db database, webhooks ...string) *scene {
	t.Helper()
	s := &scene{t: t, db: db, store: db.openFor(t), record: newRecord(t), receiver: newReceiver(t), webhooks: webhooks}
	s.receiver.putWebhooks(t, s.store, webhooks...)
	var err error
	if s.emitter, err = webhook.New(s.store, nil, nil); err != nil {
		t.Fatal(err)
	}
	return s
}

// emit emits n events, which some process has to claim.
func (s *scene) emit(n int) {
	s.t.Helper()
	var ids []string
	var events []webhook.Event
	for range n {
		s.emitted++
		id := "e" + strconv.Itoa(s.emitted)
		s.record.note("test", sayTry, id)
		ids, events = append(ids, id), append(events, event(id))
	}
	if err := s.emitter.Emit(s.t.Context(), events...); err != nil {
		s.t.Fatal(err)
	}
	for _, id := range ids {
		s.record.note("test", sayAck, id)
	}
}

// worker starts a child that delivers.
func (s *scene) worker(name string, timeout time.Duration) *process {
	s.t.Helper()
	return start(s.t, s.record, childConfig{Name: name, Database: s.db, Deliver: true, Timeout: timeout, Concurrency: 8}).ready()
}

// last returns the newest delivery.
func (s *scene) last() webhook.Delivery {
	s.t.Helper()
	ds, err := s.store.Deliveries(s.t.Context(), webhook.DeliveryQuery{All: true, Limit: 1})
	if err != nil {
		s.t.Fatal(err)
	}
	if len(ds) != 1 {
		s.t.Fatal("there is no delivery")
	}
	return ds[0]
}

// audit checks all that the scene came to.
func (s *scene) audit(skewed bool) findings {
	s.t.Helper()
	return s.check(audit{skewed: skewed, unsure: skewed})
}

// check makes an audit of all that the scene came to.
func (s *scene) check(a audit) findings {
	s.t.Helper()
	drained(s.t, s.store)
	a.record, a.receiver, a.webhooks = s.record, s.receiver, s.webhooks
	f := a.check(s.t, s.store)
	s.t.Logf("%s; %d lost outcomes", f, s.record.lostOutcomes())
	return f
}

// load starts children that emit and deliver.
func (s *scene) load(db database, n int) []*process {
	s.t.Helper()
	var crew []*process
	for i := range n {
		crew = append(crew, start(s.t, s.record, childConfig{
			Name: fmt.Sprintf("c%d", i), Database: db, Deliver: true, Timeout: 2 * time.Second, Concurrency: slots,
			Emit: 80, Transactions: true,
		}).ready())
	}
	return crew
}

// goesOn waits until so many more events were promised: the children do so by
// themselves, or never.
func (s *scene) goesOn(n int) {
	s.t.Helper()
	before := s.record.promised()
	eventually(s.t, fmt.Sprintf("%d more events were to be promised", n), func() bool { return s.record.promised() >= before+n })
}

// ends lets the children finish, and checks that each event arrived, that the
// log is consistent, and that no more came twice than the store's absence
// accounts for.
func (s *scene) ends(crew []*process) {
	s.t.Helper()
	s.goesOn(50)
	for _, c := range crew {
		c.silence()
	}
	drained(s.t, s.store)
	for _, c := range crew {
		c.stop() // which tells what was lost
	}
	f := s.audit(false)
	if lost := s.record.lostOutcomes(); f.duplicates > lost {
		s.t.Errorf("%d duplicates, and %d lost outcomes: while no process dies, each duplicate is a lost outcome", f.duplicates, lost)
	}
}

// says checks what was returned and logged of a fault: somebody was told, and
// each error tells what the database says.
func (s *scene) says(what *regexp.Regexp) {
	s.t.Helper()
	failures, logs := s.record.complaints()
	logs = without(logs, "level=WARN") // of lost outcomes
	counts := map[string]int{}
	for _, text := range append(failures, logs...) {
		counts[regexp.MustCompile(`time=\S+ |^c\d+: |:\d{4,5}`).ReplaceAllString(text, "")]++
	}
	for text, n := range counts {
		s.t.Logf("%d times: %s", n, text)
		if !what.MatchString(text) {
			s.t.Error("which does not tell an operator what is wrong")
		}
	}
	if len(counts) == 0 {
		s.t.Error("no error was returned or logged: nobody was told")
	}
}

// without returns the texts that do not contain part.
func without(list []string, part string) (rest []string) {
	for _, text := range list {
		if !strings.Contains(text, part) {
			rest = append(rest, text)
		}
	}
	return rest
}

// tries notes that an event is about to be emitted by the test itself, acks
// that it was promised to be delivered.
func (s *scene) tries(id string) { s.record.note("app", sayTry, id) }
func (s *scene) acks(id string)  { s.record.note("app", sayAck, id) }

// newApp starts a dispatcher in the test's own process.
func (s *scene) newApp(store webhook.Store) *webhook.Dispatcher {
	s.t.Helper()
	d, err := webhook.New(store, webhook.NewClient(&webhook.ClientOptions{AllowHosts: []string{"127.0.0.1"}}), &webhook.Options{
		Timeout:      2 * time.Second,
		PollInterval: 200 * time.Millisecond,
		Backoff:      webhook.Schedule(retryDelays...),
		Logger:       slog.New(slog.NewTextHandler(recordWriter{s.record}, nil)),
		Hooks:        webhook.Hooks{Lost: func(d webhook.Delivery) { s.record.note("app", sayLost, d.ID) }},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := d.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := d.Shutdown(context.Background()); err != nil {
			s.t.Error(err)
		}
	})
	return d
}

// A recordWriter notes what is logged.
type recordWriter struct{ *record }

func (w recordWriter) Write(p []byte) (int, error) {
	w.note("app", sayLog, strings.TrimSpace(string(p)))
	return len(p), nil
}
