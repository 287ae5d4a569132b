package page

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/netguard"
	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/text"
)

// The operator sees which receivers fail and what waits, in all accounts.

// A failingWebhook is a webhook that fails, or that deliveries wait for.
type failingWebhook struct {
	webhook.Webhook
	Gone     bool // it was deleted
	Status   status
	Failed   text.Number // deliveries of the last day
	Canceled text.Number // the same
	Pending  text.Number
	Oldest   time.Time // of the pending
}

// How much the operator's view looks at.
const (
	operatorRows = 5000 // deliveries of a state
	operatorShow = 100  // webhooks

	operatorLines = 15 // deliveries of a state, of one webhook
)

func (p *pageRequest) operator() error {
	pending, err := p.waitingOf(webhook.DeliveryQuery{All: true})
	if err != nil {
		return err
	}
	yesterday := p.now.Add(-24 * time.Hour)
	failed, err := p.stateOf(webhook.DeliveryQuery{States: []webhook.State{webhook.StateFailed}, Since: yesterday})
	if err != nil {
		return err
	}
	canceled, err := p.stateOf(webhook.DeliveryQuery{States: []webhook.State{webhook.StateCanceled}, Since: yesterday})
	if err != nil {
		return err
	}
	waits, err := p.stateOf(webhook.DeliveryQuery{States: []webhook.State{webhook.StatePending}, Oldest: true})
	if err != nil {
		return err
	}
	failing := failingOf(failed, canceled, waits)
	rows, err := p.worst(failing)
	if err != nil {
		return err
	}
	return p.render(http.StatusOK, "operator", p.lang.Text("All accounts"), struct {
		Waiting waiting
		Failed  text.Number
		Failing []failingWebhook
		Hidden  int
	}{pending, text.Number{Count: len(failed.deliveries), More: failed.more}, rows, max(len(failing)-operatorShow, 0)})
}

// A stateRead is what was read of the deliveries in a state, of all accounts.
type stateRead struct {
	deliveries []webhook.Delivery
	more       bool // there are others
}

func (p *pageRequest) stateOf(q webhook.DeliveryQuery) (stateRead, error) {
	q.All, q.Limit, q.Brief = true, operatorRows+1, true
	ds, err := p.Dispatcher.Deliveries(p.r.Context(), q)
	if len(ds) > operatorRows {
		return stateRead{ds[:operatorRows], true}, err
	}
	return stateRead{ds, false}, err
}

// failingOf counts deliveries by webhook. Of the pending the oldest come first.
// Where more deliveries are in a state than were read, each webhook may have more
// of them.
func failingOf(failed, canceled, pending stateRead) map[string]*failingWebhook {
	failing := map[string]*failingWebhook{}
	of := func(d webhook.Delivery) *failingWebhook {
		if failing[d.WebhookID] == nil {
			failing[d.WebhookID] = &failingWebhook{
				Webhook: webhook.Webhook{ID: d.WebhookID, Account: d.Account}, Gone: true,
				Failed: text.Number{More: failed.more}, Canceled: text.Number{More: canceled.more}, Pending: text.Number{More: pending.more},
			}
		}
		return failing[d.WebhookID]
	}
	for _, d := range failed.deliveries {
		of(d).Failed.Count++
	}
	for _, d := range canceled.deliveries {
		of(d).Canceled.Count++
	}
	for _, d := range pending.deliveries {
		f := of(d)
		if f.Pending.Count++; f.Pending.Count == 1 {
			f.Oldest = d.Created
		}
	}
	return failing
}

// harmless reports whether nothing is wrong but that deliveries were canceled,
// as when the webhook was deleted or what waited was dropped; those of a webhook
// that is off tell of it.
func (f failingWebhook) harmless() bool {
	return f.Pending.Count == 0 && f.Failed.Count == 0 && (f.Gone || f.Disabled == "")
}

// worst returns the webhooks that are the worst off, with what is known of
// them: first those whose deliveries have waited longest.
func (p *pageRequest) worst(failing map[string]*failingWebhook) ([]failingWebhook, error) {
	var rows []failingWebhook
	for _, t := range failing {
		rows = append(rows, *t)
	}
	slices.SortFunc(rows, func(a, b failingWebhook) int {
		if a.Pending.Count == 0 || b.Pending.Count == 0 {
			return cmp.Or(cmp.Compare(min(b.Pending.Count, 1), min(a.Pending.Count, 1)), cmp.Compare(b.Failed.Count, a.Failed.Count), cmp.Compare(a.ID, b.ID))
		}
		return cmp.Or(a.Oldest.Compare(b.Oldest), cmp.Compare(a.ID, b.ID))
	})
	rows = rows[:min(len(rows), operatorShow)]
	var ids []string
	for _, t := range rows {
		ids = append(ids, t.ID)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	ws, err := p.Dispatcher.Webhooks(p.r.Context(), webhook.WebhookQuery{All: true, IDs: ids})
	if err != nil {
		return nil, err
	}
	for _, w := range ws {
		for i := range rows {
			if rows[i].ID == w.ID {
				rows[i].Webhook, rows[i].Gone = w, false
				rows[i].Status = p.statusOf(w, webhook.Delivery{})
				switch {
				case rows[i].Status.Class != "good":
				case rows[i].Failed.Count > 0:
					rows[i].Status = status{"bad", "Failing", ""}
				case rows[i].Pending.Count > 0:
					rows[i].Status = status{"wait", "Waiting", ""}
				}
			}
		}
	}
	return slices.DeleteFunc(rows, failingWebhook.harmless), nil
}

// anyWebhook returns the webhook that the operator asks for, of any account.
func (p *pageRequest) anyWebhook(values url.Values) (*account.Caller, webhook.Webhook, error) {
	access := p.Access
	access.Account = values.Get("account")
	theirs := p.Service.Caller(access)
	w, err := theirs.Webhook(p.r.Context(), values.Get("id"))
	return theirs, w, err
}

func (p *pageRequest) operatorWebhook() error {
	theirs, w, err := p.anyWebhook(p.r.URL.Query())
	if err != nil {
		return err
	}
	// What failed comes first: there may be thousands that wait.
	var ds []webhook.Delivery
	for _, state := range []webhook.State{webhook.StateFailed, webhook.StatePending} {
		some, err := p.Dispatcher.Deliveries(p.r.Context(), webhook.DeliveryQuery{
			Account: w.Account, Webhook: w.ID, States: []webhook.State{state}, Limit: operatorLines,
		})
		if err != nil {
			return err
		}
		ds = append(ds, some...)
	}
	type line struct {
		webhook.Delivery
		Last *attemptView
	}
	var lines []line
	for _, d := range ds {
		l := line{Delivery: d}
		if n := len(d.Log); n > 0 {
			last := p.attempt(n, d.Log[n-1])
			l.Last = &last
		}
		lines = append(lines, l)
	}
	newest, err := theirs.Newest(p.r.Context(), w.ID)
	if err != nil {
		return err
	}
	pending, err := p.waitingOf(webhook.DeliveryQuery{Account: theirs.Account, Webhook: w.ID})
	if err != nil {
		return err
	}
	return p.render(http.StatusOK, "operatorwebhook", p.nameOf(w), struct {
		webhook.Webhook
		Status  status
		Host    string
		Held    bool
		Waiting waiting
		Lines   []line
	}{w, p.statusOf(w, newest), hostOf(w.URL), account.Held(w), pending, lines})
}

// hostOf is as much of a customer's URL as the operator needs: the host that
// requests go to. The rest may be a key.
func hostOf(rawURL string) string {
	u, refused := netguard.Normalize(rawURL)
	if refused != nil {
		return ""
	}
	return u.Host
}

func (p *pageRequest) operatorSwitch() error {
	form := p.r.PostForm
	theirs, w, err := p.anyWebhook(form)
	if err != nil {
		return err
	}
	switch form.Get("do") {
	case "on":
		_, _, err = theirs.Enable(p.r.Context(), w.ID, form.Get("kept") == dropKept)
	case "try":
		_, err = p.Dispatcher.ProbeNow(p.r.Context(), w.Account, w.ID)
	case "off":
		reason := cmp.Or(strings.TrimSpace(form.Get("reason")), "Switched off by the operator.")
		_, err = theirs.Disable(p.r.Context(), w.ID, reason, form.Get("keep") != "")
	default:
		err = errNoChoice
	}
	if err != nil {
		return err
	}
	return p.goTo("operator/webhook?" + url.Values{"account": {w.Account}, "id": {w.ID}}.Encode())
}
