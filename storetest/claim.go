package storetest

import (
	"fmt"
	"time"

	"github.com/listhook/webhook"
)

// never is the latest time that occurs.
var never = time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC)

var claimRules = []rule{
	{"claim_leases_what_is_pending_and_due",
		"Claim asks for deliveries that are pending and due at Now: Due at or before it.",
		func(c *checker) {
			c.enqueue(
				pending("long due", "1", at(-1000)), pending("due now", "1", t0),
				pending("due in a moment", "1", t0.Add(time.Millisecond)), pending("due later", "1", at(60)),
				pending("due never", "1", never), pending("due at the zero time", "1", time.Time{}),
				finished("finished", "1", at(-1000)))
			for _, state := range states[1:] {
				d := finished(string(state), "2", at(-1000))
				d.State = state
				c.enqueue(d)
			}
			c.set("claimed", ids(c.claim(everything(t0))), []string{"long due", "due now", "due at the zero time"})
			c.set("claimed a millisecond later", ids(c.claim(webhook.Claim{Now: t0.Add(time.Millisecond), Until: at(60), Limit: 9, Each: 9})), []string{"due in a moment"})
		}},

	{"claim_raises_the_lease_and_moves_due",
		"Claim raises Lease by one, moves Due to Until, and changes nothing else.",
		func(c *checker) {
			want := whole(1, "d", t0)
			c.enqueue(want)
			for i := range 3 {
				c.claimOne(everything(at(i*60)), "d")
				want.Lease++
				want.Due = at(i*60 + 60)
				c.sameDelivery(fmt.Sprintf("stored after claim %d", i+1), c.delivery("d"), want)
			}
		}},

	{"claim_returns_them_so_without_log",
		"Claim returns the deliveries as they are after it, with the new Lease and Due, whole but for Log.",
		func(c *checker) {
			want := whole(1, "d", t0)
			c.enqueue(want)
			want.Lease++
			want.Due = at(60)
			want.Log = nil
			c.sameDelivery("returned", c.claimOne(everything(t0), "d"), want)
		}},

	{"claim_leases_a_delivery_once",
		"What is claimed is not claimed again before Until.",
		func(c *checker) {
			c.enqueue(pending("a", "1", t0), pending("b", "1", t0), pending("c", "2", t0))
			c.set("the first claim", ids(c.claim(everything(t0))), []string{"a", "b", "c"})
			for _, now := range []time.Time{t0, at(30), at(60).Add(-time.Millisecond)} {
				if ds := c.claim(everything(now)); len(ds) > 0 {
					c.broken("%s after the claim, %s before its Until: %s claimed again", now.Sub(t0), at(60).Sub(now), list(ids(ds)))
				}
			}
		}},

	{"claim_takes_a_delivery_once_in_a_call",
		"A call claims a delivery once, also if Until is not after Now.",
		func(c *checker) {
			c.enqueue(pending("a", "1", t0), pending("b", "2", t0))
			claim := everything(at(60))
			claim.Until = at(30)
			c.set("claimed", ids(c.claim(claim)), []string{"a", "b"})
			c.set("claimed next, the lease having ended", ids(c.claim(everything(at(60)))), []string{"a", "b"})
		}},

	{"claim_takes_again_what_expired",
		"Due is the lease's end: from then on a delivery that nobody applied is claimed again, with the next Lease.",
		func(c *checker) {
			c.enqueue(pending("a", "1", t0))
			for lease := int64(1); lease <= 3; lease++ {
				d := c.claimOne(everything(at(60*int(lease-1))), "a")
				if d.Lease != lease || d.Attempts != 0 {
					c.broken("claim %d returned Lease %d and Attempts %d, want %d and 0", lease, d.Lease, d.Attempts, lease)
				}
			}
		}},

	{"claim_heeds_hold",
		"Claim leaves the deliveries of a webhook that is held at Now: whose HeldUntil is after it.",
		func(c *checker) {
			for id, hold := range map[string]time.Time{
				"not held": {}, "was held": at(-60), "held until now": t0,
				"held a moment": t0.Add(time.Millisecond), "held": at(60), "held for ever": never,
			} {
				w := hook(id)
				w.HeldUntil = hold
				c.put(w)
				c.enqueue(pending("of "+id, id, at(-10)))
			}
			c.set("claimed", ids(c.claim(everything(t0))), []string{"of not held", "of was held", "of held until now"})
			c.set("claimed a minute later, the others' leases having ended too", ids(c.claim(everything(at(60)))),
				[]string{"of not held", "of was held", "of held until now", "of held a moment", "of held"})
		}},

	{"claim_heeds_hold_as_it_is_now",
		"Claim heeds the HeldUntil that is stored, whether it was put before or after the deliveries were enqueued.",
		func(c *checker) {
			c.enqueue(pending("a", "1", t0), pending("b", "1", t0), pending("c", "1", t0))
			w := hook("1")
			claim := webhook.Claim{Now: at(1), Until: at(1000), Limit: 1, Each: 1}
			for i, hold := range []struct {
				until time.Time
				want  int
			}{{time.Time{}, 1}, {at(60), 0}, {at(1), 1}, {never, 0}, {time.Time{}, 1}} {
				w.HeldUntil = hold.until
				w = c.put(w)
				if got := len(c.claim(claim)); got != hold.want {
					c.broken("put %d, with a HeldUntil until %s: %d claimed at %s, want %d", i+1, hold.until, got, claim.Now, hold.want)
				}
			}
		}},

	{"claim_heeds_nothing_but_hold",
		"Claim takes deliveries of webhooks that are deleted, disabled or not stored too: HeldUntil is the only field of a webhook that it looks at.",
		func(c *checker) {
			deleted, disabled := hook("deleted"), hook("disabled")
			deleted.Deleted = true
			disabled.Disabled, disabled.DisabledAt = "its owner disabled it", t0
			c.put(deleted)
			c.put(disabled)
			c.enqueue(pending("a", "deleted", t0), pending("b", "disabled", t0), pending("c", "unknown", t0))
			c.set("claimed", ids(c.claim(everything(t0))), []string{"a", "b", "c"})

			held := hook("held")
			held.Deleted, held.HeldUntil = true, at(100)
			c.put(held)
			c.enqueue(pending("e", "held", t0))
			if ds := c.claim(everything(at(1))); len(ds) > 0 {
				c.broken("%s of a deleted webhook was claimed in spite of its HeldUntil", list(ids(ds)))
			}
		}},

	{"claim_is_for_every_account",
		"Claim is of every account, \"\" too.",
		func(c *checker) {
			for _, account := range []string{"", "acme", "globex"} {
				d := pending("of "+account, "w"+account, t0)
				d.Account = account
				c.enqueue(d)
			}
			c.set("claimed", ids(c.claim(everything(t0))), []string{"of ", "of acme", "of globex"})
		}},

	{"claim_takes_now_from_its_caller",
		"A Store has no clock: what a caller whose clock is ahead has seen due is not due for one whose clock is behind.",
		func(c *checker) {
			c.enqueue(pending("a", "1", t0), pending("b", "1", at(100)), pending("c", "2", at(100)))
			w := hook("3")
			w.HeldUntil = at(100)
			c.put(w)
			c.enqueue(pending("d", "3", t0))
			ahead := webhook.Claim{Now: at(200), Until: at(300), Limit: 1, Each: 1}
			c.claimOne(ahead, "a")
			ahead.Each = 0
			c.claim(ahead)
			if ds := c.claim(everything(at(50))); len(ds) > 0 {
				c.broken("after a claim of another's with a later Now, %s was claimed before its time", list(ids(ds)))
			}
			c.set("claimed when due", ids(c.claim(everything(at(100)))), []string{"b", "c", "d"})
		}},

	{"claim_reaches_far_times",
		"Times up to the year 9999 are kept: a lease and a HeldUntil may last until then.",
		func(c *checker) {
			c.enqueue(pending("a", "1", t0))
			claim := everything(t0)
			claim.Until = never
			if d := c.claimOne(claim, "a"); !d.Due.Equal(never) {
				c.broken("Due is %s, want %s", d.Due, never)
			}
			if ds := c.claim(everything(never.Add(-time.Millisecond))); len(ds) > 0 {
				c.broken("it was claimed before its lease ended")
			}
			c.claimOne(webhook.Claim{Now: never, Until: never, Limit: 1, Each: 1}, "a")
		}},
}

var turnRules = []rule{
	{"claim_takes_the_longest_due_first",
		"Of one webhook the longest due come first, in whatever order they were enqueued or applied.",
		func(c *checker) {
			for _, i := range []int{5, 2, 9, 0, 7, 3, 8, 1, 6, 4} {
				d := pending(fmt.Sprintf("%d", 9-i), "1", at(i)) // by ID the other way round
				d.Created = at(i * 7 % 10)
				c.enqueue(d)
			}
			claim := webhook.Claim{Now: at(100), Until: at(200), Limit: 2, Each: 2}
			c.set("the first two", ids(c.claim(claim)), []string{"9", "8"})
			c.enqueue(pending("urgent", "1", at(-1000)))
			c.set("the next two, one of them urgent", ids(c.claim(claim)), []string{"urgent", "7"})
			c.applied(webhook.Change{ID: "0", Lease: 0, State: webhook.StatePending, Due: at(-500)})
			c.set("the next two, one of them applied with an earlier Due", ids(c.claim(claim)), []string{"0", "6"})
		}},

	{"claim_limit_is_in_all",
		"Limit bounds what is claimed in all; 0: none.",
		func(c *checker) {
			c.enqueueForEach(4, 5)
			if ds := c.claim(webhook.Claim{Now: t0, Until: at(60), Limit: 0, Each: 5}); len(ds) > 0 {
				c.broken("Limit 0 claimed %d", len(ds))
			}
			left := 20
			for _, limit := range []int{1, 3, 7, 100} {
				want := min(limit, left)
				if ds := c.claim(webhook.Claim{Now: t0, Until: at(60), Limit: limit, Each: 5}); len(ds) != want {
					c.broken("Limit %d claimed %d of the %d due", limit, len(ds), left)
				}
				left -= want
			}
		}},

	{"claim_each_is_of_one_webhook",
		"Each bounds what is claimed of one webhook; 0: none.",
		func(c *checker) {
			c.enqueueForEach(3, 5)
			c.claimedOfEach(webhook.Claim{Limit: 100, Each: 0}, nil)
			c.claimedOfEach(webhook.Claim{Limit: 100, Each: 2}, map[string]int{"w0": 2, "w1": 2, "w2": 2})
			c.claimedOfEach(webhook.Claim{Limit: 100, Each: 100}, map[string]int{"w0": 3, "w1": 3, "w2": 3})
		}},

	{"claim_room_is_instead_of_each",
		"Room bounds what is claimed of the webhooks that it names, instead of Each; 0: none.",
		func(c *checker) {
			c.enqueueForEach(4, 5)
			c.claimedOfEach(webhook.Claim{Limit: 100, Each: 2, Room: map[string]int{"w0": 0, "w1": 1, "w2": 4, "nobody": 9}},
				map[string]int{"w1": 1, "w2": 4, "w3": 2})
			c.claimedOfEach(webhook.Claim{Limit: 100, Each: 0, Room: map[string]int{"w0": 2}}, map[string]int{"w0": 2})
			c.claimedOfEach(webhook.Claim{Limit: 100, Each: 100, Room: map[string]int{"w0": 0, "w1": 0, "w2": 0, "w3": 0}}, nil)
		}},

	{"claim_passes_full_webhooks",
		"A webhook without room, held or with nothing due takes no turn: those behind it get theirs.",
		func(c *checker) {
			c.enqueueForEach(6, 3)
			for _, id := range []string{"w1", "w4"} {
				w := hook(id)
				w.HeldUntil = at(100)
				c.put(w)
			}
			c.enqueue(pending("later", "w22", at(100)))
			c.claimedOfEach(webhook.Claim{Limit: 2, Each: 1, Room: map[string]int{"w0": 0, "w2": 0}},
				map[string]int{"w3": 1, "w5": 1})
		}},

	{"claim_turns_begin_after_the_last",
		"Webhooks take turns in order of ID from the first one after After, which need not exist; \"\": from the start.",
		func(c *checker) {
			c.enqueueForEach(5, 9)
			for _, turn := range []struct{ after, want string }{
				{"", "w0"}, {"w0", "w1"}, {"w2", "w3"}, {"w2x", "w3"}, {"a", "w0"}, {"w3", "w4"},
			} {
				c.claimedOfEach(webhook.Claim{After: turn.after, Limit: 1, Each: 1}, map[string]int{turn.want: 1})
			}
			c.claimedOfEach(webhook.Claim{After: "w1", Limit: 4, Each: 2}, map[string]int{"w2": 2, "w3": 2})
			c.claimedOfEach(webhook.Claim{After: "w1", Limit: 5, Each: 2}, map[string]int{"w2": 2, "w3": 2, "w4": 1})
		}},

	{"claim_turns_wrap_around",
		"After the last webhook the turns go on from the start, up to After itself.",
		func(c *checker) {
			c.enqueueForEach(4, 9)
			c.claimedOfEach(webhook.Claim{After: "w3", Limit: 1, Each: 1}, map[string]int{"w0": 1})
			c.claimedOfEach(webhook.Claim{After: "z", Limit: 2, Each: 1}, map[string]int{"w0": 1, "w1": 1})
			c.claimedOfEach(webhook.Claim{After: "w1", Limit: 3, Each: 1}, map[string]int{"w2": 1, "w3": 1, "w0": 1})
			c.claimedOfEach(webhook.Claim{After: "w1", Limit: 4, Each: 1}, map[string]int{"w2": 1, "w3": 1, "w0": 1, "w1": 1})
		}},

	{"claim_gives_one_turn_a_call",
		"Each webhook gets one turn a call, of as many as it has room for.",
		func(c *checker) {
			c.enqueueForEach(3, 9)
			c.claimedOfEach(webhook.Claim{After: "w0", Limit: 100, Each: 2}, map[string]int{"w0": 2, "w1": 2, "w2": 2})
			c.claimedOfEach(webhook.Claim{After: "w0", Limit: 5, Each: 4}, map[string]int{"w1": 4, "w2": 1})
		}},

	{"claim_turns_are_in_order_of_bytes",
		"The order of the turns is that of the bytes of the webhooks' IDs.",
		func(c *checker) {
			order := []string{"10", "9", "A", "B", "a", "aB", "ab", "b", "é", "☃", "\uffee", "😀"}
			for _, i := range []int{3, 7, 0, 11, 2, 9, 5, 1, 8, 4, 10, 6} {
				c.enqueue(pending("of "+order[i], order[i], t0))
			}
			after := ""
			for _, id := range order {
				c.claimOne(webhook.Claim{Now: t0, Until: at(60), After: after, Limit: 1, Each: 1}, "of "+id)
				after = id
			}
		}},

	{"claim_turns_reach_everyone",
		"With After the webhook that had the last turn, webhooks of large backlogs and small ones take turns.",
		func(c *checker) {
			c.enqueueForEach(7, 8)
			turns := map[string]int{}
			after, total := "", 0
			for range 7 {
				for _, d := range c.claim(webhook.Claim{Now: t0, Until: at(60), After: after, Limit: 3, Each: 1}) {
					turns[d.WebhookID]++
					total++
				}
				after = fmt.Sprintf("w%d", (total-1)%7)
			}
			for i := range 7 {
				if id := fmt.Sprintf("w%d", i); turns[id] != 3 {
					c.broken("after 7 claims of 3 among 7 webhooks, %s had %d turns, want 3", id, turns[id])
				}
			}
		}},

	{"claim_takes_thousands",
		"A claim may be of thousands: 5,000 deliveries, with room for 5,000 webhooks.",
		func(c *checker) {
			var ds []webhook.Delivery
			claim := everything(t0)
			claim.Each, claim.Room = 0, map[string]int{}
			for i, id := range names("d", 5000) {
				w := fmt.Sprint("w", i)
				ds = append(ds, pending(id, w, t0), pending("full "+id, "full "+w, t0))
				claim.Room[w] = 1
			}
			c.enqueue(ds...)
			c.set("claimed", ids(c.claim(claim)), names("d", 5000))
		}},

	{"claim_gets_past_a_backlog",
		"The cost of a claim does not grow with what it leaves: many full webhooks with large backlogs, and one that has room.",
		func(c *checker) {
			room := map[string]int{}
			var ds []webhook.Delivery
			for i, id := range names("d", 10_000) {
				w := fmt.Sprintf("full%d", i%200)
				room[w] = 0
				ds = append(ds, pending(id, w, at(-i)))
			}
			c.enqueue(ds...)
			c.enqueue(pending("waits", "room", t0))
			claim := webhook.Claim{Now: t0, Until: at(60), Limit: 100, Each: 10, Room: room}
			for range 50 {
				c.claimOne(claim, "waits")
				claim.Now, claim.Until = claim.Until, claim.Until.Add(time.Minute)
			}
		}},

	{"claim_gets_past_long_lines",
		"How Claim's cost grows must not depend on how many deliveries stand behind the first ones: many, and longer due than what may be claimed.",
		func(c *checker) {
			var ds []webhook.Delivery
			for i, id := range names("d", 10_000) {
				ds = append(ds, keyed(id, "1", fmt.Sprint("k", i%20), at(-i-1)))
			}
			c.enqueue(ds...)
			c.enqueue(pending("waits", "1", t0), keyed("in a line", "1", "k", t0))
			claim := webhook.Claim{Now: t0, Until: never, Limit: 100, Each: 20}
			c.set("the first of each line", ids(c.claim(claim)), names("d", 20))
			claim.Until = at(60)
			for range 50 {
				c.set("what stands in no long line", ids(c.claim(claim)), []string{"waits", "in a line"})
				claim.Now, claim.Until = claim.Until, claim.Until.Add(time.Minute)
			}
		}},
}

// enqueueForEach enqueues so many deliveries for each of so many webhooks, w0 and on.
func (c *checker) enqueueForEach(webhooks, each int) {
	c.t.Helper()
	var ds []webhook.Delivery
	for i := range webhooks * each {
		ds = append(ds, pending(fmt.Sprintf("d%d", i), fmt.Sprintf("w%d", i%webhooks), at(-i)))
	}
	c.enqueue(ds...)
}

// claimedOfEach claims what is due now, and ends the case unless so many come
// of each webhook.
func (c *checker) claimedOfEach(claim webhook.Claim, want map[string]int) {
	c.t.Helper()
	claim.Now, claim.Until = t0, at(60)
	got := map[string]int{}
	for _, d := range c.claim(claim) {
		got[d.WebhookID]++
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		c.broken("Claim by %s: got %v, want %v by webhook", described(claim), got, want)
	}
}
