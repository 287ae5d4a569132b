package page

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/label"
	"github.com/listhook/webhook/manage/internal/text"
)

// A resending is the form that asks what is to be sent again.
type resending struct {
	Webhook      webhook.Webhook
	Failed       text.Number
	States       []choice
	Since, Until string // as typed
	Superseded   bool   // also what a newer delivery replaces
	Error        string
}

// resentLabels are the states of what can be sent again.
var resentLabels = []label.Label{
	{Value: string(webhook.StateFailed), Text: "Failed deliveries"},
	{Value: string(webhook.StateCanceled), Text: "Deliveries that were canceled, as when the webhook was off"},
	{Value: string(webhook.StateDelivered), Text: "Delivered ones"},
}

// resendForm asks since when; by default since the webhook began to fail, or a
// day ago.
func (p *pageRequest) resendForm() error {
	w, err := p.Webhook(p.r.Context(), p.r.PathValue("id"))
	if err != nil {
		return err
	}
	since := p.now.Add(-24 * time.Hour)
	if w.Health.Failures > 0 {
		since = w.Health.Since
	}
	return p.askResend(http.StatusOK, w, url.Values{
		"since": {since.In(p.Zone()).Format(localTime)}, "state": {string(webhook.StateFailed)},
	}, "")
}

func (p *pageRequest) askResend(status int, w webhook.Webhook, typed url.Values, problem string) error {
	failed, _, err := p.Count(p.r.Context(), webhook.DeliveryQuery{
		Webhook: w.ID, States: []webhook.State{webhook.StateFailed}, Limit: countLimit + 1,
	})
	if err != nil {
		return err
	}
	return p.render(status, "resend", p.lang.Text("Resend deliveries"), resending{
		Webhook: w, Failed: text.Number{Count: min(failed, countLimit), More: failed > countLimit},
		States: choices(p.lang, resentLabels, typed["state"]...), Since: typed.Get("since"), Until: typed.Get("until"),
		Superseded: typed.Get("superseded") != "", Error: problem,
	})
}

func (p *pageRequest) resendAll() error {
	w, err := p.Webhook(p.r.Context(), p.r.PathValue("id"))
	if err != nil {
		return err
	}
	form := p.r.PostForm
	since, until, problem := p.readSpan(form)
	if problem != "" {
		return p.askResend(http.StatusUnprocessableEntity, w, form, problem)
	}
	replayed, err := p.Replay(p.r.Context(), w.ID, webhook.ReplayQuery{
		Since: since, Until: until, States: typed[webhook.State](form["state"]), Superseded: form.Get("superseded") != "",
	})
	var invalid *webhook.InvalidError
	if errors.As(err, &invalid) {
		return p.askResend(http.StatusUnprocessableEntity, w, form, p.problem(invalid, ""))
	}
	if err != nil {
		return err
	}
	return p.goTo("webhooks/" + url.PathEscape(w.ID) + "/resent?count=" + strconv.Itoa(replayed.Begun) +
		"&left=" + strconv.Itoa(replayed.Superseded))
}

// resent says how many deliveries were begun again.
func (p *pageRequest) resent() error {
	w, err := p.Webhook(p.r.Context(), p.r.PathValue("id"))
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint(p.r.URL.Query().Get("count"), 10, 31)
	if err != nil {
		return p.toWebhook()
	}
	left, _ := strconv.ParseUint(p.r.URL.Query().Get("left"), 10, 31) // 0, if it is no number
	return p.render(http.StatusOK, "resent", p.lang.Text("Sending again"), struct {
		Webhook     webhook.Webhook
		Count, Left uint64
	}{w, n, left})
}

// readSpan reads the times of the form, or says what is wrong with it.
func (p *pageRequest) readSpan(form url.Values) (since, until time.Time, problem string) {
	since, err := readLocal(form.Get("since"), p.Zone())
	if err != nil || since.IsZero() {
		return since, until, p.lang.Text(noTime)
	}
	until, err = readLocal(form.Get("until"), p.Zone())
	switch {
	case err != nil:
		problem = p.lang.Text(noTime)
	case since.After(p.now):
		problem = p.lang.Text("Choose a beginning in the past.")
	case len(form["state"]) == 0:
		problem = p.lang.Text("Choose what to send again.")
	case slices.Contains(form["state"], string(webhook.StatePending)):
		problem = p.lang.Text("Pending deliveries are sent anyway.")
	}
	return since, until, problem
}

// resend begins one delivery again. Whoever saw the warning that a newer one exists
// says anyway.
func (p *pageRequest) resend() error {
	id := p.r.PathValue("id")
	err := p.Redeliver(p.r.Context(), id, p.r.PostForm.Get("anyway") != "")
	var newer *webhook.NewerError
	if errors.As(err, &newer) {
		return p.goTo("deliveries/" + url.PathEscape(id) + "?done=newer")
	}
	if err != nil {
		return err
	}
	done := "resent"
	d, err := p.Delivery(p.r.Context(), id)
	if err != nil {
		return err
	}
	if w, err := p.Webhook(p.r.Context(), d.WebhookID); err == nil && w.HeldUntil.After(p.now) {
		done = "held"
	}
	return p.goTo("deliveries/" + url.PathEscape(id) + "?done=" + done)
}

// skip lets those that wait for a delivery go on.
func (p *pageRequest) skip() error {
	id, done := p.r.PathValue("id"), "skipped"
	_, err := p.Skip(p.r.Context(), id)
	switch {
	case errors.Is(err, webhook.ErrUnderWay):
		done = "busy"
	case err != nil:
		return err
	}
	return p.goTo("deliveries/" + url.PathEscape(id) + "?done=" + done)
}
