package storetest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/listhook/webhook"
)

func utf16Of(text string) []uint16 { return utf16.Encode([]rune(text)) }

var enqueueFaults = []fault{
	{name: "drops the carrier", fails: "enqueue_stores_the_whole_delivery",
		inject: keep(func(d *webhook.Delivery) { d.Carrier = nil })},
	{name: "drops the log of what is enqueued", fails: "enqueue_stores_the_whole_delivery",
		inject: keep(func(d *webhook.Delivery) { d.Log = nil })},
	{name: "drops the attempts of what is enqueued", fails: "enqueue_stores_the_whole_delivery",
		inject: keep(func(d *webhook.Delivery) { d.Attempts = 0 })},
	{name: "enqueues as pending whatever the state", fails: "enqueue_adds_finished_ones_too",
		inject: keep(func(d *webhook.Delivery) { d.State = webhook.StatePending })},
	{name: "does not add what is finished", fails: "enqueue_adds_finished_ones_too",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				return p.plainEnqueue(ctx, only(slices.Clone(ds), func(d webhook.Delivery) bool { return d.State == webhook.StatePending }))
			}
		}},
	{name: "overwrites what was stored", fails: "enqueue_leaves_stored_ones_alone",
		inject: func(p *plain) {
			p.keep = func(d webhook.Delivery) webhook.Delivery { p.m.deliveries[d.ID] = d; return d }
		}},
	{name: "does not say what was stored", fails: "enqueue_leaves_stored_ones_alone",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				_, err := p.plainEnqueue(ctx, ds)
				return nil, err
			}
		}},
	{name: "says of all that they were stored if one was", fails: "enqueue_leaves_stored_ones_alone",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				had, err := p.plainEnqueue(ctx, ds)
				if len(had) > 0 {
					had = ids(ds)
				}
				return had, err
			}
		}},
	{name: "returns what it added", fails: "enqueue_leaves_stored_ones_alone",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				had, err := p.plainEnqueue(ctx, ds)
				return only(ids(ds), func(id string) bool { return !slices.Contains(had, id) }), err
			}
		}},
	{name: "adds nothing if one was stored", fails: "enqueue_leaves_stored_ones_alone",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				for _, d := range ds {
					if _, ok := p.m.deliveries[d.ID]; ok {
						return []string{d.ID}, nil
					}
				}
				return p.plainEnqueue(ctx, ds)
			}
		}},
	{name: "has an error for what was stored", fails: "enqueue_leaves_stored_ones_alone",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				had, err := p.plainEnqueue(ctx, ds)
				if len(had) > 0 {
					err = webhook.ErrConflict
				}
				return had, err
			}
		}},
	{name: "takes the second of two with one ID", fails: "enqueue_takes_an_id_once_in_a_call",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				ds = slices.Clone(ds)
				slices.Reverse(ds)
				return p.plainEnqueue(ctx, ds)
			}
		}},
	{name: "says of the second of two that it was stored", fails: "enqueue_takes_an_id_once_in_a_call",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) (had []string, err error) {
				for _, d := range ds {
					one, err := p.plainEnqueue(ctx, []webhook.Delivery{d})
					if err != nil {
						return nil, err
					}
					had = append(had, one...)
				}
				return had, nil
			}
		}},
	{name: "enqueues with Lease 0", fails: "enqueue_keeps_the_lease_of_the_pre_leased",
		inject: keep(func(d *webhook.Delivery) { d.Lease = 0 })},
	{name: "enqueues as due at once", fails: "enqueue_keeps_the_lease_of_the_pre_leased",
		inject: keep(func(d *webhook.Delivery) { d.Due = d.Created })},
	{name: "adds what it can until the context ends", fails: "enqueue_of_an_event_is_all_or_none_when_canceled",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) (had []string, err error) {
				for _, d := range ds {
					one, err := p.plainEnqueue(ctx, []webhook.Delivery{d})
					if err != nil {
						return nil, err
					}
					had = append(had, one...)
				}
				return had, nil
			}
		}},
	{name: "adds what comes before one that it refuses", fails: "enqueue_of_an_event_is_all_or_none_when_refused",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				for i, d := range ds {
					if len(d.ID) > 255 || strings.Contains(d.ID, "\x00") {
						p.plainEnqueue(ctx, ds[:i])
						return nil, errNone
					}
				}
				return p.plainEnqueue(ctx, ds)
			}
		}},
	{name: "leaves out what it refuses", fails: "enqueue_of_an_event_is_all_or_none_when_refused",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				return p.plainEnqueue(ctx, only(slices.Clone(ds), func(d webhook.Delivery) bool { return len(d.ID) <= 255 }))
			}
		}},
	{name: "shows an event while it is added", fails: "concurrent_readers_see_no_part_of_an_event",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) (had []string, err error) {
				for i, d := range ds {
					one, err := p.plainEnqueue(context.WithoutCancel(ctx), []webhook.Delivery{d})
					if err != nil {
						return nil, err
					}
					had = append(had, one...)
					if i == len(ds)/2 {
						pause()
					}
				}
				return had, nil
			}
		}},
	{name: "adds a thousand of a call", fails: "enqueue_takes_thousands",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				return p.plainEnqueue(ctx, ds[:min(1000, len(ds))])
			}
		}},
	{name: "refuses more than 16 MiB", fails: "enqueue_takes_large_bodies_together",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				size := 0
				for _, d := range ds {
					size += len(d.Body)
				}
				if size > 16<<20 {
					return nil, errors.New("packet too large")
				}
				return p.plainEnqueue(ctx, ds)
			}
		}},
	{name: "has an error for none to add", fails: "enqueue_may_add_none",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				if len(ds) == 0 {
					return nil, errNone
				}
				return p.plainEnqueue(ctx, ds)
			}
		}},
}

var claimFaults = []fault{
	{name: "claims what is not due yet", fails: "claim_leases_what_is_pending_and_due",
		inject: func(p *plain) {
			p.claimable = func(d webhook.Delivery, _ webhook.Claim) bool { return d.State == webhook.StatePending }
		}},
	{name: "claims by its own clock", fails: "claim_leases_what_is_pending_and_due",
		inject: claimOf(func(c *webhook.Claim) { c.Now = time.Now().UTC() })},
	{name: "claims what was due before only", fails: "claim_leases_what_is_pending_and_due",
		inject: func(p *plain) {
			plainly := p.claimable
			p.claimable = func(d webhook.Delivery, c webhook.Claim) bool { return plainly(d, c) && d.Due.Before(c.Now) }
		}},
	{name: "claims to the second", fails: "claim_leases_what_is_pending_and_due",
		inject: func(p *plain) {
			p.claimable = func(d webhook.Delivery, c webhook.Claim) bool {
				return d.State == webhook.StatePending && d.Due.Unix() <= c.Now.Unix() && !p.m.webhooks[d.WebhookID].HeldUntil.After(c.Now)
			}
		}},
	{name: "claims what has failed", fails: "claim_leases_what_is_pending_and_due",
		inject: func(p *plain) {
			p.claimable = func(d webhook.Delivery, c webhook.Claim) bool {
				return (d.State == webhook.StatePending || d.State == webhook.StateFailed) && !d.Due.After(c.Now) && !p.m.webhooks[d.WebhookID].HeldUntil.After(c.Now)
			}
		}},
	{name: "does not raise the lease", fails: "claim_raises_the_lease_and_moves_due",
		inject: func(p *plain) { p.lease = func(d *webhook.Delivery, c webhook.Claim) { d.Due = c.Until } }},
	{name: "raises the lease by two", fails: "claim_raises_the_lease_and_moves_due",
		inject: func(p *plain) {
			p.lease = func(d *webhook.Delivery, c webhook.Claim) { d.Due = c.Until; d.Lease += 2 }
		}},
	{name: "counts a claim as an attempt", fails: "claim_raises_the_lease_and_moves_due",
		inject: func(p *plain) {
			p.lease = func(d *webhook.Delivery, c webhook.Claim) { d.Due = c.Until; d.Lease++; d.Attempts++ }
		}},
	{name: "forgets the log by a claim", fails: "claim_raises_the_lease_and_moves_due",
		inject: func(p *plain) {
			p.lease = func(d *webhook.Delivery, c webhook.Claim) { d.Due = c.Until; d.Lease++; d.Log = nil }
		}},
	{name: "has a lease of its own length", fails: "claim_raises_the_lease_and_moves_due",
		inject: func(p *plain) {
			p.lease = func(d *webhook.Delivery, c webhook.Claim) { d.Due = c.Now.Add(30 * time.Second); d.Lease++ }
		}},
	{name: "returns the old lease", fails: "claim_returns_them_so_without_log",
		inject: func(p *plain) {
			p.leased = func(was, now webhook.Delivery) webhook.Delivery { now.Lease, now.Log = was.Lease, nil; return now }
		}},
	{name: "returns the old due", fails: "claim_returns_them_so_without_log",
		inject: func(p *plain) {
			p.leased = func(was, now webhook.Delivery) webhook.Delivery { now.Due, now.Log = was.Due, nil; return now }
		}},
	{name: "returns the log with a claim", fails: "claim_returns_them_so_without_log",
		inject: func(p *plain) {
			p.leased = func(_, now webhook.Delivery) webhook.Delivery { return now }
		}},
	{name: "returns no body with a claim", fails: "claim_returns_them_so_without_log",
		inject: func(p *plain) {
			p.leased = func(_, now webhook.Delivery) webhook.Delivery { now.Body, now.Log = nil, nil; return now }
		}},
	{name: "leases nothing", fails: "claim_leases_a_delivery_once",
		inject: func(p *plain) {
			p.lease = func(d *webhook.Delivery, _ webhook.Claim) { d.Lease++ }
			p.leased = func(_, now webhook.Delivery) webhook.Delivery { now.Due, now.Log = at(60), nil; return now }
		}},
	{name: "claims twice in a call", fails: "claim_takes_a_delivery_once_in_a_call",
		inject: func(p *plain) {
			p.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
				ds, err := p.plainClaim(ctx, c)
				if err != nil {
					return nil, err
				}
				more, err := p.plainClaim(ctx, c)
				return append(ds, more...), err
			}
		}},
	{name: "never claims again what it leased", fails: "claim_takes_again_what_expired",
		inject: claimable(func(d webhook.Delivery, _ *plain) bool { return d.Lease == 0 })},
	{name: "ignores holds", fails: "claim_heeds_hold",
		inject: func(p *plain) {
			p.claimable = func(d webhook.Delivery, c webhook.Claim) bool {
				return d.State == webhook.StatePending && !d.Due.After(c.Now)
			}
		}},
	{name: "holds until after HeldUntil", fails: "claim_heeds_hold",
		inject: func(p *plain) {
			plainly := p.claimable
			p.claimable = func(d webhook.Delivery, c webhook.Claim) bool {
				return plainly(d, c) && !p.m.webhooks[d.WebhookID].HeldUntil.Equal(c.Now)
			}
		}},
	{name: "holds for ever what has a HeldUntil", fails: "claim_heeds_hold",
		inject: claimable(func(d webhook.Delivery, p *plain) bool { return p.m.webhooks[d.WebhookID].HeldUntil.IsZero() })},
	{name: "heeds the HeldUntil of when a delivery was enqueued", fails: "claim_heeds_hold_as_it_is_now",
		inject: func(p *plain) {
			holds := map[string]time.Time{}
			p.keep = func(d webhook.Delivery) webhook.Delivery { holds[d.ID] = p.m.webhooks[d.WebhookID].HeldUntil; return d }
			p.claimable = func(d webhook.Delivery, c webhook.Claim) bool {
				return d.State == webhook.StatePending && !d.Due.After(c.Now) && !holds[d.ID].After(c.Now)
			}
		}},
	{name: "keeps the first HeldUntil put", fails: "claim_heeds_hold_as_it_is_now",
		inject: func(p *plain) {
			holds := map[string]time.Time{}
			p.keepHook = func(w webhook.Webhook) webhook.Webhook {
				if holds[w.ID].IsZero() {
					holds[w.ID] = w.HeldUntil
				}
				return w
			}
			p.claimable = func(d webhook.Delivery, c webhook.Claim) bool {
				return d.State == webhook.StatePending && !d.Due.After(c.Now) && !holds[d.WebhookID].After(c.Now)
			}
		}},
	{name: "claims nothing of unknown webhooks", fails: "claim_heeds_nothing_but_hold",
		inject: claimable(func(d webhook.Delivery, p *plain) bool { return p.m.webhooks[d.WebhookID].Version > 0 })},
	{name: "claims nothing of deleted webhooks", fails: "claim_heeds_nothing_but_hold",
		inject: claimable(func(d webhook.Delivery, p *plain) bool { return !p.m.webhooks[d.WebhookID].Deleted })},
	{name: "claims nothing of webhooks that are disabled", fails: "claim_heeds_nothing_but_hold",
		inject: claimable(func(d webhook.Delivery, p *plain) bool { return p.m.webhooks[d.WebhookID].Disabled == "" })},
	{name: "ignores the HeldUntil of deleted webhooks", fails: "claim_heeds_nothing_but_hold",
		inject: func(p *plain) {
			p.claimable = func(d webhook.Delivery, c webhook.Claim) bool {
				w := p.m.webhooks[d.WebhookID]
				return d.State == webhook.StatePending && !d.Due.After(c.Now) && (w.Deleted || !w.HeldUntil.After(c.Now))
			}
		}},
	{name: "claims nothing of the empty account", fails: "claim_is_for_every_account",
		inject: claimable(func(d webhook.Delivery, _ *plain) bool { return d.Account != "" })},
	{name: "remembers what time it is", fails: "claim_takes_now_from_its_caller",
		inject: func(p *plain) {
			var latest time.Time
			p.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
				if c.Now.After(latest) {
					latest = c.Now
				}
				c.Now = latest
				return p.plainClaim(ctx, c)
			}
		}},
	{name: "keeps what was ready once ready", fails: "claim_takes_now_from_its_caller",
		inject: func(p *plain) {
			ready := map[string]bool{}
			plainly := p.claimable
			p.claimable = func(d webhook.Delivery, c webhook.Claim) bool {
				ready[d.ID] = d.State == webhook.StatePending && (ready[d.ID] || plainly(d, c))
				return ready[d.ID]
			}
			p.lease = func(d *webhook.Delivery, c webhook.Claim) { d.Lease++; d.Due = c.Until; delete(ready, d.ID) }
		}},
	{name: "keeps times in 32 bits", fails: "claim_reaches_far_times",
		inject: func(p *plain) {
			p.lease = func(d *webhook.Delivery, c webhook.Claim) {
				d.Lease++
				d.Due = c.Until
				if end := time.Unix(1<<31-1, 0).UTC(); d.Due.After(end) {
					d.Due = end
				}
			}
		}},
}

var turnFaults = []fault{
	{name: "claims the newest due first", fails: "claim_takes_the_longest_due_first",
		inject: func(p *plain) { p.order = func(a, b webhook.Delivery) int { return b.Due.Compare(a.Due) } }},
	{name: "claims by ID", fails: "claim_takes_the_longest_due_first",
		inject: func(p *plain) { p.order = func(a, b webhook.Delivery) int { return strings.Compare(a.ID, b.ID) } }},
	{name: "claims by Created", fails: "claim_takes_the_longest_due_first",
		inject: func(p *plain) { p.order = byCreated }},
	{name: "ignores the limit of a claim", fails: "claim_limit_is_in_all",
		inject: claimOf(func(c *webhook.Claim) { c.Limit = 1000 })},
	{name: "takes Limit 0 for no limit", fails: "claim_limit_is_in_all",
		inject: claimOf(func(c *webhook.Claim) {
			if c.Limit == 0 {
				c.Limit = 1000
			}
		})},
	{name: "limits each webhook, not all", fails: "claim_limit_is_in_all",
		inject: func(p *plain) {
			p.room = func(id string, c webhook.Claim) int { return min(c.Each, c.Limit) }
			p.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
				limit := c.Limit
				c.Limit = 1000
				c.Each = min(c.Each, limit)
				return p.plainClaim(ctx, c)
			}
		}},
	{name: "ignores Each", fails: "claim_each_is_of_one_webhook",
		inject: claimOf(func(c *webhook.Claim) { c.Each = 1000 })},
	{name: "takes Each 0 for no limit", fails: "claim_each_is_of_one_webhook",
		inject: claimOf(func(c *webhook.Claim) {
			if c.Each == 0 {
				c.Each = 1000
			}
		})},
	{name: "ignores Room", fails: "claim_room_is_instead_of_each",
		inject: claimOf(func(c *webhook.Claim) { c.Room = nil })},
	{name: "takes Room 0 for Each", fails: "claim_room_is_instead_of_each",
		inject: func(p *plain) {
			p.room = func(id string, c webhook.Claim) int {
				if room := c.Room[id]; room > 0 {
					return room
				}
				return c.Each
			}
		}},
	{name: "takes the smaller of Room and Each", fails: "claim_room_is_instead_of_each",
		inject: func(p *plain) {
			p.room = func(id string, c webhook.Claim) int {
				if room, ok := c.Room[id]; ok {
					return min(room, c.Each)
				}
				return c.Each
			}
		}},
	{name: "claims of the webhooks in Room only", fails: "claim_room_is_instead_of_each",
		inject: func(p *plain) {
			p.room = func(id string, c webhook.Claim) int {
				if len(c.Room) > 0 {
					return c.Room[id]
				}
				return c.Each
			}
		}},
	{name: "looks at as many webhooks as the limit", fails: "claim_passes_full_webhooks",
		inject: func(p *plain) {
			limit := 0
			p.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
				limit = c.Limit
				return p.plainClaim(ctx, c)
			}
			p.turns = func(claimable map[string]int, after string) []string {
				order := turns(claimable, after)
				return order[:min(limit, len(order))]
			}
		}},
	{name: "stops at a full webhook", fails: "claim_passes_full_webhooks",
		inject: func(p *plain) {
			full := false
			p.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
				full = false
				return p.plainClaim(ctx, c)
			}
			plainly := p.room
			p.room = func(id string, c webhook.Claim) int {
				room := plainly(id, c)
				full = full || room == 0
				if full {
					return 0
				}
				return room
			}
		}},
	{name: "ignores After", fails: "claim_turns_reach_everyone",
		inject: claimOf(func(c *webhook.Claim) { c.After = "" })},
	{name: "begins with After itself", fails: "claim_turns_begin_after_the_last",
		inject: func(p *plain) {
			p.turns = func(claimable map[string]int, after string) []string {
				order := turns(claimable, after)
				if n := len(order); n > 0 && order[n-1] == after {
					order = append([]string{after}, order[:n-1]...)
				}
				return order
			}
		}},
	{name: "begins at the start when After is unknown", fails: "claim_turns_begin_after_the_last",
		inject: func(p *plain) {
			p.turns = func(claimable map[string]int, after string) []string {
				if claimable[after] == 0 {
					after = ""
				}
				return turns(claimable, after)
			}
		}},
	{name: "does not wrap around", fails: "claim_turns_wrap_around",
		inject: func(p *plain) {
			p.turns = func(claimable map[string]int, after string) []string {
				return only(turns(claimable, after), func(id string) bool { return id > after })
			}
		}},
	{name: "leaves out After when it wraps around", fails: "claim_turns_wrap_around",
		inject: func(p *plain) {
			p.turns = func(claimable map[string]int, after string) []string {
				return only(turns(claimable, after), func(id string) bool { return id != after })
			}
		}},
	{name: "wraps around only when it found nothing", fails: "claim_turns_wrap_around",
		inject: func(p *plain) {
			p.turns = func(claimable map[string]int, after string) []string {
				order := turns(claimable, after)
				if later := only(slices.Clone(order), func(id string) bool { return id > after }); len(later) > 0 {
					return later
				}
				return order
			}
		}},
	{name: "gives a second turn while there is room", fails: "claim_gives_one_turn_a_call",
		inject: func(p *plain) {
			p.turns = func(claimable map[string]int, after string) []string {
				order := turns(claimable, after)
				return append(order, order...)
			}
		}},
	{name: "gives turns of one", fails: "claim_gives_one_turn_a_call",
		inject: func(p *plain) {
			p.claim = func(ctx context.Context, c webhook.Claim) (claimed []webhook.Delivery, err error) {
				taken := map[string]int{}
				limit, rooms := c.Limit, p.room
				for i := 0; i < 10 && len(claimed) < limit; i++ {
					one := c
					one.Limit, one.Each, one.Room = limit-len(claimed), 1, map[string]int{}
					for _, d := range p.m.deliveries {
						if taken[d.WebhookID] >= rooms(d.WebhookID, c) {
							one.Room[d.WebhookID] = 0
						}
					}
					ds, err := p.plainClaim(ctx, one)
					if err != nil {
						return nil, err
					}
					for _, d := range ds {
						taken[d.WebhookID]++
					}
					claimed = append(claimed, ds...)
				}
				return claimed, nil
			}
		}},
	{name: "takes turns by the alphabet", fails: "claim_turns_are_in_order_of_bytes",
		inject: func(p *plain) {
			p.turns = func(claimable map[string]int, after string) []string {
				order := slices.Collect(maps.Keys(claimable))
				slices.SortFunc(order, func(a, b string) int { return strings.Compare(fold(a)+a, fold(b)+b) })
				i, _ := slices.BinarySearchFunc(order, after, func(id, after string) int {
					return strings.Compare(fold(id)+id, fold(after)+after+"\x00")
				})
				return append(slices.Clone(order[i:]), order[:i]...)
			}
		}},
	{name: "claims a thousand at most", fails: "claim_takes_thousands",
		inject: claimOf(func(c *webhook.Claim) { c.Limit = min(c.Limit, 1000) })},
	{name: "looks at a thousand rooms", fails: "claim_takes_thousands",
		inject: claimOf(func(c *webhook.Claim) {
			room := map[string]int{}
			for id, n := range c.Room {
				if len(room) < 1000 {
					room[id] = n
				}
			}
			c.Room = room
		})},
	{name: "looks at the thousand longest due", fails: "claim_gets_past_a_backlog", inject: thousandDue},
	{name: "looks at the thousand longest due of lines too", fails: "claim_gets_past_long_lines", inject: thousandDue},
}

// thousandDue has a store claim of the thousand longest due only.
func thousandDue(p *plain) {
	p.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
		due, err := p.plainDeliveries(ctx, webhook.DeliveryQuery{All: true, States: states[:1], DueBy: c.Now})
		if err != nil {
			return nil, err
		}
		slices.SortFunc(due, func(a, b webhook.Delivery) int { return a.Due.Compare(b.Due) })
		seen := map[string]bool{}
		for _, d := range due[:min(1000, len(due))] {
			seen[d.ID] = true
		}
		plainly := p.claimable
		defer func() { p.claimable = plainly }()
		p.claimable = func(d webhook.Delivery, c webhook.Claim) bool { return seen[d.ID] && plainly(d, c) }
		return p.plainClaim(ctx, c)
	}
}
