package page

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/label"
	"github.com/listhook/webhook/manage/internal/text"
)

// A status is how a webhook does, in words.
type status struct {
	Class  string // of its badge: good, bad, wait, none
	Text   text.Message
	Reason string
}

// statusOf says how a webhook does, by what it is and by its newest delivery.
func (p *pageRequest) statusOf(w webhook.Webhook, newest webhook.Delivery) status {
	switch failing := fails(newest); {
	case w.Unreadable() != "":
		return status{"bad", "Unreadable", p.sentence(w.Unreadable())}
	case w.Disabled != "" && w.KeepEvents:
		return status{"wait", "Off, keeps events", p.sentence(w.Disabled)}
	case w.Disabled != "":
		return status{"none", "Off", p.sentence(w.Disabled)}
	case w.Health.Failures > 0:
		reason := p.lang.Text("{n, plural, one {# failure} other {# failures in a row}} since {time}.", "n", w.Health.Failures, "time", p.short(w.Health.Since))
		reason += " " + p.sentence(w.Health.Reason)
		if w.HeldUntil.After(p.now) {
			reason += " " + p.lang.Text("All deliveries wait until {time}; then one of them is tried.", "time", p.short(w.HeldUntil))
		}
		return status{"bad", "Failing", reason}
	case w.HeldUntil.After(p.now):
		return status{"wait", "Paused", p.lang.Text("The receiver asked us to wait until {time}.", "time", p.short(w.HeldUntil))}
	case failing:
		reason := text.Message("The last delivery failed.")
		if newest.State == webhook.StatePending {
			reason = "The last delivery failed and will be tried again."
		}
		return status{"bad", "Failing", p.lang.Text(reason)}
	}
	return status{"good", "On", ""}
}

// short is a time of these days.
func (p *pageRequest) short(t time.Time) string { return p.lang.ShortTime(t.In(p.Zone())) }

// Held reports whether the webhook's deliveries wait although it is on.
func (r webhookRow) Held() bool { return account.Held(r.Webhook) }

// fails reports whether a delivery failed, for now or for good.
func fails(d webhook.Delivery) bool {
	return d.State == webhook.StateFailed || d.State == webhook.StatePending && d.Attempts > 0
}

// listName returns the name of a webhook's list.
func (p *pageRequest) listName(lists []account.List, id string) string {
	if id == "" {
		return p.lang.Text("Every list")
	}
	for _, l := range lists {
		if l.ID == id {
			return shortened(l.Name)
		}
	}
	return p.lang.Text("List {id}", "id", shortened(id))
}

// ShownURL is its URL, without a password.
func (r webhookRow) ShownURL() string { return account.HidePassword(r.URL) }

// ShortURL is the beginning of a long one.
func (r webhookRow) ShortURL() string { return shortened(r.ShownURL()) }

// shortened returns the beginning of a long text, such as a URL or a name.
func shortened(long string) string {
	const most = 120
	runes := []rune(long)
	if len(runes) <= most {
		return long
	}
	return string(runes[:most]) + "…"
}

// A webhookRow is a line of the table.
type webhookRow struct {
	webhook.Webhook
	Status  status
	List    string
	Events  []string // labels; all of them are one
	Sources []string
	Day     webhook.Tally
	Success string // of Day
	Spark   spark  // of Day
	Pending text.Number
	Last    webhook.Delivery

	Attempted time.Time // about when the last attempt was, where Last is not known; zero: never
}

// latest returns the later of two times.
func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// allOr returns the texts of the chosen labels, or one text for all of them.
func (p *pageRequest) allOr(chosen, labels []label.Label, all text.Message) []string {
	if len(chosen) == len(labels) {
		return []string{p.lang.Text(all)}
	}
	return p.texts(chosen)
}

// texts returns the texts of labels.
func (p *pageRequest) texts(labels []label.Label) []string {
	texts := make([]string, len(labels))
	for i, l := range labels {
		texts[i] = l.In(p.lang)
	}
	return texts
}

func (p *pageRequest) row(w webhook.Webhook, lists []account.List, last webhook.Delivery) webhookRow {
	hours := webhook.SumTallies(p.now, w).Day
	day := webhook.TotalTally(hours)
	return webhookRow{
		Webhook: w, Status: p.statusOf(w, last), List: p.listName(lists, w.List),
		Events:  p.allOr(label.Of(p.types(w.Events...), w.Events), p.types(), "All events"),
		Sources: p.allOr(label.Of(p.sources(w.Sources...), w.Sources), p.sources(), "Anybody"),
		Day:     day, Success: success(p.lang, day), Spark: sparkOf(hours), Last: last,
	}
}

// How many webhooks the overview shows at once, and how many of their events in a row.
const (
	overviewPage = 50
	rowNames     = 3
)

func (p *pageRequest) overview() error {
	switch {
	case p.Allows(account.RightView):
	case p.Allows(account.RightLog):
		return p.goTo("deliveries")
	default:
		return p.goTo("operator")
	}
	ctx := p.r.Context()
	lists, _, err := p.Lists(ctx)
	if err != nil {
		return err
	}
	query := p.r.URL.Query()
	search := strings.TrimSpace(query.Get("search"))
	all, err := p.Query(ctx, webhook.WebhookQuery{Tallies: true})
	if err != nil {
		return err
	}
	ws := searched(all, search, query.Get("after"))
	next := ""
	if len(ws) > overviewPage {
		ws = ws[:overviewPage]
		next = ws[overviewPage-1].ID
	}
	last, err := p.newest()
	if err != nil {
		return err
	}
	pending, err := p.pending()
	if err != nil {
		return err
	}
	rows := make([]webhookRow, len(ws))
	for i, w := range ws {
		rows[i] = p.row(w, lists, last[w.ID])
		rows[i].Events = p.firstOf(rows[i].Events, rowNames)
		rows[i].Pending = text.Number{Count: pending.byWebhook[w.ID], More: pending.cut}
		if last[w.ID].ID == "" { // reading the newest delivery of each would be a statement a row
			rows[i].Attempted = latest(w.Health.Success, w.Health.Last)
		}
	}
	return p.render(http.StatusOK, "overview", p.site(), struct {
		Figures *figures
		Rows    []webhookRow
		Waiting waiting
		Next    string
		Paged   bool
		Search  string
		Empty   bool // the account has no webhooks
	}{p.figuresOf("", all...), rows, pending.waiting, next, query.Has("after"), search, len(all) == 0})
}

// How many deliveries of the account are read for the rows of the overview: the newest
// ones, and those that have waited longest.
const (
	newestRows  = 500
	pendingRows = 1000
)

// newest returns the newest delivery of each webhook among the account's newest ones.
func (p *pageRequest) newest() (map[string]webhook.Delivery, error) {
	ds, _, err := p.Deliveries(p.r.Context(), webhook.DeliveryQuery{Limit: newestRows, Brief: true})
	byWebhook := map[string]webhook.Delivery{}
	for _, d := range ds {
		if _, known := byWebhook[d.WebhookID]; !known {
			byWebhook[d.WebhookID] = d
		}
	}
	return byWebhook, err
}

// pendingCounts are how many deliveries are pending.
type pendingCounts struct {
	waiting   waiting
	byWebhook map[string]int
	cut       bool // there are more than byWebhook counts
}

// pending counts the account's pending deliveries.
func (p *pageRequest) pending() (pendingCounts, error) {
	ds, stopped, err := p.Deliveries(p.r.Context(), webhook.DeliveryQuery{
		States: []webhook.State{webhook.StatePending}, Oldest: true, Limit: pendingRows + 1, Brief: true,
	})
	counts := pendingCounts{byWebhook: map[string]int{}, cut: len(ds) > pendingRows || stopped != webhook.Cursor{}}
	for _, d := range ds {
		counts.byWebhook[d.WebhookID]++
	}
	n, more := len(ds), false
	if err == nil && counts.cut {
		n, more, err = p.Count(p.r.Context(), webhook.DeliveryQuery{States: []webhook.State{webhook.StatePending}, Limit: countLimit + 1})
	}
	counts.waiting = waitingOf(n, more, ds)
	return counts, err
}

// waiting is what is pending.
type waiting struct {
	text.Number
	Oldest time.Time
}

// countLimit is how far pending deliveries are counted.
const countLimit = 10_000

// waiting counts what is pending for a webhook.
func (p *pageRequest) waiting(webhookID string) (waiting, error) {
	return waitingFor(p.r.Context(), p.Caller, webhookID)
}

// waitingFor counts what is pending of what a caller sees.
func waitingFor(ctx context.Context, c *account.Caller, webhookID string) (waiting, error) {
	q := webhook.DeliveryQuery{Webhook: webhookID, States: []webhook.State{webhook.StatePending}, Limit: countLimit + 1}
	n, more, err := c.Count(ctx, q)
	if err != nil || n == 0 {
		return waiting{Number: text.Number{More: more}}, err
	}
	q.Oldest, q.Limit, q.Brief = true, 1, true
	ds, _, err := c.Deliveries(ctx, q)
	return waitingOf(n, more, ds), err
}

// waitingOf returns what waits, by how many there are and by the oldest.
func waitingOf(n int, more bool, oldest []webhook.Delivery) waiting {
	w := waiting{Number: text.Number{Count: min(n, countLimit), More: more || n > countLimit}}
	if len(oldest) > 0 {
		w.Oldest = oldest[0].Created
	}
	return w
}

// add adds what waits in another database.
func (w *waiting) add(other waiting) {
	if w.Count == 0 || other.Count > 0 && other.Oldest.Before(w.Oldest) {
		w.Oldest = other.Oldest
	}
	w.Number = w.Add(other.Number)
}
