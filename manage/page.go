package manage

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
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
	{"GET", "assets/{name}", rightAny, (*visit).asset},
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
	{"POST", "webhooks/{id}/try", rightManage, (*visit).tryNow},
	{"POST", "webhooks/{id}/test", rightManage, (*visit).sendTest},
	{"POST", "webhooks/{id}/secret", rightManage, (*visit).rotateSecret},
	{"GET", "webhooks/{id}/resend", rightManage, (*visit).resendForm},
	{"POST", "webhooks/{id}/resend", rightManage, (*visit).resendAll},
	{"GET", "deliveries", rightView, (*visit).log},
	{"GET", "deliveries/{id}", rightView, (*visit).deliveryView},
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
		h.servePage(w, r, pageRoute{need: rightAny, run: func(v *visit) error { return webhook.ErrNotFound }})
	})
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
	if err != nil {
		v.refuse(err)
	}
}

// admit finds out who asks and whether they may.
func (v *visit) admit(route pageRoute) error {
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
