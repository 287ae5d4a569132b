// Command quickstart delivers one event from end to end: a mailing app keeps
// its webhooks in SQLite, somebody is subscribed, and a receiver gets the form
// that ActiveCampaign announced in January 2013. It needs nothing but Go:
//
//	go run ./examples/quickstart
package main

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver is the app's choice

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/sqlitestore"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	// The customer's end: usually a script on a server far away.
	bodies := make(chan string, 1)
	host, err := receive(bodies)
	if err != nil {
		return err
	}

	// Webhooks, deliveries and their log live in the app's own database.
	folder, err := os.MkdirTemp("", "quickstart")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	db, err := sql.Open("sqlite", filepath.Join(folder, "app.db"))
	if err != nil {
		return err
	}
	defer db.Close()
	store := sqlitestore.New(db, nil)
	if err := store.Migrate(ctx); err != nil {
		return err
	}

	// Customers' URLs reach public addresses only. This receiver is on the
	// loopback, which has to be allowed.
	client := webhook.NewClient(&webhook.ClientOptions{AllowHosts: []string{host}})
	d, err := webhook.New(store, client, nil)
	if err != nil {
		return err
	}
	if err := d.Start(); err != nil {
		return err
	}

	// The customer says what goes where ...
	w, err := d.AddWebhook(ctx, webhook.Webhook{Settings: webhook.Settings{
		Name:    "CRM",
		URL:     "http://" + host + "/subscribers.php",
		List:    "12",
		Events:  []webhook.EventType{webhook.TypeSubscribe, webhook.TypeUnsubscribe},
		Sources: webhook.Sources(),
	}})
	if err != nil {
		return err
	}

	// ... and an admin user of the app subscribes somebody.
	err = d.Emit(ctx, webhook.Subscribe{
		Meta: webhook.Meta{
			Lists:  []string{"12"},
			Source: webhook.SourceAdmin,
			Time:   time.Date(2013, 1, 2, 9, 28, 42, 0, time.Local),
		},
		Subscriber: webhook.Subscriber{
			ID: "12", Email: "test@test.com", FirstName: "Test", LastName: "Test", IP: "127.0.0.1",
			Fields: map[string]string{"7": "test value", "15": "value 1", "16": "2013-01-03"},
		},
	})
	if err != nil {
		return err
	}

	select {
	case body := <-bodies:
		fmt.Fprint(out, "What PHP's print_r($_POST) shows there:\n\n")
		nest(body).print(out, "")
	case <-time.After(10 * time.Second):
		fmt.Fprint(out, "Nothing came within ten seconds.\n\n") // the log says why
	}

	// Shutdown waits for attempts under way: now the log is complete.
	if err := d.Shutdown(ctx); err != nil {
		return err
	}
	deliveries, err := d.Deliveries(ctx, webhook.DeliveryQuery{Webhook: w.ID})
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "The log:")
	for _, del := range deliveries {
		fmt.Fprintf(out, "  %s, %s\n", del.Type, del.State)
		for i, a := range del.Log {
			fmt.Fprintf(out, "  attempt %d: status %d after %s: %s\n",
				i+1, a.Status, a.Duration.Round(time.Microsecond), cmp.Or(a.Reason, string(a.Response)))
		}
	}
	return nil
}

// receive serves a receiver on the loopback: it passes on the bodies that come.
func receive(bodies chan<- string) (host string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, "the body was cut off", http.StatusBadRequest)
			return
		}
		fmt.Fprint(w, "thank you")
		bodies <- string(body)
	})
	go func() { log.Fatal(http.Serve(listener, handler)) }()
	return listener.Addr().String(), nil
}

// An array is one of PHP's: it keeps its order, and holds texts and arrays.
type array struct {
	keys   []string
	values map[string]any
}

// nest reads a form as PHP does: subscriber[fields][7]=x is an array in an array.
func nest(form string) *array {
	root := &array{values: map[string]any{}}
	for pair := range strings.SplitSeq(form, "&") {
		name, text, _ := strings.Cut(pair, "=")
		name, _ = url.QueryUnescape(name)
		text, _ = url.QueryUnescape(text)

		path := strings.Split(strings.ReplaceAll(name, "]", ""), "[")
		inner := root
		for _, key := range path[:len(path)-1] {
			if inner.values[key] == nil {
				inner.put(key, &array{values: map[string]any{}})
			}
			inner = inner.values[key].(*array)
		}
		inner.put(path[len(path)-1], text)
	}
	return root
}

func (a *array) put(key string, value any) {
	a.keys = append(a.keys, key)
	a.values[key] = value
}

// print prints as PHP's print_r does.
func (a *array) print(out io.Writer, indent string) {
	fmt.Fprintf(out, "Array\n%s(\n", indent)
	for _, key := range a.keys {
		fmt.Fprintf(out, "%s    [%s] => ", indent, key)
		if inner, ok := a.values[key].(*array); ok {
			inner.print(out, indent+"        ")
		} else {
			fmt.Fprintln(out, a.values[key])
		}
	}
	fmt.Fprintf(out, "%s)\n\n", indent)
}
