package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/listhook/webhook"
)

// A checker checks one rule on one store. Its methods that call the store end
// the case when there is an error.
type checker struct {
	t     *testing.T
	rule  rule
	suite Suite
	store *guard

	ctx  context.Context // for calls
	end  context.Context // when a call that has not returned is given up
	hung *atomic.Bool

	calls *history // of what was asked of the store
}

// broken ends the case, saying which rule was broken and how, and what was asked of the
// store about the IDs that it names.
func (c *checker) broken(format string, args ...any) {
	c.t.Helper()
	c.brokenFor(nil, format, args...)
}

// brokenFor is broken, with the calls about ids before those about other IDs.
func (c *checker) brokenFor(ids []string, format string, args ...any) {
	c.t.Helper()
	how := fmt.Sprintf(format, args...)
	c.t.Fatalf("\n\trule:   %s\n\tbroken: %s%s", indent(c.rule.says), indent(how), c.calls.print(append(ids, c.calls.named(how)...)))
}

func indent(text string) string {
	return strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n\t        ")
}

func (c *checker) noError(err error, method string) {
	c.t.Helper()
	if errors.As(err, new(misconduct)) {
		c.broken("%v", err)
	} else if err != nil {
		c.broken("%s returned an error: %v", method, err)
	}
}

// same ends the case unless got is want, naming the fields that differ.
func (c *checker) same(what string, got, want any) {
	c.t.Helper()
	if d := diff(got, want); d != "" {
		c.brokenFor(append(idsOf(got), idsOf(want)...), "%s:\n%s", what, d)
	}
}

// sameDelivery is same for deliveries. If want has a Key and no Sequence, got may have any.
func (c *checker) sameDelivery(what string, got, want webhook.Delivery) {
	c.t.Helper()
	if want.Key != "" && want.Sequence == 0 {
		want.Sequence = got.Sequence
	}
	c.same(what, got, want)
}

// idsOf returns the ID of a webhook or a delivery, or of the one in a list of one.
func idsOf(v any) []string {
	switch v := v.(type) {
	case webhook.Delivery:
		return []string{v.ID}
	case webhook.Webhook:
		return []string{v.ID}
	case []webhook.Delivery:
		if len(v) == 1 {
			return ids(v)
		}
	case []webhook.Webhook:
		if len(v) == 1 {
			return webhookIDs(v)
		}
	}
	return nil
}

// ids ends the case unless got names the deliveries or webhooks of want, in
// that order.
func (c *checker) ids(what string, got, want []string) {
	c.t.Helper()
	if !slices.Equal(got, want) {
		c.broken("%s: got %s, want %s", what, list(got), list(want))
	}
}

// set is ids whatever the order.
func (c *checker) set(what string, got, want []string) {
	c.t.Helper()
	balance := map[string]int{}
	for _, id := range got {
		balance[id]++
	}
	for _, id := range want {
		balance[id]--
	}
	var extra, missing []string
	for _, id := range slices.Sorted(maps.Keys(balance)) {
		for range balance[id] {
			extra = append(extra, id)
		}
		for range -balance[id] {
			missing = append(missing, id)
		}
	}
	if len(extra) > 0 || len(missing) > 0 {
		c.broken("%s: %s too many, %s missing", what, list(extra), list(missing))
	}
}

// list prints IDs, the first of many.
func list(ids []string) string {
	if len(ids) == 0 {
		return "none"
	}
	if len(ids) > 20 {
		return fmt.Sprintf("%q and %d more", ids[:20], len(ids)-20)
	}
	return fmt.Sprintf("%q", ids)
}

func (c *checker) put(w webhook.Webhook) webhook.Webhook {
	c.t.Helper()
	version, err := c.store.PutWebhook(c.ctx, w)
	c.noError(err, "PutWebhook")
	w.Version = version
	if ws := c.webhooks(webhook.WebhookQuery{All: true, IDs: []string{w.ID}, Deleted: true}); len(ws) == 1 {
		w.Put = ws[0].Put
	}
	return w
}

func (c *checker) webhooks(q webhook.WebhookQuery) []webhook.Webhook {
	c.t.Helper()
	ws, err := c.store.Webhooks(c.ctx, q)
	c.noError(err, "Webhooks")
	return ws
}

// webhook returns the one that is stored with this ID, a deleted one too.
func (c *checker) webhook(id string) webhook.Webhook {
	c.t.Helper()
	ws := c.webhooks(webhook.WebhookQuery{All: true, IDs: []string{id}, Deleted: true, Tallies: true})
	if len(ws) != 1 || ws[0].ID != id {
		c.broken("Webhooks with the ID %q returned %s", id, list(webhookIDs(ws)))
	}
	return ws[0]
}

func (c *checker) enqueue(ds ...webhook.Delivery) (had []string) {
	c.t.Helper()
	for first := true; first || len(ds) > 0; first = false {
		n := min(len(ds), callSize)
		for n > 0 && n < len(ds) && ds[n].EventID == ds[n-1].EventID { // an event is of one call
			n++
		}
		h, err := c.store.Enqueue(c.ctx, Events(ds[:n]...))
		c.noError(err, "Enqueue")
		had, ds = append(had, h...), ds[n:]
	}
	return had
}

// callSize is how many deliveries a call has at most that is of several events.
const callSize = 500

func (c *checker) claim(claim webhook.Claim) []webhook.Delivery {
	c.t.Helper()
	ds, err := c.store.Claim(c.ctx, claim)
	c.noError(err, "Claim")
	return ds
}

// claimOne claims the one delivery that there is to claim.
func (c *checker) claimOne(claim webhook.Claim, id string) webhook.Delivery {
	c.t.Helper()
	ds := c.claim(claim)
	if len(ds) != 1 || ds[0].ID != id {
		c.broken("Claim returned %s, want %q", list(ids(ds)), id)
	}
	return ds[0]
}

func (c *checker) apply(cs ...webhook.Change) (lost []string) {
	c.t.Helper()
	lost, err := c.store.Apply(c.ctx, cs)
	c.noError(err, "Apply")
	return lost
}

// applied applies changes none of which may be lost.
func (c *checker) applied(cs ...webhook.Change) {
	c.t.Helper()
	if lost := c.apply(cs...); len(lost) > 0 {
		c.broken("Apply returned %s as lost, although they had the Lease named", list(lost))
	}
}

func (c *checker) deliveries(q webhook.DeliveryQuery) []webhook.Delivery {
	c.t.Helper()
	ds, err := c.store.Deliveries(c.ctx, q)
	c.noError(err, "Deliveries")
	return ds
}

// delivery returns the one that is stored with this ID.
func (c *checker) delivery(id string) webhook.Delivery {
	c.t.Helper()
	ds := c.deliveries(webhook.DeliveryQuery{All: true, IDs: []string{id}})
	if len(ds) != 1 || ds[0].ID != id {
		c.broken("Deliveries with the ID %q returned %s", id, list(ids(ds)))
	}
	return ds[0]
}

func (c *checker) count(q webhook.DeliveryQuery) int {
	c.t.Helper()
	n, err := c.store.Count(c.ctx, q)
	c.noError(err, "Count")
	return n
}

func (c *checker) prune(before time.Time, limit int) int {
	c.t.Helper()
	return c.pruned(webhook.Prune{Before: before, Limit: limit, Deleted: before})
}

func (c *checker) pruned(p webhook.Prune) int {
	c.t.Helper()
	n, err := c.store.Prune(c.ctx, p)
	c.noError(err, "Prune")
	return n
}

// of returns n, how many of something a case has. For a light suite it returns fewer, and
// says what it left out.
func (c *checker) of(n int, what string, light int) int {
	c.t.Helper()
	if !c.suite.Light {
		return n
	}
	c.t.Logf("left out, as the suite is light: %d of %d %s", n-light, n, what)
	return light
}

// stores returns the store and, if the storage can be shared, a second handle.
func (c *checker) stores() []*guard {
	c.t.Helper()
	if c.suite.Second == nil {
		return []*guard{c.store}
	}
	second := c.open("Second", func(t *testing.T) webhook.Store { return c.suite.Second(t, c.store.store) })
	return []*guard{c.store, second}
}

// together runs n callers at once, on the stores in turn, and ends the case
// when one returns an error.
func (c *checker) together(n int, caller func(i int, s *guard) error) {
	c.t.Helper()
	stores := c.stores()
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = caller(i, stores[i%len(stores)])
		})
	}
	close(start)
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			c.broken("%v", err)
		}
	}
}

// t0 is when the stories of the cases begin: that of the announcement's
// example, and some milliseconds.
var t0 = time.Date(2013, 1, 2, 9, 28, 42, 123e6, time.UTC)

// at returns the time so many seconds later.
func at(seconds int) time.Time { return t0.Add(time.Duration(seconds) * time.Second) }

// account is the account of what has no reason to have another.
const account = "acme"

// pending returns a delivery that is due at the given time.
func pending(id, webhookID string, due time.Time) webhook.Delivery {
	return webhook.Delivery{
		ID: id, Account: account, WebhookID: webhookID, EventID: "event of " + id,
		Type: webhook.TypeOpen, Body: []byte("type=open"), Created: t0,
		State: webhook.StatePending, Due: due,
	}
}

// whole returns a pending delivery with every field set that a caller sets, and Failure
// as the store will.
func whole(seed int, id string, due time.Time) webhook.Delivery {
	d := filled[webhook.Delivery](seed)
	d.ID, d.Type, d.State, d.Due, d.Sequence = id, webhook.TypeBounce, webhook.StatePending, due, 0
	d.Failure, d.PassedOver = failure(d.Log), false
	return d
}

// logged returns d with more attempts in its log.
func logged(d webhook.Delivery, attempts ...webhook.Attempt) webhook.Delivery {
	d.Log = append(slices.Clip(d.Log), attempts...)
	d.Failure = failure(d.Log)
	return d
}

// finished returns a delivery that was made at the given time.
func finished(id, webhookID string, when time.Time) webhook.Delivery {
	d := pending(id, webhookID, when)
	d.State, d.Lease, d.Attempts = webhook.StateDelivered, 2, 1
	if when.Before(d.Created) {
		d.Created = when
	}
	return d
}

// hook returns a webhook.
func hook(id string) webhook.Webhook {
	return webhook.Webhook{ID: id, Account: account, Changed: t0, Settings: webhook.Settings{URL: "https://example.com/" + id}}
}

// everything claims all that is due at now, until a minute later.
func everything(now time.Time) webhook.Claim {
	return webhook.Claim{Now: now, Until: now.Add(time.Minute), Limit: 100_000, Each: 100_000}
}

func ids(ds []webhook.Delivery) []string {
	out := make([]string, len(ds))
	for i, d := range ds {
		out[i] = d.ID
	}
	return out
}

func webhookIDs(ws []webhook.Webhook) []string {
	out := make([]string, len(ws))
	for i, w := range ws {
		out[i] = w.ID
	}
	return out
}

// names returns n IDs with a prefix, in order.
func names(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s%05d", prefix, i)
	}
	return out
}
