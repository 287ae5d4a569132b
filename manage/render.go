package manage

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/listhook/webhook"
)

//go:embed page
var pageFiles embed.FS

// A page is what is the same for every request.
type page struct {
	templates map[string]*template.Template
	assets    map[string]asset
	version   string // of the assets, part of their addresses
}

type asset struct {
	contentType string
	content     []byte
}

func newPage(o Options) (*page, error) {
	css, err := pageFiles.ReadFile("page/page.css")
	if err != nil {
		return nil, err
	}
	js, err := pageFiles.ReadFile("page/page.js")
	if err != nil {
		return nil, err
	}
	css = append(css, o.Style...)
	p := &page{
		assets: map[string]asset{
			"page.css": {"text/css; charset=utf-8", css},
			"page.js":  {"text/javascript; charset=utf-8", js},
		},
	}
	sum := sha256.Sum256(append(css, js...))
	p.version = base64.RawURLEncoding.EncodeToString(sum[:9])

	p.templates, err = templates()
	return p, err
}

// templates parses the templates, once: they are the same for every handler.
var templates = sync.OnceValues(func() (map[string]*template.Template, error) {
	shared, err := template.New("").Funcs(template.FuncMap{
		"path":      url.PathEscape,
		"shownURL":  shownURL,
		"typeLabel": func(t webhook.EventType) string { return labelOf(typeLabels, t) },
	}).ParseFS(pageFiles, "page/layout.html", "page/parts.html")
	if err != nil {
		return nil, err
	}
	views, err := fs.Glob(pageFiles, "page/*.html")
	if err != nil {
		return nil, err
	}
	all := map[string]*template.Template{}
	for _, name := range views {
		one, err := shared.Clone()
		if err == nil {
			one, err = one.ParseFS(pageFiles, name)
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
	Access
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
	"held":    "The delivery will be sent when its webhook is tried again: its page says when, and can do so now.",
}

// render answers with a template.
func (v *visit) render(status int, name, title string, data any) error {
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
		Access: v.Access, Site: v.opts.Title, Home: v.opts.Home, Title: title, Base: v.base, Version: v.page.version,
		Section: section, Notice: notices[v.r.URL.Query().Get("done")], Data: data, now: v.now, location: v.location(),
	}
	var b bytes.Buffer
	if err := v.page.templates[name].ExecuteTemplate(&b, "layout", out); err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, _ = v.w.Write(b.Bytes())
	return nil
}

// goTo redirects after something was done.
func (v *visit) goTo(target string) error {
	redirect(v.w, v.base+target, http.StatusSeeOther)
	return nil
}

// asset serves the style and the script. Their addresses change with them.
func (v *visit) asset() error {
	a, ok := v.page.assets[v.r.PathValue("name")]
	if !ok {
		return webhook.ErrNotFound
	}
	v.w.Header().Set("Content-Type", a.contentType)
	v.w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	_, _ = v.w.Write(a.content)
	return nil
}
