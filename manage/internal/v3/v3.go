// Package v3 is the newer of ActiveCampaign's APIs: JSON below api/3, with the
// key in the header Api-Token. Below api/3/listhook is what ActiveCampaign's does
// not have: the log, resending, tests, enabling, disabling, secrets. openapi.json
// describes all of it.
package v3

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/params"
	"github.com/listhook/webhook/manage/internal/route"
)

// tokenHeader is the header that has the API key.
const tokenHeader = "Api-Token"

// A call answers a request with what is sent as JSON.
type call = func(ctx context.Context, c *account.Caller, r *http.Request) (status int, answer any, err error)

// Routes returns the API's calls, below /api/3/.
func Routes() []route.Route[call] { return slices.Clone(routes) }

var routes = []route.Route[call]{
	route.Get("webhooks", account.RightView, listWebhooks),
	route.Post("webhooks", account.RightManage, addWebhook),
	route.Get("webhooks/{id}", account.RightView, viewWebhook),
	route.Put("webhooks/{id}", account.RightManage, editWebhook),
	route.Delete("webhooks/{id}", account.RightManage, deleteWebhook),
	route.Get("webhook/events", account.RightView, listEvents),
	route.Get("webhooks/events", account.RightView, listEvents),
	route.Get("lists", account.RightView, listLists),
	route.Get("lists/{id}", account.RightView, viewList),
	route.Get("fields", account.RightView, listFields),
	route.Get("fields/{id}", account.RightView, viewField),
	route.Get("campaigns", account.RightView, listCampaigns),
	route.Get("campaigns/{id}", account.RightView, viewCampaign),
	route.Get("users/me", account.RightAny, viewUser),

	route.Get("listhook/webhooks", account.RightView, listSettings),
	route.Get("listhook/webhooks/{id}", account.RightView, viewSettings),
	route.Put("listhook/webhooks/{id}", account.RightManage, editSettings),
	route.Get("listhook/webhooks/{id}/stats", account.RightView, viewStats),
	route.Get("listhook/stats", account.RightView, viewAllStats),
	route.Post("listhook/webhooks/{id}/enable", account.RightManage, enable),
	route.Post("listhook/webhooks/{id}/disable", account.RightManage, disable),
	route.Post("listhook/webhooks/{id}/try", account.RightManage, tryNow),
	route.Post("listhook/webhooks/{id}/rotate", account.RightManage, rotate),
	route.Post("listhook/webhooks/{id}/test", account.RightManage, sendTest),
	route.Post("listhook/webhooks/{id}/replay", account.RightManage, replay),
	route.Get("listhook/webhooks/{id}/replay", account.RightView, viewReplay),
	route.Post("listhook/webhooks/{id}/replay/count", account.RightManage, countReplay),
	route.Post("listhook/webhooks/{id}/replay/cancel", account.RightManage, cancelReplay),
	route.Get("listhook/deliveries", account.RightLog, listDeliveries),
	route.Post("listhook/deliveries/search", account.RightLog, searchDeliveries),
	route.Get("listhook/deliveries/{id}", account.RightLog, viewDelivery),
	route.Post("listhook/deliveries/{id}/redeliver", account.RightResend, redeliver),
	route.Post("listhook/deliveries/{id}/skip", account.RightResend, skip),
	route.Post("listhook/explain", account.RightView, explain),
	route.Get("listhook/openapi.json", account.RightPublic, viewOpenAPI),
}

// Register serves the API of the accounts on mux, below /api/3/, and what is not
// there below /api.
func Register(mux *http.ServeMux, accounts *account.Service) {
	known := &answers{}
	route.Register(mux, "/api/3/", routes, func(w http.ResponseWriter, r *http.Request, rt route.Route[call]) {
		serve(w, r, accounts, known, rt)
	}, func(w http.ResponseWriter, _ *http.Request, allowed string) {
		Refuse(w, http.StatusMethodNotAllowed, "This takes "+allowed+".")
	})
	for _, path := range []string{"/api", "/api/"} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			Refuse(w, http.StatusNotFound, "There is no such path in the API.")
		})
	}
}

func serve(w http.ResponseWriter, r *http.Request, accounts *account.Service, known *answers, rt route.Route[call]) {
	r.Body = http.MaxBytesReader(w, r.Body, params.MaxBody)
	r.URL.RawQuery = params.Lenient(r.URL.RawQuery)
	c, err := accounts.ByKey(r.Context(), r.Header.Get(tokenHeader))
	if err != nil && rt.Need == account.RightPublic {
		c, err = accounts.Public(r.Context()), nil
	}
	if err == nil && !c.Allows(rt.Need) {
		err = account.ErrForbidden
	}
	var status int
	var answer any
	if err == nil {
		var again bool
		status, answer, again, err = known.once(c, r, func() (int, any, error) { return rt.Serve(r.Context(), c, r) })
		if again {
			w.Header().Set("Idempotent-Replayed", "true")
		}
	}
	if err != nil {
		status, answer = failure(w, r, err, accounts)
	}
	send(w, status, answer)
}

// Refuse answers with a message.
func Refuse(w http.ResponseWriter, status int, text string) { send(w, status, message{text}) }

// send sends JSON.
func send(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(answer) // the client may be gone
}

type message struct {
	Message string `json:"message"`
}
