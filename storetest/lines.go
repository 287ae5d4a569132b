package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/listhook/webhook"
)

// keyed returns a delivery that is due at the given time, and joined its line at t0.
func keyed(id, webhookID, key string, due time.Time) webhook.Delivery {
	d := pending(id, webhookID, due)
	d.Key, d.Joined, d.Type = key, t0, webhook.TypeUpdate
	return d
}

// line returns deliveries to the webhook "1" that are all due, in the line "k".
func line(ids ...string) []webhook.Delivery {
	var ds []webhook.Delivery
	for i, id := range ids {
		ds = append(ds, keyed(id, "1", "k", at(-i))) // the last one longest
	}
	return ds
}

// takes ends the case unless a claim takes the deliveries of want.
func (c *checker) takes(when string, now time.Time, want ...string) []webhook.Delivery {
	c.t.Helper()
	ds := c.claim(everything(now))
	c.set("claimed "+when, ids(ds), want)
	return ds
}

// ends makes deliveries final, whatever their Lease.
func (c *checker) ends(state webhook.State, now time.Time, list ...string) {
	c.t.Helper()
	for _, id := range list {
		c.applied(webhook.Change{ID: id, Lease: c.delivery(id).Lease, State: state, Due: now})
	}
}

// reopens makes a final delivery pending and due.
func (c *checker) reopens(id string, now time.Time) {
	c.t.Helper()
	c.applied(webhook.Change{ID: id, Lease: c.delivery(id).Lease, State: webhook.StatePending, Due: now, Joined: now})
}

// worksOff claims and delivers all that is due, and returns it by webhook and Key ("" for
// what was passed over), in the order of the claims.
func (c *checker) worksOff(now time.Time) map[lineKey][]webhook.Delivery {
	c.t.Helper()
	lines := map[lineKey][]webhook.Delivery{}
	lineOf := func(d webhook.Delivery) lineKey {
		if d.PassedOver {
			return lineKey{d.WebhookID, ""}
		}
		return keyOf(d)
	}
	for ds := c.claim(everything(now)); len(ds) > 0; ds = c.claim(everything(now)) {
		var cs []webhook.Change
		taken := map[lineKey]string{}
		for _, d := range ds {
			l := lineOf(d)
			if other := taken[l]; other != "" && l.key != "" {
				c.broken("a call claimed %q and %q of one line", other, d.ID)
			}
			taken[l] = d.ID
			lines[l] = append(lines[l], d)
			cs = append(cs, webhook.Change{ID: d.ID, Lease: d.Lease, State: webhook.StateDelivered, Due: now})
		}
		c.applied(cs...)
	}
	return lines
}

// goesOn ends the case unless the line "k" of the webhook "1" is worked off in that order.
func (c *checker) goesOn(now time.Time, want ...string) {
	c.t.Helper()
	c.ids("the order in which the line is worked off", ids(c.worksOff(now)[lineKey{"1", "k"}]), want)
}

var lineRules = []rule{
	{"line_gives_its_first_only",
		"Claim takes only the first of a line, though others are due, and for longer.",
		func(c *checker) {
			c.enqueue(line("a", "b", "c")...)
			c.takes("of a line of three", t0, "a")
		}},

	{"line_waits_for_a_leased_one",
		"A delivery stays first in its line while it is leased.",
		func(c *checker) {
			c.enqueue(line("a", "b", "c")...)
			c.takes("at first", t0, "a")
			c.takes("while it is leased", at(30))
			leased := keyed("leased by Enqueue", "2", "k", at(60))
			leased.Lease = 1
			c.enqueue(leased, keyed("behind it", "2", "k", t0))
			c.takes("while the first of another line is leased by Enqueue", at(30))
		}},

	{"line_waits_for_a_retry",
		"A delivery stays first in its line, due or not: while it waits for a retry too.",
		func(c *checker) {
			c.enqueue(line("a", "b")...)
			c.takes("at first", t0, "a")
			c.applied(webhook.Change{ID: "a", Lease: 1, State: webhook.StatePending, Due: at(1000), Attempts: 1, Log: note(1)})
			c.takes("while the first waits for its retry", at(999))
			c.takes("for the retry", at(1000), "a")
		}},

	{"line_keeps_its_first_when_a_lease_expires",
		"A delivery whose lease expired is still the first of its line.",
		func(c *checker) {
			c.enqueue(line("a", "b")...)
			for i := range 3 {
				c.takes(fmt.Sprint("as lease ", i+1), at(60*i), "a")
			}
			c.applied(webhook.Change{ID: "a", Lease: 3, State: webhook.StateDelivered, Due: at(121)})
			c.takes("once it is delivered", at(121), "b")
		}},

	{"line_waits_with_its_held_webhook",
		"A line waits while its webhook is held, and stays in its order.",
		func(c *checker) {
			w := hook("1")
			w.HeldUntil = at(100)
			c.put(w)
			c.enqueue(line("a", "b")...)
			c.takes("while the webhook is held", at(99))
			c.takes("when the HeldUntil is over", at(100), "a")
		}},

	{"line_goes_on_when_its_first_ends",
		"A delivery stands in its line until it is delivered, failed or canceled, by whomever.",
		func(c *checker) {
			for _, state := range states[1:] {
				for _, claimed := range []bool{true, false} {
					key := fmt.Sprint(state, claimed)
					c.enqueue(keyed("a"+key, key, "k", t0), keyed("b"+key, key, "k", at(-1)))
					if claimed {
						c.takes("at first", t0, "a"+key)
					}
					c.ends(state, at(1), "a"+key)
					c.takes(fmt.Sprintf("when the first is %s (it was claimed: %t)", state, claimed), at(1), "b"+key)
				}
			}
		}},

	{"line_goes_on_when_its_first_is_erased",
		"Erase takes a delivery out of its line: the next one is first.",
		func(c *checker) {
			c.enqueue(line("a", "b", "c")...)
			c.takes("at first", t0, "a")
			c.applied(webhook.Change{ID: "a", Lease: 1, State: webhook.StateCanceled, Due: at(1), Erase: true})
			c.takes("when the first is erased and canceled", at(1), "b")
			c.applied(webhook.Change{ID: "b", Lease: 1, State: webhook.StatePending, Due: at(1), Erase: true})
			c.takes("when the first is erased and pending", at(1), "b", "c")
		}},

	{"line_closes_up_when_others_leave",
		"A delivery that ends or leaves behind the first does not move the first.",
		func(c *checker) {
			c.enqueue(line("a", "b", "c", "d", "e")...)
			c.takes("at first", t0, "a")
			c.ends(webhook.StateCanceled, at(1), "b", "d")
			c.takes("when others than the first are canceled", at(1))
			c.applied(webhook.Change{ID: "c", State: webhook.StatePending, Due: at(2), LeaveLine: true})
			c.takes("when another than the first leaves", at(2), "c")
			c.ends(webhook.StateDelivered, at(3), "a")
			c.takes("when the first is delivered", at(3), "e")
		}},

	{"line_goes_by_place_not_by_due",
		"A delivery stays in its place, due or not: the next one is first with its own Due, and others due behind it wait.",
		func(c *checker) {
			c.enqueue(keyed("a", "1", "k", t0), keyed("b", "1", "k", at(100)), keyed("c", "1", "k", at(-9000)))
			c.takes("at first", t0, "a")
			c.ends(webhook.StateDelivered, at(1), "a")
			c.takes("while the first is not due", at(99))
			c.takes("when it is due", at(100), "b")
			c.applied(webhook.Change{ID: "c", State: webhook.StatePending, Due: at(500)})
			c.ends(webhook.StateDelivered, at(101), "b")
			c.takes("while the next, changed behind the first, is not due", at(499))
			c.takes("when it is due", at(500), "c")
		}},

	{"line_takes_again_at_its_end",
		"A delivery joins the end of its line when Apply makes it pending after it ended.",
		func(c *checker) {
			c.enqueue(line("a", "b", "c")...)
			c.takes("at first", t0, "a")
			c.ends(webhook.StateFailed, at(1), "a")
			c.reopens("a", at(2))
			c.ends(webhook.StateCanceled, at(2), "b")
			c.reopens("b", at(3))
			c.goesOn(at(3), "c", "a", "b")
			c.reopens("b", at(4))
			c.goesOn(at(4), "b")
		}},

	{"line_of_a_call_is_in_its_order",
		"Deliveries of one call stand in the order of the call, those of several events too.",
		func(c *checker) {
			var ds []webhook.Delivery
			want := map[lineKey][]string{}
			for i := range 40 {
				d := keyed(fmt.Sprintf("d%02d", (i*17+5)%40), fmt.Sprint("w", i%2), fmt.Sprint("k", i%3), at(-(i*7)%40))
				d.EventID, d.Created = fmt.Sprint("event", i/8), at(i*3%7)
				ds = append(ds, d)
				want[keyOf(d)] = append(want[keyOf(d)], d.ID)
			}
			c.enqueue(ds...)
			for key, got := range c.worksOff(t0) {
				c.ids(fmt.Sprintf("the order of the line %q of %s", key.key, key.webhook), ids(got), want[key])
			}
		}},

	{"line_of_later_calls_stands_behind",
		"A delivery of a call that returned stands before those of calls that begin later, whatever their Created, Due and ID.",
		func(c *checker) {
			var want []string
			for i := range 8 {
				d := keyed(fmt.Sprint("d", 9-i), "1", "k", at(-i))
				d.Created = at(-i)
				c.enqueue(d)
				want = append(want, d.ID)
			}
			c.goesOn(t0, want...)
		}},

	{"line_takes_an_id_once",
		"A delivery that is stored already is left as it is: it does not join its line again.",
		func(c *checker) {
			c.enqueue(line("a", "b")...)
			c.set("had", c.enqueue(line("b", "a", "c", "c")...), []string{"a", "b"})
			c.takes("at first", t0, "a")
			c.ends(webhook.StateDelivered, at(1), "a")
			c.set("had, one of them delivered", c.enqueue(line("a", "d")...), []string{"a"})
			c.goesOn(at(1), "b", "c", "d")
		}},

	{"line_is_of_one_webhook",
		"The same Key of two webhooks, of one account or of two, is two lines.",
		func(c *checker) {
			other := keyed("a of another account", "3", "k", t0)
			other.Account = "globex"
			c.enqueue(keyed("a of 1", "1", "k", t0), keyed("a of 2", "2", "k", t0), other, keyed("b of 1", "1", "k", t0), keyed("b of 2", "2", "k", t0))
			c.takes("at first", t0, "a of 1", "a of 2", "a of another account")
			c.ends(webhook.StateDelivered, at(1), "a of 2")
			c.takes("when one is delivered", at(1), "b of 2")
		}},

	{"line_keys_are_compared_byte_for_byte",
		"A Key is opaque text of at most 255 bytes, compared byte for byte: different ones never wait for each other.",
		func(c *checker) {
			keys := c.alike()
			for _, long := range []string{strings.Repeat("x", 254), strings.Repeat("☃", 84) + "ab"} {
				keys = append(keys, long+"a", long+"b")
			}
			var first, second []string
			for i, key := range keys {
				a, b := fmt.Sprint("a", i), fmt.Sprint("b", i)
				c.enqueue(keyed(a, "1", key, t0), keyed(b, "1", key, t0))
				first, second = append(first, a), append(second, b)
			}
			c.takes("at first", t0, first...)
			for i, key := range keys {
				c.ids(fmt.Sprintf("deliveries with the Key %q", key),
					ids(c.deliveries(webhook.DeliveryQuery{All: true, Key: key, Oldest: true})), []string{first[i], second[i]})
			}
			c.ends(webhook.StateDelivered, at(1), first...)
			c.takes("when those are delivered", at(1), second...)
		}},

	{"line_of_no_key",
		"Deliveries without a Key stand in no line: they wait for nobody, and nobody waits for them.",
		func(c *checker) {
			c.enqueue(pending("a", "1", t0), keyed("b", "1", "k", t0), pending("c", "1", t0), keyed("d", "1", "k", t0), pending("e", "1", t0))
			for _, d := range c.takes("of one webhook", t0, "a", "b", "c", "e") {
				if d.Key == "" && d.Sequence != 0 {
					c.broken("%q has no Key and the Sequence %d", d.ID, d.Sequence)
				}
			}
		}},

	{"line_has_no_finished_ones",
		"A delivery that Enqueue adds as finished stands in no line: it joins when Apply makes it pending.",
		func(c *checker) {
			done := keyed("done", "1", "k", t0)
			done.State = webhook.StateFailed
			c.enqueue(done, keyed("a", "1", "k", t0), keyed("b", "1", "k", t0))
			if n := c.delivery("done").Sequence; n != 0 {
				c.broken("it has the Sequence %d", n)
			}
			c.reopens("done", t0)
			c.goesOn(at(1), "a", "b", "done")
		}},

	{"line_takes_part_in_turns",
		"The first of each line are claimed like deliveries without a Key: the longest due first, as many as there is room for.",
		func(c *checker) {
			c.enqueue(keyed("a", "1", "ka", at(-1)), keyed("a2", "1", "ka", at(-90)), keyed("b", "1", "kb", at(-3)), keyed("b2", "1", "kb", at(-80)),
				pending("c", "1", at(-2)), pending("d", "1", t0), keyed("e", "2", "ka", t0), keyed("e2", "2", "ka", at(-99)))
			claim := webhook.Claim{Now: t0, Until: at(60), Limit: 3, Each: 2}
			c.set("with room for two of each", ids(c.claim(claim)), []string{"b", "c", "e"})
			c.set("with room for two of each again", ids(c.claim(claim)), []string{"a", "d"})
			if ds := c.claim(claim); len(ds) > 0 {
				c.broken("then %s was claimed", list(ids(ds)))
			}
		}},

	{"joined_is_what_callers_say",
		"A Store keeps the Joined of Enqueue, and replaces it by that of a Change when the delivery joins its line by it, not otherwise.",
		func(c *checker) {
			c.enqueue(line("a", "b")...)
			joined := func(when string, id string, want time.Time) {
				c.t.Helper()
				if got := c.delivery(id).Joined; !got.Equal(want) {
					c.broken("%s Joined is %s, want %s", when, got, want)
				}
			}
			joined("after Enqueue", "a", t0)
			change := webhook.Change{ID: "a", State: webhook.StatePending, Due: at(1), Joined: at(1)}
			c.applied(change)
			joined("after a change from pending to pending", "a", t0)
			change = webhook.Change{ID: "a", Lease: 1, State: webhook.StateFailed, Due: at(2), Joined: at(2)}
			c.applied(change)
			joined("after a change to failed", "a", t0)
			change = webhook.Change{ID: "a", Lease: 2, State: webhook.StatePending, Due: at(3), Joined: at(3)}
			c.applied(change)
			joined("after a change from failed to pending", "a", at(3))
			joined("behind it", "b", t0)
			change = webhook.Change{ID: "a", Lease: 3, State: webhook.StateFailed, Due: at(4), Joined: at(4)}
			c.applied(change)
			change = webhook.Change{ID: "a", Lease: 4, State: webhook.StatePending, Due: at(100), Joined: at(5), LeaveLine: true}
			c.applied(change)
			joined("after a change from failed to pending without a line", "a", at(3))
			plain := finished("no key", "1", t0)
			plain.Joined = at(6)
			c.enqueue(plain)
			c.applied(webhook.Change{ID: "no key", Lease: 2, State: webhook.StatePending, Due: at(100), Joined: at(7)})
			joined("after a change from delivered to pending, of one without a Key,", "no key", at(6))
			if ds := c.takes("at last", at(8), "b"); !ds[0].Joined.Equal(t0) {
				c.broken("Claim returned the Joined %s, want %s", ds[0].Joined, t0)
			}
		}},
}
