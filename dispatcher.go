package webhook

import (
	"context"
	"net/http"
	"sync"

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
	store Store // encrypts webhooks, if there are keys
	plain Store // as New got it
	opts  *Options

	notify    *notifier
	heartbeat *heartbeat
	cache     *webhookCache
	editor    *editor
	recorder  *healthRecorder
	lines     *lines
	unblocker *unblocker
	limiter   *limiter.Limiter[*inflight]
	tracker   *tracker
	completer *completer
	sender    *sender
	outages   *outages
	workers   *workers
	retained  *retained
	preparer  *preparer
	enqueuer  *enqueuer
	buffer    *buffer
	claimer   *claimer
	pruner    *pruner
	eraser    *eraser
	backlog   *backlogCounter

	woken chan struct{} // asks for a claim

	abort   context.CancelCauseFunc // ends all requests
	abandon context.CancelFunc      // ends the store's calls that no caller waits for

	mu      sync.Mutex // guards started, and the closing of stop
	started bool
	stop    chan struct{}  // closed by Shutdown
	loops   sync.WaitGroup // the claimer's, the pruner's and the unblocker's, which end after stop is closed
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
	d := &Dispatcher{store: store, plain: store, opts: &o, woken: make(chan struct{}, 1), stop: make(chan struct{})}
	if len(o.EncryptionKeys) > 0 {
		d.store = &encryptedStore{store, o.EncryptionKeys}
	}
	d.wire(transport)
	return d, nil
}

// wire makes the components, and gives each those that it needs.
func (d *Dispatcher) wire(transport http.RoundTripper) {
	store, opts := d.store, d.opts
	requests, abort := context.WithCancelCause(context.Background())
	background, abandon := context.WithCancel(context.Background())
	d.abort, d.abandon = abort, abandon

	d.notify = newNotifier(opts)
	notify := d.notify
	d.heartbeat = &heartbeat{Store: store}
	d.backlog = &backlogCounter{store: store, plain: d.plain}
	d.cache = newWebhookCache(store, opts.PollInterval, opts.StoreTimeout, d.onUpdate)
	d.editor = &editor{
		store: store, opts: opts, notify: notify, cache: d.cache, background: background, expectBacklog: d.expectBacklog,
	}
	d.recorder = &healthRecorder{
		opts: opts, notify: notify, editor: d.editor, cache: d.cache, background: background, stopped: d.stopped,
		byID: map[string]*pending{},
	}
	d.retained = newRetained(&retained{
		store: store, opts: opts, notify: notify, cache: d.cache, editor: d.editor, recorder: d.recorder,
		background: background, stopped: d.stopped,
	})

	d.tracker = &tracker{byID: map[string]*inflight{}}
	d.completer = newCompleter(d.heartbeat, opts, notify, d.tracker, background, d.Wake)
	d.sender = &sender{opts: opts, notify: notify, transport: transport, plainHTTP1: speaksPlainHTTP1(transport)}
	d.outages = &outages{}
	d.lines = &lines{store: store}
	d.unblocker = &unblocker{
		store: store, lines: d.lines, opts: opts, notify: notify, cache: d.cache, outages: d.outages,
		background: background, stop: d.stop, wake: d.Wake,
	}
	d.workers = &workers{
		attempter: &attempter{
			opts: opts, store: store, notify: notify, cache: d.cache, editor: d.editor, sender: d.sender,
			recorder: d.recorder, unblocker: d.unblocker, outages: d.outages, requests: requests, background: background,
			stopped: d.stopped, wake: d.Wake,
		},
		completer: d.completer, tracker: d.tracker, concurrency: opts.Concurrency, idle: make(chan *inflight),
	}
	d.limiter = limiter.New(limiter.Config{
		Concurrency: opts.Concurrency, PerWebhook: opts.PerWebhook, PerHost: opts.PerHost,
	}, d.workers.start, d.workers.giveBack, d.Wake)

	d.preparer = &preparer{opts: opts, notify: notify, cache: d.cache, retained: d.retained}
	d.enqueuer = newEnqueuer(&enqueuer{
		store: store, opts: opts, notify: notify, limiter: d.limiter, tracker: d.tracker, retained: d.retained,
		running: d.running, wake: d.Wake,
	})
	d.buffer = newBuffer(&buffer{opts: opts, notify: notify, preparer: d.preparer, enqueuer: d.enqueuer})
	d.claimer = &claimer{
		store: d.heartbeat, opts: opts, notify: notify, cache: d.cache, limiter: d.limiter, outages: d.outages,
		tracker: d.tracker, background: background, stop: d.stop, woken: d.woken,
	}
	d.eraser = &eraser{store: store, notify: notify, editor: d.editor}
	d.pruner = &pruner{
		store: store, opts: opts, notify: notify, retained: d.retained, background: background,
		stop: d.stop, stopped: d.stopped,
	}
}

// onUpdate is called with each new version of a webhook that the cache learns of. The
// cache holds its mutex then.
func (d *Dispatcher) onUpdate(w *Webhook) {
	if w.Health.failing() && w.Disabled == "" {
		d.limiter.Narrow(w.ID)
	}
	if w.Health.notifyPending() && !w.Deleted && d.opts.Hooks.Disabled != nil {
		d.recorder.notifyLater(*w)
	}
}

// stopped reports whether Shutdown was called.
func (d *Dispatcher) stopped() bool {
	select {
	case <-d.stop:
		return true
	default:
		return false
	}
}

// running reports whether Start was called, and not Shutdown.
func (d *Dispatcher) running() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.started && !d.stopped()
}

// expectBacklog has deliveries of a webhook that became due claimed before newer ones
// are pre-leased.
func (d *Dispatcher) expectBacklog(webhook string) {
	if d.running() {
		d.limiter.ExpectBacklog(webhook)
	}
	d.Wake()
}

// Wake asks for what is due now rather than at the next poll. It is cheap,
// never blocks, and does nothing where the Dispatcher was not started.
func (d *Dispatcher) Wake() {
	select {
	case d.woken <- struct{}{}:
	default:
	}
}
