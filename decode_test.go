package webhook

import (
	"log"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook/internal/phpform"
)

func TestDecodeReadsWhatOthersSend(t *testing.T) {
	at := time.Date(2017, 9, 21, 11, 33, 13, 0, time.UTC)
	for name, c := range map[string]struct {
		body string
		want Event
	}{
		"nothing but a type": {"type=open", Open{}},
		"brackets raw or encoded in any case": {
			"type=update&subscriber[id]=1&subscriber%5Bemail%5D=a&subscriber%5bip%5d=b",
			Update{Subscriber: Subscriber{ID: "1", Email: "a", IP: "b"}},
		},
		"either noun": {
			"type=update&contact[id]=1&subscriber[email]=a&contact[fields][7]=b",
			Update{Subscriber: Subscriber{ID: "1", Email: "a", Fields: map[string]string{"7": "b"}}},
		},
		"the last of equal keys": {
			"type=update&type=sent&campaign[id]=1&campaign[id]=2&type=open&subscriber[tags]=a&subscriber[tags]=b, c",
			Open{Subscriber: Subscriber{Tags: []string{"b", "c"}}, Campaign: Campaign{ID: "2"}},
		},
		"unknown keys passed over": {
			"type=open&campaign=x&campaign[id][x]=1&link[id]=1&contact=x&contact[fields]=x&contact[email][]=x&list[]=4&orgname=x&=&&x",
			Open{},
		},
		"malformed keys passed over": {
			"type=open&subscriber[=1&]x[=1&subscriber]=1&subscriber[email=1&subscriber[]=1&[]=1&[=1&]=1&subscriber[fields][a]b]=1&" +
				"subscriber[fields][a[b]=1&subscriber[fields][a][b]=1&subscriber[fields][a%00]=1&subscriber[fields]7=1",
			Open{},
		},
		"fields without an index as PHP counts": {
			"type=update&contact[fields][]=a&contact[fields][7]=b&contact[fields][]=c&contact[fields][+]=d&contact[fields][07]=e",
			Update{Subscriber: Subscriber{Fields: map[string]string{"0": "a", "7": "b", "8": "c", "9": "d", "07": "e"}}},
		},
		"a field beyond every index": {
			"type=update&contact[fields][999999999999]=a&contact[fields][9223372036854775807]=b&contact[fields][99999999999999999999]=c",
			Update{Subscriber: Subscriber{Fields: map[string]string{
				"999999999999": "a", "9223372036854775807": "b", "99999999999999999999": "c",
			}}},
		},
		"tags one by one": {
			"type=update&contact[tags][]=a&contact[tags][999999999]=b&contact[tags][x]=c",
			Update{Subscriber: Subscriber{Tags: []string{"a", "b", "c"}}},
		},
		"a cleared field": {
			"type=update&subscriber[fields][7]=&contact[fields][8]=x&contact[fields][8]=",
			Update{Subscriber: Subscriber{Fields: map[string]string{"7": "", "8": ""}}},
		},
		"the customer's account": {
			"type=update&contact[customer_acct_name]=a&orgname=b&customer_acct_name=c&customer_acct_id=d",
			Update{Subscriber: Subscriber{CustomerAccount: "a"}},
		},
		"no tags":       {"type=update&contact[tags]=a&contact[tags]=", Update{}},
		"an unknown IP": {"type=update&contact[ip]=0.0.0.0", Update{}},
		"no list":       {"type=open&list=0", Open{}},
		"a list":        {"type=open&list=12", Open{Meta: Meta{Lists: []string{"12"}}}},
		"an unknown source": {
			"type=open&initiated_from=import&initiated_by=me",
			Open{Meta: Meta{Source: "import", By: "me"}},
		},
		"numbers not given": {"type=forward&forward[count]=&campaign[recipients]=", Forward{}},
		"a campaign with nothing known": {
			"type=unsubscribe&campaign[id]=",
			Unsubscribe{Campaign: &Campaign{}},
		},
		"no campaign":        {"type=unsubscribe&unsubscribe[reason]=spam", Unsubscribe{Details: UnsubscribeDetails{Reason: "spam"}}},
		"the time of 2013":   {"type=open&date_time=2017-09-21+11:33:13", Open{Meta: Meta{Time: at}}},
		"a time in UTC":      {"type=open&date_time=2017-09-21T11:33:13Z", Open{Meta: Meta{Time: at}}},
		"one with an offset": {"type=open&date_time=2017-09-21T11:33:13%2B00:00", Open{Meta: Meta{Time: at}}},
		"one without":        {"type=open&date_time=2017-09-21T11:33:13", Open{Meta: Meta{Time: at}}},
		"a semicolon":        {"type=open;&type=open&contact[email]=a;b", Open{Subscriber: Subscriber{Email: "a;b"}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := decode([]byte(c.body), "")
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
		})
	}
}

func TestDecodeKeepsTheOffset(t *testing.T) {
	for _, s := range []string{"2017-09-21T11:33:13-05:00", "2017-09-21T11:33:13-0500", "2017-09-21T11:33:13.999-05:00"} {
		e, err := decode([]byte("type=open&date_time="+s), "")
		require.NoError(t, err)
		assert.Equal(t, "2017-09-21T11:33:13-05:00", e.meta().Time.Format(time.RFC3339))
	}
}

func TestDecodeNamesWhatItCannotRead(t *testing.T) {
	for body, want := range map[string]InvalidError{
		"":                                      {"Type", `is "", which is not a type of events`},
		"type=Import":                           {"Type", `is "Import", which is not a type of events`},
		"type[]=open":                           {"Type", `is "", which is not a type of events`},
		"type=open&date_time=yesterday":         {"Time", `is "yesterday", not such as 2013-01-02 09:28:42 or 2013-01-02T09:28:42+00:00`},
		"type=open&campaign[recipients]=many":   {"Campaign.Recipients", "is not a number"},
		"type=forward&forward[count]=1e3":       {"Details.Count", "is not a number"},
		"type=forward&forward[count]=1" + zeros: {"Details.Count", "is not a number"},
		"type=open&subscriber[email]=%zz":       {"Subscriber.Email", "contains a malformed percent-escape"},
		"type=open&subscriber%5":                {"Body", "contains a malformed percent-escape"},
		"type=unsubscribe&campaign[recipients]=x&forward[count]=x": {"Campaign.Recipients", "is not a number"},
	} {
		_, err := decode([]byte(body), "")
		assert.Equal(t, &want, err, body)
	}
}

var zeros = strings.Repeat("0", 30)

// What is read is read as it was meant, whatever was in it.
func FuzzDecode(f *testing.F) {
	for _, typ := range EventTypes() {
		e := Sample(typ)
		for _, format := range Formats() {
			f.Add(must(encodeList(e, e.meta(), "12", format)))
		}
	}
	for _, body := range []string{
		"type=open&subscriber[", "type=open&]x[=1", "type=open&a[b]c]=1&a[[b]]", "type=update&subscriber[fields][999999999]=1",
		"type=update&subscriber[tags][999999999]=1", "type=update&subscriber" + strings.Repeat("[fields]", 100) + "=1",
		`{"type":"update","contact":{"fields":{"":"1","a[":"2"},"tags":[""," , "],"ip":"0.0.0.0"},"lists":["",""]}`, `{"type":"open","contact":null}`,
		"type=update&contact[fields][]=1&contact[fields][+]=2", "type=sent&campaign[recipients]=-1", "type=sent&date_time=0000-01-01+00:00:00",
	} {
		f.Add([]byte(body))
	}
	log.SetOutput(failWriter{f})
	f.Cleanup(func() { log.SetOutput(os.Stderr) })
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := decode(body, "")
		if err != nil {
			var bad *InvalidError
			require.ErrorAs(t, err, &bad)
			require.Less(t, len(err.Error()), 400, "an error repeats its input")
			return
		}
		misread := false
		if p := e.person(); p != nil {
			for key := range p.Fields {
				misread = misread || phpform.Misread(key)
			}
		}
		require.False(t, misread && !isJSON(body), "%v", e)
		// Whatever was odd about the body, what was read of it stands: sent on
		// and read again it is the same.
		if !misread {
			again := resend(t, e, FormatCurrent)
			e2, err := decode(again, "")
			require.NoError(t, err)
			require.Equal(t, string(again), string(resend(t, e2, FormatCurrent)))
		}
		again := resend(t, e, FormatJSON)
		e2, err := decode(again, "")
		require.NoError(t, err)
		require.JSONEq(t, string(again), string(resend(t, e2, FormatJSON)))
	})
}

func resend(t *testing.T, e Event, f Format) []byte {
	t.Helper()
	body, err := encode(e, e.meta(), f)
	require.NoError(t, err)
	return body
}

type failWriter struct{ tb testing.TB }

func (w failWriter) Write(p []byte) (int, error) {
	w.tb.Errorf("logged: %s", p)
	return len(p), nil
}

// A hostile body costs memory in proportion to its length.
func TestDecodeOfAHostileBodyIsBounded(t *testing.T) {
	const size = 1 << 20
	fill := func(s string) []byte { return []byte("type=update&" + strings.Repeat(s, size/len(s))) }
	for name, body := range map[string][]byte{
		"a huge index":     []byte("type=update&contact[tags][999999999]=1&contact[fields][999999999]=1"),
		"deep nesting":     fill("[a]"),
		"unknown keys":     fill("x[y]=1&"),
		"separators":       fill("&"),
		"fields":           fill("contact[fields][]=1&"),
		"tags":             fill("contact[tags][]=1&"),
		"equal keys":       fill("contact[tags]=a, a, a, a&"),
		"one long key":     []byte("type=update&contact[fields][" + strings.Repeat("k", size) + "]=1"),
		"brackets in line": fill("contact["),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := decode(body, "")
			runtime.ReadMemStats(&after)
			assert.NoError(t, err)
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64*(len(body)+64<<10)))
		})
	}
}
