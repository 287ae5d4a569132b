// Command mailingapp is a small mailing app with webhooks: lists, subscribers,
// campaigns, an outbox in which you play the recipients, and a receiver whose
// inbox shows what arrived. It needs nothing but Go:
//
//	go run ./examples/mailingapp
//
// What webhooks added to the app is in webhooks.go.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// settings are the flags.
type settings struct {
	addr     string
	receiver string
	apiKey   string
	data     string
}

func main() {
	var s settings
	flag.StringVar(&s.addr, "addr", "127.0.0.1:8080", "`host:port` of the app; whoever reaches it may do everything")
	flag.StringVar(&s.receiver, "receiver", "127.0.0.1:8081", "`host:port` of the receiver that comes with it")
	flag.StringVar(&s.apiKey, "api-key", "", "`key` of the APIs (default: a new one each time)")
	flag.StringVar(&s.data, "data", "", "`folder` to keep the database in (default: a new one, removed at the end)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second one ends it at once
	if err := run(ctx, s, os.Stdout); err != nil {
		log.Fatal("mailingapp: ", err)
	}
}

// An app holds what its pages need.
type app struct {
	*webhooks
	db          *sql.DB
	receiver    *receiver
	apiKey      string
	url         string // of the app
	receiverURL string
}

// change calls f in a transaction. Events that f emits are sent if, and only if, it is
// committed.
func (a *app) change(ctx context.Context, f func(*sql.Tx) error) error {
	err := transact(ctx, a.db, f)
	if err == nil {
		a.Wake()
	}
	return err
}

// run serves the app and its receiver until ctx is done.
func run(ctx context.Context, s settings, out io.Writer) (err error) {
	kept := s.data != ""
	if kept {
		err = os.MkdirAll(s.data, 0o700)
	} else if s.data, err = os.MkdirTemp("", "mailingapp-"); err == nil {
		defer os.RemoveAll(s.data)
	}
	if err != nil {
		return err
	}
	s.apiKey = cmp.Or(s.apiKey, rand.Text())

	appListener, err := net.Listen("tcp", s.addr)
	if err != nil {
		return err
	}
	defer appListener.Close()
	receiverListener, err := net.Listen("tcp", s.receiver)
	if err != nil {
		return err
	}
	defer receiverListener.Close()
	db, err := openDatabase(ctx, s.data)
	if err != nil {
		return err
	}
	defer db.Close()
	host := hostOf(receiverListener)
	hooks, err := newWebhooks(ctx, db, host)
	if err != nil {
		return err
	}
	a := &app{
		webhooks: hooks, db: db, receiver: &receiver{}, apiKey: s.apiKey,
		url: "http://" + hostOf(appListener), receiverURL: "http://" + host + "/webhook",
	}
	pages, err := a.pages()
	if err != nil {
		return err
	}

	fmt.Fprintf(out, "Open     %s/\n", a.url)
	fmt.Fprintf(out, "Receiver %s (-receiver)\n", a.receiverURL)
	fmt.Fprintf(out, "API      %s/integration/webhooks/api/3/webhooks\n", a.url)
	fmt.Fprintf(out, "API key  %s (-api-key)\n", s.apiKey)
	if kept {
		fmt.Fprintf(out, "Data     %s (-data)\n", s.data)
	} else {
		fmt.Fprintf(out, "Data     %s, removed at the end (-data keeps it in a folder of yours)\n", s.data)
	}
	err = serve(ctx, map[net.Listener]http.Handler{appListener: pages, receiverListener: a.receiver})
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if cut := hooks.Shutdown(drain); !errors.Is(cut, context.DeadlineExceeded) { // attempts that were cut short are made again at the next start
		err = errors.Join(err, cut)
	}
	return err
}

// hostOf returns the host and port by which this machine reaches a listener.
func hostOf(l net.Listener) string {
	addr, ok := l.Addr().(*net.TCPAddr)
	if ok && addr.IP.IsUnspecified() {
		return net.JoinHostPort("localhost", strconv.Itoa(addr.Port))
	}
	return l.Addr().String()
}

// serve serves each of servers until ctx is done or one of them fails.
func serve(ctx context.Context, servers map[net.Listener]http.Handler) error {
	ended := make(chan error, len(servers))
	var running []*http.Server
	for listener, handler := range servers {
		server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
		running = append(running, server)
		go func() { ended <- server.Serve(listener) }()
	}
	var errs []error
	select {
	case <-ctx.Done():
	case err := <-ended:
		errs = append(errs, err)
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	for _, server := range running {
		errs = append(errs, server.Shutdown(grace))
	}
	return errors.Join(errs...)
}
