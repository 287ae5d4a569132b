package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/listhook/webhook"
)

const (
	people  = 100_000 // who receive the campaigns, and are the subjects of the log
	failing = 20      // one delivery of so many failed
	page    = 51      // deliveries on a page of the log, and one that says that there are more
	gone    = 410     // the status of those that failed
)

// growth compares a log of m.rows deliveries with one of m.grown. Both grow at the same
// rate, so that the longer one is older. The calls of a cycle, the queries of the page and
// a step of pruning take turns on the two.
func (m *meter) growth(ctx context.Context) error {
	m.start = time.Now().UTC().Truncate(time.Millisecond)
	short, err := m.site.newEmpty(ctx)
	if err != nil {
		return err
	}
	logs := []*grownLog{{tables: short, n: m.rows}, {tables: m.site.full, n: m.grown}}
	for _, l := range logs {
		if err := m.grow(ctx, l); err != nil {
			return err
		}
	}
	for n := range warmup + m.cycles {
		if n == warmup {
			for _, l := range logs {
				l.times, l.queries = times{}, map[string][]time.Duration{}
			}
		}
		// The pages read from both are at places that are alike.
		place := rand.Float64()
		for i := range logs {
			if err := m.visit(ctx, logs[(i+n)%2], place, n); err != nil {
				return err
			}
		}
	}
	for i, call := range calls {
		m.costs = append(m.costs, newCost(m.name(), "grown log", call, logs[1].times[i], logs[0].times[i]))
	}
	for _, name := range queryNames {
		m.costs = append(m.costs, newCost(m.name(), "grown log", name, logs[1].queries[name], logs[0].queries[name]))
	}
	return nil
}

// A grownLog is a log of n deliveries that have ended.
type grownLog struct {
	*tables
	n       int
	times   times
	queries map[string][]time.Duration
}

// grow fills a log, and notes how large it is.
func (m *meter) grow(ctx context.Context, l *grownLog) error {
	began := time.Now()
	if err := prepare(ctx, l.tables); err != nil {
		return err
	}
	kind := func(t *tables, n int) webhook.Delivery { return m.logged(t, l.n-1-n) }
	if err := m.load(ctx, l.tables, l.n, kind); err != nil {
		return err
	}
	if err := m.settle(ctx, l.tables); err != nil {
		return err
	}
	size := `select page_count * page_size from pragma_page_count, pragma_page_size`
	if m.site.postgres {
		size = `select pg_database_size(current_database())`
	}
	var bytes int64
	if err := l.db.QueryRowContext(ctx, size).Scan(&bytes); err != nil {
		return err
	}
	m.notes = append(m.notes, fmt.Sprintf("%s: a log of %d deliveries takes %.1f GB; it was filled in %.0f s",
		m.name(), l.n, float64(bytes)/1e9, time.Since(began).Seconds()))
	return nil
}

// logged is the nth delivery of a log, from the newest on.
func (m *meter) logged(t *tables, n int) webhook.Delivery {
	age := time.Duration(float64(2*keeps) / float64(m.rows) * float64(n))
	at := m.start.Add(-age - time.Second).Truncate(time.Millisecond)
	d := t.delivery("logged "+strconv.Itoa(n), at)
	d.WebhookID, d.State, d.Due, d.Lease, d.Attempts = webhookID(n), webhook.StateDelivered, at.Add(time.Second), 2, 1
	d.Subjects = []string{subject(n)}
	d.Log = []webhook.Attempt{*attempt(at)}
	if n%failing == 0 {
		d.State, d.Log[0].Status, d.Log[0].Reason = webhook.StateFailed, gone, "410 Gone"
	}
	return d
}

func subject(n int) string { return fmt.Sprintf("s-%x", uint64(n%people)*0x9e3779b97f4a7c15) }

// The page's queries, by what the reader asked for.
var queryNames = [...]string{
	"newest page", "page of a webhook", "a page further back", "failed since yesterday", "by failure", "search", "one delivery",
	"overview", "count of pending", "Prune",
}

// visit takes a cycle and each query of the page to a log. The queries ask for what is at
// place, from the newest delivery at 0 to the oldest at 1.
func (m *meter) visit(ctx context.Context, l *grownLog, place float64, turn int) error {
	if err := m.cycle(ctx, l.tables, 0, &l.times); err != nil {
		return err
	}
	at := m.logged(l.tables, int(place*0.9*float64(l.n))) // the last tenth is pruned
	yesterday := m.start.Add(-24 * time.Hour)
	failed := []webhook.State{webhook.StateFailed}
	asked := map[string]webhook.DeliveryQuery{
		"newest page":            {Limit: page},
		"page of a webhook":      {Webhook: at.WebhookID, Limit: page},
		"a page further back":    {After: at.Cursor(), Limit: page},
		"failed since yesterday": {States: failed, Since: yesterday, Limit: page},
		"by failure":             {Failures: []string{strconv.Itoa(gone)}, Limit: page},
		"search":                 {Subject: at.Subjects[0], Limit: page},
		"one delivery":           {IDs: []string{at.ID}},
		"overview":               {Webhook: at.WebhookID, Since: yesterday, Brief: true, Limit: 5001},
	}
	for _, name := range queryNames {
		began, empty := time.Now(), false
		var err error
		switch q, isList := asked[name]; {
		case isList:
			q.Account = account
			var ds []webhook.Delivery
			ds, err = l.Deliveries(ctx, q)
			empty = len(ds) == 0 && q.Since.IsZero()
		case name == "Prune":
			empty, err = m.pruneOldest(ctx, l)
		default:
			pending := []webhook.State{webhook.StatePending}
			_, err = l.Count(ctx, webhook.DeliveryQuery{Account: account, Webhook: at.WebhookID, States: pending, Limit: 10_001})
		}
		if err == nil && empty {
			err = errors.New("nothing was found")
		}
		if err != nil {
			return fmt.Errorf("turn %d of the log of %d, %s: %w", turn, l.n, name, err)
		}
		if l.queries == nil {
			l.queries = map[string][]time.Duration{}
		}
		l.queries[name] = append(l.queries[name], time.Since(began))
	}
	return nil
}

// pruneOldest takes a step of pruning, unless the last tenth of the log is gone.
func (m *meter) pruneOldest(ctx context.Context, l *grownLog) (none bool, err error) {
	before := m.logged(l.tables, l.n*9/10).Created
	n, err := l.Prune(ctx, webhook.Prune{Before: before, Limit: min(pruneRows, m.rows/10/(warmup+m.cycles)), Deleted: before})
	return n == 0, err
}
