package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/listhook/webhook/internal/validtext"
)

// A preparer makes the deliveries of events.
type preparer struct {
	opts     *Options
	notify   *notifier
	cache    *webhookCache
	retained *retained
	hasher   *hasher
}

// prepare checks all events, then makes the deliveries of events that a webhook
// wants. direct says that tx is no transaction: in one, which may be rolled back,
// deliveries do not count against the quota of a webhook. skipped says which events
// were left out.
func (p *preparer) prepare(ctx context.Context, tx Outbox, direct bool, events []Event) (inserts []*insert, refused []refusal, skipped, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, nil, err
	}
	good, bad, err := p.check(events)
	if err != nil {
		return nil, nil, nil, err
	}
	made := preparation{preparer: p, tx: tx, direct: direct}
	var large invalidEvents // those that would have too many deliveries
	for i, e := range good {
		switch err := made.add(ctx, e, e.meta()); {
		case err == nil:
		case errors.As(err, new(*InvalidError)):
			large.add(len(events), bad.indexOf(i), err)
		default:
			made.undo(err)
			return nil, nil, nil, err
		}
	}
	bad.merge(large)
	if bad.err != nil && !p.opts.SkipInvalid {
		made.undo(bad.err)
		return nil, nil, nil, bad.err
	}
	return made.inserts, made.refused, bad.error(), nil
}

// prepareStamped makes the deliveries of an event that was checked before: no insert,
// if no webhook wants it or has room for it.
func (p *preparer) prepareStamped(ctx context.Context, e *stampedEvent) (inserts []*insert, refused []refusal, err error) {
	made := preparation{preparer: p, direct: true, asked: true, carrier: e.carrier}
	if err := made.add(ctx, e.Event, e.stamp); err != nil {
		made.undo(err)
		return nil, nil, err
	}
	return made.inserts, made.refused, nil
}

// check returns the events that can be delivered: all of them, or an error that names
// each of the others. With Options.SkipInvalid the others are in bad instead.
func (p *preparer) check(events []Event) (good []Event, bad invalidEvents, err error) {
	var changed []int          // the places in good of events that fields are left out of
	var omissions [][]Omission // of these
	good = events
	copied := false // good is no longer events, but the good ones of those before i
	for i, e := range events {
		sent, omitted, err := p.opts.sendable(e)
		if err == nil && omitted == nil && !copied {
			continue
		}
		if !copied {
			good, copied = slices.Clone(events[:i]), true
		}
		if err != nil {
			bad.add(len(events), i, err)
			continue
		}
		if omitted != nil {
			changed, omissions = append(changed, len(good)), append(omissions, omitted)
		}
		good = append(good, sent)
	}
	if bad.err != nil && !p.opts.SkipInvalid {
		return nil, bad, bad.error()
	}
	if hook := p.opts.Hooks.Omitted; hook != nil {
		for i, at := range changed {
			p.notify.safely("Hooks.Omitted", func() { hook(good[at], omissions[i]) })
		}
	}
	return good, bad, nil
}

// carrier asks the app what to keep with the deliveries of a call.
func (p *preparer) carrier(ctx context.Context) (carrier map[string]string) {
	if hook := p.opts.Hooks.Carrier; hook != nil {
		p.notify.safely("Hooks.Carrier", func() { carrier = hook(ctx) })
	}
	return carrier
}

// A preparation collects the deliveries of the events of one call.
type preparation struct {
	*preparer
	tx      Outbox
	direct  bool
	carrier map[string]string
	asked   bool // for the carrier

	inserts []*insert
	refused []refusal
}

// add adds the deliveries of an event, of which m says what its own Meta says, or
// what was filled in for it.
func (made *preparation) add(ctx context.Context, e Event, m Meta) error {
	p := made.preparer
	m.Lists = distinct(m.Lists)
	targets, err := p.cache.wanting(ctx, made.tx, e.Type(), &m)
	if err != nil {
		if ctx.Err() == nil {
			err = p.opts.timeoutError(err)
		}
		return err
	}
	if len(targets) == 0 {
		return nil
	}
	if n := countRows(targets, splitLists(e.Type(), &m)); n > maxEventDeliveries {
		return tooManyDeliveries(n, len(targets))
	}
	var customer CustomerAccount
	if slices.ContainsFunc(targets, (*endpoint).namesCustomer) {
		if customer = p.customerAccount(ctx, m.Account); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	ins, err := newInsert(p.hasher, e, m, customer, targets)
	if err != nil {
		return err
	}
	if hasDisabled(targets) {
		made.inserts = append(made.inserts, ins) // undo returns its quota
		if made.refused, err = p.retained.admitAll(ctx, ins, targets, made.direct, made.refused); err != nil {
			return err
		}
		made.inserts = made.inserts[:len(made.inserts)-1]
	}
	if len(ins.rows) == 0 {
		return nil
	}
	if !made.asked {
		made.asked, made.carrier = true, p.carrier(ctx)
	}
	for i := range ins.rows {
		ins.rows[i].Carrier = made.carrier
	}
	made.inserts = append(made.inserts, ins)
	return nil
}

// undo gives back the quotas that deliveries took.
func (made *preparation) undo(err error) {
	for _, ins := range made.inserts {
		made.retained.returnQuota(ins, err)
	}
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
	if err == nil && max(len(c.OrgName), len(c.Name), len(c.ID)) > validtext.MaxBytes {
		err = fmt.Errorf("it returned a text of more than %d bytes", validtext.MaxBytes)
	}
	if err != nil {
		if ctx.Err() == nil && p.notify.mayLog("Options.CustomerAccount") {
			p.notify.logger.Error("webhook: Options.CustomerAccount failed: the account's keys are sent empty", "error", err)
		}
		return CustomerAccount{}
	}
	return c
}
