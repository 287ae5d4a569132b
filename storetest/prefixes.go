package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/listhook/webhook"
)

// prefixes are texts of which each is the beginning of the next one, of the lengths at
// which storages cut.
func prefixes() []string {
	var texts []string
	for _, n := range []int{1, 8, 16, 20, 32, 63, 64, 65, 100, 127, 128, 191, 200, 254, 255} {
		texts = append(texts, strings.Repeat("x", n))
	}
	return texts
}

// Rules of texts that begin alike.
var prefixRules = []rule{
	{"ids_are_not_their_beginnings",
		"IDs are compared whole: a webhook or a delivery is another than one whose ID is the beginning of its own, and so goes on when that one has nothing left.",
		func(c *checker) {
			texts := prefixes()
			var ds []webhook.Delivery
			for _, text := range texts {
				d := pending(text, text, t0)
				d.EventID = "event"
				ds = append(ds, d)
			}
			c.set("had, of deliveries that are new", c.enqueue(ds...), nil)
			for _, text := range texts {
				c.ids(fmt.Sprintf("deliveries to the webhook of %d bytes", len(text)), ids(c.deliveries(webhook.DeliveryQuery{All: true, Webhook: text})), []string{text})
			}
			// The longest ends first, then the shortest.
			for i := 0; len(texts) > 0; i++ {
				c.takes(fmt.Sprintf("when %d webhooks have nothing left", i), at(120*i), texts...)
				ended := 0
				if i%2 == 0 {
					ended = len(texts) - 1
				}
				c.ends(webhook.StateDelivered, at(120*i), texts[ended])
				texts = slices.Delete(texts, ended, ended+1)
			}
		}},

	{"lines_are_not_of_the_beginnings_of_keys",
		"Keys are compared whole: a line is another than one whose Key is the beginning of its own, and so goes on when that one has ended.",
		func(c *checker) {
			texts := prefixes()
			var ds []webhook.Delivery
			var firsts []string
			for _, text := range texts {
				first := fmt.Sprint("first ", len(text))
				firsts = append(firsts, first)
				ds = append(ds, keyed(first, "1", text, t0), keyed(fmt.Sprint("second ", len(text)), "1", text, t0))
			}
			c.enqueue(ds...)
			c.takes("at first", t0, firsts...)
			for i := range texts {
				c.ends(webhook.StateDelivered, t0, ds[2*i].ID)
				c.takes(fmt.Sprintf("when the first of the line of %d bytes has ended", len(texts[i])), t0, ds[2*i+1].ID)
				c.ends(webhook.StateDelivered, t0, ds[2*i+1].ID)
			}
		}},

	{"ids_named_together_are_compared_byte_for_byte",
		"A query that names several IDs, Lists, Types or Failures selects what has one of them, compared byte for byte, however alike they are. So does Apply with several changes.",
		func(c *checker) {
			texts := append(c.alike(), prefixes()[1:]...)
			var ds []webhook.Delivery
			var types []webhook.EventType
			var cs []webhook.Change
			for i, text := range texts {
				w := hook(text)
				w.List = text
				c.put(w)
				d := logged(pending(text, text, at(i)), webhook.Attempt{Start: t0, Reason: "it failed", Code: text})
				d.Type, d.EventID = webhook.EventType(text), "event"
				ds, types = append(ds, d), append(types, d.Type)
				cs = append(cs, webhook.Change{ID: text, State: webhook.StateDelivered, Due: at(i)})
			}
			c.enqueue(ds...)
			for _, q := range []webhook.WebhookQuery{{All: true, IDs: texts}, {Account: account, Lists: texts}} {
				c.set("Webhooks by "+described(q), webhookIDs(c.webhooks(q)), texts)
			}
			for _, q := range []webhook.DeliveryQuery{{All: true, IDs: texts}, {Account: account, IDs: texts, States: states[:1]}, {All: true, Types: types}, {All: true, Failures: texts}} {
				c.set("Deliveries by "+described(q), ids(c.deliveries(q)), texts)
			}
			c.applied(cs...)
			c.set("delivered, when one Apply has named all", ids(c.deliveries(webhook.DeliveryQuery{All: true, States: states[1:2]})), texts)
		}},

	{"cursors_are_compared_byte_for_byte",
		"After is compared byte for byte: pages of one webhook or one delivery go through all, however alike their IDs are.",
		func(c *checker) {
			texts := append(c.alike(), prefixes()[1:]...)
			slices.Sort(texts)
			var ds []webhook.Delivery
			for _, text := range texts {
				c.put(hook(text))
				d := pending(text, "1", t0)
				d.EventID = "event"
				ds = append(ds, d)
			}
			c.enqueue(ds...)
			wq := webhook.WebhookQuery{Account: account, Limit: 1}
			dq := webhook.DeliveryQuery{Account: account, Limit: 1, Oldest: true}
			for i, text := range texts {
				c.ids("Webhooks by "+described(wq), webhookIDs(c.webhooks(wq)), []string{text})
				c.ids("Deliveries by "+described(dq), ids(c.deliveries(dq)), []string{text})
				wq.After, dq.After = text, ds[i].Cursor()
				all := webhook.WebhookQuery{All: true, IDs: texts, After: text}
				c.ids("Webhooks by "+described(all), webhookIDs(c.webhooks(all)), texts[i+1:])
			}
		}},

	{"deliveries_named_by_id_heed_times",
		"Since and Until are heeded to the millisecond by a query that names IDs, too.",
		func(c *checker) {
			var ds []webhook.Delivery
			for i, id := range names("d", 5) {
				d := pending(id, "1", t0)
				d.Created = t0.Add(time.Duration(i) * time.Millisecond)
				ds = append(ds, d)
			}
			c.enqueue(ds...)
			all := ids(ds)
			for _, q := range []webhook.DeliveryQuery{
				{All: true, IDs: all, Oldest: true}, {Account: account, IDs: all, States: states[:1], Oldest: true}, {Account: account, Oldest: true},
			} {
				q.Since, q.Until = ds[1].Created, ds[4].Created
				c.ids("Deliveries by "+described(q), ids(c.deliveries(q)), all[1:4])
				q.After = ds[1].Cursor()
				c.ids("Deliveries by "+described(q), ids(c.deliveries(q)), all[2:4])
			}
		}},

	{"failures_change_to_ones_alike",
		"A delivery is found by the Failure of its last attempt, and no more by the one before, however alike the two are.",
		func(c *checker) {
			long := strings.Repeat("x", 64)
			texts := []string{"x", " x", "x ", "X", long, long + "x", long + "y"}
			c.enqueue(pending("d", "1", t0))
			fails := func(text string) {
				c.t.Helper()
				c.applied(webhook.Change{
					ID: "d", Lease: c.delivery("d").Lease, State: webhook.StateFailed, Due: t0,
					Log: &webhook.Attempt{Start: t0, Reason: "it failed", Code: text},
				})
			}
			found := func(text string) []string {
				return ids(c.deliveries(webhook.DeliveryQuery{All: true, Failures: []string{text}}))
			}
			for _, before := range texts {
				for _, after := range texts {
					if before == after {
						continue
					}
					fails(before)
					fails(after)
					c.ids(fmt.Sprintf("with the Failure %q, after %q", after, before), found(after), []string{"d"})
					c.ids(fmt.Sprintf("with the Failure %q, before %q", before, after), found(before), nil)
				}
			}
		}},
}
