package manage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/page"
	"github.com/listhook/webhook/manage/internal/params"
	"github.com/listhook/webhook/manage/internal/v3"
	"github.com/listhook/webhook/memstore"
)

// An openapi is as much of the document as the tests look at.
type openapi struct {
	Paths      map[string]map[string]json.RawMessage
	Components struct {
		Schemas   map[string]schema
		Responses map[string]response
	}
}

type operation struct {
	OperationID string `json:"operationId"`
	RequestBody *struct{}
	Responses   map[string]response
}

type response struct {
	Ref     string `json:"$ref"`
	Content map[string]struct{ Schema schema }
}

// A schema is as much of JSON Schema as the document uses.
type schema struct {
	Ref                  string `json:"$ref"`
	Type                 any    // a name, or several
	Properties           map[string]schema
	Required             []string
	Items                *schema
	Enum                 []any
	MaxProperties        *int
	AdditionalProperties *schema
}

func readOpenAPI(t *testing.T) openapi {
	got := newHarness(t).call("bob", "GET", "/api/3/listhook/openapi.json", "")
	require.Equal(t, 200, got.Code)
	var doc openapi
	require.NoError(t, json.Unmarshal(got.Body.Bytes(), &doc))
	return doc
}

// operations calls f with each operation of the document.
func (doc openapi) operations(t *testing.T, f func(method, path string, op operation)) {
	for path, item := range doc.Paths {
		for method, raw := range item {
			if method == "parameters" {
				continue
			}
			var op operation
			require.NoError(t, json.Unmarshal(raw, &op))
			f(strings.ToUpper(method), path, op)
		}
	}
}

func TestOpenAPIDescribesEveryRouteAndNoOther(t *testing.T) {
	var described, served []string
	readOpenAPI(t).operations(t, func(method, path string, _ operation) {
		described = append(described, method+" "+path)
	})
	for _, r := range v3.Routes() {
		served = append(served, r.Method+" /api/3/"+r.Path)
	}
	assert.ElementsMatch(t, served, described)
}

// TestOpenAPIKeepsItsWord makes each call of the document so that each of its
// statuses comes back, and compares the answers with their schemas.
func TestOpenAPIKeepsItsWord(t *testing.T) {
	const hook = `{"webhook":{"name":"A","url":"https://a.example.com/","events":["open"],"sources":["public"],"listid":12}}`
	calls := map[string]struct {
		query, body       string // for success
		badQuery, badBody string // for 422
	}{
		"listWebhooks":     {"?filters[name]=CRM&limit=5", "", "?limit=many", ""},
		"addWebhook":       {"", hook, "", `{"webhook":{"name":"A"}}`},
		"editWebhook":      {"", `{"webhook":{"name":"B"}}`, "", `{"webhook":{"url":"ftp://a.example.com"}}`},
		"listLists":        {"?limit=1", "", "?offset=-1", ""},
		"listFields":       {"?limit=1", "", "?limit=x", ""},
		"listCampaigns":    {"?limit=1", "", "?limit=x", ""},
		"listSettings":     {"?filters[listid]=0&offset=0", "", "?filters[list]=0", ""},
		"editSettings":     {"", `{"webhook":{"format":"current","headers":{"X-Key":"k"},"no_retry":true,"rate_limit":0.5}}`, "", `{"webhook":{"format":7}}`},
		"enableWebhook":    {"", `{"drop_kept":true}`, "", `{"drop_kept":"perhaps"}`},
		"disableWebhook":   {"", `{"reason":"for a test","keep_events":true}`, "", `{"keep_events":"perhaps"}`},
		"rotateSecret":     {"", ``, "", `{"overlap":-1}`},
		"sendTest":         {"", `{"type":"open"}`, "", `{"type":"party"}`},
		"replay":           {"", `{"since":"1999-01-02T09:28:42+00:00","states":["failed","delivered"]}`, "", `{"since":"yesterday"}`},
		"countReplay":      {"", `{"states":["pending"]}`, "", `{}`},
		"searchDeliveries": {"", `{"filters":{"reason":"503","subscriber":"bob@example.com"},"limit":1}`, "", `{"filters":{"reason":"bad luck"}}`},
		"viewStats":        {"?period=7d", "", "?period=year", ""},
		"viewAllStats":     {"?period=30d", "", "?days=7", ""},
		"viewSettings":     {"", "", "?x=1", ""},
		"viewReplay":       {"", "", "?x=1", ""},
		"viewDelivery":     {"", "", "?x=1", ""},
		"tryWebhook":       {"", "", "", `{"x":1}`},
		"cancelReplay":     {"", "", "", `{"x":1}`},
		"redeliver":        {"", `{"anyway":false}`, "", `{"anyway":"perhaps"}`},
		"listDeliveries":   {"?limit=1&filters[state]=pending", "", "?filters[state]=lost", ""},
		"explain":          {"", `{"type":"open","source":"public","lists":[12]}`, "", `{"type":"open","source":"somebody"}`},
	}
	doc := readOpenAPI(t)
	doc.operations(t, func(method, path string, op operation) {
		t.Run(op.OperationID, synced(func(t *testing.T) {
			call := calls[op.OperationID]
			for status, want := range op.Responses {
				store := &memstore.Store{}
				r := newBusyHarness(t, store, func(o *Options) {
					if status == "429" {
						o.Rate = 1
					}
				})
				w := r.put(nil)
				r.emit("e0")
				d := r.emit("e1")
				target, query, body, key := path, call.query, call.body, "ann"
				id := w.ID
				switch {
				case strings.Contains(path, "/lists/"), strings.Contains(path, "/fields/"), strings.Contains(path, "/campaigns/"):
					id = "13"
				case strings.Contains(path, "/deliveries/"):
					id = d.ID
				}
				switch status {
				case "500", "503":
					key = "failing"
					if status == "503" {
						key = "moving"
					}
				case "200", "409":
					switch {
					case op.OperationID == "redeliver" || op.OperationID == "skip":
						id = r.prepareLine(store, op.OperationID, status)
					case op.OperationID == "replay":
						_, err := r.StartReplay(t.Context(), w.Account, w.ID, "another", webhook.ReplayQuery{})
						require.NoError(t, err)
					case status == "409" && op.OperationID == "editSettings":
						body = `{"webhook":{"name":"B","revision":77}}`
					case status == "409":
						r.makeBusy(w, op.OperationID)
					}
				case "400":
					body = `["no object"]`
				case "403":
					key = ""
				case "404":
					if id = "404"; !strings.Contains(path, "{id}") {
						key = "lost"
					}
				case "413":
					body = strings.Repeat(" ", params.MaxBody+1)
				case "422":
					query, body = call.badQuery, call.badBody
					if op.OperationID == "redeliver" { // somebody asked to be forgotten
						lost, err := store.Apply(t.Context(), []webhook.Change{{ID: d.ID, Lease: d.Lease, State: webhook.StateFailed, Due: d.Created, Erase: true}})
						require.NoError(t, err)
						require.Empty(t, lost)
						body = ""
					}
				case "429":
					for r.call("ann", "GET", "/api/3/users/me", "").Code == 200 {
					}
				}
				got := r.call(key, method, strings.ReplaceAll(target, "{id}", id)+query, body)
				require.Equal(t, status, fmt.Sprint(got.Code), "%s", got.Body)
				assert.Equal(t, "application/json", got.Header().Get("Content-Type"))
				if status == "429" {
					assert.NotEmpty(t, got.Header().Get("Retry-After"))
				}
				if want.Ref != "" {
					want = doc.Components.Responses[strings.TrimPrefix(want.Ref, "#/components/responses/")]
				}
				var value any
				require.NoError(t, json.Unmarshal(got.Body.Bytes(), &value))
				doc.check(t, status, want.Content["application/json"].Schema, value)
			}
		}))
	})
}

// A busyStore has every webhook changed by somebody else, once changed is set.
type busyStore struct {
	webhook.Store
	changed atomic.Bool
}

func (s *busyStore) PutWebhook(ctx context.Context, w webhook.Webhook) (int64, error) {
	if s.changed.Load() {
		return 0, webhook.ErrConflict
	}
	return s.Store.PutWebhook(ctx, w)
}

// A busyHarness has a busyStore. The app fails for the key "failing", moves the account
// of "moving", and has not got that of "lost".
type busyHarness struct {
	*harness
	*busyStore
}

func newBusyHarness(t *testing.T, store webhook.Store, change func(*Options)) busyHarness {
	busy := &busyStore{Store: store}
	return busyHarness{newHarnessOn(t, busy, func(o *Options) {
		key := o.Key
		o.Key = func(ctx context.Context, k string) (Access, error) {
			switch k {
			case "failing":
				return Access{}, errors.New("no database")
			case "moving":
				return Access{}, ErrUnavailable
			case "lost":
				return Access{}, webhook.ErrNotFound
			}
			return key(ctx, k)
		}
		change(o)
	}), busy}
}

// makeBusy has somebody else change a webhook whenever an operation does.
func (r busyHarness) makeBusy(w webhook.Webhook, operation string) {
	switch operation {
	case "cancelReplay":
		_, err := r.StartReplay(r.t.Context(), w.Account, w.ID, "another", webhook.ReplayQuery{})
		require.NoError(r.t, err)
	case "tryWebhook":
		w.HeldUntil = time.Now().Add(time.Hour)
		_, err := r.PutWebhook(r.t.Context(), w)
		require.NoError(r.t, err)
	}
	r.changed.Store(true)
}

// embeddedOpenAPI is the document as it is in the repository.
var embeddedOpenAPI = sync.OnceValues(func() (doc openapi, err error) {
	text, err := os.ReadFile("internal/v3/openapi.json")
	if err == nil {
		err = json.Unmarshal(text, &doc)
	}
	return doc, err
})

// isDocumented reports an error if a call of the newer API was answered with a status that
// the document does not have for it.
func (r *harness) isDocumented(req *http.Request, status int) {
	r.t.Helper()
	doc, err := embeddedOpenAPI()
	require.NoError(r.t, err)
	method, path := strings.ToLower(req.Method), strings.TrimSuffix(req.URL.Path, "/")
	if method == "head" {
		method = "get"
	}
	parts := strings.Split(path, "/")
	known, found := "", -1 // by how many of its parts are no id
	for template := range doc.Paths {
		want, same := strings.Split(template, "/"), 0
		if len(want) != len(parts) {
			continue
		}
		for i, part := range want {
			if part == parts[i] {
				same++
			} else if part != "{id}" {
				same = -len(want)
			}
		}
		if same > found {
			known, found = template, same
		}
	}
	raw, ok := doc.Paths[known][method]
	if !ok {
		return
	}
	var op operation
	require.NoError(r.t, json.Unmarshal(raw, &op))
	assert.Contains(r.t, slices.Sorted(maps.Keys(op.Responses)), strconv.Itoa(status), "%s %s", req.Method, path)
}

// Whatever goes wrong, the document has the status of it: harness.do compares them.
func TestOpenAPINamesEveryStatus(t *testing.T) {
	readOpenAPI(t).operations(t, func(method, path string, op operation) {
		store := &memstore.Store{}
		r := newBusyHarness(t, store, func(*Options) {})
		w := r.put(nil)
		d := r.emit("e1")
		id := w.ID
		switch {
		case strings.Contains(path, "/lists/"), strings.Contains(path, "/fields/"), strings.Contains(path, "/campaigns/"):
			id = "13"
		case strings.Contains(path, "/deliveries/"):
			id = d.ID
		}
		good := bodyFor(strings.TrimPrefix(path, "/api/3/"))
		call := func(key, id, query, body string, header ...string) {
			req := httptest.NewRequestWithContext(t.Context(), method, strings.ReplaceAll(path, "{id}", id)+query, strings.NewReader(body))
			req.Header.Set("Api-Token", key)
			if len(header) > 0 {
				req.Header.Set(header[0], header[1])
			}
			r.do(req)
		}
		for _, key := range []string{"", "bob", "failing", "moving", "lost"} {
			call(key, id, "", good)
		}
		call("ann", "404", "", good)
		for _, query := range []string{"?x=1", "?limit=x", "?offset=-1", "?period=x"} {
			call("ann", id, query, good)
		}
		for _, body := range []string{"", "{", "[1]", "null", `{"x":1}`, `{"webhook":{"url":"x","revision":7}}`, `{"type":7}`, "\xff", strings.Repeat(" ", params.MaxBody+1)} {
			call("ann", id, "", body)
			call("ann", id, "", body, "Idempotency-Key", "k")
		}
		call("ann", id, "", good, "Idempotency-Key", strings.Repeat("k", 256))
		r.changed.Store(true)
		call("ann", id, "", good)
		r.changed.Store(false)
		call("ann", id, "", good)
		call("ann", id, "", good) // a second time: it may be under way, or be gone
	})
}

// What an app adds to the event types is no violation of the document that a client has.
func TestOpenAPILeavesEventTypesOpen(t *testing.T) {
	r := newHarness(t)
	var doc struct {
		Components struct {
			Schemas map[string]struct {
				Type  any
				Enum  []string
				AnyOf []struct{ Enum []string }
			}
		}
	}
	require.NoError(t, json.Unmarshal(r.call("ann", "GET", "/api/3/listhook/openapi.json", "").Body.Bytes(), &doc))
	kinds := doc.Components.Schemas["EventType"]
	assert.Equal(t, "string", kinds.Type)
	assert.Empty(t, kinds.Enum)
	require.Len(t, kinds.AnyOf, 2)
	assert.Len(t, kinds.AnyOf[0].Enum, 9)
	assert.Empty(t, kinds.AnyOf[1].Enum)
}

// prepareLine emits two updates about a subscriber, and returns the ID of the first.
// For the status 409 it has ended, or an attempt at it is under way.
func (r *harness) prepareLine(store webhook.Store, operation, status string) string {
	first := r.line(webhook.TypeUpdate, webhook.TypeUpdate)[0]
	switch {
	case status != "409":
	case operation == "skip":
		now := time.Now().UTC()
		ds, err := store.Claim(r.t.Context(), webhook.Claim{Now: now, Until: now.Add(30 * time.Second), Limit: 9, Each: 9})
		require.NoError(r.t, err)
		require.NotEmpty(r.t, ds)
	default:
		lost, err := store.Apply(r.t.Context(), []webhook.Change{{ID: first.ID, Lease: first.Lease, State: webhook.StateFailed, Due: first.Created}})
		require.NoError(r.t, err)
		require.Empty(r.t, lost)
	}
	return first.ID
}

// synced runs a test while time stands still, so that the rate of an account
// stays used up.
func synced(test func(*testing.T)) func(*testing.T) {
	return func(t *testing.T) { synctest.Test(t, test) }
}

// call calls the newer API.
func (r *harness) call(key, method, target, body string) *httptest.ResponseRecorder {
	req := httptest.NewRequestWithContext(r.t.Context(), method, target, strings.NewReader(body))
	req.Header.Set("Api-Token", key)
	return r.do(req)
}

// check compares a value with a schema. What no schema names is a mistake too:
// it would be undocumented.
func (doc openapi) check(t *testing.T, at string, s schema, value any) {
	t.Helper()
	if s.Ref != "" {
		s = doc.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
	}
	kinds, several := s.Type.([]any)
	if !several {
		kinds = []any{s.Type}
	}
	kind := kindOf(value)
	if kind == "integer" && slices.Contains(kinds, any("number")) {
		kind = "number"
	}
	if !assert.Contains(t, kinds, kind, "%s is %v", at, value) {
		return
	}
	if s.Enum != nil {
		assert.Contains(t, s.Enum, value, at)
	}
	switch v := value.(type) {
	case []any:
		for i, item := range v {
			doc.check(t, fmt.Sprintf("%s[%d]", at, i), *s.Items, item)
		}
	case map[string]any:
		if s.MaxProperties != nil {
			assert.LessOrEqual(t, len(v), *s.MaxProperties, at)
		}
		for _, name := range s.Required {
			assert.Contains(t, v, name, at)
		}
		for name, inner := range v {
			property, known := s.Properties[name]
			switch {
			case known:
				doc.check(t, at+"."+name, property, inner)
			case s.AdditionalProperties != nil:
				doc.check(t, at+"."+name, *s.AdditionalProperties, inner)
			default:
				assert.Nil(t, s.Properties, "%s.%s is not documented", at, name)
			}
		}
	}
}

func kindOf(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case float64:
		if v == float64(int64(v)) {
			return "integer"
		}
		return "number"
	}
	return "object"
}

// The webhooks of the document are what receivers get, by the schemas of docs/schemas.
func TestOpenAPIDescribesWhatReceiversGet(t *testing.T) {
	got := newHarness(t).call("bob", "GET", "/api/3/listhook/openapi.json", "")
	var doc struct {
		OpenAPI  string `json:"openapi"`
		Webhooks map[string]struct {
			Post struct {
				RequestBody struct {
					Content map[string]struct {
						Schema struct {
							Ref string `json:"$ref"`
						}
					}
				}
			}
		}
		Components struct{ Schemas map[string]json.RawMessage }
	}
	require.NoError(t, json.Unmarshal(got.Body.Bytes(), &doc))
	assert.Equal(t, "3.1.0", doc.OpenAPI)
	assert.Len(t, doc.Webhooks, 10, "the nine, and batches of them")
	assert.Equal(t, "#/components/schemas/Batch", doc.Webhooks["several events"].Post.RequestBody.Content["application/json"].Schema.Ref)
	for _, kind := range webhook.EventTypes() {
		assert.Contains(t, string(doc.Components.Schemas["Batch"]), `"#/components/schemas/`+string(kind)+`_event"`)
	}
	for _, kind := range webhook.EventTypes() {
		ref := doc.Webhooks[string(kind)].Post.RequestBody.Content["application/json"].Schema.Ref
		assert.JSONEq(t, string(webhook.JSONSchema(kind)), string(doc.Components.Schemas[strings.TrimPrefix(ref, "#/components/schemas/")]))
	}
}

func TestMethodsThatAreNotServedAreNamed(t *testing.T) {
	r := newHarness(t)
	got := r.call("ann", "PATCH", "/api/3/webhooks", "")
	assert.Equal(t, 405, got.Code)
	assert.Equal(t, "GET, HEAD, POST", got.Header().Get("Allow"))
	assert.JSONEq(t, `{"message":"This takes GET, HEAD, POST."}`, got.Body.String())
	assert.Equal(t, 404, r.call("ann", "GET", "/api/3/contacts", "").Code)
}

// The Allow header names the methods that are served, on the page and in the newer API.
func TestAllowNamesEveryMethodThatIsServed(t *testing.T) {
	r := newHarness(t)
	methods := map[string][]string{}
	add := func(method, path string) { methods[path] = append(methods[path], method) }
	for _, rt := range v3.Routes() {
		add(rt.Method, "/api/3/"+rt.Path)
	}
	for _, rt := range page.Routes() {
		add(rt.Method, "/"+strings.TrimSuffix(rt.Path, "{$}"))
	}
	for path, served := range methods {
		if slices.Contains(served, "GET") {
			served = append(served, "HEAD")
		}
		slices.Sort(served)
		target := strings.NewReplacer("{id}", "1", "{name}", "style.css").Replace(path)
		req := httptest.NewRequestWithContext(t.Context(), "PATCH", target, nil)
		req.Header.Set("User", "ann")
		req.Header.Set("Api-Token", "ann")
		got := r.do(req)
		assert.Equal(t, 405, got.Code, path)
		assert.Equal(t, strings.Join(served, ", "), got.Header().Get("Allow"), path)
		if slices.Contains(served, "HEAD") {
			req := httptest.NewRequestWithContext(t.Context(), "HEAD", target, nil)
			req.Header.Set("User", "ann")
			req.Header.Set("Api-Token", "ann")
			assert.NotEqual(t, 405, r.do(req).Code, path)
		}
	}
}
