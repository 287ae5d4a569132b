package webhook

import (
	"context"
	"net/http"
	"sync"
	"time"

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
	pool  *Pool

	hasher    *hasher
	notify    *notifier
	heartbeat *heartbeat
	cache     *webhookCache
	editor    *editor
	recorder  *healthRecorder
	lines     *lines
	replayer  *replayer
	unblocker *unblocker
	limiter   *limiter.Limiter[*inflight]
	batcher   *batcher
	tracker   *tracker
	tallies   *tallyRecorder
	completer *completer
	sender    *sender
	outages   *outages
	workers   *workers
	retained  *retained
	preparer  *preparer
	enqueuer  *enqueuer
	buffer    *buffer
	announcer *announcer
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
	loops   sync.WaitGroup // of components, which end after stop is closed
}

// New returns a Dispatcher on store. The client sends the requests; nil means
// NewClient(nil), which is safe to point at customers' URLs. If client is not nil, New
// uses its Transport, and its Timeout if that is shorter than opts.Timeout: redirects
// are never followed and cookies never kept. A client without a Transport, such as
// http.DefaultClient, gets that of NewClient(nil); a Transport of your own bypasses the
// address checks. Nil options are the defaults. An option that is out of range, here, in
// client's ClientOptions or as its Timeout, is an *InvalidError.
//
// For several databases in one process see Pool.
func New(store Store, client *http.Client, opts *Options) (*Dispatcher, error) {
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	p, err := newPool(client, PoolOptions{Concurrency: o.Concurrency, PerHost: o.PerHost})
	if err != nil {
		return nil, err
	}
	return p.newDispatcher(store, o)
}

// NewDispatcher returns a Dispatcher on store that shares what the Pool has with its
// other Dispatchers. It otherwise works as New does. Options.Concurrency and
// Options.PerHost must be zero: the Pool's values apply.
//
// Where many Dispatchers have nothing to do, each asks its store less often than
// every PollInterval, so that all of them together ask 20 times a second. One that
// has had no delivery for ten polls counts as idle. What another process emits for
// it may then wait until the next poll, ten seconds at most, unless Wake is called,
// as Listen of postgresstore and pgxstore does.
func (p *Pool) NewDispatcher(store Store, opts *Options) (*Dispatcher, error) {
	o, err := opts.withDefaults()
	switch {
	case p == nil || p.limits == nil:
		return nil, invalid("Pool", "was not made by NewPool")
	case err != nil:
		return nil, err
	case opts != nil && opts.Concurrency != 0:
		return nil, invalid("Options.Concurrency", "is set: a Dispatcher of a Pool uses PoolOptions.Concurrency")
	case opts != nil && opts.PerHost != 0:
		return nil, invalid("Options.PerHost", "is set: a Dispatcher of a Pool uses PoolOptions.PerHost")
	}
	return p.newDispatcher(store, o)
}

func (p *Pool) newDispatcher(store Store, o Options) (*Dispatcher, error) {
	if err := refuseNil("store", store); err != nil {
		return nil, err
	}
	if p.timeout > 0 {
		o.Timeout = min(o.Timeout, p.timeout)
	}
	d := &Dispatcher{
		store: store, plain: store, opts: &o, pool: p, woken: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	if len(o.EncryptionKeys) > 0 {
		d.store = &encryptedStore{store, o.EncryptionKeys}
	}
	d.wire()
	return d, nil
}

// wire makes the components, and gives each those that it needs.
func (d *Dispatcher) wire() {
	store, opts, transport := d.store, d.opts, d.pool.transport
	requests, abort := context.WithCancelCause(context.Background())
	background, abandon := context.WithCancel(context.Background())
	d.abort, d.abandon = abort, abandon

	d.hasher = newHasher(opts.SearchKey)
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
	d.tallies = &tallyRecorder{
		store: store, opts: opts, notify: notify, editor: d.editor, background: background, stop: d.stop,
		counted: make(chan struct{}, 1),
	}
	d.batcher = newBatcher(opts, d.cache)
	d.tracker.join, d.tracker.giveUp = d.batcher.join, d.batcher.giveUp
	d.completer = newCompleter(d.heartbeat, opts, notify, d.tracker, d.tallies, background, d.wake)
	d.completer.lineMoved = d.batcher.lineMoved
	d.sender = &sender{opts: opts, notify: notify, transport: transport, plainHTTP1: speaksPlainHTTP1(transport)}
	d.outages = &outages{}
	d.lines = &lines{store: store}
	d.replayer = &replayer{
		store: store, opts: opts, notify: notify, editor: d.editor, lines: d.lines, background: background, stop: d.stop,
		news: make(chan struct{}, 1), jobs: map[string]*replaying{},
	}
	d.cache.onPut = d.replayer.note
	d.unblocker = &unblocker{
		store: store, lines: d.lines, opts: opts, notify: notify, cache: d.cache, outages: d.outages,
		background: background, stop: d.stop, wake: d.wake,
	}
	d.workers = &workers{
		attempter: &attempter{
			opts: opts, store: store, notify: notify, cache: d.cache, editor: d.editor, sender: d.sender,
			recorder: d.recorder, unblocker: d.unblocker, batcher: d.batcher, tracker: d.tracker, outages: d.outages,
			requests: requests, background: background,
			stopped: d.stopped, wake: d.wake,
		},
		completer: d.completer, tracker: d.tracker, goroutines: d.pool.workers,
	}
	maxWait := opts.Timeout / 2 // a lease of twice the Timeout must have one left then
	d.limiter = limiter.New(d.pool.limits, opts.PerWebhook, maxWait, d.workers.start, d.workers.giveBack, d.wake)
	d.batcher.limiter = d.limiter

	d.preparer = &preparer{opts: opts, notify: notify, cache: d.cache, retained: d.retained, hasher: d.hasher}
	leaser, _ := d.plain.(LineLeaser)
	writer, ok := d.plain.(SerialWriter)
	d.enqueuer = newEnqueuer(&enqueuer{
		store: store, opts: opts, notify: notify, limiter: d.limiter, tracker: d.tracker, batcher: d.batcher, retained: d.retained,
		running: d.running, wake: d.wake, leaser: leaser, serial: ok && writer.WritesSerially(),
	})
	d.buffer = newBuffer(&buffer{opts: opts, notify: notify, preparer: d.preparer, enqueuer: d.enqueuer})
	d.announcer = newAnnouncer(d.plain, opts, notify)
	d.claimer = &claimer{
		store: d.heartbeat, opts: opts, notify: notify, cache: d.cache, limiter: d.limiter, batcher: d.batcher, outages: d.outages,
		tracker: d.tracker, background: background, stop: d.stop, woken: d.woken, idleInterval: d.idleInterval,
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
	d.limiter.SetRate(w.ID, d.opts.rateShare(w.RateLimit))
	if w.Health.failing() && w.Disabled == "" {
		d.limiter.Narrow(w.ID)
	}
	if untold := w.Health.untold(); untold != 0 && !w.Deleted && d.recorder.tells(untold) {
		d.recorder.notifyLater(*w)
	}
}

// idleInterval returns the interval between polls while there is nothing to do.
func (d *Dispatcher) idleInterval() time.Duration { return d.pool.idleInterval(d.opts.PollInterval) }

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
	d.wake()
}

// Wake asks for what is due now rather than at the next poll. It is cheap and never
// blocks. Where the Dispatcher does not run, a call that follows an EmitTx wakes other
// processes instead, if the Store is a Waker and they listen.
func (d *Dispatcher) Wake() {
	d.wake()
	if !d.running() {
		d.announcer.announce()
	}
}

// wake is Wake for this process alone.
func (d *Dispatcher) wake() {
	select {
	case d.woken <- struct{}{}:
	default:
	}
}
