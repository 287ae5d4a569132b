package page

import (
	"cmp"
	"errors"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/netguard"
	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/label"
	"github.com/listhook/webhook/manage/internal/params"
	"github.com/listhook/webhook/manage/internal/text"
)

// A deliveryView is one delivery with all that was tried.
type deliveryView struct {
	deliveryRow
	bodyView
	Webhook  *webhook.Webhook // nil: it was deleted
	Head     []string         // the request's first lines
	Curl     string           // the request as a command
	Attempts []attemptView    // the newest
	Earlier  int              // attempts that are not shown
	NoBody   string           // why there is none; "": there is one

	account.Line
	Waiting text.Number // deliveries that wait for this one
}

// How much of a body a page shows, in bytes of HTML: of a larger one its beginning. Where it
// is all shown, it stands there several times.
const (
	shownBody   = 14 << 10
	shownPretty = 24 << 10
	shownValue  = 500 // of a value
	shownParams = 200 // values
)

// A bodyView is what a page shows of a body.
type bodyView struct {
	Params     params.Params
	MoreParams int
	Body       string
	Pretty     string // the body with indents; "": it is not JSON, or it is large
	Size       int    // bytes of the body, of which Body is the beginning; 0: it is all
}

func bodyViewOf(body []byte) (v bodyView) {
	v.Params = params.OfDelivery(body)
	if len(v.Params) > shownParams {
		v.Params, v.MoreParams = v.Params[:shownParams], len(v.Params)-shownParams
	}
	for i, param := range v.Params {
		if value, cut := beginning(param.Value, shownValue); cut {
			v.Params[i].Value = value + "…"
		}
	}
	var cut bool
	if v.Body, cut = beginning(string(body), shownBody); cut {
		v.Size = len(body)
	} else {
		v.Pretty = shownIndented(body)
	}
	return v
}

// shownIndented returns JSON with indents; "": it is something else, or too large so.
func shownIndented(body []byte) string {
	indented, ok := pretty(body)
	if !ok || len(indented) > shownPretty {
		return ""
	}
	if _, cut := beginning(indented, shownPretty); cut {
		return ""
	}
	return indented
}

// beginning returns the beginning of a text that takes at most so many bytes in HTML, and
// whether there is more of it.
func beginning(text string, most int) (string, bool) {
	for i, r := range text {
		switch r {
		case '"', '\'', '&':
			most -= len("&#34;")
		case '<', '>':
			most -= len("&lt;")
		default:
			most -= utf8.RuneLen(r)
		}
		if most < 0 {
			return strings.ToValidUTF8(text[:i], "\ufffd"), true
		}
	}
	return strings.ToValidUTF8(text, "\ufffd"), false
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
	Cut      bool   // the response goes on
	Detail   string // for the operator only
	Stamp    int64
	InBatch  *batchView // nil: the request brought this delivery alone
}

func (p *pageRequest) attempt(number int, a webhook.Attempt) attemptView {
	out := attemptView{
		Attempt: a, Number: number, OK: a.Status >= 200 && a.Status < 300, Took: p.lang.Took(a.Duration), Why: p.reason(a),
		Note: a.Status == 0 && a.Duration == 0, Stamp: a.Start.Unix(),
	}
	out.showResponse(shownResponses)
	if p.Operator {
		out.Detail = a.Detail
	}
	return out
}

// How many attempts a delivery's page shows, and how much of their responses, in bytes of
// HTML: those of the newest ones whole, as far as there is room, and the beginning of others.
const (
	shownAttempts  = 30
	shownResponses = 24 << 10 // in all
	shownResponse  = 200      // of each that is not shown whole
)

// showResponse shows as much of the response as there is room for, and returns how much room
// is left.
func (a *attemptView) showResponse(room int) (left int) {
	if a.Response, a.Cut = beginning(string(a.Attempt.Response), room); a.Cut {
		a.Response, _ = beginning(string(a.Attempt.Response), max(room, shownResponse))
		a.Pretty = ""
		return 0
	}
	a.Pretty = shownIndented(a.Attempt.Response)
	return room - len(template.HTMLEscapeString(cmp.Or(a.Pretty, a.Response)))
}

// attempts returns the newest attempts of a delivery, the newest first, and how many are
// not among them.
func (p *pageRequest) attempts(d webhook.Delivery) (shown []attemptView, earlier int, err error) {
	earlier = max(len(d.Log)-shownAttempts, 0)
	firsts, err := p.batchFirsts(d.Log[earlier:])
	if err != nil {
		return nil, 0, err
	}
	number := 0
	for i, a := range d.Log {
		note := a.Status == 0 && a.Duration == 0
		if !note {
			number++
		}
		if i < earlier {
			continue
		}
		batch := batchOfAttempt(d.ID, &a, firsts)
		one := p.attempt(0, a)
		one.InBatch = batch
		if !note {
			one.Number = number
		}
		shown = append(shown, one)
	}
	slices.Reverse(shown)
	room := shownResponses
	for i := range shown {
		room = shown[i].showResponse(room)
	}
	return shown, earlier, nil
}

func (p *pageRequest) deliveryView() error {
	d, err := p.Delivery(p.r.Context(), p.r.PathValue("id"))
	if err != nil {
		return err
	}
	out := deliveryView{bodyView: bodyViewOf(d.Body), NoBody: p.speaker().NoBody(d)}
	w, err := p.Webhook(p.r.Context(), d.WebhookID)
	switch {
	case err == nil:
		out.Webhook = &w
		if w.Batch < 2 && w.Unreadable() == "" { // else the request brings others too, or is not known
			out.Head = requestHead(w, d)
			out.Curl = curlCommand(w, out.Head, out.bodyView)
		}
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
	if out.Attempts, out.Earlier, err = p.attempts(d); err != nil {
		return err
	}
	return p.render(http.StatusOK, "delivery", label.Find(p.types(), d.Type).In(p.lang), out)
}

// bodyFile sends the body of a delivery as a file.
func (p *pageRequest) bodyFile() error {
	d, err := p.Delivery(p.r.Context(), p.r.PathValue("id"))
	if err != nil {
		return err
	}
	if len(d.Body) == 0 {
		return webhook.ErrNotFound
	}
	header := p.w.Header()
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Content-Disposition", `attachment; filename="`+bodyFileName+`"`)
	header.Set("Content-Length", strconv.Itoa(len(d.Body)))
	_, _ = p.w.Write(d.Body)
	return nil
}

// bodyFileName is what the file of a delivery's body is called.
const bodyFileName = "body.txt"

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

// curlCommand returns the request as a command for a shell, without what is secret. It reads
// a large body from the file that bodyFile sends.
func curlCommand(w webhook.Webhook, head []string, body bodyView) string {
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
	if body.Size > 0 {
		b.WriteString(" \\\n  --data-binary @" + bodyFileName)
	} else {
		b.WriteString(" \\\n  --data-raw " + shellQuoted(body.Body))
	}
	return b.String()
}

// shellQuoted quotes a text for a POSIX shell.
func shellQuoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
