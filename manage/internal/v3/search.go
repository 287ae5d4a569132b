package v3

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/label"
)

// logFilters are the names of the filters of the log.
var logFilters = append([]string{"webhook", "state", "type", "since", "until"}, account.SearchFields...)

// filters are those of one request, by their names. field says how an error names one.
type filters struct {
	get   func(name string) string
	field func(name string) string
}

// listDeliveries takes filters in the address, which must not hold an email address:
// addresses are kept in the logs of servers and proxies.
func listDeliveries(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	f := filters{field: func(name string) string { return "filters[" + name + "]" }}
	known := []string{"limit", "after"}
	for _, name := range logFilters {
		known = append(known, f.field(name))
	}
	query, err := readQuery(r, known...)
	if err != nil {
		return 0, nil, err
	}
	f.get = func(name string) string { return query.Get(f.field(name)) }
	if strings.Contains(f.get("subscriber"), "@") {
		return 0, nil, fault(codeInvalid, f.field("subscriber"), "is an email address, which does not belong into an address: POST it to listhook/deliveries/search")
	}
	limit, _, err := readPage(r)
	if err != nil {
		return 0, nil, err
	}
	return findDeliveries(ctx, c, f, limit, query.Get("after"))
}

// searchDeliveries is listDeliveries with its parameters in the body.
func searchDeliveries(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	object, err := readBody(r, "filters", "limit", "after")
	if err != nil {
		return 0, nil, err
	}
	var texts map[string]string
	if err := object.read("filters", &texts, "an object of strings"); err != nil {
		return 0, nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if !slices.Contains(logFilters, name) {
			return 0, nil, fault(codeInvalid, cut("filters/"+name), "is no filter: there are "+strings.Join(logFilters, ", "))
		}
	}
	limit, after := 20, ""
	if err := object.read("limit", &limit, "a number"); err != nil {
		return 0, nil, err
	}
	if limit < 1 {
		return 0, nil, fault(codeInvalid, "limit", "is no number from 1")
	}
	if err := object.read("after", &after, "a string"); err != nil {
		return 0, nil, err
	}
	f := filters{
		get:   func(name string) string { return texts[name] },
		field: func(name string) string { return "filters/" + name },
	}
	return findDeliveries(ctx, c, f, min(limit, 100), after)
}

// only refuses an object that has others than the known keys.
func (o object) only(known ...string) error {
	for _, key := range slices.Sorted(maps.Keys(o)) {
		if !slices.Contains(known, key) {
			return fault(codeInvalid, cut(key), "is no field of this call: it takes "+strings.Join(known, ", "))
		}
	}
	return nil
}

// query returns the query of the log that the filters make.
func (f filters) query(ctx context.Context, c *account.Caller) (q webhook.DeliveryQuery, err error) {
	q.Webhook, q.Brief = f.get("webhook"), true
	if state := f.get("state"); state != "" {
		if !label.Has(label.States, state) {
			return q, fault(codeInvalid, f.field("state"), "is none of pending, delivered, failed, canceled")
		}
		q.States = []webhook.State{webhook.State(state)}
	}
	if event := f.get("type"); event != "" {
		if !c.Emits(webhook.EventType(event)) {
			return q, fault(codeInvalid, f.field("type"), account.NoSuchType(webhook.EventType(event)))
		}
		q.Types = []webhook.EventType{webhook.EventType(event)}
	}
	for name, into := range map[string]*time.Time{"since": &q.Since, "until": &q.Until} {
		if text := f.get(name); text != "" {
			if *into, err = parseTime(f.field(name), text); err != nil {
				return q, err
			}
		}
	}
	err = c.Narrow(ctx, account.SearchOf(f.get), &q)
	var invalid *webhook.InvalidError
	if errors.As(err, &invalid) {
		err = fault(codeInvalid, f.field(invalid.Field), invalid.Reason)
	}
	return q, err
}

// findDeliveries answers with a page of the log.
func findDeliveries(ctx context.Context, c *account.Caller, f filters, limit int, after string) (int, any, error) {
	q, err := f.query(ctx, c)
	if err != nil {
		return 0, nil, err
	}
	q.Limit = limit + 1
	if after != "" {
		var ok bool
		if q.After, ok = account.ParseCursor(after); !ok {
			return 0, nil, fault(codeInvalid, "after", "is not what meta.next was")
		}
	}
	ds, stopped, err := c.Deliveries(ctx, q)
	if err != nil {
		return 0, nil, err
	}
	var next *string
	if len(ds) > limit {
		ds = ds[:limit]
		cursor := account.CursorOf(ds[limit-1])
		next = &cursor
	} else if stopped != (webhook.Cursor{}) {
		cursor := account.TextOf(stopped)
		next = &cursor
	}
	if ds, err = c.WithDocuments(ctx, ds); err != nil {
		return 0, nil, err
	}
	list, err := deliveriesOf(ctx, c, ds...)
	if err != nil {
		return 0, nil, err
	}
	type meta struct {
		Next *string `json:"next"`
	}
	return http.StatusOK, struct {
		Deliveries []deliveryJSON `json:"deliveries"`
		Meta       meta           `json:"meta"`
	}{list, meta{next}}, nil
}
