package manage

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/listhook/webhook"
)

// The page is rendered here and works without scripts. All of its links are
// relative, so that it does not have to know where it is mounted.

// A visit is one request for the page.
type visit struct {
	*account
	w    http.ResponseWriter
	r    *http.Request
	base string // the relative way to the handler's root: "./", "../"
	now  time.Time
}

// A pageRoute is one address of the page.
type pageRoute struct {
	method, path string
	need         right
	run          func(*visit) error
}

var pageRoutes = []pageRoute{
	{"GET", "{$}", rightAny, (*visit).overview},
	{"GET", "assets/{name}", rightPublic, (*visit).asset},
	{"GET", "resume", rightAny, (*visit).resume},
	{"GET", "add", rightManage, (*visit).addForm},
	{"POST", "add", rightManage, (*visit).addWebhook},
	{"GET", "webhooks/{id}", rightView, (*visit).webhookView},
	{"GET", "webhooks/{id}/edit", rightManage, (*visit).editForm},
	{"POST", "webhooks/{id}/edit", rightManage, (*visit).editWebhook},
	{"GET", "webhooks/{id}/delete", rightManage, (*visit).deleteForm},
	{"POST", "webhooks/{id}/delete", rightManage, (*visit).deleteWebhook},
	{"GET", "webhooks/{id}/off", rightManage, (*visit).offForm},
	{"POST", "webhooks/{id}/off", rightManage, (*visit).turnOff},
	{"GET", "webhooks/{id}/on", rightManage, (*visit).onForm},
	{"POST", "webhooks/{id}/on", rightManage, (*visit).turnOn},
	{"GET", "webhooks/{id}/try", rightManage, (*visit).toWebhook},
	{"POST", "webhooks/{id}/try", rightManage, (*visit).tryNow},
	{"GET", "webhooks/{id}/test", rightManage, (*visit).toWebhook},
	{"POST", "webhooks/{id}/test", rightManage, (*visit).sendTest},
	{"GET", "webhooks/{id}/secret", rightManage, (*visit).showSecret},
	{"POST", "webhooks/{id}/secret", rightManage, (*visit).rotateSecret},
	{"GET", "webhooks/{id}/resend", rightManage, (*visit).resendForm},
	{"POST", "webhooks/{id}/resend", rightManage, (*visit).resendAll},
	{"GET", "webhooks/{id}/resent", rightManage, (*visit).resent},
	{"GET", "deliveries", rightView, (*visit).log},
	{"GET", "deliveries/{id}", rightView, (*visit).deliveryView},
	{"GET", "deliveries/{id}/resend", rightManage, (*visit).toDelivery},
	{"POST", "deliveries/{id}/resend", rightManage, (*visit).resend},
	{"GET", "explain", rightView, (*visit).explainView},
	{"GET", "samples", rightView, (*visit).samples},
	{"GET", "operator", rightOperator, (*visit).operator},
	{"GET", "operator/webhook", rightOperator, (*visit).operatorWebhook},
	{"POST", "operator/webhook", rightOperator, (*visit).operatorSwitch},
}

func (h *handler) addPage() {
	paths := map[string]map[string]pageRoute{}
	for _, route := range pageRoutes {
		if paths[route.path] == nil {
			paths[route.path] = map[string]pageRoute{}
		}
		paths[route.path][route.method] = route
	}
	for path, methods := range paths {
		h.mux.HandleFunc("/"+path, func(w http.ResponseWriter, r *http.Request) {
			route, ok := methods[methodOf(r)]
			if !ok {
				w.Header().Set("Allow", strings.Join(slices.Sorted(maps.Keys(methods)), ", "))
				route = pageRoute{need: rightAny, run: func(v *visit) error { return errMethod }}
			}
			h.servePage(w, r, route)
		})
	}
	h.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if to, ok := h.withoutSlash(r); ok {
			redirect(w, to, http.StatusPermanentRedirect)
			return
		}
		h.servePage(w, r, pageRoute{need: rightAny, run: func(v *visit) error { return webhook.ErrNotFound }})
	})
}

// withoutSlash returns the relative address of the page that a path with a slash
// too many at its end means, if there is one.
func (h *handler) withoutSlash(r *http.Request) (to string, ok bool) {
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
	if _, pattern := h.mux.Handler(&at); pattern == "/" {
		return "", false
	}
	to = "../" + escaped[strings.LastIndexByte(escaped, '/')+1:]
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	return to, true
}

// errMethod and errForged are refusals that only the page knows.
var (
	errMethod = errors.New("method not allowed")
	errForged = errors.New("asked for by another site")
)

// policy is the page's content security policy. Nothing inline, nothing from
// elsewhere.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; " +
	"img-src 'self'; form-action 'self'; frame-ancestors 'self'; base-uri 'none'"

func (h *handler) servePage(w http.ResponseWriter, r *http.Request, route pageRoute) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	// With no-referrer, browsers would not say the origin of a form either.
	header.Set("Referrer-Policy", "same-origin")

	v := &visit{account: &account{handler: h}, w: w, r: r, now: time.Now()}
	v.base = "./" + strings.Repeat("../", strings.Count(r.URL.EscapedPath(), "/")-1)
	err := v.admit(route)
	if err == nil {
		err = route.run(v)
	}
	if errors.Is(err, ErrNoSession) {
		err = v.askLogin()
	}
	if err != nil {
		v.refuse(err)
	}
}

// rightPublic is what needs no right: what stands on the page that asks
// somebody to log in.
const rightPublic right = -1

// admit finds out who asks and whether they may. Where a form comes from is
// looked at first, so that another site cannot have its fields kept on a page of
// ours until somebody logs in.
func (v *visit) admit(route pageRoute) error {
	if v.forms.Check(v.r) != nil {
		return errForged
	}
	if v.r.Method == http.MethodPost {
		if err := v.r.ParseForm(); err != nil {
			if errors.As(err, new(*http.MaxBytesError)) {
				return errTooMuch
			}
			return errEncoding
		}
	}
	if route.need == rightPublic {
		return nil
	}
	if v.opts.Session == nil {
		return errForbidden
	}
	access, err := v.opts.Session(v.r)
	if err != nil {
		return fmt.Errorf("webhook: Options.Session: %w", err)
	}
	if !access.allows(rightAny) {
		return errForbidden
	}
	v.Access = access
	if !access.allows(route.need) {
		return errForbidden
	}
	return nil
}

// refuse answers with an error's page.
func (v *visit) refuse(err error) {
	type problem struct{ Text, Back string }
	var busy errBusy
	var limit errLimit
	var invalid *webhook.InvalidError
	status, text := http.StatusInternalServerError, "Something went wrong here. It was logged."
	switch {
	case errors.Is(err, errForbidden):
		status, text = http.StatusForbidden, "You may not see or do this. Your administrator can give you the right to."
	case errors.Is(err, errForged):
		status, text = http.StatusForbidden, "The form was sent from another site, so nothing was changed. If you sent it from here, open this page anew and try again."
	case errors.Is(err, webhook.ErrNotFound):
		status, text = http.StatusNotFound, "There is nothing here. It may have been deleted, or its log may have been removed by age."
	case errors.Is(err, webhook.ErrConflict):
		status, text = http.StatusConflict, "Somebody else changed the webhook meanwhile, so nothing was done. Look at it again first."
	case errors.Is(err, errMethod):
		status, text = http.StatusMethodNotAllowed, "This address does not take such a request."
	case errors.Is(err, errTooMuch):
		status, text = http.StatusRequestEntityTooLarge, "The form holds too much."
	case errors.Is(err, errEncoding):
		status, text = http.StatusBadRequest, "The form could not be read."
	case errors.As(err, &busy):
		v.w.Header().Set("Retry-After", fmt.Sprint(int(busy)))
		status, text = http.StatusTooManyRequests, busy.Error()
	case errors.As(err, &limit):
		status, text = http.StatusForbidden, limit.Error()
	case errors.As(err, &invalid):
		status, text = http.StatusUnprocessableEntity, sentence(invalid)
	default:
		v.opts.Logger.Error("webhook: the page failed", "error", err)
	}
	if err := v.render(status, "error", http.StatusText(status), problem{Text: text}); err != nil {
		v.opts.Logger.Error("webhook: the page failed", "error", err)
		http.Error(v.w, text, status)
	}
}

// sentence says what is wrong with a field.
func sentence(e *webhook.InvalidError) string {
	text := e.Field + " " + e.Reason + "."
	if e.Field == "webhook" || e.Field == "Body" {
		text = "The " + strings.ToLower(text)
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
