package manage

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/listhook/webhook"
)

// delivery3 is a delivery as the log's calls show it. Body and attempts are
// those of one delivery only.
type delivery3 struct {
	ID       string            `json:"id"`
	Webhook  string            `json:"webhook"`
	Event    string            `json:"event"`
	Type     webhook.EventType `json:"type"`
	State    webhook.State     `json:"state"`
	Created  *string           `json:"created"`
	Next     *string           `json:"next_attempt"`        // null: not pending, or no time is set
	Reason   *nextReason       `json:"next_attempt_reason"` // null: not pending
	Finished *string           `json:"finished"`            // of the others
	Tried    int               `json:"tried"`
	Body     *string           `json:"body,omitempty"`
	Attempts []attempt3        `json:"attempts,omitempty"`
}

type attempt3 struct {
	Start    *string `json:"start"`
	Duration float64 `json:"duration"` // seconds
	Status   *int    `json:"status"`   // null: there was no answer
	Reason   string  `json:"reason"`
	Response string  `json:"response"`
}

func (a *account) attempt3(t webhook.Attempt) attempt3 {
	out := attempt3{
		Start: a.time3(t.Start), Duration: t.Duration.Seconds(), Reason: t.Reason,
		Response: strings.ToValidUTF8(string(t.Response), "\ufffd"),
	}
	if t.Status != 0 {
		out.Status = &t.Status
	}
	return out
}

// deliveries3of returns deliveries as the API shows them.
func (a *account) deliveries3of(ctx context.Context, ds ...webhook.Delivery) ([]delivery3, error) {
	ws, err := a.webhooksOf(ctx, ds)
	if err != nil {
		return nil, err
	}
	list := make([]delivery3, len(ds))
	now := time.Now()
	for i, d := range ds {
		list[i] = a.delivery3of(d, ws[d.WebhookID], now)
	}
	return list, nil
}

func (a *account) delivery3of(d webhook.Delivery, w *webhook.Webhook, now time.Time) delivery3 {
	out := delivery3{
		ID: d.ID, Webhook: d.WebhookID, Event: d.EventID, Type: d.Type, State: d.State,
		Created: a.time3(d.Created), Tried: d.Attempts,
	}
	if d.State == webhook.StatePending {
		next := nextAttemptOf(d, w, now)
		out.Next, out.Reason = a.time3(next.At), &next.Reason
	} else {
		out.Finished = a.time3(d.Due)
	}
	return out
}

func (a *account) deliveries3(ctx context.Context, r *http.Request) (int, any, error) {
	query, err := query3(r, "filters[webhook]", "filters[state]", "filters[type]", "filters[since]", "filters[until]", "limit", "after")
	if err != nil {
		return 0, nil, err
	}
	limit, _, err := page3(r)
	if err != nil {
		return 0, nil, err
	}
	q := webhook.DeliveryQuery{
		Account: a.Account, Webhook: query.Get("filters[webhook]"), Limit: limit + 1, Brief: true,
	}
	if state := query.Get("filters[state]"); state != "" {
		if labelOf(stateLabels, state) == state {
			return 0, nil, fault(codeInvalid, "filters[state]", "is none of pending, delivered, failed, canceled")
		}
		q.States = []webhook.State{webhook.State(state)}
	}
	if event := query.Get("filters[type]"); event != "" {
		if labelOf(typeLabels, event) == event {
			return 0, nil, fault(codeInvalid, "filters[type]", "is none of the nine event types")
		}
		q.Types = []webhook.EventType{webhook.EventType(event)}
	}
	for key, into := range map[string]*time.Time{"filters[since]": &q.Since, "filters[until]": &q.Until} {
		if text := query.Get(key); text != "" {
			if *into, err = time3(key, text); err != nil {
				return 0, nil, err
			}
		}
	}
	if after := query.Get("after"); after != "" {
		var ok bool
		if q.After, ok = parseCursor(after); !ok {
			return 0, nil, fault(codeInvalid, "after", "is not what meta.next was")
		}
	}
	ds, err := a.d.Deliveries(ctx, q)
	if err != nil {
		return 0, nil, err
	}
	var next *string
	if len(ds) > limit {
		ds = ds[:limit]
		cursor := cursorOf(ds[limit-1])
		next = &cursor
	}
	list, err := a.deliveries3of(ctx, ds...)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, struct {
		Deliveries []delivery3 `json:"deliveries"`
		Meta       struct {
			Next *string `json:"next"`
		} `json:"meta"`
	}{Deliveries: list, Meta: struct {
		Next *string `json:"next"`
	}{next}}, nil
}

// cursorOf is a delivery's place in the log as a text.
func cursorOf(d webhook.Delivery) string {
	return strconv.FormatInt(d.Created.UnixMilli(), 10) + "." + d.ID
}

func parseCursor(text string) (webhook.Cursor, bool) {
	millis, id, ok := strings.Cut(text, ".")
	n, err := strconv.ParseInt(millis, 10, 64)
	if !ok || err != nil || len(id) > 255 {
		return webhook.Cursor{}, false
	}
	return webhook.Cursor{Created: time.UnixMilli(n).UTC(), ID: id}, true
}

func (a *account) delivery3(ctx context.Context, r *http.Request) (int, any, error) {
	d, err := a.delivery(ctx, r.PathValue("id"))
	if err != nil {
		return 0, nil, found(err, "Delivery", r)
	}
	list, err := a.deliveries3of(ctx, d)
	if err != nil {
		return 0, nil, err
	}
	out := list[0]
	body := string(d.Body)
	out.Body, out.Attempts = &body, []attempt3{}
	for _, t := range d.Log {
		out.Attempts = append(out.Attempts, a.attempt3(t))
	}
	return http.StatusOK, struct {
		Delivery delivery3 `json:"delivery"`
	}{out}, nil
}

func (a *account) redeliver3(ctx context.Context, r *http.Request) (int, any, error) {
	if err := a.d.Redeliver(ctx, a.Account, r.PathValue("id")); err != nil {
		return 0, nil, found(err, "Delivery", r)
	}
	d, err := a.delivery(ctx, r.PathValue("id"))
	if err != nil {
		return 0, nil, found(err, "Delivery", r)
	}
	list, err := a.deliveries3of(ctx, d)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, struct {
		Delivery delivery3 `json:"delivery"`
	}{list[0]}, nil
}

func (a *account) replay3(ctx context.Context, r *http.Request) (int, any, error) {
	object, err := body3(r)
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
	states := typed[webhook.State](texts)
	if len(states) == 0 {
		states = []webhook.State{webhook.StateFailed}
	}
	n, err := a.d.Replay(ctx, a.Account, r.PathValue("id"), since, until, states...)
	if err != nil {
		return 0, nil, found(err, "Webhook", r)
	}
	return http.StatusAccepted, struct {
		Replayed int `json:"replayed"`
	}{n}, nil
}
