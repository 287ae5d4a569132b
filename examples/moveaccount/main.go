// Command moveaccount has the accounts of an app on two databases, and moves one from
// the first to the second while its events go on:
//
//	go run ./examples/moveaccount
//
// No event is lost, and none is delivered twice, even if the process that moves the
// account is killed: move is called again then, and does the rest. The databases are
// SQLite files; on servers the same statements do it. A real app calls move again for
// every account that is arriving when it starts.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/listhook/webhook"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// example is the account that is moved.
const example = "acme"

func run(ctx context.Context, out io.Writer) error {
	dir, err := os.MkdirTemp("", "moveaccount")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r, err := receive()
	if err != nil {
		return err
	}
	defer r.server.Close()
	a, err := openApp(ctx, r.client(), dir, "first", "second")
	if err != nil {
		return err
	}
	defer a.close()
	if err := a.addAccount(ctx, example, "first", r.url); err != nil {
		return err
	}
	if err := a.start(); err != nil {
		return err
	}
	emitted := make(chan error)
	go func() { // it ends when all are emitted
		for i := range 100 {
			if err := a.emit(ctx, example, event(i)); err != nil {
				emitted <- err
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
		emitted <- nil
	}()
	time.Sleep(100 * time.Millisecond)
	m := &mover{from: a.databases[0], to: a.databases[1], account: example, progress: func(string) {}}
	if err := m.move(ctx); err != nil {
		return err
	}
	if err := <-emitted; err != nil {
		return err
	}
	for began := time.Now(); len(r.seen()) < 100 && time.Since(began) < time.Minute; time.Sleep(10 * time.Millisecond) {
	}
	d, err := a.find(ctx, example)
	if err != nil {
		return err
	}
	repeated := 0
	for _, n := range r.seen() {
		repeated += n - 1
	}
	fmt.Fprintf(out, "the account is in the database %s; of 100 events %d were delivered, %d of them again\n", d.name, len(r.seen()), repeated)
	return nil
}

// addAccount adds an account with a webhook to a database.
func (a *app) addAccount(ctx context.Context, account, name, url string) error {
	d, err := a.database(name)
	if err != nil {
		return err
	}
	if _, err := d.setState(ctx, account, here, ""); err != nil {
		return err
	}
	_, err = d.dispatcher.AddWebhook(ctx, webhook.Webhook{Account: account, Settings: webhook.Settings{
		Name: "CRM", URL: url, Events: []webhook.EventType{webhook.TypeOpen}, Sources: webhook.Sources(),
	}})
	return err
}

// event returns the event with a number.
func event(n int) webhook.Event {
	e := webhook.Sample(webhook.TypeOpen).(webhook.Open)
	e.ID, e.Account = fmt.Sprint("event-", n), example
	return e
}

// A receiver counts the deliveries that it gets.
type receiver struct {
	server *http.Server
	url    string

	mu  sync.Mutex // guards got
	got map[string]int
}

func receive() (*receiver, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &receiver{url: "http://" + listener.Addr().String(), got: map[string]int{}}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: timeout}
	go r.server.Serve(listener) // until it is closed
	return r, nil
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	time.Sleep(5 * time.Millisecond) // so that some are under way at any moment
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got[req.Header.Get("webhook-id")]++
}

// client may reach the receiver, which is on the loopback.
func (r *receiver) client() *http.Client {
	host := r.url[len("http://"):]
	return webhook.NewClient(&webhook.ClientOptions{AllowHosts: []string{host}})
}

// seen returns how often each delivery came, by its webhook-id.
func (r *receiver) seen() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := map[string]int{}
	maps.Copy(seen, r.got)
	return seen
}
