package page

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/label"
	"github.com/listhook/webhook/manage/internal/text"
)

// A logView is the delivery log with its filters.
type logView struct {
	Deliveries []deliveryRow
	Webhooks   []choice // nil: there are too many to choose from
	Webhook    string   // as typed, where there is nothing to choose from
	Named      string   // what the webhook is called that was found by Webhook
	States     []choice
	Types      []choice
	Since      string // as typed
	Until      string
	Find       []choice // what may be looked for
	Value      string   // that is looked for, as typed
	About      string   // account.Search.About, where Value does not say who that is
	Reason     string   // as typed
	Reasons    []choice // words for it
	Errors     map[string]string
	Filtered   bool
	Newer      string // addresses; "": none
	Older      string
	Refresh    string // this page's address, if something on it may change; "": nothing may
}

// A deliveryRow is a line of a table of deliveries.
type deliveryRow struct {
	webhook.Delivery
	Next   account.NextAttempt // of a pending one
	Name   string              // of the webhook
	Who    string              // the subscriber's address or ID; "": nobody, or it was erased
	Result string              // of the last attempt: its status, or why it failed; "": there was none
	Took   string              // that attempt
	Made   int                 // attempts: see attemptsMade
}

func (p *pageRequest) deliveryRows(ds []webhook.Delivery) ([]deliveryRow, error) {
	ws, err := p.WebhooksOf(p.r.Context(), ds)
	if err != nil {
		return nil, err
	}
	rows := make([]deliveryRow, len(ds))
	for i, d := range ds {
		w := ws[d.WebhookID]
		rows[i] = deliveryRow{Delivery: d, Next: account.NextAttemptOf(d, w, p.now), Name: p.lang.Text("(deleted webhook)")}
		if w != nil {
			rows[i].Name = p.nameOf(*w)
		}
		rows[i].Result, rows[i].Took = p.result(d)
		rows[i].Made = attemptsMade(d)
		id, email := d.Subscriber()
		rows[i].Who = cmp.Or(email, id)
	}
	return rows, nil
}

// result says in a few words how the last attempt of a delivery ended, and how long it
// took.
func (p *pageRequest) result(d webhook.Delivery) (result, took string) {
	if len(d.Log) == 0 {
		return "", ""
	}
	a := d.Log[len(d.Log)-1]
	switch failure := a.Failure(); {
	case a.Status == 0 && a.Duration == 0 && d.State == webhook.StateCanceled: // which says it
		return "", ""
	case failure != "":
		result = label.ShortFailure(p.lang, failure)
	case a.Status != 0:
		result = strconv.Itoa(a.Status)
	}
	if a.Duration > 0 {
		took = p.lang.Took(a.Duration)
	}
	return result, took
}

func anyPending(rows []deliveryRow) bool {
	return slices.ContainsFunc(rows, func(r deliveryRow) bool { return r.State == webhook.StatePending })
}

// logPage is how many deliveries the log shows at once.
const logPage = 50

func (p *pageRequest) log() error {
	query := p.r.URL.Query()
	out, q, err := p.filters(query)
	if err != nil {
		return err
	}
	if p.Searchable() && strings.Contains(query.Get("subscriber"), "@") {
		out.Errors["Value"] = p.lang.Text("Type the email address here instead: links are kept in server logs.")
	}
	status := http.StatusOK
	if len(out.Errors) > 0 {
		status = http.StatusUnprocessableEntity
	} else if err := p.readLog(q, query, &out); err != nil {
		return err
	}
	return p.render(status, "log", p.lang.Text("Delivery log"), out)
}

// filters reads the form of the log.
func (p *pageRequest) filters(query url.Values) (out logView, q webhook.DeliveryQuery, err error) {
	out = logView{
		States: choices(p.lang, label.States, query.Get("state")),
		Types:  choices(p.lang, p.types(), query.Get("event")), Since: query.Get("since"), Until: query.Get("until"),
		Errors: map[string]string{},
	}
	ws, err := p.Query(p.r.Context(), webhook.WebhookQuery{Limit: logWebhooks + 1})
	if err != nil {
		return out, q, err
	}
	q = p.logQuery(query, &out)
	if err := p.search(query, &out, &q); err != nil {
		return out, q, err
	}
	if len(ws) > logWebhooks {
		if q.Webhook, err = p.webhookNamed(&out, strings.TrimSpace(query.Get("webhook"))); err != nil {
			return out, q, err
		}
	} else {
		for _, w := range ws {
			out.Webhooks = append(out.Webhooks, choice{w.ID, p.nameOf(w), w.ID == query.Get("webhook")})
		}
	}
	return out, q, nil
}

// logWebhooks is how many webhooks the log offers to choose from. Where there are
// more, a name or an ID is typed.
const logWebhooks = 100

// noTime says how a time is typed where the browser has no field for it.
const noTime text.Message = "Enter a date and a time, such as 2026-03-31T18:30."

// logQuery reads the filters.
func (p *pageRequest) logQuery(query url.Values, out *logView) webhook.DeliveryQuery {
	q := webhook.DeliveryQuery{Webhook: query.Get("webhook"), Limit: logPage + 1, Brief: true}
	if state := query.Get("state"); state != "" {
		q.States = []webhook.State{webhook.State(state)}
	}
	if event := query.Get("event"); event != "" {
		q.Types = []webhook.EventType{webhook.EventType(event)}
	}
	var err error
	if q.Since, err = readLocal(out.Since, p.Zone()); err != nil {
		out.Errors["Since"] = p.lang.Text(noTime)
	}
	if q.Until, err = readLocal(out.Until, p.Zone()); err != nil {
		out.Errors["Until"] = p.lang.Text(noTime)
	}
	out.Filtered = q.Webhook != "" || q.States != nil || q.Types != nil || !q.Since.IsZero() || !q.Until.IsZero()
	return q
}

// readLog reads a page of the log. Going back to newer ones it is read oldest
// first, from the other side.
func (p *pageRequest) readLog(q webhook.DeliveryQuery, query url.Values, out *logView) error {
	after, before := query.Get("after"), query.Get("before")
	if before != "" {
		q.After, q.Oldest = webhook.Cursor{}, true
	}
	cursor, ok := account.ParseCursor(after + before)
	if ok {
		q.After = cursor
	} else if after+before != "" {
		return webhook.ErrNotFound
	}
	ds, stopped, err := p.Deliveries(p.r.Context(), q)
	if err != nil {
		return err
	}
	more := len(ds) > logPage
	if more {
		ds = ds[:logPage]
	}
	if q.Oldest {
		slices.Reverse(ds)
	}
	if stopped != (webhook.Cursor{}) { // there may be more beyond
		if q.Oldest {
			out.Newer = pageAddress(query, "before", account.TextOf(stopped))
		} else {
			out.Older = pageAddress(query, "after", account.TextOf(stopped))
		}
	}
	if ds, err = p.WithDocuments(p.r.Context(), ds); err != nil {
		return err
	}
	if out.Deliveries, err = p.deliveryRows(ds); err != nil || len(ds) == 0 {
		return err
	}
	p.nameAbout(out)
	if more || q.Oldest {
		out.Older = pageAddress(query, "after", account.CursorOf(ds[len(ds)-1]))
	}
	if more && q.Oldest || after != "" {
		out.Newer = pageAddress(query, "before", account.CursorOf(ds[0]))
	}
	if out.Newer == "" && anyPending(out.Deliveries) {
		out.Refresh = pageAddress(query, "", "")
	}
	return nil
}

// pageAddress is the log's address with the same filters, elsewhere; without a key it is
// that of the first page.
func pageAddress(query url.Values, key, cursor string) string {
	to := url.Values{}
	if key != "" {
		to.Set(key, cursor)
	}
	for _, filter := range logFilters {
		if value := query.Get(filter); value != "" {
			to.Set(filter, value)
		}
	}
	if len(to) == 0 {
		return "deliveries"
	}
	return "deliveries?" + to.Encode()
}
