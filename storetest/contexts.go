package storetest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/listhook/webhook"
)

var contextRules = []rule{
	ended("Enqueue", func(ctx context.Context, s webhook.Store) error {
		_, err := s.Enqueue(ctx, Events(pending("new", "1", t0)))
		return err
	}),
	ended("PutWebhook", func(ctx context.Context, s webhook.Store) error {
		w := hook("1")
		w.Version, w.HeldUntil = 1, never
		_, err := s.PutWebhook(ctx, w)
		return err
	}),
	ended("Claim", func(ctx context.Context, s webhook.Store) error {
		_, err := s.Claim(ctx, everything(t0))
		return err
	}),
	ended("Apply", func(ctx context.Context, s webhook.Store) error {
		_, err := s.Apply(ctx, []webhook.Change{{ID: "waits", State: webhook.StateFailed, Due: t0, Log: note(1)}})
		return err
	}),
	ended("Prune", func(ctx context.Context, s webhook.Store) error {
		_, err := s.Prune(ctx, webhook.Prune{Before: at(100), Limit: 100, Deleted: at(100)})
		return err
	}),
	ended("Webhooks", func(ctx context.Context, s webhook.Store) error {
		_, err := s.Webhooks(ctx, webhook.WebhookQuery{All: true})
		return err
	}),
	ended("Deliveries", func(ctx context.Context, s webhook.Store) error {
		_, err := s.Deliveries(ctx, webhook.DeliveryQuery{All: true})
		return err
	}),
	ended("Count", func(ctx context.Context, s webhook.Store) error {
		_, err := s.Count(ctx, webhook.DeliveryQuery{All: true})
		return err
	}),
}

// ended returns the rule that a method keeps when its context has ended.
func ended(method string, call func(ctx context.Context, s webhook.Store) error) rule {
	return rule{
		"ended_context_stops_" + method,
		"A call whose context has ended changes nothing and returns an error.",
		func(c *checker) {
			c.put(hook("1"))
			tombstone := hook("deleted")
			tombstone.Deleted = true
			c.put(tombstone)
			c.enqueue(pending("waits", "1", t0), finished("done", "1", at(-100)))

			all := webhook.DeliveryQuery{All: true}
			everyone := webhook.WebhookQuery{All: true, Deleted: true}
			ds, ws := c.deliveries(all), c.webhooks(everyone)

			canceled, cancel := context.WithCancel(c.ctx)
			cancel()
			past, cancel := context.WithDeadline(c.ctx, time.Now().Add(-time.Second))
			defer cancel()
			for _, ctx := range []context.Context{canceled, past} {
				err := call(ctx, c.store)
				if err == nil {
					c.broken("%s returned no error, the context being ended by: %v", method, ctx.Err())
				}
				if errors.Is(err, webhook.ErrConflict) {
					c.broken("%s returned ErrConflict for an ended context", method)
				}
			}
			c.same("deliveries afterwards", c.deliveries(all), ds)
			c.same("webhooks afterwards", c.webhooks(everyone), ws)
			if err := call(c.ctx, c.store); err != nil {
				c.broken("afterwards, with a context that lives, %s returned the error: %v", method, err)
			}
			if slices.Contains([]string{"Webhooks", "Deliveries", "Count"}, method) {
				return
			}
			if diff(c.deliveries(all), ds) == "" && diff(c.webhooks(everyone), ws) == "" {
				c.broken("afterwards, with a context that lives, %s changed nothing", method)
			}
		},
	}
}
