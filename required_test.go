package webhook_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// What docs/embedding.md says of each event, for one that an app has little to say of.
func TestWhatEachEventRequires(t *testing.T) {
	meta := webhook.Meta{Source: webhook.SourcePublic}
	someone := webhook.Subscriber{Email: "ann@example.com"}
	numbered := webhook.Subscriber{ID: "7"}
	campaign := webhook.Campaign{ID: "3"}
	negative := webhook.Campaign{ID: "3", Recipients: -1}
	link := webhook.Link{URL: "https://example.com/"}
	catalogue := []webhook.EventInfo{{Type: "finished", Label: "Finished"}}
	for _, t := range webhook.EventTypes() {
		catalogue = append(catalogue, webhook.EventInfo{Type: t})
	}
	for name, c := range map[string]struct {
		event webhook.Event
		field string // that is refused
	}{
		"a subscribe by an address alone":          {webhook.Subscribe{Meta: meta, Subscriber: someone}, ""},
		"a subscribe by an id alone":               {webhook.Subscribe{Meta: meta, Subscriber: numbered}, ""},
		"a subscribe without a list":               {webhook.Subscribe{Meta: meta, Subscriber: someone}, ""},
		"a subscribe without a subscriber":         {webhook.Subscribe{Meta: meta}, "Subscriber"},
		"an unsubscribe without a subscriber":      {webhook.Unsubscribe{Meta: meta, Campaign: &campaign}, "Subscriber"},
		"an unsubscribe without a campaign":        {webhook.Unsubscribe{Meta: meta, Subscriber: someone}, ""},
		"an update without a subscriber":           {webhook.Update{Meta: meta, Subscriber: webhook.Subscriber{FirstName: "Ann"}}, "Subscriber"},
		"a sent without a campaign":                {webhook.Sent{Meta: meta}, "Campaign"},
		"a sent with a name alone":                 {webhook.Sent{Meta: meta, Campaign: webhook.Campaign{Name: "News"}}, ""},
		"an open without a subscriber":             {webhook.Open{Meta: meta, Campaign: campaign}, "Subscriber"},
		"an open of a transactional mail":          {webhook.Open{Meta: meta, Subscriber: someone}, ""},
		"an open without a source":                 {webhook.Open{Subscriber: someone, Campaign: campaign}, "Source"},
		"a click without a subscriber":             {webhook.Click{Meta: meta, Campaign: campaign, Link: link}, "Subscriber"},
		"a click without a link":                   {webhook.Click{Meta: meta, Subscriber: someone, Campaign: campaign}, "Link"},
		"a click in a transactional mail":          {webhook.Click{Meta: meta, Subscriber: someone, Link: link}, ""},
		"a forward without a subscriber":           {webhook.Forward{Meta: meta, Campaign: campaign}, "Subscriber"},
		"a forward to nobody knows how many":       {webhook.Forward{Meta: meta, Subscriber: someone, Campaign: campaign}, ""},
		"a share without a network":                {webhook.Share{Meta: meta, Subscriber: someone, Campaign: campaign}, "Details.Network"},
		"a share on another network":               {webhook.Share{Meta: meta, Subscriber: someone, Details: webhook.ShareDetails{Network: "mastodon"}}, ""},
		"a share without a subscriber":             {webhook.Share{Meta: meta, Details: webhook.ShareDetails{Network: "twitter"}}, "Subscriber"},
		"a bounce without a campaign":              {webhook.Bounce{Meta: meta, Subscriber: someone, Details: webhook.BounceDetails{Type: "soft"}}, ""},
		"a bounce without a subscriber":            {webhook.Bounce{Meta: meta, Details: webhook.BounceDetails{Type: "hard"}}, "Subscriber"},
		"a bounce of no kind":                      {webhook.Bounce{Meta: meta, Subscriber: someone, Campaign: campaign}, "Details.Type"},
		"a complaint as a bounce":                  {webhook.Bounce{Meta: meta, Subscriber: someone, Details: webhook.BounceDetails{Type: "complaint"}}, "Details.Type"},
		"a complaint as an unsubscribe":            {webhook.Unsubscribe{Meta: meta, Subscriber: someone, Details: webhook.UnsubscribeDetails{Reason: "complaint"}}, ""},
		"an open of fewer than no recipients":      {webhook.Open{Meta: meta, Subscriber: someone, Campaign: negative}, "Campaign.Recipients"},
		"a click of fewer than no recipients":      {webhook.Click{Meta: meta, Subscriber: someone, Link: link, Campaign: negative}, "Campaign.Recipients"},
		"a sent to fewer than nobody":              {webhook.Sent{Meta: meta, Campaign: negative}, "Campaign.Recipients"},
		"a share of fewer than no recipients":      {webhook.Share{Meta: meta, Subscriber: someone, Campaign: negative, Details: webhook.ShareDetails{Network: "twitter"}}, "Campaign.Recipients"},
		"a bounce of fewer than no recipients":     {webhook.Bounce{Meta: meta, Subscriber: someone, Campaign: negative, Details: webhook.BounceDetails{Type: "soft"}}, "Campaign.Recipients"},
		"an unsubscribe of fewer than none":        {webhook.Unsubscribe{Meta: meta, Subscriber: someone, Campaign: &negative}, "Campaign.Recipients"},
		"a custom of fewer than no recipients":     {webhook.Custom{Meta: meta, Name: "finished", Campaign: &negative}, "Campaign.Recipients"},
		"a forward of fewer than no recipients":    {webhook.Forward{Meta: meta, Subscriber: someone, Campaign: negative}, "Campaign.Recipients"},
		"a forward to fewer than nobody":           {&webhook.Forward{Meta: meta, Subscriber: someone, Details: webhook.ForwardDetails{Count: -1}}, "Details.Count"},
		"a pointer to an open without subscriber":  {&webhook.Open{Meta: meta, Campaign: campaign}, "Subscriber"},
		"a pointer to an open that says who it is": {&webhook.Open{Meta: meta, Subscriber: someone, Campaign: campaign}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := webhook.New(memstore.New(), nil, &webhook.Options{Catalogue: catalogue})
			require.NoError(t, err)
			err = d.Emit(t.Context(), c.event)
			if c.field == "" {
				assert.NoError(t, err)
				return
			}
			var invalid *webhook.InvalidError
			if assert.ErrorAs(t, err, &invalid) {
				assert.Equal(t, c.field, invalid.Field)
			}
		})
	}
}
