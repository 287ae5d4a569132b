package sqlstore

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"github.com/listhook/webhook"
)

// A lease is a row of the table of leases: deliveries that were claimed, or
// born leased, in one batch. It is there for the process that dies with them,
// which is rare, so nothing of it is written for each delivery: neither when
// it is leased nor when its outcome is stored.
//
// It counts for those of its deliveries that are pending, in no other queue,
// and due from its due to its last. When its due has come, a claim makes these
// ready and removes it.
type lease struct {
	due, last int64
	token     int64 // tells leases of one due apart
	of        []leased
	left      int // how many of them are not known to have left it
}

// leased is a delivery under its lease.
type leased struct {
	id    string
	lease int64
}

// leaseSpan is how far apart, in milliseconds, deliveries of one lease may be
// due: some are made ready so much too early, which is harmless.
const leaseSpan = 1000

// leases returns those for the rows of the batch but for some, as PostgreSQL
// makes them by itself.
func (b *batch) leases(but []string) (list []*lease) {
	without := set(but)
	spans := map[int64]*lease{}
	for i := range b.rows {
		r := &b.rows[i]
		if r.Queue != isLeased || without[r.ID] {
			continue
		}
		l := spans[r.Due/leaseSpan]
		if l == nil {
			l = &lease{due: r.Due, last: r.Due, token: b.token}
			spans[r.Due/leaseSpan] = l
			list = append(list, l)
		}
		l.due, l.last = min(l.due, r.Due), max(l.last, r.Due)
		l.of = append(l.of, leased{r.ID, r.Lease})
	}
	return list
}

// claimed returns the lease of what was claimed.
func claimed(ds []webhook.Delivery, until, token int64) *lease {
	l := &lease{due: until, last: until, token: token, of: make([]leased, len(ds))}
	for i := range ds {
		l.of[i] = leased{ds[i].ID, ds[i].Lease}
	}
	return l
}

// lease writes leases, where the statement that leased has not done so.
func (s *Store) lease(ctx context.Context, q Querier, list []*lease) error {
	if s.sql.lease.text == "" {
		return nil
	}
	for _, l := range list {
		ids := make([]string, len(l.of))
		for i := range l.of {
			ids[i] = l.of[i].id
		}
		data, err := texts(ids)
		if err != nil {
			return err
		}
		a := args{"due": l.due, "last": l.last, "token": l.token, "ids": data}
		if _, err := s.exec(ctx, q, s.sql.lease, a); err != nil {
			return err
		}
	}
	return nil
}

// unlease removes leases.
func (s *Store) unlease(ctx context.Context, q Querier, list []*lease) error {
	if len(list) == 0 {
		return nil
	}
	type key struct {
		Due   int64 `json:"d"`
		Token int64 `json:"t"`
	}
	keys := make([]key, len(list))
	for i, l := range list {
		keys[i] = key{l.due, l.token}
	}
	data, err := json.Marshal(keys)
	if err != nil {
		return err
	}
	_, err = s.exec(ctx, q, s.sql.unlease, args{"rows": string(data)})
	return err
}

// lapses is how many leases at most lapse in one claim.
const lapses = 500

// lapse makes ready what is left of the leases that have ended, and removes
// these. It returns how many there were and how many it made ready.
//
// On PostgreSQL it is not in one transaction, and need not be: until a lease is
// removed it may lapse again, by another process as well, and then finds that
// nothing is left of it.
func (w *walk) lapse(ctx context.Context, q Querier) (ended int, n int64, err error) {
	type entry struct {
		ID   string `json:"i"`
		Due  int64  `json:"d"`
		Last int64  `json:"e"`
	}
	var (
		list    []*lease
		entries []entry
	)
	w.args["n"] = lapses
	err = w.s.query(ctx, q, w.s.sql.ended, w.args, func(scan Scan) error {
		var (
			l    lease
			data []byte
			ids  []string
		)
		if err := scan(&l.due, &l.last, &l.token, &data); err != nil {
			return err
		}
		if err := json.Unmarshal(data, &ids); err != nil {
			return err
		}
		list = append(list, &l)
		for _, id := range ids {
			entries = append(entries, entry{id, l.due, l.last})
		}
		return nil
	})
	if err != nil || len(list) == 0 {
		return 0, 0, err
	}
	// As everywhere, rows are locked in order of id.
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.ID, b.ID) })
	data, err := json.Marshal(entries)
	if err != nil {
		return 0, 0, err
	}
	if n, err = w.s.exec(ctx, q, w.s.sql.lapse, args{"rows": string(data)}); err != nil {
		return 0, 0, err
	}
	return len(list), n, w.s.unlease(ctx, q, list)
}

// tenants is what this process knows of the leases that it wrote: which of
// their deliveries have not left them yet. A lease that all have left is of no
// use, and the next claim removes it, so that nobody looks for them when it
// ends. What is not known here, because another process stored an outcome or
// nobody knows whether it was stored, is left to that.
type tenants struct {
	mu   sync.Mutex
	of   map[string]tenant // by the delivery's id
	open []*lease          // the first written first
	left []*lease          // all have left these
}

type tenant struct {
	in    *lease
	lease int64 // the delivery's
}

// tenantsMost is how many deliveries are known at most, several times what a
// dispatcher holds.
const tenantsMost = 100_000

// enter notes leases that were written for certain.
func (t *tenants) enter(list []*lease) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == nil {
		t.of = map[string]tenant{}
	}
	for _, l := range list {
		if len(t.of)+len(l.of) > tenantsMost {
			continue
		}
		l.left = len(l.of)
		for _, d := range l.of {
			switch before, ok := t.of[d.id]; {
			case ok && before.lease > d.lease: // it has been claimed again meanwhile
				t.leave(l)
				continue
			case ok:
				t.leave(before.in)
			}
			t.of[d.id] = tenant{l, d.lease}
		}
		if l.left > 0 {
			t.open = append(t.open, l)
		}
	}
}

// changed notes that all rows but the lost ones were changed for certain.
func (t *tenants) changed(rows []row, lost []string) {
	but := set(lost)
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range rows {
		r := &rows[i]
		// Under another lease it is another tenancy, which may have begun
		// since the change was made.
		if d, ok := t.of[r.ID]; ok && d.lease == r.Lease && !but[r.ID] {
			delete(t.of, r.ID)
			t.leave(d.in)
		}
	}
}

// leave notes that a delivery has left its lease.
func (t *tenants) leave(l *lease) {
	if l.left--; l.left == 0 {
		l.of = nil
		t.left = append(t.left, l)
	}
}

// vacant returns the leases that all have left, once, and forgets those that
// have ended.
func (t *tenants) vacant(now int64) []*lease {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.open) > 0 && (t.open[0].left == 0 || t.open[0].due <= now) {
		l := t.open[0]
		t.open = t.open[1:]
		for _, d := range l.of {
			if t.of[d.id].in == l {
				delete(t.of, d.id)
			}
		}
	}
	list := t.left
	t.left = nil
	return list
}

// set returns a list as a set.
func set(list []string) map[string]bool {
	if len(list) == 0 {
		return nil
	}
	m := make(map[string]bool, len(list))
	for _, text := range list {
		m[text] = true
	}
	return m
}
