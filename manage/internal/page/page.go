// Package page is the page: HTML that is rendered here and works without
// scripts, for whoever the app says has a session.
//
// A pageRequest is one request; each route of the page is a method of it, which
// reads the account's webhooks and deliveries, makes a view of them and renders
// one of the templates. All links are relative, so that the page does not have to
// know where it is mounted. Forms change something and then lead to an address
// that can be loaded again.
package page

import (
	"html/template"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/route"
	"github.com/listhook/webhook/manage/internal/text"
)

// Config is what the page needs beside the accounts.
type Config struct {
	Accounts *account.Service

	// Session returns who asks; loggedIn is false when nobody is. Nil refuses
	// everybody.
	Session func(r *http.Request) (access account.Access, loggedIn bool, err error)

	// Login returns the address of the app's login, which leads back to an
	// address of the page; nil, or "": it has none to show.
	Login func(r *http.Request, back string) string

	Title, Home, Style string // Title may be empty: it is "Webhooks" then, in the visitor's language

	Texts          *text.Catalog
	Locale         string   // the language where Access names none
	TrustedOrigins []string // may send forms, beside the page's own
	FrameAncestors []string // may show the page in a frame, beside its own

	// Layout writes a page of the app's around the content; nil: the page stands
	// alone.
	Layout func(w io.Writer, r *http.Request, c Content) error
}

// Content is what Layout gets of a page.
type Content struct {
	Title     string
	Lang, Dir string
	Head      template.HTML
	Body      template.HTML
}

// A Page serves the page.
type Page struct {
	Config
	forms     http.CrossOriginProtection
	templates map[string]map[string]*template.Template // by language and name
	assets    map[string]asset
	version   string // of the assets, part of their addresses
	policy    string // the content security policy
}

// New returns the page. A trusted origin that is none is a
// *webhook.InvalidError.
func New(c Config) (*Page, error) {
	p := &Page{Config: c}
	for _, origin := range c.TrustedOrigins {
		if err := p.forms.AddTrustedOrigin(origin); err != nil {
			return nil, &webhook.InvalidError{Field: "Options.TrustedOrigins", Reason: "contains an entry that is not an origin, such as https://app.example.com"}
		}
	}
	var err error
	if p.policy, err = c.policy(); err != nil {
		return nil, err
	}
	if p.assets, p.version, err = newAssets(c.Style); err != nil {
		return nil, err
	}
	p.templates = map[string]map[string]*template.Template{}
	for _, tag := range c.Texts.Languages() {
		if p.templates[tag], err = templatesIn(c.Texts.Language(tag)); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// An action serves a request for the page.
type action = func(*pageRequest) error

// Routes returns the page's addresses, below the handler's root.
func Routes() []route.Route[action] { return slices.Clone(routes) }

var routes = []route.Route[action]{
	route.Get("{$}", account.RightAny, (*pageRequest).overview),
	route.Get("assets/{name}", account.RightPublic, (*pageRequest).asset),
	route.Get("resume", account.RightAny, (*pageRequest).resume),
	route.Get("add", account.RightManage, (*pageRequest).addForm),
	route.Post("add", account.RightManage, (*pageRequest).addWebhook),
	route.Get("webhooks/{id}", account.RightView, (*pageRequest).webhookView),
	route.Get("webhooks/{id}/edit", account.RightManage, (*pageRequest).editForm),
	route.Post("webhooks/{id}/edit", account.RightManage, (*pageRequest).editWebhook),
	route.Get("webhooks/{id}/delete", account.RightManage, (*pageRequest).deleteForm),
	route.Post("webhooks/{id}/delete", account.RightManage, (*pageRequest).deleteWebhook),
	route.Get("webhooks/{id}/off", account.RightManage, (*pageRequest).offForm),
	route.Post("webhooks/{id}/off", account.RightManage, (*pageRequest).turnOff),
	route.Get("webhooks/{id}/on", account.RightManage, (*pageRequest).onForm),
	route.Post("webhooks/{id}/on", account.RightManage, (*pageRequest).turnOn),
	route.Get("webhooks/{id}/try", account.RightManage, (*pageRequest).toWebhook),
	route.Post("webhooks/{id}/try", account.RightManage, (*pageRequest).tryNow),
	route.Get("webhooks/{id}/test", account.RightManage, (*pageRequest).toWebhook),
	route.Post("webhooks/{id}/test", account.RightManage, (*pageRequest).sendTest),
	route.Get("webhooks/{id}/payload", account.RightManage, (*pageRequest).payloadForm),
	route.Post("webhooks/{id}/payload", account.RightManage, (*pageRequest).sendPayload),
	route.Get("webhooks/{id}/secret", account.RightManage, (*pageRequest).showSecret),
	route.Post("webhooks/{id}/secret", account.RightManage, (*pageRequest).rotateSecret),
	route.Get("webhooks/{id}/resend", account.RightManage, (*pageRequest).resendForm),
	route.Post("webhooks/{id}/resend", account.RightManage, (*pageRequest).resendAll),
	route.Get("webhooks/{id}/resent", account.RightManage, (*pageRequest).resent),
	route.Get("webhooks/{id}/resent/cancel", account.RightManage, (*pageRequest).toResent),
	route.Post("webhooks/{id}/resent/cancel", account.RightManage, (*pageRequest).cancelResend),
	route.Get("deliveries", account.RightLog, (*pageRequest).log),
	route.Post("deliveries", account.RightLog, (*pageRequest).searchLog),
	route.Get("deliveries/{id}", account.RightLog, (*pageRequest).deliveryView),
	route.Get("deliveries/{id}/body", account.RightLog, (*pageRequest).bodyFile),
	route.Get("deliveries/{id}/resend", account.RightResend, (*pageRequest).toDelivery),
	route.Post("deliveries/{id}/resend", account.RightResend, (*pageRequest).resend),
	route.Get("deliveries/{id}/skip", account.RightResend, (*pageRequest).toDelivery),
	route.Post("deliveries/{id}/skip", account.RightResend, (*pageRequest).skip),
	route.Get("explain", account.RightView, (*pageRequest).explainView),
	route.Get("samples", account.RightView, (*pageRequest).samples),
	route.Get("verify", account.RightView, (*pageRequest).verifyView),
	route.Get("operator", account.RightOperator, (*pageRequest).operator),
	route.Get("operator/webhook", account.RightOperator, (*pageRequest).operatorWebhook),
	route.Post("operator/webhook", account.RightOperator, (*pageRequest).operatorSwitch),
}

// Register serves the page on mux, and says of every other path that nothing is
// there.
func (p *Page) Register(mux *http.ServeMux) {
	route.Register(mux, "/", routes, p.serve, func(w http.ResponseWriter, r *http.Request, _ string) {
		p.serve(w, r, route.Get("", account.RightAny, func(*pageRequest) error { return errMethod }))
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if to, ok := withoutSlash(mux, r); ok {
			route.Redirect(w, to, http.StatusPermanentRedirect)
			return
		}
		p.serve(w, r, route.Get("", account.RightAny, func(*pageRequest) error { return webhook.ErrNotFound }))
	})
}

// withoutSlash returns the relative address of the page that a path with a slash
// too many at its end means, if there is one.
func withoutSlash(mux *http.ServeMux, r *http.Request) (to string, ok bool) {
	escaped, ok := strings.CutSuffix(r.URL.EscapedPath(), "/")
	if !ok || escaped == "" {
		return "", false
	}
	at := *r
	at.URL = &url.URL{RawPath: escaped}
	var err error
	if at.URL.Path, err = url.PathUnescape(escaped); err != nil {
		return "", false
	}
	if _, pattern := mux.Handler(&at); pattern == "/" {
		return "", false
	}
	to = "../" + escaped[strings.LastIndexByte(escaped, '/')+1:]
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	return to, true
}
