package webhook

import (
	"cmp"
	"iter"
	"slices"
	"strings"
)

// Selects reports whether q selects w. It looks at all of q but Limit.
func (q WebhookQuery) Selects(w *Webhook) bool {
	switch {
	case !q.All && w.Account != q.Account:
	case len(q.IDs) > 0 && !slices.Contains(q.IDs, w.ID):
	case len(q.Lists) > 0 && !slices.Contains(q.Lists, w.List):
	case w.Deleted && !q.Deleted:
	case w.Put <= q.PutAfter:
	case !q.Newest && w.ID <= q.After:
	default:
		return true
	}
	return false
}

// Compare orders webhooks as q asks for them.
func (q WebhookQuery) Compare(a, b *Webhook) int {
	if q.Newest {
		return cmp.Compare(b.Put, a.Put)
	}
	return strings.Compare(a.ID, b.ID)
}

// Selects reports whether q selects d. It looks at all of q but Blocking, which
// depends on other deliveries, and Limit.
func (q DeliveryQuery) Selects(d *Delivery) bool {
	switch {
	case !q.All && d.Account != q.Account:
	case q.Webhook != "" && d.WebhookID != q.Webhook:
	case len(q.IDs) > 0 && !slices.Contains(q.IDs, d.ID):
	case len(q.States) > 0 && !slices.Contains(q.States, d.State):
	case len(q.Types) > 0 && !slices.Contains(q.Types, d.Type):
	case len(q.Failures) > 0 && !slices.Contains(q.Failures, d.Failure):
	case q.Subject != "" && !slices.Contains(d.Subjects, q.Subject):
	case q.Key != "" && d.Key != q.Key:
	case d.Created.Before(q.Since):
	case !q.Until.IsZero() && !d.Created.Before(q.Until):
	case !q.DueBy.IsZero() && d.Due.After(q.DueBy):
	default:
		return q.After.isZero() || q.compare(q.After, d.Cursor()) < 0
	}
	return false
}

// Compare orders deliveries as q asks for them.
func (q DeliveryQuery) Compare(a, b *Delivery) int { return q.compare(a.Cursor(), b.Cursor()) }

func (q DeliveryQuery) compare(a, b Cursor) int {
	if !q.Oldest {
		a, b = b, a
	}
	return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID))
}

// Cursor returns the delivery's place in the log.
func (d *Delivery) Cursor() Cursor { return Cursor{Created: d.Created, ID: d.ID} }

func (c Cursor) isZero() bool { return c.ID == "" && c.Created.IsZero() }

// Selects reports whether p removes d.
func (p Prune) Selects(d *Delivery) bool {
	return d.State != StatePending && d.Due.Before(p.Before) &&
		(len(p.States) == 0 || slices.Contains(p.States, d.State)) &&
		(len(p.Types) == 0 || slices.Contains(p.Types, d.Type)) && !slices.Contains(p.Except, d.Type)
}

// InLine reports whether d stands in the line of its Key: see Store.
func (d *Delivery) InLine() bool { return d.State == StatePending && d.Key != "" && !d.PassedOver }

// ApplyTo makes the change to d, which has its Lease. What is left to a Store is d's place
// in its line, and its Sequence. d then shares memory with c.Log and c.Rewrite.
func (c Change) ApplyTo(d *Delivery) {
	stood, ended := d.InLine(), d.State != StatePending
	d.Lease++
	d.State, d.Due, d.Attempts = c.State, c.Due, c.Attempts
	if c.Erase {
		d.Body, d.Carrier, d.Log, d.Failure, d.Key, d.Subjects = nil, nil, nil, "", "", nil
	}
	switch {
	case d.Key == "":
		d.PassedOver = false
	case c.LeaveLine:
		d.PassedOver = true
	case ended && d.State == StatePending:
		d.PassedOver = false
	}
	if c.DropBody {
		d.Body = nil
	}
	if len(c.Rewrite) > 0 {
		d.Log = slices.Clone(c.Rewrite)
		d.Failure = d.Log[len(d.Log)-1].Failure()
	}
	if c.Log != nil {
		d.Log = append(d.Log, *c.Log)
		d.Failure = c.Log.Failure()
	}
	if !stood && d.InLine() {
		d.Joined = c.Joined
	}
}

// Turns yields webhooks in the order of their turns, with how many deliveries may be
// taken of each: none of them without room. next returns the first webhook with an ID
// greater than after that may have some. The caller takes no more than c.Limit, and
// ends there.
func (c Claim) Turns(next func(after string) (id string, ok bool)) iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		turn := func(id string) (more bool) {
			room, ok := c.Room[id]
			if !ok {
				room = c.Each
			}
			return room <= 0 || yield(id, room)
		}
		for id, ok := next(c.After); ok; id, ok = next(id) {
			if !turn(id) {
				return
			}
		}
		for id, ok := next(""); ok && id <= c.After; id, ok = next(id) {
			if !turn(id) {
				return
			}
		}
	}
}
