//go:build unix

package crash

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/listhook/webhook"
)

// A childConfig is what a child process is to do. The zero value of a field
// is without it.
type childConfig struct {
	Name     string // sent as the User-Agent; what its events' IDs begin with
	Database database

	Deliver     bool
	Timeout     time.Duration // of an attempt; leases are twice as long
	Concurrency int
	FreezeAt    int64         // it stops itself just before the request of that number, from 1
	Skew        time.Duration // by which its clock is fast

	Emit         int  // events a second; of each several deliveries may come
	Transactions bool // some of them in transactions
	Buffer       int  // all of them by EmitBuffered, which holds so many at most
}

// What a child says, one a line, on its standard output. A line that was
// written is the parent's even if the child dies right afterwards.
const (
	sayReady   = "ready"   // it is started
	sayTry     = "try"     // an event's ID: it is about to be emitted
	sayAck     = "ack"     // an event's ID: it was promised to be delivered
	sayTaken   = "taken"   // an event's ID: it is in the buffer, or stored
	sayVoid    = "void"    // an event's ID: it is about to be emitted and rolled back
	sayFail    = "fail"    // why emitting failed; it is done again
	sayAttempt = "attempt" // a delivery's ID: it is about to be sent
	sayLost    = "lost"    // a delivery's ID: Hooks.Lost was called
	sayLog     = "log"     // what the dispatcher logged
	sayUsage   = "usage"   // a usage, in JSON
	sayQuiet   = "quiet"   // it emits no more
)

// What a child is told, one a line, on its standard input. Its end is the
// parent's, and the child's.
const (
	askQuiet = "quiet" // to emit no more
	askThaw  = "thaw"  // to go on after FreezeAt
	askUsage = "usage" // what it uses
	askStop  = "stop"  // to shut down and say what it uses then
)

// A child is an app in a process of its own.
type child struct {
	childConfig
	db         *opened
	dispatcher *webhook.Dispatcher
	out        sync.Mutex
	emitters   sync.WaitGroup
	quiet      chan struct{}
	thawed     chan struct{}
	attempts   atomic.Int64
}

func runChild(text string) int {
	c := &child{quiet: make(chan struct{}), thawed: make(chan struct{})}
	if err := json.Unmarshal([]byte(text), &c.childConfig); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	if err := c.run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func (c *child) run() error {
	before := runtime.NumGoroutine()
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		_ = l.Close() // what the runtime opens with the first socket stays
	}
	c.sayUsage()
	var err error
	if c.db, err = c.Database.open(); err != nil {
		return err
	}
	client := webhook.NewClient(&webhook.ClientOptions{AllowHosts: []string{"127.0.0.1"}})
	if c.dispatcher, err = webhook.New(skewed(c.db.Store, c.Skew), client, c.options()); err != nil {
		return err
	}
	if c.Deliver {
		if err := c.dispatcher.Start(); err != nil {
			return err
		}
	}
	ctx, unlisten := context.WithCancel(context.Background())
	defer unlisten()
	var listening sync.WaitGroup
	if c.db.listen != nil {
		listening.Go(func() { _ = c.db.listen(ctx, c.dispatcher.Wake) })
	}
	c.say(sayReady, "")
	c.emitAll()
	if c.obey() != askStop {
		return nil
	}
	if err := c.dispatcher.Shutdown(context.Background()); err != nil {
		return err
	}
	unlisten()
	listening.Wait()
	client.CloseIdleConnections()
	c.db.close()
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before+1 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	c.sayUsage()
	return nil
}

func (c *child) options() *webhook.Options {
	retention := 24 * time.Hour // longer than any test: the audit takes a pruned delivery for a lost one
	if c.FreezeAt > 0 {
		// Frozen while it writes to SQLite, it would keep all others out. So
		// it writes nothing but what the test makes it write.
		retention = -1
	}
	return &webhook.Options{
		Retention:    retention,
		Timeout:      c.Timeout,
		Concurrency:  c.Concurrency,
		PollInterval: 200 * time.Millisecond,
		Backoff:      webhook.Schedule(retryDelays...),
		Buffer:       webhook.BufferOptions{Events: c.Buffer},
		UserAgent:    c.Name,
		Logger:       slog.New(slog.NewTextHandler(logWriter{c}, nil)),
		Hooks: webhook.Hooks{
			Attempt: func(ctx context.Context, d webhook.Delivery) (context.Context, func(webhook.Attempt)) {
				c.say(sayAttempt, d.ID)
				if c.attempts.Add(1) == c.FreezeAt {
					_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
					<-c.thawed // this thread may outrun the signal
				}
				return ctx, nil
			},
			Lost: func(d webhook.Delivery) { c.say(sayLost, d.ID) },
		},
	}
}

// retryDelays make five attempts in about two seconds.
var retryDelays = []time.Duration{
	100 * time.Millisecond, 300 * time.Millisecond, 600 * time.Millisecond, time.Second,
}

// say writes a line, in one call, so that it is either said or not.
func (c *child) say(what, text string) {
	line := what + " " + strings.ReplaceAll(text, "\n", " ") + "\n"
	c.out.Lock()
	defer c.out.Unlock()
	_, _ = os.Stdout.WriteString(line)
}

// A logWriter says what is logged.
type logWriter struct{ *child }

func (w logWriter) Write(p []byte) (int, error) {
	w.say(sayLog, strings.TrimSpace(string(p)))
	return len(p), nil
}

// obey does what it is told, and returns what ended it: "" at the parent's
// end.
func (c *child) obey() string {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		switch in.Text() {
		case askQuiet:
			close(c.quiet)
			go func() {
				c.emitters.Wait()
				c.say(sayQuiet, "")
			}()
		case askThaw:
			close(c.thawed)
		case askUsage:
			c.sayUsage()
		case askStop:
			return askStop
		}
	}
	return ""
}

// A usage is what a process takes of its machine.
type usage struct {
	Goroutines  int
	Descriptors int
	Heap        uint64 // bytes, just collected
	Stacks      string // of the goroutines
}

func (c *child) sayUsage() {
	var u usage
	debug.FreeOSMemory() // collects twice over, what finalizers let go too
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u.Heap = m.HeapAlloc
	u.Goroutines = runtime.NumGoroutine()
	u.Descriptors = descriptors()
	stacks := make([]byte, 64<<10)
	u.Stacks = string(stacks[:runtime.Stack(stacks, true)])
	text, err := json.Marshal(u)
	if err != nil {
		panic(err)
	}
	c.say(sayUsage, string(text))
}

// descriptors returns how many files are open, or -1 where that is not told.
func descriptors() int {
	for _, dir := range []string{"/proc/self/fd", "/dev/fd"} {
		if entries, err := os.ReadDir(dir); err == nil {
			return len(entries)
		}
	}
	return -1
}
