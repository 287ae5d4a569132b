package manage

import (
	"context"
	_ "embed"
	"encoding/json"
	"net/http"
	"reflect"
	"time"

	"github.com/listhook/webhook"
)

// What follows ActiveCampaign's API does not have: the settings of this
// library's webhooks, and what can be done with them.

// settings3 is a webhook with everything that this library keeps of it.
type settings3 struct {
	webhook3
	Format   webhook.Format    `json:"format"`
	Headers  map[string]string `json:"headers"`        // no values for those who may only see
	Secrets  []secret3         `json:"secrets"`        // without their keys
	Ignored  []string          `json:"ignored_events"` // asked for, but there is no such type
	NoRetry  bool              `json:"no_retry"`
	Keep     bool              `json:"keep_events"`
	Enabled  bool              `json:"enabled"`
	Off      string            `json:"off_reason"`
	OffSince *string           `json:"off_since"`
	NotKept  int               `json:"not_kept"`
	Hold     *string           `json:"held_until"`
	Health   health3           `json:"health"`
}

type secret3 struct {
	Until *string `json:"until"` // null: for ever
}

type health3 struct {
	Failures int     `json:"failures"`
	Since    *string `json:"since"`
	Success  *string `json:"last_success"`
	Reason   string  `json:"reason"`
}

func (a *account) settingsOf(w webhook.Webhook) settings3 {
	s := settings3{
		webhook3: a.webhook3(w), Format: w.Format, Headers: map[string]string{}, Secrets: []secret3{},
		Ignored: append([]string{}, w.IgnoredEvents...), NoRetry: w.NoRetry, Keep: w.Keep, Enabled: w.Off == "", Off: w.Off, OffSince: a.time3(w.OffSince), NotKept: w.NotKept,
		Health: health3{w.Health.Failures, a.time3(w.Health.Since), a.time3(w.Health.Success), w.Health.Reason},
	}
	if s.Format == "" {
		s.Format = webhook.Format2013
	}
	for name, value := range w.Headers {
		if !a.Manage {
			value = ""
		}
		s.Headers[name] = value
	}
	for _, secret := range w.Secrets {
		s.Secrets = append(s.Secrets, secret3{a.time3(secret.Until)})
	}
	if held(w) {
		s.Hold = a.time3(w.Hold)
	}
	return s
}

type oneSettings3 struct {
	Webhook settings3 `json:"webhook"`
}

func (a *account) settingsList3(ctx context.Context, r *http.Request) (int, any, error) {
	if _, err := query3(r, "filters[name]", "filters[url]", "filters[listid]", "limit", "offset"); err != nil {
		return 0, nil, err
	}
	ws, limit, offset, err := a.filtered3(ctx, r)
	if err != nil {
		return 0, nil, err
	}
	list := []settings3{}
	for _, w := range slice3(ws, limit, offset) {
		list = append(list, a.settingsOf(w))
	}
	return http.StatusOK, struct {
		Webhooks []settings3 `json:"webhooks"`
		Meta     total3      `json:"meta"`
	}{list, totalOf(ws)}, nil
}

func (a *account) settings3(ctx context.Context, r *http.Request) (int, any, error) {
	w, err := a.webhook(ctx, r.PathValue("id"))
	return a.answerSettings(w, found(err, "Webhook", r))
}

func (a *account) answerSettings(w webhook.Webhook, err error) (int, any, error) {
	return http.StatusOK, oneSettings3{a.settingsOf(w)}, err
}

func (a *account) settingsEdit3(ctx context.Context, r *http.Request) (int, any, error) {
	object, err := webhookBody3(r)
	if err != nil {
		return 0, nil, err
	}
	w, err := a.edit(ctx, r.PathValue("id"), func(w *webhook.Webhook) error {
		if err := object.webhook(w); err != nil {
			return err
		}
		for _, f := range []struct {
			key, what string
			into      any
		}{
			{"format", "a string", &w.Format},
			{"no_retry", "true or false", &w.NoRetry},
			{"keep_events", "true or false", &w.Keep},
		} {
			if err := object.read(f.key, f.into, f.what); err != nil {
				return err
			}
		}
		var headers map[string]string
		if err := object.read("headers", &headers, "an object of strings"); err != nil {
			return err
		}
		if object.has("headers") {
			w.Headers = headers
		}
		return nil
	})
	return a.answerSettings(w, found(err, "Webhook", r))
}

func (a *account) enable3(ctx context.Context, r *http.Request) (int, any, error) {
	object, err := body3(r)
	if err != nil {
		return 0, nil, err
	}
	drop := false
	if err := object.read("drop_kept", &drop, "true or false"); err != nil {
		return 0, nil, err
	}
	w, dropped, err := a.switchOn(ctx, r.PathValue("id"), drop)
	return http.StatusOK, struct {
		Dropped int `json:"dropped"`
		oneSettings3
	}{dropped, oneSettings3{a.settingsOf(w)}}, found(err, "Webhook", r)
}

func (a *account) try3(ctx context.Context, r *http.Request) (int, any, error) {
	w, err := a.d.EndHold(ctx, a.Account, r.PathValue("id"))
	return a.answerSettings(w, found(err, "Webhook", r))
}

func (a *account) disable3(ctx context.Context, r *http.Request) (int, any, error) {
	object, err := body3(r)
	if err != nil {
		return 0, nil, err
	}
	reason, keep := "", false
	if err := object.read("reason", &reason, "a string"); err != nil {
		return 0, nil, err
	}
	if err := object.read("keep_events", &keep, "true or false"); err != nil {
		return 0, nil, err
	}
	if reason == "" {
		reason = "Switched off by the API."
	}
	w, err := a.switchOff(ctx, r.PathValue("id"), reason, keep)
	return a.answerSettings(w, found(err, "Webhook", r))
}

func (a *account) rotate3(ctx context.Context, r *http.Request) (int, any, error) {
	object, err := body3(r)
	if err != nil {
		return 0, nil, err
	}
	seconds := int64((24 * time.Hour).Seconds())
	if err := object.read("overlap", &seconds, "a whole number of seconds"); err != nil {
		return 0, nil, err
	}
	if seconds < 0 || seconds > int64(maxOverlap.Seconds()) {
		return 0, nil, fault(codeInvalid, "overlap", "is not from 0 to 2592000 seconds")
	}
	w, err := a.rotate(ctx, r.PathValue("id"), 0, time.Duration(seconds)*time.Second)
	if err != nil {
		return 0, nil, found(err, "Webhook", r)
	}
	return http.StatusCreated, struct {
		Secret string `json:"secret"`
		oneSettings3
	}{w.Secrets[0].Key, oneSettings3{a.settingsOf(w)}}, nil
}

func (a *account) test3(ctx context.Context, r *http.Request) (int, any, error) {
	object, err := body3(r)
	if err != nil {
		return 0, nil, err
	}
	var event webhook.EventType
	if err := object.read("type", &event, "a string"); err != nil {
		return 0, nil, err
	}
	attempt, err := a.d.SendTest(ctx, a.Account, r.PathValue("id"), event)
	if err != nil {
		return 0, nil, found(err, "Webhook", r)
	}
	return http.StatusOK, struct {
		Attempt attempt3 `json:"attempt"`
	}{a.attempt3(attempt)}, nil
}

func (a *account) explain3(ctx context.Context, r *http.Request) (int, any, error) {
	object, err := body3(r)
	if err != nil {
		return 0, nil, err
	}
	var event webhook.EventType
	var source webhook.Source
	if err := object.read("type", &event, "a string"); err != nil {
		return 0, nil, err
	}
	if err := object.read("source", &source, "a string"); err != nil {
		return 0, nil, err
	}
	var lists []json.RawMessage
	if err := object.read("lists", &lists, "an array"); err != nil {
		return 0, nil, err
	}
	var ids []string
	for _, value := range lists {
		id, err := listID(value)
		if err != nil {
			return 0, nil, fault(codeInvalid, "lists", "holds what is no id")
		}
		if id != "" {
			ids = append(ids, id)
		}
	}
	explained, err := a.explain(ctx, event, source, ids)
	if err != nil {
		return 0, nil, err
	}
	type explanation3 struct {
		Webhook string `json:"webhook"`
		Name    string `json:"name"`
		Matches bool   `json:"matches"`
		Reason  string `json:"reason"`
	}
	list := []explanation3{}
	for _, e := range explained {
		list = append(list, explanation3{e.Webhook.ID, e.Webhook.Name, e.Matches, e.Reason})
	}
	return http.StatusOK, struct {
		Explanations []explanation3 `json:"explanations"`
	}{list}, nil
}

// explain says of each webhook whether it gets such an event.
func (a *account) explain(ctx context.Context, t webhook.EventType, s webhook.Source, lists []string) ([]webhook.Explanation, error) {
	sample := webhook.Sample(t)
	if sample == nil {
		return nil, &webhook.InvalidError{Field: "Type", Reason: "is none of the nine event types"}
	}
	// Every event has its Meta as an embedded field.
	event := reflect.New(reflect.TypeOf(sample)).Elem()
	event.Set(reflect.ValueOf(sample))
	event.FieldByName("Meta").Set(reflect.ValueOf(webhook.Meta{Account: a.Account, Source: s, Lists: lists}))
	return a.d.Explain(ctx, event.Interface().(webhook.Event))
}

//go:embed openapi.json
var openAPI []byte

func (a *account) openAPI3(context.Context, *http.Request) (int, any, error) {
	return http.StatusOK, json.RawMessage(openAPI), nil
}
