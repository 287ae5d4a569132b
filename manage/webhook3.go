package manage

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/listhook/webhook"
)

// time3Layout is how the newer API writes times: ISO 8601 with the offset.
const time3Layout = "2006-01-02T15:04:05-07:00"

func (a *account) time3(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := t.In(a.location()).Format(time3Layout)
	return &text
}

// webhook3 is a webhook as ActiveCampaign's API shows it: ids are strings.
type webhook3 struct {
	CDate   *string             `json:"cdate"`
	ListID  string              `json:"listid"`
	Name    string              `json:"name"`
	URL     string              `json:"url"`
	Events  []webhook.EventType `json:"events"`
	Sources []webhook.Source    `json:"sources"`
	Links   []string            `json:"links"`
	ID      string              `json:"id"`
}

func (a *account) webhook3(w webhook.Webhook) webhook3 {
	list := w.List
	if list == "" {
		list = "0"
	}
	return webhook3{
		CDate: a.time3(w.Created), ListID: list, Name: w.Name, URL: w.URL,
		Events: w.Events, Sources: w.Sources, Links: []string{}, ID: w.ID,
	}
}

type oneWebhook3 struct {
	Webhook webhook3 `json:"webhook"`
}

type webhooks3 struct {
	Webhooks []webhook3 `json:"webhooks"`
	Meta     total3     `json:"meta"`
}

func (a *account) list3(ctx context.Context, r *http.Request) (int, any, error) {
	ws, limit, offset, err := a.filtered3(ctx, r)
	if err != nil {
		return 0, nil, err
	}
	answer := webhooks3{Webhooks: []webhook3{}, Meta: totalOf(ws)}
	for _, w := range slice3(ws, limit, offset) {
		answer.Webhooks = append(answer.Webhooks, a.webhook3(w))
	}
	return http.StatusOK, answer, nil
}

// filtered3 returns the webhooks that a request's filters select, and which
// part of them it asks for.
func (a *account) filtered3(ctx context.Context, r *http.Request) (found []webhook.Webhook, limit, offset int, err error) {
	if limit, offset, err = page3(r); err != nil {
		return nil, 0, 0, err
	}
	ws, err := a.webhooks(ctx)
	if err != nil {
		return nil, 0, 0, err
	}
	q := r.URL.Query()
	f := filter{q.Get("filters[name]"), q.Get("filters[url]"), q.Get("filters[listid]")}
	for _, w := range ws {
		if f.matches(w) {
			found = append(found, w)
		}
	}
	return found, limit, offset, nil
}

func (a *account) add3(ctx context.Context, r *http.Request) (int, any, error) {
	object, err := webhookBody3(r)
	if err != nil {
		return 0, nil, err
	}
	var missing faults3
	for _, key := range []string{"name", "url", "events", "sources"} {
		if !object.has(key) {
			missing.Errors = append(missing.Errors, newFault(codeMissing, key, "is missing"))
		}
	}
	if len(missing.Errors) > 0 {
		return 0, nil, missing
	}
	w := webhook.Webhook{Format: a.opts.DefaultFormat}
	if err := object.webhook(&w); err != nil {
		return 0, nil, err
	}
	added, err := a.add(ctx, w)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, oneWebhook3{a.webhook3(added[0])}, nil
}

func webhookBody3(r *http.Request) (object3, error) {
	body, err := body3(r)
	if err != nil {
		return nil, err
	}
	return body.object("webhook")
}

// webhook takes over the fields of ActiveCampaign's API that o has.
func (o object3) webhook(w *webhook.Webhook) error {
	if err := o.read("name", &w.Name, "a string"); err != nil {
		return err
	}
	if err := o.read("url", &w.URL, "a string"); err != nil {
		return err
	}
	w.URL = strings.TrimSpace(w.URL)
	if o.has("events") {
		events, err := o.texts("events")
		if err != nil {
			return err
		}
		if err := setEvents(w, events); err != nil {
			return err
		}
	}
	if o.has("sources") {
		sources, err := o.texts("sources")
		if err != nil {
			return err
		}
		setSources(w, sources)
	}
	if value, ok := o["listid"]; ok {
		list, err := listID(value)
		if err != nil {
			return err
		}
		w.List = list
	}
	return nil
}

// listID reads a list's id, which clients send as a number, a string or null;
// 0 and null are every list.
func listID(value json.RawMessage) (string, error) {
	var text string
	if json.Unmarshal(value, &text) != nil { // null leaves it empty
		var n int64
		if json.Unmarshal(value, &n) != nil {
			return "", fault(codeInvalid, "listid", "is neither a number nor a string nor null")
		}
		text = strconv.FormatInt(n, 10)
	}
	return listOf(text), nil
}

func (a *account) view3(ctx context.Context, r *http.Request) (int, any, error) {
	w, err := a.webhook(ctx, r.PathValue("id"))
	if err != nil {
		return 0, nil, found(err, "Webhook", r)
	}
	return http.StatusOK, oneWebhook3{a.webhook3(w)}, nil
}

func (a *account) edit3(ctx context.Context, r *http.Request) (int, any, error) {
	object, err := webhookBody3(r)
	if err != nil {
		return 0, nil, err
	}
	w, err := a.edit(ctx, r.PathValue("id"), object.webhook)
	if err != nil {
		return 0, nil, found(err, "Webhook", r)
	}
	return http.StatusOK, oneWebhook3{a.webhook3(w)}, nil
}

func (a *account) delete3(ctx context.Context, r *http.Request) (int, any, error) {
	if err := a.d.DeleteWebhook(ctx, a.Account, r.PathValue("id")); err != nil {
		return 0, nil, found(err, "Webhook", r)
	}
	return http.StatusOK, struct{}{}, nil
}

// events3 names the nine. The total is a number here, and the names stand
// under both keys that clients look at.
func (a *account) events3(context.Context, *http.Request) (int, any, error) {
	types := webhook.EventTypes()
	return http.StatusOK, struct {
		WebhookEvents []webhook.EventType `json:"webhookEvents"`
		Events        []webhook.EventType `json:"events"`
		Meta          struct {
			Total int `json:"total"`
		} `json:"meta"`
	}{types, types, struct {
		Total int `json:"total"`
	}{len(types)}}, nil
}
