package v3

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/label"
)

// A deliveryJSON is a delivery as the log's calls show it. Body and attempts are
// those of one delivery only.
type deliveryJSON struct {
	ID       string              `json:"id"`
	Webhook  string              `json:"webhook"`
	Event    string              `json:"event"`
	Type     webhook.EventType   `json:"type"`
	State    webhook.State       `json:"state"`
	Created  *string             `json:"created"`
	Next     *string             `json:"next_attempt"`        // null: not pending, or no time is set
	Reason   *account.NextReason `json:"next_attempt_reason"` // null: not pending
	Finished *string             `json:"finished"`            // of the others
	Tried    int                 `json:"tried"`
	Body     *string             `json:"body,omitempty"`
	Attempts []attemptJSON       `json:"attempts,omitempty"`
}

type attemptJSON struct {
	Start    *string `json:"start"`
	Duration float64 `json:"duration"` // seconds
	Status   *int    `json:"status"`   // null: there was no answer
	Reason   string  `json:"reason"`
	Response string  `json:"response"`
}

func attemptOf(c *account.Caller, t webhook.Attempt) attemptJSON {
	out := attemptJSON{
		Start: formatTime(c, t.Start), Duration: t.Duration.Seconds(), Reason: t.Reason,
		Response: strings.ToValidUTF8(string(t.Response), "\ufffd"),
	}
	if t.Status != 0 {
		out.Status = &t.Status
	}
	return out
}

// deliveriesOf returns deliveries as the API shows them.
func deliveriesOf(ctx context.Context, c *account.Caller, ds ...webhook.Delivery) ([]deliveryJSON, error) {
	ws, err := c.WebhooksOf(ctx, ds)
	if err != nil {
		return nil, err
	}
	list := make([]deliveryJSON, len(ds))
	now := time.Now()
	for i, d := range ds {
		list[i] = deliveryOf(c, d, ws[d.WebhookID], now)
	}
	return list, nil
}

func deliveryOf(c *account.Caller, d webhook.Delivery, w *webhook.Webhook, now time.Time) deliveryJSON {
	out := deliveryJSON{
		ID: d.ID, Webhook: d.WebhookID, Event: d.EventID, Type: d.Type, State: d.State,
		Created: formatTime(c, d.Created), Tried: d.Attempts,
	}
	if d.State == webhook.StatePending {
		next := account.NextAttemptOf(d, w, now)
		out.Next, out.Reason = formatTime(c, next.At), &next.Reason
	} else {
		out.Finished = formatTime(c, d.Due)
	}
	return out
}

func listDeliveries(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	query, err := readQuery(r, "filters[webhook]", "filters[state]", "filters[type]", "filters[since]", "filters[until]", "limit", "after")
	if err != nil {
		return 0, nil, err
	}
	limit, _, err := readPage(r)
	if err != nil {
		return 0, nil, err
	}
	q := webhook.DeliveryQuery{
		Webhook: query.Get("filters[webhook]"), Limit: limit + 1, Brief: true,
	}
	if state := query.Get("filters[state]"); state != "" {
		if !label.Has(label.States, state) {
			return 0, nil, fault(codeInvalid, "filters[state]", "is none of pending, delivered, failed, canceled")
		}
		q.States = []webhook.State{webhook.State(state)}
	}
	if event := query.Get("filters[type]"); event != "" {
		if !c.Emits(webhook.EventType(event)) {
			return 0, nil, fault(codeInvalid, "filters[type]", account.NoSuchType(webhook.EventType(event)))
		}
		q.Types = []webhook.EventType{webhook.EventType(event)}
	}
	for key, into := range map[string]*time.Time{"filters[since]": &q.Since, "filters[until]": &q.Until} {
		if text := query.Get(key); text != "" {
			if *into, err = parseTime(key, text); err != nil {
				return 0, nil, err
			}
		}
	}
	if after := query.Get("after"); after != "" {
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
	list, err := deliveriesOf(ctx, c, ds...)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, struct {
		Deliveries []deliveryJSON `json:"deliveries"`
		Meta       struct {
			Next *string `json:"next"`
		} `json:"meta"`
	}{Deliveries: list, Meta: struct {
		Next *string `json:"next"`
	}{next}}, nil
}

func viewDelivery(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	d, err := c.Delivery(ctx, r.PathValue("id"))
	if err != nil {
		return 0, nil, found(err, "Delivery", r)
	}
	list, err := deliveriesOf(ctx, c, d)
	if err != nil {
		return 0, nil, err
	}
	out := list[0]
	body := string(d.Body)
	out.Body, out.Attempts = &body, []attemptJSON{}
	for _, t := range d.Log {
		out.Attempts = append(out.Attempts, attemptOf(c, t))
	}
	return http.StatusOK, struct {
		Delivery deliveryJSON `json:"delivery"`
	}{out}, nil
}

func redeliver(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	if err := c.Redeliver(ctx, r.PathValue("id")); err != nil {
		return 0, nil, found(err, "Delivery", r)
	}
	d, err := c.Delivery(ctx, r.PathValue("id"))
	if err != nil {
		return 0, nil, found(err, "Delivery", r)
	}
	list, err := deliveriesOf(ctx, c, d)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, struct {
		Delivery deliveryJSON `json:"delivery"`
	}{list[0]}, nil
}

func replay(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	object, err := readBody(r)
	if err != nil {
		return 0, nil, err
	}
	if !object.has("since") {
		return 0, nil, fault(codeMissing, "since", "is missing: nothing before it is sent again")
	}
	since, err := object.time("since")
	if err != nil {
		return 0, nil, err
	}
	until, err := object.time("until")
	if err != nil {
		return 0, nil, err
	}
	texts, err := object.texts("states")
	if err != nil {
		return 0, nil, err
	}
	var states []webhook.State
	for _, text := range texts {
		states = append(states, webhook.State(text))
	}
	if len(states) == 0 {
		states = []webhook.State{webhook.StateFailed}
	}
	n, err := c.Replay(ctx, r.PathValue("id"), since, until, states...)
	if err != nil {
		return 0, nil, found(err, "Webhook", r)
	}
	return http.StatusAccepted, struct {
		Replayed int `json:"replayed"`
	}{n}, nil
}
