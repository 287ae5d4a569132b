package webhook

import (
	"fmt"
	"slices"
	"time"
)

// A RetentionRule says how long some deliveries are kept instead of for
// Options.Retention: those that ended in one of States and are of one of Types.
type RetentionRule struct {
	States []State       // StateDelivered, StateFailed or StateCanceled; empty: any
	Types  []EventType   // of the nine or of Options.Catalogue; empty: any
	Keep   time.Duration // after they ended, not 0; negative: for ever
}

// finalStates are the states in which a delivery has ended.
var finalStates = []State{StateDelivered, StateFailed, StateCanceled}

// checkRetention returns an *InvalidError if one of the rules is none. Options has its
// Catalogue.
func (o *Options) checkRetention() error {
	for i, r := range o.RetentionRules {
		at := fmt.Sprintf("Options.RetentionRules[%d].", i)
		if r.Keep == 0 {
			return invalid(at+"Keep", "is 0; it must be a duration, negative for ever")
		}
		if err := validateStates(at+"States", r.States, finalStates); err != nil {
			return err
		}
		for _, t := range r.Types {
			if !t.valid() && o.info(t) == nil {
				return invalid(at+"Types", "contains "+quote(string(t))+", none of the app's event types")
			}
		}
	}
	return nil
}

// A prunable is a part of the deliveries that have ended, and how long these are kept.
type prunable struct {
	Prune
	keep time.Duration // negative: for ever
}

// prunables divides the deliveries by the rules: each is in one part, that of the first
// rule that holds for it, or else of Retention.
func (o *Options) prunables() (parts []prunable) {
	rules := append(slices.Clone(o.RetentionRules), RetentionRule{Keep: o.Retention})
	for _, state := range finalStates {
		var taken []EventType // by the rules before
		for _, r := range rules {
			if len(r.States) > 0 && !slices.Contains(r.States, state) {
				continue
			}
			part := prunable{Prune{States: []State{state}}, r.Keep}
			if len(r.Types) == 0 {
				part.Except = taken
				parts = addPart(parts, part)
				break
			}
			part.Types = slices.DeleteFunc(slices.Clone(distinct(r.Types)), func(t EventType) bool { return slices.Contains(taken, t) })
			taken = slices.Concat(taken, part.Types)
			if len(part.Types) > 0 {
				parts = addPart(parts, part)
			}
		}
	}
	for i := range parts {
		if len(parts[i].States) == len(finalStates) {
			parts[i].States = nil
		}
	}
	return parts
}

// addPart adds a part, which has one state, to one that is the same otherwise.
func addPart(parts []prunable, part prunable) []prunable {
	for i := range parts {
		p := &parts[i]
		if p.keep == part.keep && slices.Equal(p.Types, part.Types) && slices.Equal(p.Except, part.Except) {
			p.States = append(p.States, part.States...)
			return parts
		}
	}
	return append(parts, part)
}

// dropsBody reports whether the outcome of d ends the use of its body: Options.DropBodies
// says so, and no Replay compares it with that of an older delivery.
func (o *Options) dropsBody(d *Delivery, outcome State) bool {
	return o.DropBodies && outcome == StateDelivered && (d.Key == "" || replacing(d.Type) == nil)
}

// BodyDropped reports whether d has no Body because Options.DropBodies is set and d was
// delivered. An erased one has none either.
func (d *Delivery) BodyDropped() bool {
	return len(d.Body) == 0 && slices.ContainsFunc(d.Log, func(a Attempt) bool { return a.Status != 0 && a.Reason == "" })
}
