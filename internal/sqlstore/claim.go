package sqlstore

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"time"

	"github.com/listhook/webhook"
)

// Pending deliveries are kept in three queues. Those that wait for their time
// are in order of that time, whatever their webhook. Those that were seen to be
// due are ready, in order of webhook and time. And those that are leased are
// kept by the batch, in order of the lease's end. A claim
//
//  1. makes ready what has come due: from the head of the waiting and of the
//     leases, so that it meets none that it leaves;
//  2. walks over the webhooks that have something ready, one seek each, from
//     the one after the last turn, and notes those with room that are not held;
//  3. takes from each the first few, one range each.
//
// So what it costs depends on what it takes, and on the number of webhooks
// that it passes over because they are full or held, at a few microseconds
// each; not on how much waits, for them or for anybody, nor on the log.

const (
	// promotes is how many deliveries at most become ready in one claim, so
	// that a million that come due together, after an outage, hold up no one
	// for long: those that are ready are delivered meanwhile.
	promotes = 10_000

	// A walk reads so many webhooks at a time, from the first number to the
	// second as long as they are of no use.
	stepMin, stepMax = 64, 4096
)

// Claim leases what is due.
func (s *Store) Claim(ctx context.Context, c webhook.Claim) (ds []webhook.Delivery, err error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	s.clock.see(c.Now)
	since, whole := s.front.since()
	w := walk{s: s, c: c, args: args{"now": milli(c.Now), "until": milli(c.Until), "since": since}}
	var past []end
	if s.sql.onward.text != "" {
		past = s.trail.list()
	}
	start, idle, unended := time.Now(), false, false
	if past == nil { // else it would be looked for from the beginning
		err = s.read(ctx, func(q Querier) error {
			return s.query(ctx, q, s.sql.idle, w.args, func(scan Scan) error { return scan(&idle, &unended) })
		})
	}
	if err != nil || c.Limit <= 0 {
		return nil, err
	}
	if err := s.sure(ctx); err != nil {
		return nil, err
	}
	vacant := s.tenants.vacant(milli(c.Now))
	if idle && unended {
		s.front.looked(milli(c.Now), whole, time.Since(start))
		if len(vacant) == 0 {
			return nil, nil
		}
		return nil, s.write(ctx, false, func(q Querier) error { return s.unlease(ctx, q, vacant) })
	}
	broken := false
	err = s.transact(ctx, func() error {
		return s.db.InTx(ctx, s.sql.pick.text != "", func(q Querier) error {
			if err := s.unlease(ctx, q, vacant); err != nil {
				return err
			}
			n, all, err := w.promote(ctx, q, unended)
			if err != nil {
				return err
			}
			if n > 0 {
				past = nil // it may have been due before what was taken
			}
			w.ds, w.seen, w.looked, w.leases, w.past = nil, nil, 0, nil, past
			if all {
				s.front.looked(milli(c.Now), whole, time.Since(start))
			}
			// What is claimed waits for its lease's end, which may be past already.
			s.front.put(milli(c.Until))
			err = w.claim(ctx, q)
			if broken = err != nil && s.d.takesAlone && len(w.ds) > 0; broken {
				return nil // what was leased before stays so: it is the caller's
			}
			return err
		})
	})
	if err != nil || broken {
		// What was made ready may have been committed, or not.
		s.front.forget()
		s.trail.forget()
		s.doubt.Store(true)
	}
	if err != nil {
		return nil, err
	}
	s.tenants.enter(w.leases)
	if !broken {
		s.trail.looked(w.seen, w.past == nil, w.looked)
	}
	return w.ds, nil
}

// A walk is one claim on its way.
type walk struct {
	s    *Store
	c    webhook.Claim
	args args
	ds   []webhook.Delivery

	leases []*lease // of ds

	past   []end         // unless nil, to look for lanes beyond these
	seen   []lane        // that were found
	looked time.Duration // for them
}

// lane is a webhook with something ready, and how many may be taken.
type lane struct {
	Webhook string `json:"w"`
	Due     int64  `json:"d"` // none of it is due before
	Room    int    `json:"n"`
	held    bool
}

// promote makes ready what has come due, of the leases too unless none has
// ended. It returns how many, and whether that was all. It writes first; see
// file.InTx.
func (w *walk) promote(ctx context.Context, q Querier, unended bool) (n int64, all bool, err error) {
	w.args["n"] = max(promotes, w.c.Limit)
	if n, err = w.s.exec(ctx, q, w.s.sql.promote, w.args); err != nil || unended {
		return n, n < promotes, err
	}
	ended, left, err := w.lapse(ctx, q)
	return n + left, n < promotes && ended < lapses, err
}

// claim gives the webhooks their turns.
func (w *walk) claim(ctx context.Context, q Querier) error {
	after := w.c.After
	if err := w.turns(ctx, q, after, func(id string) bool { return after == "" || id > after }); err != nil {
		return err
	}
	if after == "" {
		return nil
	}
	return w.turns(ctx, q, "", func(id string) bool { return id <= after })
}

// turns gives a turn to the webhooks from one on, in order, that belong to
// this part of the walk.
func (w *walk) turns(ctx context.Context, q Querier, from string, belongs func(id string) bool) error {
	last := ""
	for step := stepMin; ; step = min(4*step, stepMax) {
		lanes, err := w.lanes(ctx, q, from, step)
		if err != nil {
			return err
		}
		var open []lane
		for _, l := range lanes {
			if room := w.room(l); room > 0 && l.Webhook != last && belongs(l.Webhook) {
				open = append(open, lane{Webhook: l.Webhook, Due: l.Due, Room: room})
			}
		}
		if err := w.take(ctx, q, open); err != nil {
			return err
		}
		if len(lanes) < step || len(w.ds) >= w.c.Limit {
			return nil
		}
		// The next step begins with the webhook that this one ended with.
		last = lanes[len(lanes)-1].Webhook
		if from = last; !belongs(last) && last > w.c.After {
			return nil
		}
	}
}

// lanes returns the next webhooks with something ready.
func (w *walk) lanes(ctx context.Context, q Querier, from string, n int) (lanes []lane, err error) {
	w.args["from"], w.args["n"] = from, n
	look := w.s.sql.lanes
	if w.past != nil {
		past, err := json.Marshal(w.past)
		if err != nil {
			return nil, err
		}
		look, w.args["past"] = w.s.sql.onward, string(past)
	}
	start := time.Now()
	err = w.s.query(ctx, q, look, w.args, func(scan Scan) error {
		var l lane
		if err := scan(&l.Webhook, &l.Due, &l.held); err != nil {
			return err
		}
		lanes = append(lanes, l)
		return nil
	})
	w.looked += time.Since(start)
	if w.past != nil && strange(w.past, lanes) { // there may be more behind it
		w.past = nil
		return w.lanes(ctx, q, from, n)
	}
	w.seen = append(w.seen, lanes...)
	return lanes, err
}

// room returns how many may be taken from a lane.
func (w *walk) room(l lane) int {
	room, ok := w.c.Room[l.Webhook]
	if !ok {
		room = w.c.Each
	}
	if l.held {
		room = 0
	}
	return room
}

// take claims from lanes, in order, until the limit.
func (w *walk) take(ctx context.Context, q Querier, lanes []lane) error {
	limit := w.c.Limit - len(w.ds)
	if len(lanes) == 0 || limit <= 0 {
		return nil
	}
	var rows any = lanes
	if w.s.sql.pick.text != "" {
		keys, err := w.pick(ctx, q, lanes, limit)
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
		w.ds = w.ds[:before] // of these it is not known
		return err
	}
	if len(w.ds) == before {
		return nil
	}
	took := []*lease{claimed(w.ds[before:], milli(w.c.Until), token)}
	w.leases = append(w.leases, took...)
	return w.s.lease(ctx, q, took)
}

// pick returns the keys of the rows to take, one lane at a time.
func (w *walk) pick(ctx context.Context, q Querier, lanes []lane, limit int) (keys []int64, err error) {
	for _, l := range lanes {
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
