package manage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

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
	{"GET", "users/me", rightAny, (*account).userMe3},

	{"GET", "listhook/webhooks", rightView, (*account).settingsList3},
	{"GET", "listhook/webhooks/{id}", rightView, (*account).settings3},
	{"PUT", "listhook/webhooks/{id}", rightManage, (*account).settingsEdit3},
	{"POST", "listhook/webhooks/{id}/enable", rightManage, (*account).enable3},
	{"POST", "listhook/webhooks/{id}/disable", rightManage, (*account).disable3},
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
	h.mux.HandleFunc("/api/", func(w http.ResponseWriter, _ *http.Request) {
		answer3(w, http.StatusNotFound, message3{"There is no such path in the API."})
	})
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
		status, answer = h.explain3(w, err)
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

// explain3 returns the answer to an error.
func (h *handler) explain3(w http.ResponseWriter, err error) (status int, answer any) {
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
		return http.StatusUnprocessableEntity, faults3{[]fault3{newFault(codeOf(invalid), field3(invalid.Field), invalid.Reason)}}
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
	return http.StatusInternalServerError, message3{"Something went wrong here. It was logged."}
}

func codeOf(err *webhook.InvalidError) string {
	if strings.HasPrefix(err.Reason, "is empty") {
		return codeMissing
	}
	return codeInvalid
}

// field3 names a webhook's field as the newer API does.
func field3(field string) string {
	if field == "List" {
		return "listid"
	}
	return strings.ToLower(field)
}

// errJSON says what is wrong with a body as a whole.
type errJSON string

func (e errJSON) Error() string { return string(e) }

// body3 reads a request's body, a JSON object; an empty one is an empty object.
func body3(r *http.Request) (object3, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	object := object3{}
	if len(strings.TrimSpace(string(text))) == 0 {
		return object, nil
	}
	if err := json.Unmarshal(text, &object); err != nil || object == nil {
		return nil, errJSON("The body is no JSON object.")
	}
	return object, nil
}

// object3 is a JSON object, each value of which is read by itself, so that the
// error names its field.
type object3 map[string]json.RawMessage

func (o object3) has(key string) bool {
	value, ok := o[key]
	return ok && string(value) != "null"
}

// read reads a value into the variable that into points at, if there is one.
func (o object3) read(key string, into any, what string) error {
	if !o.has(key) {
		return nil
	}
	if err := json.Unmarshal(o[key], into); err != nil {
		return fault(codeInvalid, key, "is not "+what)
	}
	return nil
}

// object returns an object in o; an error if it is missing.
func (o object3) object(key string) (object3, error) {
	var inner object3
	if err := o.read(key, &inner, "an object"); err != nil {
		return nil, err
	}
	if inner == nil {
		return nil, fault(codeMissing, key, "is missing: the body is "+`{"`+key+`":{…}}`)
	}
	return inner, nil
}

// texts reads strings, or one string.
func (o object3) texts(key string) ([]string, error) {
	var one string
	if json.Unmarshal(o[key], &one) == nil && o.has(key) {
		return []string{one}, nil
	}
	var several []string
	err := o.read(key, &several, "an array of strings")
	return several, err
}

// time reads a time of ISO 8601 with its offset.
func (o object3) time(key string) (time.Time, error) {
	var text string
	if err := o.read(key, &text, "a string"); err != nil || text == "" {
		return time.Time{}, err
	}
	return time3(key, text)
}

func time3(field, text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fault(codeInvalid, field, "is no time such as 2013-01-02T09:28:42-06:00")
	}
	return t, nil
}

// page3 reads limit and offset: 20 unless told, and at most 100.
func page3(r *http.Request) (limit, offset int, err error) {
	limit = 20
	q := r.URL.Query()
	for _, p := range []struct {
		key  string
		into *int
	}{{"limit", &limit}, {"offset", &offset}} {
		text := q.Get(p.key)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return 0, 0, fault(codeInvalid, p.key, "is no number from 0")
		}
		*p.into = n
	}
	if limit == 0 {
		limit = 20
	}
	return min(limit, 100), offset, nil
}

// slice3 returns the part of items that a page shows.
func slice3[T any](items []T, limit, offset int) []T {
	from := min(offset, len(items))
	return items[from:min(from+limit, len(items))]
}

// total3 is a count as the newer API shows it: a string.
type total3 struct {
	Total string `json:"total"`
}

func totalOf[T any](items []T) total3 { return total3{strconv.Itoa(len(items))} }
