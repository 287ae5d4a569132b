package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/listhook/webhook"
)

// measure starts the dispatchers on new databases, has each deliver an event, and
// measures what they cost after that.
func (c *config) measure(ctx context.Context, name string) (line string, err error) {
	s, err := openSite(ctx, c, name)
	if err != nil {
		return "", err
	}
	defer s.remove()
	var received atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { received.Add(1) }))
	defer receiver.Close()
	ds, err := startDispatchers(ctx, c.dispatchers, s, receiver)
	if err != nil {
		return "", err
	}
	defer func() {
		for _, d := range ds {
			_ = d.Shutdown(context.WithoutCancel(ctx)) // nothing is under way
		}
	}()
	for began := time.Now(); received.Load() < int64(c.dispatchers); time.Sleep(10 * time.Millisecond) {
		if ctx.Err() != nil || time.Since(began) > time.Minute {
			return "", fmt.Errorf("%d of %d events were delivered in a minute", received.Load(), c.dispatchers)
		}
	}
	receiver.CloseClientConnections()
	if err := sleep(ctx, c.settle); err != nil {
		return "", err
	}
	own, server := ownCPU(), s.serverCPU()
	if err := sleep(ctx, c.span); err != nil {
		return "", err
	}
	percent := func(d time.Duration) float64 { return 100 * d.Seconds() / c.span.Seconds() }
	line = fmt.Sprintf("%s\t%d\t%s\t%.2f\t", name, c.dispatchers, c.span, percent(ownCPU()-own))
	if s.server == 0 {
		line += "–\t"
	} else {
		line += fmt.Sprintf("%.2f\t", percent(s.serverCPU()-server))
	}
	return line + fmt.Sprintf("%.0f\t", ownMemory()), nil
}

// startDispatchers makes a dispatcher with a webhook on each of n databases, and
// has each emit an event.
func startDispatchers(ctx context.Context, n int, s *site, receiver *httptest.Server) (ds []*webhook.Dispatcher, err error) {
	port := receiver.Listener.Addr().(*net.TCPAddr).Port
	client := webhook.NewClient(&webhook.ClientOptions{
		AllowPrefixes: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, AllowPorts: []uint16{uint16(port)},
	})
	pool, err := webhook.NewPool(client, nil)
	if err != nil {
		return nil, err
	}
	for i := range n {
		store, err := s.open(ctx, i)
		if err != nil {
			return ds, err
		}
		d, err := pool.NewDispatcher(store, nil)
		if err != nil {
			return ds, err
		}
		account := fmt.Sprint("account ", i)
		_, err = d.AddWebhook(ctx, webhook.Webhook{
			Account: account, Settings: webhook.Settings{
				Name: "idle", URL: receiver.URL,
				Events: []webhook.EventType{webhook.TypeUnsubscribe}, Sources: []webhook.Source{webhook.SourcePublic},
			},
		})
		if err != nil {
			return ds, err
		}
		if err := d.Start(); err != nil {
			return ds, err
		}
		ds = append(ds, d)
		err = d.Emit(ctx, webhook.Unsubscribe{
			Meta:       webhook.Meta{Account: account, Source: webhook.SourcePublic},
			Subscriber: webhook.Subscriber{ID: "1", Email: "a@example.com"},
		})
		if err != nil {
			return ds, err
		}
	}
	return ds, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ownCPU returns the CPU time that this process has used.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// ownMemory returns the memory that this process holds, in MB.
func ownMemory() float64 {
	status, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kB, _ := strconv.ParseFloat(strings.Fields(rest + " 0")[0], 64)
	return kB / 1024
}

// serverCPU returns the CPU time that the server's processes have used so far, to
// the nanosecond. PostgreSQL's are children of one, and have one thread.
func (s *site) serverCPU() (total time.Duration) {
	if s.server == 0 {
		return 0
	}
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	for _, p := range processes {
		pid, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		stat, _ := os.ReadFile("/proc/" + p.Name() + "/stat")
		_, rest, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(rest); pid != s.server && (len(fields) < 2 || fields[1] != strconv.Itoa(s.server)) {
			continue
		}
		content, _ := os.ReadFile("/proc/" + p.Name() + "/schedstat")
		first, _, _ := strings.Cut(string(content), " ")
		ns, _ := strconv.ParseInt(first, 10, 64)
		total += time.Duration(ns)
	}
	return total
}
