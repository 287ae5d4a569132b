package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/listhook/webhook"
)

// aLog enqueues deliveries that differ in all that a query looks at, several
// created in the same millisecond.
func (c *checker) aLog() *model {
	c.t.Helper()
	m := newModel()
	var ds []webhook.Delivery
	for i := range 60 {
		d := pending(fmt.Sprintf("d%d", i*37%100), fmt.Sprint("w", i%4), at(20+i*13%60))
		d.Account = accountOf(d.WebhookID)
		d.State = states[i%5%4]
		d.Type = webhook.EventTypes()[i%9]
		d.Created = at(i / 4 * 11 % 15)
		d.Carrier = map[string]string{"traceparent": d.ID}
		d.Log = []webhook.Attempt{*note(i)}
		if i%3 == 0 {
			d.Log[0].Status = 503
		}
		if i%4 > 0 {
			d.Key, d.Joined = fmt.Sprint("k", i%7%3), at(i*13%60)
		}
		for s := range i % 3 {
			d.Subjects = append(d.Subjects, fmt.Sprint("s", i%5+s))
		}
		ds = append(ds, d)
	}
	c.enqueue(ds...)
	m.enqueue(ds)
	return m
}

// logs ends the case unless each query selects what it should, in either order.
func (c *checker) logs(m *model, queries ...webhook.DeliveryQuery) {
	c.t.Helper()
	for _, q := range queries {
		for range 2 {
			got, want := c.deliveries(q), m.selectDeliveries(q)
			what := "Deliveries by " + described(q)
			c.ids(what, ids(got), ids(want))
			c.sequences(what, m, got, want)
			c.same(what, got, want)
			q.Oldest = !q.Oldest
		}
	}
}

// sequences ends the case unless the Sequences that a store returned may be. They are
// then wanted.
func (c *checker) sequences(what string, m *model, got, want []webhook.Delivery) {
	c.t.Helper()
	for i, d := range got {
		if wrong := m.sequences.see(d, false); wrong != "" {
			c.broken("%s: %s", what, wrong)
		}
		want[i].Sequence = d.Sequence
	}
}

var logRules = []rule{
	{"deliveries_of_the_account_only",
		"A query selects deliveries of its Account, which may be \"\"; with All, those of every account.",
		func(c *checker) {
			m := c.aLog()
			for _, account := range []string{"", account, "globex", "nobody"} {
				all := webhook.DeliveryQuery{All: true}
				c.logs(m,
					webhook.DeliveryQuery{Account: account},
					webhook.DeliveryQuery{Account: account, All: true},
					webhook.DeliveryQuery{Account: account, IDs: ids(m.selectDeliveries(all))},
					webhook.DeliveryQuery{Account: account, Webhook: "w1"},
					webhook.DeliveryQuery{Account: account, States: states[:1], DueBy: at(50)},
					webhook.DeliveryQuery{Account: account, Since: at(3), Limit: 5})
			}
		}},

	{"deliveries_newest_first",
		"Deliveries come in descending order of (Created, ID); with Oldest, in ascending order.",
		func(c *checker) {
			var ds []webhook.Delivery
			for _, id := range []string{"b", "B", "10", "9", "é", "a", "☃", "😀", "\uffee", "A"} {
				ds = append(ds, pending(id, "1", at(len(ds)*7%10)))
			}
			for i := range 5 {
				d := pending(fmt.Sprint("at ", i), "1", at(i))
				d.Created = at(i*3%5 - 2)
				ds = append(ds, d)
			}
			c.enqueue(ds...)
			slices.SortFunc(ds, byCreated)
			c.ids("oldest first", ids(c.deliveries(webhook.DeliveryQuery{Account: account, Oldest: true})), ids(ds))
			slices.Reverse(ds)
			c.ids("newest first", ids(c.deliveries(webhook.DeliveryQuery{Account: account})), ids(ds))
		}},

	{"deliveries_by_webhook",
		"Webhook selects the deliveries to it.",
		func(c *checker) {
			c.logs(c.aLog(), each(func(id string) webhook.DeliveryQuery {
				return webhook.DeliveryQuery{All: true, Webhook: id}
			}, "w0", "w3", "none", "w")...)
		}},

	{"deliveries_by_ids",
		"IDs selects the deliveries with one of these; empty: all.",
		func(c *checker) {
			c.logs(c.aLog(), each(func(ids []string) webhook.DeliveryQuery {
				return webhook.DeliveryQuery{All: true, IDs: ids}
			}, nil, []string{}, []string{"d37"}, []string{"none"}, []string{"d74", "d0", "none", "d37", "d74"})...)
		}},

	{"deliveries_by_a_thousand_ids",
		"A query names at most 1,000 IDs: it selects those that are stored.",
		func(c *checker) {
			c.logs(c.aLog(), webhook.DeliveryQuery{All: true, IDs: append(names("x", 998), "d37", "d0")})
		}},

	{"deliveries_by_states",
		"States selects the deliveries in one of these; empty: in any.",
		func(c *checker) {
			c.logs(c.aLog(), each(func(states []webhook.State) webhook.DeliveryQuery {
				return webhook.DeliveryQuery{All: true, States: states}
			}, states[:1], states[1:2], states[2:3], states[3:], states[1:3], states)...)
		}},

	{"deliveries_by_types",
		"Types selects the deliveries of one of these; empty: of any.",
		func(c *checker) {
			c.logs(c.aLog(), each(func(types []webhook.EventType) webhook.DeliveryQuery {
				return webhook.DeliveryQuery{All: true, Types: types}
			}, webhook.EventTypes()[:1], webhook.EventTypes()[3:5], webhook.EventTypes(), []webhook.EventType{"none"})...)
		}},

	{"deliveries_since_and_until",
		"Since selects the deliveries created at or after it, Until those created before it.",
		func(c *checker) {
			m := c.aLog()
			for _, when := range []time.Time{at(-1), t0, t0.Add(time.Millisecond), at(7), at(14), at(15), never} {
				c.logs(m, webhook.DeliveryQuery{All: true, Since: when}, webhook.DeliveryQuery{All: true, Until: when},
					webhook.DeliveryQuery{All: true, Since: at(3), Until: when})
			}
		}},

	{"deliveries_due_by",
		"DueBy selects the deliveries, whatever the state, whose Due is at or before it.",
		func(c *checker) {
			c.logs(c.aLog(), each(func(when time.Time) webhook.DeliveryQuery {
				return webhook.DeliveryQuery{All: true, DueBy: when}
			}, at(19), at(20), at(33), at(33).Add(-time.Millisecond), never)...)
		}},

	{"deliveries_after_a_cursor",
		"After selects the deliveries beyond it in the order asked for, whether or not one is at its place.",
		func(c *checker) {
			m := c.aLog()
			for _, d := range m.selectDeliveries(webhook.DeliveryQuery{All: true}) {
				c.logs(m, webhook.DeliveryQuery{All: true, After: webhook.Cursor{Created: d.Created, ID: d.ID}, Limit: 5})
			}
			c.logs(m, each(func(after webhook.Cursor) webhook.DeliveryQuery {
				return webhook.DeliveryQuery{All: true, After: after}
			}, webhook.Cursor{Created: at(7)}, webhook.Cursor{Created: at(7), ID: "d5"}, webhook.Cursor{Created: at(7), ID: "zz"},
				webhook.Cursor{Created: at(-9), ID: "d5"}, webhook.Cursor{Created: never, ID: "d5"})...)
		}},

	{"deliveries_go_by_the_whole_id",
		"Of deliveries with the same Created the order, and what is beyond a cursor, is by the bytes of their IDs, all of them.",
		func(c *checker) {
			all := c.alike()
			slices.Sort(all)
			for i := range all {
				d := pending(all[i*7%len(all)], "1", t0)
				d.Created = time.Time{}
				c.enqueue(d)
			}
			for i, id := range all {
				q := webhook.DeliveryQuery{All: true, Oldest: true, After: webhook.Cursor{ID: id}}
				c.ids(fmt.Sprintf("the oldest first, after %q", id), ids(c.deliveries(q)), all[i+1:])
				q.Oldest = false
				newest := slices.Clone(all[:i])
				slices.Reverse(newest)
				c.ids(fmt.Sprintf("the newest first, after %q", id), ids(c.deliveries(q)), newest)
			}
		}},

	{"deliveries_limit",
		"Limit selects the first so many in the order asked for; 0: all.",
		func(c *checker) {
			c.logs(c.aLog(), each(func(limit int) webhook.DeliveryQuery {
				return webhook.DeliveryQuery{All: true, Limit: limit}
			}, 0, 1, 7, 59, 60, 61, 1_000_000)...)
		}},

	{"deliveries_by_fields_together",
		"The fields of a query together select what each of them selects.",
		func(c *checker) {
			m := c.aLog()
			random := newRandom(2)
			for range c.of(150, "random queries", 20) {
				c.logs(m, random.deliveryQuery(m))
			}
		}},

	{"deliveries_brief",
		"With Brief deliveries come without Body, Carrier and Log, and otherwise whole; without it, with them.",
		func(c *checker) {
			want := whole(1, "d", t0)
			want.Account, want.State = account, webhook.StateFailed
			c.enqueue(want)
			c.same("without Brief", c.deliveries(webhook.DeliveryQuery{Account: account}), []webhook.Delivery{want})
			bare := want
			bare.Body, bare.Carrier, bare.Log = nil, nil, nil
			c.same("with Brief", c.deliveries(webhook.DeliveryQuery{Account: account, Brief: true}), []webhook.Delivery{bare})
			c.same("without Brief again", c.deliveries(webhook.DeliveryQuery{Account: account}), []webhook.Delivery{want})
		}},

	{"deliveries_may_be_none",
		"A query that selects nothing returns an empty result and no error.",
		func(c *checker) {
			for _, q := range []webhook.DeliveryQuery{
				{}, {All: true}, {Account: account, IDs: []string{"d"}}, {All: true, States: states, Limit: 1, Brief: true},
			} {
				if ds := c.deliveries(q); len(ds) > 0 {
					c.broken("an empty store returned %s", list(ids(ds)))
				}
				if n := c.count(q); n > 0 {
					c.broken("an empty store counted %d", n)
				}
			}
			if ds := c.claim(everything(t0)); len(ds) > 0 {
				c.broken("Claim of an empty store returned %s", list(ids(ds)))
			}
		}},

	{"deliveries_paging_neither_skips_nor_repeats",
		"Pages by After, while deliveries arrive and change, show each of those that were there from the start once.",
		func(c *checker) {
			var want []string
			for _, d := range c.aLog().selectDeliveries(webhook.DeliveryQuery{All: true}) {
				want = append(want, d.ID)
			}
			arrived := 0
			for _, q := range []webhook.DeliveryQuery{
				{All: true, Limit: 1}, {All: true, Limit: 7}, {All: true, Limit: 2, Oldest: true}, {All: true, Limit: 59, Oldest: true, Brief: true},
			} {
				var got []string
				q.After = webhook.Cursor{}
				for pages := 1; ; pages++ {
					page := c.deliveries(q)
					if len(page) == 0 {
						break
					}
					if pages > 200 {
						c.broken("paging by %s does not end", described(q))
					}
					for _, d := range page {
						if slices.Contains(want, d.ID) {
							got = append(got, d.ID)
						}
					}
					last := page[len(page)-1]
					q.After = webhook.Cursor{Created: last.Created, ID: last.ID}

					// Some arrive at each end of the log, and at the cursor's place.
					if arrived++; arrived%5 == 0 && len(got) < len(want) {
						for i, created := range []time.Time{at(-100 - arrived), last.Created, at(100 + arrived)} {
							d := pending(fmt.Sprintf("new %d %d", arrived, i), "w0", t0)
							d.Created = created
							c.enqueue(d)
						}
					}
					c.applied(webhook.Change{ID: last.ID, Lease: last.Lease, State: webhook.StateFailed, Due: at(1000 + arrived), Log: note(1)})
				}
				slices.Sort(got)
				slices.Sort(want)
				c.ids("paging by "+described(q), got, want)
			}
		}},

	{"count_is_of_what_the_query_selects",
		"Count returns how many a query selects, by every field of it.",
		func(c *checker) {
			m := c.aLog()
			random := newRandom(3)
			for i, q := range append([]webhook.DeliveryQuery{
				{}, {All: true}, {Account: account}, {All: true, Webhook: "w1"}, {All: true, IDs: []string{"d37", "none"}},
				{All: true, States: states[1:3]}, {All: true, Types: webhook.EventTypes()[:2]}, {All: true, Since: at(7)},
				{All: true, Until: at(7)}, {All: true, DueBy: at(40)}, {All: true, After: webhook.Cursor{Created: at(7), ID: "d5"}},
			}, random.deliveryQueries(m, 40)...) {
				q.Limit = 0
				if got, want := c.count(q), len(m.selectDeliveries(q)); got != want {
					c.broken("query %d, by %s: counted %d, want %d", i, described(q), got, want)
				}
			}
		}},

	{"count_stops_at_the_limit",
		"With Limit Count stops counting there.",
		func(c *checker) {
			c.aLog()
			for _, limit := range []int{1, 7, 60, 61, 1000} {
				if got, want := c.count(webhook.DeliveryQuery{All: true, Limit: limit}), min(limit, 60); got != want {
					c.broken("Limit %d counted %d of 60", limit, got)
				}
			}
		}},
}
