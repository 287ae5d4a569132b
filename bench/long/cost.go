package main

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/storetest"
)

// A meter measures the tables of one site.
type meter struct {
	*config
	*report
	site  *site
	start time.Time // the present while the tables are filled
}

// The calls of a cycle.
var calls = [...]string{"Enqueue", "Claim", "Apply"}

// Each webhook has room for so many in a claim.
const each = 8

// times are what each call of a cycle took, over many cycles.
type times [len(calls)][]time.Duration

// cycle takes a batch from being emitted to being delivered, at a present that
// is that much later than now, and adds what each call took.
func (m *meter) cycle(ctx context.Context, t *tables, later time.Duration, ts *times) error {
	present := func() time.Time { return time.Now().UTC().Add(later).Truncate(time.Millisecond) }
	ds := make([]webhook.Delivery, m.batch)
	at := present()
	for i := range ds {
		ds[i] = t.delivery("new "+strconv.Itoa(t.made), at)
		ds[i].WebhookID = webhookID(t.made)
		t.made++
	}
	clock := time.Now()
	lap := func(call int) {
		now := time.Now()
		if ts != nil {
			ts[call] = append(ts[call], now.Sub(clock))
		}
		clock = time.Now()
	}
	if _, err := t.Enqueue(ctx, storetest.Events(ds...)); err != nil {
		return err
	}
	lap(0)

	at = present()
	claimed, err := t.Claim(ctx, webhook.Claim{
		Now: at, Until: at.Add(30 * time.Second), After: t.after, Limit: m.batch, Each: each, Room: map[string]int{busy: 0},
	})
	if err != nil {
		return err
	}
	lap(1)
	if len(claimed) != m.batch {
		return fmt.Errorf("of %d due %d were claimed", m.batch, len(claimed))
	}
	t.after = ""
	changes := make([]webhook.Change, len(claimed))
	for i, d := range claimed {
		t.after = max(t.after, d.WebhookID)
		changes[i] = webhook.Change{
			ID: d.ID, Lease: d.Lease, State: webhook.StateDelivered, Due: at, Attempts: 1, Log: attempt(at),
		}
	}

	clock = time.Now()
	lost, err := t.Apply(ctx, changes)
	if err != nil {
		return err
	}
	lap(2)
	if len(lost) > 0 {
		return fmt.Errorf("%d outcomes of %d were lost", len(lost), len(changes))
	}
	return nil
}

// Empty tables are made anew after so many cycles, so that they stay empty. Measuring
// begins after the first few cycles.
const (
	renewed = 50
	warmup  = 15
)

// compare measures the full tables in turns with empty ones, for a number of
// cycles, and reports the ratios of the last ones.
func (m *meter) compare(ctx context.Context, state string, later time.Duration, cycles, last int) error {
	var full, fresh times
	var empty *tables
	for n := range cycles {
		if n%renewed == 0 {
			var err error
			if empty, err = m.site.newEmpty(ctx); err != nil {
				return err
			}
			if err := prepare(ctx, empty); err != nil {
				return err
			}
			for range warmup {
				if err := m.cycle(ctx, empty, later, nil); err != nil {
					return fmt.Errorf("empty tables: %w", err)
				}
			}
		}
		// Who comes first changes, since the one may leave work to the other.
		order := []struct {
			*tables
			*times
		}{{m.site.full, &full}, {empty, &fresh}}
		if n%2 == 1 {
			slices.Reverse(order)
		}
		for _, o := range order {
			if err := m.cycle(ctx, o.tables, later, o.times); err != nil {
				return fmt.Errorf("cycle %d: %w", n, err)
			}
		}
	}
	for i, call := range calls {
		m.costs = append(m.costs, newCost(m.name(), state, call, tail(full[i], last), tail(fresh[i], last)))
	}
	return m.comparePlans(ctx, state, empty, later)
}

func tail(ts []time.Duration, n int) []time.Duration { return ts[max(0, len(ts)-n):] }

func (m *meter) name() string {
	if m.site.postgres {
		return "postgres"
	}
	return "sqlite"
}

// full measures the tables as they were filled.
func (m *meter) full(ctx context.Context) error {
	for range warmup {
		if err := m.cycle(ctx, m.site.full, 0, nil); err != nil {
			return err
		}
	}
	return m.compare(ctx, "full", 0, m.cycles, m.cycles)
}

// whileDumping measures while a transaction is open that still sees all rows removed
// since, as that of a dump does. On SQLite that is a reader, during which the
// write-ahead log grows.
func (m *meter) whileDumping(ctx context.Context) error {
	tx, err := m.site.full.db.BeginTx(ctx, &sql.TxOptions{Isolation: m.snapshot()})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var n int
	if err := tx.QueryRowContext(ctx, "select count(*) from "+m.site.full.prefix+"webhooks").Scan(&n); err != nil {
		return err
	}
	last := min(m.cycles, max(1, m.dump/4))
	for range m.dump - last {
		if err := m.cycle(ctx, m.site.full, 0, nil); err != nil {
			return err
		}
	}
	return m.compare(ctx, "dump", 0, last, last)
}

// snapshot is the isolation of a dump. SQLite has none other.
func (m *meter) snapshot() sql.IsolationLevel {
	if m.site.postgres {
		return sql.LevelRepeatableRead
	}
	return sql.LevelDefault
}

// fullQueue measures at a time when all waiting deliveries are due, for a webhook that
// has no room.
func (m *meter) fullQueue(ctx context.Context) error {
	if err := m.settle(ctx, m.site.full); err != nil {
		return err
	}
	later := untilDue + 2*dueSpan
	// The claims of these cycles find what has come due, some at a time.
	var coming times
	t := m.site.full
	for {
		if err := m.cycle(ctx, t, later, &coming); err != nil {
			return err
		}
		n := len(coming[1])
		if n*10_000 > m.rows+20_000 {
			break
		}
	}
	m.costs = append(m.costs, newCost(m.name(), "coming due", "Claim", coming[1], nil))
	if err := m.settle(ctx, m.site.full); err != nil {
		return err
	}
	return m.compare(ctx, "full queue", later, m.cycles, m.cycles)
}
