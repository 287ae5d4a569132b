package webhook

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A webhook in the cache must not change when an app changes the settings that it
// passed to AddWebhook or UpdateWebhook.
func TestAnEditTakesEveryFieldAndSharesNoMemory(t *testing.T) {
	all := func() Settings {
		return Settings{
			List: "12", Name: "CRM", URL: "https://example.com/in", Events: EventTypes(), Sources: Sources(),
			Order: OrderAll, Format: FormatCurrent, Secrets: []Secret{{Key: "whsec_1"}}, Headers: map[string]string{"X-Key": "k"},
			NoRetry: true, Disabled: "Moving house.", KeepEvents: true, KeepEventsOnce: true, IgnoredEvents: []string{"deal_add"},
			Disclosure: DiscloseFields, FieldIDs: []string{"7"}, RateLimit: 0.5, Batch: 50, BatchWait: time.Second,
		}
	}
	given := all()
	v := reflect.ValueOf(&given).Elem()
	for i := range v.NumField() {
		require.False(t, v.Field(i).IsZero(), "the test gives %s no value", v.Type().Field(i).Name)
	}

	var w Webhook
	w.edit(given)
	assert.Equal(t, all(), w.Settings)

	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Slice:
			f.Index(0).SetZero()
		case reflect.Map:
			f.Clear()
		}
	}
	assert.Equal(t, all(), w.Settings, "after the app changed what it passed")
}
