package manage

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/listhook/webhook"
)

// The older API, v1: admin/api.php?api_key=…&api_action=webhook_….
// Parameters come in the query, the body, or both, whatever the method. It
// answers with status 200 even on errors, which result_code tells.

func (h *handler) addV1() {
	h.mux.HandleFunc("/admin/api.php", h.serveV1)
	for _, path := range []string{"/admin", "/admin/"} {
		h.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			refuse1(w, r, http.StatusNotFound, "There is nothing but admin/api.php")
		})
	}
}

// An action1 is one of the older API's actions.
type action1 struct {
	need right
	run  func(*account, context.Context, params) (r reply, message string, err error)
}

var actions1 = map[string]action1{
	"account_view":        {rightAny, (*account).accountView1},
	"list_list":           {rightView, (*account).listList1},
	"list_view":           {rightView, (*account).listView1},
	"user_me":             {rightAny, (*account).userMe1},
	"webhook_add":         {rightManage, (*account).add1},
	"webhook_edit":        {rightManage, (*account).edit1},
	"webhook_view":        {rightView, (*account).view1},
	"webhook_list":        {rightView, (*account).list1},
	"webhook_delete":      {rightManage, (*account).delete1},
	"webhook_delete_list": {rightManage, (*account).deleteList1},
	"webhook_events":      {rightView, (*account).events1},
}

func (h *handler) serveV1(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	ps, err := readParams(r)
	action := ps.first("api_action")
	var out reply
	var message string
	if err == nil {
		var a *account
		if a, err = h.byKey(r, ps.first("api_key")); err == nil {
			out, message, err = a.run1(r.Context(), action, ps)
		}
	}
	status, code := http.StatusOK, 1
	if err != nil {
		status, message = h.failure1(w, err)
		out, code = nil, 0
	}
	answer1(w, ps, status, code, message, out)
}

// answer1 sends a reply with its result, in the output that the parameters ask
// for.
func answer1(w http.ResponseWriter, ps params, status, code int, message string, out reply) {
	output, action := ps.first("api_output"), ps.first("api_action")
	if output != outputJSON && output != outputSerialize {
		output = outputXML
	}
	out.set("result_code", code)
	out.set("result_message", message)
	out.set("result_output", output)
	if _, known := actions1[action]; !known {
		action = "response"
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	out.write(w, status, output, action)
}

// refuse1 answers for what failed before the parameters of the body were read.
func refuse1(w http.ResponseWriter, r *http.Request, status int, message string) {
	query, _ := parseParams(r.URL.RawQuery)
	answer1(w, query, status, 0, "Failed: "+message, nil)
}

func (a *account) run1(ctx context.Context, action string, ps params) (reply, string, error) {
	run, ok := actions1[action]
	switch {
	case action == "":
		return nil, "", mistake1("api_action is missing")
	case !ok:
		return nil, "", mistake1("api_action is none that webhooks have: account_view, list_list, list_view, user_me, webhook_add, " +
			"webhook_edit, webhook_view, webhook_list, webhook_delete, webhook_delete_list, webhook_events")
	case !a.allows(run.need):
		return nil, "", errForbidden
	}
	return run.run(a, ctx, ps)
}

// mistake1 is an error that says by itself what the client did wrong.
type mistake1 string

func (e mistake1) Error() string { return string(e) }

// failure1 says an error in a sentence for the client.
func (h *handler) failure1(w http.ResponseWriter, err error) (status int, message string) {
	var mistake mistake1
	var invalid *webhook.InvalidError
	var limit errLimit
	var busy errBusy
	switch {
	case errors.As(err, &mistake):
		return http.StatusOK, "Failed: " + string(mistake)
	case errors.As(err, &invalid):
		return http.StatusOK, "Failed: " + paramOf(invalid.Field) + " " + invalid.Reason
	case errors.As(err, &limit):
		return http.StatusOK, "Failed: " + limit.Error()
	case errors.As(err, &busy):
		w.Header().Set("Retry-After", strconv.Itoa(int(busy)))
		return http.StatusTooManyRequests, "Failed: " + busy.Error()
	case errors.Is(err, errTooMuch):
		return http.StatusRequestEntityTooLarge, "Failed: " + errTooMuch.Error()
	case errors.Is(err, errEncoding):
		return http.StatusOK, "Failed: " + errEncoding.Error()
	case errors.Is(err, errForbidden):
		return http.StatusOK, "You are not authorized to access this file"
	case errors.Is(err, webhook.ErrNotFound):
		return http.StatusOK, "Failed: id names no webhook of the account"
	case errors.Is(err, webhook.ErrConflict):
		return http.StatusOK, "Failed: somebody else changed the webhook at the same moment"
	}
	h.opts.Logger.Error("webhook: a call of the API failed", "error", err)
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

func (a *account) userMe1(context.Context, params) (reply, string, error) {
	first, last, _ := strings.Cut(a.User, " ")
	r := reply{{"username", a.User}, {"first_name", first}, {"last_name", last}, {"email", emailOf(a.User)}}
	return r, "Success: Something is returned", nil
}

// emailOf returns a user's name if it is an email address.
func emailOf(user string) string {
	if strings.Contains(user, "@") {
		return user
	}
	return ""
}

// read1 takes over the parameters that were sent.
func read1(ps params, w *webhook.Webhook) error {
	if name, ok := ps.text("name"); ok {
		w.Name = name
	}
	if url, ok := ps.text("url"); ok {
		w.URL = strings.TrimSpace(url)
	}
	if actions, sent := ps.values("action"); sent {
		if err := setEvents(w, actions); err != nil {
			return err
		}
	}
	if inits, sent := ps.values("init"); sent {
		setSources(w, inits)
	}
	return nil
}

func typed[T ~string](texts []string) []T {
	values := make([]T, len(texts))
	for i, text := range texts {
		values[i] = T(text)
	}
	return values
}

// lists1 returns the lists that were sent, each for a webhook of its own; of
// every list, and of none, there is one.
func lists1(ps params) (lists []string, sent bool) {
	lists, sent = ps.values("lists")
	if slices.Contains(lists, "0") {
		return []string{""}, true
	}
	if len(lists) == 0 {
		lists = []string{""}
	}
	return lists, sent
}

func (a *account) add1(ctx context.Context, ps params) (reply, string, error) {
	lists, _ := lists1(ps)
	ws := make([]webhook.Webhook, len(lists))
	for i, list := range lists {
		if err := read1(ps, &ws[i]); err != nil {
			return nil, "", err
		}
		ws[i].List, ws[i].Format = list, a.opts.DefaultFormat
	}
	if len(ws) > a.opts.MaxWebhooks {
		return nil, "", errLimit(a.opts.MaxWebhooks)
	}
	added, err := a.add(ctx, ws...)
	if err != nil {
		return nil, "", err
	}
	message := "Webhook added"
	if len(added) > 1 {
		message = fmt.Sprintf("%d webhooks added, one for each list", len(added))
	}
	return reply{{"id", numeral(added[0].ID)}}, message + ignoredNote(added[0]), nil
}

// numeral returns an id as a number if it is one that clients can read.
func numeral(id string) any {
	if n, err := strconv.ParseInt(id, 10, 54); err == nil && n > 0 && strconv.FormatInt(n, 10) == id {
		return int(n)
	}
	return id
}

func (a *account) edit1(ctx context.Context, ps params) (reply, string, error) {
	id, err := id1(ps)
	if err != nil {
		return nil, "", err
	}
	w, err := a.edit(ctx, id, func(w *webhook.Webhook) error {
		if err := read1(ps, w); err != nil {
			return err
		}
		if lists, sent := lists1(ps); sent {
			w.List = lists[0] // an edit makes no further webhooks
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	message := "Webhook updated"
	if _, sent := ps.values("action"); sent {
		message += ignoredNote(w)
	}
	return reply{{"id", numeral(w.ID)}}, message, nil
}

func id1(ps params) (string, error) {
	id := ps.first("id")
	if id == "" {
		return "", mistake1("id is missing")
	}
	return id, nil
}

func (a *account) view1(ctx context.Context, ps params) (reply, string, error) {
	id, err := id1(ps)
	if err != nil {
		return nil, "", err
	}
	w, err := a.webhook(ctx, id)
	if err != nil {
		return nil, "", err
	}
	return a.row1(w), "Success: Something is returned", nil
}

func (a *account) list1(ctx context.Context, ps params) (reply, string, error) {
	ws, err := a.webhooks(ctx)
	if err != nil {
		return nil, "", err
	}
	ids, some := ids1(ps)
	filter := filter{ps.first("filters[name]"), ps.first("filters[url]"), ps.first("filters[listid]")}
	var r reply
	for _, w := range ws {
		if filter.matches(w) && (!some || ids[w.ID]) {
			r = append(r, replyField{strconv.Itoa(len(r)), a.row1(w)})
		}
	}
	if len(r) == 0 {
		return r, "Success: there are no webhooks", nil
	}
	return r, "Success: Something is returned", nil
}

// ids1 returns the ids that were named; some is false when it is all of them,
// or when none were sent.
func ids1(ps params) (ids map[string]bool, some bool) {
	values, sent := ps.values("ids")
	ids = map[string]bool{}
	for _, id := range values {
		if id == "all" {
			return nil, false
		}
		ids[id] = true
	}
	return ids, sent
}

// row1 is a webhook as the older API shows it. Flags are numbers, so that they
// are false where they mean it; the rest are texts.
func (a *account) row1(w webhook.Webhook) reply {
	list := w.List
	if list == "" {
		list = "0"
	}
	r := reply{
		{"id", w.ID}, {"name", w.Name}, {"cdate", w.Created.In(a.location()).Format("2006-01-02 15:04:05")},
		{"listid", list}, {"url", w.URL},
	}
	for _, t := range webhook.EventTypes() {
		r = append(r, replyField{string(t), flag(w.Events, t)})
	}
	for _, s := range webhook.Sources() {
		r = append(r, replyField{"init_" + string(s), flag(w.Sources, s)})
	}
	return r
}

func (a *account) delete1(ctx context.Context, ps params) (reply, string, error) {
	id, err := id1(ps)
	if err != nil {
		return nil, "", err
	}
	if err := a.d.DeleteWebhook(ctx, a.Account, id); err != nil {
		return nil, "", err
	}
	return nil, "Webhook deleted", nil
}

func (a *account) deleteList1(ctx context.Context, ps params) (reply, string, error) {
	ids, some := ids1(ps)
	if _, sent := ps.values("ids"); !sent || some && len(ids) == 0 {
		return nil, "", mistake1("ids is missing")
	}
	ws, err := a.webhooks(ctx)
	if err != nil {
		return nil, "", err
	}
	var deleted int
	for _, w := range ws {
		if some && !ids[w.ID] {
			continue
		}
		if err := a.d.DeleteWebhook(ctx, a.Account, w.ID); err != nil && !errors.Is(err, webhook.ErrNotFound) {
			return nil, "", err
		}
		deleted++
	}
	if some && deleted < len(ids) {
		return nil, "", mistake1(fmt.Sprintf("of %d ids, %d name no webhook of the account; the others were deleted",
			len(ids), len(ids)-deleted))
	}
	return nil, fmt.Sprintf("%d webhooks deleted", deleted), nil
}
