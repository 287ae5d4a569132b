package storetest

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/listhook/webhook"
)

var putRules = []rule{
	{"put_stores_the_whole_webhook",
		"PutWebhook stores w, a document, without loss: every field comes back.",
		func(c *checker) {
			want := filled[webhook.Webhook](1)
			want.ID, want.Version, want.Deleted = "1", 0, false
			want = c.put(want)
			c.same("a webhook with every field set", c.webhook("1"), want)

			version := want.Version
			want = filled[webhook.Webhook](2)
			want.ID, want.Version, want.Deleted = "1", version, false
			want = c.put(want)
			c.same("every field set to another value", c.webhook("1"), want)

			tallies := want.Tallies
			want = c.put(webhook.Webhook{ID: "1", Version: want.Version, Changed: t0})
			want.Tallies = tallies
			c.same("every field but Tallies emptied", c.webhook("1"), want)
		}},

	{"put_keeps_long_lists",
		"PutWebhook stores w, a document, without loss: lists of hundreds too.",
		func(c *checker) {
			want := hook("1")
			for i := range 250 {
				text := fmt.Sprint("x", i*7%250)
				want.Events = append(want.Events, webhook.EventType(text))
				want.Sources = append(want.Sources, webhook.Source(text))
				want.IgnoredEvents = append(want.IgnoredEvents, text)
				want.FieldIDs = append(want.FieldIDs, text)
			}
			want = c.put(want)
			c.same("a webhook with lists of 250", c.webhook("1"), want)
		}},

	{"put_keeps_numbers_and_long_values",
		"PutWebhook stores w, a document, without loss: numbers to the last digit, what a list names twice, and hundreds of KiB of Sealed.",
		func(c *checker) {
			want := hook("1")
			want.RateLimit, want.BatchWait, want.Discarded = 1.0/3, 1234567891*time.Nanosecond, math.MaxInt32
			want.Events, want.Sources = []webhook.EventType{"open", "open", "click", "open"}, []webhook.Source{"api", "api"}
			want.Sealed = repeat([]byte("sealed\x00\xff"), 300<<10)
			want = c.put(want)
			c.same("a webhook", c.webhook("1"), want)
			want.RateLimit, want.Revision, want.Sealed = 0.001, math.MaxInt64, []byte{0}
			want = c.put(want)
			c.same("a webhook that was put again", c.webhook("1"), want)
		}},

	{"put_raises_the_version_by_one",
		"PutWebhook stores w with Version raised by one, and returns the new one.",
		func(c *checker) {
			w := hook("1")
			for want := int64(1); want <= 3; want++ {
				w = c.put(w)
				if stored := c.webhook("1").Version; w.Version != want || stored != want {
					c.broken("put number %d returned the version %d and stored %d", want, w.Version, stored)
				}
			}
		}},

	{"put_conflicts_when_the_version_is_another",
		"PutWebhook stores w if the stored version is w.Version (0: none is stored). Otherwise it changes nothing and returns ErrConflict.",
		func(c *checker) {
			put := func(w webhook.Webhook, version int64, what string) {
				c.t.Helper()
				w.Version, w.Name = version, "must not be stored"
				if _, err := c.store.PutWebhook(c.ctx, w); !errors.Is(err, webhook.ErrConflict) {
					c.broken("%s: the error is %v, want ErrConflict", what, err)
				}
			}
			put(hook("new"), 1, "version 1 when none is stored")
			if ws := c.webhooks(webhook.WebhookQuery{All: true, Deleted: true}); len(ws) > 0 {
				c.broken("version 1 when none is stored: it was stored")
			}
			w := c.put(c.put(hook("1")))
			put(w, 0, "version 0 when 2 is stored")
			put(w, 1, "version 1 when 2 is stored")
			put(w, 3, "version 3 when 2 is stored")
			put(w, -1, "version -1 when 2 is stored")
			other := hook("1")
			other.Account = "another"
			put(other, 0, "version 0 for an ID that another account has")
			c.same("after the conflicts", c.webhook("1"), w)
		}},

	{"put_of_a_tombstone_is_a_put",
		"A deleted webhook is a tombstone with a Version like any: to put one with its ID takes that Version.",
		func(c *checker) {
			w := c.put(hook("1"))
			w.Deleted, w.Changed = true, at(60)
			w = c.put(w)
			c.same("the tombstone", c.webhook("1"), w)
			if _, err := c.store.PutWebhook(c.ctx, hook("1")); !errors.Is(err, webhook.ErrConflict) {
				c.broken("version 0 over a tombstone: the error is %v, want ErrConflict", err)
			}
			c.same("the tombstone after a conflict", c.webhook("1"), w)
			w.Deleted, w.Changed = false, at(120)
			w = c.put(w)
			if ws := c.webhooks(webhook.WebhookQuery{Account: account}); len(ws) != 1 {
				c.broken("a put of the tombstone's version with Deleted false: it is not selected")
			}
			c.same("put again", c.webhook("1"), w)
		}},

	{"put_may_change_account_and_list",
		"PutWebhook replaces all fields, Account too: the webhook is then selected by the new Account and List, and no more by the old ones.",
		func(c *checker) {
			w, alike := hook("1"), c.alike()
			for i, text := range append(alike, "", "a") {
				was := w
				if i%2 == 1 && i < len(alike) {
					other := hook(fmt.Sprint("stays ", i))
					other.Account, other.List = text, "stays"
					c.put(other)
				}
				w.Account, w.List, w.Deleted = text, text+"7", i%5 == 4
				w = c.put(w)
				found := func(account, list string, want ...string) {
					c.t.Helper()
					for _, q := range []webhook.WebhookQuery{{Account: account, Deleted: true, IDs: []string{"1"}}, {Account: account, Deleted: true, Newest: true, Lists: []string{list}}, {Account: account, Lists: []string{list}, Deleted: true}, {All: true, Lists: []string{list}, Deleted: true}} {
						c.ids("Webhooks by "+described(q), webhookIDs(c.webhooks(q)), want)
					}
				}
				found(w.Account, w.List, "1")
				found(was.Account, was.List)
			}
			w.Deleted, w.Changed = true, at(-100)
			w = c.put(w)
			c.pruned(webhook.Prune{Deleted: t0})
			for i, account := range append(alike, "") {
				var want []string
				if i%2 == 1 && i < len(alike) {
					want = []string{fmt.Sprint("stays ", i)}
				}
				c.ids(fmt.Sprintf("of the Account %q, after the other was pruned", account), webhookIDs(c.webhooks(webhook.WebhookQuery{Account: account, Deleted: true})), want)
			}
		}},

	{"put_leaves_other_webhooks_alone",
		"PutWebhook stores one webhook, that with w.ID.",
		func(c *checker) {
			one, two := c.put(hook("1")), c.put(hook("2"))
			two.Name = "changed"
			two = c.put(two)
			c.same("the other one", c.webhook("1"), one)
			c.same("the one put", c.webhook("2"), two)
		}},
}

// aSetOfWebhooks puts webhooks that differ in all that a query looks at.
func (c *checker) aSetOfWebhooks() *model {
	c.t.Helper()
	m := newModel()
	for i, id := range []string{"10", "9", "b", "B", "a", "é", "z", "1", "ab", "Z"} {
		for j, account := range []string{"", "acme", "globex"} {
			w := hook(id + "-" + fmt.Sprint(j))
			w.Account = account
			w.List = []string{"", "7", "12"}[(i+j)%3]
			w.Changed = at(i * 60)
			w.Deleted = i%4 == 3
			m.webhooks[w.ID] = c.put(w)
		}
	}
	return m
}

// selects ends the case unless each query selects what it should.
func (c *checker) selects(m *model, queries ...webhook.WebhookQuery) {
	c.t.Helper()
	for _, q := range queries {
		got, want := c.webhooks(q), m.selectWebhooks(q)
		what := fmt.Sprintf("Webhooks by %s", described(q))
		c.ids(what, webhookIDs(got), webhookIDs(want))
		c.same(what, got, want)
	}
}

// each turns values into queries.
func each[Q, V any](query func(V) Q, values ...V) []Q {
	var qs []Q
	for _, v := range values {
		qs = append(qs, query(v))
	}
	return qs
}

var webhookRules = []rule{
	{"webhooks_of_the_account_only",
		"A query selects webhooks of its Account, which may be \"\"; with All, those of every account.",
		func(c *checker) {
			m := c.aSetOfWebhooks()
			for _, account := range []string{"", "acme", "globex", "nobody"} {
				c.selects(m,
					webhook.WebhookQuery{Account: account},
					webhook.WebhookQuery{Account: account, All: true},
					webhook.WebhookQuery{Account: account, IDs: []string{"9-0", "9-1", "9-2"}},
					webhook.WebhookQuery{Account: account, Lists: []string{"7", ""}},
					webhook.WebhookQuery{Account: account, Deleted: true},
					webhook.WebhookQuery{Account: account, After: "a", Limit: 3})
			}
		}},

	{"webhooks_by_ids",
		"IDs selects the webhooks with one of these; empty: all.",
		func(c *checker) {
			c.selects(c.aSetOfWebhooks(), each(func(ids []string) webhook.WebhookQuery {
				return webhook.WebhookQuery{All: true, IDs: ids}
			}, nil, []string{}, []string{"9-1"}, []string{"none"}, []string{"z-0", "9-1", "é-2", "none", "9-1"})...)
		}},

	{"webhooks_by_a_thousand_ids",
		"A query names at most 1,000 IDs and 1,000 lists: it selects those that are stored.",
		func(c *checker) {
			c.selects(c.aSetOfWebhooks(), webhook.WebhookQuery{
				All: true, IDs: append(names("w", 998), "9-1", "z-0"), Lists: append(names("l", 997), "", "7", "12"),
			})
		}},

	{"webhooks_by_lists",
		"Lists selects the webhooks of one of these lists; \"\" is the list of webhooks of every list.",
		func(c *checker) {
			c.selects(c.aSetOfWebhooks(), each(func(lists []string) webhook.WebhookQuery {
				return webhook.WebhookQuery{All: true, Lists: lists}
			}, nil, []string{"7"}, []string{""}, []string{"", "12"}, []string{"1"}, []string{"99"})...)
		}},

	{"webhooks_deleted_if_asked_for",
		"Deleted webhooks are selected if Deleted is set only, beside those that are not deleted.",
		func(c *checker) {
			live := c.put(hook("live"))
			gone := hook("gone")
			gone.Deleted, gone.List = true, "7"
			gone = c.put(gone)
			for _, q := range []webhook.WebhookQuery{
				{All: true}, {Account: account}, {Account: account, IDs: []string{"gone", "live"}}, {All: true, Lists: []string{"7", ""}},
				{All: true, PutAfter: min(live.Put, gone.Put) - 1}, {All: true, Newest: true},
			} {
				c.ids("Webhooks by "+described(q), webhookIDs(c.webhooks(q)), []string{"live"})
				q.Deleted = true
				c.set("Webhooks by "+described(q), webhookIDs(c.webhooks(q)), []string{"gone", "live"})
			}
		}},

	{"webhooks_in_order_of_id",
		"Webhooks come in order of ID, which is the order of their bytes.",
		func(c *checker) {
			want := []string{" x", "10", "9", "A", "B", "Z", "_", "a", "aB", "ab", "b", "é", "☃", "\uffee", "😀"}
			for _, i := range []int{3, 14, 0, 7, 11, 2, 9, 5, 13, 1, 8, 12, 4, 10, 6} {
				c.put(hook(want[i]))
			}
			c.ids("all", webhookIDs(c.webhooks(webhook.WebhookQuery{Account: account})), want)
		}},

	{"webhooks_after_and_limit",
		"After selects the webhooks with a greater ID, Limit the first so many; 0: all.",
		func(c *checker) {
			m := c.aSetOfWebhooks()
			for _, after := range []string{"", "1-0", "9", "9-1", "B-0", "é-1", "zz", "☃"} {
				for _, limit := range []int{0, 1, 7, 100} {
					c.selects(m, webhook.WebhookQuery{All: true, After: after, Limit: limit},
						webhook.WebhookQuery{Account: account, After: after, Limit: limit, Deleted: true})
				}
			}
		}},

	{"webhooks_by_fields_together",
		"The fields of a query together select what each of them selects.",
		func(c *checker) {
			m := c.aSetOfWebhooks()
			random := newRandom(1)
			for range c.of(100, "random queries", 20) {
				c.selects(m, random.webhookQuery(m))
			}
		}},

	{"webhooks_may_be_many",
		"A query without a Limit selects all, however many.",
		func(c *checker) {
			want := names("w", c.of(1100, "webhooks", 60))
			for _, id := range want {
				_, err := c.store.PutWebhook(c.ctx, hook(id))
				c.noError(err, "PutWebhook")
			}
			c.ids("all", webhookIDs(c.webhooks(webhook.WebhookQuery{Account: account})), want)
			most := len(want) - 9
			c.ids("most of them", webhookIDs(c.webhooks(webhook.WebhookQuery{All: true, Limit: most})), want[:most])
		}},

	{"webhooks_may_be_none",
		"A query that selects nothing returns an empty result and no error.",
		func(c *checker) {
			for _, q := range []webhook.WebhookQuery{
				{}, {All: true}, {Account: account, IDs: []string{"1"}}, {All: true, Deleted: true, Newest: true}, {Lists: []string{""}, Limit: 1},
			} {
				if ws := c.webhooks(q); len(ws) > 0 {
					c.broken("an empty store returned %s", list(webhookIDs(ws)))
				}
			}
		}},
}
