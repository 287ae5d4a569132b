package storetest

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/listhook/webhook"
)

var turnFaults = []fault{
	{name: "claims the newest due first", fails: "claim_takes_the_longest_due_first",
		inject: func(p *plain) { p.order = func(a, b webhook.Delivery) int { return b.Due.Compare(a.Due) } }},
	{name: "claims the newest due first of more than 10,000", fails: "claim_takes_the_longest_due_of_thousands",
		inject: func(p *plain) {
			p.order = func(a, b webhook.Delivery) int {
				if len(p.m.deliveries) > 10_000 {
					return b.Due.Compare(a.Due)
				}
				return a.Due.Compare(b.Due)
			}
		}},
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
	{name: "begins after 64 bytes of After", fails: "claim_turns_go_by_the_whole_id",
		inject: claimOf(func(c *webhook.Claim) { c.After = c.After[:min(64, len(c.After))] })},
	{name: "ends with those like After", fails: "claim_turns_go_by_the_whole_id",
		inject: func(p *plain) {
			plainly := p.turns
			p.turns = func(claimable map[string]int, after string) []string {
				return slices.DeleteFunc(plainly(claimable, after), func(id string) bool { return id <= after && id > strings.TrimSpace(after) })
			}
		}},
	{name: "takes full ones for the same by 64 bytes", fails: "claim_turns_go_by_the_whole_id",
		inject: func(p *plain) {
			p.room = func(id string, c webhook.Claim) int {
				for full := range c.Room {
					if cut(full, 64) == cut(id, 64) {
						return 0
					}
				}
				return c.Each
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
