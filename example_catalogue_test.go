package webhook_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// An app that has no sharing, and says when a campaign is finished.
func ExampleOptions_catalogue() {
	finished := webhook.Custom{
		Meta: webhook.Meta{Source: webhook.SourceSystem, Lists: []string{"12"}}, Name: "campaign_finished",
		Campaign: &webhook.Campaign{ID: "34", Name: "January newsletter"},
		Data:     map[string]any{"opens": 900, "links": []map[string]any{{"url": "https://example.com", "clicks": 321}}},
	}
	d, err := webhook.New(memstore.New(), nil, &webhook.Options{Catalogue: []webhook.EventInfo{
		{Type: webhook.TypeSubscribe},
		{Type: webhook.TypeUnsubscribe},
		{Type: webhook.TypeOpen, Sources: []webhook.Source{webhook.SourcePublic}},
		{Type: "campaign_finished", Label: "Campaign Finished", Sources: []webhook.Source{webhook.SourceSystem}, Sample: finished},
	}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(d.Emit(context.Background(), finished))
	fmt.Println(d.Emit(context.Background(), webhook.Sample(webhook.TypeShare)))
	// Output:
	// <nil>
	// webhook: Type is "share", which is not in Options.Catalogue
}

// A webhook that gets JSON, and of a subscriber no more than it needs.
func ExampleSettings() {
	d, err := webhook.New(memstore.New(), nil, nil)
	if err != nil {
		log.Fatal(err)
	}
	w, err := d.AddWebhook(context.Background(), webhook.Webhook{Settings: webhook.Settings{
		Name: "Shop", URL: "https://shop.example.com/hook", Format: webhook.FormatJSON,
		Events: []webhook.EventType{webhook.TypeUpdate}, Sources: webhook.Sources(),
		Disclosure: webhook.DiscloseFields, FieldIDs: []string{"7"}, // of the custom fields the city alone
	}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(w.Name, w.Format, w.Disclosure)
	// Output: Shop json fields
}

// A receiver passes over the types that it does not know.
func ExampleCustom() {
	http.HandleFunc("POST /webhook", func(w http.ResponseWriter, r *http.Request) {
		events, err := webhook.ParseRequest(r, &webhook.ReceiveOptions{Secrets: []webhook.Secret{{Key: "whsec_…"}}})
		if err != nil {
			http.Error(w, "not understood", http.StatusBadRequest)
			return
		}
		for _, e := range events {
			switch e := e.(type) {
			case webhook.Unsubscribe:
				log.Println("left:", e.Subscriber.Email)
			case webhook.Custom:
				if e.Name == "campaign_finished" {
					log.Println("opens:", e.Data["opens"])
				}
			}
		}
	})
}
