package webhook_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// listmonk is the catalogue of an app that does not have all of the nine, and more.
var listmonk = []webhook.EventInfo{
	{Type: webhook.TypeSubscribe, Sources: []webhook.Source{webhook.SourcePublic, webhook.SourceAPI}},
	{Type: webhook.TypeOpen, Label: "Mail Opened"},
	{Type: "campaign_finished", Label: "Campaign Finished", Sources: []webhook.Source{webhook.SourceSystem}, Sample: webhook.Custom{
		Meta: webhook.Meta{Source: webhook.SourceSystem}, Name: "campaign_finished", Data: map[string]any{"sent": 1250},
	}},
	{Type: "blocklisted"},
}

func TestTheCatalogueSaysWhatAnAppEmits(t *testing.T) {
	r := newHarness(t, &webhook.Options{Catalogue: listmonk})
	open := func(source webhook.Source) webhook.Meta { return webhook.Meta{Source: source} }
	for name, c := range map[string]struct {
		event         webhook.Event
		field, reason string
	}{
		"one of the nine":           {webhook.Open{Meta: open("api"), Subscriber: everybody}, "", ""},
		"from a source of it":       {webhook.Subscribe{Meta: open("api"), Subscriber: everybody}, "", ""},
		"from another source":       {webhook.Subscribe{Meta: open("admin"), Subscriber: everybody}, "Source", `is "admin", which Options.Catalogue does not list for subscribe`},
		"one that it does not have": {webhook.Share{Meta: open("api"), Subscriber: everybody, Details: webhook.ShareDetails{Network: "x"}}, "Type", `is "share", which is not in Options.Catalogue`},
		"its own":                   {webhook.Custom{Meta: open("system"), Name: "campaign_finished"}, "", ""},
		"its own from elsewhere":    {webhook.Custom{Meta: open("api"), Name: "campaign_finished"}, "Source", `is "api", which Options.Catalogue does not list for campaign_finished`},
		"its own from anywhere":     {webhook.Custom{Meta: open("api"), Name: "blocklisted"}, "", ""},
		"nobody's":                  {webhook.Custom{Meta: open("api"), Name: "party"}, "Name", `is "party", which is not in Options.Catalogue`},
	} {
		t.Run(name, func(t *testing.T) {
			_, explained := r.Explain(r.ctx, c.event)
			for what, err := range map[string]error{"Emit": r.Emit(r.ctx, c.event), "Validate": r.Validate(c.event), "Explain": explained} {
				if c.field == "" {
					assert.NoError(t, err, what)
					continue
				}
				var invalid *webhook.InvalidError
				require.ErrorAs(t, err, &invalid, what)
				assert.Equal(t, &webhook.InvalidError{Field: c.field, Reason: c.reason}, invalid, what)
			}
		})
	}

	nine := newHarness(t, nil)
	assert.ErrorContains(t, nine.Emit(r.ctx, webhook.Custom{Meta: open("api"), Name: "party"}), "Options.Catalogue", "who adds none has none")
	for i, info := range nine.Catalogue() {
		assert.Equal(t, webhook.EventTypes()[i], info.Type)
		assert.Equal(t, webhook.Sources(), info.Sources)
		assert.Equal(t, webhook.Sample(info.Type), info.Sample)
	}
}

func TestAnEventOfTheAppsOwnIsDeliveredToThoseWhoNameIt(t *testing.T) {
	r := newHarness(t, &webhook.Options{Catalogue: listmonk})
	all := r.put(func(w *webhook.Webhook) { w.Events = []webhook.EventType{"subscribe", "open"} })
	named := r.put(func(w *webhook.Webhook) { w.Events = []webhook.EventType{"campaign_finished"} })
	e := webhook.Custom{
		Meta: webhook.Meta{Source: "system", ID: "e1"}, Name: "campaign_finished",
		Subscriber: &webhook.Subscriber{ID: "7", Email: "ann@example.com", FirstName: "Ann"}, Data: map[string]any{"sent": 1250},
	}
	require.NoError(t, r.Emit(r.ctx, e))
	require.NoError(t, r.Emit(r.ctx, &e), "again")
	log := r.log()
	require.Len(t, log, 1)
	assert.Equal(t, named.ID, log[0].WebhookID)
	assert.Equal(t, webhook.EventType("campaign_finished"), log[0].Type)
	got := readDelivery(t, log[0]).(webhook.Custom)
	assert.Equal(t, map[string]any{"sent": "1250"}, got.Data)
	assert.Equal(t, "Ann", got.Subscriber.FirstName)

	assert.True(t, r.Wants(r.ctx, "", "campaign_finished", "system"))
	assert.False(t, r.Wants(r.ctx, "", "blocklisted", "system"))
	explained, err := r.Explain(r.ctx, e)
	require.NoError(t, err)
	assert.Equal(t, "The webhook does not want campaign_finished events.", explained[0].Reason)
	assert.Equal(t, all.ID, explained[0].Webhook.ID)
	assert.True(t, explained[1].Matches)

	n, err := r.EraseSubscriber(r.ctx, "", "7", "", nil)
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	assert.Empty(t, r.log()[0].Body, "with all that it said")
}

func TestACustomEventDisclosesWhatTheWebhookSays(t *testing.T) {
	r := newHarness(t, &webhook.Options{Catalogue: listmonk})
	for _, format := range webhook.Formats() {
		r.put(func(w *webhook.Webhook) {
			w.Events, w.Format, w.Disclosure = []webhook.EventType{"blocklisted"}, format, webhook.DiscloseMinimal
		})
	}
	someone := everybody
	require.NoError(t, r.Emit(r.ctx, webhook.Custom{Meta: webhook.Meta{Source: "api"}, Name: "blocklisted", Subscriber: &someone}))
	require.NoError(t, r.Emit(r.ctx, webhook.Custom{Meta: webhook.Meta{Source: "api"}, Name: "blocklisted"}))
	assert.Equal(t, everybody, someone)
	persons := 0
	for _, d := range r.log() {
		if got := readDelivery(t, d).(webhook.Custom).Subscriber; got != nil {
			persons++
			assert.Equal(t, webhook.Subscriber{ID: "12", Email: "ann@example.com"}, *got)
		}
	}
	assert.Equal(t, 3, persons)
}

func TestWebhooksAskForWhatTheCatalogueHolds(t *testing.T) {
	r := newHarness(t, &webhook.Options{Catalogue: listmonk})
	add := func(types ...webhook.EventType) (webhook.Webhook, error) {
		w := everything()
		w.Events = types
		return r.AddWebhook(r.ctx, w)
	}
	w, err := add("open", "campaign_finished")
	require.NoError(t, err)
	for _, unknown := range []webhook.EventType{"share", "party", "Open"} {
		_, err := add("open", unknown)
		assert.Equal(t, &webhook.InvalidError{Field: "Events", Reason: `contains the unknown type "` + string(unknown) + `"`}, err)
		changed := w
		changed.Events = []webhook.EventType{"open", unknown}
		_, err = r.UpdateWebhook(r.ctx, changed)
		assert.Equal(t, &webhook.InvalidError{Field: "Events", Reason: `contains the unknown type "` + string(unknown) + `"`}, err)
	}

	// The next version of the app no longer has the type.
	next := r.another(&webhook.Options{Catalogue: listmonk[:2]})
	w.Name = "Renamed"
	w, err = next.UpdateWebhook(r.ctx, w)
	require.NoError(t, err, "its owner may edit the rest")
	assert.Equal(t, []webhook.EventType{"open", "campaign_finished"}, w.Events)
}

func TestATestSendsTheCataloguesSample(t *testing.T) {
	r := newHarness(t, &webhook.Options{Catalogue: listmonk})
	w := r.put(func(w *webhook.Webhook) { w.Events = []webhook.EventType{"open"} })
	for _, kind := range []webhook.EventType{"campaign_finished", "blocklisted", "open"} {
		_, err := r.SendTest(r.ctx, "", w.ID, kind)
		require.NoError(t, err)
	}
	got := r.receiver.requests()
	assert.Equal(t, "1250", got[0].Form.Get("data[sent]"))
	assert.Equal(t, "system", got[0].Form.Get("initiated_by"))
	assert.NotEqual(t, "0001", got[0].Form.Get("date_time")[:4])
	assert.Equal(t, "blocklisted", got[1].Form.Get("type"))
	assert.Equal(t, "test@test.com", got[2].Form.Get("subscriber[email]"))
	for _, kind := range []webhook.EventType{"share", "party", ""} {
		_, err := r.SendTest(r.ctx, "", w.ID, kind)
		var invalid *webhook.InvalidError
		require.ErrorAs(t, err, &invalid)
		assert.Equal(t, "type", invalid.Field)
		assert.Nil(t, r.SampleBody(kind, webhook.FormatJSON))
	}
	assert.Contains(t, string(r.SampleBody("campaign_finished", webhook.FormatJSON)), `"data":{"sent":1250}`)
	assert.Nil(t, r.SampleBody("open", "xml"))
}

func TestACatalogueThatCannotBeIsRefusedByField(t *testing.T) {
	open := func(change func(*webhook.EventInfo)) []webhook.EventInfo {
		info := webhook.EventInfo{Type: "open"}
		change(&info)
		return []webhook.EventInfo{{Type: "sent"}, info}
	}
	for name, c := range map[string]struct {
		catalogue     []webhook.EventInfo
		field, reason string
	}{
		"a type twice":     {open(func(i *webhook.EventInfo) { i.Type = "sent" }), "[1].Type", `is "sent", which another entry already has`},
		"no type":          {open(func(i *webhook.EventInfo) { i.Type = "" }), "[1].Type", `is "", neither one of the nine types nor a name of 1 to 64 characters (a to z, 0 to 9 and _)`},
		"no name":          {open(func(i *webhook.EventInfo) { i.Type = "Party!" }), "[1].Type", `is "Party!", neither one of the nine types nor a name of 1 to 64 characters (a to z, 0 to 9 and _)`},
		"a long label":     {open(func(i *webhook.EventInfo) { i.Label = strings.Repeat("x", 256) }), "[1].Label", "is longer than 255 bytes"},
		"an odd label":     {open(func(i *webhook.EventInfo) { i.Label = "\xff" }), "[1].Label", "is not valid UTF-8"},
		"a source":         {open(func(i *webhook.EventInfo) { i.Sources = []webhook.Source{"cron"} }), "[1].Sources", `contains "cron", not one of public, admin, api and system`},
		"another sample":   {open(func(i *webhook.EventInfo) { i.Sample = webhook.Sample("click") }), "[1].Sample", `is an event of the type "click", not "open"`},
		"an invalid one":   {open(func(i *webhook.EventInfo) { i.Sample = webhook.Open{} }), "[1].Sample.Source", `is "", not one of public, admin, api and system`},
		"nobody's nil one": {open(func(i *webhook.EventInfo) { i.Sample = (*webhook.Open)(nil) }), "[1].Sample.Event", "is nil"},
		"too many":         {make([]webhook.EventInfo, 101), "", "has 101 types; the most is 100"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := webhook.New(newHarness(t, nil).store, nil, &webhook.Options{Catalogue: c.catalogue})
			assert.Equal(t, &webhook.InvalidError{Field: "Options.Catalogue" + c.field, Reason: c.reason}, err)
		})
	}
}

// Who tries a receiver that looks at the source, or reads an example payload, finds one
// that the app emits.
func TestASampleHasASourceThatTheAppEmitsItFrom(t *testing.T) {
	d, err := webhook.New(&memstore.Store{}, nil, &webhook.Options{Catalogue: []webhook.EventInfo{
		{Type: webhook.TypeOpen, Sources: []webhook.Source{webhook.SourceAPI, webhook.SourceSystem}},
		{Type: webhook.TypeBounce},
	}})
	require.NoError(t, err)
	catalogue := d.Catalogue()
	require.NoError(t, d.Validate(catalogue[0].Sample, catalogue[1].Sample), "Emit would take them")
	assert.Contains(t, string(d.SampleBody(webhook.TypeOpen, webhook.FormatCurrent)), "initiated_from=api&initiated_by=api&")
	assert.Equal(t, webhook.Sample(webhook.TypeBounce), catalogue[1].Sample)
}
