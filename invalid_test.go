package webhook_test

import (
	"context"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// An invalidInput is a call with an input that is refused.
type invalidInput struct {
	name  string
	field string // that the *InvalidError names
	call  func(*harness) error
}

// Whoever reads an *InvalidError finds the field that it names. So each field of the
// documented structs is refused by its name, or takes any value.
func TestInvalidInputsAreRefusedByTheirField(t *testing.T) {
	for group, inputs := range map[string][]invalidInput{
		"Options":        invalidOptions(),
		"PoolOptions":    invalidPoolOptions(),
		"ClientOptions":  invalidClientOptions(),
		"Webhook":        invalidWebhooks(),
		"events":         invalidEvents(),
		"queries":        append(invalidDeliveryQueries(), invalidWebhookQueries()...),
		"arguments":      invalidArguments(),
		"ReceiveOptions": invalidReceiveOptions(),
	} {
		t.Run(group, func(t *testing.T) {
			for _, in := range inputs {
				t.Run(in.name, func(t *testing.T) {
					err := in.call(newHarness(t, nil))
					var invalid *webhook.InvalidError
					require.ErrorAs(t, err, &invalid)
					assert.Equal(t, in.field, invalid.Field)
					assert.NotEmpty(t, invalid.Reason)
					assert.NotContains(t, err.Error(), "s3cret")
				})
			}
		})
	}
}

// A new field needs a row in the table above, or a place here.
func TestEveryFieldIsRefusedOrTakesAnyValue(t *testing.T) {
	for _, c := range []struct {
		document any
		prefix   string
		inputs   []invalidInput
		any      []string
	}{
		{webhook.Options{}, "Options.", invalidOptions(), []string{
			"Backoff", "Retention", "DisableAfter", "CustomerAccount", "SkipInvalid", "OmitFields", "DropBodies", "Logger", "Hooks",
		}},
		{webhook.PoolOptions{}, "PoolOptions.", invalidPoolOptions(), nil},
		{webhook.BufferOptions{}, "Options.Buffer.", invalidOptions(), nil},
		{webhook.ClientOptions{}, "ClientOptions.", invalidClientOptions(), []string{"TLS"}},
		{webhook.Settings{}, "", invalidWebhooks(), []string{"NoRetry", "KeepEvents", "KeepEventsOnce"}},
		{webhook.Meta{}, "", invalidEvents(), []string{"By", "Sequence"}},
		{webhook.DeliveryQuery{}, "", invalidDeliveryQueries(), []string{
			"Account", "All", "Webhook", "IDs", "Failures", "Subject", "Key", "Blocking", "Since", "Until", "DueBy", "Oldest", "Brief",
		}},
		{webhook.WebhookQuery{}, "", invalidWebhookQueries(), []string{
			"Account", "All", "IDs", "Lists", "Deleted", "PutAfter", "Newest", "After", "Tallies",
		}},
		{webhook.ReceiveOptions{}, "", invalidReceiveOptions(), []string{"Unsigned"}},
	} {
		fields := reflect.TypeOf(c.document)
		for i := range fields.NumField() {
			name := fields.Field(i).Name
			tested := slices.ContainsFunc(c.inputs, func(in invalidInput) bool {
				return strings.HasPrefix(in.field+".", c.prefix+name+".") || strings.HasPrefix(in.field, c.prefix+name+"[")
			})
			assert.NotEqual(t, tested, slices.Contains(c.any, name), "%s.%s: say which of its values are refused, or that none is", fields.Name(), name)
		}
		for _, name := range c.any {
			_, is := fields.FieldByName(name)
			assert.True(t, is, "%s has no field %s", fields.Name(), name)
		}
	}
}

func invalidOptions() (inputs []invalidInput) {
	for _, c := range []struct {
		name, field string
		opts        webhook.Options
	}{
		{"a negative Concurrency", "Concurrency", webhook.Options{Concurrency: -1}},
		{"a Concurrency that would overflow", "Concurrency", webhook.Options{Concurrency: math.MaxInt}},
		{"a Concurrency above the most", "Concurrency", webhook.Options{Concurrency: 1_000_001}},
		{"a negative PerWebhook", "PerWebhook", webhook.Options{PerWebhook: -1}},
		{"a negative PerHost", "PerHost", webhook.Options{PerHost: -1}},
		{"negative Processes", "Processes", webhook.Options{Processes: -1}},
		{"too many Processes", "Processes", webhook.Options{Processes: 1001}},
		{"a negative Timeout", "Timeout", webhook.Options{Timeout: -1}},
		{"a Timeout below what a store keeps", "Timeout", webhook.Options{Timeout: time.Microsecond}},
		{"a Timeout whose lease would overflow", "Timeout", webhook.Options{Timeout: math.MaxInt64}},
		{"a Timeout above the most", "Timeout", webhook.Options{Timeout: 24*time.Hour + 1}},
		{"a negative PollInterval", "PollInterval", webhook.Options{PollInterval: -1}},
		{"a PollInterval below what a store keeps", "PollInterval", webhook.Options{PollInterval: time.Microsecond}},
		{"a PollInterval above the most", "PollInterval", webhook.Options{PollInterval: 24*time.Hour + 1}},
		{"a negative StoreTimeout", "StoreTimeout", webhook.Options{StoreTimeout: -1}},
		{"a StoreTimeout below the least", "StoreTimeout", webhook.Options{StoreTimeout: 99 * time.Millisecond}},
		{"a StoreTimeout above the most", "StoreTimeout", webhook.Options{StoreTimeout: 24*time.Hour + 1}},
		{"a negative OrderWait", "OrderWait", webhook.Options{OrderWait: -1}},
		{"a negative KeepLimit", "KeepLimit", webhook.Options{KeepLimit: -1}},
		{"a negative BodyLimit", "BodyLimit", webhook.Options{BodyLimit: -1}},
		{"a BodyLimit without room for the customer's account", "BodyLimit", webhook.Options{
			BodyLimit: 8191,
			CustomerAccount: func(context.Context, string) (webhook.CustomerAccount, error) {
				return webhook.CustomerAccount{}, nil
			},
		}},
		{"negative Events", "Buffer.Events", webhook.Options{Buffer: webhook.BufferOptions{Events: -1}}},
		{"negative Bytes", "Buffer.Bytes", webhook.Options{Buffer: webhook.BufferOptions{Bytes: -1}}},
		{"a negative Group", "Buffer.Group", webhook.Options{Buffer: webhook.BufferOptions{Group: -1}}},
		{"a negative Wait", "Buffer.Wait", webhook.Options{Buffer: webhook.BufferOptions{Wait: -1}}},
		{"an unknown WhenFull", "Buffer.WhenFull", webhook.Options{Buffer: webhook.BufferOptions{WhenFull: "explode"}}},
		{"a catalogue's type that is none", "Catalogue[1].Type", webhook.Options{Catalogue: []webhook.EventInfo{{Type: "open"}, {Type: "Party!"}}}},
		{"a rule that keeps for no time", "RetentionRules[1].Keep", webhook.Options{RetentionRules: []webhook.RetentionRule{{Keep: -1}, {}}}},
		{"a short SearchKey", "SearchKey", webhook.Options{SearchKey: []byte("s3cret")}},
		{"a short key", "EncryptionKeys", webhook.Options{EncryptionKeys: []webhook.EncryptionKey{[]byte("s3cret")}}},
		{"a UserAgent of two lines", "UserAgent", webhook.Options{UserAgent: "a\r\nb: s3cret"}},
		{"a UserAgent that is no text", "UserAgent", webhook.Options{UserAgent: "\xff"}},
		{"a long UserAgent", "UserAgent", webhook.Options{UserAgent: strings.Repeat("x", 4097)}},
	} {
		inputs = append(inputs, invalidInput{c.name, "Options." + c.field, func(r *harness) error {
			_, err := webhook.New(r.store, nil, &c.opts)
			return err
		}})
	}
	return inputs
}

func invalidPoolOptions() (inputs []invalidInput) {
	for _, c := range []struct {
		name, field string
		opts        webhook.PoolOptions
	}{
		{"a negative Concurrency", "Concurrency", webhook.PoolOptions{Concurrency: -1}},
		{"a Concurrency above the most", "Concurrency", webhook.PoolOptions{Concurrency: 1_000_001}},
		{"a negative PerHost", "PerHost", webhook.PoolOptions{PerHost: -1}},
	} {
		inputs = append(inputs, invalidInput{c.name + " of a Pool", "PoolOptions." + c.field, func(*harness) error {
			_, err := webhook.NewPool(nil, &c.opts)
			return err
		}})
	}
	return inputs
}

func invalidClientOptions() (inputs []invalidInput) {
	for _, c := range []struct {
		name, field string
		opts        webhook.ClientOptions
	}{
		{"no prefix", "AllowPrefixes", webhook.ClientOptions{AllowPrefixes: []netip.Prefix{{}}}},
		{"a host that is none", "AllowHosts", webhook.ClientOptions{AllowHosts: []string{"a b"}}},
		{"port 0", "AllowPorts", webhook.ClientOptions{AllowPorts: []uint16{0}}},
		{"a proxy without a host", "Proxy", webhook.ClientOptions{Proxy: &url.URL{Scheme: "http", Opaque: "proxy.s3cret:3128"}}},
		{"a proxy with a port alone", "Proxy", webhook.ClientOptions{Proxy: &url.URL{Scheme: "socks5", Host: ":1080"}}},
		{"a proxy that speaks another protocol", "Proxy", webhook.ClientOptions{Proxy: &url.URL{Scheme: "ftp", Host: "s3cret"}}},
	} {
		inputs = append(inputs, invalidInput{c.name + " in New", "ClientOptions." + c.field, func(r *harness) error {
			_, err := webhook.New(r.store, webhook.NewClient(&c.opts), nil)
			return err
		}}, invalidInput{c.name + " in CheckURL", "ClientOptions." + c.field, func(*harness) error {
			return c.opts.CheckURL("https://example.com/s3cret")
		}})
	}
	return inputs
}

func invalidWebhooks() (inputs []invalidInput) {
	const long = 256
	for _, c := range []struct {
		name, field string
		change      func(*webhook.Webhook)
	}{
		{"a long ID", "ID", func(w *webhook.Webhook) { w.ID = strings.Repeat("x", long) }},
		{"an Account with NUL", "Account", func(w *webhook.Webhook) { w.Account = "a\x00b" }},
		{"a long List", "List", func(w *webhook.Webhook) { w.List = strings.Repeat("x", long) }},
		{"a Name that is no text", "Name", func(w *webhook.Webhook) { w.Name = "\xff" }},
		{"no URL", "URL", func(w *webhook.Webhook) { w.URL = "" }},
		{"a URL of another scheme", "URL", func(w *webhook.Webhook) { w.URL = "ftp://example.com/s3cret" }},
		{"no Events", "Events", func(w *webhook.Webhook) { w.Events = nil }},
		{"no Sources", "Sources", func(w *webhook.Webhook) { w.Sources = nil }},
		{"an unknown Order", "Order", func(w *webhook.Webhook) { w.Order = "random" }},
		{"an unknown Format", "Format", func(w *webhook.Webhook) { w.Format = "xml" }},
		{"a short secret", "Secrets", secret("whsec_s3cret")},
		{"too many Secrets", "Secrets", func(w *webhook.Webhook) {
			w.Secrets = slices.Repeat([]webhook.Secret{webhook.NewSecret()}, 9)
		}},
		{"a header of HTTP's", "Headers", header("Host", "s3cret")},
		{"too many Headers", "Headers", func(w *webhook.Webhook) {
			w.Headers = map[string]string{}
			for i := range 33 {
				w.Headers["X-"+strings.Repeat("x", i+1)] = "s3cret"
			}
		}},
		{"a long reason", "Disabled", func(w *webhook.Webhook) { w.Disabled = strings.Repeat("x", long) }},
		{"an unknown Disclosure", "Disclosure", func(w *webhook.Webhook) { w.Disclosure = "most" }},
		{"FieldIDs without DiscloseFields", "FieldIDs", func(w *webhook.Webhook) { w.FieldIDs = []string{"7"} }},
		{"an empty field ID", "FieldIDs", func(w *webhook.Webhook) {
			w.Disclosure, w.FieldIDs = webhook.DiscloseFields, []string{""}
		}},
		{"a negative RateLimit", "RateLimit", func(w *webhook.Webhook) { w.RateLimit = -1 }},
		{"a RateLimit too near to none", "RateLimit", func(w *webhook.Webhook) { w.RateLimit = 0.0009 }},
		{"too great a RateLimit", "RateLimit", func(w *webhook.Webhook) { w.RateLimit = 10_001 }},
		{"an infinite RateLimit", "RateLimit", func(w *webhook.Webhook) { w.RateLimit = math.Inf(1) }},
		{"a RateLimit below all", "RateLimit", func(w *webhook.Webhook) { w.RateLimit = math.Inf(-1) }},
		{"a RateLimit that is no number", "RateLimit", func(w *webhook.Webhook) { w.RateLimit = math.NaN() }},
		{"a negative Batch", "Batch", func(w *webhook.Webhook) { w.Batch = -1 }},
		{"a batch too large", "Batch", func(w *webhook.Webhook) { w.Format, w.Batch = webhook.FormatJSON, 501 }},
		{"a batch too large for a form", "Batch", func(w *webhook.Webhook) { w.Batch = 101 }},
		{"a negative window", "BatchWait", func(w *webhook.Webhook) { w.Batch, w.BatchWait = 2, -1 }},
		{"too long a window", "BatchWait", func(w *webhook.Webhook) { w.Batch, w.BatchWait = 2, 50*time.Second+1 }},
		{"a window without batches", "BatchWait", func(w *webhook.Webhook) { w.BatchWait = time.Second }},
		{"an ignored event without a name", "IgnoredEvents", func(w *webhook.Webhook) { w.IgnoredEvents = []string{""} }},
	} {
		inputs = append(inputs, invalidInput{c.name + " in AddWebhook", c.field, func(r *harness) error {
			w := everything()
			c.change(&w)
			_, err := r.AddWebhook(r.ctx, w)
			return err
		}}, invalidInput{c.name + " in UpdateWebhook", c.field, func(r *harness) error {
			w := r.put(nil)
			c.change(&w)
			_, err := r.UpdateWebhook(r.ctx, w)
			return err
		}})
	}
	return append(inputs, invalidInput{"a Revision in AddWebhook", "Revision", func(r *harness) error {
		_, err := r.AddWebhook(r.ctx, r.put(nil))
		return err
	}}, invalidInput{"no Revision in UpdateWebhook", "Revision", func(r *harness) error {
		_, err := r.UpdateWebhook(r.ctx, everything())
		return err
	}})
}

// invalidEvents are events of each type, emitted in each way.
func invalidEvents() (inputs []invalidInput) {
	type change struct {
		name, field string
		change      func(event reflect.Value)
	}
	meta := func(change func(*webhook.Meta)) func(reflect.Value) {
		return func(e reflect.Value) { change(e.FieldByName("Meta").Addr().Interface().(*webhook.Meta)) }
	}
	changes := []change{
		{"no Source", "Source", meta(func(m *webhook.Meta) { m.Source = "" })},
		{"an unknown Source", "Source", meta(func(m *webhook.Meta) { m.Source = "cron" })},
		{"a long ID", "ID", meta(func(m *webhook.Meta) { m.ID = strings.Repeat("x", 256) })},
		{"a long Key", "Key", meta(func(m *webhook.Meta) { m.Key = strings.Repeat("x", 256) })},
		{"a Key with NUL", "Key", meta(func(m *webhook.Meta) { m.Key = "a\x00b" })},
		{"a Key that is no text", "Key", meta(func(m *webhook.Meta) { m.Key = "\xff" })},
		{"an Account with NUL", "Account", meta(func(m *webhook.Meta) { m.Account = "\x00" })},
		{"list 0", "Lists", meta(func(m *webhook.Meta) { m.Lists = []string{"1", "0"} })},
		{"a year of five digits", "Time", meta(func(m *webhook.Meta) { m.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) })},
		{"a long By", "Event", meta(func(m *webhook.Meta) { m.By = strings.Repeat("x", 300<<10) })},
		{"a key that PHP misreads", "Subscriber.Fields", func(e reflect.Value) {
			e.FieldByName("Subscriber").Addr().Interface().(*webhook.Subscriber).Fields = map[string]string{"a[b": "s3cret"}
		}},
	}
	for _, typ := range webhook.EventTypes() {
		for _, c := range changes {
			event := func() webhook.Event {
				e := reflect.New(reflect.TypeOf(webhook.Sample(typ)))
				e.Elem().Set(reflect.ValueOf(webhook.Sample(typ)))
				c.change(e.Elem())
				return e.Interface().(webhook.Event)
			}
			if c.field == "Subscriber.Fields" && typ == webhook.TypeSent {
				continue // it has no subscriber
			}
			name := string(typ) + " with " + c.name
			inputs = append(inputs,
				invalidInput{name, c.field, func(r *harness) error { return r.Emit(r.ctx, event()) }},
				invalidInput{name + " after another event", c.field, func(r *harness) error {
					return r.Emit(r.ctx, open("1"), event())
				}},
				invalidInput{name + " in EmitTx", c.field, func(r *harness) error { return r.EmitTx(r.ctx, r.store, event()) }},
				invalidInput{name + " in EmitBuffered", c.field, func(r *harness) error {
					return r.start().EmitBuffered(r.ctx, event())
				}},
				invalidInput{name + " in Explain", c.field, func(r *harness) error {
					_, err := r.Explain(r.ctx, event())
					return err
				}},
			)
		}
	}
	own := func(change func(*webhook.Custom)) webhook.Custom {
		e := webhook.Custom{Meta: webhook.Meta{Source: webhook.SourceAPI}, Name: "import"}
		change(&e)
		return e
	}
	for _, c := range []struct {
		name, field string
		event       webhook.Custom
	}{
		{"a name of the nine", "Name", own(func(e *webhook.Custom) { e.Name = "open" })},
		{"a name with a dash", "Name", own(func(e *webhook.Custom) { e.Name = "im-port" })},
		{"a name that the catalogue does not hold", "Name", own(func(e *webhook.Custom) { e.Name = "party" })},
		{"nobody", "Subscriber", own(func(e *webhook.Custom) { e.Subscriber = &webhook.Subscriber{FirstName: "Ann"} })},
		{"NaN", "Data.rates[1]", own(func(e *webhook.Custom) { e.Data = map[string]any{"rates": []float64{1, math.NaN()}} })},
		{"text that is no UTF-8", "Data.a.b", own(func(e *webhook.Custom) {
			e.Data = map[string]any{"a": map[string]string{"b": "\xff"}}
		})},
		{"data that holds itself", "Data" + strings.Repeat(".x", 33), own(func(e *webhook.Custom) {
			e.Data = map[string]any{}
			e.Data["x"] = e.Data
		})},
	} {
		inputs = append(inputs, invalidInput{"a Custom with " + c.name, c.field, func(r *harness) error {
			own := r.another(&webhook.Options{Catalogue: []webhook.EventInfo{{Type: "import"}}})
			return own.Emit(r.ctx, c.event)
		}})
	}
	return append(inputs, invalidInput{"no event", "Event", func(r *harness) error { return r.Emit(r.ctx, nil) }})
}

func invalidDeliveryQueries() (inputs []invalidInput) {
	for _, c := range []struct {
		name, field string
		query       webhook.DeliveryQuery
	}{
		{"an unknown state", "States", webhook.DeliveryQuery{States: []webhook.State{webhook.StateFailed, "success"}}},
		{"an unknown type", "Types", webhook.DeliveryQuery{Types: []webhook.EventType{"Opened"}}},
		{"half a cursor", "After", webhook.DeliveryQuery{After: webhook.Cursor{ID: "1"}}},
		{"a negative limit", "Limit", webhook.DeliveryQuery{Limit: -1}},
	} {
		inputs = append(inputs, invalidInput{c.name + " in Deliveries", c.field, func(r *harness) error {
			_, err := r.Deliveries(r.ctx, c.query)
			return err
		}}, invalidInput{c.name + " in Count", c.field, func(r *harness) error {
			_, err := r.Count(r.ctx, c.query)
			return err
		}})
	}
	return inputs
}

func invalidWebhookQueries() []invalidInput {
	return []invalidInput{{"a negative limit in Webhooks", "Limit", func(r *harness) error {
		_, err := r.Webhooks(r.ctx, webhook.WebhookQuery{Limit: -1})
		return err
	}}}
}

func invalidArguments() []invalidInput {
	return []invalidInput{
		{"New without a store", "store", func(*harness) error {
			_, err := webhook.New(nil, nil, nil)
			return err
		}},
		{"New with a nil pointer for a store", "store", func(*harness) error {
			_, err := webhook.New((*memstore.Store)(nil), nil, nil)
			return err
		}},
		{"New with a nil pointer for a client's Transport", "client.Transport", func(r *harness) error {
			_, err := webhook.New(r.store, &http.Client{Transport: (*http.Transport)(nil)}, nil)
			return err
		}},
		{"New with a client whose Timeout is below what a store keeps", "client.Timeout", func(r *harness) error {
			_, err := webhook.New(r.store, &http.Client{Timeout: time.Microsecond}, nil)
			return err
		}},
		{"EmitTx without a transaction", "tx", func(r *harness) error { return r.EmitTx(r.ctx, nil, open("1")) }},
		{"EmitTx with a nil pointer for a transaction", "tx", func(r *harness) error {
			return r.EmitTx(r.ctx, (*memstore.Store)(nil), open("1"))
		}},
		{"SendTest of an unknown type", "type", func(r *harness) error {
			_, err := r.SendTest(r.ctx, "", r.put(nil).ID, "opened")
			return err
		}},
		{"Replay until before since", "Until", func(r *harness) error {
			_, err := r.Replay(r.ctx, "", r.put(nil).ID, webhook.ReplayQuery{Since: time.Now(), Until: time.Now().Add(-time.Hour)})
			return err
		}},
		{"Replay of what is pending", "States", func(r *harness) error {
			_, err := r.Replay(r.ctx, "", r.put(nil).ID, webhook.ReplayQuery{States: []webhook.State{webhook.StatePending}})
			return err
		}},
		{"EraseSubscriber of nobody", "id", func(r *harness) error {
			_, err := r.EraseSubscriber(r.ctx, "", "", "", nil)
			return err
		}},
		{"ReencryptWebhooks without a key", "Options.EncryptionKeys", func(r *harness) error {
			_, err := r.ReencryptWebhooks(r.ctx)
			return err
		}},
	}
}
