package webhook

import (
	"bytes"
	"encoding/json"
	"maps"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The golden files are the bodies themselves, indented.
func TestGoldenJSON(t *testing.T) {
	for _, typ := range EventTypes() {
		t.Run(string(typ), func(t *testing.T) {
			var indented bytes.Buffer
			require.NoError(t, json.Indent(&indented, SampleBody(typ, FormatJSON), "", "  "))
			golden(t, filepath.Join("testdata", "payload", string(typ)+".json"), indented.String()+"\n")
		})
	}
}

// referenceJSON says what the body of e in JSON holds. It is written by hand, and
// shares nothing with encode.
func referenceJSON(e Event) map[string]any {
	m := e.meta()
	body := map[string]any{
		"id": "msg_1", "type": string(e.Type()), "date_time": m.Time.Format("2006-01-02T15:04:05.000Z07:00"),
		"initiated_from": string(m.Source), "initiated_by": m.By, "lists": m.Lists,
		"orgname": "", "customer_acct_name": "", "customer_acct_id": "",
	}
	person := func(s Subscriber) {
		tags, fields := []string{}, map[string]string{}
		tags = append(tags, s.Tags...)
		maps.Copy(fields, s.Fields)
		body["contact"] = map[string]any{
			"id": s.ID, "email": s.Email, "first_name": s.FirstName, "last_name": s.LastName, "ip": s.IP, "phone": s.Phone,
			"orgname": s.OrgName, "tags": tags, "customer_acct_name": s.CustomerAccount, "fields": fields,
		}
	}
	campaign := func(c Campaign) {
		body["campaign"] = map[string]any{
			"id": c.ID, "name": c.Name, "type": c.Type, "status": c.Status, "recipients": c.Recipients,
			"message": map[string]any{"id": c.Message.ID, "subject": c.Message.Subject},
		}
	}
	switch e := e.(type) {
	case Subscribe:
		person(e.Subscriber)
		body["form"] = map[string]any{"id": e.Form.ID}
	case Unsubscribe:
		person(e.Subscriber)
		body["unsubscribe"], body["campaign"] = map[string]any{"reason": e.Details.Reason}, nil
		if e.Campaign != nil {
			campaign(*e.Campaign)
		}
	case Update:
		person(e.Subscriber)
	case Sent:
		campaign(e.Campaign)
	case Open:
		person(e.Subscriber)
		campaign(e.Campaign)
	case Click:
		person(e.Subscriber)
		campaign(e.Campaign)
		body["link"] = map[string]any{"id": e.Link.ID, "url": e.Link.URL}
	case Forward:
		person(e.Subscriber)
		campaign(e.Campaign)
		body["forward"] = map[string]any{"count": e.Details.Count}
	case Share:
		person(e.Subscriber)
		campaign(e.Campaign)
		body["share"] = map[string]any{"network": e.Details.Network, "network_id": e.Details.NetworkID, "content": e.Details.Content}
	case Bounce:
		person(e.Subscriber)
		campaign(e.Campaign)
		body["bounce"] = map[string]any{"type": e.Details.Type, "code": e.Details.Code, "description": e.Details.Description}
	}
	return body
}

// checkJSON compares what encode makes of an event in JSON with the reference, and
// reads it back.
func checkJSON(t *testing.T, e Event) {
	t.Helper()
	body := withID(must(encode(e, e.meta(), FormatJSON)), "msg_1")
	e = mendedEvent(e)
	want, err := json.Marshal(referenceJSON(e))
	require.NoError(t, err)
	var wanted, got any
	require.NoError(t, json.Unmarshal(want, &wanted))
	require.NoError(t, json.Unmarshal(body, &got), "%s", body)
	require.Equal(t, wanted, got)

	back, err := decode(body, "")
	require.NoError(t, err)
	require.Equal(t, "msg_1", back.meta().ID)
	again, err := decode(body, "msg_2")
	require.NoError(t, err)
	require.Equal(t, "msg_2", again.meta().ID, "the header is signed too, and says it first")
	id, email, ok := personOf(body)
	require.True(t, ok)
	if p := e.person(); p != nil {
		require.Equal(t, []string{p.ID, p.Email}, []string{id, email})
	}
	v := reflect.New(reflect.TypeOf(e)).Elem()
	v.Set(reflect.ValueOf(e))
	v.FieldByName("Meta").FieldByName("ID").SetString("msg_1")
	requireSameEvent(t, v.Interface().(Event), back, FormatJSON)
}

// mendedEvent returns e with U+FFFD for each byte that is no UTF-8.
func mendedEvent(e Event) Event {
	v := reflect.New(reflect.TypeOf(e)).Elem()
	v.Set(reflect.ValueOf(e))
	mend(v)
	return v.Interface().(Event)
}

func mend(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(string([]rune(v.String())))
	case reflect.Struct:
		if v.Type() != reflect.TypeFor[time.Time]() {
			for i := range v.NumField() {
				mend(v.Field(i))
			}
		}
	case reflect.Slice:
		whole := reflect.AppendSlice(reflect.Zero(v.Type()), v) // the caller's is left alone
		for i := range whole.Len() {
			mend(whole.Index(i))
		}
		v.Set(whole)
	case reflect.Pointer:
		if !v.IsNil() {
			copied := reflect.New(v.Type().Elem())
			copied.Elem().Set(v.Elem())
			mend(copied.Elem())
			v.Set(copied)
		}
	case reflect.Map:
		fields := v.Interface().(map[string]string)
		mended := map[string]string{}
		for _, name := range slices.Backward(slices.Sorted(maps.Keys(fields))) { // the first one counts
			mended[string([]rune(name))] = string([]rune(fields[name]))
		}
		v.Set(reflect.ValueOf(mended))
	}
}

func TestJSONHasWhatAFormCannot(t *testing.T) {
	e := Sample(TypeUpdate).(Update)
	e.Time = time.Date(2026, 3, 1, 9, 28, 42, 7_999_999, time.FixedZone("", -5*3600))
	e.Lists = []string{"12", "7"}
	e.Subscriber.Tags = []string{"a, b", "c"}
	e.Subscriber.Email = "<Zoë & Co>"
	body := must(encode(e, e.Meta, FormatJSON))
	assert.Contains(t, string(body), `"date_time":"2026-03-01T09:28:42.007-05:00"`)
	assert.Contains(t, string(body), `"lists":["12","7"]`)
	assert.Contains(t, string(body), `"tags":["a, b","c"]`)
	assert.Contains(t, string(body), `"email":"<Zoë & Co>"`)
	back, err := decode(body, "")
	require.NoError(t, err)
	assert.Equal(t, []string{"12", "7"}, back.meta().Lists)

	e.Time = time.Date(1890, 1, 1, 0, 0, 0, 0, time.FixedZone("LMT", 53*60+28))
	assert.Contains(t, string(must(encode(e, e.Meta, FormatJSON))), `"date_time":"1889-12-31T23:06:32.000Z"`,
		"RFC 3339 has no offset with seconds")
	assert.Contains(t, string(must(encode(e, e.Meta, FormatCurrent))), "date_time=1889-12-31T23%3A06%3A32%2B00%3A00")
	assert.Contains(t, string(must(encode(e, e.Meta, Format2013))), "date_time=1890-01-01+00%3A00%3A00", "the account's local time")
	for _, offset := range []int{100 * 3600, -24 * 3600} {
		e.Time = time.Date(2026, 3, 1, 0, 0, 0, 0, time.FixedZone("", offset))
		for _, f := range []Format{FormatCurrent, FormatJSON} {
			back, err := decode(must(encode(e, e.Meta, f)), "")
			require.NoError(t, err)
			assert.True(t, e.Time.Equal(back.meta().Time), "%d %s", offset, f)
		}
	}
}

func TestNamesOfFieldsThatAreNoUTF8StayApart(t *testing.T) {
	e := Update{Meta: Meta{Source: SourceAPI}, Subscriber: Subscriber{Fields: map[string]string{"\xff": "1", "\xfe": "2", "\xfea": "3"}}}
	for range 20 {
		body := must(encode(e, e.Meta, FormatJSON))
		require.Contains(t, string(body), `"fields":{"`+"\ufffd"+`":"2","`+"\ufffda"+`":"3"}`)
	}
	assert.Len(t, e.Subscriber.Fields, 3, "the app's map is left alone")
}

func TestDecodeReadsJSONThatOthersSend(t *testing.T) {
	for body, want := range map[string]Event{
		`{"type":"open"}`:        Open{},
		" \n{\"type\":\"open\"}": Open{},
		`{"type":"open","contact":null,"campaign":{},"lists":null,"x":[{}]}`:                             Open{},
		`{"type":"update","type":"open","contact":{"tags":[],"fields":{},"age":7}}`:                      Open{},
		`{"type":"unsubscribe","campaign":{}}`:                                                           Unsubscribe{Campaign: &Campaign{}},
		`{"type":"open","date_time":"2017-09-21T11:33:13.5Z"}`:                                           Open{Meta: Meta{Time: time.Date(2017, 9, 21, 11, 33, 13, 5e8, time.UTC)}},
		`{"type":"update","contact":{"email":"a","tags":["x"],"fields":{"7":"b","":"c"}},"lists":["1"]}`: Update{Meta: Meta{Lists: []string{"1"}}, Subscriber: Subscriber{Email: "a", Tags: []string{"x"}, Fields: map[string]string{"7": "b", "": "c"}}},
	} {
		got, err := decode([]byte(body), "")
		require.NoError(t, err, body)
		assert.Equal(t, want, got, body)
	}
}

func TestDecodeNamesTheKeyOfJSONThatItCannotRead(t *testing.T) {
	for body, want := range map[string]InvalidError{
		`{`:                            {"Body", "is not valid JSON"},
		`{"type":"open"} {}`:           {"Body", "is not valid JSON"},
		`{}`:                           {"Type", `is "", which is not a type of events`},
		`{"type":7}`:                   {"Body.type", "is not a string"},
		`{"type":"open","lists":"12"}`: {"Body.lists", "is not an array"},
		`{"type":"open","contact":[]}`: {"Body.contact", "is not an object"},
		`{"type":"open","contact":{"email":{"secret":"x"}}}`: {"Body.contact.email", "is not a string"},
		`{"type":"sent","campaign":{"recipients":1.5}}`:      {"Body.campaign.recipients", "is not a whole number"},
		`{"type":"sent","campaign":{"message":{"id":1}}}`:    {"Body.campaign.message.id", "is not a string"},
		`{"type":"open","date_time":"yesterday"}`:            {"Time", `is "yesterday", not such as 2013-01-02 09:28:42 or 2013-01-02T09:28:42+00:00`},
	} {
		_, err := decode([]byte(body), "")
		assert.Equal(t, &want, err, body)
	}
	_, err := decodeJSON([]byte("[]"), "")
	assert.Equal(t, invalid("Body", "is not an object"), err)
}

// A hostile body costs memory in proportion to its length.
func TestDecodeOfHostileJSONIsBounded(t *testing.T) {
	const size = 1 << 20
	for name, body := range map[string]string{
		"deep nesting": `{"x":` + strings.Repeat("[", size),
		"unknown keys": `{"type":"open"` + strings.Repeat(`,"x":1`, size/6) + "}",
		"fields":       `{"type":"open","contact":{"fields":{"a":""` + strings.Repeat(`,"b":""`, size/7) + "}}}",
		"tags":         `{"type":"open","contact":{"tags":[""` + strings.Repeat(`,""`, size/3) + "]}}",
		"lists":        `{"type":"open","lists":[""` + strings.Repeat(`,""`, size/3) + "]}",
		"a long key":   `{"type":"open","contact":{"` + strings.Repeat("k", size) + `":1}}`,
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := decode([]byte(body), "")
			runtime.ReadMemStats(&after)
			if err != nil {
				assert.Less(t, len(err.Error()), 400)
			}
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64*(len(body)+64<<10)))
		})
	}
}

// The schemas describe every key of the bodies, and no other.
func TestSchemasDescribeTheBodies(t *testing.T) {
	for _, typ := range EventTypes() {
		t.Run(string(typ), func(t *testing.T) {
			text := JSONSchema(typ)
			golden(t, filepath.Join("docs", "schemas", string(typ)+".json"), string(text))
			var schema, body map[string]any
			require.NoError(t, json.Unmarshal(text, &schema))
			require.NoError(t, json.Unmarshal(SampleBody(typ, FormatJSON), &body))
			conforms(t, "$", schema, body)
		})
	}
	assert.Nil(t, JSONSchema("Party!"))
	for path := range keyTexts {
		var found bool
		for _, typ := range EventTypes() {
			found = found || bytes.Contains(JSONSchema(typ), must(json.Marshal(keyTexts[path])))
		}
		assert.True(t, found, "%s is described, but no body has it", path)
	}
}

// conforms compares a value with as much of JSON Schema as the schemas use, and asks
// that it has every key that the schema knows.
func conforms(t *testing.T, at string, schema map[string]any, value any) {
	t.Helper()
	kinds, several := schema["type"].([]any)
	if !several {
		kinds = []any{schema["type"]}
	}
	kind := map[reflect.Kind]string{reflect.Map: "object", reflect.Slice: "array", reflect.String: "string", reflect.Float64: "integer"}[reflect.ValueOf(value).Kind()]
	require.Contains(t, kinds, any(kind), at)
	if c, ok := schema["const"]; ok {
		assert.Equal(t, c, value, at)
	}
	if enum, ok := schema["enum"].([]any); ok {
		assert.Contains(t, enum, value, at)
	}
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			conforms(t, at+"[]", schema["items"].(map[string]any), item)
		}
	case map[string]any:
		properties, _ := schema["properties"].(map[string]any)
		if properties == nil {
			for name, inner := range value {
				conforms(t, at+"."+name, schema["additionalProperties"].(map[string]any), inner)
			}
			return
		}
		assert.ElementsMatch(t, slices.Collect(maps.Keys(properties)), slices.Collect(maps.Keys(value)), at)
		assert.ElementsMatch(t, schema["required"], slices.Collect(maps.Keys(value)), at)
		for name, inner := range value {
			if property, ok := properties[name].(map[string]any); ok {
				conforms(t, at+"."+name, property, inner)
			}
		}
	}
}
