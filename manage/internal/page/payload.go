package page

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/params"
)

// A payloadView is the form for a test with a payload that can be edited.
type payloadView struct {
	Webhook webhook.Webhook
	Type    webhook.EventType
	Types   []choice
	JSON    bool
	Payload string
	Error   string
	Test    *testResult
}

// payloadForm shows the example of an event for editing.
func (p *pageRequest) payloadForm() error {
	w, err := p.Webhook(p.r.Context(), p.r.PathValue("id"))
	if err != nil {
		return err
	}
	t := webhook.EventType(p.r.URL.Query().Get("event"))
	if t == "" && len(w.Events) > 0 {
		t = w.Events[0]
	}
	if types := p.Types(); !p.Emits(t) && !p.r.URL.Query().Has("event") && len(types) > 0 {
		t = types[0]
	}
	if !p.Emits(t) {
		return webhook.ErrNotFound
	}
	return p.showPayload(http.StatusOK, payloadView{Webhook: w, Type: t, Payload: editable(p.SampleBody(t, w.Format))})
}

func (p *pageRequest) showPayload(status int, v payloadView) error {
	v.Types, v.JSON = choices(p.lang, p.types(), v.Type), v.Webhook.Format == webhook.FormatJSON
	return p.render(status, "payload", p.lang.Text("Edit the test payload"), v)
}

// sendPayload sends what was edited, and shows the answer beside it.
func (p *pageRequest) sendPayload() error {
	if err := p.TakeToken(); err != nil {
		return err
	}
	form := p.r.PostForm
	w, err := p.Webhook(p.r.Context(), p.r.PathValue("id"))
	if err != nil {
		return err
	}
	v := payloadView{Webhook: w, Type: webhook.EventType(form.Get("event")), Payload: form.Get("payload")}
	body, err := bodyOf(v.Payload, w.Format)
	if err == nil {
		var attempt webhook.Attempt
		if attempt, err = p.SendTestBody(p.r.Context(), w.ID, v.Type, body); err == nil {
			v.Test = &testResult{v.Type, p.attempt(0, attempt)}
			return p.showPayload(http.StatusOK, v)
		}
	}
	var invalid *webhook.InvalidError
	if !errors.As(err, &invalid) {
		return err
	}
	v.Error = p.problem(invalid, "")
	return p.showPayload(http.StatusUnprocessableEntity, v)
}

// editable returns a body as it is edited: JSON with indents, and a form as a line
// for each value.
func editable(body []byte) string {
	if text, ok := pretty(body); ok {
		return text
	}
	var lines strings.Builder
	for _, param := range params.OfDelivery(body) {
		lines.WriteString(param.Key + " = " + param.Value + "\n")
	}
	return lines.String()
}

// pretty returns JSON with indents; ok is false for other bodies.
func pretty(body []byte) (text string, ok bool) {
	var b bytes.Buffer
	if trimmed := bytes.TrimSpace(body); len(trimmed) == 0 || trimmed[0] != '{' && trimmed[0] != '[' || json.Indent(&b, trimmed, "", "  ") != nil {
		return "", false
	}
	return b.String(), true
}

// bodyOf reads what was edited.
func bodyOf(payload string, format webhook.Format) ([]byte, error) {
	if format == webhook.FormatJSON {
		return []byte(payload), nil
	}
	var body strings.Builder
	for line := range strings.Lines(payload) {
		if line = strings.TrimRight(line, "\r\n"); strings.TrimSpace(line) == "" {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || strings.TrimSpace(key) == "" {
			return nil, &webhook.InvalidError{Field: "Body", Reason: `contains a line that is not of the form "name = value"`}
		}
		if body.Len() > 0 {
			body.WriteByte('&')
		}
		body.WriteString(url.QueryEscape(strings.TrimSpace(key)) + "=" + url.QueryEscape(strings.TrimPrefix(value, " ")))
	}
	return []byte(body.String()), nil
}
