package webhook_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

func TestFieldsOf(t *testing.T) {
	for name, c := range map[string]struct {
		attributes string
		fields     map[string]string
		omitted    []webhook.Omission
	}{
		"scalars": {
			`{"text": "a&b", "number": 1.50, "big": 12345678901234567890, "yes": true, "null": null, "empty": ""}`,
			map[string]string{"text": "a&b", "number": "1.50", "big": "12345678901234567890", "yes": "true", "null": "", "empty": ""}, nil,
		},
		"objects": {
			`{"address": {"city": "Berlin", "geo": {"lat": 52.5}}, "none": {}}`,
			map[string]string{"address.city": "Berlin", "address.geo.lat": "52.5", "none": ""}, nil,
		},
		"arrays": {
			`{"colors": ["red", 1, true], "none": [], "deep": [["<"], {"b": 2}]}`,
			map[string]string{"colors": "||red||1||true||", "none": "", "deep": `[["<"],{"b":2}]`}, nil,
		},
		"keys that PHP would misread": {
			`{"a[b]": 1, "": 2, " ": 3, "c": {"d]": 4, "": 5}, "ok now": 6}`,
			map[string]string{"c.": "5", "ok now": "6"},
			[]webhook.Omission{
				{Field: "", Reason: "has a key that PHP would misread"},
				{Field: " ", Reason: "has a key that PHP would misread"},
				{Field: "a[b]", Reason: "has a key that PHP would misread"},
				{Field: "c.d]", Reason: "has a key that PHP would misread"},
			},
		},
		"one key for two attributes": {
			`{"a": {"b": 1}, "a.b": 2}`,
			map[string]string{"a.b": "1"}, []webhook.Omission{{Field: "a.b", Reason: "has the key of another attribute"}},
		},
		"nested too deep": {
			strings.Repeat(`{"a":`, 18) + "1" + strings.Repeat("}", 18),
			map[string]string{}, []webhook.Omission{{Field: strings.Repeat("a.", 16) + "a", Reason: "is nested in more than 16 objects"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var attributes map[string]any
			d := json.NewDecoder(strings.NewReader(c.attributes))
			d.UseNumber()
			require.NoError(t, d.Decode(&attributes))
			fields, omitted := webhook.FieldsOf(attributes)
			assert.Equal(t, c.fields, fields)
			assert.Equal(t, c.omitted, omitted)
		})
	}
}

func TestFieldsOfGoValues(t *testing.T) {
	var cycle = map[string]any{"n": 1}
	cycle["self"], cycle["again"] = cycle, cycle
	fields, omitted := webhook.FieldsOf(map[string]any{
		"int": 7, "int64": int64(-8), "uint8": uint8(9), "float": 0.5, "large": 1e6,
		"time": time.Date(2026, 11, 29, 9, 10, 0, 0, time.UTC), "texts": []string{"a", "b"},
		"map": map[string]int{"n": 1}, "raw": json.RawMessage(`{"a": [1.0]}`), "struct": struct{ Name string }{"x"},
		"nan": math.NaN(), "func": func() {}, "nans": []any{[]any{math.Inf(1)}}, "raw bad": json.RawMessage(`{`), "nil": (*int)(nil),
	})
	assert.Equal(t, map[string]string{
		"int": "7", "int64": "-8", "uint8": "9", "float": "0.5", "large": "1000000",
		"time": "2026-11-29T09:10:00Z", "texts": "||a||b||", "map.n": "1", "raw.a": "||1.0||", "struct.Name": "x", "nil": "",
	}, fields)
	var keys []string
	for _, o := range omitted {
		keys = append(keys, o.Field)
		assert.Equal(t, "cannot be written as JSON", o.Reason)
	}
	assert.Equal(t, []string{"func", "nan", "nans", "raw bad"}, keys)

	fields, omitted = webhook.FieldsOf(map[string]any{ // as a driver of a database may return arrays
		"int32s": []any{int32(1), uint8(2), "a"}, "times": []any{time.Unix(0, 0).UTC()}, "nils": []any{(*int)(nil), float32(0.5)},
		"rows": []any{struct{ N int }{1}}, "nan": []any{int32(1), math.NaN()},
	})
	assert.Equal(t, map[string]string{
		"int32s": "||1||2||a||", "times": "||1970-01-01T00:00:00Z||", "nils": "||||0.5||", "rows": `[{"N":1}]`,
	}, fields)
	assert.Equal(t, []webhook.Omission{{Field: "nan", Reason: "cannot be written as JSON"}}, omitted)

	fields, omitted = webhook.FieldsOf(cycle)
	assert.NotEmpty(t, fields)
	assert.NotEmpty(t, omitted, "a cycle has an end")
	fields, omitted = webhook.FieldsOf(nil)
	assert.Empty(t, fields)
	assert.Empty(t, omitted)
}

func TestFieldsOfAnySizeCanBeSent(t *testing.T) {
	many, long, heavy := map[string]any{}, map[string]any{}, map[string]any{}
	for i := range 3000 {
		many[fmt.Sprintf("%04d", i)] = i
	}
	for i := range 100 {
		long[fmt.Sprintf("%03d", i)] = strings.Repeat("ü", i*100)
		heavy[fmt.Sprintf("%03d", i)] = strings.Repeat("\x01", 2000)
	}
	huge := map[string]any{"huge": strings.Repeat("x", 1<<20), "small": "x", strings.Repeat("k", 1<<20): 1}
	nested := map[string]any{}
	for i := range 200 {
		object := map[string]any{}
		for j := range 200 {
			object[fmt.Sprint(j)] = j
		}
		nested[fmt.Sprintf("%03d", i)] = object
	}
	for name, c := range map[string]struct {
		attributes map[string]any
		kept       string
		lost       string
	}{
		"many": {many, "0899", "0900"}, "long": {long, "010", "099"}, "heavy": {heavy, "000", "099"},
		"huge": {huge, "small", "huge"}, "nested": {nested, "000.1", "199"},
	} {
		t.Run(name, func(t *testing.T) {
			fields, omitted := webhook.FieldsOf(c.attributes)
			assert.Contains(t, fields, c.kept)
			assert.NotContains(t, fields, c.lost)
			assert.True(t, containsOmission(omitted, c.lost), "what was left out is told")
			assertSendable(t, fields)
		})
	}
}

func containsOmission(omitted []webhook.Omission, field string) bool {
	for _, o := range omitted {
		if o.Field == field {
			return true
		}
	}
	return false
}

// assertSendable checks that every event can be sent with fields, whatever it holds
// beside them.
func assertSendable(t *testing.T, fields map[string]string) {
	t.Helper()
	d, err := webhook.New(memstore.New(), nil, nil)
	require.NoError(t, err)
	text := strings.Repeat("\x01", 2000)
	assert.NoError(t, d.Validate(
		webhook.Bounce{
			Meta: webhook.Meta{Source: webhook.SourceAPI, By: text, Lists: []string{strings.Repeat("ü", 120)}},
			Subscriber: webhook.Subscriber{
				ID: text, Email: text, FirstName: text, LastName: text, IP: text, Phone: text, Fields: fields,
			},
			Campaign: webhook.Campaign{ID: text, Name: text},
			Details:  webhook.BounceDetails{Type: webhook.BounceHard},
		},
		webhook.Update{Meta: webhook.Meta{Source: webhook.SourceAPI}, Subscriber: webhook.Subscriber{ID: "1", Fields: fields}},
	))
}

// Whatever JSON an app's user wrote, an event with it can be sent.
func FuzzFieldsOf(f *testing.F) {
	f.Add(`{"a": {"b": [1, "||", {"c": null}]}, "[": 1e999}`)
	f.Add(`{"\u0000": "\u0000", "": {"": {"": 1}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		var attributes map[string]any
		if json.Unmarshal([]byte(text), &attributes) != nil {
			t.Skip()
		}
		fields, omitted := webhook.FieldsOf(attributes)
		assertSendable(t, fields)
		if len(attributes) > 0 && len(fields)+len(omitted) == 0 {
			t.Error("attributes became neither fields nor omissions")
		}
	})
}
