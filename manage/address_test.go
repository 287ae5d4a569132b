package manage

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// An address that was allowed once may be allowed no more: what a webhook has stays.
func TestAWebhookWhoseAddressIsNoLongerAllowedCanBeEdited(t *testing.T) {
	store := memstore.New()
	was, err := webhook.New(store, webhook.NewClient(&webhook.ClientOptions{AllowHosts: []string{"crm.internal"}}), nil)
	require.NoError(t, err)
	w, err := was.AddWebhook(t.Context(), webhook.Webhook{Account: "acme", Settings: webhook.Settings{
		Name: "CRM", URL: "https://crm.internal/hook", Events: webhook.EventTypes(), Sources: webhook.Sources(),
	}})
	require.NoError(t, err)
	d, err := webhook.New(store, nil, nil)
	require.NoError(t, err)
	h, err := Handler(d, &Options{
		Session: func(req *http.Request) (Access, error) { return people[req.Header.Get("User")], nil },
		Key:     func(_ context.Context, key string) (Access, error) { return people[key], nil },
	})
	require.NoError(t, err)
	r := &harness{Dispatcher: d, Handler: h, t: t, store: store}
	one := "/webhooks/" + w.ID

	edit := formOf(t, r.as("ann", one+"/edit", nil).Body.String())
	edit.Set("name", "Renamed")
	assert.Equal(t, 303, r.as("ann", one+"/edit", edit).Code)
	assert.Equal(t, 200, r.call("ann", "PUT", "/api/3"+one, `{"webhook":{"events":["open"]}}`).Code)
	assert.EqualValues(t, 1, r.v1("webhook_edit", "", "id="+w.ID+"&init[]=api")["result_code"])
	assert.Equal(t, 303, r.as("ann", one+"/off", map[string][]string{"reason": {"It is internal."}}).Code)
	stored := r.all()[0]
	assert.Equal(t, "Renamed", stored.Name)
	assert.Equal(t, []webhook.EventType{"open"}, stored.Events)
	assert.Equal(t, []webhook.Source{"api"}, stored.Sources)
	assert.Equal(t, "It is internal.", stored.Disabled)

	assert.Equal(t, 422, r.call("ann", "PUT", "/api/3"+one, `{"webhook":{"url":"https://other.internal/"}}`).Code)
	assert.EqualValues(t, 0, r.v1("webhook_edit", "", "id="+w.ID+"&url=https://other.internal/")["result_code"])
	edit = formOf(t, r.as("ann", one+"/edit", nil).Body.String())
	edit.Set("url", "https://other.internal/")
	assert.Equal(t, 422, r.as("ann", one+"/edit", edit).Code)
}
