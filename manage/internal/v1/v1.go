// Package v1 is the older of ActiveCampaign's APIs:
// admin/api.php?api_key=…&api_action=webhook_….
//
// Parameters come in the query, the body, or both, whatever the method, but for HEAD
// and OPTIONS, which browsers and link checkers send: they do nothing. An
// action makes a reply of them, which is sent as XML, JSON or PHP's serialize
// has it, with status 200 even on errors, which result_code tells.
package v1

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/params"
)

// Register serves the API of the accounts on mux, at /admin/api.php, and what is
// not there below /admin.
func Register(mux *http.ServeMux, accounts *account.Service) {
	mux.HandleFunc("/admin/api.php", func(w http.ResponseWriter, r *http.Request) { serve(w, r, accounts) })
	for _, path := range []string{"/admin", "/admin/"} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			Refuse(w, r, http.StatusNotFound, "There is nothing but admin/api.php")
		})
	}
}

// Actions returns the names of the API's actions, with the right that each
// needs.
func Actions() map[string]account.Right {
	rights := map[string]account.Right{}
	for name, a := range actions {
		rights[name] = a.need
	}
	return rights
}

// An action is one of the older API's actions.
type action struct {
	need account.Right
	run  func(context.Context, *account.Caller, params.Params) (r reply, message string, err error)
}

var actions = map[string]action{
	"account_view":        {account.RightAny, viewAccount},
	"list_list":           {account.RightView, listLists},
	"list_view":           {account.RightView, viewList},
	"user_me":             {account.RightAny, viewUser},
	"webhook_add":         {account.RightManage, addWebhooks},
	"webhook_edit":        {account.RightManage, editWebhook},
	"webhook_view":        {account.RightView, viewWebhook},
	"webhook_list":        {account.RightView, listWebhooks},
	"webhook_delete":      {account.RightManage, deleteWebhook},
	"webhook_delete_list": {account.RightManage, deleteWebhooks},
	"webhook_events":      {account.RightView, listEvents},
}

func serve(w http.ResponseWriter, r *http.Request, accounts *account.Service) {
	if r.Method == http.MethodHead || r.Method == http.MethodOptions {
		w.Header().Set("Allow", "GET, POST")
		Refuse(w, r, http.StatusMethodNotAllowed, "this takes GET and POST")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, params.MaxBody)
	ps, err := params.Read(r)
	var out reply
	var message string
	if err == nil {
		var c *account.Caller
		if c, err = accounts.ByKey(r.Context(), ps.First("api_key")); err == nil {
			out, message, err = run(r.Context(), c, ps.First("api_action"), ps)
		}
	}
	status, code := http.StatusOK, 1
	if err != nil {
		status, message = failure(w, r, err, accounts)
		out, code = nil, 0
	}
	answer(w, ps, status, code, message, out)
}

// answer sends a reply with its result, in the output that the parameters ask
// for.
func answer(w http.ResponseWriter, ps params.Params, status, code int, message string, out reply) {
	output, action := strings.ToLower(ps.First("api_output")), ps.First("api_action")
	if output != outputJSON && output != outputSerialize {
		output = outputXML
	}
	out.set("result_code", code)
	out.set("result_message", message)
	out.set("result_output", output)
	if _, known := actions[action]; !known {
		action = "response"
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	out.write(w, status, output, action)
}

// Refuse answers for what failed before the parameters of the body were read.
func Refuse(w http.ResponseWriter, r *http.Request, status int, message string) {
	query, _ := params.Parse(params.Lenient(r.URL.RawQuery))
	answer(w, query, status, 0, "Failed: "+message, nil)
}

// run does what an action asks for, if a may.
func run(ctx context.Context, c *account.Caller, name string, ps params.Params) (reply, string, error) {
	action, ok := actions[name]
	switch {
	case name == "":
		return nil, "", mistake("api_action is missing")
	case !ok:
		return nil, "", mistake("api_action is none that webhooks have: account_view, list_list, list_view, user_me, webhook_add, " +
			"webhook_edit, webhook_view, webhook_list, webhook_delete, webhook_delete_list, webhook_events")
	case !c.Allows(action.need):
		return nil, "", account.ErrForbidden
	}
	return action.run(ctx, c, ps)
}

// mistake is an error that says by itself what the client did wrong.
type mistake string

func (e mistake) Error() string { return string(e) }

// failure says an error in a sentence for the client.
func failure(w http.ResponseWriter, r *http.Request, err error, accounts *account.Service) (status int, message string) {
	var mistake mistake
	var wrong problems
	var invalid *webhook.InvalidError
	var limit account.LimitError
	var busy account.BusyError
	switch {
	case errors.As(err, &mistake):
		return http.StatusOK, "Failed: " + string(mistake)
	case errors.As(err, &wrong):
		return http.StatusOK, "Failed: " + wrong.Error()
	case errors.As(err, &invalid):
		return http.StatusOK, "Failed: " + paramOf(invalid.Field) + " " + invalid.Reason
	case errors.As(err, &limit):
		return http.StatusOK, "Failed: " + limit.Error()
	case errors.As(err, &busy):
		w.Header().Set("Retry-After", strconv.Itoa(int(busy)))
		return http.StatusTooManyRequests, "Failed: " + busy.Error()
	case errors.Is(err, account.ErrUnavailable):
		w.Header().Set("Retry-After", account.UnavailableRetryAfter)
		return http.StatusServiceUnavailable, "Failed: " + account.Unavailable
	case errors.Is(err, params.ErrTooMuch):
		return http.StatusRequestEntityTooLarge, "Failed: " + params.ErrTooMuch.Error()
	case errors.Is(err, params.ErrEncoding):
		return http.StatusOK, "Failed: " + params.ErrEncoding.Error()
	case errors.Is(err, params.ErrJSON):
		return http.StatusOK, "Failed: " + params.ErrJSON.Error()
	case errors.Is(err, account.ErrForbidden):
		return http.StatusOK, "You are not authorized to access this file"
	case errors.Is(err, account.ErrNoAccount):
		return http.StatusOK, "Failed: there is no such account"
	case errors.Is(err, webhook.ErrNotFound):
		return http.StatusOK, "Failed: id names no webhook of the account"
	case errors.Is(err, webhook.ErrConflict):
		return http.StatusOK, "Failed: somebody else changed the webhook at the same moment"
	}
	accounts.LogFault(r.Context(), "webhook: a call of the API failed", err)
	return http.StatusInternalServerError, "Failed: something went wrong here; it was logged"
}

// paramOf names a webhook's field as the older API's parameters do.
func paramOf(field string) string {
	switch field {
	case "Events", "IgnoredEvents":
		return "action"
	case "Sources":
		return "init"
	case "List":
		return "lists"
	}
	return strings.ToLower(field)
}
