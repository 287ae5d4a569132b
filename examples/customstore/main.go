// Command customstore delivers an event from a store of its own: bbolt, an
// embedded key-value store, in one file. store.go and queue.go are the store,
// and what to copy for a storage of another kind; docs/stores.md says how to go
// about it.
//
//	go run ./examples/customstore
package main

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/listhook/webhook"
)

func main() {
	if err := run(context.Background(), log.New(os.Stdout, "", 0)); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out *log.Logger) (err error) {
	dir, err := os.MkdirTemp("", "customstore")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, "webhooks.db")
	receiver, err := receive(out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, receiver.Close()) }()

	if err := emit(ctx, out, file, receiver.Addr); err != nil {
		return err
	}
	out.Print("the file is closed, and opened by another process, as it were")
	return deliver(ctx, out, file, receiver.Addr)
}

// receive starts a receiver on this machine.
func receive(out *log.Logger) (*http.Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{
		Addr:              listener.Addr().String(),
		ReadHeaderTimeout: 5 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			out.Printf("received: type=%s subscriber[email]=%s", r.FormValue("type"), r.FormValue("subscriber[email]"))
			w.Write([]byte("thank you"))
		}),
	}
	go func() { _ = server.Serve(listener) }() // until it is closed
	return server, nil
}

// client returns one that may reach the receiver, although it is not public.
func client(receiver string) *http.Client {
	return webhook.NewClient(&webhook.ClientOptions{AllowHosts: []string{receiver}})
}

// emit is a process that adds a webhook and emits an event, and ends without
// having delivered it.
func emit(ctx context.Context, out *log.Logger, file, receiver string) (err error) {
	store, err := Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	d, err := webhook.New(store, client(receiver), nil)
	if err != nil {
		return err
	}
	if _, err := d.AddWebhook(ctx, webhook.Webhook{Settings: webhook.Settings{
		Name: "customstore", URL: "http://" + receiver + "/", Events: webhook.EventTypes(), Sources: webhook.Sources(),
	}}); err != nil {
		return err
	}
	if err := d.Emit(ctx, webhook.Sample(webhook.TypeSubscribe)); err != nil {
		return err
	}
	out.Print("emitted: what Emit has acknowledged is on the disk")
	return nil
}

// deliver is a process that delivers what it finds in the file.
func deliver(ctx context.Context, out *log.Logger, file, receiver string) (err error) {
	store, err := Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	done := make(chan webhook.Delivery, 100)
	d, err := webhook.New(store, client(receiver), &webhook.Options{Hooks: webhook.Hooks{
		Changed: func(d webhook.Delivery) { done <- d },
	}})
	if err != nil {
		return err
	}
	if err := d.Start(); err != nil {
		return err
	}
	select {
	case <-done:
	case <-time.After(30 * time.Second):
	}
	if err := d.Shutdown(ctx); err != nil {
		return err
	}
	ds, err := d.Deliveries(ctx, webhook.DeliveryQuery{})
	if err != nil {
		return err
	}
	for _, d := range ds {
		out.Printf("log: %s %s", d.Type, d.State)
		for _, a := range d.Log {
			out.Printf("  answered %d: %q", a.Status, a.Response)
		}
	}
	return nil
}
