package main

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"log"
	"net"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed page
var pageFiles embed.FS

// pages is the app as its visitors see it.
func (a *app) pages() (http.Handler, error) {
	webhooks, err := a.webhooksPage()
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/integration/webhooks/", webhooks)

	for pattern, show := range map[string]func(*visit) error{
		"GET /{$}":                 a.startPage,
		"GET /lists":               a.listsPage,
		"GET /lists/{id}":          a.listPage,
		"GET /subscribers/{id}":    a.subscriberPage,
		"GET /campaigns":           a.campaignsPage,
		"GET /campaigns/new":       a.newCampaignPage,
		"GET /campaigns/{id}":      a.campaignPage,
		"GET /outbox":              a.outboxPage,
		"GET /integration":         a.integrationPage,
		"GET /inbox":               a.inboxPage,
		"GET /signup/{id}":         a.signupPage,
		"GET /mail/{token}":        a.mailPage,
		"GET /preferences/{token}": a.mailForm("preferences", "Your details"),
		"GET /forward/{token}":     a.mailForm("forward", "Forward to friends"),
		"GET /share/{token}":       a.mailForm("share", "Share it"),
		"GET /unsubscribe/{token}": a.mailForm("unsubscribe", "Unsubscribe"),
		"GET /thanks/{what}":       a.thanksPage,
		"/":                        func(*visit) error { return errNotFound },
	} {
		mux.HandleFunc(pattern, a.get(show))
	}
	for pattern, form := range map[string]struct {
		do    func(*http.Request) (next string, err error)
		again func(*visit) error // where the form is, to show it again
	}{
		"POST /lists":                  {a.postList, a.listsPage},
		"POST /lists/{id}/subscribers": {a.postSubscriber, a.listPage},
		"POST /lists/{id}/unsubscribe": {a.postUnsubscribe, a.listPage},
		"POST /subscribers/{id}":       {a.postUpdate, a.subscriberPage},
		"POST /campaigns":              {a.postCampaign, a.newCampaignPage},
		"POST /campaigns/{id}/send":    {a.postSend, a.campaignPage},
		"POST /outbox/{token}/bounce":  {a.postBounce, a.outboxPage},
		"POST /inbox":                  {a.postInbox, a.inboxPage},
		"POST /inbox/clear":            {a.postClear, a.inboxPage},
		"POST /signup/{id}":            {a.postSignup, a.signupPage},
		"POST /preferences/{token}":    {a.postPreferences, a.mailForm("preferences", "Your details")},
		"POST /forward/{token}":        {a.postForward, a.mailForm("forward", "Forward to friends")},
		"POST /share/{token}":          {a.postShare, a.mailForm("share", "Share it")},
		"POST /unsubscribe/{token}":    {a.postLeave, a.mailForm("unsubscribe", "Unsubscribe")},
	} {
		mux.HandleFunc(pattern, a.post(form.do, form.again))
	}
	mux.HandleFunc("GET /open/{token}", a.picture)
	mux.HandleFunc("GET /click/{token}/{link}", a.follow)
	mux.HandleFunc("POST /api/subscribe", a.apiSubscribe)
	assets, err := fs.Sub(pageFiles, "page")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"style.css", "inbox.js"} {
		mux.HandleFunc("GET /assets/"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, assets, name)
		})
	}
	return http.NewCrossOriginProtection().Handler(mux), nil
}

// A visit is one request for a page.
type visit struct {
	w       http.ResponseWriter
	r       *http.Request
	problem string // with the form that was sent; "": none
}

// get shows a page.
func (a *app) get(show func(*visit) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := &visit{w: w, r: r}
		v.finish(show(v))
	}
}

// post does what a form asks for, then leads on, or shows the form again with
// what is wrong.
func (a *app) post(do func(*http.Request) (string, error), again func(*visit) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := &visit{w: w, r: r}
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		if err := r.ParseForm(); err != nil {
			http.Error(w, "The form is too large or cut off.", http.StatusBadRequest)
			return
		}
		next, err := do(r)
		var input errInput
		if errors.As(err, &input) {
			v.problem = string(input)
			err = again(v)
		} else if err == nil {
			http.Redirect(w, r, next, http.StatusSeeOther)
			return
		}
		v.finish(err)
	}
}

// finish shows what went wrong, if anything did.
func (v *visit) finish(err error) {
	switch {
	case err == nil || v.r.Context().Err() != nil:
		return
	case errors.Is(err, errNotFound):
		err = v.renderStatus(http.StatusNotFound, "error", "", "There is nothing here", nil)
	default:
		log.Printf("mailingapp: %s: %v", v.r.Pattern, err)
		err = v.renderStatus(http.StatusInternalServerError, "error", "", "Something went wrong", nil)
	}
	if err != nil {
		log.Print("mailingapp: ", err)
	}
}

// A view is the data of every page.
type view struct {
	Title   string
	Tab     string // "": a page of the subscribers'
	Problem string
	Notice  string
	Form    interface{ Get(string) string } // what was typed before
	Data    any
}

// notices are shown at the top of a page after a form was sent.
var notices = map[string]string{
	"list":         "The list was added.",
	"subscribed":   "Subscribed. See the inbox for what your webhooks told.",
	"unsubscribed": "Unsubscribed.",
	"updated":      "The details were saved.",
	"draft":        "The draft was saved.",
	"sent":         "The campaign was sent: its mails are in the outbox, where you play who gets them.",
	"bounced":      "The mail came back.",
	"receiver":     "The receiver was set.",
}

func (v *visit) render(name, tab, title string, data any) error {
	status := http.StatusOK
	if v.problem != "" {
		status = http.StatusUnprocessableEntity
	}
	return v.renderStatus(status, name, tab, title, data)
}

func (v *visit) renderStatus(status int, name, tab, title string, data any) error {
	var page bytes.Buffer
	err := templates[name].ExecuteTemplate(&page, "layout", view{
		Title: title, Tab: tab, Problem: v.problem, Notice: notices[v.r.URL.Query().Get("done")], Form: v.r.PostForm, Data: data,
	})
	if err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	v.w.WriteHeader(status)
	_, err = page.WriteTo(v.w)
	return err
}

// templates are the pages by their names, each with the layout.
var templates = func() map[string]*template.Template {
	shared := template.Must(template.New("").Funcs(template.FuncMap{
		"clock": func(t time.Time) string { return t.Format("15:04:05") },
		"day":   func(t time.Time) string { return t.Format("2 January 2006, 15:04") },
	}).ParseFS(pageFiles, "page/layout.html"))
	files, err := fs.Glob(pageFiles, "page/*.html")
	if err != nil {
		panic(err)
	}
	all := map[string]*template.Template{}
	for _, file := range files {
		one := template.Must(template.Must(shared.Clone()).ParseFS(pageFiles, file))
		all[strings.TrimSuffix(path.Base(file), ".html")] = one
	}
	return all
}()

// number returns an ID in a path. Anything else than a number is not found.
func number(r *http.Request, name string) int64 {
	n, err := strconv.ParseInt(r.PathValue(name), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// typed returns a field of a form as it was meant.
func typed(r *http.Request, name string) string { return strings.TrimSpace(r.PostForm.Get(name)) }

// ipOf returns the address of who asks.
func ipOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}
