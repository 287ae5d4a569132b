package manage

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/listhook/webhook"
)

// Options say who may do what, and how the page looks. The zero value refuses
// everybody.
type Options struct {
	// Session says who asks for the page, by the app's own session. It returns
	// ErrNoSession when nobody is logged in, who then is led to Login; a zero
	// Access, of somebody who has no right, is refused with status 403; any
	// other error is the app's fault and logged. It must not be fooled by other
	// sites: see CrossOriginProtection of net/http for what is done here. Nil:
	// the page is refused to everybody.
	Session func(r *http.Request) (Access, error)

	// Login returns the address of the app's login for a request without a
	// session, a URL or an absolute path, such as
	// "/login?next=" + url.QueryEscape(back). back is where to go after logging
	// in: an absolute path on the host that was asked, with its query. Nil, or
	// an empty address: the page says to log in, without a link.
	Login func(r *http.Request, back string) string

	// Key says who asks for the APIs, by the key that the app gave them; it is
	// never called with an empty one. How keys are stored and compared is the
	// app's: by their hashes is best, since looking a hash up takes a time that
	// tells nothing of the key. A zero Access is refused; an error is the
	// app's fault and logged. Nil: the APIs are refused to everybody.
	Key func(ctx context.Context, key string) (Access, error)

	// Lists returns the lists of an account, in the order to offer them in.
	// Webhooks can be tied to these only. Nil: the app has no names for them,
	// and any list is taken.
	Lists func(ctx context.Context, account string) ([]List, error)

	// Fields and Campaigns return an account's custom fields and its campaigns,
	// in the order to show them in. Clients of the newer API ask for them, to
	// offer them to people or to test a key. Nil: there are none.
	Fields    func(ctx context.Context, account string) ([]Field, error)
	Campaigns func(ctx context.Context, account string) ([]Campaign, error)

	// DefaultFormat is the format of webhooks that are added through the APIs,
	// and what the page's form proposes. An edit keeps the webhook's own.
	// "": webhook.FormatCurrent, which the integrations written for
	// ActiveCampaign read. Webhooks added by the app itself, with PutWebhook,
	// have the format that it gives them.
	DefaultFormat webhook.Format

	// MaxWebhooks is how many webhooks an account may have: 100 by default.
	// Two processes that add at the same moment may exceed it by one.
	MaxWebhooks int

	// Rate is how many API calls and tests a second an account may make of
	// this process, beside a reserve of five seconds' worth: 20 by default.
	Rate int

	// Title is what the page is called: "Webhooks" by default.
	Title string

	// Home is where the page links back to, a URL of the app's. "": no link.
	Home string

	// Style is CSS that comes after the page's own. Setting a few variables on
	// :root changes its look: --accent, --font, --radius; docs/page.md has them
	// all.
	Style string

	// TrustedOrigins are origins, such as https://app.example.com, of which
	// pages may send this page's forms: for a proxy that hides the host that
	// browsers ask for.
	TrustedOrigins []string

	// Logger gets what an operator should know. By default it is
	// slog.Default().
	Logger *slog.Logger
}

// Access is who asks and what they may do. The zero value may nothing.
type Access struct {
	Account  string         // whose webhooks
	View     bool           // see them, their log, and what was sent
	Manage   bool           // change them, see their headers, send tests, resend; and View
	Operator bool           // see the webhooks of all accounts, and switch them off
	User     string         // a name or an email address, for the API's clients to show
	Location *time.Location // the page's times, and the APIs'; nil: UTC
}

// allows reports whether a may do what needs the right.
func (a Access) allows(need right) bool {
	switch need {
	case rightView:
		return a.View || a.Manage
	case rightManage:
		return a.Manage
	case rightOperator:
		return a.Operator
	}
	return a.View || a.Manage || a.Operator
}

// A right is what a request needs.
type right int

const (
	rightAny right = iota // one of the others
	rightView
	rightManage
	rightOperator
)

// List is a list of the app's that webhooks can be tied to.
type List struct {
	ID   string // as in webhook.Meta.Lists; neither "" nor "0"
	Name string
}

// Handler returns the page and the APIs, for any prefix. Nil options refuse
// everybody. An option out of range is a *webhook.InvalidError.
func Handler(d *webhook.Dispatcher, opts *Options) (http.Handler, error) {
	return newHandler(d, opts)
}

// APIs returns the two APIs without the page, for where clients look for them
// who know no prefix: the host's root. It serves paths that end in those of the
// APIs, api/3/… and admin/api.php, wherever they are mounted, and answers others
// as the APIs answer for what is not there. Options and errors are Handler's; the
// two may be used together, and each counts Options.Rate by itself.
func APIs(d *webhook.Dispatcher, opts *Options) (http.Handler, error) {
	h, err := newHandler(d, opts)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(h.serveAPIs), nil
}

func newHandler(d *webhook.Dispatcher, opts *Options) (*handler, error) {
	if d == nil {
		return nil, &webhook.InvalidError{Field: "dispatcher", Reason: "is nil"}
	}
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	h := &handler{d: d, opts: o, mux: http.NewServeMux(), rates: rates{perSecond: float64(o.Rate)}}
	for _, origin := range o.TrustedOrigins {
		if err := h.forms.AddTrustedOrigin(origin); err != nil {
			return nil, &webhook.InvalidError{Field: "Options.TrustedOrigins", Reason: "holds what is no origin, such as https://app.example.com"}
		}
	}
	if h.page, err = newPage(o); err != nil {
		return nil, err
	}
	h.addPage()
	h.addV1()
	h.addV3()
	return h, nil
}

// handler serves everything.
type handler struct {
	d     *webhook.Dispatcher
	opts  Options
	mux   *http.ServeMux
	forms http.CrossOriginProtection
	page  *page
	rates rates

	adding sync.Mutex // so that MaxWebhooks holds in this process
}

func (o *Options) withDefaults() (Options, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.MaxWebhooks < 0 {
		return Options{}, &webhook.InvalidError{Field: "Options.MaxWebhooks", Reason: "is negative"}
	}
	if opts.Rate < 0 {
		return Options{}, &webhook.InvalidError{Field: "Options.Rate", Reason: "is negative"}
	}
	switch opts.DefaultFormat {
	case "":
		opts.DefaultFormat = webhook.FormatCurrent
	case webhook.Format2013, webhook.FormatCurrent:
	default:
		return Options{}, &webhook.InvalidError{
			Field: "Options.DefaultFormat", Reason: fmt.Sprintf("is the unknown %.40q", opts.DefaultFormat),
		}
	}
	if opts.MaxWebhooks == 0 {
		opts.MaxWebhooks = 100
	}
	if opts.Rate == 0 {
		opts.Rate = 20
	}
	if opts.Title == "" {
		opts.Title = "Webhooks"
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	return opts, nil
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.serve(w, r, innerPath(r)) }

// serveAPIs serves the APIs alone.
func (h *handler) serveAPIs(w http.ResponseWriter, r *http.Request) { h.serve(w, r, apiPath(r)) }

// serve serves an escaped path of the handler's own.
func (h *handler) serve(w http.ResponseWriter, r *http.Request, inner string) {
	v1, v3 := false, false
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			h.opts.Logger.Error("webhook: the management handler panicked", "panic", fmt.Sprint(p))
			switch {
			case v1:
				refuse1(w, r, http.StatusInternalServerError, somethingWrong)
			case v3:
				answer3(w, http.StatusInternalServerError, message3{somethingWrong})
			default:
				http.Error(w, somethingWrong, http.StatusInternalServerError)
			}
		}
	}()
	if inner == "" { // the prefix without its slash
		to := "./" + path.Base(requestPath(r)) + "/"
		if r.URL.RawQuery != "" {
			to += "?" + r.URL.RawQuery
		}
		redirect(w, to, http.StatusMovedPermanently)
		return
	}
	clean := path.Clean(inner)
	v1, v3 = isBelow(clean, "/admin"), isBelow(clean, "/api")
	switch {
	case v1 || v3:
		inner = clean // clients add slashes to what they are given, and at the end
	case inner != "/" && strings.TrimSuffix(inner, "/") != clean:
		http.NotFound(w, r) // ServeMux would redirect to the clean path, past the prefix
		return
	}
	at := *r
	at.URL = new(url.URL)
	*at.URL = *r.URL
	at.URL.RawPath = inner
	if at.URL.Path, _ = url.PathUnescape(inner); at.URL.Path == inner {
		at.URL.RawPath = ""
	}
	h.mux.ServeHTTP(w, &at)
}

// somethingWrong is what a client is told of a fault here.
const somethingWrong = "Something went wrong here. It was logged."

// redirect sends the client on. The target is relative to what the client
// asked for, which only the client knows whole: http.Redirect would make it
// absolute without the prefix.
func redirect(w http.ResponseWriter, target string, status int) {
	w.Header().Set("Location", target)
	w.WriteHeader(status)
}
