package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strconv"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// ours is this library with one of its stores: signing, keeping its log, and
// with its default options.
type ours struct {
	*job
	store      *timedStore
	dispatcher *webhook.Dispatcher
	shut       func()
}

// A library is a subject that is this library, whatever the store.
type library interface{ library() *ours }

func (o *ours) library() *ours { return o }

func openMemory(ctx context.Context, j *job) (subject, error) {
	return openOurs(ctx, j, new(memstore.Store), func() {})
}

// openOurs makes a dispatcher on a store and puts a webhook for each target,
// unless another process did.
func openOurs(ctx context.Context, j *job, store webhook.Store, shut func()) (*ours, error) {
	o := &ours{job: j, store: &timedStore{Store: store}, shut: shut}
	if err := o.renew(); err != nil {
		return nil, err
	}
	known, err := o.dispatcher.Webhooks(ctx, webhook.WebhookQuery{All: true, Limit: 1})
	if err != nil || len(known) > 0 {
		return o, err
	}
	for _, t := range j.targets() {
		list := list(t.number)
		if isEndpoint(j.Phase) {
			list = "" // each event is for all
		}
		settings := webhook.Settings{
			List: list, Name: "target " + strconv.Itoa(t.number), URL: j.url(t),
			Events: []webhook.EventType{webhook.TypeOpen, webhook.TypeUpdate}, Sources: []webhook.Source{webhook.SourcePublic},
			Secrets: []webhook.Secret{webhook.NewSecret()}, Format: j.format(),
		}
		if isBatch(j.Phase) {
			settings.Batch, settings.BatchWait = batchSize, batchWindow
		}
		_, err := o.dispatcher.AddWebhook(ctx, webhook.Webhook{ID: webhookID(t.number), Account: account(t.number), Settings: settings})
		if err != nil {
			return nil, fmt.Errorf("target %d: %w", t.number, err)
		}
	}
	return o, nil
}

func webhookID(target int) string { return strconv.Itoa(1_000_000 + target) }

// renew makes a new dispatcher, since one that was shut down stays so.
func (o *ours) renew() (err error) {
	client := webhook.NewClient(&webhook.ClientOptions{
		AllowPrefixes: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, AllowPorts: []uint16{uint16(o.Port)},
	})
	o.dispatcher, err = webhook.New(o.store, client, &webhook.Options{
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	return err
}

func (o *ours) emit(ctx context.Context, e event) error {
	if e.keyed {
		return o.dispatcher.Emit(ctx, e.update())
	}
	return o.dispatcher.Emit(ctx, e.open())
}

func (o *ours) start(context.Context) error { return o.dispatcher.Start() }

func (o *ours) stop(ctx context.Context) error {
	if err := o.dispatcher.Shutdown(ctx); err != nil {
		return err
	}
	return o.renew()
}

func (o *ours) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = o.dispatcher.Shutdown(ctx) // what hangs may be cut short
	o.shut()
}

func (o *ours) signs() {}
