package v3

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
)

// What follows ActiveCampaign's API does not have: the settings of this
// library's webhooks, and what can be done with them.

// A settingsJSON is a webhook with everything that this library keeps of it.
type settingsJSON struct {
	webhookJSON
	Format     webhook.Format     `json:"format"`
	Order      webhook.Order      `json:"order"`
	Batch      int                `json:"batch"`
	BatchWait  float64            `json:"batch_wait"` // seconds
	Disclosure webhook.Disclosure `json:"disclosure"`
	FieldIDs   []string           `json:"field_ids"`      // of disclosure fields
	Headers    map[string]string  `json:"headers"`        // no values for those who may only see
	Secrets    []secretJSON       `json:"secrets"`        // without their keys
	Ignored    []string           `json:"ignored_events"` // asked for, but there is no such type
	NoRetry    bool               `json:"no_retry"`
	RateLimit  float64            `json:"rate_limit"` // requests a second; 0: no limit
	KeepEvents bool               `json:"keep_events"`
	Enabled    bool               `json:"enabled"`
	Disabled   string             `json:"disabled_reason"`
	DisabledAt *string            `json:"disabled_at"`
	Discarded  int                `json:"discarded"`
	HeldUntil  *string            `json:"held_until"`
	Health     healthJSON         `json:"health"`
	Revision   int64              `json:"revision"`
}

// settingsKeys are the fields of a settingsJSON: a client may send all that it got.
var settingsKeys = keysOf(reflect.TypeFor[settingsJSON]())

// keysOf returns the keys of a struct in JSON.
func keysOf(t reflect.Type) (keys []string) {
	for _, f := range reflect.VisibleFields(t) {
		if key, _, _ := strings.Cut(f.Tag.Get("json"), ","); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

type secretJSON struct {
	Until *string `json:"until"` // null: for ever
}

type healthJSON struct {
	Failures int     `json:"failures"`
	Since    *string `json:"since"`
	Success  *string `json:"last_success"`
	Reason   string  `json:"reason"`
}

func settingsOf(c *account.Caller, w webhook.Webhook) settingsJSON {
	s := settingsJSON{
		webhookJSON: webhookOf(c, w), Headers: map[string]string{}, Secrets: []secretJSON{},
		Ignored: append([]string{}, w.IgnoredEvents...), NoRetry: w.NoRetry, RateLimit: w.RateLimit, KeepEvents: w.KeepEvents, Enabled: w.Disabled == "", Disabled: w.Disabled, DisabledAt: formatTime(c, w.DisabledAt), Discarded: w.Discarded,
		Health: healthJSON{w.Health.Failures, formatTime(c, w.Health.Since), formatTime(c, w.Health.Success), w.Health.Reason},
	}
	s.Revision = w.Revision
	s.Format = cmp.Or(w.Format, webhook.Format2013)
	s.Order = cmp.Or(w.Order, webhook.OrderState)
	s.Batch, s.BatchWait = w.Batch, w.BatchWait.Seconds()
	s.Disclosure, s.FieldIDs = cmp.Or(w.Disclosure, webhook.DiscloseAll), append([]string{}, w.FieldIDs...)
	maps.Copy(s.Headers, c.Shown(w).Headers)
	for _, secret := range w.Secrets {
		s.Secrets = append(s.Secrets, secretJSON{formatTime(c, secret.Until)})
	}
	if account.Held(w) {
		s.HeldUntil = formatTime(c, w.HeldUntil)
	}
	return s
}

type oneSettings struct {
	Webhook settingsJSON `json:"webhook"`
}

func listSettings(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	var f faults
	readQuery(r, &f, "filters[name]", "filters[url]", "filters[listid]", "limit", "offset")
	ws, limit, offset, err := filtered(ctx, c, r, &f)
	if err != nil {
		return 0, nil, err
	}
	list := []settingsJSON{}
	for _, w := range pageOf(ws, limit, offset) {
		list = append(list, settingsOf(c, w))
	}
	return http.StatusOK, struct {
		Webhooks []settingsJSON `json:"webhooks"`
		Meta     totalJSON      `json:"meta"`
	}{list, totalOf(ws)}, nil
}

func viewSettings(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	var f faults
	readQuery(r, &f)
	if err := f.err(); err != nil {
		return 0, nil, err
	}
	w, err := c.Webhook(ctx, r.PathValue("id"))
	return answerSettings(c, w, found(err, "Webhook", r))
}

func answerSettings(c *account.Caller, w webhook.Webhook, err error) (int, any, error) {
	return http.StatusOK, oneSettings{settingsOf(c, w)}, err
}

func editSettings(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	var f faults
	body, err := readBody(r, &f, "webhook")
	if err != nil {
		return 0, nil, err
	}
	object := body.theWebhook(&f)
	object.only(&f, settingsKeys...)
	var revision int64
	f.add(object.whole("revision", &revision))
	w, err := edit(ctx, c, r, &f, func(w *webhook.Webhook, f *faults) error {
		if revision != 0 && revision != w.Revision {
			return changedError{}
		}
		object.webhook(c, w, f)
		object.settings(w, f)
		return nil
	})
	return answerSettings(c, w, err)
}

// settings takes over the fields of this library's webhooks that o has.
func (o object) settings(w *webhook.Webhook, f *faults) {
	for _, field := range []struct {
		key  string
		into any
	}{{"format", &w.Format}, {"order", &w.Order}, {"disclosure", &w.Disclosure}} {
		if string(o[field.key]) == `""` { // not the default: that of disclosure is everything
			f.add(fault(codeInvalid, field.key, "is empty"))
			continue
		}
		f.add(o.read(field.key, field.into, "a string"))
	}
	f.add(o.flag("no_retry", &w.NoRetry))
	f.add(o.flag("keep_events", &w.KeepEvents))
	f.add(o.number("rate_limit", "a number", &w.RateLimit))
	enabled := w.Disabled == ""
	f.add(o.flag("enabled", &enabled))
	if enabled != (w.Disabled == "") {
		f.add(fault(codeInvalid, "enabled", "is changed by a POST to …/enable or …/disable alone"))
	}
	batch, wait := int64(w.Batch), w.BatchWait.Seconds()
	f.add(o.whole("batch", &batch))
	f.add(o.number("batch_wait", "a number of seconds", &wait))
	w.Batch, w.BatchWait = int(batch), seconds(wait)
	if o.has("keep_events") {
		w.KeepEventsOnce = false
	}
	if o.has("field_ids") {
		ids, err := o.texts("field_ids")
		f.add(err)
		w.FieldIDs = ids
	} else if w.Disclosure != webhook.DiscloseFields {
		w.FieldIDs = nil
	}
	headers, err := o.headers()
	f.add(err)
	if o.has("headers") {
		w.Headers = headers
	}
}

// headers reads an object of strings; an empty array is one without any, as PHP writes it.
func (o object) headers() (headers map[string]string, err error) {
	if isEmptyArray(o["headers"]) {
		return nil, nil
	}
	return headers, o.read("headers", &headers, "an object of strings")
}

// seconds returns a number of seconds as a duration, to the millisecond; of one that no
// webhook takes, one that is refused too.
func seconds(n float64) time.Duration {
	const most = 3600
	return time.Duration(min(max(n, -1), most)*1000) * time.Millisecond
}

func enable(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	var f faults
	object, err := readBody(r, &f, "drop_kept")
	if err != nil {
		return 0, nil, err
	}
	drop := false
	f.add(object.flag("drop_kept", &drop))
	if err := f.err(); err != nil {
		return 0, nil, err
	}
	w, dropped, err := c.Enable(ctx, r.PathValue("id"), drop)
	return http.StatusOK, struct {
		Dropped int `json:"dropped"`
		oneSettings
	}{dropped, oneSettings{settingsOf(c, w)}}, found(err, "Webhook", r)
}

func tryNow(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	if err := readNothing(r); err != nil {
		return 0, nil, err
	}
	w, err := c.Probe(ctx, r.PathValue("id"))
	return answerSettings(c, w, found(err, "Webhook", r))
}

func disable(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	var f faults
	object, err := readBody(r, &f, "reason", "keep_events")
	if err != nil {
		return 0, nil, err
	}
	reason, keep := "", false
	f.add(object.read("reason", &reason, "a string"))
	f.add(object.flag("keep_events", &keep))
	if err := f.err(); err != nil {
		return 0, nil, err
	}
	if reason == "" {
		reason = "Switched off by the API."
	}
	w, err := c.Disable(ctx, r.PathValue("id"), reason, keep)
	return answerSettings(c, w, found(err, "Webhook", r))
}

func rotate(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	var f faults
	object, err := readBody(r, &f, "overlap")
	if err != nil {
		return 0, nil, err
	}
	seconds := int64((24 * time.Hour).Seconds())
	f.add(object.whole("overlap", &seconds))
	if seconds < 0 || seconds > int64(account.MaxOverlap.Seconds()) {
		f.add(fault(codeInvalid, "overlap", "is not from 0 to 2592000 seconds"))
	}
	if err := f.err(); err != nil {
		return 0, nil, err
	}
	w, err := c.Rotate(ctx, r.PathValue("id"), 0, time.Duration(seconds)*time.Second)
	if err != nil {
		return 0, nil, found(err, "Webhook", r)
	}
	return http.StatusCreated, struct {
		Secret string `json:"secret"`
		oneSettings
	}{w.Secrets[0].Key, oneSettings{settingsOf(c, w)}}, nil
}

func sendTest(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	var f faults
	object, err := readBody(r, &f, "type")
	if err != nil {
		return 0, nil, err
	}
	event := object.eventType(c, &f)
	if err := f.err(); err != nil {
		return 0, nil, err
	}
	attempt, err := c.SendTest(ctx, r.PathValue("id"), event)
	if err != nil {
		return 0, nil, found(err, "Webhook", r)
	}
	return http.StatusOK, struct {
		Attempt attemptJSON `json:"attempt"`
	}{attemptOf(c, attempt)}, nil
}
