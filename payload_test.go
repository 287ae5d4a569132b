package webhook

import (
	"flag"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook/internal/phpform"
)

var update = flag.Bool("update", false, "rewrite the golden files under testdata")

// The golden files are the bodies themselves, broken after each "&".
func TestGoldenPayloads(t *testing.T) {
	for _, typ := range EventTypes() {
		for _, f := range []Format{Format2013, FormatCurrent} { // JSON: TestGoldenJSON
			name := string(typ) + "." + string(f)
			t.Run(name, func(t *testing.T) {
				e := Sample(typ)
				body, err := encodeList(e, e.meta(), "12", f)
				require.NoError(t, err)
				golden(t, filepath.Join("testdata", "payload", name+".txt"), strings.ReplaceAll(string(body), "&", "&\n")+"\n")
			})
		}
	}
}

// encodeList encodes e for one list, or for none: "0" or "".
func encodeList(e Event, m Meta, list string, f Format) ([]byte, error) {
	m.Lists = []string{list}
	if list == "0" || list == "" {
		m.Lists = nil
	}
	return encode(e, m, f)
}

// decode reads a body of any format.
func decode(body []byte, id string) (Event, error) {
	if isJSON(body) {
		return decodeJSON(body, id)
	}
	return decodeForm(body, id)
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

// The announcement shows what $_POST holds after a subscriber is added.
func TestSampleOfSubscribeIsTheAnnouncements(t *testing.T) {
	e := Sample(TypeSubscribe)
	body, err := encodeList(e, e.meta(), "12", "")
	require.NoError(t, err)
	got, err := url.ParseQuery(string(body))
	require.NoError(t, err)
	assert.Equal(t, url.Values{
		"type":                   {"subscribe"},
		"date_time":              {"2013-01-02 09:28:42"},
		"initiated_from":         {"admin"},
		"initiated_by":           {"admin"},
		"list":                   {"12"},
		"subscriber[id]":         {"12"},
		"subscriber[email]":      {"test@test.com"},
		"subscriber[first_name]": {"Test"},
		"subscriber[last_name]":  {"Test"},
		"subscriber[ip]":         {"127.0.0.1"},
		"subscriber[fields][7]":  {"test value"},
		"subscriber[fields][16]": {"2013-01-03"},
		"subscriber[fields][15]": {"value 1"},
	}, got)
}

func TestSamplesAreOfTheNineTypesAndValid(t *testing.T) {
	for _, typ := range EventTypes() {
		e := Sample(typ)
		require.NotNil(t, e, typ)
		assert.Equal(t, typ, e.Type())
		assert.NoError(t, validate(e, 256<<10), typ)
	}
	assert.Nil(t, Sample("import"))

	mine := Sample(TypeUpdate).(Update)
	mine.Subscriber.Fields["7"], mine.Lists[0] = "changed", "99"
	assert.NotEqual(t, mine, Sample(TypeUpdate), "samples share memory")
}

func TestEncodeOrdersAsTheStructsDeclare(t *testing.T) {
	e := Click{
		Subscriber: Subscriber{
			Tags:   []string{"a", "b"},
			Fields: map[string]string{"zip": "1", "10": "2", "9": "3", "016": "4", "16": "5", "a b": "6", "empty": ""},
		},
		Campaign: Campaign{Message: Message{Subject: "Hi"}},
	}
	e.Time = time.Date(2013, 1, 2, 9, 28, 42, 0, time.FixedZone("", -5*3600))
	e.Source = SourcePublic
	for range 20 { // maps are walked in another order each time
		body, err := encodeList(&e, e.Meta, "0", FormatCurrent)
		require.NoError(t, err)
		var order []string
		for pair := range strings.SplitSeq(string(body), "&") {
			order = append(order, must(url.QueryUnescape(pair)))
		}
		require.Equal(t, []string{
			"type=click", "date_time=2013-01-02T09:28:42-05:00", "initiated_from=public", "initiated_by=", "list=0",
			"contact[id]=", "contact[email]=", "contact[first_name]=", "contact[last_name]=", "contact[ip]=0.0.0.0",
			"contact[phone]=", "contact[orgname]=", "contact[tags]=a, b", "contact[customer_acct_name]=",
			"contact[fields][9]=3", "contact[fields][10]=2", "contact[fields][016]=4", "contact[fields][16]=5",
			"contact[fields][a b]=6", "contact[fields][empty]=", "contact[fields][zip]=1",
			"campaign[id]=", "campaign[name]=", "campaign[message][subject]=Hi",
			"link[id]=", "link[url]=", "orgname=", "customer_acct_name=", "customer_acct_id=",
		}, order)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestEncodeLeavesOutTagsWithoutText(t *testing.T) {
	for _, tags := range [][]string{nil, {}, {""}} {
		e := Update{Subscriber: Subscriber{Tags: tags}}
		assert.NotContains(t, string(must(encodeList(e, e.Meta, "0", ""))), "tags")
	}
}

func TestEncodeRefusesAnUnknownFormat(t *testing.T) {
	_, err := encodeList(Sample(TypeOpen), Meta{}, "0", "2027")
	assert.Equal(t, invalid("Format", `is "2027", not one of 2013, current and json`), err)
}

// FuzzEncode compares what encode makes of a random event with the reference
// and with what the standard library reads, and reads it back.
func FuzzEncode(f *testing.F) {
	f.Add(uint64(0), "7", "test value")
	f.Add(uint64(1), "a]b", "||A||B||")
	f.Add(uint64(2), "[", "&=+% .[]")
	f.Add(uint64(3), "\x00", "\xff")
	f.Add(uint64(4), " ", "")
	f.Fuzz(func(t *testing.T, seed uint64, key, text string) {
		r := rand.New(rand.NewPCG(seed, 0))
		for _, typ := range EventTypes() {
			e := randomEvent(r, typ, text)
			if p := e.person(); p != nil && p.Fields != nil { // the map is shared with e
				p.Fields[key] = text
				if phpform.Misread(key) {
					var bad *InvalidError
					require.ErrorAs(t, validate(e, 1<<30), &bad)
					require.Equal(t, "Subscriber.Fields", bad.Field)
					delete(p.Fields, key)
				}
			}
			require.NoError(t, validate(e, 1<<30))
			for _, format := range []Format{Format2013, FormatCurrent} {
				checkAgainstReference(t, e, format)
			}
			checkJSON(t, e)
		}
	})
}

func checkAgainstReference(t *testing.T, e Event, f Format) {
	t.Helper()
	m, list := e.meta(), e.meta().Lists[0]
	body, err := encodeList(e, m, list, f)
	require.NoError(t, err)

	var want []string
	for _, v := range reference(e, m, list, f) {
		name := v.path[0]
		for _, inner := range v.path[1:] {
			name += "[" + inner + "]"
		}
		want = append(want, url.QueryEscape(name)+"="+url.QueryEscape(v.text))
	}
	require.Equal(t, strings.Join(want, "&"), string(body))

	_, err = url.ParseQuery(string(body))
	require.NoError(t, err)

	back, err := decode(body, "")
	require.NoError(t, err)
	requireSameEvent(t, e, back, f)
}

// requireSameEvent compares an event with what was read back from its body,
// which has no ID and no account, and in the 2013 format no zone.
func requireSameEvent(t *testing.T, want, got Event, f Format) {
	t.Helper()
	clock := timeCurrent
	if f == Format2013 {
		clock = time2013
	}
	wm, gm := want.meta(), got.meta()
	if f == FormatJSON {
		clock = timeJSON
	}
	require.Equal(t, wm.Time.Format(clock), gm.Time.Format(clock))
	if f != Format2013 {
		require.True(t, wm.Time.Equal(gm.Time))
	} else {
		require.Equal(t, time.UTC, gm.Time.Location())
	}
	wm.Time, gm.Time = time.Time{}, time.Time{}
	require.Equal(t, wm, gm)
	require.Equal(t, sent(want), sent(got))
}

// sent returns e without its Meta; an empty map is none.
func sent(e Event) Event {
	v := reflect.New(reflect.TypeOf(e)).Elem()
	v.Set(reflect.ValueOf(e))
	v.FieldByName("Meta").SetZero()
	if s := v.FieldByName("Subscriber"); s.IsValid() {
		s := s.Addr().Interface().(*Subscriber)
		if len(s.Fields) == 0 {
			s.Fields = nil
		}
	}
	return v.Interface().(Event)
}

func TestEncodingIsSafeForConcurrentUse(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 0))
			for _, typ := range EventTypes() {
				checkAgainstReference(t, randomEvent(r, typ), FormatCurrent)
			}
		})
	}
	wg.Wait()
}

func BenchmarkEncode(b *testing.B) {
	for _, typ := range []EventType{TypeSubscribe, TypeOpen} {
		for _, format := range []Format{Format2013, FormatJSON} {
			b.Run(string(typ)+"/"+string(format), func(b *testing.B) {
				e := withSubscriber(Sample(typ), func(s *Subscriber) { s.Tags = nil })
				m := e.meta()
				b.ReportAllocs()
				for b.Loop() {
					if _, err := encode(e, m, format); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	e := Sample(TypeOpen)
	b.ReportAllocs()
	for b.Loop() {
		if err := validate(e, 256<<10); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	e := Sample(TypeOpen)
	body, err := encodeList(e, e.meta(), "12", Format2013)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decode(body, ""); err != nil {
			b.Fatal(err)
		}
	}
}
