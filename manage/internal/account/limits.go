package account

import (
	"context"
	"fmt"
	"slices"

	"github.com/listhook/webhook"
)

// Limits narrow what somebody sees and does in an account. The zero value narrows
// nothing.
type Limits struct {
	Webhook     string              // the only one that there is; "": all
	Lists       []string            // of which there are webhooks, "" being every list; nil: all
	Events      []webhook.EventType // that a webhook may get; nil: all
	Formats     []webhook.Format    // nil: all
	MustSign    bool                // every webhook has a secret
	NoHeaders   bool                // webhooks have no headers of their owner's
	MaxWebhooks int                 // of the account; 0: as many as the handler allows
}

// sees reports whether a webhook is among those that there are for the caller.
func (l Limits) sees(w webhook.Webhook) bool {
	return (l.Webhook == "" || l.Webhook == w.ID) && l.AllowsList(w.List)
}

// AllowsList reports whether webhooks may be tied to a list, or with "" to every one.
func (l Limits) AllowsList(id string) bool { return l.Lists == nil || slices.Contains(l.Lists, id) }

// listFilter returns AllowsList for asking about many lists.
func (l Limits) listFilter() func(id string) bool {
	if l.Lists == nil {
		return l.AllowsList
	}
	allowed := make(map[string]bool, len(l.Lists))
	for _, id := range l.Lists {
		allowed[id] = true
	}
	return func(id string) bool { return allowed[id] }
}

// AllowsEvent reports whether webhooks may get events of a type.
func (l Limits) AllowsEvent(t webhook.EventType) bool {
	return l.Events == nil || slices.Contains(l.Events, t)
}

// AllowsFormat reports whether webhooks may have a format.
func (l Limits) AllowsFormat(f webhook.Format) bool {
	if f == "" {
		f = webhook.Format2013
	}
	return l.Formats == nil || slices.Contains(l.Formats, f)
}

// problems are what changed of a webhook and is not allowed, at most one for each field. What
// was there before stays: somebody with other limits chose it.
func (l Limits) problems(was, w webhook.Webhook) (all []*webhook.InvalidError) {
	refuse := func(field, reason string) {
		all = append(all, &webhook.InvalidError{Field: field, Reason: reason})
	}
	if w.List != was.List && !l.AllowsList(w.List) {
		if w.List == "" {
			refuse("List", "is every list, which you may not choose: choose one of yours")
		} else {
			refuse("List", "is none of the account's lists")
		}
	}
	if i := slices.IndexFunc(w.Events, func(t webhook.EventType) bool { return !l.AllowsEvent(t) && !slices.Contains(was.Events, t) }); i >= 0 {
		refuse("Events", fmt.Sprintf("contains %.40q, which you may not choose", w.Events[i]))
	}
	if w.Format != was.Format && !l.AllowsFormat(w.Format) {
		refuse("Format", fmt.Sprintf("is %.40q, which you may not choose", w.Format))
	}
	if l.NoHeaders {
		for name, value := range w.Headers {
			if before, ok := was.Headers[name]; !ok || before != value {
				refuse("Headers", "are not allowed for you: leave them as they are")
				break
			}
		}
	}
	if l.MustSign && len(w.Secrets) == 0 && len(was.Secrets) > 0 {
		refuse("Secrets", "cannot be removed: requests have to be signed")
	}
	return all
}

// first returns the first of some problems as an error.
func first(problems []*webhook.InvalidError) error {
	if len(problems) == 0 {
		return nil
	}
	return problems[0]
}

// NoList is a list that no webhook has: the one that a new webhook changes from, since
// every list is a choice like others.
const NoList = "\x00"

// CheckLimits refuses what is not allowed to be in a webhook that is added.
func (c *Caller) CheckLimits(w webhook.Webhook) error {
	return first(c.EditProblems(webhook.Webhook{Settings: webhook.Settings{List: NoList}}, w))
}

// CheckEdit refuses what may not be changed from a stored webhook to w.
func (c *Caller) CheckEdit(stored, w webhook.Webhook) error { return first(c.EditProblems(stored, w)) }

// EditProblems returns all that may not be changed from a stored webhook to w.
func (c *Caller) EditProblems(stored, w webhook.Webhook) []*webhook.InvalidError {
	return c.Limits.problems(stored, w)
}

// Full returns a LimitError if the account has as many webhooks as it may.
func (c *Caller) Full(ctx context.Context) error {
	most := c.maxWebhooks()
	have, err := c.dispatcher.Webhooks(ctx, webhook.WebhookQuery{Account: c.Account, Limit: most})
	if err == nil && len(have) >= most {
		return LimitError(most)
	}
	return err
}

// maxWebhooks is how many webhooks the account may have.
func (c *Caller) maxWebhooks() int {
	if c.Limits.MaxWebhooks > 0 {
		return min(c.Limits.MaxWebhooks, c.MaxWebhooks)
	}
	return c.MaxWebhooks
}

// FormatOfNew is the format of a webhook that is added without naming one.
func (c *Caller) FormatOfNew() webhook.Format {
	if !c.Limits.AllowsFormat(c.DefaultFormat) && len(c.Limits.Formats) > 0 {
		return c.Limits.Formats[0]
	}
	return c.DefaultFormat
}

// scanRows and scans bound how much of a log is read to find the deliveries that
// somebody with limits sees.
const (
	scanRows = 1000
	scans    = 5
)

// Deliveries returns those of the account's deliveries that q selects and that the
// caller sees. For a caller who sees some lists it may stop early: then it returns
// where, for going on with as q.After.
func (c *Caller) Deliveries(ctx context.Context, q webhook.DeliveryQuery) (ds []webhook.Delivery, stopped webhook.Cursor, err error) {
	q.Account, q.All = c.Account, false
	seen, none, err := c.narrow(ctx, &q)
	if err != nil || none {
		return nil, webhook.Cursor{}, err
	}
	if seen == nil {
		ds, err = c.dispatcher.Deliveries(ctx, q)
		return ds, webhook.Cursor{}, err
	}
	limit := q.Limit
	q.Limit = scanRows
	for range scans {
		some, err := c.dispatcher.Deliveries(ctx, q)
		if err != nil {
			return nil, webhook.Cursor{}, err
		}
		for _, d := range some {
			if seen[d.WebhookID] {
				if ds = append(ds, d); limit > 0 && len(ds) == limit {
					return ds, webhook.Cursor{}, nil
				}
			}
		}
		if len(some) < scanRows {
			return ds, webhook.Cursor{}, nil
		}
		last := some[len(some)-1]
		q.After = webhook.Cursor{Created: last.Created, ID: last.ID}
	}
	return ds, q.After, nil
}

// Count counts the deliveries that q selects and that the caller sees, up to q.Limit.
// more says that it stopped early.
func (c *Caller) Count(ctx context.Context, q webhook.DeliveryQuery) (n int, more bool, err error) {
	narrowed := q
	narrowed.Account = c.Account
	seen, none, err := c.narrow(ctx, &narrowed)
	if err != nil || none {
		return 0, false, err
	}
	if seen == nil {
		n, err = c.dispatcher.Count(ctx, narrowed)
		return n, false, err
	}
	q.Brief = true
	ds, stopped, err := c.Deliveries(ctx, q)
	return len(ds), stopped != (webhook.Cursor{}), err
}

// narrow makes q one for the webhooks that the caller sees. Where they are several,
// it returns them, for looking at the deliveries; none: there is nothing to see.
func (c *Caller) narrow(ctx context.Context, q *webhook.DeliveryQuery) (seen map[string]bool, none bool, err error) {
	l := c.Limits
	if l.Webhook != "" {
		if q.Webhook != "" && q.Webhook != l.Webhook {
			return nil, true, nil
		}
		q.Webhook = l.Webhook
	}
	if l.Lists == nil {
		return nil, false, nil
	}
	ws, err := c.Webhooks(ctx)
	if err != nil {
		return nil, false, err
	}
	seen = map[string]bool{}
	for _, w := range ws {
		seen[w.ID] = true
	}
	switch {
	case q.Webhook != "":
		return nil, !seen[q.Webhook], nil
	case len(ws) == 0:
		return nil, true, nil
	case len(ws) == 1:
		q.Webhook = ws[0].ID
		return nil, false, nil
	}
	return seen, false, nil
}
