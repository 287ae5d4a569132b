package page

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/text"
)

// A databaseRead is what was read of one database for the operator.
type databaseRead struct {
	dispatcher              *webhook.Dispatcher
	waiting                 waiting
	failed, canceled, waits stateRead
	err                     error
}

// A stateRead is what was read of the deliveries in a state, of all accounts.
type stateRead struct {
	deliveries []webhook.Delivery
	more       bool // there are others
}

// readDatabases reads all databases at the same time. The error is that of the only
// one, or that there is none to ask.
func (p *pageRequest) readDatabases() ([]databaseRead, error) {
	ds, err := p.allDispatchers()
	if err != nil {
		return nil, err
	}
	ctx, cancel := p.operatorContext(len(ds))
	defer cancel()
	answers := askAll(ctx, ds, func(d *webhook.Dispatcher) (databaseRead, error) {
		return readDatabase(ctx, d, p.now, max(operatorRows/len(ds), operatorLeast))
	})
	reads := make([]databaseRead, len(ds))
	for i, a := range answers {
		reads[i] = a.value
		reads[i].err = a.err
	}
	if len(ds) == 1 && reads[0].err != nil {
		return nil, reads[0].err
	}
	for _, r := range reads {
		if r.err != nil {
			p.LogFault(p.r.Context(), "webhook: the operator's view leaves out a database", r.err)
		}
	}
	return reads, nil
}

// allDispatchers returns the dispatchers on all databases. One that is nil stands for a
// database that does not answer.
func (p *pageRequest) allDispatchers() ([]*webhook.Dispatcher, error) {
	if p.AllDispatchers == nil {
		return nil, account.ErrForbidden
	}
	ds, err := p.AllDispatchers(p.r.Context())
	if err != nil {
		return nil, fmt.Errorf("webhook: Options.Dispatchers: %w", err)
	}
	return ds, nil
}

// Errors of a database whose dispatcher is nil, and of one that has not answered in time.
var (
	errNoDispatcher = errors.New("webhook: Options.Dispatchers returned nil for it")
	errSilent       = errors.New("webhook: it has not answered in time")
)

// An answer is what a database answered.
type answer[T any] struct {
	value T
	err   error
}

// askAll asks all databases at the same time, and returns their answers in order. It waits
// for none of them after ctx has ended.
func askAll[T any](ctx context.Context, ds []*webhook.Dispatcher, ask func(*webhook.Dispatcher) (T, error)) []answer[T] {
	answers := make([]answer[T], len(ds))
	var all sync.WaitGroup
	for i, d := range ds {
		if d == nil {
			answers[i].err = errNoDispatcher
			continue
		}
		all.Go(func() { answers[i] = await(ctx, func() (T, error) { return ask(d) }) })
	}
	all.Wait()
	return answers
}

// await calls ask and returns its answer. It stops waiting when ctx ends, since a driver may
// ignore ctx. A panic of ask is returned as an error: in a goroutine it would end the process.
func await[T any](ctx context.Context, ask func() (T, error)) answer[T] {
	answered := make(chan answer[T], 1)
	go func() { // it ends when ask does
		defer func() {
			if p := recover(); p != nil {
				answered <- answer[T]{err: fmt.Errorf("webhook: panic: %v", p)}
			}
		}()
		value, err := ask()
		answered <- answer[T]{value, err}
	}()
	select {
	case a := <-answered:
		return a
	case <-ctx.Done():
	}
	select {
	case a := <-answered: // at the same moment
		return a
	default:
		return answer[T]{err: errSilent}
	}
}

// operatorContext returns a context for reading from so many databases: where there
// are others, none that hangs is waited for.
func (p *pageRequest) operatorContext(databases int) (context.Context, context.CancelFunc) {
	if databases == 1 {
		return context.WithCancel(p.r.Context())
	}
	return context.WithTimeout(p.r.Context(), operatorPatience)
}

// readDatabase reads what the operator sees of a database, at most so many
// deliveries of a state.
func readDatabase(ctx context.Context, d *webhook.Dispatcher, now time.Time, rows int) (r databaseRead, err error) {
	r.dispatcher = d
	yesterday := now.Add(-24 * time.Hour)
	for _, part := range []struct {
		into *stateRead
		q    webhook.DeliveryQuery
	}{
		{&r.failed, webhook.DeliveryQuery{States: []webhook.State{webhook.StateFailed}, Since: yesterday}},
		{&r.canceled, webhook.DeliveryQuery{States: []webhook.State{webhook.StateCanceled}, Since: yesterday}},
		{&r.waits, webhook.DeliveryQuery{States: []webhook.State{webhook.StatePending}, Oldest: true}},
	} {
		part.q.All, part.q.Limit, part.q.Brief = true, rows+1, true
		ds, err := d.Deliveries(ctx, part.q)
		if err != nil {
			return databaseRead{}, err
		}
		*part.into = stateRead{ds[:min(len(ds), rows)], len(ds) > rows}
	}
	n := len(r.waits.deliveries)
	if r.waits.more {
		n, err = d.Count(ctx, webhook.DeliveryQuery{All: true, States: []webhook.State{webhook.StatePending}, Limit: countLimit + 1})
		if err != nil {
			return databaseRead{}, err
		}
	}
	r.waiting = waitingOf(n, false, r.waits.deliveries)
	return r, nil
}

// failing counts deliveries by webhook. Of the pending the oldest come first.
// Where more deliveries are in a state than were read, each webhook may have more
// of them.
func (r databaseRead) failing() []failingWebhook {
	byID := map[string]*failingWebhook{}
	of := func(d webhook.Delivery) *failingWebhook {
		if byID[d.WebhookID] == nil {
			byID[d.WebhookID] = &failingWebhook{
				Webhook: webhook.Webhook{ID: d.WebhookID, Account: d.Account}, Gone: true, dispatcher: r.dispatcher,
				Failed: text.Number{More: r.failed.more}, Canceled: text.Number{More: r.canceled.more}, Pending: text.Number{More: r.waits.more},
			}
		}
		return byID[d.WebhookID]
	}
	for _, d := range r.failed.deliveries {
		of(d).Failed.Count++
	}
	for _, d := range r.canceled.deliveries {
		of(d).Canceled.Count++
	}
	for _, d := range r.waits.deliveries {
		f := of(d)
		if f.Pending.Count++; f.Pending.Count == 1 {
			f.Oldest = d.Created
		}
	}
	all := make([]failingWebhook, 0, len(byID))
	for _, f := range byID {
		all = append(all, *f)
	}
	return all
}
