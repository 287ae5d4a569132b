package storetest

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/listhook/webhook"
)

var lineFaults = []fault{
	{name: "knows no lines", fails: "line_gives_its_first_only",
		inject: inLine(func(*plain, webhook.Delivery, webhook.Claim) bool { return true })},
	{name: "gives the longest due of a line", fails: "line_gives_its_first_only",
		inject: inLine(func(p *plain, d webhook.Delivery, _ webhook.Claim) bool {
			return !slices.ContainsFunc(p.others(d), func(o webhook.Delivery) bool { return o.Due.Before(d.Due) })
		})},
	{name: "has nobody wait for a leased one", fails: "line_waits_for_a_leased_one", inject: behind(func(first webhook.Delivery, c webhook.Claim) bool {
		return first.Lease == 0 || !first.Due.After(c.Now)
	})},
	{name: "has nobody wait for one that is leased by Enqueue", fails: "line_waits_for_a_leased_one", inject: keep(func(d *webhook.Delivery) {
		if d.Lease > 0 {
			d.Key = ""
		}
	})},
	{name: "has nobody wait for a retry", fails: "line_waits_for_a_retry", inject: behind(func(first webhook.Delivery, c webhook.Claim) bool {
		return first.Attempts == 0 || !first.Due.After(c.Now)
	})},
	{name: "takes the next when a lease expires", fails: "line_keeps_its_first_when_a_lease_expires", inject: func(p *plain) {
		p.lease = func(d *webhook.Delivery, c webhook.Claim) {
			if d.Lease > 0 {
				p.m.leave(*d)
				p.m.join(d)
			}
			d.Lease++
			d.Due = c.Until
		}
	}},
	{name: "forgets lines while a webhook is held", fails: "line_waits_with_its_held_webhook", inject: func(p *plain) {
		held, plainly := map[string]bool{}, p.claimable
		p.claimable = func(d webhook.Delivery, c webhook.Claim) bool {
			if p.m.webhooks[d.WebhookID].HeldUntil.After(c.Now) {
				held[d.WebhookID] = true
				return false
			}
			return plainly(d, c) || held[d.WebhookID] && d.State == webhook.StatePending && !d.Due.After(c.Now)
		}
	}},
	{name: "goes on when one is delivered only", fails: "line_goes_on_when_its_first_ends", inject: func(p *plain) {
		p.m.stands = func(d webhook.Delivery) bool { return d.Key != "" && d.State != webhook.StateDelivered }
	}},
	{name: "goes on when a claimed one ends only", fails: "line_goes_on_when_its_first_ends", inject: staysInLine(func(was webhook.Delivery, _ webhook.Change) bool {
		return was.Lease == 0
	})},
	{name: "keeps those that it erases in line", fails: "line_goes_on_when_its_first_is_erased", inject: staysInLine(func(_ webhook.Delivery, c webhook.Change) bool {
		return c.Erase
	})},
	{name: "does not erase the Key", fails: "apply_erases", inject: afterChange(func(was webhook.Delivery, d *webhook.Delivery, _ webhook.Change) { d.Key = was.Key })},
	{name: "does not erase Subjects", fails: "apply_erases",
		inject: afterChange(func(was webhook.Delivery, d *webhook.Delivery, _ webhook.Change) { d.Subjects = was.Subjects })},
	{name: "goes on when any of a line ends", fails: "line_closes_up_when_others_leave", inject: func(p *plain) {
		p.move = func(was webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
			if stands(was) && !stands(*d) {
				was = p.m.deliveries[p.m.lines[keyOf(was)][0]]
				p.m.leave(was)
				was.State = webhook.StateFailed
			}
			p.m.move(was, d, c)
		}
	}},
	{name: "passes over a first one that is not due", fails: "line_goes_by_place_not_by_due", inject: behind(func(first webhook.Delivery, c webhook.Claim) bool {
		return first.Lease > 0 || !first.Due.After(c.Now)
	})},
	{name: "gives one that joins again its old place", fails: "line_takes_again_at_its_end", inject: func(p *plain) {
		p.move = func(was webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
			p.m.move(was, d, c)
			if line := p.m.lines[keyOf(*d)]; !stands(was) && stands(*d) {
				slices.SortFunc(line, func(a, b string) int {
					return int(p.m.deliveries[a].Sequence - p.m.deliveries[b].Sequence)
				})
			}
		}
	}},
	{name: "orders a call by ID", fails: "line_of_a_call_is_in_its_order", inject: func(p *plain) {
		p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
			ds = slices.Clone(ds)
			slices.SortStableFunc(ds, func(a, b webhook.Delivery) int { return strings.Compare(a.ID, b.ID) })
			return p.plainEnqueue(ctx, ds)
		}
	}},
	{name: "orders lines by Created", fails: "line_of_later_calls_stands_behind", inject: sortLines(byCreated)},
	{name: "orders lines by ID", fails: "line_of_later_calls_stands_behind",
		inject: sortLines(func(a, b webhook.Delivery) int { return strings.Compare(a.ID, b.ID) })},
	{name: "has an ID that is stored join again", fails: "line_takes_an_id_once", inject: rejoin(func(p *plain, d webhook.Delivery) {
		p.m.lines[keyOf(d)] = append(p.m.lines[keyOf(d)], "the second place of "+d.ID)
	})},
	{name: "moves an ID that is stored to the end", fails: "line_takes_an_id_once", inject: rejoin(func(p *plain, d webhook.Delivery) {
		p.m.leave(d)
		p.m.join(&d)
	})},
	{name: "has one line for a Key", fails: "line_is_of_one_webhook",
		inject: func(p *plain) { p.m.keyOf = func(d webhook.Delivery) lineKey { return lineKey{"", d.Key} } }},
	{name: "has one line for a Key in an account", fails: "line_is_of_one_webhook",
		inject: func(p *plain) { p.m.keyOf = func(d webhook.Delivery) lineKey { return lineKey{d.Account, d.Key} } }},
	{name: "takes Keys for the same by case", fails: "line_keys_are_compared_byte_for_byte",
		inject: func(p *plain) {
			p.m.keyOf = func(d webhook.Delivery) lineKey { return lineKey{d.WebhookID, fold(d.Key)} }
		}},
	{name: "cuts Keys to 191 bytes", fails: "line_keys_are_compared_byte_for_byte",
		inject: func(p *plain) {
			p.m.keyOf = func(d webhook.Delivery) lineKey { return lineKey{d.WebhookID, cut(d.Key, 191)} }
		}},
	{name: "finds Keys whatever their trailing space", fails: "line_keys_are_compared_byte_for_byte",
		inject: fromDeliveries(func(q *webhook.DeliveryQuery) { q.Key = "" }, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			return only(ds, func(d webhook.Delivery) bool {
				return q.Key == "" || strings.TrimRight(d.Key, " ") == strings.TrimRight(q.Key, " ")
			})
		})},
	{name: "takes no Key for a Key", fails: "line_of_no_key",
		inject: func(p *plain) { p.m.stands = func(d webhook.Delivery) bool { return d.State == webhook.StatePending } }},
	{name: "puts finished ones in line", fails: "line_has_no_finished_ones",
		inject: func(p *plain) { p.m.stands = func(d webhook.Delivery) bool { return d.Key != "" } }},
	{name: "numbers finished ones", fails: "line_has_no_finished_ones", inject: afterEnqueue(func(p *plain, d *webhook.Delivery) {
		if d.Sequence == 0 && d.Key != "" {
			p.m.sequences.join(d)
		}
	})},
	{name: "claims those of lines first", fails: "line_takes_part_in_turns", inject: func(p *plain) {
		p.order = func(a, b webhook.Delivery) int {
			if (a.Key == "") != (b.Key == "") {
				return strings.Compare(b.Key, a.Key)
			}
			return a.Due.Compare(b.Due)
		}
	}},
	{name: "sets Joined by every change", fails: "joined_is_what_callers_say",
		inject: afterChange(func(_ webhook.Delivery, d *webhook.Delivery, c webhook.Change) { d.Joined = c.Joined })},
	{name: "sets Joined by a change that leaves the line", fails: "joined_is_what_callers_say",
		inject: afterChange(func(was webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
			if c.LeaveLine && was.State != webhook.StatePending && c.State == webhook.StatePending {
				d.Joined = c.Joined
			}
		})},
	{name: "sets Joined of one without a Key", fails: "joined_is_what_callers_say",
		inject: afterChange(func(was webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
			if was.Key == "" && was.State != webhook.StatePending && c.State == webhook.StatePending {
				d.Joined = c.Joined
			}
		})},
	{name: "keeps Joined for good", fails: "joined_is_what_callers_say", inject: func(p *plain) {
		p.move = func(was webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
			c.Joined = was.Joined
			p.m.move(was, d, c)
		}
	}},
	{name: "notes itself when one joined", fails: "joined_is_what_callers_say",
		inject: keep(func(d *webhook.Delivery) { d.Joined = time.Now().UTC() })},
}

// others returns the other deliveries in the line of d.
func (p *plain) others(d webhook.Delivery) (ds []webhook.Delivery) {
	for _, id := range p.m.lines[keyOf(d)] {
		if id != d.ID && d.Key != "" {
			ds = append(ds, p.m.deliveries[id])
		}
	}
	return ds
}

// inLine has Claim take deliveries that may be claimed but for their line, if may says so.
func inLine(may func(p *plain, d webhook.Delivery, c webhook.Claim) bool) func(*plain) {
	return func(p *plain) {
		p.claimable = func(d webhook.Delivery, c webhook.Claim) bool {
			unlined := d
			unlined.Key = ""
			return p.m.claimable(unlined, c) && may(p, d, c)
		}
	}
}

// behind has Claim take the first delivery of a line for which those behind it wait, if
// they do.
func behind(waitFor func(first webhook.Delivery, c webhook.Claim) bool) func(*plain) {
	return inLine(func(p *plain, d webhook.Delivery, c webhook.Claim) bool {
		for _, id := range p.m.lines[keyOf(d)] {
			if id == d.ID || d.Key == "" {
				return true
			}
			if waitFor(p.m.deliveries[id], c) {
				return false
			}
		}
		return true
	})
}

// staysInLine keeps the place of a delivery after some changes, whatever they are.
func staysInLine(stays func(was webhook.Delivery, c webhook.Change) bool) func(*plain) {
	return func(p *plain) {
		p.move = func(was webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
			if stays(was, c) {
				p.m.deliveries[d.ID] = *d
				return
			}
			p.m.move(was, d, c)
		}
	}
}

// sortLines sorts lines after each Enqueue.
func sortLines(order func(a, b webhook.Delivery) int) func(*plain) {
	return func(p *plain) {
		p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
			had, err := p.plainEnqueue(ctx, ds)
			p.mu.Lock()
			defer p.mu.Unlock()
			for _, line := range p.m.lines {
				slices.SortFunc(line, func(a, b string) int { return order(p.m.deliveries[a], p.m.deliveries[b]) })
			}
			return had, err
		}
	}
}

// rejoin does something with what Enqueue found stored and pending.
func rejoin(do func(p *plain, d webhook.Delivery)) func(*plain) {
	return func(p *plain) {
		p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
			had, err := p.plainEnqueue(ctx, ds)
			for _, id := range had {
				if d := p.m.deliveries[id]; stands(d) {
					do(p, d)
				}
			}
			return had, err
		}
	}
}

// afterEnqueue alters what Enqueue stored, or found stored.
func afterEnqueue(alter func(p *plain, d *webhook.Delivery)) func(*plain) {
	return func(p *plain) {
		p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
			had, err := p.plainEnqueue(ctx, ds)
			for _, d := range ds {
				stored, ok := p.m.deliveries[d.ID]
				if ok {
					alter(p, &stored)
					p.m.deliveries[d.ID] = stored
				}
			}
			return had, err
		}
	}
}

var sequenceFaults = []fault{
	{name: "returns no Sequence with a claim", fails: "sequence_ascends_in_a_line", inject: func(p *plain) {
		p.leased = func(_, now webhook.Delivery) webhook.Delivery { now.Sequence, now.Log = 0, nil; return now }
	}},
	{name: "shows no Sequence", fails: "sequence_ascends_in_a_line",
		inject: fromDeliveries(func(*webhook.DeliveryQuery) {}, func(_ webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			for i := range ds {
				ds[i].Sequence = 0
			}
			return ds
		})},
	{name: "numbers from 0", fails: "sequence_ascends_in_a_line", inject: func(p *plain) {
		last := int64(-1)
		p.m.sequences.next = func(lineKey) int64 { last++; return last }
	}},
	{name: "numbers downwards", fails: "sequence_ascends_in_a_line", inject: func(p *plain) {
		last := int64(1_000_000)
		p.m.sequences.next = func(lineKey) int64 { last--; return last }
	}},
	{name: "takes the caller's Sequence", fails: "sequence_is_the_stores", inject: func(p *plain) {
		p.events = func(ctx context.Context, events []webhook.OutboxEvent) ([]string, error) {
			had, err := p.flatEnqueue(ctx, events)
			for _, e := range events {
				for _, given := range e.Deliveries {
					d := p.m.deliveries[given.ID]
					if given.Sequence > 0 {
						d.Sequence = given.Sequence
					}
					p.m.deliveries[d.ID] = d
				}
			}
			return had, err
		}
	}},
	{name: "numbers those without a Key", fails: "sequence_is_the_stores", inject: afterEnqueue(func(p *plain, d *webhook.Delivery) {
		if d.Key == "" {
			d.Sequence = 1
		}
	})},
	{name: "numbers by the place in line", fails: "sequence_goes_on_in_an_empty_line", inject: func(p *plain) {
		p.m.sequences.next = func(key lineKey) int64 { return int64(len(p.m.lines[key])) }
	}},
	{name: "numbers on from what is stored", fails: "sequence_goes_on_in_an_empty_line", inject: func(p *plain) {
		p.m.sequences.next = func(key lineKey) (last int64) {
			for _, d := range p.m.deliveries {
				last = max(last, d.Sequence)
			}
			return last + 1
		}
	}},
	{name: "numbers anew when one joins again", fails: "sequence_is_given_once", inject: func(p *plain) {
		p.move = func(was webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
			if !stands(was) && stands(*d) {
				d.Sequence = p.m.sequences.next(keyOf(*d))
			}
			p.m.move(was, d, c)
		}
	}},
	{name: "numbers every claim", fails: "sequence_is_given_once", inject: func(p *plain) {
		p.lease = func(d *webhook.Delivery, c webhook.Claim) {
			d.Sequence = p.m.sequences.next(keyOf(*d))
			d.Lease++
			d.Due = c.Until
		}
	}},
	{name: "numbers when it claims", fails: "sequence_of_one_that_was_never_claimed", inject: func(p *plain) {
		next := p.m.sequences.next
		p.m.sequences.next = func(lineKey) int64 { return 0 }
		p.lease = func(d *webhook.Delivery, c webhook.Claim) {
			if d.Sequence == 0 && d.Key != "" {
				d.Sequence = next(keyOf(*d))
			}
			d.Lease++
			d.Due = c.Until
		}
	}},
	{name: "forgets the Sequence of one that leaves its line", fails: "sequence_of_one_that_left_its_line", inject: afterChange(func(_ webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
		if c.LeaveLine {
			d.Sequence = 0
		}
	})},
}
