package webhook

import (
	"context"
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/listhook/webhook/internal/diagnose"
	"github.com/listhook/webhook/internal/tally"
)

// A tallyRecorder counts outcomes by webhook and adds them to the stored tallies, once
// a minute for each webhook that has some. Webhooks are spread over the minute.
//
// Processes add to the same tallies by comparing and setting the webhook's version. A
// call that returned an error may have been carried out, so each write has a number,
// which the stored tallies remember.
type tallyRecorder struct {
	store      Store
	opts       *Options
	notify     *notifier
	editor     *editor
	background context.Context // of calls of the store
	stop       <-chan struct{}

	counted chan struct{}         // holds one while something may have been counted since run looked
	parts   [tallyParts]tallyPart // by hash of the webhook
}

const (
	tallyInterval = time.Minute
	tallyParts    = 12 // one is stored after the other

	tallyRows  = 100 // webhooks that are read in one call
	tallyTries = 10  // at a webhook that others keep changing
)

// A tallyPart is the counts of some of the webhooks.
type tallyPart struct {
	writing sync.Mutex // held while they are being stored
	mu      sync.Mutex // guards byID and the fields of a pendingTally
	byID    map[string]*pendingTally
}

// A pendingTally is what was counted of a webhook and is not known to be stored.
type pendingTally struct {
	recent  tally.Recent
	success time.Time    // the last one
	write   uint32       // the number of a write that may have been carried out, or is being made; 0: there is none
	written tally.Recent // its counts
}

// count counts the outcome of a delivery once it is stored.
func (r *tallyRecorder) count(f *inflight) {
	a := f.change.Log
	if a == nil || f.change.Attempts == f.Attempts { // it was given back or canceled, or the sender failed
		return
	}
	p := r.part(f.WebhookID)
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.byID[f.WebhookID]
	if w == nil {
		select {
		case r.counted <- struct{}{}: // run sees the count once mu is unlocked
		default:
		}
		if p.byID == nil {
			p.byID = map[string]*pendingTally{}
		}
		w = &pendingTally{}
		p.byID[f.WebhookID] = w
	}
	c := w.recent.At(a.Start.Add(a.Duration))
	if a.Code != string(diagnose.CodeGivenUp) { // no request was made then
		c.Attempts++
	}
	if a.Status != 0 || strings.HasSuffix(a.Code, "_timeout") {
		c.Took(a.Duration)
	}
	switch f.change.State {
	case StateDelivered:
		c.Delivered++
		w.success = latest(w.success, storeTime(a.Start.Add(a.Duration)))
	case StateFailed:
		c.Failed++
	}
}

func (r *tallyRecorder) part(webhook string) *tallyPart {
	h := fnv.New32a()
	_, _ = h.Write([]byte(webhook)) // it never fails
	return &r.parts[h.Sum32()%tallyParts]
}

// run stores the parts in turns until stop is closed. While nothing is counted it sleeps:
// many idle Dispatchers may share a process.
func (r *tallyRecorder) run() {
	ticker := time.NewTicker(tallyInterval / tallyParts)
	defer ticker.Stop()
	first := rand.IntN(tallyParts)
	for {
		ticker.Stop()
		select {
		case <-r.stop:
			return
		case <-r.counted:
		}
		ticker.Reset(tallyInterval / tallyParts)
		for r.hasCounts() {
			for i := range r.parts {
				select {
				case <-r.stop:
					return
				case <-ticker.C:
					r.storePart(&r.parts[(first+i)%tallyParts])
				}
			}
		}
	}
}

// hasCounts reports whether something is not known to be stored.
func (r *tallyRecorder) hasCounts() bool {
	for i := range r.parts {
		p := &r.parts[i]
		p.mu.Lock()
		n := len(p.byID)
		p.mu.Unlock()
		if n > 0 {
			return true
		}
	}
	return false
}

// finish stores all that was counted.
func (r *tallyRecorder) finish(ctx context.Context) error {
	done := make(chan struct{})
	go func() { // it ends once all is stored, or background has ended
		defer close(done)
		for i := range r.parts {
			r.storePart(&r.parts[i])
			r.storePart(&r.parts[i]) // what was counted beside a write that had failed
		}
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// storePart stores what was counted of the webhooks of a part. What it could not store
// is left for the next call.
func (r *tallyRecorder) storePart(p *tallyPart) {
	p.writing.Lock()
	defer p.writing.Unlock()
	p.mu.Lock()
	ids := make([]string, 0, len(p.byID))
	for id := range p.byID {
		ids = append(ids, id)
	}
	p.mu.Unlock()
	for len(ids) > 0 && r.background.Err() == nil {
		some := ids[:min(len(ids), tallyRows)]
		ids = ids[len(some):]
		ws, err := r.read(some...)
		if err != nil {
			r.notify.logError("reading tallies", err)
			return
		}
		for _, w := range ws {
			if err := r.storeTally(p, w); err != nil {
				r.notify.logError("storing tallies", err)
			}
		}
		p.forget(some, ws)
	}
}

func (r *tallyRecorder) read(ids ...string) ([]Webhook, error) {
	ctx, cancel := r.opts.withStoreTimeout(r.background)
	defer cancel()
	return r.store.Webhooks(ctx, WebhookQuery{All: true, IDs: ids, Tallies: true})
}

// storeTally adds what was counted of a webhook to its tallies.
func (r *tallyRecorder) storeTally(p *tallyPart, w Webhook) error {
	id, counts, success := p.begin(w.ID)
	doc := &tally.Document{}
	for tries := 1; ; tries++ {
		if doc.Read(w.Tallies) != nil || doc.Wrote(id) { // a later version's are left as they are
			break
		}
		for _, hour := range counts {
			doc.Add(hour, now())
		}
		doc.Remember(id)
		w.Tallies = doc.Bytes()
		w.Health.noteSuccess(success)
		err := r.put(w)
		if err == nil {
			break
		}
		if !errors.Is(err, ErrConflict) || tries == tallyTries {
			return err
		}
		ws, err := r.read(w.ID)
		if err != nil {
			return err
		}
		if len(ws) == 0 {
			break
		}
		w = ws[0]
	}
	p.end(w.ID)
	return nil
}

func (r *tallyRecorder) put(w Webhook) error {
	ctx, cancel := r.opts.withStoreTimeout(r.background)
	defer cancel()
	return r.editor.put(ctx, &w)
}

// begin returns the number and the counts of a webhook's next write: those of the last
// one, unless that is known to have been carried out. success is the last one.
func (p *tallyPart) begin(webhook string) (id uint32, counts tally.Recent, success time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.byID[webhook]
	if w.write == 0 {
		w.write, w.written, w.recent = max(rand.Uint32(), 1), w.recent, nil
	}
	return w.write, w.written, w.success
}

// end notes that a webhook's write was carried out.
func (p *tallyPart) end(webhook string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.byID[webhook]
	w.write, w.written = 0, nil
	if len(w.recent) == 0 {
		delete(p.byID, webhook)
	}
}

// forget drops the counts of webhooks that are not stored any more.
func (p *tallyPart) forget(asked []string, found []Webhook) {
	if len(found) == len(asked) {
		return
	}
	stored := make(map[string]bool, len(found))
	for _, w := range found {
		stored[w.ID] = true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range asked {
		if !stored[id] {
			delete(p.byID, id)
		}
	}
}
