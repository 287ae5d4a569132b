package dbtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// disturb cancels, sends again and moves what it finds, cuts connections, and opens
// stores anew, until nothing more is emitted.
func (l *load) disturb(ctx context.Context, r *rand.Rand) {
	for !l.emitted.Load() && !l.t.Failed() && ctx.Err() == nil {
		i := r.IntN(2)
		q := webhook.DeliveryQuery{All: true, Limit: 20, Brief: true, Oldest: r.IntN(2) == 0}
		if r.IntN(2) == 0 {
			q.States = []webhook.State{webhook.StatePending}
		}
		ds, err := l.store(i).Deliveries(ctx, q)
		if err != nil {
			continue
		}
		var cs []webhook.Change
		for _, d := range ds {
			c := webhook.Change{ID: d.ID, Lease: d.Lease, State: d.State, Due: d.Due, Attempts: d.Attempts}
			switch n := r.IntN(10); {
			case n == 0 && d.State == webhook.StatePending:
				c.State, c.Due = webhook.StateCanceled, l.at()
			case n == 1 && d.State == webhook.StatePending && d.Due.Before(l.at()): // not leased
				c.Due = l.at().Add(time.Duration(r.IntN(50)) * time.Millisecond)
			case n == 2 && d.State != webhook.StatePending:
				c.State, c.Due, c.Joined, c.Attempts = webhook.StatePending, l.at(), l.at(), 9
			case n == 3 && d.State == webhook.StatePending && r.IntN(4) == 0:
				c.LeaveLine = true
			default:
				continue
			}
			cs = append(cs, c)
		}
		l.ends(cs)
		_, _ = l.store(i).Apply(ctx, cs)
		switch r.IntN(20) {
		case 0:
			l.cut(ctx, i)
		case 1:
			h := l.reopen(i)
			l.mu.Lock()
			old := l.stores[i]
			l.stores[i] = h
			l.mu.Unlock()
			old.close()
		}
		time.Sleep(time.Millisecond)
	}
}

// cut ends the connections that are in a transaction, or at a statement.
func (l *load) cut(ctx context.Context, i int) {
	h := l.store(i)
	_, err := h.number(ctx, `
select count(pg_terminate_backend(pid)) from (
  select distinct pid from pg_locks l join pg_class c on c.oid = l.relation
  where c.relnamespace = cast(current_schema() as regnamespace) and pid <> pg_backend_pid()) p`)
	if err == nil {
		return
	}
	id, err := h.number(ctx, `
select id from information_schema.processlist where db = database() and id <> connection_id() and command <> 'Sleep' limit 1`)
	if err == nil {
		_ = h.exec(ctx, fmt.Sprint("kill ", id))
	}
}

// check checks the order in which deliveries were numbered, and that none is left.
func (l *load) check(ctx context.Context) {
	h, n := l.store(0), 1
	for tries := 0; n > 0 && tries < 300; tries++ { // some scans are made every few seconds only
		l.now.Add(loadLease)
		ds, err := h.Claim(ctx, webhook.Claim{Now: l.at(), Until: l.at().Add(loadLease * time.Millisecond), Limit: 500, Each: 500})
		require.NoError(l.t, err)
		l.claimed(ds)
		var cs []webhook.Change
		for _, d := range ds {
			cs = append(cs, webhook.Change{ID: d.ID, Lease: d.Lease, State: webhook.StateDelivered, Due: l.at()})
		}
		l.ends(cs)
		_, err = h.Apply(ctx, cs)
		require.NoError(l.t, err)
		if n, err = h.Count(ctx, webhook.DeliveryQuery{All: true, States: []webhook.State{webhook.StatePending}}); len(ds) == 0 {
			time.Sleep(30 * time.Millisecond)
		}
		require.NoError(l.t, err)
	}
	// A query for pending ones looks in the queues, where one that is lost is not.
	n, err := h.number(ctx, `select count(*) from webhook_deliveries where state = 'pending'`)
	require.NoError(l.t, err)
	require.Zero(l.t, n, "deliveries are left behind")
	ds, err := h.Deliveries(ctx, webhook.DeliveryQuery{All: true, Brief: true})
	require.NoError(l.t, err)
	sequences := map[string]int64{}
	for _, d := range ds {
		sequences[d.ID] = d.Sequence
	}
	lines := map[line][]string{}
	for id, d := range l.ids {
		if d.stored > 0 && d.line.key != "" && sequences[id] > 0 {
			lines[d.line] = append(lines[d.line], id)
		}
	}
	for _, ids := range lines {
		for _, a := range ids {
			for _, b := range ids {
				one, two := l.ids[a], l.ids[b]
				before := one.stored < two.began && (l.ordersTx || !two.inTx) || a < b && one.began+1 == two.began && one.order+1 == two.order
				if before && sequences[a] >= sequences[b] {
					l.t.Errorf("%s was stored before %s, and has the number %d and not one below %d", a, b, sequences[a], sequences[b])
				}
			}
		}
	}
	left, err := h.number(ctx, `select count(*) from webhook_lines`)
	require.NoError(l.t, err)
	l.t.Logf("%d deliveries, %d claims, %d leased when they were stored, %d rows of lines left", len(ds), l.claims.Load(), l.leased.Load(), left)
}
