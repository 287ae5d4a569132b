package storetest

import (
	"context"
	"slices"
	"sync"

	"github.com/listhook/webhook"
)

var duplicateFaults = []fault{
	// A database that numbers rows reserves numbers for a statement. A duplicate
	// may use up one, so that the statement goes on with those of another.
	{name: "numbers rows beyond what it reserved, and takes a collision for a duplicate", fails: "concurrent_enqueues_with_duplicates_store_the_others",
		inject: func(p *plain) {
			var mu sync.Mutex
			next, taken := 0, map[int]bool{}
			alone := true // no call had a duplicate yet
			reserved := meetingOf(2)
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				had, err := p.plainDuplicates(ctx, ds)
				if err != nil {
					return nil, err
				}
				mu.Lock()
				number := next
				next += len(ds)
				alone = alone && len(had) == 0
				meets := !alone // the first call with a duplicate, and the one behind it
				mu.Unlock()
				if meets {
					reserved.wait()
				}
				mu.Lock()
				defer mu.Unlock()
				had = nil
				var fits []webhook.Delivery
				for _, d := range ds {
					_, stored := p.m.deliveries[d.ID]
					switch {
					case stored:
						taken[number], taken[number+1] = true, true // it uses up two
						number++
						had = append(had, d.ID)
					case taken[number]:
						had = append(had, d.ID)
					default:
						taken[number] = true
						fits = append(fits, d)
					}
					number++
				}
				next = max(next, number)
				more, err := p.plainEnqueue(ctx, fits)
				return append(had, more...), err
			}
		}},
	{name: "takes all others of a call with a duplicate for stored", fails: "concurrent_enqueues_with_duplicates_store_the_others",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				had, err := p.plainDuplicates(ctx, ds)
				if err != nil || len(had) > 0 {
					return ids(ds), err
				}
				return p.plainEnqueue(ctx, ds)
			}
		}},
	{name: "adds none of a call that has an ID twice", fails: "concurrent_enqueues_with_an_id_twice_store_the_others",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				list := ids(ds)
				slices.Sort(list)
				if len(slices.Compact(list)) < len(ds) {
					return nil, nil
				}
				return p.plainEnqueue(ctx, ds)
			}
		}},
}

// plainDuplicates returns the IDs that are stored.
func (p *plain) plainDuplicates(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
	return locked(p, ctx, func() ([]string, error) {
		return only(ids(ds), func(id string) bool { _, stored := p.m.deliveries[id]; return stored }), nil
	})
}
