package storetest

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/listhook/webhook"
)

var valueFaults = []fault{
	{name: "takes IDs for the same by case", fails: "ids_are_compared_byte_for_byte",
		inject: sameIDs(fold)},
	{name: "takes IDs for the same by trailing space", fails: "ids_are_compared_byte_for_byte",
		inject: sameIDs(func(id string) string { return strings.TrimRight(id, " ") })},
	{name: "takes IDs for numbers", fails: "ids_are_compared_byte_for_byte",
		inject: sameIDs(func(id string) string { return strings.TrimLeft(id, "0") })},
	{name: "finds deliveries by ID whatever the case", fails: "ids_are_compared_byte_for_byte",
		inject: fromDeliveries(func(q *webhook.DeliveryQuery) { q.IDs = nil }, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			return only(ds, func(d webhook.Delivery) bool {
				return len(q.IDs) == 0 || slices.ContainsFunc(q.IDs, func(id string) bool { return strings.EqualFold(id, d.ID) })
			})
		})},
	{name: "takes a webhook's ID for a pattern", fails: "ids_are_compared_byte_for_byte",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) {
			if q.Webhook == "%" {
				q.Webhook = ""
			}
		})},
	{name: "finds the HeldUntil of a webhook whatever the case", fails: "holds_are_of_the_very_webhook",
		inject: claimable(func(d webhook.Delivery, p *plain) bool {
			for id, w := range p.m.webhooks {
				if strings.EqualFold(id, d.WebhookID) && w.HeldUntil.Equal(never) {
					return false
				}
			}
			return true
		})},
	{name: "takes accounts for the same by case", fails: "accounts_and_lists_are_compared_byte_for_byte",
		inject: fromWebhooks(func(q *webhook.WebhookQuery) { q.All = true }, func(q webhook.WebhookQuery, ws []webhook.Webhook) []webhook.Webhook {
			return only(ws, func(w webhook.Webhook) bool { return q.All || strings.EqualFold(q.Account, w.Account) })
		})},
	{name: "takes lists for the same by trailing space", fails: "accounts_and_lists_are_compared_byte_for_byte",
		inject: fromWebhooks(func(q *webhook.WebhookQuery) { q.Lists = nil }, func(q webhook.WebhookQuery, ws []webhook.Webhook) []webhook.Webhook {
			return only(ws, func(w webhook.Webhook) bool {
				return len(q.Lists) == 0 || slices.ContainsFunc(q.Lists, func(list string) bool {
					return strings.TrimRight(list, " ") == strings.TrimRight(w.List, " ")
				})
			})
		})},
	{name: "takes accounts of deliveries for the same by case", fails: "accounts_and_lists_are_compared_byte_for_byte",
		inject: fromDeliveries(func(q *webhook.DeliveryQuery) { q.All = true }, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			return only(ds, func(d webhook.Delivery) bool { return q.All || strings.EqualFold(q.Account, d.Account) })
		})},
	{name: "finds failures whatever the case", fails: "failures_are_compared_byte_for_byte",
		inject: fromDeliveries(func(q *webhook.DeliveryQuery) { q.Failures = nil }, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			return only(ds, func(d webhook.Delivery) bool {
				return len(q.Failures) == 0 || slices.ContainsFunc(q.Failures, func(text string) bool { return strings.EqualFold(text, d.Failure) })
			})
		})},
	{name: "trims the Failure of a change", fails: "failures_are_compared_byte_for_byte",
		inject: afterChange(func(_ webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
			if c.Log != nil {
				d.Failure = strings.TrimSpace(d.Failure)
			}
		})},
	{name: "cuts the Failure of a rewritten log", fails: "failures_are_compared_byte_for_byte",
		inject: afterChange(func(_ webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
			if len(c.Rewrite) > 0 {
				d.Failure = cut(d.Failure, 64)
			}
		})},
	{name: "claims with the Failure in lower case", fails: "failures_are_compared_byte_for_byte", inject: func(p *plain) {
		p.leased = func(_, now webhook.Delivery) webhook.Delivery {
			now.Failure, now.Log = strings.ToLower(now.Failure), nil
			return now
		}
	}},
	{name: "prunes types whatever the case", fails: "types_and_subjects_are_compared_byte_for_byte", inject: func(p *plain) {
		p.prunable = func(d webhook.Delivery, q webhook.Prune) bool {
			return slices.ContainsFunc(q.Types, func(t webhook.EventType) bool { return strings.EqualFold(string(t), string(d.Type)) })
		}
	}},
	{name: "finds deliveries by Webhook and Key without space", fails: "types_and_subjects_are_compared_byte_for_byte",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) {
			if q.Webhook != "" && q.Key != "" {
				q.Key = strings.TrimSpace(q.Key)
			}
		})},
	{name: "finds webhooks by ID without space", fails: "ids_are_compared_byte_for_byte",
		inject: webhookQuery(func(q *webhook.WebhookQuery) {
			for i := range q.IDs {
				q.IDs[i] = strings.TrimSpace(q.IDs[i])
			}
		})},
	{name: "cuts IDs to 191 bytes", fails: "ids_of_255_bytes",
		inject: sameIDs(func(id string) string { return cut(id, 191) })},
	{name: "keeps times in seconds", fails: "times_come_back_as_they_went",
		inject: keep(func(d *webhook.Delivery) { d.Due = d.Due.Truncate(time.Second) })},
	{name: "returns local times", fails: "times_come_back_as_they_went",
		inject: fromDeliveries(func(*webhook.DeliveryQuery) {}, func(_ webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			for i := range ds {
				ds[i].Due = ds[i].Due.Local()
			}
			return ds
		})},
	{name: "returns local times in claims", fails: "times_come_back_as_they_went",
		inject: func(p *plain) {
			p.leased = func(_, now webhook.Delivery) webhook.Delivery {
				now.Created, now.Log = now.Created.Local(), nil
				return now
			}
		}},
	{name: "returns times of another zone in webhooks", fails: "times_come_back_as_they_went",
		inject: fromWebhooks(func(*webhook.WebhookQuery) {}, func(_ webhook.WebhookQuery, ws []webhook.Webhook) []webhook.Webhook {
			for i := range ws {
				ws[i].Health.Since = ws[i].Health.Since.In(time.FixedZone("", 3600))
			}
			return ws
		})},
	{name: "takes the zero time for 1970", fails: "times_come_back_as_they_went",
		inject: keep(func(d *webhook.Delivery) {
			if d.Due.IsZero() {
				d.Due = time.Unix(0, 0).UTC()
			}
		})},
	{name: "keeps tallies by 64 bytes of the ID", fails: "ids_are_compared_byte_for_byte", inject: func(p *plain) {
		tallies := map[string][]byte{}
		p.keepHook = func(w webhook.Webhook) webhook.Webhook {
			if w.Tallies != nil {
				tallies[cut(w.ID, 64)] = w.Tallies
			}
			return w
		}
		p.webhooks = func(ctx context.Context, q webhook.WebhookQuery) ([]webhook.Webhook, error) {
			ws, err := p.plainWebhooks(ctx, q)
			for i := range ws {
				if q.Tallies {
					ws[i].Tallies = tallies[cut(ws[i].ID, 64)]
				}
			}
			return ws, err
		}
	}},
	{name: "takes 1970 for the zero time", fails: "times_come_back_as_they_went",
		inject: keep(func(d *webhook.Delivery) {
			if d.Due.Unix() == 0 {
				d.Due = time.Time{}
			}
		})},
	{name: "keeps bodies as text", fails: "bodies_are_any_bytes",
		inject: keep(func(d *webhook.Delivery) { d.Body = []byte(strings.ToValidUTF8(string(d.Body), "\ufffd")) })},
	{name: "keeps responses as text", fails: "bodies_are_any_bytes",
		inject: afterChange(func(_ webhook.Delivery, d *webhook.Delivery, _ webhook.Change) {
			for i := range d.Log {
				d.Log[i].Response = []byte(strings.ToValidUTF8(string(d.Log[i].Response), "\ufffd"))
			}
		})},
	{name: "ends bodies at NUL", fails: "bodies_are_any_bytes",
		inject: keep(func(d *webhook.Delivery) {
			before, _, _ := strings.Cut(string(d.Body), "\x00")
			d.Body = []byte(before)
		})},
	{name: "cuts bodies to 64 KiB", fails: "bodies_are_any_bytes",
		inject: keep(func(d *webhook.Delivery) { d.Body = d.Body[:min(len(d.Body), 1<<16-1)] })},
	{name: "cuts reasons to 255 bytes", fails: "texts_are_kept_whole",
		inject: afterChange(func(_ webhook.Delivery, d *webhook.Delivery, _ webhook.Change) {
			for i := range d.Log {
				d.Log[i].Reason = cut(d.Log[i].Reason, 255)
			}
		})},
	{name: "loses what is beyond the basic plane", fails: "texts_are_kept_whole",
		inject: keepHook(func(w *webhook.Webhook) {
			w.Name = strings.Map(func(r rune) rune { return min(r, 0xffff) }, w.Name)
		})},
	{name: "trims names", fails: "texts_are_kept_whole",
		inject: keepHook(func(w *webhook.Webhook) { w.Name = strings.TrimSpace(w.Name) })},
}

// sameIDs takes IDs of webhooks and deliveries for the same by key, and keeps
// the first one stored.
func sameIDs(key func(string) string) func(*plain) {
	return func(p *plain) {
		names := map[string]string{}
		name := func(id string) string {
			if names[key(id)] == "" {
				names[key(id)] = id
			}
			return names[key(id)]
		}
		p.keep = func(d webhook.Delivery) webhook.Delivery { d.ID, d.WebhookID = name(d.ID), name(d.WebhookID); return d }
		p.keepHook = func(w webhook.Webhook) webhook.Webhook {
			w.ID = name(w.ID)
			w.Version = p.m.webhooks[w.ID].Version
			return w
		}
	}
}
