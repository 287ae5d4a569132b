package webhook

import (
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// A Webhook says who wants what: the events of some types and sources, of one
// list or of every list, of an account, are POSTed to a URL.
//
// It is a document to a Store: it marshals to JSON and back without loss. The
// tags are names under which stores hold documents already. A Store reads only
// the fields of the first group, and List. Printing it shows no secret, header or
// URL.
type Webhook struct {
	ID        string
	Account   string
	HeldUntil time.Time `json:"Hold"` // none of its deliveries is claimed before this
	Changed   time.Time // when it was last put
	Deleted   bool      // a tombstone
	Version   int64     // of the stored document, raised by Store.PutWebhook
	Put       int64     `json:",omitzero"` // of its last put: the Store sets it; 0 in a webhook that was not read from the Store
	Tallies   []byte    `json:"-"`         // for SumTallies: at most 8 KiB, read only if WebhookQuery.Tallies asks for them

	Settings // what its owner edits

	// What the Dispatcher notes.
	DisabledAt time.Time `json:"OffSince"` // when it was disabled; zero: it is enabled
	Created    time.Time
	OpenSince  time.Time `json:",omitzero"` // when its deliveries were last attempted again, after it was disabled, held or failing; zero: ever
	Revision   int64     // of Settings, raised by AddWebhook and UpdateWebhook
	Discarded  int       `json:"NotKept"` // deliveries that it did not keep, though KeepEvents is set, since it was last disabled
	Health     Health
	Replay     ReplayJob `json:",omitzero"` // the last one: see Dispatcher.StartReplay
	Sealed     []byte    // URL, Secrets and Headers, encrypted: see Options.EncryptionKeys. The Dispatcher returns it only if no key decrypts it: see Unreadable
}

// Health records how a webhook's receiver answers. It starts over when the owner edits
// where or how requests are sent, or enables the webhook.
type Health struct {
	Failures int       // in a row
	Since    time.Time // the first of them
	Last     time.Time // the last of them
	Hours    int       // in how many different hours they came
	Success  time.Time // the last one, to the hour unless failures came between
	Reason   string    // of the last failure
	Probes   int       // of the failures, those of probes

	Warned       int       // percent of the way to being disabled, told to its owner; 1: that it fails
	WarnedAt     time.Time // when
	Telling      int       `json:",omitzero"`   // what a process tells its owner now, as Warned counts; -1: that it recovered; 0: nothing
	TellingAt    time.Time `json:",omitzero"`   // since when; zero: no process does yet
	AutoDisabled bool      `json:"SwitchedOff"` // the Dispatcher disabled the webhook because of what its receiver answered
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

// Validate returns an *InvalidError that names the first field that cannot be
// taken, or nil. It does not look at where the URL leads: the client does.
func (w Webhook) Validate() error {
	if err := validateText("ID", w.ID); err != nil {
		return err
	}
	if err := validateText("Account", w.Account); err != nil {
		return err
	}
	return w.Settings.validate()
}

// Matches reports whether w gets e: whether it is of e's account, of one of
// its lists or of every list, wants its type and its source, and is on or
// keeps events while disabled.
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
	isDisabled
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
		return isDisabled
	case !slices.Contains(w.Events, t):
		return otherType
	case !slices.Contains(w.Sources, m.Source):
		return otherSource
	case w.List != "" && !slices.Contains(m.Lists, w.List):
		return otherList
	}
	return matches
}

// ignoresEvents reports whether w is disabled and keeps no events.
func (w *Webhook) ignoresEvents() bool { return w.Disabled != "" && !w.KeepEvents }

// sentence says a mismatch to w's owner.
func (w *Webhook) sentence(why mismatch, t EventType, m *Meta) string {
	switch why {
	case otherAccount:
		return "The event belongs to another account."
	case isDeleted:
		return "The webhook was deleted."
	case isDisabled:
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
	if w.Unreadable() != "" {
		return "The webhook cannot be read, because its encryption key is missing. The event waits for the key." + w.listsSentence(t, m)
	}
	return "The webhook gets the event." + w.listsSentence(t, m)
}

// edit takes over settings that the owner of a webhook edited.
func (w *Webhook) edit(s Settings) {
	was := w.Settings
	w.Settings, w.Sealed = s.clone(), nil
	w.Revision++
	if was.Disabled != "" && s.Disabled == "" || !s.sendsLike(was) {
		// The receiver may have changed: forget its health.
		w.HeldUntil, w.OpenSince = time.Time{}, now()
		w.Health = Health{Success: w.Health.Success}
	}
	w.Disabled = was.Disabled
	w.setDisabled(s.Disabled, now())
}

// setDisabled disables w at a time, or enables it with an empty reason.
func (w *Webhook) setDisabled(reason string, at time.Time) {
	switch {
	case reason == "":
		if w.Disabled != "" && w.KeepEventsOnce {
			w.KeepEvents = !w.KeepEvents
		}
		w.DisabledAt, w.KeepEventsOnce = time.Time{}, false
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

// openSince is since when the deliveries of a webhook that is open have been
// attempted.
func (w *Webhook) openSince() time.Time { return latest(w.OpenSince, w.HeldUntil) }

// forever is a HeldUntil without an end: that of a webhook which is disabled and keeps
// its events.
var forever = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
