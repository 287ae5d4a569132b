package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/listhook/webhook"
)

// afterRewrite alters what a change with a Rewrite is about to store.
func afterRewrite(alter func(was webhook.Delivery, d *webhook.Delivery, c webhook.Change)) func(*plain) {
	return afterChange(func(was webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
		if len(c.Rewrite) > 0 {
			alter(was, d, c)
			d.Failure = failure(d.Log)
		}
	})
}

// rewrittenAs has a change with a Rewrite store another log, before the change's own.
func rewrittenAs(log func(was webhook.Delivery, c webhook.Change) []webhook.Attempt) func(*plain) {
	return afterRewrite(func(was webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
		d.Log = slices.Clone(log(was, c))
		if c.Log != nil {
			d.Log = append(d.Log, clone(*c.Log))
		}
	})
}

var rewriteFaults = []fault{
	{name: "appends what is to replace the log", fails: "apply_rewrites_the_log",
		inject: rewrittenAs(func(was webhook.Delivery, c webhook.Change) []webhook.Attempt {
			return append(slices.Clone(was.Log), c.Rewrite...)
		})},
	{name: "does not rewrite the log", fails: "apply_rewrites_the_log",
		inject: rewrittenAs(func(was webhook.Delivery, _ webhook.Change) []webhook.Attempt { return was.Log })},
	{name: "rewrites as many entries as there are", fails: "apply_rewrites_the_log",
		inject: rewrittenAs(func(was webhook.Delivery, c webhook.Change) []webhook.Attempt {
			return append(slices.Clone(c.Rewrite), was.Log[min(len(c.Rewrite), len(was.Log)):]...)
		})},
	{name: "keeps the first entry of a Rewrite only", fails: "apply_rewrites_the_log",
		inject: rewrittenAs(func(_ webhook.Delivery, c webhook.Change) []webhook.Attempt { return c.Rewrite[:1] })},
	{name: "keeps answers that a Rewrite leaves out", fails: "apply_rewrites_the_log",
		inject: rewrittenAs(func(was webhook.Delivery, c webhook.Change) []webhook.Attempt {
			log := slices.Clone(c.Rewrite)
			for i := range min(len(log), len(was.Log)) {
				if len(log[i].Response) == 0 {
					log[i].Response = was.Log[i].Response
				}
			}
			return log
		})},
	{name: "drops the change's own Log when it rewrites", fails: "apply_rewrites_the_log",
		inject: afterRewrite(func(_ webhook.Delivery, d *webhook.Delivery, c webhook.Change) { d.Log = clone(c.Rewrite) })},
	{name: "puts the change's own Log before a Rewrite", fails: "apply_rewrites_the_log",
		inject: afterRewrite(func(_ webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
			if c.Log != nil {
				d.Log = append([]webhook.Attempt{*c.Log}, c.Rewrite...)
			}
		})},
	{name: "empties the log by an empty Rewrite", fails: "apply_rewrites_the_log",
		inject: afterChange(func(_ webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
			if c.Rewrite != nil && len(c.Rewrite) == 0 {
				d.Log, d.Failure = nil, ""
			}
		})},
	{name: "keeps the Failure of the log before", fails: "apply_rewrites_the_log",
		inject: afterChange(func(was webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
			if len(c.Rewrite) > 0 && c.Log == nil {
				d.Failure = was.Failure
			}
		})},
	{name: "erases the log after it has rewritten it", fails: "apply_rewrites_the_log",
		inject: afterRewrite(func(_ webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
			if c.Erase {
				d.Log = nil
			}
		})},
	{name: "rewrites the bodies too", fails: "apply_rewrites_the_log",
		inject: afterRewrite(func(_ webhook.Delivery, d *webhook.Delivery, _ webhook.Change) { d.Body = nil })},
	{name: "rewrites without raising the lease", fails: "apply_rewrites_what_has_its_lease",
		inject: afterRewrite(func(was webhook.Delivery, d *webhook.Delivery, _ webhook.Change) { d.Lease = was.Lease })},
	{name: "rewrites the log though the change is lost", fails: "apply_rewrites_what_has_its_lease",
		inject: func(p *plain) {
			p.fenced = func(d webhook.Delivery, c webhook.Change) bool {
				if d.Lease != c.Lease && len(c.Rewrite) > 0 {
					d.Log = clone(c.Rewrite)
					p.m.deliveries[d.ID] = d
				}
				return d.Lease == c.Lease
			}
		}},
	{name: "takes an unchanged state for no change", fails: "apply_rewrites_what_has_its_lease",
		inject: func(p *plain) {
			plainly := p.change
			p.change = func(d *webhook.Delivery, c webhook.Change) {
				if c.Log != nil || c.State != d.State || !c.Due.Equal(d.Due) {
					plainly(d, c)
				}
			}
		}},
	{name: "rewrites the logs of pending ones only", fails: "apply_rewrites_what_has_its_lease",
		inject: rewrittenAs(func(was webhook.Delivery, c webhook.Change) []webhook.Attempt {
			if was.State != webhook.StatePending {
				return was.Log
			}
			return c.Rewrite
		})},
	{name: "does not rewrite the log of one with a Key", fails: "apply_rewrites_what_has_its_lease",
		inject: rewrittenAs(func(was webhook.Delivery, c webhook.Change) []webhook.Attempt {
			if was.Key != "" {
				return was.Log
			}
			return c.Rewrite
		})},
	{name: "ends the lease of what it rewrites", fails: "apply_rewrites_what_has_its_lease",
		inject: func(p *plain) {
			rewritten := map[string]bool{}
			plainly, claimable := p.change, p.claimable
			p.change = func(d *webhook.Delivery, c webhook.Change) {
				plainly(d, c)
				rewritten[d.ID] = len(c.Rewrite) > 0
			}
			p.claimable = func(d webhook.Delivery, c webhook.Claim) bool {
				if rewritten[d.ID] {
					d.Due = time.Time{}
				}
				return claimable(d, c)
			}
		}},
	{name: "counts what it queues as what it changed", fails: "apply_loses_some_while_a_line_goes_on",
		inject: func(p *plain) {
			p.apply = func(ctx context.Context, cs []webhook.Change) ([]string, error) {
				lost, err := p.plainApply(ctx, cs)
				for _, c := range cs {
					if d := p.m.deliveries[c.ID]; d.Key != "" && d.State != webhook.StatePending && len(lost) > 0 {
						return lost[1:], err
					}
				}
				return lost, err
			}
		}},
	{name: "rewrites a megabyte at most", fails: "apply_rewrites_a_long_log",
		inject: rewrittenAs(func(_ webhook.Delivery, c webhook.Change) (log []webhook.Attempt) {
			size := 0
			for _, a := range c.Rewrite {
				if size += len(a.Response); size <= 1<<20 {
					log = append(log, a)
				}
			}
			return log
		})},
}
