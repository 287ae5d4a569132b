package page

import (
	"bytes"
	"cmp"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/label"
	"github.com/listhook/webhook/manage/internal/route"
	"github.com/listhook/webhook/manage/internal/text"
)

// functions are those that templates call, in a language. T says a message, and
// HTML one with elements or with arguments that are HTML.
func functions(lang *text.Language) template.FuncMap {
	return template.FuncMap{
		"T":         lang.Text,
		"HTML":      lang.HTML,
		"number":    lang.Number,
		"stateText": func(s webhook.State) string { return lang.Text(label.TextOf(label.States, s)) },
		"formatLabel": func(f webhook.Format) string {
			return lang.Text(label.TextOf(label.Formats, cmp.Or(f, webhook.Format2013)))
		},
		"orderLabel": func(o webhook.Order) string {
			return lang.Text(label.TextOf(label.Orders, cmp.Or(o, webhook.OrderState)))
		},
		"batchText": func(most int, wait time.Duration) string { return batchText(lang, most, wait) },
		"path":      url.PathEscape,
		"shownURL":  account.HidePassword,
		"shortened": shortened,
		"meaning":   meaningOf,
	}
}

// parsed returns the templates, parsed once. Each language has a copy, since its
// functions are the language's.
var parsed = sync.OnceValues(func() (map[string]*template.Template, error) {
	shared, err := template.New("").Funcs(functions(&text.Language{})).ParseFS(files, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, err
	}
	views, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	all := map[string]*template.Template{}
	for _, name := range views {
		one, err := shared.Clone()
		if err == nil {
			one, err = one.ParseFS(files, name)
		}
		if err != nil {
			return nil, err
		}
		all[strings.TrimSuffix(path.Base(name), ".html")] = one
	}
	return all, nil
})

// templatesIn returns the templates in a language.
func templatesIn(lang *text.Language) (map[string]*template.Template, error) {
	all, err := parsed()
	if err != nil {
		return nil, err
	}
	translated := map[string]*template.Template{}
	for name, t := range all {
		if translated[name], err = t.Clone(); err != nil {
			return nil, err
		}
		translated[name].Funcs(functions(lang))
	}
	return translated, nil
}

// A view is what a template gets.
type view struct {
	account.Access
	Site    string // the page's own title
	Home    string
	Title   string
	Base    string
	Version string
	Section string // of the navigation
	Notice  string
	Data    any

	lang     *text.Language
	types    []label.Label
	now      time.Time
	location *time.Location
}

// TypeLabel is what people read for an event type.
func (v view) TypeLabel(t webhook.EventType) string { return label.Find(v.types, t).In(v.lang) }

// Lang is the language's tag.
func (v view) Lang() string { return v.lang.Tag }

// SeesAll reports whether there is more to see than the log.
func (v view) SeesAll() bool { return v.Allows(account.RightView) }

// Dir is the direction that the language is written in.
func (v view) Dir() string { return v.lang.Dir }

// notices are what the page says after it did something, by the word in the
// address that it then redirects to.
var notices = map[string]text.Message{
	"added":     "The webhook was added and is on. Events are sent to it from now on.",
	"saved":     "The webhook was saved.",
	"deleted":   "The webhook was deleted.",
	"off":       "The webhook is off.",
	"on":        "The webhook is on.",
	"dropped":   "The webhook is on. The events that it had kept were discarded; they are still in the log.",
	"tried":     "A delivery is being sent to the receiver now.",
	"unsign":    "Requests are no longer signed.",
	"resent":    "The delivery is being sent again.",
	"resending": "Deliveries of this webhook are already being resent. Wait until that ends, or stop it.",
	"newer":     "Nothing was sent: a newer delivery for the same subscriber exists. See below.",
	"skipped":   "The other deliveries no longer wait for this one.",
	"busy":      "Nothing was skipped, because an attempt may be in progress. Try again in a minute.",
	"held":      "The delivery will be sent when the webhook is tried again. The webhook's page shows when, and lets you try it now.",
}

// render answers with a template.
func (p *pageRequest) render(status int, name, title string, data any) error {
	section := name
	switch name {
	case "webhook", "form", "conflict", "confirm", "resend", "resent", "added", "payload", "verify":
		section = "overview"
	case "delivery":
		section = "log"
	case "operatorwebhook":
		section = "operator"
	}
	out := view{
		Access: p.Access, Site: p.site(), Home: p.page.Home, Title: title, Base: p.base, Version: p.page.version,
		Section: section, Data: data, lang: p.lang, types: p.types(), now: p.now, location: p.Zone(),
	}
	if notice, ok := notices[p.r.URL.Query().Get("done")]; ok {
		out.Notice = p.lang.Text(notice)
	}
	var b bytes.Buffer
	if err := p.write(&b, p.page.templates[p.lang.Tag][name], out); err != nil {
		return err
	}
	header := p.w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Language", p.lang.Tag)
	p.w.WriteHeader(status)
	_, _ = p.w.Write(b.Bytes())
	return nil
}

// write writes a page, in the app's layout if it has one.
func (p *pageRequest) write(b *bytes.Buffer, t *template.Template, v view) error {
	if p.page.Layout == nil {
		return t.ExecuteTemplate(b, "layout", v)
	}
	var head, body bytes.Buffer
	if err := t.ExecuteTemplate(&head, "head", v); err != nil {
		return err
	}
	if err := t.ExecuteTemplate(&body, "fragment", v); err != nil {
		return err
	}
	err := p.page.Layout(b, p.r, Content{
		Title: v.Title, Lang: v.Lang(), Dir: v.Dir(), Head: template.HTML(head.String()), Body: template.HTML(body.String()),
	})
	if err != nil {
		return fmt.Errorf("webhook: Options.Layout: %w", err)
	}
	return nil
}

// site is what the page is called.
func (p *pageRequest) site() string {
	if p.page.Title != "" {
		return p.page.Title
	}
	return p.lang.Text("Webhooks")
}

// nameOf returns what a webhook is called.
func (p *pageRequest) nameOf(w webhook.Webhook) string {
	if w.Name != "" {
		return w.Name
	}
	return p.lang.Text("(no name)")
}

// goTo redirects after something was done.
func (p *pageRequest) goTo(target string) error {
	route.Redirect(p.w, p.base+target, http.StatusSeeOther)
	return nil
}
