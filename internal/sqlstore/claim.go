package sqlstore

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"time"

	"github.com/listhook/webhook"
)

// A pending delivery is in one of three queues. The waiting queue holds
// deliveries that are not due, in order of due time. The ready queue holds
// deliveries that a claim found due, in order of webhook and due time. The leases
// hold leased deliveries by the batch, in order of expiry. A claim
//
//  1. makes ready what has come due. It reads the heads of the waiting queue and
//     of the leases, so it reads no delivery that is not due;
//  2. reads the webhooks with ready deliveries, with one index seek each, from the
//     one after the last turn, and picks those that have room and are not held;
//  3. takes the first deliveries of each, with one index range each.
//
// So the cost of a claim grows with what it takes, and by a few microseconds for
// each full or held webhook that it skips. It does not grow with the backlog or
// with the log.

const (
	// maxPromote is how many deliveries one claim makes ready at most. When a
	// million come due together after an outage, claims still return soon.
	maxPromote = 10_000

	// A claim reads webhooks in pages. The first has pageMin, and each page is
	// four times as long as the one before, up to pageMax.
	pageMin, pageMax = 64, 4096
)

// Claim leases deliveries that are due, as webhook.Claim describes.
func (s *Store) Claim(ctx context.Context, c webhook.Claim) (ds []webhook.Delivery, err error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	s.clock.observe(c.Now)
	since, full := s.due.start()
	w := &claimRun{
		s: s, c: c, full: full, taken: map[string]int{},
		args: args{"now": milli(c.Now), "until": milli(c.Until), "since": since},
	}
	if err := w.look(ctx); err != nil || c.Limit <= 0 {
		return nil, err
	}
	if err := s.confirmUncertain(ctx); err != nil {
		return nil, err
	}
	w.empty = s.leases.takeEmpty(milli(c.Now))
	if err := w.claim(ctx); err != nil && len(w.claimed) == 0 {
		return nil, err // with some claimed, these count
	}
	return w.claimed, nil
}

// A claimRun is one claim that is being made.
type claimRun struct {
	s    *Store
	c    webhook.Claim
	args args
	full bool // the scan for what has come due is a full one

	found  queuesState
	looked time.Duration // how long look took
	empty  []*lease      // without outstanding deliveries, to be deleted

	leasing bool               // steps may lease: nothing is ready before what they find
	claimed []webhook.Delivery // by what is committed
	taken   map[string]int     // how many of them, by webhook

	// What a transaction claims in turns.
	ds        []webhook.Delivery
	leases    []*lease       // of ds
	positions []position     // where scans for ready webhooks begin; nil: full scans
	ready     []readyWebhook // found by these scans
	scanTime  time.Duration  // for them
}

// A queuesState is what a claim finds in the queues before it changes anything.
type queuesState struct{ noneReady, noneDue, noneExpired, noEvents bool }

// idle reports whether the queues have nothing to claim.
func (f queuesState) idle() bool { return f.noneReady && f.noneDue && f.noneExpired }

// look looks into the queues.
func (w *claimRun) look(ctx context.Context) error {
	if w.s.usesPositions() {
		return nil // the query scans from the beginning, which is slow now
	}
	start := time.Now()
	from, full := w.s.eventsFrom()
	w.args["events"] = from
	err := w.s.read(ctx, func(q Querier) error {
		f := &w.found
		return w.s.query(ctx, q, w.s.sql.idle, w.args, func(scan Scan) error {
			return scan(&f.noneReady, &f.noneDue, &f.noneExpired, &f.noEvents)
		})
	})
	w.looked = time.Since(start)
	w.s.events.rest(full, w.looked)
	if err == nil && w.found.idle() {
		w.s.due.advance(milli(w.c.Now), w.full, w.looked)
	}
	return err
}

// claim claims what sequencing steps find and what is in the queues.
func (w *claimRun) claim(ctx context.Context) error {
	if !w.found.noEvents {
		w.leasing = w.found.idle() && w.s.sql.leaseFirst != nil
		entered, err := w.s.sequence(ctx, milli(w.c.Now), w)
		if err != nil {
			w.s.uncertain.Store(true)
			return err
		}
		w.found.noneReady = w.found.noneReady && !entered
	}
	switch {
	case !w.found.idle() && w.left() > 0:
		return w.takeTurns(ctx)
	case len(w.empty) > 0:
		return w.s.write(ctx, false, func(q Querier) error { return w.deleteEmpty(ctx, q) })
	}
	return nil
}

// left returns how many more deliveries may be claimed.
func (w *claimRun) left() int { return w.c.Limit - len(w.claimed) }

// keep adds deliveries that were claimed, and that is committed.
func (w *claimRun) keep(ds []webhook.Delivery, leases []*lease) {
	w.s.leases.add(leases)
	w.claimed = append(w.claimed, ds...)
	for i := range ds {
		w.taken[ds[i].WebhookID]++
	}
}

// deleteEmpty deletes the leases without outstanding deliveries.
func (w *claimRun) deleteEmpty(ctx context.Context, q Querier) error {
	return w.s.deleteLeases(ctx, q, w.empty)
}

// takeTurns makes ready what has come due, and claims what is ready.
func (w *claimRun) takeTurns(ctx context.Context) error {
	s, start, positions, partial := w.s, time.Now(), w.s.positions(), false
	err := s.retryChecked(ctx, func() error {
		return s.db.InTx(ctx, s.sql.pick.text != "", func(q Querier) error {
			if err := w.deleteEmpty(ctx, q); err != nil {
				return err
			}
			n, all, err := w.promote(ctx, q)
			if err != nil {
				return err
			}
			if n > 0 {
				positions = nil // what was made ready may be behind a position
			}
			w.ds, w.leases, w.positions, w.ready, w.scanTime = nil, nil, positions, nil, 0
			if all {
				s.due.advance(milli(w.c.Now), w.full, w.looked+time.Since(start))
			}
			// The new leases expire at c.Until, which may have passed already.
			s.due.include(milli(w.c.Until))
			err = w.run(ctx, q)
			if partial = err != nil && s.d.takeCommits && len(w.ds) > 0; partial {
				return nil // committed statements have leased w.ds, so the caller gets them
			}
			return err
		})
	})
	if err != nil || partial {
		// It is unknown which of the statements were committed.
		s.due.reset()
		s.ready.reset()
		s.uncertain.Store(true)
	}
	if err != nil {
		return err
	}
	w.empty = nil
	w.keep(w.ds, w.leases)
	if !partial {
		s.ready.advance(w.ready, w.positions == nil, w.scanTime)
	}
	return nil
}

// usesPositions reports whether scans for ready webhooks begin at positions.
func (s *Store) usesPositions() bool { return s.positions() != nil }

// positions returns where scans for ready webhooks begin, or nil for full scans.
func (s *Store) positions() []position {
	if s.sql.seekFrom.text == "" {
		return nil
	}
	return s.ready.positions()
}

// readyWebhook is a webhook with ready deliveries.
type readyWebhook struct {
	Webhook string `json:"w"`
	Due     int64  `json:"d"` // of the first ready delivery, or before
	Room    int    `json:"n"` // how many may be taken
	held    bool
}

// promote makes ready the waiting deliveries that have come due, and those of expired
// leases, unless none was found. It returns how many they are, and whether none is left.
// On SQLite its first statement is run anyway, since it writes; see sqliteFile.InTx.
func (w *claimRun) promote(ctx context.Context, q Querier) (n int64, all bool, err error) {
	w.args["n"] = max(maxPromote, w.c.Limit)
	if !w.found.noneDue || w.s.d.oneWriter {
		n, err = w.s.exec(ctx, q, w.s.sql.promote, w.args)
	}
	if err != nil || w.found.noneExpired {
		return n, n < maxPromote, err
	}
	expired, ready, err := w.expire(ctx, q)
	return n + ready, n < maxPromote && expired < maxExpire, err
}

// run gives the webhooks their turns.
func (w *claimRun) run(ctx context.Context, q Querier) error {
	after := w.c.After
	if err := w.turns(ctx, q, after, func(id string) bool { return after == "" || id > after }); err != nil {
		return err
	}
	if after == "" {
		return nil
	}
	return w.turns(ctx, q, "", func(id string) bool { return id <= after })
}

// turns gives a turn to each webhook from one on, in order, for which belongs
// returns true.
func (w *claimRun) turns(ctx context.Context, q Querier, from string, belongs func(id string) bool) error {
	last := ""
	for page := pageMin; ; page = min(4*page, pageMax) {
		webhooks, err := w.nextWebhooks(ctx, q, from, page)
		if err != nil {
			return err
		}
		var open []readyWebhook
		for _, l := range webhooks {
			if room := w.room(l.Webhook); !l.held && room > 0 && l.Webhook != last && belongs(l.Webhook) {
				open = append(open, readyWebhook{Webhook: l.Webhook, Due: l.Due, Room: room})
			}
		}
		if err := w.take(ctx, q, open); err != nil {
			return err
		}
		if len(webhooks) < page || len(w.ds) >= w.left() {
			return nil
		}
		// The next page begins with the last webhook of this one.
		last = webhooks[len(webhooks)-1].Webhook
		if from = last; !belongs(last) && last > w.c.After {
			return nil
		}
	}
}

// nextWebhooks returns the next n webhooks from one on that have ready deliveries.
func (w *claimRun) nextWebhooks(ctx context.Context, q Querier, from string, n int) (webhooks []readyWebhook, err error) {
	w.args["from"], w.args["n"] = from, n
	look := w.s.sql.readyWebhooks
	if w.positions != nil {
		data, err := json.Marshal(w.positions)
		if err != nil {
			return nil, err
		}
		look, w.args["past"] = w.s.sql.seekFrom, string(data)
	}
	start := time.Now()
	err = w.s.query(ctx, q, look, w.args, func(scan Scan) error {
		var l readyWebhook
		if err := scan(&l.Webhook, &l.Due, &l.held); err != nil {
			return err
		}
		webhooks = append(webhooks, l)
		return nil
	})
	w.scanTime += time.Since(start)
	if w.positions != nil && unknownWebhook(w.positions, webhooks) { // it may have deliveries behind the positions
		w.positions = nil
		return w.nextWebhooks(ctx, q, from, n)
	}
	w.ready = append(w.ready, webhooks...)
	return webhooks, err
}

// room returns how many deliveries of a webhook may be taken.
func (w *claimRun) room(webhook string) int {
	room, ok := w.c.Room[webhook]
	if !ok {
		room = w.c.Each
	}
	return room - w.taken[webhook]
}

// take claims deliveries of the webhooks, in order, up to the limit.
func (w *claimRun) take(ctx context.Context, q Querier, webhooks []readyWebhook) error {
	limit := w.left() - len(w.ds)
	if len(webhooks) == 0 || limit <= 0 {
		return nil
	}
	var rows any = webhooks
	if w.s.sql.pick.text != "" {
		keys, err := w.pick(ctx, q, webhooks, limit)
		if err != nil || len(keys) == 0 {
			return err
		}
		rows = keys
	}
	data, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	token, before := rand.Int64(), len(w.ds)
	w.args["rows"], w.args["limit"], w.args["token"] = string(data), limit, token
	_, err = w.s.run(ctx, q, w.s.sql.take, w.args, 0, func(scan Scan) error {
		d, err := scanDelivery(scan, true, false)
		w.ds = append(w.ds, d)
		return err
	})
	if err != nil {
		w.ds = w.ds[:before] // it is unknown whether these are leased
		return err
	}
	if len(w.ds) == before {
		return nil
	}
	took := []*lease{claimLease(w.ds[before:], milli(w.c.Until), token)}
	w.leases = append(w.leases, took...)
	return w.s.insertLeases(ctx, q, took)
}

// pick returns the keys of the rows to take, one webhook at a time.
func (w *claimRun) pick(ctx context.Context, q Querier, webhooks []readyWebhook, limit int) (keys []int64, err error) {
	for _, l := range webhooks {
		if len(keys) == limit {
			break
		}
		w.args["webhook"], w.args["first"], w.args["n"] = l.Webhook, l.Due, min(l.Room, limit-len(keys))
		err := w.s.query(ctx, q, w.s.sql.pick, w.args, func(scan Scan) error {
			var key int64
			err := scan(&key)
			keys = append(keys, key)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return keys, nil
}
