package manage

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/listhook/webhook"
)

// A status is how a webhook does, in words.
type status struct {
	Class  string // of its badge: good, bad, wait, none
	Text   string
	Reason string
}

// statusOf says how a webhook does, by what it is and by its newest delivery.
func (v *visit) statusOf(w webhook.Webhook, newest webhook.Delivery) status {
	switch failing := fails(newest); {
	case w.Off != "" && w.Keep:
		return status{"wait", "Off, keeps events", w.Off}
	case w.Off != "":
		return status{"none", "Off", w.Off}
	case w.Health.Failures > 0:
		reason := fmt.Sprintf("%s in a row since %s. %s", count(w.Health.Failures, "failure"), v.short(w.Health.Since), w.Health.Reason)
		if w.Hold.After(v.now) {
			reason += " All wait until " + v.short(w.Hold) + ", when one is tried."
		}
		return status{"bad", "Failing", reason}
	case w.Hold.After(v.now):
		return status{"wait", "Held", "Its receiver asked to wait until " + v.short(w.Hold) + "."}
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
func (v *visit) short(t time.Time) string { return t.In(v.location()).Format("2 Jan, 15:04 MST") }

// Held reports whether the webhook's deliveries wait although it is on.
func (r webhookRow) Held() bool { return held(r.Webhook) }

func held(w webhook.Webhook) bool { return w.Off == "" && w.Hold.After(time.Now()) }

// fails reports whether a delivery failed, for now or for good.
func fails(d webhook.Delivery) bool {
	return d.State == webhook.StateFailed || d.State == webhook.StatePending && d.Attempts > 0
}

// listName returns the name of a webhook's list.
func listName(lists []List, id string) string {
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

// shownURL is as much of a webhook's URL as everybody who may view sees: a
// password in it is for those who edit it.
func shownURL(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil || u.User == nil {
		return rawURL
	}
	if _, has := u.User.Password(); has {
		u.User = url.UserPassword(u.User.Username(), "•••")
		return strings.Replace(u.String(), url.QueryEscape("•••"), "•••", 1)
	}
	return rawURL
}

// ShownURL is its URL, without a password.
func (r webhookRow) ShownURL() string { return shownURL(r.URL) }

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
func allOr(texts []string, labels []label, all string) []string {
	if len(texts) == len(labels) {
		return []string{all}
	}
	return texts
}

func (v *visit) row(w webhook.Webhook, lists []List, day tally, last webhook.Delivery) webhookRow {
	return webhookRow{
		Webhook: w, Status: v.statusOf(w, last), List: listName(lists, w.List),
		Events:  allOr(labelsOf(typeLabels, w.Events), typeLabels, "All nine"),
		Sources: allOr(labelsOf(sourceLabels, w.Sources), sourceLabels, "By anybody"),
		Day:     day, Last: last,
	}
}

// overviewPage is how many webhooks the overview shows at once.
const overviewPage = 50

func (v *visit) overview() error {
	if !v.allows(rightView) {
		return v.goTo("operator")
	}
	ctx := v.r.Context()
	lists, _, err := v.lists(ctx)
	if err != nil {
		return err
	}
	ws, err := v.d.Webhooks(ctx, webhook.WebhookQuery{
		Account: v.Account, After: v.r.URL.Query().Get("after"), Limit: overviewPage + 1,
	})
	if err != nil {
		return err
	}
	next := ""
	if len(ws) > overviewPage {
		ws = ws[:overviewPage]
		next = ws[overviewPage-1].ID
	}
	last, err := v.lastDay(ctx, "", v.now)
	if err != nil {
		return err
	}
	rows := make([]webhookRow, len(ws))
	for i, w := range ws {
		tally := last.of(w.ID)
		if tally.Last.ID == "" {
			if tally.Last, err = v.newest(ctx, w.ID); err != nil {
				return err
			}
		}
		rows[i] = v.row(w, lists, tally, tally.Last)
	}
	pending, err := v.waiting("")
	if err != nil {
		return err
	}
	return v.render(http.StatusOK, "overview", v.opts.Title, struct {
		Day     *day
		Rows    []webhookRow
		Waiting waiting
		Next    string
		Paged   bool
	}{last, rows, pending, next, v.r.URL.Query().Has("after")})
}

// newest returns the newest delivery of a webhook, or none.
func (a *account) newest(ctx context.Context, webhookID string) (webhook.Delivery, error) {
	ds, err := a.d.Deliveries(ctx, webhook.DeliveryQuery{
		Account: a.Account, Webhook: webhookID, Limit: 1, Brief: true,
	})
	if err != nil || len(ds) == 0 {
		return webhook.Delivery{}, err
	}
	return ds[0], nil
}

// waiting is what is pending.
type waiting struct {
	Count  int
	More   bool // than Count
	Oldest time.Time
}

func (w waiting) String() string {
	if w.More {
		return fmt.Sprintf("more than %d", w.Count)
	}
	return fmt.Sprint(w.Count)
}

// countLimit is how far pending deliveries are counted.
const countLimit = 10_000

// waiting counts what is pending in the account, or for one of its webhooks.
func (v *visit) waiting(webhookID string) (waiting, error) {
	return v.waitingOf(webhook.DeliveryQuery{Account: v.Account, Webhook: webhookID})
}

func (v *visit) waitingOf(q webhook.DeliveryQuery) (waiting, error) {
	q.States = []webhook.State{webhook.StatePending}
	q.Limit = countLimit + 1
	n, err := v.d.Count(v.r.Context(), q)
	if err != nil || n == 0 {
		return waiting{}, err
	}
	q.Oldest, q.Limit, q.Brief = true, 1, true
	ds, err := v.d.Deliveries(v.r.Context(), q)
	if err != nil || len(ds) == 0 {
		return waiting{}, err
	}
	return waiting{min(n, countLimit), n > countLimit, ds[0].Created}, nil
}
