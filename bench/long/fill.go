package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/storetest"
)

// How many webhooks have deliveries that are claimed, and the ID of the one whose
// deliveries wait. All are of one account.
const (
	webhooks = 50
	busy     = "busy"
	account  = "acme"
)

func webhookID(n int) string { return fmt.Sprintf("webhook-%02d", n%webhooks) }

// What waits is due a day after the beginning, in the course of an hour.
// Claims with a later present find all of it due: that is how one filling
// serves both for a million that wait and for a million that are due.
const (
	untilDue = 24 * time.Hour
	dueSpan  = time.Hour
)

// body is of the usual size: that of an open with three custom fields.
var body = []byte("type=open&date_time=2026-11-23+09%3A28%3A42&initiated_from=public&initiated_by=public&list=1" +
	"&subscriber%5Bid%5D=4711&subscriber%5Bemail%5D=jane.doe%40example.com&subscriber%5Bfirst_name%5D=Jane" +
	"&subscriber%5Blast_name%5D=Doe&subscriber%5Bip%5D=203.0.113.7&subscriber%5Bfields%5D%5B1%5D=Berlin" +
	"&subscriber%5Bfields%5D%5B2%5D=premium&subscriber%5Bfields%5D%5B3%5D=1001&campaign%5Bid%5D=42&campaign%5Bname%5D=News")

func attempt(start time.Time) *webhook.Attempt {
	return &webhook.Attempt{Start: start, Duration: 12 * time.Millisecond, Status: 200, Response: []byte("ok")}
}

// delivery returns a new one. Its ID is the event's time and a hash, as the
// dispatcher's are for events whose IDs it makes.
func (t *tables) delivery(id string, at time.Time) webhook.Delivery {
	sum := sha256.Sum256([]byte(id))
	return webhook.Delivery{
		ID: fmt.Sprintf("msg_%012x%x", at.UnixMilli(), sum[:12]), Account: account, WebhookID: busy, EventID: id,
		Type: webhook.TypeOpen, Body: body, Created: at, State: webhook.StatePending, Due: at,
	}
}

// Half of what is finished is older than keeps, and can be pruned.
const keeps = 30 * 24 * time.Hour

// finished is the nth of the log, from the oldest on.
func (m *meter) finished(t *tables, n int) webhook.Delivery {
	age := time.Duration(float64(2*keeps) * (1 - float64(n)/float64(m.rows)))
	at := m.start.Add(-age - time.Hour).Truncate(time.Millisecond)
	d := t.delivery("finished "+strconv.Itoa(n), at)
	d.WebhookID, d.State, d.Due, d.Lease, d.Attempts = webhookID(n), webhook.StateDelivered, at.Add(time.Second), 2, 1
	d.Log = []webhook.Attempt{*attempt(at)}
	return d
}

// waiting is the nth of those that wait for a retry.
func (m *meter) waiting(t *tables, n int) webhook.Delivery {
	d := t.delivery("waiting "+strconv.Itoa(n), m.start.Add(-time.Minute))
	d.Due = m.start.Add(untilDue + time.Duration(float64(dueSpan)*float64(n)/float64(m.rows))).Truncate(time.Millisecond)
	d.Attempts = 2 // without a lease, or it would be taken for one that is leased
	d.Log = []webhook.Attempt{*attempt(d.Created)}
	return d
}

// fill fills the tables through the store's own Enqueue, which adds deliveries
// in whatever state they are: every row is as the library writes it.
func (m *meter) fill(ctx context.Context) error {
	m.start = time.Now().UTC().Truncate(time.Millisecond)
	t := m.site.full
	if err := prepare(ctx, t); err != nil {
		return err
	}
	for _, kind := range []func(*tables, int) webhook.Delivery{m.finished, m.waiting} {
		if err := m.load(ctx, t, m.rows, kind); err != nil {
			return err
		}
	}
	return m.settle(ctx, t)
}

// load stores the first n deliveries of a kind, with one writer on SQLite and three on
// PostgreSQL.
func (m *meter) load(ctx context.Context, t *tables, n int, kind func(*tables, int) webhook.Delivery) error {
	const chunk = 5000
	workers := 1
	if m.site.postgres {
		workers = 3
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	firsts, errs := make(chan int), make([]error, workers)
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for first := range firsts {
				ds := make([]webhook.Delivery, min(chunk, n-first))
				for k := range ds {
					ds[k] = kind(t, first+k)
				}
				if _, err := t.Enqueue(ctx, storetest.Events(ds...)); err != nil {
					errs[i] = err
					cancel()
					return
				}
			}
		})
	}
feed:
	for first := 0; first < n; first += chunk {
		select {
		case firsts <- first:
		case <-ctx.Done():
			break feed
		}
	}
	close(firsts)
	wg.Wait()
	return errors.Join(append(errs, ctx.Err())...)
}

// prepare puts the webhooks.
func prepare(ctx context.Context, t *tables) error {
	ids := []string{busy}
	for n := range webhooks {
		ids = append(ids, webhookID(n))
	}
	for _, id := range ids {
		w := webhook.Webhook{ID: id, Account: account, Settings: webhook.Settings{Name: id}}
		if _, err := t.PutWebhook(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// settle does what a database does by itself after a while, so that it does
// not do so while something is measured.
func (m *meter) settle(ctx context.Context, t *tables) error {
	statements := []string{"pragma wal_checkpoint(truncate)"}
	if m.site.postgres {
		statements = []string{"vacuum (analyze)"}
		var may bool // pg_checkpoint is PostgreSQL 15's; before, superusers may
		const asks = `select coalesce((select pg_has_role(oid, 'usage') from pg_roles where rolname = 'pg_checkpoint'), false)
			or (select rolsuper from pg_roles where rolname = current_user)`
		if err := t.db.QueryRowContext(ctx, asks).Scan(&may); err != nil {
			return err
		}
		if may {
			statements = append(statements, "checkpoint")
		}
	}
	for _, st := range statements {
		if _, err := t.db.ExecContext(ctx, st); err != nil {
			return err
		}
	}
	return nil
}
