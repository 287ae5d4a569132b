package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/listhook/webhook"
)

var putFaults = []fault{
	{name: "keeps 200 fields", fails: "put_keeps_long_lists", inject: keepHook(func(w *webhook.Webhook) { w.FieldIDs = w.FieldIDs[:min(200, len(w.FieldIDs))] })},
	{name: "keeps a webhook's first Account", fails: "put_may_change_account_and_list", inject: func(p *plain) {
		p.keepHook = func(w webhook.Webhook) webhook.Webhook {
			if old, ok := p.m.webhooks[w.ID]; ok && old.Version == w.Version {
				w.Account = old.Account
			}
			return w
		}
	}},
	{name: "drops a field of a webhook", fails: "put_stores_the_whole_webhook",
		inject: keepHook(func(w *webhook.Webhook) { w.Health.Warned = 0 })},
	{name: "keeps whole numbers as floating point", fails: "put_stores_the_whole_webhook",
		inject: keepHook(func(w *webhook.Webhook) { w.Revision = int64(float64(w.Revision)) })},
	{name: "merges a webhook with what was stored", fails: "put_stores_the_whole_webhook",
		inject: func(p *plain) {
			p.keepHook = func(w webhook.Webhook) webhook.Webhook {
				if w.Headers == nil {
					w.Headers = p.m.webhooks[w.ID].Headers
				}
				return w
			}
		}},
	{name: "notes by its own clock when a webhook changed", fails: "put_stores_the_whole_webhook",
		inject: keepHook(func(w *webhook.Webhook) { w.Changed = time.Now().UTC() })},
	{name: "returns the version but does not store it", fails: "put_raises_the_version_by_one",
		inject: func(p *plain) {
			p.putWebhook = func(ctx context.Context, w webhook.Webhook) (int64, error) {
				version, err := p.plainPutWebhook(ctx, w)
				if err == nil {
					stored := p.m.webhooks[w.ID]
					stored.Version = w.Version
					p.m.webhooks[w.ID] = stored
				}
				return version, err
			}
		}},
	{name: "returns the version as it was", fails: "put_raises_the_version_by_one",
		inject: func(p *plain) {
			p.putWebhook = func(ctx context.Context, w webhook.Webhook) (int64, error) {
				_, err := p.plainPutWebhook(ctx, w)
				return w.Version, err
			}
		}},
	{name: "does not check versions", fails: "put_conflicts_when_the_version_is_another",
		inject: func(p *plain) {
			p.keepHook = func(w webhook.Webhook) webhook.Webhook { w.Version = p.m.webhooks[w.ID].Version; return w }
		}},
	{name: "creates a webhook whatever its version", fails: "put_conflicts_when_the_version_is_another",
		inject: func(p *plain) {
			p.keepHook = func(w webhook.Webhook) webhook.Webhook {
				if p.m.webhooks[w.ID].Version == 0 {
					w.Version = 0
				}
				return w
			}
		}},
	{name: "overwrites when the version is 0", fails: "put_conflicts_when_the_version_is_another",
		inject: func(p *plain) {
			p.keepHook = func(w webhook.Webhook) webhook.Webhook {
				if w.Version == 0 {
					w.Version = p.m.webhooks[w.ID].Version
				}
				return w
			}
		}},
	{name: "takes a later version", fails: "put_conflicts_when_the_version_is_another",
		inject: func(p *plain) {
			p.keepHook = func(w webhook.Webhook) webhook.Webhook {
				w.Version = min(w.Version, p.m.webhooks[w.ID].Version)
				return w
			}
		}},
	{name: "has a conflict error of its own", fails: "put_conflicts_when_the_version_is_another",
		inject: func(p *plain) {
			p.putWebhook = func(ctx context.Context, w webhook.Webhook) (int64, error) {
				version, err := p.plainPutWebhook(ctx, w)
				if err != nil {
					err = errors.New("conflict")
				}
				return version, err
			}
		}},
	{name: "stores in spite of a conflict", fails: "put_conflicts_when_the_version_is_another",
		inject: func(p *plain) {
			p.putWebhook = func(ctx context.Context, w webhook.Webhook) (int64, error) {
				version, err := p.plainPutWebhook(ctx, w)
				if stored, ok := p.m.webhooks[w.ID]; ok && err != nil {
					stored.Name = w.Name
					p.m.webhooks[w.ID] = stored
				}
				return version, err
			}
		}},
	{name: "says nothing of a conflict", fails: "put_conflicts_when_the_version_is_another",
		inject: func(p *plain) {
			p.putWebhook = func(ctx context.Context, w webhook.Webhook) (int64, error) {
				version, _ := p.plainPutWebhook(ctx, w)
				return version, nil
			}
		}},
	{name: "resurrects a deleted webhook", fails: "put_of_a_tombstone_is_a_put",
		inject: func(p *plain) {
			p.keepHook = func(w webhook.Webhook) webhook.Webhook {
				if stored := p.m.webhooks[w.ID]; stored.Deleted {
					w.Version = stored.Version
				}
				return w
			}
		}},
	{name: "never takes a deleted webhook back", fails: "put_of_a_tombstone_is_a_put",
		inject: func(p *plain) {
			p.keepHook = func(w webhook.Webhook) webhook.Webhook {
				w.Deleted = w.Deleted || p.m.webhooks[w.ID].Deleted
				return w
			}
		}},
	{name: "removes a webhook that is deleted", fails: "put_of_a_tombstone_is_a_put",
		inject: func(p *plain) {
			p.putWebhook = func(ctx context.Context, w webhook.Webhook) (int64, error) {
				version, err := p.plainPutWebhook(ctx, w)
				if w.Deleted {
					delete(p.m.webhooks, w.ID)
				}
				return version, err
			}
		}},
	{name: "stores every webhook of an account as one", fails: "put_leaves_other_webhooks_alone",
		inject: func(p *plain) {
			p.putWebhook = func(ctx context.Context, w webhook.Webhook) (int64, error) {
				version, err := p.plainPutWebhook(ctx, w)
				for id, other := range p.m.webhooks {
					if other.Account == w.Account {
						other.Name = w.Name
						p.m.webhooks[id] = other
					}
				}
				return version, err
			}
		}},
}

var webhookFaults = []fault{
	{name: "ignores the account of webhooks", fails: "webhooks_of_the_account_only",
		inject: webhookQuery(func(q *webhook.WebhookQuery) { q.All = true })},
	{name: "ignores the account of webhooks asked for by ID", fails: "webhooks_of_the_account_only",
		inject: webhookQuery(func(q *webhook.WebhookQuery) { q.All = q.All || len(q.IDs) > 0 })},
	{name: "takes the empty account for all", fails: "webhooks_of_the_account_only",
		inject: webhookQuery(func(q *webhook.WebhookQuery) { q.All = q.All || q.Account == "" })},
	{name: "never shows all accounts' webhooks", fails: "webhooks_of_the_account_only",
		inject: webhookQuery(func(q *webhook.WebhookQuery) { q.All = false })},
	{name: "looks at the first ID only", fails: "webhooks_by_ids",
		inject: webhookQuery(func(q *webhook.WebhookQuery) { q.IDs = q.IDs[:min(1, len(q.IDs))] })},
	{name: "finds nothing by an empty list of IDs", fails: "webhooks_by_ids",
		inject: webhookQuery(func(q *webhook.WebhookQuery) {
			if q.IDs != nil && len(q.IDs) == 0 {
				q.IDs = []string{"none"}
			}
		})},
	{name: "returns a webhook as often as it is named", fails: "webhooks_by_ids",
		inject: fromWebhooks(func(*webhook.WebhookQuery) {}, func(q webhook.WebhookQuery, ws []webhook.Webhook) []webhook.Webhook {
			var out []webhook.Webhook
			for _, w := range ws {
				for _, id := range append(q.IDs, w.ID)[:max(1, len(q.IDs))] {
					if id == w.ID {
						out = append(out, w)
					}
				}
			}
			return out
		})},
	{name: "looks at five hundred IDs of webhooks", fails: "webhooks_by_a_thousand_ids",
		inject: webhookQuery(func(q *webhook.WebhookQuery) { q.IDs = q.IDs[:min(500, len(q.IDs))] })},
	{name: "takes the empty list for any", fails: "webhooks_by_lists",
		inject: webhookQuery(func(q *webhook.WebhookQuery) {
			if slices.Contains(q.Lists, "") {
				q.Lists = nil
			}
		})},
	{name: "adds the webhooks of every list by itself", fails: "webhooks_by_lists",
		inject: webhookQuery(func(q *webhook.WebhookQuery) {
			if len(q.Lists) > 0 {
				q.Lists = append(slices.Clone(q.Lists), "")
			}
		})},
	{name: "shows deleted webhooks", fails: "webhooks_deleted_if_asked_for",
		inject: webhookQuery(func(q *webhook.WebhookQuery) { q.Deleted = true })},
	{name: "shows deleted webhooks asked for by ID", fails: "webhooks_deleted_if_asked_for",
		inject: webhookQuery(func(q *webhook.WebhookQuery) { q.Deleted = q.Deleted || len(q.IDs) > 0 })},
	{name: "shows deleted webhooks asked for by Put", fails: "webhooks_deleted_if_asked_for",
		inject: webhookQuery(func(q *webhook.WebhookQuery) { q.Deleted = q.Deleted || q.PutAfter > 0 || q.Newest })},
	{name: "never shows deleted webhooks", fails: "webhooks_deleted_if_asked_for",
		inject: fromWebhooks(func(*webhook.WebhookQuery) {}, func(_ webhook.WebhookQuery, ws []webhook.Webhook) []webhook.Webhook {
			return only(ws, func(w webhook.Webhook) bool { return !w.Deleted })
		})},
	{name: "orders webhooks by the alphabet", fails: "webhooks_in_order_of_id",
		inject: fromWebhooks(func(*webhook.WebhookQuery) {}, func(_ webhook.WebhookQuery, ws []webhook.Webhook) []webhook.Webhook {
			slices.SortFunc(ws, func(a, b webhook.Webhook) int { return strings.Compare(fold(a.ID), fold(b.ID)) })
			return ws
		})},
	{name: "orders webhooks by number", fails: "webhooks_in_order_of_id",
		inject: fromWebhooks(func(*webhook.WebhookQuery) {}, func(_ webhook.WebhookQuery, ws []webhook.Webhook) []webhook.Webhook {
			slices.SortStableFunc(ws, func(a, b webhook.Webhook) int { return len(a.ID) - len(b.ID) })
			return ws
		})},
	{name: "orders webhooks by UTF-16", fails: "webhooks_in_order_of_id",
		inject: fromWebhooks(func(*webhook.WebhookQuery) {}, func(_ webhook.WebhookQuery, ws []webhook.Webhook) []webhook.Webhook {
			slices.SortFunc(ws, func(a, b webhook.Webhook) int {
				return slices.Compare(utf16Of(a.ID), utf16Of(b.ID))
			})
			return ws
		})},
	{name: "begins a page of webhooks with the one before", fails: "webhooks_after_and_limit",
		inject: fromWebhooks(func(q *webhook.WebhookQuery) { q.After, q.Limit = "", 0 }, func(q webhook.WebhookQuery, ws []webhook.Webhook) []webhook.Webhook {
			ws = only(ws, func(w webhook.Webhook) bool { return w.ID >= q.After })
			if q.Limit > 0 {
				ws = ws[:min(q.Limit, len(ws))]
			}
			return ws
		})},
	{name: "ignores the limit of webhooks", fails: "webhooks_after_and_limit",
		inject: webhookQuery(func(q *webhook.WebhookQuery) { q.Limit = 0 })},
	{name: "limits webhooks before it looks for those after", fails: "webhooks_after_and_limit",
		inject: fromWebhooks(func(q *webhook.WebhookQuery) { q.After = "" }, func(q webhook.WebhookQuery, ws []webhook.Webhook) []webhook.Webhook {
			return only(ws, func(w webhook.Webhook) bool { return w.ID > q.After })
		})},
	{name: "looks at either IDs or lists", fails: "webhooks_by_fields_together",
		inject: webhookQuery(func(q *webhook.WebhookQuery) {
			if len(q.IDs) > 0 {
				q.Lists = nil
			}
		})},
	{name: "returns a hundred webhooks at most", fails: "webhooks_may_be_many",
		inject: webhookQuery(func(q *webhook.WebhookQuery) {
			if q.Limit == 0 {
				q.Limit = 100
			}
		})},
	{name: "has an error for no webhooks", fails: "webhooks_may_be_none",
		inject: func(p *plain) {
			p.webhooks = func(ctx context.Context, q webhook.WebhookQuery) ([]webhook.Webhook, error) {
				ws, err := p.plainWebhooks(ctx, q)
				if err == nil && len(ws) == 0 {
					err = webhook.ErrNotFound
				}
				return ws, err
			}
		}},
}
