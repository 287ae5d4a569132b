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
	var err error
	if doc.Components.Schemas["EventType"], err = json.Marshal(typeSchema(types)); err != nil {
		return nil, err
	}
	doc.Webhooks = map[string]any{}
	batch := newBatchSchema()
	for _, t := range types {
		schema := string(t) + "_event"
		doc.Components.Schemas[schema] = webhook.JSONSchema(t)
		doc.Webhooks[string(t)] = webhookOperation(t, schema)
		batch.Items.AnyOf = append(batch.Items.AnyOf, map[string]string{"$ref": "#/components/schemas/" + schema})
	}
	doc.Webhooks[batchName] = batchOperation()
	if doc.Components.Schemas["Batch"], err = json.Marshal(batch); err != nil {
		return nil, err
	}
	return json.MarshalIndent(doc, "", " ")
}

// typeSchema describes the names of event types. It is open: an app may add types after a
// client was generated from the document.
func typeSchema(types []webhook.EventType) any {
	return jsonObject{
		"type": "string", "description": "a type of events. An app may add types to those that are named here.",
		"anyOf": []jsonObject{{"enum": types}, {"type": "string"}},
	}
}

// A batchSchema describes the body of a request that brings several events.
type batchSchema struct {
	Type        string `json:"type"`
	Description string `json:"description"`
	MinItems    int    `json:"minItems"`
	MaxItems    int    `json:"maxItems"`
	Items       struct {
		AnyOf []map[string]string `json:"anyOf"`
	} `json:"items"`
}

func newBatchSchema() *batchSchema {
	return &batchSchema{
		Type: "array", MinItems: 1, MaxItems: 500,
		Description: "What a webhook whose batch is 2 or more gets instead: several events, of any types, in one request. " +
			"Each may have one more key, sequence: the number that a request of one event has in the header webhook-sequence.",
	}
}

// batchName is that of the webhook of the document that describes batches: no type is
// called so.
const batchName = "several events"

// jsonObject is an object of the document.
type jsonObject = map[string]any

// header describes a header of a request.
func header(name, description string, required bool) jsonObject {
	return jsonObject{"name": name, "in": "header", "description": description, "required": required, "schema": jsonObject{"type": "string"}}
}

// batchOperation describes the request that brings several events in JSON.
func batchOperation() any {
	return jsonObject{"post": jsonObject{
		"operationId": "onBatch",
		"tags":        []string{"events"},
		"summary":     "What a webhook of the format json gets whose batch is 2 or more",
		"security":    []any{},
		"parameters": []jsonObject{
			header(webhook.HeaderID, "the request: the same if exactly these events are sent again. Know an event by its id", true),
			header(webhook.HeaderTimestamp, "when it was signed, in Unix seconds", true),
			header(webhook.HeaderSignature, "v1, and a signature by Standard Webhooks; several with spaces between. Only of webhooks with a secret", false),
			header(webhook.HeaderAttempt, "1, 2 and so on: the highest of the events'", true),
		},
		"requestBody": jsonObject{
			"required": true,
			"content":  jsonObject{"application/json": jsonObject{"schema": jsonObject{"$ref": "#/components/schemas/Batch"}}},
		},
		"responses": jsonObject{
			"2XX":     jsonObject{"description": "All events were taken."},
			"410":     jsonObject{"description": "The receiver is gone: the webhook is disabled."},
			"413":     jsonObject{"description": "The request is too large: the events are sent again at once, in smaller requests."},
			"default": jsonObject{"description": "No event was taken: all are sent again, perhaps among others."},
		},
	}}
}

// webhookOperation describes the request that brings an event in JSON.
func webhookOperation(t webhook.EventType, schema string) any {
	return jsonObject{"post": jsonObject{
		"operationId": "on_" + string(t),
		"tags":        []string{"events"},
		"summary":     "What a webhook of the format json gets, unless it has a batch",
		"security":    []any{},
		"parameters": []jsonObject{
			header(webhook.HeaderID, "the delivery: the same whenever it is sent", true),
			header(webhook.HeaderTimestamp, "when it was signed, in Unix seconds", true),
			header(webhook.HeaderSignature, "v1, and a signature by Standard Webhooks; several with spaces between. Only of webhooks with a secret", false),
			header(webhook.HeaderEvent, "the type", true),
			header(webhook.HeaderAttempt, "1, 2 and so on", true),
		},
		"requestBody": jsonObject{
			"required": true,
			"content":  jsonObject{"application/json": jsonObject{"schema": jsonObject{"$ref": "#/components/schemas/" + schema}}},
		},
		"responses": jsonObject{
			"2XX":     jsonObject{"description": "The event was taken."},
			"410":     jsonObject{"description": "The receiver is gone: the webhook is disabled."},
			"default": jsonObject{"description": "The event was not taken: it is sent again."},
		},
	}}
}

func viewOpenAPI(ctx context.Context, c *account.Caller, _ *http.Request) (int, any, error) {
	types := c.Types()
	if types == nil { // no key, or one without a right in an account
		types = c.AllTypes(ctx)
	}
	if types == nil {
		types = webhook.EventTypes()
	}
	doc, err := documentFor(types)
	return http.StatusOK, json.RawMessage(doc), err
}
