package manage

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/listhook/webhook"
)

// A resending is the form that asks what is to be sent again.
type resending struct {
	Webhook      webhook.Webhook
	Failed       waiting
	States       []choice
	Since, Until string // as typed
	Error        string
}

// resentLabels are the states of what can be sent again.
var resentLabels = []label{
	{string(webhook.StateFailed), "What failed"},
	{string(webhook.StateCanceled), "What was canceled while the webhook was off"},
	{string(webhook.StateDelivered), "What was delivered"},
}

// resendForm asks since when; by default since the webhook began to fail, or a
// day ago.
func (v *visit) resendForm() error {
	w, err := v.webhook(v.r.Context(), v.r.PathValue("id"))
	if err != nil {
		return err
	}
	since := v.now.Add(-24 * time.Hour)
	if w.Health.Failures > 0 {
		since = w.Health.Since
	}
	return v.askResend(http.StatusOK, w, url.Values{
		"since": {since.In(v.location()).Format(localTime)}, "state": {string(webhook.StateFailed)},
	}, "")
}

func (v *visit) askResend(status int, w webhook.Webhook, typed url.Values, problem string) error {
	failed, err := v.d.Count(v.r.Context(), webhook.DeliveryQuery{
		Account: v.Account, Webhook: w.ID, States: []webhook.State{webhook.StateFailed}, Limit: countLimit + 1,
	})
	if err != nil {
		return err
	}
	return v.render(status, "resend", "Resend", resending{
		Webhook: w, Failed: waiting{Count: min(failed, countLimit), More: failed > countLimit},
		States: choices(resentLabels, typed["state"]...), Since: typed.Get("since"), Until: typed.Get("until"), Error: problem,
	})
}

func (v *visit) resendAll() error {
	w, err := v.webhook(v.r.Context(), v.r.PathValue("id"))
	if err != nil {
		return err
	}
	form := v.r.PostForm
	since, until, problem := v.readSpan(form)
	if problem != "" {
		return v.askResend(http.StatusUnprocessableEntity, w, form, problem)
	}
	n, err := v.d.Replay(v.r.Context(), v.Account, w.ID, since, until, typed[webhook.State](form["state"])...)
	var invalid *webhook.InvalidError
	if errors.As(err, &invalid) {
		return v.askResend(http.StatusUnprocessableEntity, w, form, sentence(invalid))
	}
	if err != nil {
		return err
	}
	return v.goTo("webhooks/" + url.PathEscape(w.ID) + "/resent?count=" + strconv.Itoa(n))
}

// resent says how many deliveries were begun again.
func (v *visit) resent() error {
	w, err := v.webhook(v.r.Context(), v.r.PathValue("id"))
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint(v.r.URL.Query().Get("count"), 10, 31)
	if err != nil {
		return v.toWebhook()
	}
	return v.render(http.StatusOK, "resent", "Under way again", struct {
		Webhook webhook.Webhook
		Count   uint64
	}{w, n})
}

// readSpan reads the times of the form, or says what is wrong with it.
func (v *visit) readSpan(form url.Values) (since, until time.Time, problem string) {
	since, err := readLocal(form.Get("since"), v.location())
	if err != nil || since.IsZero() {
		return since, until, "Since is not a time, such as 2026-03-31T18:30."
	}
	until, err = readLocal(form.Get("until"), v.location())
	switch {
	case err != nil:
		problem = "Until is not a time, such as 2026-03-31T18:30."
	case since.After(v.now):
		problem = "Since is still to come."
	case len(form["state"]) == 0:
		problem = "Choose what to send again."
	case slices.Contains(form["state"], string(webhook.StatePending)):
		problem = "What is pending will be sent anyway."
	}
	return since, until, problem
}
