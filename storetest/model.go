package storetest

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/listhook/webhook"
)

// A model is what a store should hold, in the plainest form that answers what
// a call should return: everything is looked through each time.
type model struct {
	webhooks   map[string]webhook.Webhook
	deliveries map[string]webhook.Delivery
	lines      map[lineKey][]string // the deliveries in each line, the first one first
	sequences  sequences
	puts       int64 // the last one's number

	stands func(d webhook.Delivery) bool
	keyOf  func(d webhook.Delivery) lineKey
}

// A lineKey says which deliveries stand in one line.
type lineKey struct{ webhook, key string }

func newModel() *model {
	return &model{
		webhooks:   map[string]webhook.Webhook{},
		deliveries: map[string]webhook.Delivery{},
		lines:      map[lineKey][]string{},
		sequences:  newSequences(),
		stands:     stands,
		keyOf:      keyOf,
	}
}

// put stores w and returns its new version, or reports a conflict.
func (m *model) put(w webhook.Webhook) (version int64, ok bool) {
	old := m.webhooks[w.ID]
	if old.Version != w.Version {
		return 0, false
	}
	w = clone(w)
	w.Version++
	m.puts++
	w.Put = m.puts
	if w.Tallies == nil {
		w.Tallies = old.Tallies
	}
	m.webhooks[w.ID] = w
	return w.Version, true
}

func (m *model) selectWebhooks(q webhook.WebhookQuery) []webhook.Webhook {
	var ws []webhook.Webhook
	for _, w := range m.webhooks {
		if (q.All || w.Account == q.Account) &&
			(!w.Deleted || q.Deleted) &&
			(len(q.IDs) == 0 || slices.Contains(q.IDs, w.ID)) &&
			(len(q.Lists) == 0 || slices.Contains(q.Lists, w.List)) &&
			w.Put > q.PutAfter &&
			(q.Newest || w.ID > q.After) {
			if !q.Tallies {
				w.Tallies = nil
			}
			ws = append(ws, w)
		}
	}
	slices.SortFunc(ws, func(a, b webhook.Webhook) int {
		if q.Newest {
			return cmp.Compare(b.Put, a.Put)
		}
		return strings.Compare(a.ID, b.ID)
	})
	if q.Limit > 0 && len(ws) > q.Limit {
		ws = ws[:q.Limit]
	}
	return ws
}

func (m *model) enqueue(ds []webhook.Delivery) (had []string) {
	before := map[string]bool{}
	for id := range m.deliveries {
		before[id] = true
	}
	for _, d := range ds {
		if before[d.ID] {
			had = append(had, d.ID)
		} else if _, ok := m.deliveries[d.ID]; !ok {
			m.add(d)
		}
	}
	return had
}

// add stores a new delivery.
func (m *model) add(d webhook.Delivery) {
	d = clone(d)
	d.Failure, d.Sequence, d.PassedOver = failure(d.Log), 0, false
	if m.stands(d) {
		m.join(&d)
	}
	m.deliveries[d.ID] = d
}

// stands says whether d stands in a line.
func stands(d webhook.Delivery) bool {
	return d.State == webhook.StatePending && d.Key != "" && !d.PassedOver
}

func keyOf(d webhook.Delivery) lineKey { return lineKey{d.WebhookID, d.Key} }

// join adds d to the end of its line.
func (m *model) join(d *webhook.Delivery) {
	m.lines[m.keyOf(*d)] = append(m.lines[m.keyOf(*d)], d.ID)
	m.sequences.join(d)
}

// leave removes d from its line.
func (m *model) leave(d webhook.Delivery) {
	m.lines[m.keyOf(d)] = slices.DeleteFunc(m.lines[m.keyOf(d)], func(id string) bool { return id == d.ID })
}

// waits says whether d stands behind another one.
func (m *model) waits(d webhook.Delivery) bool {
	line := m.lines[m.keyOf(d)]
	return m.stands(d) && len(line) > 0 && line[0] != d.ID
}

// blocks says whether d is the first of a line in which another one joined before then.
func (m *model) blocks(d webhook.Delivery, then time.Time) bool {
	return m.stands(d) && !m.waits(d) && slices.ContainsFunc(m.lines[m.keyOf(d)][1:], func(id string) bool {
		return m.deliveries[id].Joined.Before(then)
	})
}

// failure is that of the last attempt of a log.
func failure(log []webhook.Attempt) string {
	if len(log) == 0 {
		return ""
	}
	return log[len(log)-1].Failure()
}

func (m *model) apply(cs []webhook.Change) (lost []string) {
	for _, c := range cs {
		d, ok := m.deliveries[c.ID]
		if !ok || d.Lease != c.Lease {
			lost = append(lost, c.ID)
			continue
		}
		was := d
		change(&d, c)
		m.move(was, &d, c)
	}
	return lost
}

// move stores d, which a change made of was.
func (m *model) move(was webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
	if m.stands(was) && !m.stands(*d) {
		m.leave(was)
	}
	if !m.stands(was) && m.stands(*d) {
		d.Joined = c.Joined
		m.join(d)
	}
	m.deliveries[d.ID] = *d
}

// change moves d on.
func change(d *webhook.Delivery, c webhook.Change) {
	if d.State != webhook.StatePending && c.State == webhook.StatePending {
		d.PassedOver = false // it joins its line again
	}
	d.Lease++
	d.State, d.Due, d.Attempts = c.State, c.Due, c.Attempts
	if c.Erase {
		d.Body, d.Carrier, d.Log, d.Failure, d.Key, d.Subjects = nil, nil, nil, "", "", nil
	}
	d.PassedOver = (d.PassedOver || c.LeaveLine) && d.Key != ""
	if c.DropBody {
		d.Body = nil
	}
	if len(c.Rewrite) > 0 {
		d.Log = clone(c.Rewrite)
		d.Failure = failure(d.Log)
	}
	if c.Log != nil {
		d.Log = append(slices.Clone(d.Log), clone(*c.Log))
		d.Failure = failure(d.Log)
	}
}

func (m *model) selectDeliveries(q webhook.DeliveryQuery) []webhook.Delivery {
	var ds []webhook.Delivery
	for _, d := range m.deliveries {
		if (q.All || d.Account == q.Account) &&
			(q.Webhook == "" || d.WebhookID == q.Webhook) &&
			(len(q.IDs) == 0 || slices.Contains(q.IDs, d.ID)) &&
			(len(q.States) == 0 || slices.Contains(q.States, d.State)) &&
			(len(q.Types) == 0 || slices.Contains(q.Types, d.Type)) &&
			(len(q.Failures) == 0 || slices.Contains(q.Failures, d.Failure)) &&
			(q.Subject == "" || slices.Contains(d.Subjects, q.Subject)) &&
			(q.Key == "" || d.Key == q.Key) &&
			(q.Blocking.IsZero() || m.blocks(d, q.Blocking)) &&
			(q.Since.IsZero() || !d.Created.Before(q.Since)) &&
			(q.Until.IsZero() || d.Created.Before(q.Until)) &&
			(q.DueBy.IsZero() || !d.Due.After(q.DueBy)) &&
			beyond(q, d) {
			if q.Brief {
				d.Body, d.Carrier, d.Log = nil, nil, nil
			}
			ds = append(ds, d)
		}
	}
	slices.SortFunc(ds, byCreated)
	if !q.Oldest {
		slices.Reverse(ds)
	}
	if q.Limit > 0 && len(ds) > q.Limit {
		ds = ds[:q.Limit]
	}
	return ds
}

func byCreated(a, b webhook.Delivery) int {
	if c := a.Created.Compare(b.Created); c != 0 {
		return c
	}
	return strings.Compare(a.ID, b.ID)
}

// beyond says whether d is beyond q.After, in q's order.
func beyond(q webhook.DeliveryQuery, d webhook.Delivery) bool {
	if q.After == (webhook.Cursor{}) {
		return true
	}
	c := byCreated(d, webhook.Delivery{Created: q.After.Created, ID: q.After.ID})
	return q.Oldest && c > 0 || !q.Oldest && c < 0
}

// prune removes what p selects, whatever its Limit.
func (m *model) prune(p webhook.Prune) (n int) {
	for _, d := range m.deliveries {
		if d.State != webhook.StatePending && d.Due.Before(p.Before) &&
			(len(p.States) == 0 || slices.Contains(p.States, d.State)) &&
			(len(p.Types) == 0 || slices.Contains(p.Types, d.Type)) && !slices.Contains(p.Except, d.Type) {
			m.remove(d)
			n++
		}
	}
	for id, w := range m.webhooks {
		if w.Deleted && w.Changed.Before(p.Deleted) {
			delete(m.webhooks, id)
		}
	}
	return n
}

// remove removes a finished delivery.
func (m *model) remove(d webhook.Delivery) {
	delete(m.deliveries, d.ID)
	m.sequences.forget(d.ID)
}

// claimable says whether a claim may take d.
func (m *model) claimable(d webhook.Delivery, c webhook.Claim) bool {
	return d.State == webhook.StatePending && !d.Due.After(c.Now) &&
		!m.webhooks[d.WebhookID].HeldUntil.After(c.Now) && !m.waits(d)
}

// claim says what is wrong with got as the answer to c, "" if nothing, and
// stores the leases. Where deliveries are due at the same time it takes
// whichever the store took.
func (m *model) claim(c webhook.Claim, got []webhook.Delivery) string {
	claimable := map[string]int{} // by webhook
	for _, d := range m.deliveries {
		if m.claimable(d, c) {
			claimable[d.WebhookID]++
		}
	}
	want, left := map[string]int{}, c.Limit
	for _, id := range turns(claimable, c.After) {
		room, ok := c.Room[id]
		if !ok {
			room = c.Each
		}
		want[id] = max(0, min(room, claimable[id], left))
		left -= want[id]
	}

	leased := map[string]webhook.Delivery{}
	taken := map[string]int{}        // by webhook
	latest := map[string]time.Time{} // Due that was taken, by webhook
	for _, d := range got {
		was, ok := m.deliveries[d.ID]
		_, again := leased[d.ID]
		switch {
		case !ok:
			return fmt.Sprintf("%q was claimed although it is not stored", d.ID)
		case again:
			return fmt.Sprintf("%q was returned twice", d.ID)
		case was.State != webhook.StatePending:
			return fmt.Sprintf("%q was claimed although it is %s", d.ID, was.State)
		case was.Due.After(c.Now):
			return fmt.Sprintf("%q was claimed %s before it is due", d.ID, was.Due.Sub(c.Now))
		case m.webhooks[was.WebhookID].HeldUntil.After(c.Now):
			return fmt.Sprintf("%q was claimed although its webhook is held", d.ID)
		case m.waits(was):
			return fmt.Sprintf("%q was claimed although %q stands before it in its line", d.ID, m.lines[m.keyOf(was)][0])
		}
		taken[was.WebhookID]++
		if was.Due.After(latest[was.WebhookID]) {
			latest[was.WebhookID] = was.Due
		}
		was.Lease++
		was.Due = c.Until
		leased[d.ID] = was
		was.Log = nil
		if wrong := m.sequences.see(d, true); wrong != "" {
			return wrong
		}
		was.Sequence = d.Sequence
		if lines := diff(d, was); lines != "" {
			return fmt.Sprintf("%q was returned with\n%s", d.ID, lines)
		}
	}
	for id := range claimable {
		if taken[id] != want[id] {
			return fmt.Sprintf("of the webhook %q it claimed %d, want %d", id, taken[id], want[id])
		}
	}
	for id, d := range m.deliveries {
		if _, ok := leased[id]; !ok && m.claimable(d, c) && d.Due.Before(latest[d.WebhookID]) {
			return fmt.Sprintf("%q was left although it is due for longer than one that was claimed", id)
		}
	}
	maps.Copy(m.deliveries, leased)
	return ""
}

// turns returns the webhooks in the order of their turns.
func turns(claimable map[string]int, after string) []string {
	var first, then []string
	for id := range claimable {
		if id > after {
			first = append(first, id)
		} else {
			then = append(then, id)
		}
	}
	slices.Sort(first)
	slices.Sort(then)
	return append(first, then...)
}

// described prints the fields of a query or a claim that are set.
func described(q any) string {
	v := reflect.ValueOf(q)
	var set []string
	for i := range v.NumField() {
		f := v.Field(i)
		text := fmt.Sprintf("%q", fmt.Sprint(f))
		switch {
		case f.IsZero():
			continue
		case f.Type() == timeType:
			text = fmt.Sprintf("t0+%s", f.Interface().(time.Time).Sub(t0))
		case f.Kind() == reflect.Slice && f.Len() > 8:
			text = fmt.Sprintf("%d of them", f.Len())
		}
		set = append(set, v.Type().Field(i).Name+": "+text)
	}
	return "{" + strings.Join(set, ", ") + "}"
}
