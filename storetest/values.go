package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/listhook/webhook"
)

// alike are texts that databases like to take for one another: by case, by
// accents, by trailing space, as numbers, as patterns, by their length.
var alike = []string{
	"a", "A", "a ", " a", " ", strings.Repeat("x", 240) + "a", strings.Repeat("x", 240) + "b", "ä", "a\u0308", "Ä", "ａ", "a\u200b", "a\t", "a\n",
	"1", "01", "1.0", "1e0", "+1", "ss", "ß", "ı", "i", "I", "İ", "%", "_", "a%", "😀", "😁", "æ", "ae",
	"'", "''", `"`, `\`, `\\`, "a\\", "$1", "?", "null", "NULL", "a,b", "{a}", "[a]", "true",
}

// alike returns alike, or some of it.
func (c *checker) alike() []string {
	c.t.Helper()
	return slices.Clone(alike[:c.of(len(alike), "texts that storages take for one another", 16)])
}

var valueRules = []rule{
	{"ids_are_compared_byte_for_byte",
		"IDs are opaque text compared byte for byte: case, accents, spaces and forms of numbers tell them apart.",
		func(c *checker) {
			alike := c.alike()
			var ds []webhook.Delivery
			for i, id := range alike {
				w := hook(id)
				w.Name = fmt.Sprint(i)
				w.Tallies = []byte(w.Name)
				if version, err := c.store.PutWebhook(c.ctx, w); err != nil || version != 1 {
					c.broken("PutWebhook of %q, which is new, returned the version %d and the error %v%s", id, version, err, c.takenForWebhook(id))
				}
				d := pending(id, id, t0)
				d.EventID = id
				if had := c.enqueue(d); len(had) > 0 {
					c.broken("Enqueue of %q, which is new, returned it as stored already%s", id, c.takenFor(id))
				}
				ds = append(ds, d)
			}
			c.set("webhooks", webhookIDs(c.webhooks(webhook.WebhookQuery{Account: account})), alike)
			c.set("deliveries", ids(c.deliveries(webhook.DeliveryQuery{Account: account})), alike)
			for i, id := range alike {
				if found := c.takenForWebhook(id); found != "" {
					c.broken("of the webhook %q%s", id, found)
				}
				if found := c.takenFor(id); found != "" {
					c.broken("of the delivery %q%s", id, found)
				}
				c.same(fmt.Sprintf("the delivery %q", id), c.delivery(id), ds[i])
				w := c.webhook(id)
				if w.Name != fmt.Sprint(i) {
					c.broken("Webhooks with the ID %q returned the webhook with the ID %q", id, alikeAt(w.Name))
				}
				c.same(fmt.Sprintf("the Tallies of the webhook %q", id), string(w.Tallies), w.Name)
				c.ids(fmt.Sprintf("deliveries to the webhook %q", id), ids(c.deliveries(webhook.DeliveryQuery{All: true, Webhook: id})), []string{id})
			}
			c.ids("had, of one stored", c.enqueue(ds[3], pending("b", "b", at(100))), []string{alike[3]})
			for _, id := range alike {
				room := map[string]int{id: 1}
				c.claimOne(webhook.Claim{Now: t0, Until: at(60), Limit: 9, Each: 0, Room: room}, id)
			}
			c.applied(webhook.Change{ID: "a", Lease: 1, State: webhook.StateFailed, Due: t0})
			c.ids("failed, after a change of one", ids(c.deliveries(webhook.DeliveryQuery{All: true, States: states[2:3]})), []string{"a"})
		}},

	{"holds_are_of_the_very_webhook",
		"IDs are compared byte for byte: a HeldUntil is that of the webhook with the same bytes as its ID.",
		func(c *checker) {
			var want []string
			for i, id := range c.alike() {
				if i%2 == 0 {
					w := hook(id)
					w.HeldUntil = never
					c.put(w)
				} else {
					want = append(want, id)
				}
				c.enqueue(pending(id, id, t0))
			}
			c.set("claimed", ids(c.claim(everything(t0))), want)
		}},

	{"accounts_and_lists_are_compared_byte_for_byte",
		"Accounts and lists are opaque text compared byte for byte.",
		func(c *checker) {
			alike := c.alike()
			for i, text := range append(alike, "") {
				w := hook(fmt.Sprint("w", i))
				w.Account = text
				c.put(w)
				w = hook(fmt.Sprint("l", i))
				w.Account, w.List = "of lists", text
				c.put(w)
				d := pending(fmt.Sprint("d", i), fmt.Sprint("w", i), t0)
				d.Account = text
				c.enqueue(d)
			}
			for i, text := range append(alike, "") {
				c.ids(fmt.Sprintf("webhooks of the account %q", text),
					webhookIDs(c.webhooks(webhook.WebhookQuery{Account: text})), []string{fmt.Sprint("w", i)})
				c.ids(fmt.Sprintf("webhooks of the list %q", text),
					webhookIDs(c.webhooks(webhook.WebhookQuery{Account: "of lists", Lists: []string{text}})), []string{fmt.Sprint("l", i)})
				c.ids(fmt.Sprintf("deliveries of the account %q", text),
					ids(c.deliveries(webhook.DeliveryQuery{Account: text})), []string{fmt.Sprint("d", i)})
				if n := c.count(webhook.DeliveryQuery{Account: text}); n != 1 {
					c.broken("counted %d deliveries of the account %q", n, text)
				}
			}
		}},

	{"types_and_subjects_are_compared_byte_for_byte",
		"Types, keys and subjects are opaque text compared byte for byte: by Types, Subject, Key, Key of a Webhook, and Types and Except of Prune.",
		func(c *checker) {
			alike := c.alike()
			var all []string
			for i, text := range alike {
				d := finished(fmt.Sprint("d", i), text, at(-10))
				d.Type, d.Key, d.Subjects = webhook.EventType(text), text, []string{text}
				c.enqueue(d)
				all = append(all, d.ID)
			}
			for i, text := range alike {
				for _, q := range []webhook.DeliveryQuery{
					{All: true, Types: []webhook.EventType{webhook.EventType(text)}}, {All: true, Subject: text}, {Account: account, Subject: text},
					{All: true, Key: text}, {All: true, Webhook: text, Key: text}, {All: true, IDs: all, Key: text}, {All: true, IDs: all, Subject: text},
				} {
					c.ids("Deliveries by "+described(q), ids(c.deliveries(q)), []string{fmt.Sprint("d", i)})
				}
			}
			for i, text := range alike {
				p := webhook.Prune{Before: t0, Types: []webhook.EventType{webhook.EventType(text)}, Limit: 100}
				if i%2 == 1 {
					p.Types = nil
					for _, other := range alike[i+1:] {
						p.Except = append(p.Except, webhook.EventType(other))
					}
				}
				if n := c.pruned(p); n != 1 {
					c.broken("Prune of the type %q, by %s, returned %d, want 1", text, described(p), n)
				}
				if n := c.count(webhook.DeliveryQuery{All: true}); n != len(alike)-i-1 {
					c.broken("after Prune of the type %q %d are left, want %d", text, n, len(alike)-i-1)
				}
			}
		}},

	{"failures_are_compared_byte_for_byte",
		"A Failure is kept as Attempt.Failure returns it, which may be any Code, and is compared byte for byte.",
		func(c *checker) {
			alike := c.alike()
			failing := func(text string) webhook.Attempt { return webhook.Attempt{Start: t0, Reason: "it failed", Code: text} }
			var want []webhook.Delivery
			for i, text := range alike {
				d := logged(pending(fmt.Sprint("d", i), "1", t0), failing(text))
				c.enqueue(d)
				d.Lease, d.Due, d.Log = 1, at(60), nil
				want = append(want, d)
			}
			found := func(when string, id func(i int) string) {
				c.t.Helper()
				for i, text := range alike {
					c.ids(fmt.Sprintf("with the Failure %q, %s", text, when), ids(c.deliveries(webhook.DeliveryQuery{All: true, Failures: []string{text}})), []string{id(i)})
				}
			}
			found("of Enqueue's Log", func(i int) string { return fmt.Sprint("d", i) })
			claimed := map[string]webhook.Delivery{}
			for _, d := range c.claim(everything(t0)) {
				claimed[d.ID] = d
			}
			for i := range want {
				c.same(fmt.Sprintf("claimed with the Failure %q", alike[i]), claimed[want[i].ID], want[i])
			}
			for i := range alike {
				attempt := failing(alike[(i+1)%len(alike)])
				c.applied(webhook.Change{ID: fmt.Sprint("d", i), Lease: 1, State: webhook.StateFailed, Due: t0, Log: &attempt})
			}
			found("of a Change's Log", func(i int) string { return fmt.Sprint("d", (i+len(alike)-1)%len(alike)) })
			for i := range alike {
				attempt := failing(alike[i])
				c.applied(webhook.Change{ID: fmt.Sprint("d", i), Lease: 2, State: webhook.StateFailed, Due: t0, Rewrite: []webhook.Attempt{attempt}})
			}
			found("of a Rewrite", func(i int) string { return fmt.Sprint("d", i) })
		}},

	{"ids_of_255_bytes",
		"IDs, accounts and lists have up to 255 bytes; all of them count.",
		func(c *checker) {
			for i, long := range []string{strings.Repeat("x", 254), strings.Repeat("☃", 84) + "ab"} {
				for _, last := range []string{"a", "b"} {
					id := long + last
					w := hook(id)
					w.Account, w.List, w.HeldUntil, w.Tallies = id, id, never, []byte("tallies")
					c.put(w)
					d := pending(id, id, at(i))
					d.Account, d.EventID = id, id
					second := pending(fmt.Sprint("second ", last, i), id, at(i+1))
					second.EventID = id
					c.enqueue(d, pending("other "+last+fmt.Sprint(i), id[:254]+"c", at(100)), second)
				}
			}
			for _, long := range []string{strings.Repeat("x", 254), strings.Repeat("☃", 84) + "ab"} {
				for _, last := range []string{"a", "b"} {
					id := long + last
					c.ids("webhooks", webhookIDs(c.webhooks(webhook.WebhookQuery{Account: id, IDs: []string{id}, Lists: []string{id}})), []string{id})
					c.ids("deliveries", ids(c.deliveries(webhook.DeliveryQuery{Account: id, Webhook: id, IDs: []string{id}})), []string{id})
				}
			}
			if ds := c.claim(everything(at(50))); len(ds) > 0 {
				c.broken("deliveries were claimed in spite of the HeldUntil of their webhooks")
			}
			for _, w := range c.webhooks(webhook.WebhookQuery{All: true}) {
				w.Deleted, w.Changed = true, at(-1)
				c.put(w)
			}
			c.pruned(webhook.Prune{Deleted: t0})
			var want []string
			for _, d := range c.deliveries(webhook.DeliveryQuery{All: true, DueBy: at(50)}) {
				want = append(want, d.ID)
				if len(want) == 1 {
					c.put(hook(d.WebhookID))
					c.same("Tallies of a webhook whose predecessor was pruned", c.webhook(d.WebhookID).Tallies, []byte(nil))
				}
			}
			c.set("claimed when the webhooks were pruned", ids(c.claim(everything(at(50)))), want)
		}},

	{"times_come_back_as_they_went",
		"Times leave a Store as they reached it: in UTC, to the millisecond, zero times as zero.",
		func(c *checker) {
			for i, when := range []time.Time{
				{}, t0, t0.Add(time.Millisecond), time.Date(2038, 1, 19, 3, 14, 8, 999e6, time.UTC),
				time.Date(1960, 2, 29, 1, 2, 3, 4e6, time.UTC), time.Unix(0, 0).UTC(), time.UnixMilli(-1).UTC(), time.UnixMilli(1).UTC(), never,
			} {
				id := fmt.Sprint(i)
				w := hook(id)
				w.HeldUntil, w.Created, w.DisabledAt = when, when, when
				w.Changed = when
				w.Health.Since, w.Health.Success = when, when
				w.Secrets = []webhook.Secret{{Key: "whsec_", Until: when}}
				w = c.put(w)
				q := webhook.WebhookQuery{Account: account, IDs: []string{id}}
				c.same("a webhook", c.webhooks(q), []webhook.Webhook{w})

				d := pending(id, id, when)
				d.State = webhook.StateFailed
				d.Created = when
				d.Log = []webhook.Attempt{{Start: when}}
				c.enqueue(d)
				c.same("a delivery", c.delivery(id), d)
				if !when.IsZero() {
					c.same("a delivery by its time", c.deliveries(webhook.DeliveryQuery{Account: account, Since: when, Until: when.Add(time.Millisecond), DueBy: when}), []webhook.Delivery{d})
				}
				c.applied(webhook.Change{ID: id, State: webhook.StateFailed, Due: when, Log: &webhook.Attempt{Start: when, Duration: 1}})
				d.Lease = 1
				d.Log = append(d.Log, webhook.Attempt{Start: when, Duration: 1})
				c.same("a delivery after a change", c.delivery(id), d)

				d.ID, d.State, d.Due, d.Log = "claimed "+id, webhook.StatePending, at(-1), nil
				d.WebhookID = "not stored"
				c.enqueue(d)
				claim := everything(t0)
				claim.Until = when
				d.Lease, d.Due = 2, when
				c.same("a delivery claimed", c.claimOne(claim, d.ID), d)
				c.applied(webhook.Change{ID: d.ID, Lease: 2, State: webhook.StateDelivered, Due: never})
			}
		}},

	{"bodies_are_any_bytes",
		"Body and Response are any bytes, of any length that the dispatcher allows: 256 KiB and 16 KiB.",
		func(c *checker) {
			every := make([]byte, 256)
			for i := range every {
				every[i] = byte(i)
			}
			for i, body := range [][]byte{every, repeat(every, 256<<10), {0}, {0xff, 0xfe}, []byte(" "), []byte("\r\n"), nil} {
				d := pending(fmt.Sprint("d", i), "1", t0)
				d.Body = body
				c.enqueue(d)
				c.same("a delivery", c.delivery(d.ID), d)
				response := body[:min(len(body), 16<<10)]
				c.same("claimed", c.claimOne(everything(t0), d.ID).Body, body)
				c.applied(webhook.Change{ID: d.ID, Lease: 1, State: webhook.StateFailed, Due: t0, Log: &webhook.Attempt{Response: response}})
				c.same("Log", c.delivery(d.ID).Log, []webhook.Attempt{{Response: response}})
			}
		}},

	{"texts_are_kept_whole",
		"Texts are any valid UTF-8 without NUL, of any length: 64 KiB here.",
		func(c *checker) {
			var every strings.Builder
			for r := rune(1); r < 0x300; r++ {
				every.WriteRune(r)
			}
			for i, text := range []string{
				every.String(), string(repeat([]byte("☃ long "), 64<<10)[:64<<10-4]), "😀\u2028\u2029<script>&amp;'\"\\n\\u0041%s?$1:x",
				"\ufffd\ufeff\u200b", " leading and trailing ", "{\"json\": [null]}", "NULL", "\r\n\t",
			} {
				w := hook(fmt.Sprint(i))
				w.Name, w.URL, w.Disabled, w.Health.Reason = text, text, text, text
				w.Headers = map[string]string{"X-Text": text, text: "x"}
				w.Secrets = []webhook.Secret{{Key: text}}
				w = c.put(w)
				c.same("a webhook", c.webhook(w.ID), w)

				d := pending(fmt.Sprint(i), "1", t0)
				d.Carrier = map[string]string{"baggage": text, text: "x"}
				d.Log = []webhook.Attempt{{Reason: text, Detail: text}}
				c.enqueue(d)
				c.applied(webhook.Change{ID: d.ID, State: webhook.StatePending, Due: t0, Log: &webhook.Attempt{Reason: text, Detail: text}})
				d = logged(d, d.Log[0])
				d.Lease = 1
				c.same("a delivery", c.delivery(d.ID), d)
				d.Lease, d.Due, d.Log = 2, never, nil
				c.same("a delivery claimed", c.claimOne(webhook.Claim{Now: t0, Until: never, Limit: 1, Each: 1}, d.ID), d)
			}
		}},
}

// takenForWebhook says for which other ones a store takes a webhook's ID, "" if for none.
func (c *checker) takenForWebhook(id string) string {
	c.t.Helper()
	ws := c.webhooks(webhook.WebhookQuery{All: true, IDs: []string{id}, Deleted: true})
	for _, w := range c.webhooks(webhook.WebhookQuery{All: true, Deleted: true}) {
		if alikeAt(w.Name) == id {
			ws = append(ws, w)
		}
	}
	return taken(id, webhookIDs(ws))
}

// takenFor says for which other ones a store takes a delivery's ID, "" if for none.
func (c *checker) takenFor(id string) string {
	c.t.Helper()
	ds := c.deliveries(webhook.DeliveryQuery{All: true, IDs: []string{id}})
	for _, d := range c.deliveries(webhook.DeliveryQuery{All: true}) {
		if d.EventID == id {
			ds = append(ds, d)
		}
	}
	return taken(id, ids(ds))
}

func taken(id string, found []string) string {
	others := slices.DeleteFunc(found, func(other string) bool { return other == id })
	if len(others) == 0 {
		return ""
	}
	return ": it is taken for " + list(others)
}

// alikeAt returns the ID in alike whose place is named.
func alikeAt(place string) string {
	for i, id := range alike {
		if fmt.Sprint(i) == place {
			return id
		}
	}
	return ""
}

// repeat returns n bytes of pattern, again and again.
func repeat(pattern []byte, n int) []byte {
	return []byte(strings.Repeat(string(pattern), n/len(pattern)+1))[:n]
}
