package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// The outbox is one that a team could write that knows all the tricks and needs no
// more: group commit, rows inserted with their lease and handed to the workers in
// memory, claims and completions in batches. It signs nothing, keeps no log, knows no
// endpoints, and deletes delivered rows.
type outbox struct {
	*job
	pool
	poster    poster
	ids       atomic.Int64
	emits     groups[*outboxRow]
	delivered groups[int64]
	room      chan struct{} // a token for each attempt that may be under way
	wake      chan struct{}
	stopped   context.CancelFunc // nil: not started
	workers   sync.WaitGroup
	running   bool
}

type outboxRow struct {
	id     int64
	url    string
	body   []byte
	leased bool
	stored chan error
}

const (
	outboxWorkers = 256
	outboxGroup   = 500
	outboxLease   = 30 * time.Second
	outboxPoll    = time.Second
)

const outboxSchema = `
create table if not exists outbox (
	id       bigint primary key,
	url      text not null,
	body     bytea not null,
	attempts int not null default 0,
	due      timestamptz not null
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
create index if not exists outbox_due on outbox (due, id);`

func openOutbox(ctx context.Context, j *job) (subject, error) {
	// A generic plan would be the sequential scan that was right while the table
	// was empty.
	p, err := openPool(ctx, j, "plan_cache_mode", "force_custom_plan")
	if err != nil {
		return nil, err
	}
	o := &outbox{job: j, pool: p, poster: newPoster(), wake: make(chan struct{}, 1)}
	o.ids.Store(time.Now().UnixMicro()<<10 | rand.Int64N(1<<10)) // no other process draws the same
	o.emits.run, o.delivered.run = o.insert, o.remove
	_, err = p.Exec(ctx, outboxSchema)
	return o, err
}

func (o *outbox) close() {} // its posts may hang: the process ends them

func (o *outbox) emit(ctx context.Context, e event) error {
	row := &outboxRow{id: o.ids.Add(1 << 10), url: o.url(o.target(e.target)), body: e.body(), stored: make(chan error, 1)}
	if o.running {
		select {
		case <-o.room:
			row.leased = true
		default:
		}
	}
	o.emits.add(row)
	return <-row.stored
}

// insert stores a group of rows in one statement, and hands those that are
// leased to workers.
func (o *outbox) insert(group []*outboxRow) {
	ids, urls, bodies, dues := make([]int64, len(group)), make([]string, len(group)), make([][]byte, len(group)), make([]time.Time, len(group))
	for i, row := range group {
		ids[i], urls[i], bodies[i], dues[i] = row.id, row.url, row.body, time.Now()
		if row.leased {
			dues[i] = dues[i].Add(outboxLease)
		}
	}
	_, err := o.Exec(context.Background(), `
		insert into outbox (id, url, body, due)
		select * from unnest($1::bigint[], $2::text[], $3::bytea[], $4::timestamptz[])`, ids, urls, bodies, dues)
	waiting := false
	for _, row := range group {
		switch {
		case err == nil && row.leased:
			o.workers.Go(func() { o.deliver(row) })
		case row.leased:
			o.room <- struct{}{}
		default:
			waiting = true
		}
		row.stored <- err
	}
	if waiting {
		o.wakeUp()
	}
}

func (o *outbox) wakeUp() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// deliver makes an attempt. A failed row is due again when its lease ends.
func (o *outbox) deliver(row *outboxRow) {
	if err := o.poster.post(context.Background(), row.url, row.body); err == nil {
		o.delivered.add(row.id)
	} else {
		o.release(1)
	}
}

// remove deletes delivered rows, which frees the workers' places.
func (o *outbox) remove(ids []int64) {
	if _, err := o.Exec(context.Background(), "delete from outbox where id = any($1)", ids); err != nil {
		fmt.Fprintln(os.Stderr, "outbox:", err)
	}
	o.release(len(ids))
}

func (o *outbox) release(places int) {
	for range places {
		o.room <- struct{}{}
	}
	o.wakeUp()
}

func (o *outbox) start(ctx context.Context) error {
	o.room = make(chan struct{}, outboxWorkers)
	for range outboxWorkers {
		o.room <- struct{}{}
	}
	ctx, o.stopped = context.WithCancel(ctx)
	o.running = true
	o.workers.Go(func() { o.claim(ctx) })
	return nil
}

func (o *outbox) stop(context.Context) error {
	o.running = false
	o.stopped()
	o.workers.Wait()
	o.delivered.wait()
	return nil
}

// claim leases due rows for as many workers as are idle.
func (o *outbox) claim(ctx context.Context) {
	poll := time.NewTicker(outboxPoll)
	defer poll.Stop()
	for more := true; ctx.Err() == nil; {
		if !more {
			select {
			case <-o.wake:
			case <-poll.C:
			case <-ctx.Done():
				return
			}
		}
		places := 0
		for places < outboxWorkers && len(o.room) > 0 {
			<-o.room
			places++
		}
		if places == 0 {
			more = false
			continue
		}
		rows, err := o.Query(ctx, `
			update outbox set due = now() + $2, attempts = attempts + 1
			where id in (select id from outbox where due <= now() order by due, id limit $1 for update skip locked)
			returning id, url, body`, places, outboxLease)
		var claimed []*outboxRow
		if err == nil {
			claimed, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (*outboxRow, error) {
				row := new(outboxRow)
				return row, r.Scan(&row.id, &row.url, &row.body)
			})
		}
		if err != nil && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "outbox:", err)
		}
		for _, row := range claimed {
			o.workers.Go(func() { o.deliver(row) })
		}
		for range places - len(claimed) {
			o.room <- struct{}{}
		}
		more = len(claimed) == places
	}
}

// groups calls run with groups of added items. Items that are added during a call form
// the next group.
type groups[T any] struct {
	run func([]T)

	mu      sync.Mutex
	queue   []T
	running bool
	busy    sync.WaitGroup
}

func (g *groups[T]) add(item T) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.queue = append(g.queue, item)
	if !g.running {
		g.running = true
		g.busy.Go(g.loop)
	}
}

func (g *groups[T]) loop() {
	for {
		g.mu.Lock()
		n := min(len(g.queue), outboxGroup)
		group := g.queue[:n:n]
		g.queue = g.queue[n:]
		g.running = n > 0
		g.mu.Unlock()
		if n == 0 {
			return
		}
		g.run(group)
	}
}

func (g *groups[T]) wait() { g.busy.Wait() }
