package page

import (
	"fmt"
	"net/http"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/label"
)

// A status is how a webhook does, in words.
type status struct {
	Class  string // of its badge: good, bad, wait, none
	Text   string
	Reason string
}

// statusOf says how a webhook does, by what it is and by its newest delivery.
func (p *pageRequest) statusOf(w webhook.Webhook, newest webhook.Delivery) status {
	switch failing := fails(newest); {
	case w.Disabled != "" && w.KeepEvents:
		return status{"wait", "Off, keeps events", w.Disabled}
	case w.Disabled != "":
		return status{"none", "Off", w.Disabled}
	case w.Health.Failures > 0:
		reason := fmt.Sprintf("%s in a row since %s. %s", count(w.Health.Failures, "failure"), p.short(w.Health.Since), w.Health.Reason)
		if w.HeldUntil.After(p.now) {
			reason += " All wait until " + p.short(w.HeldUntil) + ", when one is tried."
		}
		return status{"bad", "Failing", reason}
	case w.HeldUntil.After(p.now):
		return status{"wait", "Held", "Its receiver asked to wait until " + p.short(w.HeldUntil) + "."}
	case failing:
		reason := "The last delivery failed."
		if newest.State == webhook.StatePending {
			reason = "The last delivery failed, and will be tried again."
		}
		return status{"bad", "Failing", reason}
	}
	return status{"good", "On", ""}
}

// short is a time of these days.
func (p *pageRequest) short(t time.Time) string { return t.In(p.Zone()).Format("2 Jan, 15:04 MST") }

// Held reports whether the webhook's deliveries wait although it is on.
func (r webhookRow) Held() bool { return account.Held(r.Webhook) }

// fails reports whether a delivery failed, for now or for good.
func fails(d webhook.Delivery) bool {
	return d.State == webhook.StateFailed || d.State == webhook.StatePending && d.Attempts > 0
}

// listName returns the name of a webhook's list.
func listName(lists []account.List, id string) string {
	if id == "" {
		return "Every list"
	}
	for _, l := range lists {
		if l.ID == id {
			return l.Name
		}
	}
	return "List " + id
}

// ShownURL is its URL, without a password.
func (r webhookRow) ShownURL() string { return account.HidePassword(r.URL) }

// ShortURL is the beginning of a long one.
func (r webhookRow) ShortURL() string {
	const most = 120
	runes := []rune(r.ShownURL())
	if len(runes) <= most {
		return string(runes)
	}
	return string(runes[:most]) + "…"
}

// A webhookRow is a line of the table.
type webhookRow struct {
	webhook.Webhook
	Status  status
	List    string
	Events  []string // labels; all nine are one
	Sources []string
	Day     tally
	Last    webhook.Delivery
}

// allOr returns one word for all of the labels.
func allOr(texts []string, labels []label.Label, all string) []string {
	if len(texts) == len(labels) {
		return []string{all}
	}
	return texts
}

func (p *pageRequest) row(w webhook.Webhook, lists []account.List, day tally, last webhook.Delivery) webhookRow {
	return webhookRow{
		Webhook: w, Status: p.statusOf(w, last), List: listName(lists, w.List),
		Events:  allOr(label.TextsOf(label.Types, w.Events), label.Types, "All nine"),
		Sources: allOr(label.TextsOf(label.Sources, w.Sources), label.Sources, "By anybody"),
		Day:     day, Last: last,
	}
}

// overviewPage is how many webhooks the overview shows at once.
const overviewPage = 50

func (p *pageRequest) overview() error {
	if !p.Allows(account.RightView) {
		return p.goTo("operator")
	}
	ctx := p.r.Context()
	lists, _, err := p.Lists(ctx)
	if err != nil {
		return err
	}
	ws, err := p.Dispatcher.Webhooks(ctx, webhook.WebhookQuery{
		Account: p.Account, After: p.r.URL.Query().Get("after"), Limit: overviewPage + 1,
	})
	if err != nil {
		return err
	}
	next := ""
	if len(ws) > overviewPage {
		ws = ws[:overviewPage]
		next = ws[overviewPage-1].ID
	}
	last, err := p.lastDay("")
	if err != nil {
		return err
	}
	rows := make([]webhookRow, len(ws))
	for i, w := range ws {
		tally := last.of(w.ID)
		if tally.Last.ID == "" {
			if tally.Last, err = p.Newest(ctx, w.ID); err != nil {
				return err
			}
		}
		rows[i] = p.row(w, lists, tally, tally.Last)
	}
	pending, err := p.waiting("")
	if err != nil {
		return err
	}
	return p.render(http.StatusOK, "overview", p.page.Title, struct {
		Day     *day
		Rows    []webhookRow
		Waiting waiting
		Next    string
		Paged   bool
	}{last, rows, pending, next, p.r.URL.Query().Has("after")})
}

// waiting is what is pending.
type waiting struct {
	number
	Oldest time.Time
}

// countLimit is how far pending deliveries are counted.
const countLimit = 10_000

// waiting counts what is pending in the account, or for one of its webhooks.
func (p *pageRequest) waiting(webhookID string) (waiting, error) {
	return p.waitingOf(webhook.DeliveryQuery{Account: p.Account, Webhook: webhookID})
}

func (p *pageRequest) waitingOf(q webhook.DeliveryQuery) (waiting, error) {
	q.States = []webhook.State{webhook.StatePending}
	q.Limit = countLimit + 1
	n, err := p.Dispatcher.Count(p.r.Context(), q)
	if err != nil || n == 0 {
		return waiting{}, err
	}
	q.Oldest, q.Limit, q.Brief = true, 1, true
	ds, err := p.Dispatcher.Deliveries(p.r.Context(), q)
	if err != nil || len(ds) == 0 {
		return waiting{}, err
	}
	return waiting{number{min(n, countLimit), n > countLimit}, ds[0].Created}, nil
}
