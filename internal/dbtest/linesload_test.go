package dbtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/storetest"
)

// Two processes emit, claim, retry, abandon, cancel and send again at the same time,
// with transactions that stay open, and with connections that are cut: no two
// deliveries of a line are under way at the same time, they are numbered in the order
// in which they were stored, and none is left behind.
func TestLinesUnderLoad(t *testing.T) {
	t.Parallel()
	for _, s := range storages {
		// With fewer connections than goroutines use them they would wait for one another.
		if s.again && (s.name != "postgres by pq" || !long()) {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			underLoad(t, s.name == "postgres by pgxpool", true, func() func(int) *handle {
				open := s.create(t)
				return func(int) *handle { return open("") }
			})
		})
	}
}

// underLoad runs loads on two processes, which open opens. leases says that all deliveries
// are stored by EnqueueLeasing, where the store has it. ordersTx says that what a
// transaction stores is known to be behind what was stored by the other process before
// the transaction began.
func underLoad(t *testing.T, leases, ordersTx bool, create func() (open func(process int) *handle)) {
	rounds := 1
	if n, err := strconv.Atoi(os.Getenv("LISTHOOK_ROUNDS")); err == nil {
		rounds = max(1, n/10)
	}
	for round := range rounds {
		seed := uint64(time.Now().UnixNano())
		if text := os.Getenv("LISTHOOK_SEED"); text != "" {
			seed, _ = strconv.ParseUint(text, 10, 64)
		}
		open := create()
		l := &load{t: t, seed: seed, leases: leases, ordersTx: ordersTx, active: map[line][]string{}, ids: map[string]*loadDelivery{}}
		for i := range 2 {
			l.stores = append(l.stores, migrated(t, open(i)))
		}
		l.reopen = open
		t.Logf("round %d: LISTHOOK_SEED=%d", round, seed)
		if l.run(); t.Failed() {
			return
		}
	}
}

type line struct{ webhook, key string }

// load is what one run knows.
type load struct {
	t        *testing.T
	seed     uint64
	leases   bool // see underLoad
	ordersTx bool // see underLoad

	mu     sync.Mutex // guards the fields below
	stores []*handle
	reopen func(process int) *handle
	active map[line][]string // IDs of deliveries that were claimed and have not ended
	ids    map[string]*loadDelivery
	made   int

	now     atomic.Int64 // in milliseconds
	emitted atomic.Bool  // nothing more will be
	claims  atomic.Int64
	leased  atomic.Int64 // by EnqueueLeasing
}

// loadDelivery is what is known of one delivery.
type loadDelivery struct {
	line          line
	began, stored int64 // when storing it began, and when it was known to be stored; 0: it is not
	order         int   // in its call
	inTx          bool  // it was stored in a transaction
	ended         int64 // the last Lease under which it was about to end or to leave its line; -1: none
}

const (
	loadEvents  = 30 // of each emitter, and with LISTHOOK_LONG twice as many
	loadKeys    = 6
	loadLease   = 400 // milliseconds
	loadWorkers = 3   // of each kind, for each store
)

func (l *load) at() time.Time { return now.Add(time.Duration(l.now.Load()) * time.Millisecond) }

func (l *load) tick() int64 { return l.now.Add(1) }

func (l *load) store(i int) *handle {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stores[i]
}

func (l *load) run() {
	ctx, cancel := context.WithTimeout(l.t.Context(), 5*time.Minute)
	defer cancel()
	var emitters, workers sync.WaitGroup
	for i := range 2 {
		for n := range loadWorkers {
			r := rand.New(rand.NewPCG(l.seed, uint64(i*loadWorkers+n)))
			emitters.Go(func() { l.emit(ctx, i, r) })
			r2 := rand.New(rand.NewPCG(l.seed, uint64(1000+i*loadWorkers+n)))
			workers.Go(func() { l.work(ctx, i, r2) })
		}
	}
	r := rand.New(rand.NewPCG(l.seed, 2000))
	workers.Go(func() { l.disturb(ctx, r) })
	emitters.Wait()
	l.emitted.Store(true)
	workers.Wait()
	l.check(ctx)
}

// again repeats f while it fails, as a process whose connection was cut does.
func (l *load) again(ctx context.Context, f func() error) {
	for n := 0; ; n++ {
		err := f()
		if err == nil {
			return
		}
		if n > 200 || ctx.Err() != nil {
			l.t.Errorf("it still fails: %v", err)
			return
		}
		time.Sleep(time.Duration(n) * time.Millisecond)
	}
}

func (l *load) emit(ctx context.Context, i int, r *rand.Rand) {
	events := loadEvents
	if long() {
		events *= 2
	}
	for n := 0; n < events && !l.t.Failed(); n++ {
		w := fmt.Sprint("w", r.IntN(2))
		key := ""
		switch r.IntN(6) {
		case 0:
		case 1, 2:
			key = fmt.Sprint("rare", r.IntN(50*loadKeys)) // whose line is often empty
		default:
			key = fmt.Sprint("k", r.IntN(loadKeys))
		}
		var ds []webhook.Delivery
		l.mu.Lock()
		for j := range 1 + r.IntN(3) {
			l.made++
			d := delivery(fmt.Sprintf("%06d", l.made))
			d.WebhookID, d.Key, d.Created = w, key, l.at()
			if d.Joined = l.at(); r.IntN(4) == 0 {
				d.EventID = "the same"
			}
			d.Due = now.Add(-time.Duration(r.IntN(1000)) * time.Millisecond) // in any order
			ds = append(ds, d)
			l.ids[d.ID] = &loadDelivery{line: line{w, key}, began: l.tick(), order: j, ended: -1}
		}
		l.mu.Unlock()
		how := r.IntN(16)
		if l.leases || how >= 10 {
			l.enqueueLeasing(ctx, i, ds, r)
		} else if how < 8 {
			l.again(ctx, func() error {
				_, err := l.store(i).Enqueue(ctx, storetest.Events(ds...))
				return err
			})
		} else if l.inTx(ds); !l.emitTx(ctx, i, ds, how == 9 && r.IntN(2) == 0, r) {
			continue
		}
		l.mu.Lock()
		for _, d := range ds {
			l.ids[d.ID].stored = l.tick()
		}
		l.mu.Unlock()
	}
}

func (l *load) inTx(ds []webhook.Delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range ds {
		l.ids[d.ID].inTx = true
	}
}

// emitTx stores deliveries in a transaction that stays open for a while. It reports
// whether they are stored.
func (l *load) emitTx(ctx context.Context, i int, ds []webhook.Delivery, rollback bool, r *rand.Rand) bool {
	committed := false
	for try := 0; try < 3 && !committed; try++ {
		tx, err := l.store(i).begin(ctx)
		if err != nil {
			continue
		}
		_, err = tx.Enqueue(ctx, storetest.Events(ds...))
		time.Sleep(time.Duration(r.IntN(5)) * time.Millisecond)
		if err != nil || rollback {
			_ = tx.rollback()
			if rollback {
				break
			}
			continue
		}
		committed = tx.commit() == nil
	}
	return committed
}

// work claims deliveries, and stores what became of them, until none is left.
func (l *load) work(ctx context.Context, i int, r *rand.Rand) {
	for empty := 0; empty < 30 && !l.t.Failed() && ctx.Err() == nil; {
		var ds []webhook.Delivery
		l.now.Add(int64(r.IntN(20)))
		c := webhook.Claim{Now: l.at(), Until: l.at().Add(loadLease * time.Millisecond), Limit: 1 + r.IntN(20), Each: 1 + r.IntN(20)}
		ds, err := l.store(i).Claim(ctx, c)
		if err != nil {
			time.Sleep(time.Millisecond)
			continue
		}
		l.claims.Add(int64(len(ds)))
		if l.claimed(ds); len(ds) > 0 {
			empty = 0
		} else if l.emitted.Load() {
			empty++
			l.now.Add(loadLease / 4)
		}
		for len(ds) > 0 {
			n := 1 + r.IntN(len(ds))
			l.conclude(ctx, i, ds[:n], r)
			ds = ds[n:]
		}
	}
}

// claimed checks that what was claimed is alone in its line.
func (l *load) claimed(ds []webhook.Delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range ds {
		if !d.InLine() || l.ids[d.ID].ended >= d.Lease {
			continue // it may have ended since
		}
		of := line{d.WebhookID, d.Key}
		if d.Sequence <= 0 {
			l.t.Errorf("%s was claimed without a Sequence", d.ID)
		}
		for _, other := range l.active[of] {
			if other != d.ID {
				l.t.Errorf("%s was claimed while %s of the same line was under way", d.ID, other)
			}
		}
		if !slices.Contains(l.active[of], d.ID) {
			l.active[of] = append(l.active[of], d.ID)
		}
	}
}

// ends notes that deliveries are about to end, or to leave their lines.
func (l *load) ends(cs []webhook.Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range cs {
		if of := l.ids[c.ID].line; c.State != webhook.StatePending || c.LeaveLine || c.Erase {
			l.active[of] = slices.DeleteFunc(l.active[of], func(id string) bool { return id == c.ID })
			l.ids[c.ID].ended = max(l.ids[c.ID].ended, c.Lease)
		}
	}
}

// conclude stores what became of deliveries that were claimed. Some are abandoned.
func (l *load) conclude(ctx context.Context, i int, ds []webhook.Delivery, r *rand.Rand) {
	var cs []webhook.Change
	for _, d := range ds {
		c := webhook.Change{ID: d.ID, Lease: d.Lease, State: webhook.StateDelivered, Due: l.at(), Attempts: d.Attempts + 1}
		switch n := r.IntN(20); {
		case n == 0:
			continue // abandoned
		case n < 5 && d.Attempts < 4: // retried
			c.State, c.Due = webhook.StatePending, l.at().Add(time.Duration(r.IntN(100))*time.Millisecond)
		case n == 5:
			c.State = webhook.StateFailed
		case n == 6:
			c.State, c.LeaveLine = webhook.StatePending, true
		case n == 7:
			c.Erase = true
		}
		cs = append(cs, c)
	}
	l.ends(cs)
	l.again(ctx, func() error {
		_, err := l.store(i).Apply(ctx, cs)
		return err
	})
}
