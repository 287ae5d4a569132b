package storetest

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/listhook/webhook"
)

var eventFaults = []fault{
	{name: "takes an event's first body for all", fails: "enqueue_takes_bodies_by_index", inject: func(p *plain) {
		p.events = func(ctx context.Context, events []webhook.OutboxEvent) ([]string, error) {
			events = clone(events)
			for _, e := range events {
				for i := range e.Deliveries {
					e.Deliveries[i].BodyIndex = 0
				}
			}
			return p.flatEnqueue(ctx, events)
		}
	}},
	{name: "takes bodies in the order of the deliveries", fails: "enqueue_takes_bodies_by_index", inject: func(p *plain) {
		p.events = func(ctx context.Context, events []webhook.OutboxEvent) ([]string, error) {
			events = clone(events)
			for _, e := range events {
				for i := range e.Deliveries {
					e.Deliveries[i].BodyIndex = i % len(e.Bodies)
				}
			}
			return p.flatEnqueue(ctx, events)
		}
	}},
	{name: "takes a call's first bodies for those of every event", fails: "enqueue_takes_bodies_by_index", inject: func(p *plain) {
		p.events = func(ctx context.Context, events []webhook.OutboxEvent) ([]string, error) {
			events = clone(events)
			for i := range events {
				copy(events[i].Bodies, events[0].Bodies)
			}
			return p.flatEnqueue(ctx, events)
		}
	}},
	{name: "adds nothing of an event with an ID that another has", fails: "enqueue_takes_an_id_once_in_several_events", inject: func(p *plain) {
		p.events = func(ctx context.Context, events []webhook.OutboxEvent) (had []string, err error) {
			seen := map[string]bool{}
			for _, e := range events {
				again := false
				for _, d := range e.Deliveries {
					again = again || seen[d.ID]
					seen[d.ID] = true
				}
				if !again {
					one, err := p.flatEnqueue(ctx, []webhook.OutboxEvent{e})
					if err != nil {
						return nil, err
					}
					had = append(had, one...)
				}
			}
			return had, nil
		}
	}},
	{name: "takes the body of the last event with an ID", fails: "enqueue_takes_an_id_once_in_several_events", inject: func(p *plain) {
		p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
			bodies := map[string][]byte{}
			for _, d := range ds {
				bodies[d.ID] = d.Body
			}
			ds = slices.Clone(ds)
			for i := range ds {
				ds[i].Body = bodies[ds[i].ID]
			}
			return p.plainEnqueue(ctx, ds)
		}
	}},
	{name: "refuses an event without deliveries", fails: "enqueue_takes_events_without_deliveries", inject: func(p *plain) {
		p.events = func(ctx context.Context, events []webhook.OutboxEvent) ([]string, error) {
			if slices.ContainsFunc(events, func(e webhook.OutboxEvent) bool { return len(e.Deliveries) == 0 }) {
				return nil, errNone
			}
			return p.flatEnqueue(ctx, events)
		}
	}},
	{name: "adds of an event what comes before a Key that it refuses", fails: "enqueue_of_several_events_is_whole_or_in_whole_events", inject: func(p *plain) {
		p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
			if i := slices.IndexFunc(ds, func(d webhook.Delivery) bool { return strings.Contains(d.Key, "\x00") }); i >= 0 {
				_, _ = p.plainEnqueue(ctx, ds[:i])
				return nil, errNone
			}
			return p.plainEnqueue(ctx, ds)
		}
	}},
}

var fieldFaults = []fault{
	{name: "takes the caller's Failure", fails: "failure_is_of_the_last_attempt", inject: func(p *plain) {
		p.events = func(ctx context.Context, events []webhook.OutboxEvent) ([]string, error) {
			had, err := p.flatEnqueue(ctx, events)
			for _, e := range events {
				for _, given := range e.Deliveries {
					d := p.m.deliveries[given.ID]
					d.Failure = given.Failure
					p.m.deliveries[given.ID] = d
				}
			}
			return had, err
		}
	}},
	{name: "looks at the first attempt of Enqueue's Log", fails: "failure_is_of_the_last_attempt", inject: afterEnqueue(func(_ *plain, d *webhook.Delivery) {
		if len(d.Log) > 0 {
			d.Failure = d.Log[0].Failure()
		}
	})},
	{name: "forgets Failure by a change without a Log", fails: "failure_is_of_the_last_attempt",
		inject: afterChange(func(_ webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
			if c.Log == nil {
				d.Failure = ""
			}
		})},
	{name: "keeps the Failure before a success", fails: "failure_is_of_the_last_attempt",
		inject: afterChange(func(was webhook.Delivery, d *webhook.Delivery, _ webhook.Change) {
			if d.Failure == "" {
				d.Failure = was.Failure
			}
		})},
	{name: "keeps the Failure of what it erases", fails: "apply_erases",
		inject: afterChange(func(was webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
			if c.Erase && c.Log == nil {
				d.Failure = was.Failure
			}
		})},
	{name: "returns no Failure with a claim", fails: "failure_is_of_the_last_attempt",
		inject: func(p *plain) {
			p.leased = func(_, now webhook.Delivery) webhook.Delivery { now.Failure, now.Log = "", nil; return now }
		}},
	{name: "ignores Failures", fails: "deliveries_by_failures", inject: deliveryQuery(func(q *webhook.DeliveryQuery) { q.Failures = nil })},
	{name: "looks at the first of Failures", fails: "deliveries_by_failures",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) { q.Failures = q.Failures[:min(1, len(q.Failures))] })},
	{name: "takes an empty Failure for any", fails: "deliveries_by_failures", inject: deliveryQuery(func(q *webhook.DeliveryQuery) {
		if slices.Contains(q.Failures, "") {
			q.Failures = nil
		}
	})},
	{name: "ignores Subject", fails: "deliveries_by_subject", inject: deliveryQuery(func(q *webhook.DeliveryQuery) { q.Subject = "" })},
	{name: "looks at the first Subject only", fails: "deliveries_by_subject", inject: bySubject(func(d webhook.Delivery, subject string) bool {
		return len(d.Subjects) > 0 && d.Subjects[0] == subject
	})},
	{name: "finds Subjects whatever the case", fails: "deliveries_by_subject", inject: bySubject(func(d webhook.Delivery, subject string) bool {
		return slices.ContainsFunc(d.Subjects, func(s string) bool { return strings.EqualFold(s, subject) })
	})},
	{name: "finds Subjects by a part", fails: "deliveries_by_subject", inject: bySubject(func(d webhook.Delivery, subject string) bool {
		return strings.Contains(strings.Join(d.Subjects, ","), subject)
	})},
	{name: "looks for Subjects in every account", fails: "deliveries_by_subject", inject: deliveryQuery(func(q *webhook.DeliveryQuery) {
		q.All = q.All || q.Subject != ""
	})},
	{name: "finds Subjects that it erased", fails: "deliveries_by_subject_no_more", inject: func(p *plain) {
		index := map[string][]string{}
		p.keep = func(d webhook.Delivery) webhook.Delivery { index[d.ID] = append(index[d.ID], d.Subjects...); return d }
		bySubject(func(d webhook.Delivery, subject string) bool { return slices.Contains(index[d.ID], subject) })(p)
	}},
	{name: "ignores the Key of a query", fails: "deliveries_by_key", inject: deliveryQuery(func(q *webhook.DeliveryQuery) { q.Key = "" })},
	{name: "finds those in line by Key only", fails: "deliveries_by_key",
		inject: fromDeliveries(func(*webhook.DeliveryQuery) {}, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			return only(ds, func(d webhook.Delivery) bool { return q.Key == "" || d.State == webhook.StatePending })
		})},
	{name: "takes blocking ones for the same by case", fails: "deliveries_blocking_are_the_very_ones",
		inject: fromDeliveries(func(*webhook.DeliveryQuery) {}, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			return only(ds, func(d webhook.Delivery) bool { return q.Blocking.IsZero() || d.ID == fold(d.ID) })
		})},
	{name: "ignores Blocking", fails: "deliveries_blocking", inject: deliveryQuery(func(q *webhook.DeliveryQuery) { q.Blocking = time.Time{} })},
	{name: "names the first ones of lines of one too", fails: "deliveries_blocking", inject: blocking(func(line []webhook.Delivery, d webhook.Delivery, q webhook.DeliveryQuery) bool {
		return line[0].ID == d.ID && slices.ContainsFunc(line, func(o webhook.Delivery) bool { return o.Joined.Before(q.Blocking) })
	})},
	{name: "names those that wait", fails: "deliveries_blocking", inject: blocking(func(line []webhook.Delivery, d webhook.Delivery, q webhook.DeliveryQuery) bool {
		return line[0].ID != d.ID && d.Joined.Before(q.Blocking)
	})},
	{name: "looks at the second of a line only", fails: "deliveries_blocking", inject: blocking(func(line []webhook.Delivery, d webhook.Delivery, q webhook.DeliveryQuery) bool {
		return line[0].ID == d.ID && len(line) > 1 && line[1].Joined.Before(q.Blocking)
	})},
	{name: "looks at Joined of the first", fails: "deliveries_blocking", inject: blocking(func(line []webhook.Delivery, d webhook.Delivery, q webhook.DeliveryQuery) bool {
		return line[0].ID == d.ID && len(line) > 1 && d.Joined.Before(q.Blocking)
	})},
	{name: "names what blocked when it joined", fails: "deliveries_blocking", inject: blocking(func(line []webhook.Delivery, d webhook.Delivery, q webhook.DeliveryQuery) bool {
		return line[0].ID == d.ID && d.Lease == 0 && slices.ContainsFunc(line[1:], func(o webhook.Delivery) bool { return o.Joined.Before(q.Blocking) })
	})},
	{name: "counts whatever the Failure", fails: "count_is_of_what_the_query_selects", inject: countQuery(func(q *webhook.DeliveryQuery) { q.Failures = nil })},
	{name: "counts whatever the Subject", fails: "count_is_of_what_the_query_selects", inject: countQuery(func(q *webhook.DeliveryQuery) { q.Subject = "" })},
	{name: "counts whatever the Key", fails: "count_is_of_what_the_query_selects", inject: countQuery(func(q *webhook.DeliveryQuery) { q.Key = "" })},
}

// bySubject has deliveries found by Subject in another way.
func bySubject(has func(d webhook.Delivery, subject string) bool) func(*plain) {
	return fromDeliveries(func(q *webhook.DeliveryQuery) { q.Subject, q.Limit = "", 0 }, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
		return page(q, only(ds, func(d webhook.Delivery) bool { return q.Subject == "" || has(d, q.Subject) }))
	})
}

// blocking has deliveries found by Blocking in another way. line is that of d.
func blocking(selects func(line []webhook.Delivery, d webhook.Delivery, q webhook.DeliveryQuery) bool) func(*plain) {
	return func(p *plain) {
		plainly := fromDeliveries(func(q *webhook.DeliveryQuery) {
			if !q.Blocking.IsZero() {
				*q = webhook.DeliveryQuery{Account: q.Account, All: q.All, Webhook: q.Webhook, States: q.States, DueBy: q.DueBy, Oldest: q.Oldest, Brief: q.Brief}
			}
		}, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			return page(q, only(ds, func(d webhook.Delivery) bool {
				var line []webhook.Delivery
				for _, id := range p.m.lines[keyOf(d)] {
					line = append(line, p.m.deliveries[id])
				}
				return q.Blocking.IsZero() || stands(d) && selects(line, d, q)
			}))
		})
		plainly(p)
	}
}

var pruneFieldFaults = []fault{
	{name: "ignores States of Prune", fails: "prune_by_states", inject: pruneOf(func(q *webhook.Prune) { q.States = nil })},
	{name: "looks at the first of Prune's States", fails: "prune_by_states", inject: pruneOf(func(q *webhook.Prune) { q.States = q.States[:min(1, len(q.States))] })},
	{name: "takes empty States of Prune for none", fails: "prune_by_states", inject: pruneOf(func(q *webhook.Prune) {
		if q.States != nil && len(q.States) == 0 {
			q.Limit = 0
		}
	})},
	{name: "ignores Types of Prune", fails: "prune_by_types", inject: pruneOf(func(q *webhook.Prune) { q.Types = nil })},
	{name: "ignores Except of Prune", fails: "prune_except_types", inject: pruneOf(func(q *webhook.Prune) { q.Except = nil })},
	{name: "looks at the first of Prune's Except", fails: "prune_except_types", inject: pruneOf(func(q *webhook.Prune) { q.Except = q.Except[:min(1, len(q.Except))] })},
	{name: "takes States or Types of Prune", fails: "prune_by_states_and_types", inject: func(p *plain) {
		p.prunable = func(d webhook.Delivery, q webhook.Prune) bool {
			either := webhook.Prune{Before: q.Before}
			return either.Selects(&d) && (slices.Contains(q.States, d.State) || slices.Contains(q.Types, d.Type))
		}
	}},
	{name: "limits Prune before it looks at States and Types", fails: "prune_limit_is_of_what_it_selects", inject: func(p *plain) {
		p.prune = func(ctx context.Context, q webhook.Prune) (int, error) {
			var ds []webhook.Delivery
			for _, d := range p.m.deliveries {
				if d.State != webhook.StatePending && d.Due.Before(q.Before) {
					ds = append(ds, d)
				}
			}
			slices.SortFunc(ds, func(a, b webhook.Delivery) int { return a.Due.Compare(b.Due) })
			looked := ids(ds[:min(2*q.Limit, len(ds))])
			plainly := p.prunable
			defer func() { p.prunable = plainly }()
			p.prunable = func(d webhook.Delivery, q webhook.Prune) bool { return slices.Contains(looked, d.ID) && plainly(d, q) }
			return p.plainPrune(ctx, q)
		}
	}},
}

var dropFaults = []fault{
	{name: "keeps a body that is to be dropped", fails: "apply_drops_the_body",
		inject: afterChange(func(was webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
			if c.DropBody {
				d.Body = was.Body
			}
		})},
	{name: "drops the log with the body", fails: "apply_drops_the_body",
		inject: afterChange(func(_ webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
			if c.DropBody {
				d.Log = nil
			}
		})},
	{name: "drops the carrier with the body", fails: "apply_drops_the_body",
		inject: afterChange(func(_ webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
			if c.DropBody {
				d.Carrier = nil
			}
		})},
	{name: "drops the body of each delivery that ends", fails: "apply_drops_the_body",
		inject: afterChange(func(_ webhook.Delivery, d *webhook.Delivery, _ webhook.Change) {
			if d.State == webhook.StateDelivered {
				d.Body = nil
			}
		})},
}

func pruneOf(change func(q *webhook.Prune)) func(*plain) {
	return func(p *plain) {
		p.prune = func(ctx context.Context, q webhook.Prune) (int, error) {
			change(&q)
			return p.plainPrune(ctx, q)
		}
	}
}
