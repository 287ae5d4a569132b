package v3

import (
	"context"
	"net/http"
	"slices"
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

// A webhookJSON is a webhook as ActiveCampaign's API shows it: ids are strings. Only a
// webhook that cannot be read has one more field.
type webhookJSON struct {
	CDate   *string             `json:"cdate"`
	ListID  string              `json:"listid"`
	Name    string              `json:"name"`
	URL     string              `json:"url"`
	Events  []webhook.EventType `json:"events"`
	Sources []webhook.Source    `json:"sources"`
	Links   []string            `json:"links"`
	ID      string              `json:"id"`

	Unreadable string `json:"unreadable,omitempty"` // why
}

func webhookOf(c *account.Caller, w webhook.Webhook) webhookJSON {
	w = c.Shown(w)
	return webhookJSON{
		CDate: formatTime(c, w.Created), ListID: account.ListID(w), Name: w.Name, URL: w.URL,
		Events: w.Events, Sources: w.Sources, Links: []string{}, ID: w.ID, Unreadable: w.Unreadable(),
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
	var f faults
	ws, limit, offset, err := filtered(ctx, c, r, &f)
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
// part of them it asks for. It returns the mistakes of f too.
func filtered(ctx context.Context, c *account.Caller, r *http.Request, f *faults) (found []webhook.Webhook, limit, offset int, err error) {
	limit, offset = readPage(r, f)
	if err := f.err(); err != nil {
		return nil, 0, 0, err
	}
	q := r.URL.Query()
	found, err = c.Filtered(ctx, account.Filter{
		Name: q.Get("filters[name]"), URL: q.Get("filters[url]"), List: q.Get("filters[listid]"),
	})
	return found, limit, offset, err
}

func addWebhook(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	body, err := readObject(r)
	if err != nil {
		return 0, nil, err
	}
	var f faults
	object := body.theWebhook(&f)
	if err := f.err(); err != nil {
		return 0, nil, err
	}
	for _, key := range []string{"name", "url", "events", "sources"} {
		f.add(object.required(key))
	}
	w := webhook.Webhook{Settings: webhook.Settings{Format: c.FormatOfNew()}}
	object.webhook(c, &w, &f)
	f.addAll(c.Problems(ctx, webhook.Webhook{}, w))
	if err := f.err(); err != nil {
		return 0, nil, err
	}
	added, err := c.Add(ctx, w)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, oneWebhook{webhookOf(c, added[0])}, nil
}

// theWebhook returns the webhook that a body holds.
func (o object) theWebhook(f *faults) object {
	inner, err := o.object("webhook")
	f.add(err)
	if inner == nil && err == nil {
		f.add(fault(codeMissing, "webhook", `is missing: the body is {"webhook":{…}}`))
	}
	return inner
}

// webhook takes over the fields of ActiveCampaign's API that o has.
func (o object) webhook(c *account.Caller, w *webhook.Webhook, f *faults) {
	if o.has("name") {
		name, err := o.text("name")
		f.add(err)
		w.Name = name
	}
	f.add(o.read("url", &w.URL, "a string"))
	w.URL = strings.TrimSpace(w.URL)
	if o.has("events") {
		if events, err := o.texts("events"); err != nil {
			f.add(err)
		} else {
			f.add(c.SetEvents(w, events))
		}
	}
	if o.has("sources") {
		if sources, err := o.texts("sources"); err != nil {
			f.add(err)
		} else {
			account.SetSources(w, sources)
		}
	}
	if _, ok := o["listid"]; ok { // null is every list
		list, err := o.text("listid")
		if err != nil {
			err = fault(codeInvalid, "listid", "is neither a number nor a string nor null")
		}
		f.add(err)
		w.List = account.ParseListID(list)
	}
}

func viewWebhook(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	w, err := c.Webhook(ctx, r.PathValue("id"))
	if err != nil {
		return 0, nil, found(err, "Webhook", r)
	}
	return http.StatusOK, oneWebhook{webhookOf(c, w)}, nil
}

func editWebhook(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	body, err := readObject(r)
	if err != nil {
		return 0, nil, err
	}
	var f faults
	object := body.theWebhook(&f)
	if err := f.err(); err != nil {
		return 0, nil, err
	}
	w, err := edit(ctx, c, r, &f, func(w *webhook.Webhook, f *faults) error {
		object.webhook(c, w, f)
		return nil
	})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, oneWebhook{webhookOf(c, w)}, nil
}

// edit changes the webhook that a request names, unless there are mistakes: those in
// known, those that change adds, and those in the changed webhook.
func edit(ctx context.Context, c *account.Caller, r *http.Request, known *faults, change func(*webhook.Webhook, *faults) error) (webhook.Webhook, error) {
	w, err := c.Edit(ctx, r.PathValue("id"), func(w *webhook.Webhook) error {
		was, f := *w, known.clone() // change may be called again
		if err := change(w, &f); err != nil {
			return err
		}
		f.addAll(c.Problems(ctx, was, *w))
		return f.err()
	})
	return w, found(err, "Webhook", r)
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
