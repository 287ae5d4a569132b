package manage

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/page"
	"github.com/listhook/webhook/manage/internal/route"
	"github.com/listhook/webhook/manage/internal/v1"
	"github.com/listhook/webhook/manage/internal/v3"
)

// Handler returns the page and the APIs, for any prefix. Nil options refuse
// everybody. An option out of range is a *webhook.InvalidError. Where accounts are
// spread over databases d is nil, and Options.Dispatcher has them.
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
	if d == nil && (opts == nil || opts.Dispatcher == nil) {
		return nil, &webhook.InvalidError{Field: "dispatcher", Reason: "is nil"}
	}
	if d != nil && opts != nil && (opts.Dispatcher != nil || opts.Dispatchers != nil) {
		return nil, &webhook.InvalidError{Field: "Options.Dispatcher", Reason: "is set beside the dispatcher that was given"}
	}
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	accounts := account.NewService(o.accounts(d))
	config, err := o.page(accounts)
	if err != nil {
		return nil, err
	}
	p, err := page.New(config)
	if err != nil {
		return nil, err
	}
	h := &handler{mux: http.NewServeMux(), logger: o.Logger}
	p.Register(h.mux)
	v1.Register(h.mux, accounts)
	v3.Register(h.mux, accounts)
	return h, nil
}

// handler serves everything.
type handler struct {
	mux    *http.ServeMux
	logger *slog.Logger
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.serve(w, r, route.InnerPath(r))
}

// serveAPIs serves the APIs alone.
func (h *handler) serveAPIs(w http.ResponseWriter, r *http.Request) { h.serve(w, r, route.APIPath(r)) }

// serve serves an escaped path of the handler's own.
func (h *handler) serve(w http.ResponseWriter, r *http.Request, inner string) {
	toV1, toV3 := false, false
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			h.logger.Error("webhook: the management handler panicked", "panic", fmt.Sprint(p))
			switch {
			case toV1:
				v1.Refuse(w, r, http.StatusInternalServerError, account.SomethingWrong)
			case toV3:
				v3.Refuse(w, http.StatusInternalServerError, account.SomethingWrong)
			default:
				http.Error(w, account.SomethingWrong, http.StatusInternalServerError)
			}
		}
	}()
	if inner == "" { // the prefix without its slash
		to := "./" + path.Base(route.RequestPath(r)) + "/"
		if r.URL.RawQuery != "" {
			to += "?" + r.URL.RawQuery
		}
		route.Redirect(w, to, http.StatusMovedPermanently)
		return
	}
	clean := path.Clean(inner)
	toV1, toV3 = route.IsBelow(clean, "/admin"), route.IsBelow(clean, "/api")
	switch {
	case toV1 || toV3:
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
