package sqlstore

import "sync"

// leaseTracker records which deliveries of this process's leases are still
// outstanding. The next claim deletes a lease without any, so that no claim
// looks for its deliveries when it expires.
//
// It does not see outcomes that another process stored, nor outcomes of calls that
// returned an error. The leases of these deliveries stay until they expire.
type leaseTracker struct {
	mu         sync.Mutex                 // guards the fields below, and the deliveries and remaining of their leases
	deliveries map[string]trackedDelivery // by the delivery's ID
	active     []*lease                   // with outstanding deliveries, in the order of writing
	empty      []*lease                   // without, for takeEmpty
}

// trackedDelivery is an outstanding delivery.
type trackedDelivery struct {
	row   *lease
	lease int64 // the delivery's Lease
	keyed bool  // it has a Key
}

// maxTracked is how many deliveries are tracked at most: several times what a
// dispatcher holds.
const maxTracked = 100_000

// add tracks leases that were certainly written.
func (t *leaseTracker) add(list []*lease) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.deliveries == nil {
		t.deliveries = map[string]trackedDelivery{}
	}
	for _, l := range list {
		if len(t.deliveries)+len(l.deliveries) > maxTracked {
			continue
		}
		l.remaining = len(l.deliveries)
		for _, d := range l.deliveries {
			switch before, ok := t.deliveries[d.id]; {
			case ok && before.lease > d.lease: // a later claim of it was added first
				t.release(l)
				continue
			case ok:
				t.release(before.row)
			}
			t.deliveries[d.id] = trackedDelivery{l, d.lease, d.keyed}
		}
		if l.remaining > 0 {
			t.active = append(t.active, l)
		}
	}
}

// remove ends the tracking of the rows that were certainly changed: all but the
// lost ones.
func (t *leaseTracker) remove(rows []row, lost []string) {
	but := stringSet(lost)
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range rows {
		r := &rows[i]
		// A delivery with another Lease has been claimed again since the change.
		if d, ok := t.deliveries[r.ID]; ok && d.lease == r.Lease && !but[r.ID] {
			delete(t.deliveries, r.ID)
			t.release(d.row)
		}
	}
}

// keyed returns the IDs of the rows that are known to be of deliveries with a Key.
func (t *leaseTracker) keyed(rows []row) (ids []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range rows {
		if d, ok := t.deliveries[rows[i].ID]; ok && d.keyed && d.lease == rows[i].Lease {
			ids = append(ids, rows[i].ID)
		}
	}
	return ids
}

// release counts one delivery of l less.
func (t *leaseTracker) release(l *lease) {
	if l.remaining--; l.remaining == 0 {
		l.deliveries = nil
		t.empty = append(t.empty, l)
	}
}

// takeEmpty returns the leases without outstanding deliveries, each once, and
// ends the tracking of leases that have expired.
func (t *leaseTracker) takeEmpty(now int64) []*lease {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.active) > 0 && (t.active[0].remaining == 0 || t.active[0].due <= now) {
		l := t.active[0]
		t.active = t.active[1:]
		for _, d := range l.deliveries {
			if t.deliveries[d.id].row == l {
				delete(t.deliveries, d.id)
			}
		}
	}
	list := t.empty
	t.empty = nil
	return list
}
