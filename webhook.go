package webhook

import (
	"log/slog"
	"time"
)

// Format is the dialect of the bodies that a webhook gets.
type Format string

const (
	// Format2013 is the form of ActiveCampaign's announcement of January 2013:
	// subscriber[email]=…, date_time=2013-01-02 09:28:42. It is the default.
	Format2013 Format = "2013"

	// FormatCurrent is the form seen since: contact[email]=…,
	// date_time=2017-09-21T11:33:13-05:00.
	FormatCurrent Format = "current"
)

// A Webhook says who wants what: the events of some types and sources, of one
// list or of every list, of an account, are POSTed to a URL.
//
// It is a document to a Store: it marshals to JSON and back without loss. A
// Store reads only the fields of the first group. Printing it shows no secret,
// header or URL.
type Webhook struct {
	ID      string
	Account string
	List    string    // "": every list
	Hold    time.Time // none of its deliveries is claimed before this
	Changed time.Time // when it was last put
	Deleted bool      // a tombstone
	Version int64     // of the stored document, raised by Store.PutWebhook

	// What its owner edits.
	Name    string            // for people
	URL     string            // absolute, http or https
	Events  []EventType       // at least one
	Sources []Source          // at least one
	Format  Format            // "": Format2013
	Secrets []Secret          // bodies are signed with each; none: not signed
	Headers map[string]string // sent with each request
	NoRetry bool              // a delivery that fails once has failed
	Off     string            // why it is off; "": on
	Keep    bool              // while off, keep its events

	// What the Dispatcher notes.
	OffSince time.Time // when it went off; zero: it is on
	Created  time.Time
	Revision int64 // of what its owner edits, raised by Dispatcher.PutWebhook
	Health   Health
}

// A Secret signs a webhook's bodies: "whsec_" and the base64 of 24 to 64
// bytes, as Standard Webhooks has it. NewSecret makes one. Printing it shows
// nothing of the key.
type Secret struct {
	Key   string
	Until time.Time // signs until then, the overlap of a rotation; zero: for ever
}

// String returns a text without the key.
func (Secret) String() string { return "whsec_[redacted]" }

// GoString returns a text without the key.
func (s Secret) GoString() string { return s.String() }

// LogValue returns a text without the key.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Health is what the Dispatcher notes of a webhook that fails.
type Health struct {
	Failures int       // in a row
	Since    time.Time // the first of them
	Success  time.Time // the last one, to the hour unless failures came between
	Reason   string    // of the last failure
	Warned   int       // percent of the way to being switched off, told to its owner
}

// String returns a text without the URL, the headers and the secrets.
func (w Webhook) String() string {
	return "webhook " + w.ID + " (" + w.Name + ")"
}

// GoString returns a text without the URL, the headers and the secrets.
func (w Webhook) GoString() string { return w.String() }

// LogValue returns what a log may hold of w.
func (w Webhook) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", w.ID), slog.String("account", w.Account), slog.String("name", w.Name))
}
