package webhook

import (
	"context"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Options configure a Dispatcher. The zero value of every field is its
// default.
type Options struct {
	// Concurrency is how many attempts may be under way at once in this process: 256 by
	// default. An attempt older than a tenth of a second counts against a second limit
	// of eight times as many instead, so that receivers that hang do not take the places
	// of those that answer. As many again may wait, delivered, until their outcomes are
	// stored. At most 1,000,000.
	Concurrency int

	// PerWebhook is the most attempts under way at once for one webhook: 32 by
	// default. The limit in force begins at 4 and adapts between 1 and this:
	// more while answers come fast and well, fewer when they slow or fail.
	PerWebhook int

	// PerHost is the most attempts under way at once for all webhooks behind
	// one host together, such as a no-code tool's: half of Concurrency by
	// default. Attempts older than a second do not count.
	PerHost int

	// Processes is how many processes deliver from the Store at once: 1 by default, at
	// most 1,000. Each keeps to this part of a webhook's RateLimit, so that all of them
	// together keep to it. If fewer run, less than the limit is sent, and if more run, as
	// during a deployment, more. Nothing else depends on it.
	Processes int

	// Timeout is how long one attempt may take, from looking up the name to
	// the end of the answer's body: 15 s by default, from 1 ms to a day. After twice the
	// Timeout another process takes over a delivery whose process died. For a webhook that
	// gets batches it may take as long as the longest BatchWait of all webhooks besides,
	// which is 50 s at most.
	Timeout time.Duration

	// Backoff makes the policy for the waits between attempts. It is made anew
	// for each use. By default it is Schedule(5s, 5m, 30m, 2h, 5h, 10h, 14h,
	// 20h, 24h): ten attempts in some three days.
	//
	// The MaxElapsedTime of a *backoff.ExponentialBackOff counts from the first
	// attempt of the delivery, or since it was begun again; finding that out
	// reads the delivery after each failure. Inside another policy, such as
	// backoff.WithMaxRetries, it has no effect. A wait is at least 0, with which
	// an attempt follows at once, and at most a year. A policy that panics, or
	// is nil, is logged and replaced by the default one.
	Backoff func() backoff.BackOff

	// StoreTimeout is how long one call of the Store may take that the
	// Dispatcher makes on its own: 15 s by default, from 100 ms to a day. Emit waits
	// for three times as long at most: a call takes what came while the one
	// before it hung. Methods that only pass on a call, such as Webhooks and
	// Deliveries, have their context's time.
	//
	// The default is half of a lease, so that an outcome whose call hangs can be
	// stored by another one before somebody takes the delivery over, and more
	// than the ten seconds for which SQLite waits for another process's lock.
	// On a server with a standby near by, 5 s lets callers know sooner.
	StoreTimeout time.Duration

	// PollInterval is how often the store is asked for deliveries that are due
	// and for webhooks that changed, or up to a tenth sooner: 1 s by default.
	// Events of this process are attempted at once, without a poll. From 1 ms to a day.
	// Idle Dispatchers of a Pool ask less often: see Pool.NewDispatcher.
	PollInterval time.Duration

	// OrderWait is how long a delivery waits at most for an earlier one of its key (see
	// Order) whose attempts fail: an hour by default. Then the earlier one is canceled
	// if a later one replaces it: a subscribe and an unsubscribe for the same list
	// replace each other, and an update replaces an update. Any other one is passed
	// over, and keeps its schedule. Time in which the webhook is disabled, held or
	// failing does not count, nor does an outage of the sender's own: the hour begins
	// anew after it.
	OrderWait time.Duration

	// Retention is how long finished deliveries are kept, with their bodies,
	// which are personal data, and how long a webhook that is disabled keeps
	// events: 30 days by default. Negative: for ever.
	Retention time.Duration

	// RetentionRules keep some deliveries for another time than Retention, such as
	// failures for longer and opens for less. The first rule that holds for a delivery
	// counts. An event that is emitted again after its delivery was removed is delivered
	// again.
	RetentionRules []RetentionRule

	// DropBodies removes a body from the log once it is delivered. The log keeps
	// the rest, and the delivery cannot be sent again: Redeliver refuses it, and Replay
	// leaves it out. Bodies of subscribe, unsubscribe and update stay where a webhook
	// gets them in order, since Replay compares them with older ones. EraseSubscriber
	// finds a delivery without a body only by SearchKey: set that too.
	DropBodies bool

	// KeepLimit is how many deliveries wait at most for a webhook that is disabled
	// and keeps its events: 100,000 by default. Deliveries beyond it,
	// and those older than Retention, are discarded and counted in
	// Webhook.Discarded. What EmitTx adds beyond it is erased once it is committed and counted, within
	// a minute or when the same process next emits for the webhook.
	KeepLimit int

	// DisableAfter is for how long all attempts of a webhook must fail before
	// it is disabled: five days by default. There must also have been
	// twenty of them, in twelve different hours. Negative: it never is, unless
	// its receiver answers 410 Gone.
	DisableAfter time.Duration

	// BodyLimit is the most bytes that a body may have: 256 KiB by default.
	BodyLimit int

	// SkipInvalid makes Emit, EmitTx and EmitBuffered store the valid events of a call
	// although others are invalid. The invalid ones are returned as an
	// *InvalidEventsError all the same.
	SkipInvalid bool

	// OmitFields leaves custom fields out of an event that could not be delivered with
	// them, such as those with a key that PHP would misread, instead of refusing
	// the event. Hooks.Omitted is called with what was left out. See also FieldsOf.
	OmitFields bool

	// CustomerAccount returns what bodies of the current format and in JSON say of an
	// account, by Meta.Account. It is asked for each event that a webhook of such a
	// format gets, while Emit or EmitTx waits, and from several goroutines at once, so it
	// should answer from memory. For an event of EmitBuffered it is asked when the event
	// is stored, with a context that has no values of the caller's. If it fails, panics or returns
	// a text of more than 255 bytes, that is logged and the keys are sent
	// empty. With it BodyLimit is at least 8 KiB, of which 6,120 bytes are kept
	// for these keys. Nil: the keys are sent empty.
	CustomerAccount func(ctx context.Context, account string) (CustomerAccount, error)

	// Catalogue lists the types of events that the app emits, at most 100, in the order in
	// which to show them. Emit refuses other types, webhooks cannot ask for them, and package
	// manage does not offer them. A webhook keeps a type that was removed from the
	// catalogue. All processes should have the same. None: the nine, from every source.
	Catalogue []EventInfo

	// Buffer limits what EmitBuffered holds.
	Buffer BufferOptions

	// EncryptionKeys encrypt the URL, the secrets and the headers of webhooks, so that
	// the Store never has them in plain text. Each has 32 bytes. The first one encrypts,
	// all decrypt: to change keys, add the new one at the end in every process, then
	// move it to the front, call ReencryptWebhooks, and remove the old one. None: they
	// are stored as they are. Values that were stored in plain text stay so until they
	// are written again, by ReencryptWebhooks at the latest.
	EncryptionKeys []EncryptionKey

	// SearchKey makes deliveries findable by whom and what they are about: see
	// Dispatcher.Subject. It is a secret of at least 32 bytes, the same in all
	// processes, that is kept for good. With it each delivery has up to four hashes
	// (HMAC-SHA256): of the event's ID, the subscriber's ID and email address, and the
	// campaign's ID. docs/performance.md says what they cost.
	//
	// Delivery.Key, where it is made from the subscriber, is the same hash. So while
	// processes with different keys run, or deliveries from before are pending, two
	// events about one subscriber may not wait for each other. A delivery that was
	// emitted with another key, or with none, is not found. None: deliveries have no
	// Subjects, their Key is a hash without a secret, and EraseSubscriber reads every body.
	SearchKey []byte

	// UserAgent is sent with every request: "listhook/1 (webhooks)" by default. At most 4 KiB.
	UserAgent string

	// Logger gets what an operator should know: a store that fails, a lease
	// that was lost, a panic. By default it is slog.Default(). No secret, URL
	// or body is logged.
	Logger *slog.Logger

	// Hooks are called as things happen.
	Hooks Hooks
}

// Hooks are functions that a Dispatcher calls as things happen, for telemetry
// and for telling owners. Each may be nil. They are called from several
// goroutines at once and hold up what they observe, so they should return
// fast; a panic in one is logged and has no other effect.
type Hooks struct {
	// Carrier returns what to keep with the deliveries of an Emit, such as the
	// caller's trace context. It is found again in Delivery.Carrier.
	Carrier func(ctx context.Context) map[string]string

	// Enqueued is called when deliveries of an Emit have become durable, except those
	// that were stored before. What EmitTx adds becomes durable with the caller's
	// transaction, so it is not called then. Other events are not stored until it has
	// returned, so it must not wait for Emit: emit in a goroutine.
	Enqueued func(ds []Delivery)

	// Buffered is called when EmitBuffered has taken an event into its buffer. Enqueued
	// is called once the event's deliveries are durable, perhaps at the same time.
	Buffered func(e Event)

	// Dropped is called for events of EmitBuffered that are lost. err wraps ErrBufferFull
	// or is the error of Shutdown's context if it ended before they were stored, the
	// store's error if it refused an event while it took others, or an *InvalidError if
	// an event would have too many deliveries. Events that were being stored when
	// Shutdown's context ended may be delivered all the same.
	Dropped func(es []Event, err error)

	// Omitted is called when fields were left out of an event because of
	// Options.OmitFields, before it is known whether a webhook wants it. It is not called
	// when the call is refused because of other events.
	Omitted func(e Event, omitted []Omission)

	// Attempt is called before an attempt is made. The context that it returns
	// is that of the request, and the function, unless nil, is called with the
	// result.
	Attempt func(ctx context.Context, d Delivery) (context.Context, func(Attempt))

	// Changed is called when the outcome of an attempt, or a cancellation, is
	// stored: d has its new State, Due and Attempts, and no Log.
	Changed func(d Delivery)

	// Lost is called when an outcome could not be stored because the delivery
	// had meanwhile been claimed, canceled or begun again by somebody else.
	// More than a few mean that clocks differ or that the store is slow.
	Lost func(d Delivery)

	// Failing is called when all attempts of a webhook have failed for an hour, at least
	// three of them; w.Health says since when and why. Deliveries wait meanwhile.
	//
	// Failing, Warned, Disabled and Recovered are for telling owners: see
	// manage.NotifyOwners. Each is called by one of the processes that share the Store,
	// which notes it in the webhook first. It is called again, perhaps by another process,
	// if this one dies before the hook has returned, or the hook takes a minute.
	Failing func(w Webhook)

	// Warned is called when all attempts of a webhook fail and it has gone 50, and then
	// 90, percent of the way to being disabled; w.Health says since when and why. A
	// process that has this hook does not disable a webhook until at least a twentieth
	// of DisableAfter after its owner was told.
	Warned func(w Webhook, percent int)

	// Disabled is called when the Dispatcher has disabled a webhook because of what its
	// receiver answered. w.Disabled says why.
	Disabled func(w Webhook)

	// Recovered is called when an attempt has succeeded after Failing or Warned was
	// called. It is not called for a webhook whose owner changed where or how requests
	// are sent meanwhile, or enabled it: its health begins anew.
	Recovered func(w Webhook)
}

// withStoreTimeout returns a context for one call of the store.
func (o *Options) withStoreTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, o.StoreTimeout)
}

// leaseEnd is when a lease taken now ends: twice the timeout, never renewed.
func (o *Options) leaseEnd() time.Time { return now().Add(2 * o.Timeout) }

// longestLease returns how long a lease of w's deliveries is at most. A claim for batches
// is of several webhooks, and its leases cover the longest of their windows.
func (o *Options) longestLease(w *Webhook) time.Duration {
	if w.batches() {
		return 2*o.Timeout + maxBatchWait
	}
	return 2 * o.Timeout
}

// rateShare is the part of a webhook's RateLimit that this process keeps to.
func (o *Options) rateShare(limit float64) float64 { return limit / float64(o.Processes) }

// Limits of one call that writes to the store.
const (
	groupRows  = 500
	groupBytes = 1 << 20

	// stallAfter is how long a group may take before one more may be stored
	// beside it. Far fewer healthy calls than one in a thousand take so long,
	// and callers notice a second.
	stallAfter = time.Second
)
