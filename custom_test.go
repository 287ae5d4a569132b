package webhook

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// finished is an event of an app's own.
func finished(data map[string]any) Custom {
	return Custom{
		Meta: sampleMeta(SourceSystem), Name: "campaign_finished",
		Subscriber: &Subscriber{ID: "12", Email: "test@test.com", Fields: map[string]string{"7": "x"}},
		Campaign:   &Campaign{ID: "34", Name: "January newsletter"}, Data: data,
	}
}

func TestGoldenCustom(t *testing.T) {
	e := finished(map[string]any{
		"sent": 1250, "rate": 0.25, "done": true, "failed": false, "note": nil, "at": time.Date(2026, 3, 31, 9, 0, 0, 5e8, time.UTC),
		"links": []map[string]any{{"url": "https://example.com/?a=1&b=2", "clicks": uint8(7)}, {"url": "é", "clicks": json.Number("12345678901234567890")}},
		"tags":  []string{"a", "b"}, "none": []int{}, "nobody": map[string]string{}, "10": "ten", "9": "nine",
	})
	require.NoError(t, validate(e, 1<<20))
	for _, f := range []Format{Format2013, FormatCurrent} {
		body := strings.ReplaceAll(string(must(encode(e, e.Meta, f))), "&", "&\n") + "\n"
		golden(t, filepath.Join("testdata", "payload", "campaign_finished."+string(f)+".txt"), body)
	}
	var indented strings.Builder
	enc := json.NewEncoder(&indented)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	require.NoError(t, enc.Encode(json.RawMessage(must(encode(e, e.Meta, FormatJSON)))))
	golden(t, filepath.Join("testdata", "payload", "campaign_finished.json"), indented.String())
}

func TestACustomEventIsReadBack(t *testing.T) {
	data := map[string]any{
		"texts": []any{"a", "", "0"}, "deep": map[string]any{"er": []any{map[string]any{"x": "1"}, "2"}}, "sparse": map[string]any{"0": "a", "2": "b"},
	}
	for _, f := range Formats() {
		e := finished(data)
		e.Lists = []string{"12"}
		back, err := decode(must(encode(&e, e.Meta, f)), "")
		require.NoError(t, err)
		got := back.(Custom)
		assert.Equal(t, EventType("campaign_finished"), got.Type())
		assert.Equal(t, e.Subscriber.Email, got.Subscriber.Email)
		assert.Equal(t, e.Subscriber.Fields, got.Subscriber.Fields)
		assert.Equal(t, e.Campaign, got.Campaign)
		assert.Equal(t, data, got.Data)
		assert.Equal(t, SourceSystem, got.Source)

		alone := Custom{Meta: Meta{Source: SourceAPI}, Name: "import"}
		back, err = decode(must(encode(alone, alone.Meta, f)), "")
		require.NoError(t, err)
		alone.Time = back.meta().Time
		assert.Equal(t, alone, back)
	}

	t.Run("with its kinds from JSON", func(t *testing.T) {
		e := finished(map[string]any{"n": int64(math.MaxInt64), "f": 1.5, "b": true, "nil": nil, "p": new(string), "a": [2]int{1, 2}})
		back := must(decode(must(encode(e, e.Meta, FormatJSON)), "")).(Custom)
		assert.Equal(t, map[string]any{
			"n": json.Number("9223372036854775807"), "f": json.Number("1.5"), "b": true, "nil": nil, "p": "",
			"a": []any{json.Number("1"), json.Number("2")},
		}, back.Data)
	})
	t.Run("as texts from a form", func(t *testing.T) {
		e := finished(map[string]any{"n": 5, "f": 1.5, "b": true, "no": false, "nil": nil, "empty": []any{}})
		back := must(decode(must(encode(e, e.Meta, FormatCurrent)), "")).(Custom)
		assert.Equal(t, map[string]any{"n": "5", "f": "1.5", "b": "1", "no": "0", "nil": ""}, back.Data)
	})
}

func TestValidateNamesWhatACustomEventCannotHold(t *testing.T) {
	cycle := map[string]any{}
	cycle["again"] = cycle
	var pointer any
	pointer = &pointer
	deep := func(levels int) map[string]any {
		m := map[string]any{"x": 1}
		for range levels - 1 {
			m = map[string]any{"x": m}
		}
		return m
	}
	many := map[string]any{}
	for i := range 1001 {
		many[strconv.Itoa(i)] = i
	}
	type named string
	for name, c := range map[string]struct {
		name          EventType
		data          map[string]any
		field, reason string
	}{
		"no name":           {"", nil, "Name", `is "", not a name of 1 to 64 characters (a to z, 0 to 9 and _)`},
		"a long name":       {EventType(strings.Repeat("x", 65)), nil, "Name", `is "` + strings.Repeat("x", 40) + `"…, not a name of 1 to 64 characters (a to z, 0 to 9 and _)`},
		"capitals":          {"Finished", nil, "Name", `is "Finished", not a name of 1 to 64 characters (a to z, 0 to 9 and _)`},
		"a dash":            {"is-finished", nil, "Name", `is "is-finished", not a name of 1 to 64 characters (a to z, 0 to 9 and _)`},
		"one of the nine":   {"open", nil, "Name", `is "open", one of the nine types: emit its own struct`},
		"NaN":               {"x", map[string]any{"rates": []float64{1, math.NaN()}}, "Data.rates[1]", "is NaN, which is no number of JSON"},
		"an infinite one":   {"x", map[string]any{"a": map[string]any{"b": math.Inf(-1)}}, "Data.a.b", "is -Inf, which is no number of JSON"},
		"text":              {"x", map[string]any{"a": []named{"\xff"}}, "Data.a[0]", "is not valid UTF-8"},
		"a key":             {"x", map[string]any{"a": map[named]int{"\xff": 1}}, "Data.a", `has the key "\xff", which PHP would misread or is not valid UTF-8`},
		"a misread key":     {"x", map[string]any{"a]b": 1}, "Data", `has the key "a]b", which PHP would misread or is not valid UTF-8`},
		"an empty key":      {"x", map[string]any{"": 1}, "Data", `has the key "", which PHP would misread or is not valid UTF-8`},
		"a struct":          {"x", map[string]any{"a": Link{}}, "Data.a", "is of the type webhook.Link, which bodies cannot hold"},
		"a channel":         {"x", map[string]any{"a": make(chan int)}, "Data.a", "is of the type chan int, which bodies cannot hold"},
		"other keys":        {"x", map[string]any{"a": map[int]int{1: 1}}, "Data.a", "is a map whose keys are no texts"},
		"no number":         {"x", map[string]any{"a": json.Number("1e")}, "Data.a", `is the number "1e", which is no number of JSON`},
		"too deep":          {"x", deep(33), "Data" + strings.Repeat(".x", 33), "is nested deeper than 32 levels"},
		"itself":            {"x", cycle, "Data" + strings.Repeat(".again", 33), "is nested deeper than 32 levels"},
		"a pointer to it":   {"x", map[string]any{"p": pointer}, "Data.p", "points to itself"},
		"too many values":   {"x", many, "Data", "makes a body of more than 1000 variables; PHP reads only the first 1000"},
		"a long body":       {"x", map[string]any{"a": strings.Repeat("x", testBodyLimit)}, "Event", "makes a body of more than 262144 bytes"},
		"a long body by []": {"x", map[string]any{"a": make([][]int, testBodyLimit)}, "Event", "makes a body of more than 262144 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			e := Custom{Meta: Meta{Source: SourceAPI}, Name: c.name, Data: c.data}
			assert.Equal(t, &InvalidError{Field: c.field, Reason: c.reason}, validate(e, testBodyLimit))
			if c.field != "Event" && c.reason != "makes a body of more than 1000 variables; PHP reads only the first 1000" && c.field != "Name" {
				_, err := encode(e, e.Meta, FormatJSON)
				assert.Equal(t, invalid(c.field, c.reason), err, "nothing is half written")
			}
		})
	}
	assert.NoError(t, validate(Custom{Meta: Meta{Source: SourceAPI}, Name: EventType(strings.Repeat("x", 64)), Data: deep(32)}, testBodyLimit))
	delete(many, "1000")
	delete(many, "999")
	assert.Error(t, validate(Custom{Meta: Meta{Source: SourceAPI}, Name: "x", Data: many}, testBodyLimit), "the envelope counts too")
	var nobody *Custom
	assert.Equal(t, invalid("Event", "is nil"), validate(nobody, testBodyLimit))
}

func TestFormsOfOthersAreReadAsPHPDoes(t *testing.T) {
	for body, want := range map[string]map[string]any{
		"data[a]=1":                               {"a": "1"},
		"data[]=a&data[]=b":                       {"0": "a", "1": "b"},
		"data[x][]=a&data[x][]=b":                 {"x": []any{"a", "b"}},
		"data[x][5]=a&data[x][]=b":                {"x": map[string]any{"5": "a", "6": "b"}},
		"data[x]=1&data[x][y]=2":                  {"x": map[string]any{"y": "2"}},
		"data[x][y]=2&data[x]=1":                  {"x": "1"},
		"data[x][y]=1&data[x][y]=2":               {"x": map[string]any{"y": "2"}},
		"data=1&data[&data[x=1&data[x]y=1&[a]=":   nil,
		"data" + strings.Repeat("[x]", 65) + "=1": nil,
		"data%5Bx%5D%5B0%5D=%26":                  {"x": []any{"&"}},
		"Data[x]=1&other[x]=2":                    nil,
	} {
		got, err := decode([]byte("type=custom_thing&"+body), "")
		require.NoError(t, err)
		assert.Equal(t, want, got.(Custom).Data, body)
	}
	_, err := decode([]byte("type=x&data[a]=%zz"), "")
	assert.Equal(t, invalid("Body", "contains a malformed percent-escape"), err)

	var many strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&many, "&data[%d]=%d", i, i)
	}
	assert.Len(t, must(decode([]byte("type=x"+many.String()), "")).(Custom).Data, 1000, "as many as PHP reads")
}

// randomData returns values that nest, and what PHP makes of them: a text by its path.
func randomData(r *rand.Rand, depth int, path []string, want map[string]string) map[string]any {
	data := map[string]any{}
	for range 1 + r.IntN(4) {
		key := hostileKeys[r.IntN(len(hostileKeys))]
		if _, taken := data[key]; taken || !validUTF8(key) {
			continue
		}
		data[key] = randomValue(r, depth, append(path[:len(path):len(path)], key), want)
	}
	return data
}

func validUTF8(s string) bool { return strings.ToValidUTF8(s, "") == s }

func randomValue(r *rand.Rand, depth int, path []string, want map[string]string) any {
	at := pathOf(path...)
	switch n := r.IntN(10); {
	case n < 3 && depth > 0:
		return randomData(r, depth-1, path, want)
	case n < 5 && depth > 0:
		items := make([]any, r.IntN(4))
		for i := range items {
			items[i] = randomValue(r, depth-1, append(path[:len(path):len(path)], strconv.Itoa(i)), want)
		}
		return items
	case n == 5:
		want[at] = strconv.Itoa(r.IntN(1000) - 500)
		return must(strconv.Atoi(want[at]))
	case n == 6:
		b := r.IntN(2) == 0
		want[at] = map[bool]string{true: "1", false: "0"}[b]
		return b
	case n == 7:
		want[at] = ""
		return nil
	}
	text := hostileTexts[r.IntN(len(hostileTexts))]
	text = strings.ToValidUTF8(text, "")
	want[at] = text
	return text
}

func TestPHPReadsDataAsItWasMeant(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var bodies [][]byte
	var wanted []map[string]string
	for i := range 600 {
		want := map[string]string{}
		e := Custom{Meta: Meta{Source: SourceAPI, Lists: []string{"1"}}, Name: "thing"}
		if i == 0 { // as deep as can be
			inner := map[string]any{"x": "bottom"}
			path := []string{"data", "x"}
			for range 31 {
				inner = map[string]any{"x": inner}
				path = append(path, "x")
			}
			e.Data, want[pathOf(path...)] = inner, "bottom"
		} else {
			e.Data = randomData(r, 5, []string{"data"}, want)
		}
		require.NoError(t, validate(e, 1<<20))
		bodies, wanted = append(bodies, must(encode(e, e.Meta, []Format{Format2013, FormatCurrent}[i%2]))), append(wanted, want)
	}
	for i, got := range phpPost(t, bodies) {
		for path := range got {
			if !strings.HasPrefix(path, pathOf("data")) {
				delete(got, path)
			}
		}
		require.Equal(t, wanted[i], got, "body %d: %q", i, bodies[i])

		// What PHP reads, ParseRequest reads.
		back := must(decode(bodies[i], "")).(Custom)
		mine := map[string]string{}
		flatten(back.Data, []string{"data"}, mine)
		require.Equal(t, wanted[i], mine, "body %d: %q", i, bodies[i])
	}
}

func flatten(v any, path []string, into map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			flatten(inner, append(path[:len(path):len(path)], key), into)
		}
	case []any:
		for i, inner := range v {
			flatten(inner, append(path[:len(path):len(path)], strconv.Itoa(i)), into)
		}
	case string:
		into[pathOf(path...)] = v
	}
}

// FuzzCustom reads anything as a form and as JSON. What it reads of an app's own event,
// written and read again, is the same.
func FuzzCustom(f *testing.F) {
	for _, format := range Formats() {
		e := finished(map[string]any{"a": []any{"x", map[string]any{"7": "y"}}, "n": 1.5e300, "b": true, "nil": nil})
		f.Add(must(encode(e, e.Meta, format)))
	}
	f.Add([]byte("type=x&data[][]=1&data[0][0]=2&data[a]=3&data[a][b]=4&subscriber[id]=1"))
	f.Add([]byte(`{"type":"x","data":{"a":{"b":[[],{}]},"n":1e999}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		read, err := decode(body, "")
		if err != nil {
			var bad *InvalidError
			require.ErrorAs(t, err, &bad)
			return
		}
		e, ok := read.(Custom)
		if !ok {
			return
		}
		e.Source, e.Lists = SourceAPI, nil
		if validate(e, 1<<30) != nil {
			return // such as keys of JSON that a form cannot have
		}
		again := must(encode(e, e.Meta, FormatJSON))
		e2 := must(decode(again, "")).(Custom)
		require.JSONEq(t, string(again), string(must(encode(e2, e2.Meta, FormatJSON))))

		form := must(encode(e, e.Meta, FormatCurrent))
		_, err = url.ParseQuery(string(form))
		require.NoError(t, err)
		e3 := must(decode(form, "")).(Custom)
		require.Equal(t, string(form), string(must(encode(e3, e3.Meta, FormatCurrent))))
	})
}
