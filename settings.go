package webhook

import (
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/textproto"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Settings are the fields of a webhook that its owner edits. List, Name, Disabled and each
// name in IgnoredEvents and FieldIDs are UTF-8 of at most 255 bytes without NUL. Printing
// Settings shows no secret, header or URL.
type Settings struct {
	List    string      // "": every list; neither "0" nor with white space around it
	Name    string      // for people
	URL     string      // absolute, http or https, as its owner writes it, at most 2,048 bytes; its normal form is sent
	Events  []EventType // at least one; one that is named twice counts once, as in Sources and IgnoredEvents
	Sources []Source    // at least one
	Order   Order       `json:",omitempty"` // which deliveries wait for each other; "": OrderState
	Format  Format      // "": Format2013
	Secrets []Secret    // each signs the bodies: at most 8, and one without an Until; none: bodies are not signed

	// Headers are sent with each request: at most 32, with values of at most 4 KiB. An Accept
	// replaces "*/*". What HTTP or the library decides, such as Host, Content-Type,
	// User-Agent and Webhook-Id, cannot be set.
	Headers map[string]string

	// NoRetry makes a delivery that fails once a failed one. Its attempt sends one request
	// at most.
	NoRetry bool

	// RateLimit is how many requests a second are sent at most: from 0.001, which is one
	// in a thousand seconds, to 10,000. 0: no limit. Deliveries beyond it wait in the
	// store, and use up no attempt. With a limit of r, at most 1 + r × (t + 0.1)
	// attempts begin in any t seconds, including retries and probes, but not requests of
	// SendTest. Each process has a share of the limit: see Options.Processes.
	RateLimit float64 `json:",omitzero"`

	// Batch is the most events that one request brings: up to 500 in FormatJSON, as an
	// array, and up to 100 in a form, as PHP's $_POST['events']. A body has at most 1
	// MiB, and a form 1,000 variables; an event that does not fit comes alone. 0 or 1:
	// each comes alone, in a body of its own.
	Batch int `json:",omitzero"`

	// BatchWait is the longest that an event waits for others to go with it: up to 50 s,
	// and only with Batch. 0: it goes with events that are stored at the same time.
	BatchWait time.Duration `json:",omitzero"`

	Disabled   string `json:"Off"`  // why the webhook is disabled; "": it is enabled
	KeepEvents bool   `json:"Keep"` // while disabled, keep its events: see Options.KeepLimit and Retention

	// KeepEventsOnce says that KeepEvents was changed for this time only: enabling the
	// webhook changes it back.
	KeepEventsOnce bool `json:",omitempty"`

	// Disclosure says what bodies hold of a subscriber. "": DiscloseAll.
	Disclosure Disclosure `json:",omitempty"`

	// FieldIDs are the custom fields that bodies hold, with DiscloseFields: at most 1,000.
	// None: no custom field.
	FieldIDs []string `json:",omitempty"`

	// IgnoredEvents are names of event types that its owner asked for and that
	// do not exist here, such as "deal_add": a note for people. At most 100,
	// none of them empty.
	IgnoredEvents []string
}

// String returns a text without the URL, the headers and the secrets.
func (s Settings) String() string { return "settings of a webhook (" + s.Name + ")" }

// GoString returns a text without the URL, the headers and the secrets.
func (s Settings) GoString() string { return s.String() }

// LogValue returns what a log may hold of s.
func (s Settings) LogValue() slog.Value { return slog.StringValue(s.String()) }

// clone returns settings that share no memory with s.
func (s Settings) clone() Settings {
	s.Events, s.Sources = slices.Clone(s.Events), slices.Clone(s.Sources)
	s.Secrets, s.Headers = slices.Clone(s.Secrets), maps.Clone(s.Headers)
	s.IgnoredEvents, s.FieldIDs = slices.Clone(s.IgnoredEvents), slices.Clone(s.FieldIDs)
	return s
}

// sendsLike reports whether requests are sent alike under both settings: to the
// same URL, in the same format, in batches or not, with the same headers, and signed with
// the same keys.
func (s Settings) sendsLike(other Settings) bool {
	return s.URL == other.URL && s.Format == other.Format && s.batches() == other.batches() && maps.Equal(s.Headers, other.Headers) &&
		slices.EqualFunc(s.Secrets, other.Secrets, func(a, b Secret) bool { return a.Key == b.Key })
}

// batches reports whether requests may bring several events.
func (s *Settings) batches() bool { return s.Batch > 1 }

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

// Limits of a webhook.
const (
	maxURL     = 2048 // bytes
	maxHeaders = 32
	maxHeader  = 4096 // bytes of a value
	maxSecrets = 8
	maxIgnored = 100

	minRateLimit = 0.001  // requests a second
	maxRateLimit = 10_000 // requests a second
)

// validate returns an *InvalidError that names the first field that cannot be
// taken, or nil.
func (s Settings) validate() error {
	for _, check := range []func() error{
		s.validateNames, s.validateURL, s.validateSelection, s.validateBatch, s.validateDisclosure, s.validateHeaders, s.validateSecrets,
		s.validateRateLimit,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (s Settings) validateNames() error {
	if err := validateText("List", s.List); err != nil {
		return err
	}
	if err := validateText("Name", s.Name); err != nil {
		return err
	}
	switch {
	case s.List == "0":
		return invalid("List", `is "0", which means no list: use "" for every list`)
	case strings.TrimSpace(s.List) != s.List:
		return invalid("List", "starts or ends with white space: no event would match")
	}
	return nil
}

func (s Settings) validateURL() error {
	switch {
	case s.URL == "":
		return invalid("URL", "is empty")
	case len(s.URL) > maxURL:
		return invalid("URL", fmt.Sprintf("is longer than %d bytes", maxURL))
	}
	_, err := normalURL(s.URL)
	return err
}

func (s Settings) validateSelection() error {
	if len(s.Events) == 0 {
		return invalid("Events", "is empty: the webhook would never fire")
	}
	for _, t := range s.Events {
		if !t.valid() && !t.isCustom() {
			return invalid("Events", "contains the unknown type "+quote(string(t)))
		}
	}
	if len(s.IgnoredEvents) > maxIgnored {
		return invalid("IgnoredEvents", fmt.Sprintf("has more than %d names", maxIgnored))
	}
	for _, name := range s.IgnoredEvents {
		if name == "" {
			return invalid("IgnoredEvents", "contains an empty name")
		}
		if err := validateText("IgnoredEvents", name); err != nil {
			return err
		}
	}
	if len(s.Sources) == 0 {
		return invalid("Sources", "is empty: the webhook would never fire")
	}
	for _, source := range s.Sources {
		if !source.valid() {
			return invalid("Sources", "contains "+notOneOf(source, Sources()))
		}
	}
	if !s.Format.valid() {
		return invalid("Format", "is "+notOneOf(s.Format, Formats()))
	}
	if !s.Order.valid() {
		return invalid("Order", "is "+notOneOf(s.Order, allOrders))
	}
	return validateText("Disabled", s.Disabled)
}

func (s Settings) validateRateLimit() error {
	switch r := s.RateLimit; {
	case r == 0, r >= minRateLimit && r <= maxRateLimit:
		return nil
	case r < 0:
		return invalid("RateLimit", "is negative")
	case r < minRateLimit:
		return invalid("RateLimit", fmt.Sprintf("is below %v requests per second; 0 means no limit", minRateLimit))
	case r > maxRateLimit && !math.IsInf(r, 0):
		return invalid("RateLimit", fmt.Sprintf("is above %d requests per second", maxRateLimit))
	}
	return invalid("RateLimit", "is not a finite number")
}

// maxBatchWait is the longest BatchWait: the protocol promises a minute.
const maxBatchWait = 50 * time.Second

func (s Settings) validateBatch() error {
	switch {
	case s.Batch < 0:
		return invalid("Batch", "is negative")
	case s.Batch > maxBatch:
		return invalid("Batch", fmt.Sprintf("is %d; a request can have at most %d events", s.Batch, maxBatch))
	case s.Batch > maxBatchForm && s.Format != FormatJSON:
		return invalid("Batch", fmt.Sprintf("is %d; a form can have at most %d events, because PHP reads at most %d variables, and JSON at most %d",
			s.Batch, maxBatchForm, maxVariables, maxBatch))
	case s.BatchWait < 0:
		return invalid("BatchWait", "is negative")
	case s.BatchWait > maxBatchWait:
		return invalid("BatchWait", fmt.Sprintf("is longer than %s", maxBatchWait))
	case s.BatchWait > 0 && !s.batches():
		return invalid("BatchWait", "is set, but Batch is not")
	}
	return nil
}

// ownHeaders are the header fields that the library or HTTP itself decides.
var ownHeaders = []string{
	"Accept-Encoding", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Expect", "Host",
	"Idempotency-Key", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding",
	"Upgrade", "User-Agent",
}

func (s Settings) validateHeaders() error {
	if len(s.Headers) > maxHeaders {
		return invalid("Headers", fmt.Sprintf("has more than %d fields", maxHeaders))
	}
	seen := make(map[string]bool, len(s.Headers))
	for name, value := range s.Headers {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case name == "" || strings.ContainsFunc(name, notToken):
			return invalid("Headers", fmt.Sprintf("contains %.60q, which is not a valid header name", name))
		case slices.Contains(ownHeaders, canonical) || strings.HasPrefix(canonical, "Webhook-"):
			return invalid("Headers", fmt.Sprintf("contains %s, which cannot be overridden", canonical))
		case seen[canonical]:
			return invalid("Headers", fmt.Sprintf("contains %s twice", canonical))
		case !isHeaderValue(value):
			return invalid("Headers", fmt.Sprintf("has a value for %s that is too long or not valid in a header", canonical))
		}
		seen[canonical] = true
	}
	return nil
}

// isHeaderValue reports whether a text can be sent as the value of a header field.
func isHeaderValue(s string) bool {
	return len(s) <= maxHeader && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// notToken reports whether r may not stand in a header name (RFC 9110, 5.6.2).
func notToken(r rune) bool {
	return r > unicode.MaxASCII ||
		!unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

func (s Settings) validateSecrets() error {
	if len(s.Secrets) > maxSecrets {
		return invalid("Secrets", fmt.Sprintf("has more than %d secrets: remove those that no longer need to sign", maxSecrets))
	}
	if len(s.Secrets) > 0 && !slices.ContainsFunc(s.Secrets, func(one Secret) bool { return one.Until.IsZero() }) {
		return invalid("Secrets", "has none with a zero Until: some day bodies would no longer be signed")
	}
	_, err := newSigner(s.Secrets)
	return err
}
