package manage

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/listhook/webhook"
)

// revision returns which revision of a webhook a form was made for; 0 when it
// does not say, which no stored webhook has.
func (v *visit) revision() int64 {
	n, _ := strconv.ParseInt(v.r.PostForm.Get("revision"), 10, 64)
	return n
}

// A webhookView is the page of one webhook.
type webhookView struct {
	webhookRow
	Day     *day
	Waiting waiting
	Recent  []deliveryRow
	Test    *testResult
	Types   []choice
	Headers []string // their names
	Secrets []webhook.Secret
}

// A testResult is the answer to a test.
type testResult struct {
	Type    webhook.EventType
	Attempt attemptView
}

func (v *visit) webhookView() error { return v.showWebhook(nil) }

// recentCount is how many of its deliveries a webhook's page shows.
const recentCount = 10

func (v *visit) showWebhook(test *testResult) error {
	ctx := v.r.Context()
	w, err := v.webhook(ctx, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	lists, _, err := v.lists(ctx)
	if err != nil {
		return err
	}
	last, err := v.lastDay(ctx, w.ID, v.now)
	if err != nil {
		return err
	}
	recent, err := v.d.Deliveries(ctx, webhook.DeliveryQuery{
		Account: v.Account, Webhook: w.ID, Limit: recentCount, Brief: true,
	})
	if err != nil {
		return err
	}
	var newest webhook.Delivery
	if len(recent) > 0 {
		newest = recent[0]
	}
	pending, err := v.waiting(w.ID)
	if err != nil {
		return err
	}
	rows, err := v.deliveryRows(recent)
	if err != nil {
		return err
	}
	out := webhookView{
		webhookRow: v.row(w, lists, last.All, newest), Day: last, Waiting: pending, Recent: rows, Test: test,
	}
	if out.Status.Reason, err = v.failure(out.Status, newest); err != nil {
		return err
	}
	var tested webhook.EventType
	if test != nil {
		tested = test.Type
	}
	out.Types = choices(typeLabels, tested)
	for line := range strings.Lines(headerLines(w.Headers)) {
		name, _, _ := strings.Cut(line, ":")
		out.Headers = append(out.Headers, name)
	}
	for _, s := range w.Secrets {
		if s.Until.IsZero() || s.Until.After(v.now) {
			out.Secrets = append(out.Secrets, s)
		}
	}
	return v.render(http.StatusOK, "webhook", w.Name, out)
}

// failure adds to a status why the newest delivery failed.
func (v *visit) failure(s status, newest webhook.Delivery) (string, error) {
	if s.Class != "bad" || !fails(newest) {
		return s.Reason, nil
	}
	d, err := v.delivery(v.r.Context(), newest.ID)
	if errors.Is(err, webhook.ErrNotFound) || err == nil && len(d.Log) == 0 {
		return s.Reason, nil
	}
	if err != nil {
		return "", err
	}
	reason := d.Log[len(d.Log)-1].Reason
	if strings.Contains(s.Reason, reason) {
		return s.Reason, nil
	}
	return s.Reason + " " + reason, nil
}

// sendTest answers with the page itself: the answer is not kept, and a link to
// it could not be followed again.
func (v *visit) sendTest() error {
	if ok, seconds := v.rates.take(v.Account, v.now); !ok {
		return errBusy(seconds)
	}
	t := webhook.EventType(v.r.PostForm.Get("event"))
	attempt, err := v.d.SendTest(v.r.Context(), v.Account, v.r.PathValue("id"), t)
	if err != nil {
		return err
	}
	return v.showWebhook(&testResult{t, v.attempt(0, attempt)})
}

// rotateSecret leads to the new secret, which no other page shows.
func (v *visit) rotateSecret() error {
	id := v.r.PathValue("id")
	overlap, err := strconv.ParseInt(v.r.PostForm.Get("overlap"), 10, 64)
	if err != nil || overlap > int64(maxOverlap.Seconds()) {
		return &webhook.InvalidError{Field: "The overlap", Reason: "is none of those offered"}
	}
	w, err := v.rotate(v.r.Context(), id, v.revision(), time.Duration(max(overlap, -1))*time.Second)
	if err != nil {
		return err
	}
	if overlap < 0 {
		return v.goTo("webhooks/" + url.PathEscape(id) + "?done=unsign")
	}
	return v.goTo(v.addressOfNew(w, false))
}

// A confirmation is a page that asks before something is done.
type confirmation struct {
	Webhook webhook.Webhook
	Waiting waiting
	Action  string // the last part of the address: delete, off, on
}

func (v *visit) confirm(action, title string) error {
	w, err := v.webhook(v.r.Context(), v.r.PathValue("id"))
	if err != nil {
		return err
	}
	pending, err := v.waiting(w.ID)
	if err != nil {
		return err
	}
	return v.render(http.StatusOK, "confirm", title, confirmation{Webhook: w, Waiting: pending, Action: action})
}

func (v *visit) deleteForm() error { return v.confirm("delete", "Delete the webhook?") }
func (v *visit) offForm() error    { return v.confirm("off", "Switch the webhook off?") }
func (v *visit) onForm() error     { return v.confirm("on", "Switch the webhook on?") }

func (v *visit) deleteWebhook() error {
	if err := v.d.DeleteWebhook(v.r.Context(), v.Account, v.r.PathValue("id")); err != nil {
		return err
	}
	return v.goTo("?done=deleted")
}

func (v *visit) turnOff() error {
	reason := strings.TrimSpace(v.r.PostForm.Get("reason"))
	if reason == "" {
		reason = "Switched off on the page."
	}
	id := v.r.PathValue("id")
	if _, err := v.switchOff(v.r.Context(), id, reason, v.r.PostForm.Get("keep") != ""); err != nil {
		return err
	}
	return v.goTo("webhooks/" + url.PathEscape(id) + "?done=off")
}

func (v *visit) turnOn() error {
	id := v.r.PathValue("id")
	_, dropped, err := v.switchOn(v.r.Context(), id, v.r.PostForm.Get("kept") == dropKept)
	if err != nil {
		return err
	}
	done := "on"
	if dropped > 0 {
		done = "dropped"
	}
	return v.goTo("webhooks/" + url.PathEscape(id) + "?done=" + done)
}

// dropKept is a form's word for dropping what a webhook kept while it was off.
const dropKept = "drop"

func (v *visit) tryNow() error {
	id := v.r.PathValue("id")
	if _, err := v.d.EndHold(v.r.Context(), v.Account, id); err != nil {
		return err
	}
	return v.goTo("webhooks/" + url.PathEscape(id) + "?done=tried")
}
