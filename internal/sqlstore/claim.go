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
	w := claimRun{s: s, c: c, args: args{"now": milli(c.Now), "until": milli(c.Until), "since": since}}
	positions := s.positions()
	start, noneReady, noneDue, noneExpired, noEvents := time.Now(), false, false, false, false
	if positions == nil { // the idle query scans from the beginning, which is slow now
		from, fullEvents := s.eventsFrom()
		w.args["events"] = from
		err = s.read(ctx, func(q Querier) error {
			return s.query(ctx, q, s.sql.idle, w.args, func(scan Scan) error { return scan(&noneReady, &noneDue, &noneExpired, &noEvents) })
		})
		s.events.rest(fullEvents, time.Since(start))
	}
	if err != nil || c.Limit <= 0 {
		return nil, err
	}
	if err := s.confirmUncertain(ctx); err != nil {
		return nil, err
	}
	if !noEvents {
		before := time.Now()
		entered, err := s.sequence(ctx, milli(c.Now))
		if err != nil {
			return nil, err
		}
		start = start.Add(time.Since(before)) // no scan for what has come due
		noneReady, positions = noneReady && !entered, s.positions()
	}
	empty := s.leases.takeEmpty(milli(c.Now))
	if noneReady && noneDue && noneExpired {
		s.due.advance(milli(c.Now), full, time.Since(start))
		if len(empty) == 0 {
			return nil, nil
		}
		return nil, s.write(ctx, false, func(q Querier) error { return s.deleteLeases(ctx, q, empty) })
	}
	partial := false
	err = s.retryChecked(ctx, func() error {
		return s.db.InTx(ctx, s.sql.pick.text != "", func(q Querier) error {
			if err := s.deleteLeases(ctx, q, empty); err != nil {
				return err
			}
			n, all, err := w.promote(ctx, q, noneDue, noneExpired)
			if err != nil {
				return err
			}
			if n > 0 {
				positions = nil // what was made ready may be behind a position
			}
			w.ds, w.found, w.scanTime, w.leases, w.positions = nil, nil, 0, nil, positions
			if all {
				s.due.advance(milli(c.Now), full, time.Since(start))
			}
			// The new leases expire at c.Until, which may have passed already.
			s.due.include(milli(c.Until))
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
		return nil, err
	}
	s.leases.add(w.leases)
	if !partial {
		s.ready.advance(w.found, w.positions == nil, w.scanTime)
	}
	return w.ds, nil
}

// positions returns where scans for ready webhooks begin, or nil for full scans.
func (s *Store) positions() []position {
	if s.sql.seekFrom.text == "" {
		return nil
	}
	return s.ready.positions()
}

// A claimRun is one claim that is being made.
type claimRun struct {
	s    *Store
	c    webhook.Claim
	args args
	ds   []webhook.Delivery

	leases []*lease // of ds

	positions []position     // where scans for ready webhooks begin; nil: full scans
	found     []readyWebhook // by these scans
	scanTime  time.Duration  // for them
}

// readyWebhook is a webhook with ready deliveries.
type readyWebhook struct {
	Webhook string `json:"w"`
	Due     int64  `json:"d"` // of the first ready delivery, or before
	Room    int    `json:"n"` // how many may be taken
	held    bool
}

// promote makes ready the waiting deliveries that have come due, unless noneDue, and,
// unless noneExpired, those of expired leases. It returns how many they are, and whether
// none is left. On SQLite its first statement is run anyway, since it writes; see
// sqliteFile.InTx.
func (w *claimRun) promote(ctx context.Context, q Querier, noneDue, noneExpired bool) (n int64, all bool, err error) {
	w.args["n"] = max(maxPromote, w.c.Limit)
	if !noneDue || w.s.d.oneWriter {
		n, err = w.s.exec(ctx, q, w.s.sql.promote, w.args)
	}
	if err != nil || noneExpired {
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
			if room := w.room(l); room > 0 && l.Webhook != last && belongs(l.Webhook) {
				open = append(open, readyWebhook{Webhook: l.Webhook, Due: l.Due, Room: room})
			}
		}
		if err := w.take(ctx, q, open); err != nil {
			return err
		}
		if len(webhooks) < page || len(w.ds) >= w.c.Limit {
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
	w.found = append(w.found, webhooks...)
	return webhooks, err
}

// room returns how many deliveries of a webhook may be taken.
func (w *claimRun) room(l readyWebhook) int {
	room, ok := w.c.Room[l.Webhook]
	if !ok {
		room = w.c.Each
	}
	if l.held {
		room = 0
	}
	return room
}

// take claims deliveries of the webhooks, in order, up to the limit.
func (w *claimRun) take(ctx context.Context, q Querier, webhooks []readyWebhook) error {
	limit := w.c.Limit - len(w.ds)
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
