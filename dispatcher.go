package webhook

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/listhook/webhook/internal/groupcommit"
	"github.com/listhook/webhook/internal/ids"
	"github.com/listhook/webhook/internal/limiter"
)

// A Dispatcher takes events, keeps them in a Store, and delivers them to the
// webhooks that want them. It is safe for concurrent use. Several Dispatchers,
// in one process or in many, may share a Store.
//
// Emitting and managing webhooks work on a Dispatcher that was never started
// and on one that was shut down: a process may only emit, and leave the
// delivering to others.
type Dispatcher struct {
	store       Store
	transport   http.RoundTripper
	plainHTTP1  bool // connections without TLS speak HTTP/1
	opts        *Options
	notify      *notifier
	registry    *registry
	limiter     *limiter.Limiter[*flight]
	emits       groupcommit.Group[*emission]
	outcomes    groupcommit.Group[*flight]
	flights     flights
	sightings   sightings
	keeping     keeping
	holds       holds
	ids         ids.Webhooks // of those that are added
	vitals      vitals
	settlePause atomic.Int64 // after the last group of outcomes could not be stored
	timers      sync.Pool    // of *time.Timer, for Emit
	idle        chan *flight // to goroutines that wait for an attempt to make

	outages        outages
	resolved       atomic.Int64  // when a name server last answered, in Unix seconds
	waitingWorkers atomic.Int64  // goroutines that receive from idle
	woken          chan struct{} // asks for a claim

	attempts context.Context // of every request
	cut      context.CancelCauseFunc
	settling context.Context // of storing outcomes
	abandon  context.CancelFunc

	mu      sync.Mutex
	started bool
	stop    chan struct{} // closed by Shutdown
	loops   sync.WaitGroup
}

// New returns a Dispatcher on store. The client sends the requests; nil means
// NewClient(nil), which is safe to point at customers' URLs. If client is not
// nil, New uses its Transport, and its Timeout if that is shorter than
// opts.Timeout: redirects are never followed and cookies never kept. A client
// without a Transport, such as http.DefaultClient, gets that of NewClient(nil):
// to set one is to decide that requests go wherever it dials. Nil options are
// the defaults. An option out of range, of client's ClientOptions too, is an
// *InvalidError.
func New(store Store, client *http.Client, opts *Options) (*Dispatcher, error) {
	if store == nil {
		return nil, invalid("store", "is nil")
	}
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	transport := transportOf(client)
	if broken, ok := transport.(brokenTransport); ok {
		return nil, broken.err
	}
	if client != nil && client.Timeout > 0 {
		o.Timeout = min(o.Timeout, client.Timeout)
	}
	if len(o.EncryptionKeys) > 0 {
		store = &vault{store, o.EncryptionKeys}
	}
	d := &Dispatcher{
		store:     store,
		transport: transport,
		opts:      &o,
		notify:    newNotifier(&o),
		idle:      make(chan *flight),
		woken:     make(chan struct{}, 1),
		stop:      make(chan struct{}),
	}
	d.plainHTTP1 = speaksPlainHTTP1(d.transport)
	d.registry = newRegistry(store, o.PollInterval, o.StoreTimeout, d.learned)
	d.sightings.byID = map[string]*watch{}
	d.keeping.byID = map[string]*kept{}
	d.keeping.counts.timeout = o.StoreTimeout
	d.limiter = limiter.New(limiter.Config{Concurrency: o.Concurrency, PerWebhook: o.PerWebhook, PerHost: o.PerHost},
		d.begin, d.giveBack, d.Wake)
	d.flights.byID = map[string]*flight{}
	d.emits.Run, d.emits.Size = d.enqueue, (*emission).size
	d.emits.MaxRows, d.emits.MaxBytes = groupRows, groupBytes
	d.emits.StallAfter, d.emits.Abandoned = stallAfter, (*emission).abandoned
	d.outcomes.Run, d.outcomes.Size = d.settle, (*flight).size
	d.outcomes.MaxRows, d.outcomes.MaxBytes, d.outcomes.MaxLinger = groupRows, groupBytes, maxLinger
	d.outcomes.StallAfter = stallAfter
	d.attempts, d.cut = context.WithCancelCause(context.Background())
	d.settling, d.abandon = context.WithCancel(context.Background())
	return d, nil
}

// Limits of what is written to the store in one call.
const (
	groupRows  = 500
	groupBytes = 1 << 20

	// stallAfter is how long a group may take before one more may be stored
	// beside it. Far fewer healthy calls than one in a thousand take so long,
	// and callers notice a second.
	stallAfter = time.Second
)
