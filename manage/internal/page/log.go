package page

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/netguard"
	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/label"
	"github.com/listhook/webhook/manage/internal/params"
	"github.com/listhook/webhook/manage/internal/text"
)

// A logView is the delivery log with its filters.
type logView struct {
	Deliveries []deliveryRow
	Webhooks   []choice // nil: there are too many to choose from
	Webhook    string   // as typed, where there is nothing to choose from
	States     []choice
	Types      []choice
	Since      string // as typed
	Until      string
	Errors     map[string]string
	Filtered   bool
	Newer      string // addresses; "": none
	Older      string
}

// A deliveryRow is a line of a table of deliveries.
type deliveryRow struct {
	webhook.Delivery
	Next account.NextAttempt // of a pending one
	Name string              // of the webhook
}

func (p *pageRequest) deliveryRows(ds []webhook.Delivery) ([]deliveryRow, error) {
	ws, err := p.WebhooksOf(p.r.Context(), ds)
	if err != nil {
		return nil, err
	}
	rows := make([]deliveryRow, len(ds))
	for i, d := range ds {
		w := ws[d.WebhookID]
		rows[i] = deliveryRow{d, account.NextAttemptOf(d, w, p.now), p.lang.Text("(deleted webhook)")}
		if w != nil {
			rows[i].Name = p.nameOf(*w)
		}
	}
	return rows, nil
}

// Refresh reports whether something on the log's first page is pending.
func (l logView) Refresh() bool { return l.Newer == "" && anyPending(l.Deliveries) }

func anyPending(rows []deliveryRow) bool {
	return slices.ContainsFunc(rows, func(r deliveryRow) bool { return r.State == webhook.StatePending })
}

// logPage is how many deliveries the log shows at once.
const logPage = 50

func (p *pageRequest) log() error {
	query := p.r.URL.Query()
	out := logView{
		States: choices(p.lang, label.States, query.Get("state")),
		Types:  choices(p.lang, p.types(), query.Get("event")), Since: query.Get("since"), Until: query.Get("until"),
		Errors: map[string]string{},
	}
	ws, err := p.Query(p.r.Context(), webhook.WebhookQuery{Limit: logWebhooks + 1})
	if err != nil {
		return err
	}
	q := p.logQuery(query, &out)
	if len(ws) > logWebhooks {
		if q.Webhook, err = p.webhookNamed(&out, strings.TrimSpace(query.Get("webhook"))); err != nil {
			return err
		}
	} else {
		for _, w := range ws {
			out.Webhooks = append(out.Webhooks, choice{w.ID, p.nameOf(w), w.ID == query.Get("webhook")})
		}
	}
	status := http.StatusOK
	if len(out.Errors) > 0 {
		status = http.StatusUnprocessableEntity
	} else if err := p.readLog(q, query, &out); err != nil {
		return err
	}
	return p.render(status, "log", p.lang.Text("Delivery log"), out)
}

// logWebhooks is how many webhooks the log offers to choose from. Where there are
// more, a name or an ID is typed.
const logWebhooks = 100

// webhookNamed returns the ID of the webhook with this ID or name, and notes an error
// if there is none or there are several.
func (p *pageRequest) webhookNamed(out *logView, typed string) (id string, err error) {
	if out.Webhook = typed; typed == "" {
		return "", nil
	}
	ws, err := p.Query(p.r.Context(), webhook.WebhookQuery{IDs: []string{typed}})
	if err != nil || len(ws) == 1 {
		return typed, err
	}
	if ws, err = p.Webhooks(p.r.Context()); err != nil {
		return "", err
	}
	ws = slices.DeleteFunc(ws, func(w webhook.Webhook) bool { return !strings.EqualFold(w.Name, typed) })
	switch len(ws) {
	case 1:
		return ws[0].ID, nil
	case 0:
		out.Errors["Webhook"] = p.lang.Text("No webhook has this name or ID.")
	default:
		out.Errors["Webhook"] = p.lang.Text("Several webhooks have this name: enter an ID.")
	}
	return "", nil
}

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
	if out.Deliveries, err = p.deliveryRows(ds); err != nil || len(ds) == 0 {
		return err
	}
	if more || q.Oldest {
		out.Older = pageAddress(query, "after", account.CursorOf(ds[len(ds)-1]))
	}
	if more && q.Oldest || after != "" {
		out.Newer = pageAddress(query, "before", account.CursorOf(ds[0]))
	}
	return nil
}

// pageAddress is the log's address with the same filters, elsewhere.
func pageAddress(query url.Values, key, cursor string) string {
	to := url.Values{key: {cursor}}
	for _, filter := range []string{"webhook", "state", "event", "since", "until"} {
		if value := query.Get(filter); value != "" {
			to.Set(filter, value)
		}
	}
	return "deliveries?" + to.Encode()
}

// A deliveryView is one delivery with all that was tried.
type deliveryView struct {
	deliveryRow
	Webhook  *webhook.Webhook // nil: it was deleted
	Head     []string         // the request's first lines
	Params   params.Params
	Body     string
	Pretty   string // the body with indents; "": it is not JSON
	Curl     string // the request as a command
	Attempts []attemptView
	Erased   bool

	account.Line
	Waiting text.Number // deliveries that wait for this one
}

// An attemptView is an attempt as the page shows it.
type attemptView struct {
	webhook.Attempt
	Number   int // 0: a test
	OK       bool
	Note     bool // nothing was sent
	Took     string
	Why      string // it failed; "": it did not
	Response string
	Pretty   string // the response with indents; "": it is not JSON
	Detail   string // for the operator only
	Stamp    int64
}

func (p *pageRequest) attempt(number int, a webhook.Attempt) attemptView {
	out := attemptView{
		Attempt: a, Number: number, OK: a.Status >= 200 && a.Status < 300, Took: p.lang.Took(a.Duration), Why: p.reason(a),
		Note:     a.Status == 0 && a.Duration == 0,
		Response: strings.ToValidUTF8(string(a.Response), "\ufffd"), Stamp: a.Start.Unix(),
	}
	out.Pretty, _ = pretty(a.Response)
	if p.Operator {
		out.Detail = a.Detail
	}
	return out
}

func (p *pageRequest) deliveryView() error {
	d, err := p.Delivery(p.r.Context(), p.r.PathValue("id"))
	if err != nil {
		return err
	}
	out := deliveryView{
		Body: strings.ToValidUTF8(string(d.Body), "\ufffd"), Params: params.OfDelivery(d.Body), Erased: len(d.Body) == 0,
	}
	out.Pretty, _ = pretty(d.Body)
	w, err := p.Webhook(p.r.Context(), d.WebhookID)
	switch {
	case err == nil:
		out.Webhook = &w
		out.Head = requestHead(w, d)
		out.Curl = curlCommand(w, out.Head, out.Body)
	case !errors.Is(err, webhook.ErrNotFound):
		return err
	}
	out.deliveryRow = deliveryRow{Delivery: d, Next: account.NextAttemptOf(d, out.Webhook, p.now)}
	if out.Line, err = p.LineOf(p.r.Context(), d); err != nil {
		return err
	}
	if out.Blocking != nil {
		out.Next = account.NextAttempt{Reason: account.NextInOrder}
	}
	out.Waiting = text.Number{Count: min(out.Behind, countLimit), More: out.Behind > countLimit}
	number := 0
	for _, a := range d.Log {
		one := p.attempt(0, a)
		if !one.Note {
			number++
			one.Number = number
		}
		out.Attempts = append(out.Attempts, one)
	}
	slices.Reverse(out.Attempts)
	return p.render(http.StatusOK, "delivery", label.Find(p.types(), d.Type).In(p.lang), out)
}

// requestHead returns the first lines of a delivery's request, as its webhook
// is now. The values of the customer's own fields may be passwords, and what
// differs between attempts is said with each.
func requestHead(w webhook.Webhook, d webhook.Delivery) []string {
	host, target := "", w.URL
	if u, refused := netguard.Normalize(w.URL); refused == nil {
		host, target = u.Host, u.RequestURI()
	}
	head := []string{
		"POST " + target + " HTTP/1.1",
		"Host: " + host,
		"Content-Type: " + d.ContentType(),
		"Content-Length: " + strconv.Itoa(len(d.Body)),
		webhook.HeaderID + ": " + d.ID,
		webhook.HeaderEvent + ": " + string(d.Type),
		webhook.HeaderEventTime + ": " + strconv.FormatInt(account.EventTime(d).UnixMilli(), 10),
	}
	if d.Sequence > 0 {
		head = append(head, webhook.HeaderSequence+": "+strconv.FormatInt(d.Sequence, 10))
	}
	for line := range strings.Lines(headerLines(w.Headers)) {
		name, _, _ := strings.Cut(line, ":")
		head = append(head, name+": •••")
	}
	if len(w.Secrets) > 0 {
		head = append(head, webhook.HeaderSignature+": v1,…")
	}
	return head
}

// curlCommand returns the request as a command for a shell, without what is secret.
func curlCommand(w webhook.Webhook, head []string, body string) string {
	target := ""
	if u, refused := netguard.Normalize(w.URL); refused == nil {
		target = u.Scheme + "://" + u.Host + u.RequestURI()
	}
	var b strings.Builder
	b.WriteString("curl " + shellQuoted(target))
	for _, line := range head[1:] {
		if !strings.HasPrefix(line, "Host:") && !strings.HasPrefix(line, "Content-Length:") {
			b.WriteString(" \\\n  -H " + shellQuoted(line))
		}
	}
	b.WriteString(" \\\n  --data-raw " + shellQuoted(body))
	return b.String()
}

// shellQuoted quotes a text for a POSIX shell.
func shellQuoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
