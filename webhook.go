package webhook

import (
	"fmt"
	"log/slog"
	"maps"
	"net/textproto"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
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
// It is a document to a Store: it marshals to JSON and back without loss. The
// tags are names under which stores hold documents already. A Store reads only
// the fields of the first group. Printing it shows no secret, header or URL.
type Webhook struct {
	ID        string
	Account   string
	List      string    // "": every list; neither "0" nor with white space around it
	HeldUntil time.Time `json:"Hold"` // none of its deliveries is claimed before this
	Changed   time.Time // when it was last put
	Deleted   bool      // a tombstone
	Version   int64     // of the stored document, raised by Store.PutWebhook

	// What its owner edits.
	Name       string            // for people
	URL        string            // absolute, http or https, as its owner writes it; its normal form is sent
	Events     []EventType       // at least one
	Sources    []Source          // at least one
	Format     Format            // "": Format2013
	Secrets    []Secret          // bodies are signed with each, of which one has no Until; none: not signed
	Headers    map[string]string // sent with each request; an Accept replaces "*/*"
	NoRetry    bool              // a delivery that fails once has failed; its attempt sends one request at most
	Disabled   string            `json:"Off"`  // why it is off; "": on
	KeepEvents bool              `json:"Keep"` // while off, keep its events: see Options.KeepLimit and Retention

	// IgnoredEvents are names of event types that its owner asked for and that
	// do not exist here, such as "deal_add": a note for people. At most 100,
	// none of them empty.
	IgnoredEvents []string

	// What the Dispatcher notes.
	DisabledAt time.Time `json:"OffSince"` // when it went off; zero: it is on
	Created    time.Time
	Revision   int64 // of what its owner edits, raised by AddWebhook and UpdateWebhook
	Discarded  int   `json:"NotKept"` // deliveries that it did not keep, though KeepEvents is set, since it last went off
	Health     Health
	Sealed     []byte // URL, Secrets and Headers, encrypted: see Options.EncryptionKeys; else nil
}

// A Secret signs a webhook's bodies: "whsec_" and the base64 of 24 to 64
// bytes, as Standard Webhooks has it. NewSecret makes one. A Key of another
// origin may lack the prefix and the padding, and use the base64 for URLs.
// Printing it shows nothing of the key.
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

// Health is what the Dispatcher notes of how a webhook's receiver answers. It
// begins anew when the owner edits where or how requests are sent, or switches
// the webhook on.
type Health struct {
	Failures int       // in a row
	Since    time.Time // the first of them
	Last     time.Time // the last of them
	Hours    int       // in how many different hours they came
	Success  time.Time // the last one, to the hour unless failures came between
	Reason   string    // of the last failure
	Probes   int       // of the failures, those of probes

	Warned      int       // percent of the way to being switched off, told to its owner
	WarnedAt    time.Time // when
	SwitchedOff bool      // by the Dispatcher, for what the receiver answered
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

// Limits of a webhook.
const (
	maxURL     = 2048 // bytes
	maxName    = 255  // bytes
	maxHeaders = 32
	maxHeader  = 4096 // bytes of a value
	maxSecrets = 8
	maxIgnored = 100
)

// Validate returns an *InvalidError that names the first field that cannot be
// taken, or nil. It does not look at where the URL leads: the client does.
func (w Webhook) Validate() error {
	for _, check := range []func() error{
		w.validateNames, w.validateURL, w.validateSelection, w.validateHeaders, w.validateSecrets,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (w Webhook) validateNames() error {
	for _, f := range []struct{ name, value string }{
		{"ID", w.ID}, {"Account", w.Account}, {"List", w.List}, {"Name", w.Name},
	} {
		if err := validateText(f.name, f.value); err != nil {
			return err
		}
	}
	switch {
	case w.List == "0":
		return invalid("List", `is "0", which events have for no list: every list is ""`)
	case strings.TrimSpace(w.List) != w.List:
		return invalid("List", "has white space around it: no event would match")
	}
	return nil
}

// validateText refuses what some store could not keep.
func validateText(field, value string) error {
	switch {
	case len(value) > maxName:
		return invalid(field, fmt.Sprintf("is longer than %d bytes", maxName))
	case !utf8.ValidString(value) || strings.ContainsRune(value, 0):
		return invalid(field, "is not valid UTF-8 text")
	}
	return nil
}

func (w Webhook) validateURL() error {
	switch {
	case w.URL == "":
		return invalid("URL", "is empty")
	case len(w.URL) > maxURL:
		return invalid("URL", fmt.Sprintf("is longer than %d bytes", maxURL))
	}
	_, err := normalURL(w.URL)
	return err
}

func (w Webhook) validateSelection() error {
	if len(w.Events) == 0 {
		return invalid("Events", "is empty: the webhook would never fire")
	}
	for _, t := range w.Events {
		if !t.valid() {
			return invalid("Events", fmt.Sprintf("holds the unknown type %.40q", t))
		}
	}
	if len(w.IgnoredEvents) > maxIgnored {
		return invalid("IgnoredEvents", fmt.Sprintf("holds more than %d names", maxIgnored))
	}
	for _, name := range w.IgnoredEvents {
		if name == "" {
			return invalid("IgnoredEvents", "holds an empty name")
		}
		if err := validateText("IgnoredEvents", name); err != nil {
			return err
		}
	}
	if len(w.Sources) == 0 {
		return invalid("Sources", "is empty: the webhook would never fire")
	}
	for _, s := range w.Sources {
		if !s.valid() {
			return invalid("Sources", fmt.Sprintf("holds the unknown source %.40q", s))
		}
	}
	if w.Format != "" && w.Format != Format2013 && w.Format != FormatCurrent {
		return invalid("Format", fmt.Sprintf("is the unknown %.40q", w.Format))
	}
	if err := validateText("Disabled", w.Disabled); err != nil {
		return err
	}
	return nil
}

// ownHeaders are the header fields that the library or HTTP itself decides.
var ownHeaders = []string{
	"Accept-Encoding", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Expect", "Host",
	"Idempotency-Key", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding",
	"Upgrade", "User-Agent",
}

func (w Webhook) validateHeaders() error {
	if len(w.Headers) > maxHeaders {
		return invalid("Headers", fmt.Sprintf("holds more than %d fields", maxHeaders))
	}
	seen := make(map[string]bool, len(w.Headers))
	for name, value := range w.Headers {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case name == "" || strings.ContainsFunc(name, notToken):
			return invalid("Headers", fmt.Sprintf("holds %.60q, which is no header name", name))
		case slices.Contains(ownHeaders, canonical) || strings.HasPrefix(canonical, "Webhook-"):
			return invalid("Headers", fmt.Sprintf("would override %s", canonical))
		case seen[canonical]:
			return invalid("Headers", fmt.Sprintf("holds %s twice", canonical))
		case len(value) > maxHeader || !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl):
			return invalid("Headers", fmt.Sprintf("holds a value for %s that cannot be sent", canonical))
		}
		seen[canonical] = true
	}
	return nil
}

// notToken reports whether r may not stand in a header name (RFC 9110, 5.6.2).
func notToken(r rune) bool {
	return r > unicode.MaxASCII ||
		!unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

func (w Webhook) validateSecrets() error {
	if len(w.Secrets) > maxSecrets {
		return invalid("Secrets", fmt.Sprintf("holds more than %d: leave out those that need not sign any more", maxSecrets))
	}
	if len(w.Secrets) > 0 && !slices.ContainsFunc(w.Secrets, func(s Secret) bool { return s.Until.IsZero() }) {
		return invalid("Secrets", "has none without an end: one day bodies would no longer be signed")
	}
	_, err := newSigner(w.Secrets)
	return err
}

// Matches reports whether w gets e: whether it is of e's account, of one of
// its lists or of every list, wants its type and its source, and is on or
// keeps events while off.
func (w Webhook) Matches(e Event) bool {
	m := e.meta()
	return w.compare(e.Type(), &m) == matches
}

// A mismatch is the first reason why a webhook does not get an event.
type mismatch int

const (
	matches mismatch = iota
	otherAccount
	isDeleted
	isOff
	otherType
	otherSource
	otherList
)

func (w *Webhook) compare(t EventType, m *Meta) mismatch {
	switch {
	case w.Account != m.Account:
		return otherAccount
	case w.Deleted:
		return isDeleted
	case w.ignoresEvents():
		return isOff
	case !slices.Contains(w.Events, t):
		return otherType
	case !slices.Contains(w.Sources, m.Source):
		return otherSource
	case w.List != "" && !slices.Contains(m.Lists, w.List):
		return otherList
	}
	return matches
}

// ignoresEvents reports whether w is off and keeps no events.
func (w *Webhook) ignoresEvents() bool { return w.Disabled != "" && !w.KeepEvents }

// sentence says a mismatch to w's owner.
func (w *Webhook) sentence(why mismatch, t EventType, m *Meta) string {
	switch why {
	case otherAccount:
		return "The event belongs to another account."
	case isDeleted:
		return "The webhook was deleted."
	case isOff:
		return "The webhook is off: " + w.Disabled
	case otherType:
		return fmt.Sprintf("The webhook does not want %s events.", t)
	case otherSource:
		return fmt.Sprintf("The webhook does not want events initiated from %s.", m.Source)
	case otherList:
		return fmt.Sprintf("The webhook is tied to list %s, which is none of the event's.", w.List)
	}
	if w.Disabled != "" {
		return "The webhook is off and keeps the event until it is switched on." + w.listsSentence(t, m)
	}
	return "The webhook gets the event." + w.listsSentence(t, m)
}

// edit takes over the fields that the owner of a webhook edits.
func (w *Webhook) edit(from Webhook) {
	fresh := w.Disabled != "" && from.Disabled == "" || w.URL != from.URL || w.Format != from.Format ||
		!maps.Equal(w.Headers, from.Headers) ||
		!slices.EqualFunc(w.Secrets, from.Secrets, func(a, b Secret) bool { return a.Key == b.Key })
	w.List, w.Name, w.URL = from.List, from.Name, from.URL
	w.Events, w.Sources = slices.Clone(from.Events), slices.Clone(from.Sources)
	w.IgnoredEvents = slices.Clone(from.IgnoredEvents)
	w.Format, w.Secrets, w.Headers = from.Format, slices.Clone(from.Secrets), maps.Clone(from.Headers)
	w.NoRetry, w.KeepEvents = from.NoRetry, from.KeepEvents
	w.Sealed = nil
	w.Revision++
	if fresh { // the receiver may have changed: forget its health
		w.HeldUntil = time.Time{}
		w.Health = Health{Success: w.Health.Success}
	}
	w.setOff(from.Disabled, now())
}

// setOff switches w off at a time, or on with an empty reason.
func (w *Webhook) setOff(reason string, at time.Time) {
	switch {
	case reason == "":
		w.DisabledAt = time.Time{}
	case w.Disabled == "":
		w.DisabledAt, w.Discarded = at, 0
	}
	w.Disabled = reason
	if reason != "" && w.KeepEvents {
		w.HeldUntil = forever
	} else if w.HeldUntil.Equal(forever) {
		w.HeldUntil = time.Time{}
	}
}

// forever is a HeldUntil without an end: that of a webhook which is off and keeps
// its events.
var forever = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
