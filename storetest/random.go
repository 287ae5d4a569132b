package storetest

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/listhook/webhook"
)

// random makes calls and queries at random, the same ones each time.
type random struct {
	*rand.Rand
	made int // deliveries
}

func newRandom(seed uint64) *random { return &random{Rand: rand.New(rand.NewPCG(seed, seed))} }

// oneIn says true once in n times.
func (r *random) oneIn(n int) bool { return r.IntN(n) == 0 }

// time returns one within some minutes of t0, to the millisecond.
func (r *random) time() time.Time {
	return t0.Add(time.Duration(r.IntN(600_000)-300_000) * time.Millisecond)
}

// some returns up to n of values, in any order.
func some[T any](r *random, n int, values ...T) []T {
	var out []T
	for range 1 + r.IntN(n) {
		out = append(out, values[r.IntN(len(values))])
	}
	return out
}

// id returns one that is stored, or none's.
func id[T any](r *random, stored map[string]T) string {
	if len(stored) == 0 || r.oneIn(8) {
		return "nobody"
	}
	return slices.Sorted(maps.Keys(stored))[r.IntN(len(stored))]
}

var accounts = []string{account, "", "globex"}

func (r *random) account() string { return accounts[r.IntN(3)] }

// accountOf returns the account of a webhook, and so of its deliveries.
func accountOf(webhookID string) string {
	return accounts[int(webhookID[len(webhookID)-1])%len(accounts)]
}

func (r *random) webhookQuery(m *model) webhook.WebhookQuery {
	q := webhook.WebhookQuery{Account: r.account(), All: r.oneIn(2)}
	if r.oneIn(3) {
		for range 1 + r.IntN(12) {
			q.IDs = append(q.IDs, id(r, m.webhooks))
		}
	}
	if r.oneIn(3) {
		q.Lists = some(r, 3, "", "7", "12", "99")
	}
	q.Deleted, q.Newest, q.Tallies = r.oneIn(2), r.oneIn(4), r.oneIn(3)
	if r.oneIn(4) {
		q.PutAfter = m.webhooks[id(r, m.webhooks)].Put
	}
	if r.oneIn(3) {
		q.After = id(r, m.webhooks)
	}
	if r.oneIn(3) {
		q.Limit = 1 + r.IntN(9)
	}
	return q
}

func (r *random) deliveryQuery(m *model) webhook.DeliveryQuery {
	q := webhook.DeliveryQuery{Account: r.account(), All: r.oneIn(2), Oldest: r.oneIn(2), Brief: r.oneIn(3)}
	place := func() webhook.Delivery { return m.deliveries[id(r, m.deliveries)] }
	if r.oneIn(4) {
		q.Webhook = place().WebhookID
	}
	if r.oneIn(4) {
		for range 1 + r.IntN(40) {
			q.IDs = append(q.IDs, id(r, m.deliveries))
		}
	}
	if r.oneIn(3) {
		q.States = some(r, 3, states...)
	}
	if r.oneIn(4) {
		q.Types = some(r, 6, webhook.EventTypes()...)
	}
	if r.oneIn(6) {
		q.Failures = some(r, 3, "500", "503", "refused", "")
	}
	if r.oneIn(6) {
		q.Subject = fmt.Sprint("s", r.IntN(9))
	}
	if r.oneIn(6) {
		d := place()
		if q.Key = d.Key; r.oneIn(2) {
			q.Webhook = d.WebhookID
		}
	}
	if r.oneIn(9) {
		q.Blocking = r.time()
	}
	if r.oneIn(4) {
		q.Since = place().Created
	}
	if r.oneIn(4) {
		q.Until = place().Created
	}
	if r.oneIn(4) {
		q.DueBy = place().Due
	}
	if r.oneIn(3) {
		d := place()
		q.After = webhook.Cursor{Created: d.Created, ID: d.ID}
	}
	if r.oneIn(3) {
		q.Limit = 1 + r.IntN(9)
	}
	return q
}

func (r *random) deliveryQueries(m *model, n int) []webhook.DeliveryQuery {
	var qs []webhook.DeliveryQuery
	for range n {
		qs = append(qs, r.deliveryQuery(m))
	}
	return qs
}

// delivery returns a new one, or rarely one with an ID that is stored.
func (r *random) delivery(m *model) webhook.Delivery {
	r.made++
	d := pending(fmt.Sprintf("d%d", r.made*7919%1000), fmt.Sprint("w", r.IntN(6)), r.time())
	if r.oneIn(8) {
		d.ID = id(r, m.deliveries)
	}
	d.Account = accountOf(d.WebhookID)
	d.Created = at(r.IntN(20)).Add(time.Duration(r.IntN(2)) * time.Millisecond)
	d.Type = webhook.EventTypes()[r.IntN(9)]
	if r.oneIn(4) {
		d.Lease = 1
	}
	if r.oneIn(5) {
		d.State = states[r.IntN(4)]
	}
	if d.State != webhook.StatePending && d.Due.Before(d.Created) {
		d.Due = d.Created
	}
	if r.oneIn(3) {
		d.Log = []webhook.Attempt{r.attempt()}
	}
	if !r.oneIn(3) {
		d.Key, d.Joined = fmt.Sprint("k", r.IntN(3)), r.time()
	}
	for range r.IntN(3) {
		d.Subjects = append(d.Subjects, fmt.Sprint("s", r.IntN(9)))
	}
	return d
}

func (r *random) attempt() webhook.Attempt {
	a := *note(r.IntN(99))
	switch r.IntN(4) {
	case 0:
		a.Status = 503
	case 1:
		a.Status, a.Code = 0, "refused"
	case 2:
		a.Status, a.Reason = 200, ""
	}
	return a
}

func (r *random) prune() webhook.Prune {
	p := webhook.Prune{Before: r.time(), Limit: 10_000}
	if r.oneIn(2) {
		p.States = some(r, 3, states[1:]...)
	}
	if r.oneIn(2) {
		p.Types = some(r, 6, webhook.EventTypes()...)
	}
	if r.oneIn(4) {
		p.Except = some(r, 3, webhook.EventTypes()...)
	}
	if r.oneIn(2) {
		p.Deleted = r.time()
	}
	return p
}

func (r *random) change(m *model) webhook.Change {
	c := webhook.Change{ID: id(r, m.deliveries), State: states[r.IntN(4)], Due: r.time(), Attempts: r.IntN(9),
		Joined: r.time(), LeaveLine: r.oneIn(9), DropBody: r.oneIn(9), Erase: r.oneIn(9)}
	c.Lease = m.deliveries[c.ID].Lease
	if created := m.deliveries[c.ID].Created; c.State != webhook.StatePending && c.Due.Before(created) {
		c.Due = created
	}
	if r.oneIn(4) {
		c.Lease += int64(r.IntN(3) - 1)
	}
	if r.oneIn(2) {
		attempt := r.attempt()
		c.Log = &attempt
	}
	if r.oneIn(9) {
		for range 1 + r.IntN(3) {
			c.Rewrite = append(c.Rewrite, r.attempt())
		}
	}
	return c
}

// call makes a call of the store and of the model, and ends the case when they
// disagree.
func (r *random) call(c *checker, m *model) {
	c.t.Helper()
	switch r.IntN(9) {
	case 0, 1:
		var ds []webhook.Delivery
		for range 1 + r.IntN(8) {
			ds = append(ds, r.delivery(m))
		}
		want := slices.Compact(slices.Sorted(slices.Values(m.enqueue(ds))))
		c.ids("had, by Enqueue", slices.Compact(slices.Sorted(slices.Values(c.enqueue(ds...)))), want)
	case 2, 3:
		claim := webhook.Claim{Now: r.time(), After: fmt.Sprint("w", r.IntN(7)-1), Limit: r.IntN(12), Each: r.IntN(4)}
		claim.Until = claim.Now.Add(time.Duration(r.IntN(60_000)) * time.Millisecond)
		for range r.IntN(4) {
			if claim.Room == nil {
				claim.Room = map[string]int{}
			}
			claim.Room[fmt.Sprint("w", r.IntN(6))] = r.IntN(4)
		}
		if wrong := m.claim(claim, c.claim(claim)); wrong != "" {
			c.broken("Claim by %s: %s", described(claim), wrong)
		}
	case 4, 5:
		var cs []webhook.Change
		for range 1 + r.IntN(6) {
			change := r.change(m)
			if !slices.ContainsFunc(cs, func(c webhook.Change) bool { return c.ID == change.ID }) {
				cs = append(cs, change)
			}
		}
		c.set("lost, by Apply", c.apply(cs...), m.apply(cs))
	case 6:
		w := hook(fmt.Sprint("w", r.IntN(6)))
		w.Version = m.webhooks[w.ID].Version
		if r.oneIn(4) {
			w.Version += int64(r.IntN(3) - 1)
		}
		w.Account, w.List, w.Changed, w.Deleted = accountOf(w.ID), []string{"", "7"}[r.IntN(2)], at(r.IntN(600)), r.oneIn(4)
		if r.oneIn(3) {
			w.HeldUntil = r.time()
		}
		if r.oneIn(3) {
			w.Tallies = []byte(fmt.Sprint("tallies ", r.IntN(9)))
		}
		version, err := c.store.PutWebhook(c.ctx, w)
		want, ok := m.put(w)
		switch {
		case !ok && !errors.Is(err, webhook.ErrConflict):
			c.broken("PutWebhook with the Version %d: the error is %v, want ErrConflict", w.Version, err)
		case ok && (err != nil || version != want):
			c.broken("PutWebhook with the Version %d returned %d and the error %v, want %d", w.Version, version, err, want)
		case ok:
			m.puts = c.webhook(w.ID).Put
			stored := m.webhooks[w.ID]
			stored.Put = m.puts
			m.webhooks[w.ID] = stored
		}
	case 7:
		q := r.deliveryQuery(m)
		c.logs(m, q)
		if got, want := c.count(q), len(m.selectDeliveries(q)); got != want {
			c.broken("Count by %s is %d, want %d", described(q), got, want)
		}
		c.selects(m, r.webhookQuery(m))
	case 8:
		if !r.oneIn(4) {
			return
		}
		p := r.prune()
		if r.oneIn(2) {
			p.Limit = r.IntN(4)
			r.pruneSome(c, m, p)
			return
		}
		if got, want := c.pruned(p), m.prune(p); got != want {
			c.broken("Prune by %s returned %d, want %d", described(p), got, want)
		}
	}
}

// pruneSome prunes fewer deliveries than there may be. It lets the store choose which.
func (r *random) pruneSome(c *checker, m *model, p webhook.Prune) {
	c.t.Helper()
	before := m.selectDeliveries(webhook.DeliveryQuery{All: true})
	selected := 0
	for _, d := range before {
		if p.Selects(&d) {
			selected++
		}
	}
	if got, want := c.pruned(p), min(selected, p.Limit); got != want {
		c.broken("Prune by %s returned %d, want %d of %d", described(p), got, want, selected)
	}
	left := map[string]bool{}
	for _, d := range c.deliveries(webhook.DeliveryQuery{All: true, Brief: true}) {
		left[d.ID] = true
	}
	for _, d := range before {
		if left[d.ID] {
			continue
		}
		if !p.Selects(&d) {
			c.broken("Prune by %s removed %q", described(p), d.ID)
		}
		m.remove(d)
	}
	m.prune(webhook.Prune{Deleted: p.Deleted})
	c.holds(m)
}

// holds ends the case unless the store holds what the model does.
func (c *checker) holds(m *model) {
	c.t.Helper()
	q := webhook.DeliveryQuery{All: true}
	got, want := c.deliveries(q), m.selectDeliveries(q)
	c.ids("all deliveries", ids(got), ids(want))
	c.sequences("all deliveries", m, got, want)
	c.same("all deliveries", got, want)
	wq := webhook.WebhookQuery{All: true, Deleted: true, Tallies: true}
	c.same("all webhooks", c.webhooks(wq), m.selectWebhooks(wq))
}

var randomRules = []rule{
	{"random_calls_agree_with_a_model",
		"A Store does what its comments say, in any order of calls: it agrees with a plain model that looks everything through.",
		func(c *checker) {
			m, random := newModel(), newRandom(5)
			for range c.of(400, "random calls", 80) {
				random.call(c, m)
			}
			c.holds(m)
		}},
}
