package page

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/label"
	"github.com/listhook/webhook/manage/internal/text"
)

// A resending is the form that asks what is to be sent again and, once that was counted,
// whether.
type resending struct {
	Webhook      webhook.Webhook
	States       []choice
	Since, Until string // as typed
	Replaced     bool   // also deliveries that a newer one replaces
	Errors       map[string]string

	Counted bool
	Count   text.Number
	Job     string // makes it harmless to send the form twice
}

// resentLabels are the states of what can be sent again.
var resentLabels = []label.Label{
	{Value: string(webhook.StateFailed), Text: "Failed deliveries"},
	{Value: string(webhook.StatePending), Text: "Deliveries waiting for their next attempt"},
	{Value: string(webhook.StateCanceled), Text: "Canceled deliveries, for example because the webhook was off"},
	{Value: string(webhook.StateDelivered), Text: "Deliveries that succeeded"},
}

// resendForm asks since when; by default since the webhook began to fail, or a
// day ago. With count in the address it says how many that are.
func (p *pageRequest) resendForm() error {
	w, err := p.Webhook(p.r.Context(), p.r.PathValue("id"))
	if err != nil {
		return err
	}
	query := p.r.URL.Query()
	if query.Has("count") {
		return p.countResend(w, query)
	}
	since := p.now.Add(-24 * time.Hour)
	if w.Health.Failures > 0 {
		since = w.Health.Since
	}
	return p.askResend(http.StatusOK, w, url.Values{
		"since": {since.In(p.Zone()).Format(localTime)}, "state": {string(webhook.StateFailed)},
	}, resending{})
}

// countResend says how many deliveries the form selects.
func (p *pageRequest) countResend(w webhook.Webhook, typed url.Values) error {
	q, faults := p.readReplay(typed)
	if len(faults) > 0 {
		return p.askResend(http.StatusUnprocessableEntity, w, typed, resending{Errors: faults})
	}
	n, err := p.CountReplay(p.r.Context(), w.ID, q)
	var invalid *webhook.InvalidError
	if errors.As(err, &invalid) {
		return p.askResend(http.StatusUnprocessableEntity, w, typed, resending{Errors: p.replayFault(invalid)})
	}
	if err != nil {
		return err
	}
	return p.askResend(http.StatusOK, w, typed, resending{
		Counted: true, Count: text.Number{Count: n, More: n == webhook.MaxReplayTotal}, Job: account.NewReplay(),
	})
}

func (p *pageRequest) askResend(status int, w webhook.Webhook, typed url.Values, r resending) error {
	r.Webhook, r.Replaced = w, typed.Get("superseded") != ""
	r.States, r.Since, r.Until = choices(p.lang, resentLabels, typed["state"]...), typed.Get("since"), typed.Get("until")
	return p.render(status, "resend", p.lang.Text("Resend deliveries"), r)
}

// resendAll starts it, and leads to its progress.
func (p *pageRequest) resendAll() error {
	w, err := p.Webhook(p.r.Context(), p.r.PathValue("id"))
	if err != nil {
		return err
	}
	form := p.r.PostForm
	q, faults := p.readReplay(form)
	if len(faults) > 0 {
		return p.askResend(http.StatusUnprocessableEntity, w, form, resending{Errors: faults})
	}
	job := form.Get("job")
	if len(job) > 100 {
		return errNoChoice
	}
	done := ""
	_, err = p.StartReplay(p.r.Context(), w.ID, job, q)
	var invalid *webhook.InvalidError
	switch {
	case errors.As(err, &invalid):
		return p.askResend(http.StatusUnprocessableEntity, w, form, resending{Errors: p.replayFault(invalid)})
	case errors.Is(err, webhook.ErrReplaying):
		done = "?done=resending"
	case err != nil:
		return err
	}
	return p.goTo("webhooks/" + url.PathEscape(w.ID) + "/resent" + done)
}

// resent says how far sending again has come.
func (p *pageRequest) resent() error {
	w, err := p.Webhook(p.r.Context(), p.r.PathValue("id"))
	if err != nil {
		return err
	}
	if w.Replay.ID == "" {
		return p.toWebhook()
	}
	job := w.Replay
	title := p.lang.Text("Resent deliveries")
	if job.UnderWay() {
		title = p.lang.Text("Resending deliveries")
	}
	return p.render(http.StatusOK, "resent", title, struct {
		Webhook webhook.Webhook
		Job     webhook.ReplayJob
		Total   text.Number
		Held    bool
		Reason  string
	}{w, job, text.Number{Count: job.Total, More: job.Total == webhook.MaxReplayTotal}, account.Held(w) || w.Disabled != "", p.sentence(job.Reason)})
}

// cancelResend ends it.
func (p *pageRequest) cancelResend() error {
	id := p.r.PathValue("id")
	if _, err := p.CancelReplay(p.r.Context(), id); err != nil {
		return err
	}
	return p.goTo("webhooks/" + url.PathEscape(id) + "/resent")
}

// toResent leads back from an address that only takes forms.
func (p *pageRequest) toResent() error {
	w, err := p.Webhook(p.r.Context(), p.r.PathValue("id"))
	if err != nil {
		return err
	}
	return p.goTo("webhooks/" + url.PathEscape(w.ID) + "/resent")
}

// readReplay reads the form, or says what is wrong with each of its fields.
func (p *pageRequest) readReplay(form url.Values) (q webhook.ReplayQuery, faults map[string]string) {
	q.States, q.IncludeReplaced, faults = typed[webhook.State](form["state"]), form.Get("superseded") != "", map[string]string{}
	if len(q.States) == 0 {
		faults["States"] = p.lang.Text("Choose what to send again.")
	}
	onlyPending := len(q.States) == 1 && q.Pending()
	var err error
	switch q.Since, err = readLocal(form.Get("since"), p.Zone()); {
	case err != nil || q.Since.IsZero() && !onlyPending:
		faults["Since"] = p.lang.Text(noTime)
	case q.Since.After(p.now):
		faults["Since"] = p.lang.Text("Choose a start in the past.")
	}
	if q.Until, err = readLocal(form.Get("until"), p.Zone()); err != nil {
		faults["Until"] = p.lang.Text(noTime)
	}
	return q, faults
}

// replayFault says what the Dispatcher refuses of a form.
func (p *pageRequest) replayFault(e *webhook.InvalidError) map[string]string {
	field := "States"
	if e.Field == "Since" || e.Field == "Until" {
		field = e.Field
	}
	return map[string]string{field: p.problem(e, "")}
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
