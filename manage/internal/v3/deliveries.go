package v3

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
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
	Failure  string              `json:"failure"`  // of the last attempt, in one word; "": it did not fail

	// Of the delivery's body and of its last attempt.
	Subscriber *subscriberJSON `json:"subscriber"` // null: nobody, or the body was erased
	Status     *int            `json:"status"`     // null: there was no answer
	Duration   *float64        `json:"duration"`   // seconds; null: no attempt was made

	Line     *lineJSON     `json:"line,omitempty"`
	Body     *string       `json:"body,omitempty"`
	Attempts []attemptJSON `json:"attempts,omitzero"` // of one delivery; the log has none
}

// A subscriberJSON is whom a delivery is about.
type subscriberJSON struct {
	ID    string `json:"id"`
	Email string `json:"email"`
}

// A lineJSON is what the order of deliveries means for one of them.
type lineJSON struct {
	WaitsFor   *string `json:"waits_for"`   // the delivery that has to end first
	Behind     int     `json:"behind"`      // how many wait for this one
	Newer      *string `json:"newer"`       // of one that ended: a newer delivery for the same subscriber
	PassedOver bool    `json:"passed_over"` // nobody waits for it any more
}

type attemptJSON struct {
	Start    *string `json:"start"`
	Duration float64 `json:"duration"` // seconds
	Status   *int    `json:"status"`   // null: there was no answer
	Reason   string  `json:"reason"`
	Response string  `json:"response"`

	Batch *batchJSON `json:"batch"` // null: the request brought this delivery alone
}

// A batchJSON is a request that brought several deliveries.
type batchJSON struct {
	ID    string   `json:"id"`         // the header webhook-id
	First *string  `json:"first"`      // the delivery whose attempt has the answer and the deliveries; null: this one
	All   []string `json:"deliveries"` // that it brought, if First is null
}

func attemptOf(c *account.Caller, t webhook.Attempt) attemptJSON {
	out := attemptJSON{
		Start: formatTime(c, t.Start), Duration: t.Duration.Seconds(), Reason: t.Reason,
		Response: strings.ToValidUTF8(string(t.Response), "\ufffd"),
	}
	if t.Status != 0 {
		out.Status = &t.Status
	}
	if t.Batch != "" {
		out.Batch = &batchJSON{ID: t.Batch, All: append([]string{}, t.Members...)}
		if t.First != "" {
			out.Batch.First = &t.First
		}
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
		Failure: d.Failure,
	}
	if id, email := d.Subscriber(); id != "" || email != "" {
		out.Subscriber = &subscriberJSON{id, email}
	}
	if n := len(d.Log); n > 0 {
		last := attemptOf(c, d.Log[n-1])
		out.Status = last.Status
		if last.Duration > 0 {
			out.Duration = &last.Duration
		}
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

func viewDelivery(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	var f faults
	readQuery(r, &f)
	if err := f.err(); err != nil {
		return 0, nil, err
	}
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
	out.Line = &lineJSON{WaitsFor: idOf(line.Blocking), Behind: line.Behind, Newer: idOf(line.Newer), PassedOver: d.PassedOver}
	if inOrder := account.NextInOrder; line.Blocking != nil {
		out.Next, out.Reason = nil, &inOrder
	}
	body := string(d.Body)
	out.Body, out.Attempts = &body, []attemptJSON{}
	out.Attempts = make([]attemptJSON, 0, len(d.Log))
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
	var f faults
	object, err := readBody(r, &f, "anyway")
	if err != nil {
		return 0, nil, err
	}
	anyway := false
	f.add(object.flag("anyway", &anyway))
	if err := f.err(); err != nil {
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
	if err := readNothing(r); err != nil {
		return 0, nil, err
	}
	d, err := c.Skip(ctx, r.PathValue("id"))
	if errors.Is(err, webhook.ErrUnderWay) {
		return http.StatusConflict, message{"An attempt may be under way, and its outcome decides: try again in a minute."}, nil
	}
	if err != nil {
		return 0, nil, found(err, "Delivery", r)
	}
	return answerDelivery(ctx, c, http.StatusOK, d)
}
