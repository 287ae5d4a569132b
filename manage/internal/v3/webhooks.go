package v3

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
)

// timeLayout is how the newer API writes times: ISO 8601 with the offset.
const timeLayout = "2006-01-02T15:04:05-07:00"

func formatTime(c *account.Caller, t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := t.In(c.Zone()).Format(timeLayout)
	return &text
}

// A webhookJSON is a webhook as ActiveCampaign's API shows it: ids are strings.
type webhookJSON struct {
	CDate   *string             `json:"cdate"`
	ListID  string              `json:"listid"`
	Name    string              `json:"name"`
	URL     string              `json:"url"`
	Events  []webhook.EventType `json:"events"`
	Sources []webhook.Source    `json:"sources"`
	Links   []string            `json:"links"`
	ID      string              `json:"id"`
}

func webhookOf(c *account.Caller, w webhook.Webhook) webhookJSON {
	w = c.Shown(w)
	return webhookJSON{
		CDate: formatTime(c, w.Created), ListID: account.ListID(w), Name: w.Name, URL: w.URL,
		Events: w.Events, Sources: w.Sources, Links: []string{}, ID: w.ID,
	}
}

type oneWebhook struct {
	Webhook webhookJSON `json:"webhook"`
}

type webhookList struct {
	Webhooks []webhookJSON `json:"webhooks"`
	Meta     totalJSON     `json:"meta"`
}

func listWebhooks(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	ws, limit, offset, err := filtered(ctx, c, r)
	if err != nil {
		return 0, nil, err
	}
	answer := webhookList{Webhooks: []webhookJSON{}, Meta: totalOf(ws)}
	for _, w := range pageOf(ws, limit, offset) {
		answer.Webhooks = append(answer.Webhooks, webhookOf(c, w))
	}
	return http.StatusOK, answer, nil
}

// filtered returns the webhooks that a request's filters select, and which
// part of them it asks for.
func filtered(ctx context.Context, c *account.Caller, r *http.Request) (found []webhook.Webhook, limit, offset int, err error) {
	if limit, offset, err = readPage(r); err != nil {
		return nil, 0, 0, err
	}
	q := r.URL.Query()
	found, err = c.Filtered(ctx, account.Filter{
		Name: q.Get("filters[name]"), URL: q.Get("filters[url]"), List: q.Get("filters[listid]"),
	})
	return found, limit, offset, err
}

func addWebhook(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	object, err := readWebhook(r)
	if err != nil {
		return 0, nil, err
	}
	var missing fieldFaults
	for _, key := range []string{"name", "url", "events", "sources"} {
		if !object.has(key) {
			missing.Errors = append(missing.Errors, newFault(codeMissing, key, "is missing"))
		}
	}
	if len(missing.Errors) > 0 {
		return 0, nil, missing
	}
	w := webhook.Webhook{Settings: webhook.Settings{Format: c.FormatOfNew()}}
	if err := object.webhook(c, &w); err != nil {
		return 0, nil, err
	}
	added, err := c.Add(ctx, w)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, oneWebhook{webhookOf(c, added[0])}, nil
}

func readWebhook(r *http.Request, known ...string) (object, error) {
	body, err := readBody(r, known...)
	if err != nil {
		return nil, err
	}
	return body.object("webhook")
}

// webhook takes over the fields of ActiveCampaign's API that o has.
func (o object) webhook(c *account.Caller, w *webhook.Webhook) error {
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
		if err := c.SetEvents(w, events); err != nil {
			return err
		}
	}
	if o.has("sources") {
		sources, err := o.texts("sources")
		if err != nil {
			return err
		}
		account.SetSources(w, sources)
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
	return account.ParseListID(text), nil
}

func viewWebhook(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	w, err := c.Webhook(ctx, r.PathValue("id"))
	if err != nil {
		return 0, nil, found(err, "Webhook", r)
	}
	return http.StatusOK, oneWebhook{webhookOf(c, w)}, nil
}

func editWebhook(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	object, err := readWebhook(r)
	if err != nil {
		return 0, nil, err
	}
	w, err := c.Edit(ctx, r.PathValue("id"), func(w *webhook.Webhook) error { return object.webhook(c, w) })
	if err != nil {
		return 0, nil, found(err, "Webhook", r)
	}
	return http.StatusOK, oneWebhook{webhookOf(c, w)}, nil
}

func deleteWebhook(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	if err := c.Delete(ctx, r.PathValue("id")); err != nil {
		return 0, nil, found(err, "Webhook", r)
	}
	return http.StatusOK, struct{}{}, nil
}

// listEvents names the app's event types. The total is a number here, and the names stand
// under both keys that clients look at.
func listEvents(_ context.Context, c *account.Caller, _ *http.Request) (int, any, error) {
	types := slices.DeleteFunc(c.Types(), func(t webhook.EventType) bool { return !c.Limits.AllowsEvent(t) })
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
