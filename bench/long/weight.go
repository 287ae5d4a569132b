package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/storetest"
)

// How many deliveries a busy dispatcher stores in a call, and how many outcomes.
const (
	weightEnqueue = 40
	weightApply   = 80
	weightAccount = 10 // webhooks
)

// A weightLine is what deliveries take on the disk.
type weightLine struct {
	Store      string  `json:"store"`
	When       string  `json:"when"`
	Deliveries int     `json:"deliveries"`
	Bytes      int64   `json:"bytes"`
	Indexes    int64   `json:"of_them_indexes"` // PostgreSQL's
	Each       float64 `json:"bytes_each"`
}

// weigh measures what a delivery takes on the disk: stored pre-leased with a body of 400
// bytes, and delivered at once, as Emit does. Then a third is pruned, and as many are
// delivered again, which use its space.
func (m *meter) weigh(ctx context.Context) error {
	t := m.site.full
	if err := prepare(ctx, t); err != nil {
		return err
	}
	m.start = time.Now().UTC().Truncate(time.Millisecond).Add(-time.Duration(2*m.weight) * time.Millisecond)
	third := m.weight / 3
	if err := m.deliverAll(ctx, 0, m.weight); err != nil {
		return err
	}
	if err := m.weighNow(ctx, "delivered", m.weight); err != nil {
		return err
	}
	for p := (webhook.Prune{Before: m.weighed(third).Created, Limit: pruneRows}); ; {
		n, err := t.Prune(ctx, p)
		if err != nil {
			return err
		}
		if n < pruneRows {
			break
		}
	}
	if err := m.weighNow(ctx, "a third pruned", m.weight-third); err != nil {
		return err
	}
	if err := m.deliverAll(ctx, m.weight, m.weight+third); err != nil {
		return err
	}
	return m.weighNow(ctx, "and as many delivered again", m.weight)
}

// weighed is the nth delivery, as it is stored.
func (m *meter) weighed(n int) webhook.Delivery {
	at := m.start.Add(time.Duration(n) * time.Millisecond)
	sum := sha256.Sum256(fmt.Append(nil, n))
	event := fmt.Sprintf("%08x-%04x-7%03x-%x-%x", at.UnixMilli()>>16, at.UnixMilli()&0xffff, n&0xfff, sum[:2], sum[2:8])
	d := m.site.full.delivery(event, at)
	target := int(sum[9]) % webhooks
	d.WebhookID, d.Account = fmt.Sprintf("17644128%08d", target), fmt.Sprint("account-", target/weightAccount)
	d.Body = fmt.Appendf(nil, "type=open&date_time=2026-11-23+09%%3A28%%3A42&initiated_from=public&initiated_by=public&list=%d"+
		"&subscriber%%5Bid%%5D=%d&subscriber%%5Bemail%%5D=jane.doe.%d%%40example.com&subscriber%%5Bfirst_name%%5D=Jane"+
		"&subscriber%%5Blast_name%%5D=Doe&subscriber%%5Bip%%5D=203.0.113.%d&subscriber%%5Bfields%%5D%%5B1%%5D=Berlin"+
		"&subscriber%%5Bfields%%5D%%5B2%%5D=premium&subscriber%%5Bfields%%5D%%5B3%%5D=%x&campaign%%5Bid%%5D=42&campaign%%5Bname%%5D=November+news",
		target%weightAccount+1, 4711+n, n, sum[10], sum[11:18])
	d.Lease, d.Due = 1, at.Add(30*time.Second)
	return d
}

// deliverAll stores deliveries and their outcomes, as the Dispatcher does.
func (m *meter) deliverAll(ctx context.Context, from, to int) error {
	t := m.site.full
	var changes []webhook.Change
	for n := from; n < to || len(changes) > 0; {
		var ds []webhook.Delivery
		for ; n < to && len(ds) < weightEnqueue; n++ {
			d := m.weighed(n)
			ds = append(ds, d)
			changes = append(changes, webhook.Change{
				ID: d.ID, Lease: 1, State: webhook.StateDelivered, Due: d.Created.Add(12 * time.Millisecond), Attempts: 1,
				Log: attempt(d.Created),
			})
		}
		if len(ds) > 0 {
			if _, err := t.Enqueue(ctx, storetest.Events(ds...)); err != nil {
				return err
			}
		}
		if len(changes) < 2*weightApply && n < to {
			continue
		}
		some := changes[:min(weightApply, len(changes))]
		changes = changes[len(some):]
		if _, err := t.Apply(ctx, some); err != nil {
			return err
		}
		if n%100_000 < weightEnqueue { // a claim deletes leases without outstanding deliveries
			if _, err := t.Claim(ctx, webhook.Claim{Now: m.weighed(n).Created, Until: m.weighed(n).Due}); err != nil {
				return err
			}
		}
	}
	return nil
}

// weighNow notes what all tables take on the disk.
func (m *meter) weighNow(ctx context.Context, when string, deliveries int) error {
	if err := m.settle(ctx, m.site.full); err != nil {
		return err
	}
	l := weightLine{Store: m.name(), When: when, Deliveries: deliveries}
	ask, dest := `select page_count * page_size from pragma_page_count, pragma_page_size`, []any{&l.Bytes}
	if m.site.postgres {
		ask = `select sum(pg_total_relation_size(c.oid)), sum(pg_indexes_size(c.oid)) from pg_class c
			where relkind = 'r' and relnamespace = cast(current_schema() as regnamespace)`
		dest = append(dest, &l.Indexes)
	}
	if err := m.site.full.db.QueryRowContext(ctx, ask).Scan(dest...); err != nil {
		return err
	}
	l.Each = float64(l.Bytes) / float64(deliveries)
	m.weights = append(m.weights, l)
	return nil
}
