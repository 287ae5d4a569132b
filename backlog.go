package webhook

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// A Backlog counts the unfinished deliveries of all accounts. Those that wait for their
// webhook are counted apart: a customer who has paused a webhook, or whose receiver is
// down, does not mean that deliveries are late.
type Backlog struct {
	Pending int // deliveries not finished, but for those in Parked
	Due     int // of Pending: due, and claimed by no process
	Parked  int // deliveries of webhooks that are held, or disabled and keep them

	// Age is how long the oldest of Due has been due. It leaves out those that wait for
	// another delivery (see Order) or whose webhook has a RateLimit. 0: there is none.
	Age time.Duration
}

const (
	// backlogMost is where counting stops.
	backlogMost = 1_000_000

	// holdsMaxAge is the interval at which count reads all webhooks to find the
	// held ones. In between it asks which webhooks have changed.
	holdsMaxAge = 5 * time.Minute

	// holdRows are read in one call of the store, and holdPages times as many in
	// one call of Backlog, unless nothing is known yet.
	holdRows  = 500
	holdPages = 20

	// parkedCounts is how many held webhooks are counted at most in one call,
	// those first whose count is oldest.
	parkedCounts = 100

	// agePages is how many pages of due deliveries are looked through at most in
	// one call, to find the first whose webhook is not held.
	agePages = 50

	// lineLookups is how many lines are looked at in one call of Backlog, to tell
	// deliveries that wait for an earlier one. The others count as such.
	lineLookups = 100
)

// A backlogCounter counts pending deliveries. It remembers which webhooks are held,
// and how many deliveries each had when it last counted them.
type backlogCounter struct {
	store Store
	plain Store // decrypts nothing, for webhooks that are only looked through

	mu      sync.Mutex   // guards running, waiting and the callers of counts
	running bool         // a count is under way
	waiting *sharedCount // the next one; nil: nobody waits for it

	// Only the count that is under way uses what follows.
	byID map[string]*heldWebhook // those that are held or have a RateLimit; nil: they were not read yet
	read time.Time               // when all webhooks were read
	seen int64                   // the last put that is known

	// The reading of all webhooks that is under way goes on where the last call
	// ended, should it be too long for one.
	next  map[string]*heldWebhook // nil: none is
	after string
	began time.Time

	// All due deliveries up to front were of these webhooks when they were last
	// looked through.
	front Cursor
	age   time.Duration
}

type heldWebhook struct {
	account, id  string
	until        time.Time // it is held
	limited      bool      // it has a RateLimit
	counted      time.Time
	pending, due int
}

// A sharedCount is one count for all callers who asked for it before it began.
type sharedCount struct {
	ctx     context.Context // ends once no caller waits
	cancel  context.CancelFunc
	callers int           // that wait
	done    chan struct{} // closed when backlog and err are set
	backlog Backlog
	err     error
}

// count counts pending deliveries, once for all who call it while an earlier count is
// under way. So no caller gets a count that began before its call. It returns ctx's error
// when ctx ends, even if the store does not heed that.
func (h *backlogCounter) count(ctx context.Context) (Backlog, error) {
	if err := ctx.Err(); err != nil {
		return Backlog{}, err
	}
	c := h.join(ctx)
	defer h.leave(c)
	select {
	case <-c.done:
		return c.backlog, c.err
	case <-ctx.Done():
		return Backlog{}, ctx.Err()
	}
}

// join returns the next count, which begins now unless one is under way.
func (h *backlogCounter) join(ctx context.Context) *sharedCount {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting == nil {
		c := &sharedCount{done: make(chan struct{})}
		c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
		h.waiting = c
	}
	c := h.waiting
	c.callers++
	if !h.running {
		h.running = true
		go h.run() // it ends when nobody waits for a count
	}
	return c
}

// leave notes that a caller does not wait any more.
func (h *backlogCounter) leave(c *sharedCount) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.callers--; c.callers > 0 {
		return
	}
	c.cancel()
	if h.waiting == c {
		h.waiting = nil
	}
}

// run counts, one after another, until nobody waits.
func (h *backlogCounter) run() {
	for {
		h.mu.Lock()
		c := h.waiting
		h.waiting, h.running = nil, c != nil
		h.mu.Unlock()
		if c == nil {
			return
		}
		c.backlog, c.err = h.countOnce(c.ctx)
		close(c.done)
	}
}

// countOnce counts pending deliveries.
func (h *backlogCounter) countOnce(ctx context.Context) (b Backlog, err error) {
	at := now()
	if err := h.readHolds(ctx, at); err != nil {
		return Backlog{}, err
	}
	if err := h.countHeld(ctx, at); err != nil {
		return Backlog{}, err
	}
	due := 0
	for _, w := range h.byID {
		if w.until.After(at) {
			b.Parked += w.pending
			due += w.due
		}
	}
	if b.Pending, err = h.countBeside(ctx, DeliveryQuery{}, b.Parked); err != nil {
		return Backlog{}, err
	}
	if b.Due, err = h.countBeside(ctx, DeliveryQuery{DueBy: at}, due); err != nil || b.Due == 0 {
		return b, err
	}
	b.Age, err = h.ageOfDue(ctx, at)
	return b, err
}

// readHolds finds the webhooks that are held at a time.
func (h *backlogCounter) readHolds(ctx context.Context, at time.Time) error {
	if h.byID != nil {
		if err := h.readChangedHolds(ctx, at); err != nil {
			return err
		}
	}
	if h.next == nil && (h.byID == nil || at.Sub(h.read) >= holdsMaxAge) {
		if h.byID == nil {
			seen, err := lastPut(ctx, h.plain)
			if err != nil {
				return err
			}
			h.seen = seen
		}
		h.next, h.after, h.began = map[string]*heldWebhook{}, "", at
	}
	for pages := 0; h.next != nil && (h.byID == nil || pages < holdPages); pages++ {
		ws, err := h.plain.Webhooks(ctx, WebhookQuery{All: true, Limit: holdRows, After: h.after})
		if err != nil {
			return err
		}
		for i := range ws {
			h.note(h.next, &ws[i], at)
		}
		if len(ws) < holdRows {
			h.adopt()
			break
		}
		h.after = ws[len(ws)-1].ID
	}
	for id, w := range h.byID {
		if !w.until.After(at) && !w.limited {
			delete(h.byID, id)
			h.front = Cursor{}
		}
	}
	return nil
}

// readChangedHolds asks which webhooks have changed.
func (h *backlogCounter) readChangedHolds(ctx context.Context, at time.Time) error {
	ws, err := h.plain.Webhooks(ctx, WebhookQuery{All: true, Deleted: true, PutAfter: h.seen})
	if err != nil {
		return err
	}
	for i := range ws {
		h.seen = max(h.seen, ws[i].Put)
		h.note(h.byID, &ws[i], at)
		if h.next != nil {
			h.note(h.next, &ws[i], at)
		}
	}
	return nil
}

// note adds a webhook to byID, or removes it, by whether it is held or has a RateLimit.
func (h *backlogCounter) note(byID map[string]*heldWebhook, w *Webhook, at time.Time) {
	limited := w.RateLimit > 0
	switch known := h.byID[w.ID]; {
	case w.Deleted || !w.HeldUntil.After(at) && !limited:
		if byID[w.ID] != nil { // its deliveries may be the oldest that are due
			delete(byID, w.ID)
			h.front = Cursor{}
		}
	case known != nil:
		known.until, known.limited = w.HeldUntil, limited
		byID[w.ID] = known
	default:
		byID[w.ID] = &heldWebhook{account: w.Account, id: w.ID, until: w.HeldUntil, limited: limited}
	}
}

// adopt takes over the webhooks that were read, once all were.
func (h *backlogCounter) adopt() {
	h.byID, h.next, h.read, h.front = h.next, nil, h.began, Cursor{}
}

// countHeld counts what held webhooks have, those first whose count is oldest.
func (h *backlogCounter) countHeld(ctx context.Context, at time.Time) error {
	ws := make([]*heldWebhook, 0, len(h.byID))
	for _, w := range h.byID {
		if w.until.After(at) {
			ws = append(ws, w)
		}
	}
	slices.SortFunc(ws, func(a, b *heldWebhook) int {
		return cmp.Or(a.counted.Compare(b.counted), cmp.Compare(a.id, b.id))
	})
	for _, w := range ws[:min(len(ws), parkedCounts)] {
		q := DeliveryQuery{Account: w.account, Webhook: w.id, States: []State{StatePending}, Limit: backlogMost}
		pending, err := h.store.Count(ctx, q)
		if err != nil {
			return err
		}
		q.DueBy = at
		due := 0
		if pending > 0 {
			if due, err = h.store.Count(ctx, q); err != nil {
				return err
			}
		}
		w.pending, w.due, w.counted = pending, due, time.Now()
	}
	return nil
}

// countBeside counts what q selects of all that is pending, beside so many.
func (h *backlogCounter) countBeside(ctx context.Context, q DeliveryQuery, others int) (int, error) {
	q.All, q.States, q.Limit = true, []State{StatePending}, backlogMost+others
	n, err := h.store.Count(ctx, q)
	return max(n-others, 0), err
}

// ageOfDue returns how long the oldest delivery has been due whose webhook is neither
// held nor has a RateLimit, and that waits for no earlier one of its line. If too many
// others come before that delivery, ageOfDue returns the last known age.
func (h *backlogCounter) ageOfDue(ctx context.Context, at time.Time) (time.Duration, error) {
	q := DeliveryQuery{
		All: true, States: []State{StatePending}, DueBy: at, Oldest: true, Brief: true, Limit: 1000, After: h.front,
	}
	whole := h.front == (Cursor{})
	blocked := blockedLines{lines: lines{store: h.store}, known: map[[2]string]bool{}}
	for range agePages {
		ds, err := h.store.Deliveries(ctx, q)
		if err != nil {
			return 0, err
		}
		age := time.Duration(-1)
		for i := range ds {
			due := max(at.Sub(ds[i].withoutUrgency().Due), 0)
			if h.byID[ds[i].WebhookID] != nil || due <= age {
				continue
			}
			waits, err := blocked.waits(ctx, &ds[i])
			if err != nil {
				return 0, err
			}
			if !waits {
				age = due
			}
		}
		if age >= 0 {
			h.age = age
			return age, nil
		}
		if len(ds) < q.Limit {
			if whole {
				h.age = 0 // the counts are older than that
			}
			h.front = Cursor{} // the delivery that is due was created earlier
			break
		}
		last := ds[len(ds)-1]
		q.After = last.Cursor()
		if !blocked.any { // which may go on any time
			h.front = q.After
		}
	}
	return h.age, nil
}

// blockedLines tells which deliveries wait for an earlier one, in one call of Backlog.
type blockedLines struct {
	lines lines
	known map[[2]string]bool // by webhook and key: those with a delivery that waits
	any   bool               // a delivery waits
}

// waits reports whether d waits for an earlier delivery, which counts instead if it is
// due itself.
func (b *blockedLines) waits(ctx context.Context, d *Delivery) (bool, error) {
	line := [2]string{d.WebhookID, d.Key}
	switch {
	case !d.InLine():
		return false, nil
	case !b.known[line] && len(b.known) < lineLookups:
		first, err := b.lines.first(ctx, d)
		if err != nil || first == nil {
			return false, err
		}
		b.known[line] = true
	}
	b.any = true
	return true, nil
}
