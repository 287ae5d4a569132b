package webhook

import (
	"context"
	"iter"
	"strconv"
	"time"

	"github.com/listhook/webhook/internal/diagnose"
)

// An Outbox is where emitting reads and writes: a Store, or a transaction of
// the caller's on one.
type Outbox interface {
	// Webhooks returns the webhooks that q selects, in order of ID unless q
	// says otherwise.
	Webhooks(ctx context.Context, q WebhookQuery) ([]Webhook, error)

	// Enqueue adds the deliveries of events, in the order of the slices. It adds
	// all new deliveries of an event or none, and nobody sees a part of them. If the
	// store has a delivery with an ID already, in any state, in another account or
	// erased, it leaves that one as it is and returns the ID. An ID that was pruned
	// is new again. Of two new deliveries with one ID in a call it adds the first and
	// ignores the second: the ID is not returned. Of two calls at once with one new
	// ID, one adds it and the other returns it.
	Enqueue(ctx context.Context, events []OutboxEvent) (had []string, err error)
}

// A Store keeps webhooks, the queue of deliveries, and their log. It is safe
// for concurrent use, by several processes too where the storage is shared. It
// has no clock, decides nothing, and shares no memory with its callers: it
// neither keeps nor changes what it is given, nor gives out what it keeps.
//
// # Values
//
// Times reach a Store in UTC, cut to milliseconds, and leave it so; the zero
// time stays zero. IDs, accounts, lists, types, keys and subjects are opaque
// text of at most 255 bytes, compared byte for byte; order of ID is the order of
// their bytes. IDs are not empty. A webhook's or a delivery's ID is unique in the
// store, whatever the account. Texts are valid UTF-8 without NUL; bodies and
// Response are any bytes. A slice or map that is empty may come back nil, and the
// other way round. Limits are never negative: that of a query or a Prune is any int, and
// those of a Claim fit in 32 bits.
//
// # Sizes
//
// The Dispatcher keeps these bounds. A call of Enqueue has at most 500
// deliveries and 1 MiB of bodies, unless it has a single event; an event has at
// most 50,000 deliveries. A body is at most as long as Options.BodyLimit. A call of
// Apply has at most 500 changes, and 1 MiB of logs unless it has a single change. A query
// names at most 1,000 IDs and 1,000 lists.
//
// # Calls
//
// What a call that has returned did, every later call of any process sees. What
// it reports is durable, whoever stored it: a delivery that Enqueue found stored
// before, a change that Apply did not make, a version that PutWebhook conflicts
// with. Where commits wait for replicas, and may be seen before these have them,
// such a call waits too.
//
// A call whose context had ended before it began changes nothing and returns an
// error. After any other error the call may have been carried out wholly, not at
// all, or in whole parts: an event, a change, a claimed delivery. A query that
// selects nothing returns an empty result and no error.
//
// # Order
//
// Pending deliveries of one webhook that have the same Key stand in a line, and
// Claim takes only the first of a line. A delivery joins the end of its line when
// Enqueue adds it as pending and when Apply makes it pending after it ended. It stays
// in its place, due or not, leased or not, until it ends, or until a Change
// with LeaveLine or Erase takes it out. So a delivery of a call that returned
// stands before those of calls that began later; those of one call stand in the
// order of the call; those of a transaction join when it commits. How Claim's
// cost grows must not depend on how many deliveries stand behind the first ones.
//
// Erase empties the Key. LeaveLine sets PassedOver: the delivery keeps its Key, and is out
// of the line, also after it ended, until Apply makes it pending again without LeaveLine.
//
// The store gives a delivery its Sequence when it first joins a line: a positive
// number, greater than any that it has given before to deliveries of that webhook
// with that Key, whether or not these still stand in line. The delivery keeps the
// number for good, also when it joins the line again or leaves it. Receivers remember
// these numbers, so they have to go on growing when a store is emptied, replaced or
// restored from a backup: a number is at least 1,024 times Joined in milliseconds since
// 1970, give or take what clocks differ.
//
// The package storetest checks a Store against every rule said here.
type Store interface {
	Outbox

	// PutWebhook stores w with Version raised by one if the stored version is
	// w.Version (0: none is stored), and returns the new one. Otherwise it
	// changes nothing and returns ErrConflict. It replaces all fields but Tallies,
	// which it keeps if those of w are nil. So a put may move a webhook to another
	// account, and may store one that was deleted as not deleted. It changes no
	// delivery: those of a webhook keep their Account.
	//
	// It gives the stored webhook a Put, a number greater than that of every
	// earlier put in the store. Once a caller can read a webhook with some Put, no
	// webhook with a smaller one appears any more: whoever asks for those with a
	// greater Put than the greatest one seen misses none.
	PutWebhook(ctx context.Context, w Webhook) (version int64, err error)

	// Claim leases pending deliveries: it raises Lease by one, moves Due to
	// c.Until, and returns them so, in any order and without Log. It may leave out
	// a delivery that another call is changing or claiming at the same time. See Claim.
	Claim(ctx context.Context, c Claim) ([]Delivery, error)

	// Apply goes through the changes in the order of the slice. It makes each one
	// whose delivery then has the Lease that the change names, whatever its state,
	// and returns the IDs of the others, of unknown deliveries too. A change that is
	// made raises the Lease. So of two changes with one ID and Lease the first is
	// made, and of two with Lease n and then n+1 both are. Each change is made whole
	// or not at all. Asking again after an error is harmless. Changes may share one
	// Log.
	Apply(ctx context.Context, cs []Change) (lost []string, err error)

	// Deliveries returns the deliveries that q selects, newest first unless q
	// says otherwise: in descending order of (Created, ID).
	Deliveries(ctx context.Context, q DeliveryQuery) ([]Delivery, error)

	// Count returns how many q selects; with q.Limit it stops counting there.
	Count(ctx context.Context, q DeliveryQuery) (int, error)

	// Prune removes deliveries that finished long ago, with their logs, and
	// webhooks that were deleted long ago, whether or not they have deliveries
	// left. It returns how many deliveries it removed. Fewer than p.Limit means that
	// no delivery is left that p selects; webhooks do not count. Its cost does not grow
	// with what p does not select, such as failures that are kept longer: a store may
	// look again at what it has passed over, but not in every call.
	Prune(ctx context.Context, p Prune) (n int, err error)
}

// A LineLeaser is a Store that can lease deliveries with a Key as it adds them. The
// Dispatcher then attempts them at once; from any other Store it must claim them first.
// To implement it is optional.
type LineLeaser interface {
	// EnqueueLeasing is Enqueue. Of the new deliveries with a Key and a LeaseUntil it
	// also leases those that are the first of their line when they have joined it: it
	// raises their Lease by one and moves their Due to LeaseUntil. It returns their
	// Sequences by ID. It may leave out any of them, which Claim then takes in their
	// turn. It looks neither at Due nor at a webhook's HeldUntil.
	EnqueueLeasing(ctx context.Context, events []OutboxEvent) (had []string, leased map[string]int64, err error)
}

// A SerialWriter is a Store whose calls that write wait for each other, as in a SQLite
// file, which has one writer at a time. The Dispatcher then stores all events that wait
// in one call. For any other Store it keeps those with a Key apart, whose calls take
// longer. To implement it is optional.
type SerialWriter interface {
	WritesSerially() bool // whether it is one
}

// State is where a delivery is in its life.
type State string

// The states. All but StatePending are final, until somebody asks to deliver
// again.
const (
	StatePending   State = "pending"   // waits for its next attempt, or is under way
	StateDelivered State = "delivered" // the receiver answered 2xx
	StateFailed    State = "failed"    // the last attempt failed
	StateCanceled  State = "canceled"  // its webhook was deleted or disabled, a newer event replaced it, it was kept for too long, or somebody asked
)

// An OutboxEvent is the deliveries of one event. A store adds all of them or
// none.
type OutboxEvent struct {
	// Bodies are the different bodies of the event, by format, list and chosen
	// fields. Whether a store keeps each once is its choice. Events of several calls may
	// have the same EventID and other Bodies.
	Bodies     [][]byte
	Deliveries []OutboxDelivery
}

// An OutboxDelivery is a Delivery to be stored, whose Body is one of its event's
// Bodies.
type OutboxDelivery struct {
	Delivery             // its Body is nil
	BodyIndex  int       // of OutboxEvent.Bodies
	LeaseUntil time.Time // for LineLeaser.EnqueueLeasing; Enqueue does not look at it
}

// All yields the event's deliveries as a Store keeps them: with their bodies, which share
// memory, and their Failure, and without a Sequence or PassedOver.
func (e OutboxEvent) All() iter.Seq[Delivery] {
	return func(yield func(Delivery) bool) {
		for i := range e.Deliveries {
			d := e.Deliveries[i].Delivery
			d.Body = e.Bodies[e.Deliveries[i].BodyIndex]
			d.Failure, d.Sequence, d.PassedOver = "", 0, false
			if n := len(d.Log); n > 0 {
				d.Failure = d.Log[n-1].Failure()
			}
			if !yield(d) {
				return
			}
		}
	}
}

// A Delivery is one event on its way to one webhook.
type Delivery struct {
	ID        string // the webhook-id header; from webhook, type and Meta.ID
	Account   string // its webhook's
	WebhookID string
	EventID   string // Meta.ID
	Type      EventType
	Body      []byte
	Carrier   map[string]string // what Hooks.Carrier gave: a document to a Store
	Created   time.Time
	Time      time.Time // of the event; zero: Created
	Key       string    // of its line: see Store; "": it has none
	Subjects  []string  // whom and what it is about, for DeliveryQuery.Subject: at most 8

	State    State
	Due      time.Time // pending: the next attempt's time, or the lease's end; else when it finished, not before Created
	Lease    int64     // raised by Claim and Apply: the fencing token
	Attempts int       // of the schedule, used up
	Log      []Attempt // documents, oldest first
	Failure  string    // Attempt.Failure of the last entry of Log, "" without one: the Store sets it, whatever Enqueue says

	Joined     time.Time // when it joined its line: the Store keeps what Enqueue and Change say
	PassedOver bool      // it left its line by Change.LeaveLine, and has not joined it again: the Store sets it, whatever Enqueue says
	Sequence   int64     // in its line: the Store sets it, whatever Enqueue says; 0: none yet. Deliveries may show it only once it was claimed or has ended
}

// An Attempt is one try at a delivery, or a note of why none was made: a
// document to a Store, which marshals it to JSON and back without loss.
type Attempt struct {
	Start    time.Time
	Duration time.Duration // from the start to the answer's end
	Status   int           // of HTTP; 0: there was no answer
	Reason   string        // why it failed, in a sentence for the customer; "": it did not
	Code     string        `json:",omitempty"` // the same in a word, if there was no answer: see Failure
	Resends  int           `json:",omitempty"` // how often the request was sent once more, 0 or 1: its connection had been idle and ended without an answer
	Detail   string        // more, for the operator only
	Response []byte        // the answer's body, at most its first 16 KiB

	// Of a request that brought a batch:
	Batch   string   `json:",omitempty"` // its webhook-id; "": the request brought this delivery alone
	First   string   `json:",omitempty"` // the delivery whose entry has Members, the Response, and a Detail that quotes the answer; "": this one
	Members []string `json:",omitempty"` // the IDs of all deliveries that it brought
}

// Failure returns in one word why the attempt failed, for counting: the status
// of an answer that was no success, such as "503", or else one of
//
//	address                                    the URL may not be requested
//	lookup, lookup_timeout                     of the host's name
//	connect, refused, unreachable, connect_timeout
//	certificate_expired, certificate_host, certificate_untrusted, certificate
//	tls, tls_timeout                           of the handshake
//	send_timeout, answer_timeout
//	reset, closed, not_http, head_invalid, head_too_large, broken
//	sender                                     a failure of the sender's own
//	canceled, given_up                         no attempt was made
//	begun                                      a note before an attempt, of a delivery that was leased many times
//
// It is "" when the attempt did not fail, and "other" for one that has no Code:
// an earlier version of the library stored it.
func (a Attempt) Failure() string {
	switch {
	case a.Reason == "":
		return ""
	case a.Status != 0:
		return strconv.Itoa(a.Status)
	case a.Code == "":
		return "other"
	}
	return a.Code
}

// A Claim asks for deliveries that are pending, first in their line if they have
// a Key, and due at Now (Due at or before it), and whose webhook is not held then
// (HeldUntil at or before it). Webhooks take turns in order of ID, from the first
// one after After, then from the start up to After itself; each gets one turn, of
// as many as it has room for, the longest due first. Deliveries whose webhook is
// deleted or not stored are claimed too: a HeldUntil is all that Claim heeds. Its
// cost does not grow with what it leaves, but for a step for each webhook that it
// passes over.
type Claim struct {
	Now, Until time.Time
	After      string         // the webhook that had the last turn; "": from the start
	Limit      int            // in all; 0: none
	Each       int            // of one webhook; 0: none
	Room       map[string]int // of these webhooks instead of Each; 0: none
}

// A Change is one transition of a delivery. It applies only if the delivery has the given
// Lease, and raises it by one: of two changes that were made of the same state, the second
// is lost. EraseSubscriber relies on that when it writes back a log that it has read.
type Change struct {
	ID        string
	Lease     int64 // what it must have; one more afterwards
	State     State
	Due       time.Time
	Attempts  int
	Log       *Attempt  // appended; nil: nothing
	Rewrite   []Attempt // replaces Log, before the change's own is appended; empty: nothing
	Joined    time.Time // replaces Delivery.Joined if the delivery joins its line by this change
	LeaveLine bool      // set PassedOver, unless it has no Key: the delivery goes on without waiting for others, or having others wait
	DropBody  bool      // empty Body: nobody needs it any more
	Erase     bool      // first empty Body, Carrier, Log, and so Failure, Key and Subjects: somebody asked to be forgotten
}

// A Prune says what Store.Prune removes.
type Prune struct {
	Before  time.Time   // deliveries that finished (Due) before this
	States  []State     // in one of these states; empty: in any final one
	Types   []EventType // of one of these types; empty: of any
	Except  []EventType // of none of these types
	Limit   int         // at most so many deliveries; 0: none
	Deleted time.Time   // webhooks that were deleted (Changed) before this; zero: none
}

// A WebhookQuery selects webhooks. Empty fields but Account select all that are
// not deleted.
type WebhookQuery struct {
	Account  string
	All      bool     // of every account; Account is not looked at
	IDs      []string // one of these
	Lists    []string // of one of these lists; "" is the list of webhooks of every list
	Deleted  bool     // the deleted ones too
	PutAfter int64    // with a greater Put
	Newest   bool     // in descending order of Put instead of ascending order of ID
	After    string   // with a greater ID; not used with Newest
	Limit    int      // at most so many; 0: all
	Tallies  bool     // with Tallies
}

// A DeliveryQuery selects deliveries. Empty fields but Account select all.
type DeliveryQuery struct {
	Account      string
	All          bool // of every account; Account is not looked at
	Webhook      string
	IDs          []string
	States       []State
	Types        []EventType
	Failures     []string  // with one of these as Failure
	Subject      string    // with this among their Subjects
	Key          string    // with this Key, also if they were passed over
	Blocking     time.Time // the first of a line, if another one of the line Joined before this
	Since, Until time.Time // created at or after, and before
	DueBy        time.Time // Due at or before
	Oldest       bool      // oldest first
	After        Cursor    // beyond this one, in the order asked for; zero: from the start
	Limit        int       // at most so many; 0: all
	Brief        bool      // without Body, Carrier and Log
}

// A Cursor is a delivery's place in the log.
type Cursor struct {
	Created time.Time
	ID      string
}

// storeTime cuts t to what a Store keeps.
func storeTime(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// now is the wall clock, as a Store keeps it. The monotonic clock is of no use
// for leases: it stands still in a machine that is suspended.
func now() time.Time { return storeTime(time.Now()) }

// latest returns the later of two times.
func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// ceilStoreTime rounds a bound of a query up to what a Store keeps, so that it selects
// what it would select among finer times.
func ceilStoreTime(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return storeTime(t.Add(time.Millisecond - time.Nanosecond))
}

// cancellation ends a delivery that is not to be attempted any more.
func cancellation(d Delivery, reason string) Change {
	at := now()
	return Change{
		ID: d.ID, Lease: d.Lease, State: StateCanceled, Due: at, Attempts: d.Attempts,
		Log: &Attempt{Start: at, Code: string(diagnose.CodeCanceled), Reason: reason},
	}
}

// eventTime is when the delivery's event happened.
func (d *Delivery) eventTime() time.Time {
	if d.Time.IsZero() {
		return d.Created
	}
	return d.Time
}
