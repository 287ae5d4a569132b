package redisstore

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/webhooktest"
)

// appVariable holds the name of an app and the address of its server: then the test's
// binary is that app, in a process of its own.
const appVariable = "REDISSTORE_APP"

func TestMain(m *testing.M) {
	if name, addr, ok := strings.Cut(os.Getenv(appVariable), " "); ok {
		if err := runApp(name, addr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// runApp emits and delivers until its standard input ends, and then delivers the
// rest. It prints the ID of each event that Emit accepted.
func runApp(name, addr string) error {
	ctx := context.Background()
	store, err := Open(ctx, redis.Options{Addr: addr}, "app")
	for err != nil { // the server may have been killed just now
		time.Sleep(20 * time.Millisecond)
		store, err = Open(ctx, redis.Options{Addr: addr}, "app")
	}
	d, err := webhook.New(store, webhook.NewClient(webhooktest.ClientOptions()), &webhook.Options{
		Timeout: 2 * time.Second, PollInterval: 100 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
		Backoff: webhook.Schedule(20*time.Millisecond, 50*time.Millisecond, 100*time.Millisecond, 100*time.Millisecond, 100*time.Millisecond, time.Second, time.Second),
	})
	if err != nil {
		return err
	}
	if err := d.Start(); err != nil {
		return err
	}
	quiet := make(chan struct{})
	var emitters sync.WaitGroup
	for i := range 4 {
		emitters.Go(func() { emitAll(d, fmt.Sprint(name, "-", i), quiet) })
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	close(quiet)
	emitters.Wait()
	pending := webhook.DeliveryQuery{All: true, States: []webhook.State{webhook.StatePending}}
	for n := 1; n > 0; time.Sleep(20 * time.Millisecond) {
		if n, err = store.Count(ctx, pending); err != nil {
			return err
		}
	}
	return d.Shutdown(ctx)
}

// emitAll emits events of one subscriber, one after the other. One that was not promised
// is emitted again until it is.
func emitAll(d *webhook.Dispatcher, subscriber string, quiet <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-quiet:
			return
		case <-time.After(10 * time.Millisecond):
		}
		id := fmt.Sprint(subscriber, "-", n)
		for d.Emit(context.Background(), webhook.Update{
			Meta:       webhook.Meta{ID: id, Lists: []string{"1"}, Source: webhook.SourcePublic},
			Subscriber: webhook.Subscriber{ID: subscriber, Email: subscriber + "@example.com", FirstName: strconv.Itoa(n)},
		}) != nil {
			time.Sleep(20 * time.Millisecond)
		}
		fmt.Println(id)
	}
}

// An app is such a process, from the test's side.
type app struct {
	t       *testing.T
	process *exec.Cmd
	in      io.Closer
	errors  bytes.Buffer
	ready   chan struct{}
	ended   chan struct{} // and all that it said was read
}

// startApp starts an app. promised is called with the ID of each event.
func startApp(t *testing.T, name, addr string, promised func(id string)) *app {
	t.Helper()
	a := &app{t: t, process: exec.Command(os.Args[0]), ready: make(chan struct{}), ended: make(chan struct{})}
	a.process.Env = append(os.Environ(), appVariable+"="+name+" "+addr)
	a.process.Stderr = &a.errors
	var err error
	a.in, err = a.process.StdinPipe()
	require.NoError(t, err)
	out, err := a.process.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, a.process.Start())
	t.Cleanup(a.kill)
	go func() {
		defer close(a.ended)
		for lines := bufio.NewReader(out); ; {
			line, err := lines.ReadString('\n')
			switch {
			case err != nil: // a line without its end was not said
				_ = a.process.Wait()
				return
			case line == "ready\n":
				close(a.ready)
			default:
				promised(strings.TrimSpace(line))
			}
		}
	}()
	return a
}

// kill ends the app as kill -9 does.
func (a *app) kill() {
	_ = a.process.Process.Kill()
	<-a.ended
}

// quiet lets the app emit no more, and deliver the rest.
func (a *app) quiet() { _ = a.in.Close() }

// finish waits for the end of an app that is quiet.
func (a *app) finish() {
	a.t.Helper()
	<-a.ended
	require.True(a.t, a.process.ProcessState.Success(), "an app ended with %s:\n%s", a.process.ProcessState, &a.errors)
}
