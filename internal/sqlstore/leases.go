package sqlstore

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/listhook/webhook"
)

// A lease is a row of the table of leases: the deliveries that one batch claimed,
// or stored pre-leased. It is read only if the process died with them, which is
// rare. So a delivery costs no write to this table of its own, neither when it is
// leased nor when its outcome is stored.
//
// The lease applies to those of its deliveries that are pending, in no other
// queue, and due from due to last. At due it expires: a claim makes these
// deliveries ready and deletes the row.
type lease struct {
	due, last  int64
	token      int64 // distinguishes leases with the same due
	deliveries []leasedDelivery
	remaining  int // how many of them are outstanding; of leaseTracker
}

// leasedDelivery is a delivery with its Lease.
type leasedDelivery struct {
	id    string
	lease int64
	keyed bool // it has a Key
}

// leaseSpan is how far apart, in milliseconds, the deliveries of one lease may be
// due. Some are made ready that much too early, which is harmless: a claim still
// checks when they are due.
const leaseSpan = 1000

// leases returns the leases for the rows of the batch, except those with the IDs
// in stored, which were there before. PostgreSQL groups its leases in the same way
// in SQL.
func (b *batch) leases(stored []string) (list []*lease) {
	except := stringSet(stored)
	spans := map[int64]*lease{}
	for i := range b.rows {
		r := &b.rows[i]
		if r.Queue != queueLeased || except[r.ID] {
			continue
		}
		l := spans[r.Due/leaseSpan]
		if l == nil {
			l = &lease{due: r.Due, last: r.Due, token: b.token}
			spans[r.Due/leaseSpan] = l
			list = append(list, l)
		}
		l.due, l.last = min(l.due, r.Due), max(l.last, r.Due)
		l.deliveries = append(l.deliveries, leasedDelivery{id: r.ID, lease: r.Lease, keyed: r.Key != ""})
	}
	return list
}

// claimLease returns the lease of claimed deliveries.
func claimLease(ds []webhook.Delivery, until, token int64) *lease {
	l := &lease{due: until, last: until, token: token, deliveries: make([]leasedDelivery, len(ds))}
	for i := range ds {
		l.deliveries[i] = leasedDelivery{id: ds[i].ID, lease: ds[i].Lease, keyed: ds[i].Key != ""}
	}
	return l
}

// insertLeases inserts leases, unless the dialect's enqueue and take do so.
func (s *Store) insertLeases(ctx context.Context, q Querier, list []*lease) error {
	if s.sql.insertLease.text == "" {
		return nil
	}
	for _, l := range list {
		ids := make([]string, len(l.deliveries))
		for i := range l.deliveries {
			ids[i] = l.deliveries[i].id
		}
		data, err := jsonArray(ids)
		if err != nil {
			return err
		}
		a := args{"due": l.due, "last": l.last, "token": l.token, "ids": data}
		if _, err := s.exec(ctx, q, s.sql.insertLease, a); err != nil {
			return err
		}
	}
	return nil
}

// deleteLeases deletes leases.
func (s *Store) deleteLeases(ctx context.Context, q Querier, list []*lease) error {
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
	_, err = s.exec(ctx, q, s.sql.deleteLeases, args{"rows": string(data)})
	return err
}

// maxExpire is how many leases one claim expires at most.
const maxExpire = 500

// expire makes the outstanding deliveries of expired leases ready, and deletes
// the leases. It returns the number of leases and of deliveries made ready.
//
// On PostgreSQL each statement commits by itself. That is enough: until a lease is
// deleted, any process may expire it again, and then finds no deliveries of it.
func (w *claimRun) expire(ctx context.Context, q Querier) (leases int, ready int64, err error) {
	type entry struct {
		ID   string `json:"i"`
		Due  int64  `json:"d"`
		Last int64  `json:"e"`
	}
	var (
		list    []*lease
		entries []entry
	)
	w.args["n"] = maxExpire
	err = w.s.query(ctx, q, w.s.sql.expiredLeases, w.args, func(scan Scan) error {
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
	// All statements lock rows in order of ID, so that they cannot deadlock.
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.ID, b.ID) })
	data, err := json.Marshal(entries)
	if err != nil {
		return 0, 0, err
	}
	if ready, err = w.s.exec(ctx, q, w.s.sql.expire, args{"rows": string(data)}); err != nil {
		return 0, 0, err
	}
	return len(list), ready, w.s.deleteLeases(ctx, q, list)
}

// stringSet returns a list as a set; nil if it is empty.
func stringSet(list []string) map[string]bool {
	if len(list) == 0 {
		return nil
	}
	m := make(map[string]bool, len(list))
	for _, text := range list {
		m[text] = true
	}
	return m
}
