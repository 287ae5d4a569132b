package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// A preparer makes the deliveries of events.
type preparer struct {
	opts     *Options
	notify   *notifier
	cache    *webhookCache
	retained *retained
}

// prepare checks all events, then makes the deliveries of events that a webhook
// wants. direct says that tx is no transaction: in one, which may be rolled back,
// deliveries do not count against the quota of a webhook.
func (p *preparer) prepare(ctx context.Context, tx Outbox, direct bool, events []Event) (inserts []*insert, refused []refusal, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	for i, e := range events {
		if err := validate(e, p.opts.eventLimit()); err != nil {
			var bad *InvalidError
			if len(events) > 1 && errors.As(err, &bad) {
				return nil, nil, invalid("events["+strconv.Itoa(i)+"]."+bad.Field, bad.Reason)
			}
			return nil, nil, err
		}
	}
	defer func() {
		if err != nil {
			for _, em := range inserts {
				p.retained.returnQuota(em, err)
			}
		}
	}()
	var carrier map[string]string
	asked := p.opts.Hooks.Carrier == nil
	for _, e := range events {
		m := e.meta()
		m.Lists = distinct(m.Lists)
		targets, err := p.cache.wanting(ctx, tx, e.Type(), &m)
		if err != nil {
			if ctx.Err() == nil {
				err = p.opts.timeoutError(err)
			}
			return inserts, nil, err
		}
		if len(targets) == 0 {
			continue
		}
		var customer CustomerAccount
		if slices.ContainsFunc(targets, (*endpoint).namesCustomer) {
			if customer = p.customerAccount(ctx, m.Account); ctx.Err() != nil {
				return inserts, nil, ctx.Err()
			}
		}
		em, err := newInsert(e, m, customer, targets)
		if err != nil {
			return inserts, nil, err
		}
		if hasDisabled(targets) {
			inserts = append(inserts, em)
			if refused, err = p.retained.admitAll(ctx, em, targets, direct, refused); err != nil {
				return inserts, nil, err
			}
			inserts = inserts[:len(inserts)-1]
		}
		if len(em.rows) == 0 {
			continue
		}
		if !asked {
			asked = true
			p.notify.safely("Hooks.Carrier", func() { carrier = p.opts.Hooks.Carrier(ctx) })
		}
		for i := range em.rows {
			em.rows[i].Carrier = carrier
		}
		inserts = append(inserts, em)
	}
	return inserts, refused, nil
}

// customerAccount asks the app what bodies say of an account. If it fails the
// keys are sent empty, since the event matters more.
func (p *preparer) customerAccount(ctx context.Context, account string) (c CustomerAccount) {
	if p.opts.CustomerAccount == nil {
		return CustomerAccount{}
	}
	err := errors.New("it never returned")
	func() {
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("it panicked: %v", v)
			}
		}()
		c, err = p.opts.CustomerAccount(ctx, account)
	}()
	if err == nil && max(len(c.OrgName), len(c.Name), len(c.ID)) > maxIDLen {
		err = fmt.Errorf("it returned a text of more than %d bytes", maxIDLen)
	}
	if err != nil {
		if ctx.Err() == nil {
			p.notify.logError("Options.CustomerAccount", err)
		}
		return CustomerAccount{}
	}
	return c
}
