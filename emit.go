package webhook

import (
	"context"
	"errors"
	"reflect"
	"time"
)

// Wants reports whether Emit would find a webhook of the account for events of this
// type and source, if the event is for the right list. In hot code, ask it before you
// load what an event needs:
//
//	if hooks.Wants(ctx, account, webhook.TypeOpen, webhook.SourcePublic) {
//		// load the subscriber, then Emit
//	}
//
// It is as current as Emit. It reads an account from the store the first time, and
// after that answers from memory without allocating: see Options.PollInterval. A
// webhook that is disabled and keeps its events wants them. If the store cannot be
// read, Wants returns true, so that the Emit that follows decides what to do about it.
func (d *Dispatcher) Wants(ctx context.Context, account string, t EventType, source Source) bool {
	wants, known := d.cache.wants(account, t, source)
	if known {
		return wants
	}
	if err := d.cache.learn(ctx, account); err != nil {
		return true
	}
	wants, known = d.cache.wants(account, t, source)
	return wants || !known
}

// Validate returns an *InvalidEventsError that names those events that Emit would
// refuse with the Dispatcher's Options, or nil. It asks nothing of the store, so it does
// not find an event that would have too many deliveries.
func (d *Dispatcher) Validate(events ...Event) error {
	var bad invalidEvents
	for i, e := range events {
		if _, _, err := d.opts.sendable(e); err != nil {
			bad.add(len(events), i, err)
		}
	}
	return bad.error()
}

// Emit hands over events for delivery. It returns once they are durable. The error is
// nil also when no webhook wants them. The first attempt follows at once where the
// Dispatcher was started, else in the process where one was.
//
// If events cannot be delivered, whether or not a webhook wants them, the error is an
// *InvalidEventsError that names each of them, and none of the events is stored; with
// Options.SkipInvalid all others are. An event that would have more than 50,000
// deliveries, one of many lists for many webhooks, is among them, although Validate
// cannot tell. After any other error some of the events may have been stored: emit again
// with the same Meta.ID, which delivers each at most once to each webhook.
//
// While this process holds half of the deliveries that it may hold, or more, Emit slows
// down: it takes a millisecond longer for each event that is emitted at the same time,
// up to 50 ms. Faster callers would only make deliveries later.
//
// While the store does not answer, Emit returns with an error that says so,
// after three times Options.StoreTimeout at most.
func (d *Dispatcher) Emit(ctx context.Context, events ...Event) error {
	began := time.Now()
	inserts, refused, skipped, err := d.preparer.prepare(ctx, nil, true, events)
	if err != nil {
		return wrap("Emit", err)
	}
	if len(inserts) == 0 {
		d.retained.noteRefused(refused)
		return skipped
	}
	patience := 3*d.opts.StoreTimeout - time.Since(began)
	if err := d.enqueuer.add(ctx, inserts, refused, patience); err != nil {
		return wrap("Emit", err)
	}
	return skipped
}

// EmitBuffered hands over events that may be lost if the process is killed, crashes or
// loses power: it holds them in memory, and stores them in groups within
// Options.Buffer.Wait. It is for many events that matter little individually, such as
// opens and clicks, in handlers that cannot wait for a commit. Use Emit or EmitTx for
// all others.
//
// It does not keep events in order (see Order).
//
// Once it returns nil, an event will be stored, unless the process dies first, Shutdown's
// context ends first, the store refuses the event again and again while it takes others,
// or the event would have more than 50,000 deliveries. In the last three cases
// Hooks.Dropped is called. While the store fails, the buffer keeps its events and tries
// again. When it is full, Options.Buffer.WhenFull says what happens. An event is stored
// with the ID and the time that it has when EmitBuffered returns, so storing it again
// after an error does not deliver it twice.
//
// Events that cannot be delivered are an *InvalidEventsError, as with Emit. An event that
// no webhook wants is not held. ctx is used while EmitBuffered waits, and for
// Hooks.Carrier: where there is room, an event is taken even if ctx has ended, as that of
// a request does when the mail client hangs up. Change nothing that the events refer to,
// such as their Fields, afterwards.
func (d *Dispatcher) EmitBuffered(ctx context.Context, events ...Event) error {
	began := time.Now()
	events, bad, err := d.preparer.check(events)
	if err != nil {
		return err
	}
	skipped := bad.error()
	var carrier map[string]string
	var failed error
	asked := false
	for _, e := range events {
		m := e.meta()
		if wants, known := d.cache.wants(m.Account, e.Type(), m.Source); known && !wants {
			continue
		}
		if !asked {
			asked, carrier = true, d.preparer.carrier(ctx)
		}
		patience := 3*d.opts.StoreTimeout - time.Since(began)
		if err := d.buffer.add(ctx, stampEvent(e, carrier), patience); err != nil {
			failed = err
		}
	}
	switch {
	case failed == nil:
		return skipped
	case skipped == nil:
		return failed
	}
	return errors.Join(failed, skipped)
}

// EmitTx hands over events within a transaction of the caller's: they are delivered if
// it commits, and never if it does not. The store's Tx method makes the transaction an
// Outbox. Deliveries that wait for each other (see Order) come in the order of the
// commits: change or lock the subscriber's row before EmitTx, so that the row's lock
// orders them too. Call Wake after the commit to skip the poll, here or in the
// processes that deliver.
//
// Errors are those of Emit. After an *InvalidEventsError the transaction can go on: of an
// event that cannot be delivered nothing is written. Whether it can go on after another
// error depends on the database.
func (d *Dispatcher) EmitTx(ctx context.Context, tx Outbox, events ...Event) error {
	if err := refuseNil("tx", tx); err != nil {
		return err
	}
	direct := d.isStore(tx)
	inserts, refused, skipped, err := d.preparer.prepare(ctx, d.outbox(tx), direct, events)
	if err != nil {
		return wrap("EmitTx", err)
	}
	if err := d.enqueuer.addTx(ctx, tx, inserts); err != nil {
		return wrap("EmitTx", err)
	}
	if len(inserts) > 0 && !direct {
		d.announcer.emitted()
	}
	d.retained.noteRefused(refused)
	return skipped
}

// isStore reports whether tx is no transaction, but the Dispatcher's own store.
func (d *Dispatcher) isStore(tx Outbox) bool {
	return reflect.TypeOf(tx).Comparable() && tx == Outbox(d.plain)
}

// outbox returns a transaction of the caller's on the store, as d reads it.
func (d *Dispatcher) outbox(tx Outbox) Outbox {
	if v, ok := d.store.(*encryptedStore); ok {
		return sealedOutbox{tx, v}
	}
	return tx
}
