package clienttest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// A validator of JSON Schema, and one of OpenAPI, written by others read the document
// and what is really sent.
func TestBodiesConformToTheDocument(t *testing.T) {
	r := newHarness(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.base+"/api/3/listhook/openapi.json", nil)
	require.NoError(t, err)
	req.Header.Set("Api-Token", key)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	document, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode, "%s", document)

	_, err = r.AddWebhook(t.Context(), webhook.Webhook{Account: "acme", Settings: webhook.Settings{
		Name: "JSON", URL: r.receiver + "/bodies", Events: webhook.EventTypes(), Sources: webhook.Sources(), Format: webhook.FormatJSON,
	}})
	require.NoError(t, err)
	input := struct {
		Document json.RawMessage      `json:"document"`
		Bodies   [][2]json.RawMessage `json:"bodies"`
	}{Document: document}
	emit := func(e webhook.Event) {
		require.NoError(t, r.Emit(t.Context(), e))
		kind, err := json.Marshal(e.Type())
		require.NoError(t, err)
		input.Bodies = append(input.Bodies, [2]json.RawMessage{kind, json.RawMessage(<-r.received)})
	}
	account := webhook.Meta{Account: "acme", Source: webhook.SourceAPI}
	person := webhook.Subscriber{ID: "12"}
	for _, e := range []webhook.Event{ // the least that each can hold
		webhook.Subscribe{Meta: account, Subscriber: person}, webhook.Unsubscribe{Meta: account, Subscriber: person},
		webhook.Update{Meta: account, Subscriber: person}, webhook.Sent{Meta: account, Campaign: webhook.Campaign{ID: "34"}},
		webhook.Open{Meta: account, Subscriber: person}, webhook.Click{Meta: account, Subscriber: person, Link: webhook.Link{ID: "78"}},
		webhook.Forward{Meta: account, Subscriber: person},
		webhook.Share{Meta: account, Subscriber: person, Details: webhook.ShareDetails{Network: webhook.NetworkFacebook}},
		webhook.Bounce{Meta: account, Subscriber: person, Details: webhook.BounceDetails{Type: webhook.BounceSoft}},
	} {
		emit(e)
	}
	for _, kind := range webhook.EventTypes() {
		e := reflect.New(reflect.TypeOf(webhook.Sample(kind))).Elem()
		e.Set(reflect.ValueOf(webhook.Sample(kind)))
		e.FieldByName("Account").SetString("acme")
		emit(e.Interface().(webhook.Event))
	}
	text, err := json.Marshal(input)
	require.NoError(t, err)
	nodeReading(t, bytes.NewReader(text), "schemas.js")
}
