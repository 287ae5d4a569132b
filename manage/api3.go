package manage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/listhook/webhook"
)

// The newer API, v3: JSON under api/3, with the key in the header Api-Token.
// What ActiveCampaign's does not have is under api/3/listhook.

// A route3 is one call of the newer API. It returns what is sent as JSON.
type route3 struct {
	method, path string // below /api/3/
	need         right
	run          func(*account, context.Context, *http.Request) (status int, answer any, err error)
}

var routes3 = []route3{
	{"GET", "webhooks", rightView, (*account).list3},
	{"POST", "webhooks", rightManage, (*account).add3},
	{"GET", "webhooks/{id}", rightView, (*account).view3},
	{"PUT", "webhooks/{id}", rightManage, (*account).edit3},
	{"DELETE", "webhooks/{id}", rightManage, (*account).delete3},
	{"GET", "webhook/events", rightView, (*account).events3},
	{"GET", "webhooks/events", rightView, (*account).events3},
	{"GET", "lists", rightView, (*account).lists3},
	{"GET", "lists/{id}", rightView, (*account).listView3},
	{"GET", "fields", rightView, (*account).fields3},
	{"GET", "fields/{id}", rightView, (*account).fieldView3},
	{"GET", "campaigns", rightView, (*account).campaigns3},
	{"GET", "campaigns/{id}", rightView, (*account).campaignView3},
	{"GET", "users/me", rightAny, (*account).userMe3},

	{"GET", "listhook/webhooks", rightView, (*account).settingsList3},
	{"GET", "listhook/webhooks/{id}", rightView, (*account).settings3},
	{"PUT", "listhook/webhooks/{id}", rightManage, (*account).settingsEdit3},
	{"POST", "listhook/webhooks/{id}/enable", rightManage, (*account).enable3},
	{"POST", "listhook/webhooks/{id}/disable", rightManage, (*account).disable3},
	{"POST", "listhook/webhooks/{id}/try", rightManage, (*account).try3},
	{"POST", "listhook/webhooks/{id}/rotate", rightManage, (*account).rotate3},
	{"POST", "listhook/webhooks/{id}/test", rightManage, (*account).test3},
	{"POST", "listhook/webhooks/{id}/replay", rightManage, (*account).replay3},
	{"GET", "listhook/deliveries", rightView, (*account).deliveries3},
	{"GET", "listhook/deliveries/{id}", rightView, (*account).delivery3},
	{"POST", "listhook/deliveries/{id}/redeliver", rightManage, (*account).redeliver3},
	{"POST", "listhook/explain", rightView, (*account).explain3},
	{"GET", "listhook/openapi.json", rightAny, (*account).openAPI3},
}

func (h *handler) addV3() {
	paths := map[string]map[string]route3{}
	for _, route := range routes3 {
		if paths[route.path] == nil {
			paths[route.path] = map[string]route3{}
		}
		paths[route.path][route.method] = route
	}
	for path, methods := range paths {
		h.mux.HandleFunc("/api/3/"+path, func(w http.ResponseWriter, r *http.Request) {
			route, ok := methods[methodOf(r)]
			if !ok {
				allowed := strings.Join(slices.Sorted(maps.Keys(methods)), ", ")
				w.Header().Set("Allow", allowed)
				answer3(w, http.StatusMethodNotAllowed, message3{"This takes " + allowed + "."})
				return
			}
			h.serveV3(w, r, route)
		})
	}
	for _, path := range []string{"/api", "/api/"} {
		h.mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			answer3(w, http.StatusNotFound, message3{"There is no such path in the API."})
		})
	}
}

// methodOf returns a request's method; HEAD is a GET whose body net/http drops.
func methodOf(r *http.Request) string {
	if r.Method == http.MethodHead {
		return http.MethodGet
	}
	return r.Method
}

func (h *handler) serveV3(w http.ResponseWriter, r *http.Request, route route3) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	a, err := h.byKey(r, r.Header.Get("Api-Token"))
	if err == nil && !a.allows(route.need) {
		err = errForbidden
	}
	var status int
	var answer any
	if err == nil {
		status, answer, err = route.run(a, r.Context(), r)
	}
	if err != nil {
		status, answer = h.failure3(w, err)
	}
	answer3(w, status, answer)
}

// answer3 sends JSON.
func answer3(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(answer) // the client may be gone
}

type message3 struct {
	Message string `json:"message"`
}

// faults3 are mistakes in fields: status 422.
type faults3 struct {
	Errors []fault3 `json:"errors"`
}

type fault3 struct {
	Title  string      `json:"title"`
	Detail string      `json:"detail"`
	Code   string      `json:"code"`
	Source faultSource `json:"source"`
}

type faultSource struct {
	Pointer string `json:"pointer"`
}

// The codes of ActiveCampaign's errors that webhooks have.
const (
	codeMissing = "field_missing"
	codeInvalid = "field_invalid"
)

func (f faults3) Error() string { return f.Errors[0].Title }

// fault makes the error of one field, by its name in JSON.
func fault(code, field, reason string) error {
	return faults3{[]fault3{newFault(code, field, reason)}}
}

func newFault(code, field, reason string) fault3 {
	return fault3{
		Title: "The field " + field + " " + reason + ".", Code: code,
		Source: faultSource{"/data/attributes/" + field},
	}
}

// notFound3 is the error of what an id does not name.
type notFound3 struct{ kind, id string }

func (e notFound3) Error() string {
	return fmt.Sprintf("No Result found for %s with id %s", e.kind, e.id)
}

// found names what was not found.
func found(err error, kind string, r *http.Request) error {
	if errors.Is(err, webhook.ErrNotFound) {
		return notFound3{kind, r.PathValue("id")}
	}
	return err
}

// failure3 returns the answer to an error.
func (h *handler) failure3(w http.ResponseWriter, err error) (status int, answer any) {
	var faults faults3
	var missing notFound3
	var invalid *webhook.InvalidError
	var busy errBusy
	var limit errLimit
	var syntax errJSON
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &faults):
		return http.StatusUnprocessableEntity, faults
	case errors.As(err, &invalid):
		return http.StatusUnprocessableEntity, faults3{[]fault3{newFault(codeOf(invalid), fieldName3(invalid.Field), invalid.Reason)}}
	case errors.As(err, &missing):
		return http.StatusNotFound, message3{missing.Error()}
	case errors.Is(err, webhook.ErrNotFound):
		return http.StatusNotFound, message3{"No Result found"}
	case errors.Is(err, webhook.ErrConflict):
		return http.StatusConflict, message3{"Somebody else changed it at the same moment: read it again."}
	case errors.Is(err, errForbidden):
		return http.StatusForbidden, message3{"You do not have permission to do this: check the key in the header Api-Token and its rights."}
	case errors.As(err, &limit):
		return http.StatusForbidden, message3{limit.Error()}
	case errors.As(err, &busy):
		w.Header().Set("Retry-After", strconv.Itoa(int(busy)))
		return http.StatusTooManyRequests, message3{busy.Error()}
	case errors.As(err, &tooLong):
		return http.StatusRequestEntityTooLarge, message3{fmt.Sprintf("The body is longer than %d bytes.", tooLong.Limit)}
	case errors.As(err, &syntax):
		return http.StatusBadRequest, message3{string(syntax)}
	}
	h.opts.Logger.Error("webhook: a call of the API failed", "error", err)
	return http.StatusInternalServerError, message3{somethingWrong}
}

func codeOf(err *webhook.InvalidError) string {
	if strings.HasPrefix(err.Reason, "is empty") {
		return codeMissing
	}
	return codeInvalid
}

// fieldName3 names a webhook's field as the newer API does.
func fieldName3(field string) string {
	switch field {
	case "List":
		return "listid"
	case "IgnoredEvents":
		return "events"
	}
	return strings.ToLower(field)
}
