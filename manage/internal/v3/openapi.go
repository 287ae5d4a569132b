package v3

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
)

//go:embed openapi.json
var embedded []byte

// A document is the OpenAPI document. What the API itself does is in openapi.json.
// The webhooks, and the schemas of their bodies, are those that the root package
// makes.
type document struct {
	OpenAPI    json.RawMessage `json:"openapi"`
	Info       json.RawMessage `json:"info"`
	Servers    json.RawMessage `json:"servers"`
	Security   json.RawMessage `json:"security"`
	Tags       json.RawMessage `json:"tags"`
	Paths      json.RawMessage `json:"paths"`
	Webhooks   map[string]any  `json:"webhooks"`
	Components struct {
		SecuritySchemes json.RawMessage            `json:"securitySchemes"`
		Schemas         map[string]json.RawMessage `json:"schemas"`
		Parameters      json.RawMessage            `json:"parameters"`
		Responses       json.RawMessage            `json:"responses"`
	} `json:"components"`
}

// documents are those that were made, by the types of the catalogue.
var documents sync.Map

// documentFor returns the document of an app with these event types.
func documentFor(types []webhook.EventType) ([]byte, error) {
	key := fmt.Sprint(types)
	if made, ok := documents.Load(key); ok {
		return made.([]byte), nil
	}
	made, err := makeDocument(types)
	if err == nil {
		documents.Store(key, made)
	}
	return made, err
}

func makeDocument(types []webhook.EventType) ([]byte, error) {
	var doc document
	if err := json.Unmarshal(embedded, &doc); err != nil {
		return nil, err
	}
	names, err := json.Marshal(map[string]any{"type": "string", "enum": types})
	if err != nil {
		return nil, err
	}
	doc.Components.Schemas["EventType"] = names
	doc.Webhooks = map[string]any{}
	for _, t := range types {
		schema := string(t) + "_event"
		doc.Components.Schemas[schema] = webhook.JSONSchema(t)
		doc.Webhooks[string(t)] = webhookOperation(t, schema)
	}
	return json.MarshalIndent(doc, "", " ")
}

// webhookOperation describes the request that brings an event in JSON.
func webhookOperation(t webhook.EventType, schema string) any {
	type object = map[string]any
	header := func(name, description string, required bool) object {
		return object{"name": name, "in": "header", "description": description, "required": required, "schema": object{"type": "string"}}
	}
	return object{"post": object{
		"operationId": "on_" + string(t),
		"tags":        []string{"events"},
		"summary":     "What a webhook of the format json gets",
		"security":    []any{},
		"parameters": []object{
			header(webhook.HeaderID, "the delivery: the same whenever it is sent", true),
			header(webhook.HeaderTimestamp, "when it was signed, in Unix seconds", true),
			header(webhook.HeaderSignature, "v1, and a signature by Standard Webhooks; several with spaces between. Only of webhooks with a secret", false),
			header(webhook.HeaderEvent, "the type", true),
			header(webhook.HeaderAttempt, "1, 2 and so on", true),
		},
		"requestBody": object{
			"required": true,
			"content":  object{"application/json": object{"schema": object{"$ref": "#/components/schemas/" + schema}}},
		},
		"responses": object{
			"2XX":     object{"description": "The event was taken."},
			"410":     object{"description": "The receiver is gone: the webhook is disabled."},
			"default": object{"description": "The event was not taken: it is sent again."},
		},
	}}
}

func viewOpenAPI(_ context.Context, c *account.Caller, _ *http.Request) (int, any, error) {
	types := c.Types()
	if types == nil { // a key without a right in an account
		types = webhook.EventTypes()
	}
	doc, err := documentFor(types)
	return http.StatusOK, json.RawMessage(doc), err
}
