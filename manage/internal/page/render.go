package page

import (
	"bytes"
	"cmp"
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
)

// templates parses the templates, once: they are the same for every handler.
var templates = sync.OnceValues(func() (map[string]*template.Template, error) {
	shared, err := template.New("").Funcs(template.FuncMap{
		"path":      url.PathEscape,
		"shownURL":  account.HidePassword,
		"typeLabel": func(t webhook.EventType) string { return label.TextOf(label.Types, t) },
		"formatLabel": func(f webhook.Format) string {
			return label.TextOf(label.Formats, cmp.Or(f, webhook.Format2013))
		},
		"orderLabel": func(o webhook.Order) string {
			return label.TextOf(label.Orders, cmp.Or(o, webhook.OrderState))
		},
	}).ParseFS(files, "templates/layout.html", "templates/parts.html")
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

	now      time.Time
	location *time.Location
}

// notices are what the page says after it did something, by the word in the
// address that it then redirects to.
var notices = map[string]string{
	"added":   "The webhook was added, and is on: what happens from now on is sent to it.",
	"saved":   "The webhook was saved.",
	"deleted": "The webhook was deleted.",
	"off":     "The webhook is off.",
	"on":      "The webhook is on.",
	"dropped": "The webhook is on. What it had kept was dropped: its log still has it.",
	"tried":   "Its receiver is tried now.",
	"unsign":  "Its requests are not signed any more.",
	"resent":  "The delivery is under way again.",
	"newer":   "Nothing was sent: a newer delivery for the same subscriber exists. See below.",
	"skipped": "The others no longer wait for this delivery.",
	"busy":    "Nothing was skipped, because an attempt may be under way. Try again in a minute.",
	"held":    "The delivery will be sent when its webhook is tried again: its page says when, and can do so now.",
}

// render answers with a template.
func (p *pageRequest) render(status int, name, title string, data any) error {
	section := name
	switch name {
	case "webhook", "form", "conflict", "confirm", "resend", "resent", "added":
		section = "overview"
	case "delivery":
		section = "log"
	case "operatorwebhook":
		section = "operator"
	}
	out := view{
		Access: p.Access, Site: p.page.Title, Home: p.page.Home, Title: title, Base: p.base, Version: p.page.version,
		Section: section, Notice: notices[p.r.URL.Query().Get("done")], Data: data, now: p.now, location: p.Zone(),
	}
	var b bytes.Buffer
	if err := p.page.templates[name].ExecuteTemplate(&b, "layout", out); err != nil {
		return err
	}
	p.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	p.w.WriteHeader(status)
	_, _ = p.w.Write(b.Bytes())
	return nil
}

// goTo redirects after something was done.
func (p *pageRequest) goTo(target string) error {
	route.Redirect(p.w, p.base+target, http.StatusSeeOther)
	return nil
}
