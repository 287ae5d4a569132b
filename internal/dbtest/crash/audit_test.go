//go:build unix

package crash

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/listhook/webhook"
)

// An audit compares, once nothing is pending any more, what the children were
// promised, what the receiver recorded, and what the store's log says:
//
//  1. Every event that was promised arrived at each webhook. One that was not
//     promised, because its process died or failed first, has all of its
//     deliveries or none. One whose transaction was rolled back has none, and
//     never arrived.
//  2. Attempts is the number of entries in the log. A delivery that was
//     delivered has one entry with a success, the last one; one that failed
//     has none, and as many entries as its schedule allows.
//  3. The log tells the truth: the entry of an attempt says what the receiver
//     answered to it, and every attempt of which it has an answer arrived.
//  4. The lease was raised by every claim and every outcome: at least twice as
//     often as there are entries.
//  5. The log is in order: no entry begins before the one above it has ended.
//  6. No two processes sent a delivery at the same time. A sender that is dead or has given
//     up waiting sends no more, even if the receiver still works.
//  7. Deliveries of one key came in their order: all requests with one had ended
//     before the first request with the next one began, but for those whose sender was
//     dead or had given up waiting. Their order is that in which each emitter emitted, and the receiver saw
//     each one's place in it.
//
// Requests beyond the log's entries are duplicates: they came, and their
// outcomes were never stored. An attempt that gave up waiting may have arrived
// all the same; its entry says so.
type audit struct {
	record   *record
	receiver *receiver
	webhooks []string // by name
	wild     []string // those of them whose receivers are others: what came is not known
	skewed   bool     // clocks differ: 5 and 6 are not promised
	unsure   bool     // clocks differ by more than a lease: 7 is not promised either
}

// findings are what an audit counts.
type findings struct {
	events     int // that were promised
	deliveries int
	requests   int
	duplicates int
	followers  int // deliveries that came after another one of their key
}

func (f findings) String() string {
	return fmt.Sprintf("%d events promised, %d deliveries, %d requests, of which %d duplicates (%.3f%%)",
		f.events, f.deliveries, f.requests, f.duplicates, 100*float64(f.duplicates)/float64(max(f.requests, 1)))
}

// complaintsShown bounds how much of what is wrong a test prints.
const complaintsShown = 20

// check makes the audit.
func (a *audit) check(t *testing.T, s webhook.Store) findings {
	t.Helper()
	wrong := 0
	complain := func(format string, args ...any) {
		t.Helper()
		if wrong++; wrong <= complaintsShown {
			t.Errorf(format, args...)
		}
	}
	log := readLog(t, s)
	a.checkEvents(complain, log)
	f := findings{events: a.record.promised(), deliveries: len(log)}
	for _, d := range log {
		if slices.Contains(a.wild, d.WebhookID) {
			a.checkWild(complain, d)
			continue
		}
		a.checkDelivery(complain, d)
		got := a.receiver.of(d.ID)
		f.requests += len(got)
		f.duplicates += max(0, len(got)-len(d.Log))
	}
	if !a.unsure {
		f.followers = a.checkLines(complain, log)
	}
	arrived, _ := a.receiver.all()
	for _, id := range arrived {
		if _, ok := log[id]; !ok {
			complain("%s arrived, and the log does not know it: %+v", id, a.receiver.of(id))
		}
	}
	for _, body := range a.receiver.refused() {
		complain("the receiver got what nobody sent: %.200q", body)
	}
	if wrong > complaintsShown {
		t.Errorf("and %d more", wrong-complaintsShown)
	}
	return f
}

// checkEvents checks rule 1, for the deliveries that there should be.
func (a *audit) checkEvents(complain func(string, ...any), log map[string]webhook.Delivery) {
	deliveries := map[string]int{} // by event
	for _, d := range log {
		deliveries[d.EventID]++
	}
	a.record.mu.Lock()
	defer a.record.mu.Unlock()
	for id := range a.record.acked {
		if deliveries[id] == 0 {
			complain("LOST: %s was promised, and is not in the store", id)
		}
	}
	for id, n := range deliveries {
		switch {
		case a.record.voided[id]:
			complain("%s was rolled back, and is in the store", id)
		case !a.record.tried[id]:
			complain("%s was never emitted, and is in the store", id)
		case n != len(a.webhooks):
			complain("%s has %d deliveries for %d webhooks: an event has all or none", id, n, len(a.webhooks))
		}
	}
}

// checkDelivery checks one delivery of which nothing is pending.
func (a *audit) checkDelivery(complain func(string, ...any), d webhook.Delivery) {
	got := a.receiver.of(d.ID)
	bad := func(format string, args ...any) {
		complain("%s to %s is %s after %d attempts, lease %d, log %+v, requests %+v: %s",
			d.ID, d.WebhookID, d.State, d.Attempts, d.Lease, d.Log, got, fmt.Sprintf(format, args...))
	}
	if !slices.ContainsFunc(got, func(r request) bool { return !r.end.IsZero() }) {
		bad("LOST: it never arrived")
	}
	if d.Attempts != len(d.Log) {
		bad("attempts are not the entries of the log")
	}
	if d.Lease < 2*int64(len(d.Log)) {
		bad("the lease was raised less often than there were claims and outcomes")
	}
	a.checkOutcome(bad, d)
	a.checkEntries(bad, d, got)
	if !a.skewed {
		a.checkOverlap(bad, d, got)
	}
	for _, r := range got {
		if r.event != d.EventID || r.webhook != d.WebhookID {
			bad("it brought %s to %s", r.event, r.webhook)
		}
	}
}

// checkWild checks what can be said of a delivery whose end nobody waited for,
// to a receiver that misbehaves.
func (a *audit) checkWild(complain func(string, ...any), d webhook.Delivery) {
	if i := slices.IndexFunc(d.Log, success); d.Attempts != len(d.Log) || d.Lease < 2*int64(len(d.Log)) ||
		(d.State == webhook.StateDelivered) != (i >= 0) || i >= 0 && i != len(d.Log)-1 {
		complain("%s to %s is %s after %d attempts, lease %d, log %+v", d.ID, d.WebhookID, d.State, d.Attempts, d.Lease, d.Log)
	}
}

// checkOutcome checks rule 2: that the state follows from the log.
func (a *audit) checkOutcome(bad func(string, ...any), d webhook.Delivery) {
	successes := 0
	for _, e := range d.Log {
		if success(e) {
			successes++
		}
	}
	most := 1 + len(retryDelays)
	if d.WebhookID == once {
		most = 1
	}
	switch {
	case len(d.Log) == 0:
		bad("it has no log")
	case d.State == webhook.StateDelivered && (successes != 1 || !success(d.Log[len(d.Log)-1])):
		bad("a success is the last entry, and the only one")
	case d.State == webhook.StateFailed && (successes != 0 || len(d.Log) != most):
		bad("it failed without %d failures", most)
	case d.State != webhook.StateDelivered && d.State != webhook.StateFailed:
		bad("nobody asked for that state")
	}
}

// checkEntries checks rules 3 and 5.
func (a *audit) checkEntries(bad func(string, ...any), d webhook.Delivery, got []request) {
	for i, e := range d.Log {
		if e.Status != 0 && !slices.ContainsFunc(got, func(r request) bool {
			return r.batch == e.Batch && (r.batch != "" || r.attempt == i+1) && r.status == e.Status && !r.end.IsZero()
		}) {
			bad("entry %d holds an answer that was not given", i+1)
		}
		if e.Status == 0 && e.Reason == "" {
			bad("entry %d neither has an answer nor says why", i+1)
		}
		if i > 0 && !a.skewed && e.Start.Before(d.Log[i-1].Start.Add(d.Log[i-1].Duration).Truncate(time.Millisecond)) {
			bad("entry %d began before the one above it had ended", i+1)
		}
	}
}

// checkOverlap checks rule 6.
func (a *audit) checkOverlap(bad func(string, ...any), d webhook.Delivery, got []request) {
	for i, r := range got {
		for _, later := range got[i+1:] {
			if r.by != later.by && later.start.Before(a.record.end(r)) && !gaveUp(d, r) {
				bad("%s sent it while %s did", later.by, r.by)
			}
		}
	}
}

// gaveUp reports whether the sender of a request waited for its answer in vain, by the log.
// The attempts of a batch have one ID: any of them may have been that request.
func gaveUp(d webhook.Delivery, r request) bool {
	for i, e := range d.Log {
		if e.Status == 0 && e.Batch == r.batch && (r.batch != "" || r.attempt == i+1) {
			return true
		}
	}
	return false
}

func success(e webhook.Attempt) bool { return e.Status >= 200 && e.Status < 300 }

// readLog returns all deliveries, by ID.
func readLog(t *testing.T, s webhook.Store) map[string]webhook.Delivery {
	t.Helper()
	log := map[string]webhook.Delivery{}
	q := webhook.DeliveryQuery{All: true, Oldest: true, Limit: 500}
	for {
		ds, err := s.Deliveries(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range ds {
			if log[d.ID].ID != "" {
				t.Errorf("%s is in the log twice", d.ID)
			}
			log[d.ID] = d
		}
		if len(ds) < q.Limit {
			return log
		}
		last := ds[len(ds)-1]
		q.After = webhook.Cursor{Created: last.Created, ID: last.ID}
	}
}

// drained waits until nothing is pending for the webhooks; without any, for
// none. However much there is, it must become less.
func drained(t *testing.T, s webhook.Store, webhooks ...string) {
	t.Helper()
	if len(webhooks) == 0 {
		webhooks = []string{""}
	}
	for _, name := range webhooks {
		pending := webhook.DeliveryQuery{All: true, Webhook: name, States: []webhook.State{webhook.StatePending}}
		for before := math.MaxInt; before > 0; {
			eventually(t, fmt.Sprintf("of %d pending deliveries one was to end", before), func() bool {
				n, err := s.Count(t.Context(), pending)
				less := err == nil && n < before
				if less {
					before = n
				}
				return less
			})
		}
	}
}
