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
	var mistakes faults
	query := readQuery(r, &mistakes, known...)
	f.get = func(name string) string { return query.Get(f.field(name)) }
	if strings.Contains(f.get("subscriber"), "@") {
		mistakes.add(fault(codeInvalid, f.field("subscriber"), "is an email address, which does not belong into an address: POST it to listhook/deliveries/search"))
	}
	limit, _ := readPage(r, &mistakes)
	return findDeliveries(ctx, c, f, limit, query.Get("after"), &mistakes)
}

// searchDeliveries is listDeliveries with its parameters in the body.
func searchDeliveries(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	var mistakes faults
	object, err := readBody(r, &mistakes, "filters", "limit", "after")
	if err != nil {
		return 0, nil, err
	}
	given, err := object.object("filters")
	mistakes.add(err)
	texts := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.Contains(logFilters, name) {
			mistakes.add(fault(codeInvalid, cut("filters/"+name), "is no filter: there are "+strings.Join(logFilters, ", ")))
			continue
		}
		if texts[name], err = given.text(name); err != nil {
			mistakes.add(fault(codeInvalid, "filters/"+name, "is not a string"))
		}
	}
	var limit int64
	after := ""
	mistakes.add(object.whole("limit", &limit))
	if limit < 0 {
		mistakes.add(fault(codeInvalid, "limit", "is no whole number from 0"))
	}
	mistakes.add(object.read("after", &after, "a string"))
	f := filters{
		get:   func(name string) string { return texts[name] },
		field: func(name string) string { return "filters/" + name },
	}
	return findDeliveries(ctx, c, f, limitOf(limit), after, &mistakes)
}

// query returns the query of the log that the filters make.
func (f filters) query(ctx context.Context, c *account.Caller, mistakes *faults) (q webhook.DeliveryQuery) {
	q.Webhook, q.Brief = f.get("webhook"), true
	if state := f.get("state"); state != "" {
		if !label.Has(label.States, state) {
			mistakes.add(fault(codeInvalid, f.field("state"), "is none of pending, delivered, failed, canceled"))
		}
		q.States = []webhook.State{webhook.State(state)}
	}
	if event := f.get("type"); event != "" {
		if !c.Emits(webhook.EventType(event)) {
			mistakes.add(fault(codeInvalid, f.field("type"), account.NoSuchType(webhook.EventType(event))))
		}
		q.Types = []webhook.EventType{webhook.EventType(event)}
	}
	readTime := func(name string) (t time.Time) {
		var err error
		if text := f.get(name); text != "" {
			t, err = parseTime(f.field(name), text)
		}
		mistakes.add(err)
		return t
	}
	q.Since, q.Until = readTime("since"), readTime("until")
	for search := account.SearchOf(f.get); ; { // Narrow names the first mistake
		err := c.Narrow(ctx, search, &q)
		var invalid *webhook.InvalidError
		if !errors.As(err, &invalid) {
			mistakes.add(err)
			return q
		}
		mistakes.add(fault(codeInvalid, f.field(invalid.Field), invalid.Reason))
		search = search.Without(invalid.Field)
	}
}

// findDeliveries answers with a page of the log, unless there are mistakes.
func findDeliveries(ctx context.Context, c *account.Caller, f filters, limit int, after string, mistakes *faults) (int, any, error) {
	q := f.query(ctx, c, mistakes)
	q.Limit = limit + 1
	if after != "" {
		var ok bool
		if q.After, ok = account.ParseCursor(after); !ok {
			mistakes.add(fault(codeInvalid, "after", "is not what meta.next was"))
		}
	}
	if err := mistakes.err(); err != nil {
		return 0, nil, err
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
