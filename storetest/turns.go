package storetest

import (
	"fmt"
	"slices"

	"github.com/listhook/webhook"
)

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

	{"claim_turns_go_by_the_whole_id",
		"Turns begin after the very webhook that After names, and end with it: IDs are compared byte for byte, at any length.",
		func(c *checker) {
			order := c.alike()
			slices.Sort(order)
			for _, id := range order {
				c.enqueue(pending(id, id, t0))
			}
			for i, id := range order {
				claim := webhook.Claim{Now: t0, Until: t0, After: id, Limit: 2, Each: 1} // the leases end at once
				turns := slices.Concat(order[i+1:], order[:i+1])
				c.set(fmt.Sprintf("the two turns after %q", id), ids(c.claim(claim)), turns[:2])
				claim.Limit = len(order)
				c.set(fmt.Sprintf("all turns after %q", id), ids(c.claim(claim)), turns)

				claim.Room = map[string]int{}
				for j := i % 2; j < len(order); j += 2 {
					claim.Room[order[j]] = 0
				}
				full := func(id string) bool { _, ok := claim.Room[id]; return ok }
				c.set(fmt.Sprintf("turns after %q, past every other one", id), ids(c.claim(claim)), slices.DeleteFunc(turns, full))
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

// claimedOfEach makes a claim, and ends the case unless it returns as many deliveries of
// each webhook as want says.
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
