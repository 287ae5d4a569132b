package v3

import (
	"context"
	"errors"
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
	Time     *string             `json:"event_time"`
	Sequence *int64              `json:"sequence"` // null: it has no order, or was never first in it
	Line     *lineJSON           `json:"line,omitempty"`
	Body     *string             `json:"body,omitempty"`
	Attempts []attemptJSON       `json:"attempts,omitempty"`
}

// A lineJSON is what the order of deliveries means for one of them.
type lineJSON struct {
	WaitsFor *string `json:"waits_for"` // the delivery that has to end first
	Behind   int     `json:"behind"`    // how many wait for this one
	Newer    *string `json:"newer"`     // of one that ended: a newer delivery for the same subscriber
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
		Created: formatTime(c, d.Created), Tried: d.Attempts, Time: formatTime(c, account.EventTime(d)),
	}
	if d.Sequence > 0 {
		out.Sequence = &d.Sequence
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
	line, err := c.LineOf(ctx, d)
	if err != nil {
		return 0, nil, err
	}
	out.Line = &lineJSON{WaitsFor: idOf(line.Blocking), Behind: line.Behind, Newer: idOf(line.Newer)}
	if inOrder := account.NextInOrder; line.Blocking != nil {
		out.Next, out.Reason = nil, &inOrder
	}
	body := string(d.Body)
	out.Body, out.Attempts = &body, []attemptJSON{}
	for _, t := range d.Log {
		out.Attempts = append(out.Attempts, attemptOf(c, t))
	}
	return http.StatusOK, struct {
		Delivery deliveryJSON `json:"delivery"`
	}{out}, nil
}

// idOf returns the ID of a delivery, or nil for none.
func idOf(d *webhook.Delivery) *string {
	if d == nil {
		return nil
	}
	return &d.ID
}

// A newerJSON is the answer to who would send a delivery again although a newer one
// exists.
type newerJSON struct {
	message
	Newer string `json:"newer"` // its id
}

func redeliver(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	object, err := readBody(r)
	if err != nil {
		return 0, nil, err
	}
	anyway := false
	if err := object.read("anyway", &anyway, "true or false"); err != nil {
		return 0, nil, err
	}
	err = c.Redeliver(ctx, r.PathValue("id"), anyway)
	var newer *webhook.NewerError
	if errors.As(err, &newer) {
		return http.StatusConflict, newerJSON{message{"A newer delivery for the same subscriber exists, " + newer.Newer.ID +
			": to send this one again may undo what that one said. With \"anyway\": true it is sent all the same."}, newer.Newer.ID}, nil
	}
	if err != nil {
		return 0, nil, found(err, "Delivery", r)
	}
	d, err := c.Delivery(ctx, r.PathValue("id"))
	if err != nil {
		return 0, nil, found(err, "Delivery", r)
	}
	return answerDelivery(ctx, c, http.StatusAccepted, d)
}

// answerDelivery answers with a delivery as the log shows it.
func answerDelivery(ctx context.Context, c *account.Caller, status int, d webhook.Delivery) (int, any, error) {
	list, err := deliveriesOf(ctx, c, d)
	if err != nil {
		return 0, nil, err
	}
	return status, struct {
		Delivery deliveryJSON `json:"delivery"`
	}{list[0]}, nil
}

func skip(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	d, err := c.Skip(ctx, r.PathValue("id"))
	if errors.Is(err, webhook.ErrUnderWay) {
		return http.StatusConflict, message{"An attempt may be under way, and its outcome decides: try again in a minute."}, nil
	}
	if err != nil {
		return 0, nil, found(err, "Delivery", r)
	}
	return answerDelivery(ctx, c, http.StatusOK, d)
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
	superseded := false
	if err := object.read("superseded", &superseded, "true or false"); err != nil {
		return 0, nil, err
	}
	var states []webhook.State
	for _, text := range texts {
		states = append(states, webhook.State(text))
	}
	if len(states) == 0 {
		states = []webhook.State{webhook.StateFailed}
	}
	replayed, err := c.Replay(ctx, r.PathValue("id"), webhook.ReplayQuery{
		Since: since, Until: until, States: states, Superseded: superseded,
	})
	if err != nil {
		return 0, nil, found(err, "Webhook", r)
	}
	return http.StatusAccepted, struct {
		Replayed   int `json:"replayed"`
		Superseded int `json:"superseded"` // left out
	}{replayed.Begun, replayed.Superseded}, nil
}
