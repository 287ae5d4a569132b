// Command outbox writes a business row and its event in one transaction: the
// event is delivered if, and only if, the row is there. It commits one
// transaction, rolls another back, and shows what a receiver gets.
//
//	go run ./examples/outbox                    SQLite, in a temporary file
//	go run ./examples/outbox -store postgres    by database/sql
//	go run ./examples/outbox -store pgx         by pgx itself
//	go run ./examples/outbox -store mariadb
//
// -db names the database if it is not on this machine. In the database of a server
// the tables outbox_… are left behind.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/listhook/webhook"
)

func main() {
	store := flag.String("store", "sqlite", "sqlite, postgres, pgx or mariadb")
	dsn := flag.String("db", "", "the file, the `URL` or the data source name of the database")
	flag.Parse()
	if err := run(context.Background(), os.Stdout, *store, *dsn); err != nil {
		log.Fatal(err)
	}
}

// A database is what the app needs of any of them. The file named after it shows how
// it begins a transaction, and how that becomes the Outbox of EmitTx.
type database struct {
	store  webhook.Store
	insert string // adds a subscriber's id and email

	// inTx calls f in a transaction, and commits if it returns nil.
	inTx func(ctx context.Context, f func(transaction) error) error

	// listen calls its argument when another process has committed deliveries. Nil:
	// they are found by polling, once a second.
	listen func(ctx context.Context, wake func()) error

	close func()
}

// A transaction is one of the app's.
type transaction struct {
	exec   func(ctx context.Context, query string, args ...any) error
	outbox webhook.Outbox // in this transaction
}

// prefix is the prefix of all tables' names, so that they clash with no table of the
// user's.
const prefix = "outbox_"

// table is where the app keeps its subscribers.
const table = `create table if not exists outbox_subscribers (id varchar(26) primary key, email varchar(255) not null)`

func open(ctx context.Context, store, dsn string) (*database, error) {
	switch store {
	case "sqlite":
		return openSQLite(ctx, dsn)
	case "postgres":
		return openPostgres(ctx, dsn)
	case "pgx":
		return openPgx(ctx, dsn)
	case "mariadb":
		return openMariaDB(ctx, dsn)
	}
	return nil, fmt.Errorf("there is no store %q", store)
}

func run(ctx context.Context, out io.Writer, store, dsn string) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	db, err := open(ctx, store, dsn)
	if err != nil {
		return err
	}
	defer db.close()
	emails := make(chan string, 2)
	host, err := receive(emails)
	if err != nil {
		return err
	}

	client := webhook.NewClient(&webhook.ClientOptions{AllowHosts: []string{host}}) // it is on the loopback
	hooks, err := webhook.New(db.store, client, nil)
	if err != nil {
		return err
	}
	account := rand.Text() // this run's own
	w, err := hooks.AddWebhook(ctx, webhook.Webhook{Account: account, Settings: webhook.Settings{
		Name: "CRM", URL: "http://" + host, Events: []webhook.EventType{webhook.TypeSubscribe}, Sources: webhook.Sources(),
	}})
	if err != nil {
		return err
	}
	if err := hooks.Start(); err != nil {
		return err
	}
	if db.listen != nil {
		go db.listen(ctx, hooks.Wake) // until ctx ends
	}

	if err := signUp(ctx, db, hooks, account, "bob@example.com", errNoSeat); !errors.Is(err, errNoSeat) {
		return err
	}
	fmt.Fprintln(out, "rolled back: bob@example.com")
	if err := signUp(ctx, db, hooks, account, "ann@example.com", nil); err != nil {
		return err
	}
	fmt.Fprintln(out, "committed: ann@example.com")

	select {
	case email := <-emails:
		fmt.Fprintln(out, "the receiver got:", email)
	case <-time.After(30 * time.Second):
		fmt.Fprintln(out, "the receiver got nothing within 30 seconds") // the log says why
	}
	if err := hooks.Shutdown(ctx); err != nil { // it waits for attempts under way
		return err
	}
	for range len(emails) {
		fmt.Fprintln(out, "and also got:", <-emails)
	}
	deliveries, err := hooks.Deliveries(ctx, webhook.DeliveryQuery{Account: account})
	if err != nil {
		return err
	}
	for _, d := range deliveries {
		fmt.Fprintf(out, "the log has: %s, %s\n", d.Type, d.State)
	}
	return hooks.DeleteWebhook(ctx, account, w.ID)
}

var errNoSeat = errors.New("the plan's last seat is taken")

// signUp adds a subscriber and emits the event that tells of it, both or
// neither. What the app does after the event may still fail.
func signUp(ctx context.Context, db *database, hooks *webhook.Dispatcher, account, email string, rest error) error {
	id := rand.Text()
	err := db.inTx(ctx, func(tx transaction) error {
		if err := tx.exec(ctx, db.insert, id, email); err != nil {
			return err
		}
		err := hooks.EmitTx(ctx, tx.outbox, webhook.Subscribe{
			Meta:       webhook.Meta{Account: account, Lists: []string{"12"}, Source: webhook.SourcePublic},
			Subscriber: webhook.Subscriber{ID: id, Email: email},
		})
		if err != nil {
			return err
		}
		return rest
	})
	if err == nil {
		hooks.Wake() // it is committed: deliver it now rather than at the next poll
	}
	return err
}

// receive serves a receiver on the loopback, which passes on the subscribers' addresses.
func receive(emails chan<- string) (host string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go http.Serve(listener, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		emails <- r.PostFormValue("subscriber[email]")
	}))
	return listener.Addr().String(), nil
}
