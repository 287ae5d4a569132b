package webhook

import (
	"context"
	"strconv"
	"time"

	"github.com/listhook/webhook/internal/diagnose"
)

// An Outbox is where emitting reads and writes: a Store, or a transaction of
// the caller's on one.
type Outbox interface {
	// Webhooks returns the webhooks that q selects, in order of ID.
	Webhooks(ctx context.Context, q WebhookQuery) ([]Webhook, error)

	// Enqueue adds ds as they are; those of one event (EventID) all or none,
	// and nobody sees a part of them. One whose ID was stored before is left
	// alone, and its ID is returned. Of two with one ID the first is added.
	Enqueue(ctx context.Context, ds []Delivery) (had []string, err error)
}

// A Store keeps webhooks, the queue of deliveries, and their log. It is safe
// for concurrent use, by several processes too where the storage is shared. It
// has no clock, decides nothing, and shares no memory with its callers: it
// neither keeps nor changes what it is given, nor gives out what it keeps.
//
// Times reach a Store in UTC, cut to milliseconds, and leave it so; the zero
// time stays zero. IDs, accounts and lists are opaque text of at most 255
// bytes, compared byte for byte; order of ID is the order of their bytes. IDs
// are not empty, and of one webhook or delivery whatever the account. Texts
// are valid UTF-8 without NUL; Body and Response are any bytes. A slice or map
// that is empty may come back nil, and the other way round.
//
// A query that selects nothing returns an empty result and no error. Calls may
// name thousands of deliveries, or none. A call whose context has ended
// changes nothing and returns an error; one that returns an error for another
// reason may have been carried out, but never by halves.
//
// What a call reports is durable, whoever stored it: a delivery that Enqueue
// found stored before, a change that Apply did not make, a version that
// PutWebhook conflicts with. Where commits wait for replicas, and may be seen
// before these have them, such a call waits too.
//
// The package storetest checks a Store against every rule said here.
type Store interface {
	Outbox

	// PutWebhook stores w with Version raised by one if the stored version is
	// w.Version (0: none is stored), and returns the new one. Otherwise it
	// changes nothing and returns ErrConflict.
	PutWebhook(ctx context.Context, w Webhook) (version int64, err error)

	// Claim leases pending deliveries: it raises Lease by one, moves Due to
	// c.Until, and returns them so, in any order and without Log. See Claim.
	Claim(ctx context.Context, c Claim) ([]Delivery, error)

	// Apply makes each change whose delivery still has its Lease, whatever the
	// state, and returns the IDs of the others; of two with one ID and Lease,
	// one is made. Each is made whole or not at all; after an error some may
	// have been made, and asking again is harmless.
	Apply(ctx context.Context, cs []Change) (lost []string, err error)

	// Deliveries returns the deliveries that q selects, newest first: in
	// descending order of (Created, ID).
	Deliveries(ctx context.Context, q DeliveryQuery) ([]Delivery, error)

	// Count returns how many q selects; with q.Limit it stops counting there.
	Count(ctx context.Context, q DeliveryQuery) (int, error)

	// Prune removes up to limit deliveries that finished before the given time,
	// whatever their webhook, with their logs, and webhooks deleted (by Changed)
	// before it that have no delivery left. It returns how many deliveries.
	Prune(ctx context.Context, before time.Time, limit int) (n int, err error)
}

// State is where a delivery is in its life.
type State string

// The states. All but StatePending are final, until somebody asks to deliver
// again.
const (
	StatePending   State = "pending"   // waits for its next attempt, or is under way
	StateDelivered State = "delivered" // the receiver answered 2xx
	StateFailed    State = "failed"    // the last attempt failed
	StateCanceled  State = "canceled"  // its webhook was deleted or disabled
)

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

	State    State
	Due      time.Time // pending: the next attempt's time, or the lease's end; else when it finished, not before Created
	Lease    int64     // raised by Claim and Apply: the fencing token
	Attempts int       // of the schedule, used up
	Log      []Attempt // documents, oldest first
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

// A Claim asks for deliveries that are pending and due at Now (Due at or
// before it) and whose webhook is not held then (HeldUntil at or before it).
// Webhooks take turns in order of ID, from the first one after After, then
// from the start up to After itself; each gets one turn, of as many as it has
// room for, the longest due first. Deliveries whose webhook is deleted or not
// stored are claimed too: a HeldUntil is all that Claim heeds. Its cost does not
// grow with what it leaves.
type Claim struct {
	Now, Until time.Time
	After      string         // the webhook that had the last turn; "": from the start
	Limit      int            // in all; 0: none
	Each       int            // of one webhook; 0: none
	Room       map[string]int // of these webhooks instead of Each; 0: none
}

// A Change moves a delivery on.
type Change struct {
	ID       string
	Lease    int64 // what it must have; one more afterwards
	State    State
	Due      time.Time
	Attempts int
	Log      *Attempt // appended; nil: nothing
	Erase    bool     // first empty Body, Carrier and Log: somebody asked to be forgotten
}

// A WebhookQuery selects webhooks. Deleted ones are selected by Changed only.
// Empty fields but Account select all.
type WebhookQuery struct {
	Account string
	All     bool      // of every account; Account is not looked at
	IDs     []string  // one of these
	Lists   []string  // of one of these lists; "" is the list of webhooks of every list
	Changed time.Time // put at or after this, the deleted ones too
	After   string    // with a greater ID
	Limit   int       // at most so many; 0: all
}

// A DeliveryQuery selects deliveries. Empty fields but Account select all.
type DeliveryQuery struct {
	Account      string
	All          bool // of every account; Account is not looked at
	Webhook      string
	IDs          []string
	States       []State
	Types        []EventType
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
