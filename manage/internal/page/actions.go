package page

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/text"
)

// revision returns which revision of a webhook a form was made for; 0 when it
// does not say, which no stored webhook has.
func (p *pageRequest) revision() int64 {
	n, _ := strconv.ParseInt(p.r.PostForm.Get("revision"), 10, 64)
	return n
}

// A webhookView is the page of one webhook.
type webhookView struct {
	webhookRow
	Figures *figures
	Waiting waiting
	Recent  []deliveryRow
	Test    *testResult
	Types   []choice
	Headers []string // their names
	Secrets []webhook.Secret
	Ignored []string // event types that do not exist here

	MoreIgnored int // that are not among Ignored

	Disclosed string // what is left out of the bodies
	AtMost    string // requests a second
	Keep      bool   // keep events whenever it is off
}

// Refresh reports whether something is pending.
func (v webhookView) Refresh() bool { return v.Waiting.Count > 0 || anyPending(v.Recent) }

// A testResult is the answer to a test.
type testResult struct {
	Type    webhook.EventType
	Attempt attemptView
}

func (p *pageRequest) webhookView() error { return p.showWebhook(nil) }

// recentCount is how many of its deliveries a webhook's page shows.
const recentCount = 10

func (p *pageRequest) showWebhook(test *testResult) error {
	ctx := p.r.Context()
	w, err := p.WithTallies(ctx, p.r.PathValue("id"))
	if err != nil {
		return err
	}
	lists, _, err := p.Lists(ctx)
	if err != nil {
		return err
	}
	recent, _, err := p.Deliveries(ctx, webhook.DeliveryQuery{
		Webhook: w.ID, Limit: recentCount,
	})
	if err != nil {
		return err
	}
	var newest webhook.Delivery
	if len(recent) > 0 {
		newest = recent[0]
	}
	pending, err := p.waiting(w.ID)
	if err != nil {
		return err
	}
	rows, err := p.deliveryRows(recent)
	if err != nil {
		return err
	}
	out := webhookView{
		webhookRow: p.row(w, lists, newest), Figures: p.figuresOf("webhooks/"+url.PathEscape(w.ID), w), Waiting: pending, Recent: rows, Test: test,
	}
	if out.Status.Reason, err = p.failure(out.Status, newest); err != nil {
		return err
	}
	var tested webhook.EventType
	switch {
	case test != nil:
		tested = test.Type
	case len(w.Events) > 0:
		tested = w.Events[0]
	}
	out.Types = choices(p.lang, p.types(), tested)
	out.AtMost = p.rateLimit(w)
	if out.Disclosed, err = p.disclosed(w); err != nil {
		return err
	}
	out.Keep = account.KeepsEvents(w)
	out.Ignored = w.IgnoredEvents[:min(len(w.IgnoredEvents), shownNames)]
	out.MoreIgnored = len(w.IgnoredEvents) - len(out.Ignored)
	for line := range strings.Lines(headerLines(w.Headers)) {
		name, _, _ := strings.Cut(line, ":")
		out.Headers = append(out.Headers, name)
	}
	for _, s := range w.Secrets {
		if s.Until.IsZero() || s.Until.After(p.now) {
			out.Secrets = append(out.Secrets, s)
		}
	}
	return p.render(http.StatusOK, "webhook", p.nameOf(w), out)
}

// failure adds to a status why the newest delivery failed.
func (p *pageRequest) failure(s status, newest webhook.Delivery) (string, error) {
	if s.Class != "bad" || !fails(newest) {
		return s.Reason, nil
	}
	d, err := p.Delivery(p.r.Context(), newest.ID)
	if errors.Is(err, webhook.ErrNotFound) || err == nil && len(d.Log) == 0 {
		return s.Reason, nil
	}
	if err != nil {
		return "", err
	}
	reason := p.reason(d.Log[len(d.Log)-1])
	if strings.Contains(s.Reason, reason) {
		return s.Reason, nil
	}
	return s.Reason + " " + reason, nil
}

// sendTest answers with the page itself: the answer is not kept, and a link to
// it could not be followed again.
func (p *pageRequest) sendTest() error {
	if err := p.TakeToken(); err != nil {
		return err
	}
	t := webhook.EventType(p.r.PostForm.Get("event"))
	attempt, err := p.SendTest(p.r.Context(), p.r.PathValue("id"), t)
	if err != nil {
		return err
	}
	return p.showWebhook(&testResult{t, p.attempt(0, attempt)})
}

// rotateSecret leads to the new secret, which no other page shows.
func (p *pageRequest) rotateSecret() error {
	id := p.r.PathValue("id")
	overlap, err := strconv.ParseInt(p.r.PostForm.Get("overlap"), 10, 64)
	if err != nil || overlap > int64(account.MaxOverlap.Seconds()) {
		return errNoChoice
	}
	w, err := p.Rotate(p.r.Context(), id, p.revision(), time.Duration(max(overlap, -1))*time.Second)
	if err != nil {
		return err
	}
	if overlap < 0 {
		return p.goTo("webhooks/" + url.PathEscape(id) + "?done=unsign")
	}
	return p.goTo(p.addressOfNew(w, false))
}

// A confirmation is a page that asks before something is done.
type confirmation struct {
	Webhook webhook.Webhook
	Waiting waiting
	Action  string // the last part of the address: delete, off, on
}

// actionDelete is the action that every webhook has.
const actionDelete = "delete"

func (p *pageRequest) confirm(action string, title text.Message) error {
	w, err := p.Webhook(p.r.Context(), p.r.PathValue("id"))
	if err != nil {
		return err
	}
	if w.Unreadable() != "" && action != actionDelete {
		return webhook.ErrUnreadable
	}
	pending, err := p.waiting(w.ID)
	if err != nil {
		return err
	}
	return p.render(http.StatusOK, "confirm", p.lang.Text(title), confirmation{Webhook: w, Waiting: pending, Action: action})
}

func (p *pageRequest) deleteForm() error { return p.confirm(actionDelete, "Delete this webhook?") }
func (p *pageRequest) offForm() error    { return p.confirm("off", "Switch this webhook off?") }
func (p *pageRequest) onForm() error     { return p.confirm("on", "Switch this webhook on?") }

func (p *pageRequest) deleteWebhook() error {
	if err := p.Delete(p.r.Context(), p.r.PathValue("id")); err != nil {
		return err
	}
	return p.goTo("?done=deleted")
}

func (p *pageRequest) turnOff() error {
	reason := strings.TrimSpace(p.r.PostForm.Get("reason"))
	if reason == "" {
		reason = "Switched off on the page."
	}
	id := p.r.PathValue("id")
	if _, err := p.Disable(p.r.Context(), id, reason, p.r.PostForm.Get("keep") != ""); err != nil {
		return err
	}
	return p.goTo("webhooks/" + url.PathEscape(id) + "?done=off")
}

func (p *pageRequest) turnOn() error {
	id := p.r.PathValue("id")
	_, dropped, err := p.Enable(p.r.Context(), id, p.r.PostForm.Get("kept") == dropKept)
	if err != nil {
		return err
	}
	done := "on"
	if dropped > 0 {
		done = "dropped"
	}
	return p.goTo("webhooks/" + url.PathEscape(id) + "?done=" + done)
}

// dropKept is a form's word for dropping what a webhook kept while it was off.
const dropKept = "drop"

func (p *pageRequest) tryNow() error {
	id := p.r.PathValue("id")
	if _, err := p.Probe(p.r.Context(), id); err != nil {
		return err
	}
	return p.goTo("webhooks/" + url.PathEscape(id) + "?done=tried")
}
