package account

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/label"
)

// A Search is what somebody looks for in the log: exactly this, nothing for an empty
// field. The names of the fields on the page and in the newer API are those of
// SearchFields.
type Search struct {
	Subscriber string // the ID or the email address
	Campaign   string // the ID
	EventID    string
	Delivery   string // the ID: the header webhook-id
	Reason     string // a status, or a word of label.Failures
	About      string // what Found returned of a Subscriber: it says nobody's address
}

// SearchFields are the names of what is looked for.
var SearchFields = []string{"subscriber", "campaign", "event_id", "delivery", "reason"}

// SearchOf reads a Search by the names of its fields.
func SearchOf(value func(name string) string) Search {
	text := func(name string) string { return strings.TrimSpace(value(name)) }
	return Search{
		Subscriber: text("subscriber"), Campaign: text("campaign"), EventID: text("event_id"),
		Delivery: text("delivery"), Reason: text("reason"),
	}
}

// Without returns s without what a field of SearchFields says.
func (s Search) Without(field string) Search {
	switch field {
	case "subscriber":
		s.Subscriber = ""
	case "campaign":
		s.Campaign = ""
	case "event_id":
		s.EventID = ""
	case "delivery":
		s.Delivery = ""
	case "reason":
		s.Reason = ""
	}
	return s
}

// maxSearch is the length in bytes of the longest text that is looked for.
const maxSearch = 1000

// Searchable reports whether deliveries are found by subscriber, campaign and event.
func (c *Caller) Searchable() bool { return c.dispatcher.Searchable() }

// Narrow adds a search to a query of the log. What it refuses is a *webhook.InvalidError
// of the first field of SearchFields that is wrong.
func (c *Caller) Narrow(ctx context.Context, s Search, q *webhook.DeliveryQuery) error {
	if s.Delivery != "" {
		if err := checkSearch("delivery", s.Delivery, 255); err != nil {
			return err
		}
		q.IDs = []string{s.Delivery}
	}
	if s.Reason != "" {
		failure, err := failureOf(s.Reason)
		if err != nil {
			return err
		}
		q.Failures = []string{failure}
	}
	q.Subject = s.About
	for _, by := range []struct {
		field, value string
		kind         webhook.SubjectKind
	}{
		{"subscriber", s.Subscriber, webhook.SubjectSubscriber},
		{"campaign", s.Campaign, webhook.SubjectCampaign},
		{"event_id", s.EventID, webhook.SubjectEvent},
	} {
		if by.value == "" {
			continue
		}
		if err := checkSearch(by.field, by.value, maxSearch); err != nil {
			return err
		}
		if !c.Searchable() {
			return &webhook.InvalidError{Field: by.field, Reason: "cannot be looked for: the app has not switched that on"}
		}
		if q.Subject != "" {
			return &webhook.InvalidError{Field: by.field, Reason: "cannot be looked for together with another one: look for one of subscriber, campaign and event_id"}
		}
		var err error
		if q.Subject, err = c.subject(ctx, by.kind, by.value); err != nil {
			return err
		}
	}
	return nil
}

// subject returns what the deliveries about something are found by. A text with an @ is
// an address, unless nothing is about that and it is an app's ID.
func (c *Caller) subject(ctx context.Context, kind webhook.SubjectKind, value string) (string, error) {
	subject, err := c.dispatcher.Subject(c.Account, kind, value)
	if err != nil || kind != webhook.SubjectSubscriber || !strings.Contains(value, "@") {
		return subject, err
	}
	address, err := c.dispatcher.Subject(c.Account, webhook.SubjectEmail, value)
	if err != nil {
		return "", err
	}
	n, err := c.dispatcher.Count(ctx, webhook.DeliveryQuery{Account: c.Account, Subject: subject, Limit: 1})
	if err != nil || n > 0 {
		return subject, err
	}
	return address, nil
}

// IsAbout reports whether a subject is that of a subscriber with an ID or an address.
func (c *Caller) IsAbout(subject string, kind webhook.SubjectKind, value string) bool {
	its, err := c.dispatcher.Subject(c.Account, kind, value)
	return err == nil && its == subject
}

func checkSearch(field, text string, most int) error {
	if len(text) > most {
		return &webhook.InvalidError{Field: field, Reason: fmt.Sprintf("is longer than %d bytes", most)}
	}
	return nil
}

// failureOf returns the Delivery.Failure that somebody looks for.
func failureOf(reason string) (string, error) {
	word := strings.ToLower(reason)
	if status, err := strconv.Atoi(word); err == nil && status >= 100 && status <= 999 && len(word) == 3 {
		return word, nil
	}
	if label.Has(label.Failures, word) {
		return word, nil
	}
	words := make([]string, len(label.Failures))
	for i, l := range label.Failures {
		words[i] = l.Value
	}
	slices.Sort(words)
	return "", &webhook.InvalidError{
		Field: "reason", Reason: "is neither a status such as 503 nor one of " + strings.Join(words, ", "),
	}
}

// WithDocuments returns deliveries of a page of the log, as Deliveries read them with
// Brief, with their bodies and attempts.
func (c *Caller) WithDocuments(ctx context.Context, ds []webhook.Delivery) ([]webhook.Delivery, error) {
	if len(ds) == 0 {
		return ds, nil
	}
	q := webhook.DeliveryQuery{Account: c.Account}
	for _, d := range ds {
		q.IDs = append(q.IDs, d.ID)
	}
	read, err := c.dispatcher.Deliveries(ctx, q)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]webhook.Delivery, len(read))
	for _, d := range read {
		byID[d.ID] = d
	}
	whole := slices.Clone(ds)
	for i, d := range ds {
		if read, ok := byID[d.ID]; ok {
			whole[i] = read
		}
	}
	return whole, nil
}
