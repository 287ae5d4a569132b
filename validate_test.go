package webhook

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

const testBodyLimit = 256 << 10

func TestValidateNamesTheFieldAndTheReason(t *testing.T) {
	open := func(change func(*Open)) Event {
		e := Sample(TypeOpen).(Open)
		change(&e)
		return e
	}
	field := func(key string) Event {
		return open(func(e *Open) { e.Subscriber.Fields[key] = "x" })
	}
	long := strings.Repeat("x", 256)
	for name, c := range map[string]struct {
		event         Event
		field, reason string
	}{
		"no event":                  {nil, "Event", "is nil"},
		"a nil pointer":             {(*Open)(nil), "Event", "is nil"},
		"a type of the caller's":    {struct{ Open }{}, "Event", "is neither one of the nine event structs nor a Custom"},
		"one around a nil pointer":  {struct{ *Open }{}, "Event", "is neither one of the nine event structs nor a Custom"},
		"no source":                 {open(func(e *Open) { e.Source = "" }), "Source", `is "", not one of public, admin, api and system`},
		"an unknown source":         {open(func(e *Open) { e.Source = "import" }), "Source", `is "import", not one of public, admin, api and system`},
		"a long ID":                 {open(func(e *Open) { e.ID = long }), "ID", "is longer than 255 bytes"},
		"an ID that is not UTF-8":   {open(func(e *Open) { e.ID = "\xff" }), "ID", "is not valid UTF-8"},
		"an ID with NUL":            {open(func(e *Open) { e.ID = "a\x00" }), "ID", "contains a NUL byte"},
		"a long account":            {open(func(e *Open) { e.Account = long }), "Account", "is longer than 255 bytes"},
		"an account not UTF-8":      {open(func(e *Open) { e.Account = "\xff" }), "Account", "is not valid UTF-8"},
		"an empty list":             {open(func(e *Open) { e.Lists = []string{"1", ""} }), "Lists", `contains "", which means no list: leave it out`},
		"list 0":                    {open(func(e *Open) { e.Lists = []string{"0"} }), "Lists", `contains "0", which means no list: leave it out`},
		"a list with spaces":        {open(func(e *Open) { e.Lists = []string{" 12"} }), "Lists", `contains " 12", which starts or ends with white space: no webhook can have such a list`},
		"a list with NUL":           {open(func(e *Open) { e.Lists = []string{"\x00"} }), "Lists", `contains "\x00", which contains a NUL byte`},
		"a year with five digits":   {open(func(e *Open) { e.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }), "Time", "is in the year 10000, outside 1 to 9999"},
		"an empty key":              {field(""), "Subscriber.Fields", `has the key "", which PHP would misread`},
		"a key with [":              {field("a[b"), "Subscriber.Fields", `has the key "a[b", which PHP would misread`},
		"a key with ]":              {field("]"), "Subscriber.Fields", `has the key "]", which PHP would misread`},
		"a key with NUL":            {field("a\x00"), "Subscriber.Fields", `has the key "a\x00", which PHP would misread`},
		"a key that is a space":     {field(" "), "Subscriber.Fields", `has the key " ", which PHP would misread`},
		"a bad key without a value": {open(func(e *Open) { e.Subscriber.Fields["["] = "" }), "Subscriber.Fields", `has the key "[", which PHP would misread`},
		"a long bad key": {
			field("\x1b[31m" + long), "Subscriber.Fields",
			`has the key "\x1b[31m` + long[:35] + `"…, which PHP would misread`,
		},
		"several bad keys":   {open(func(e *Open) { maps.Copy(e.Subscriber.Fields, map[string]string{"b]": "", "a]": "", "c]": ""}) }), "Subscriber.Fields", `has the key "a]", which PHP would misread`},
		"too many variables": {manyFields(1001), "Subscriber.Fields", "makes a body of 1001 variables; PHP reads only the first 1000"},
		"far too many":       {manyFields(5000), "Subscriber.Fields", "makes a body of more than 1000 variables; PHP reads only the first 1000"},
		"a body too long":    {open(func(e *Open) { e.Campaign.Name = strings.Repeat("x", testBodyLimit) }), "Event", "makes a body of more than 262144 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, &InvalidError{Field: c.field, Reason: c.reason}, validate(c.event, testBodyLimit))
		})
	}
}

func TestValidateTakesWhatCanBeSent(t *testing.T) {
	open := Sample(TypeOpen).(Open)
	for name, e := range map[string]Event{
		"a pointer":                     &open,
		"the least":                     Open{Meta: Meta{Source: SourceAPI}, Subscriber: Subscriber{ID: "1"}},
		"the greatest ID":               Open{Meta: Meta{Source: SourceAPI, ID: strings.Repeat("x", 255), Account: strings.Repeat("é", 127)}, Subscriber: Subscriber{ID: "1"}},
		"any bytes as values":           Open{Meta: Meta{Source: SourceAPI, By: "\xff\x00"}, Subscriber: Subscriber{Email: "\xff\x00[]"}},
		"as many variables as PHP does": manyFields(1000),
		"no time, in a location west":   Open{Meta: Meta{Source: SourceAPI, Time: time.Time{}.In(time.FixedZone("", -5*3600))}, Subscriber: Subscriber{ID: "1"}},
		"no campaign":                   Unsubscribe{Meta: Meta{Source: SourceAPI}, Subscriber: Subscriber{ID: "1"}},
	} {
		assert.NoError(t, validate(e, testBodyLimit), name)
	}

	e := manyFields(1000)
	for name := range e.Subscriber.Fields {
		e.Subscriber.Fields[name] = ""
	}
	assert.NoError(t, validate(e, testBodyLimit))
	e.Subscriber.Fields["empty"] = ""
	assert.Error(t, validate(e, testBodyLimit), "fields that were cleared are sent, so they count")
}

// The limit is that of the longest of the formats, to the byte, wherever the
// length comes from and however much a text grows when it is escaped.
func TestValidateKnowsTheBodysLengthToTheByte(t *testing.T) {
	events := make(map[string]Event)
	for _, typ := range EventTypes() {
		events["sample of "+string(typ)] = Sample(typ)
	}
	const long = 5000
	grows, stays := strings.Repeat("]", long), strings.Repeat("x", long)
	change := func(name string, f func(*Click)) {
		e := Sample(TypeClick).(Click)
		f(&e)
		events[name] = e
	}
	change("text that grows", func(e *Click) { e.Link.URL = grows })
	change("text that stays", func(e *Click) { e.Link.URL = stays })
	change("field that grows", func(e *Click) { e.Subscriber.Fields["1"] = grows })
	change("field without a text", func(e *Click) { e.Subscriber.Fields[stays] = "" })
	change("field with a long key", func(e *Click) { e.Subscriber.Fields[strings.Repeat("é", long)] = "x" })
	change("many fields", func(e *Click) { e.Subscriber.Fields = manyFields(900).Subscriber.Fields })
	change("many tags", func(e *Click) { e.Subscriber.Tags = make([]string, long) })
	change("one empty tag", func(e *Click) { e.Subscriber.Tags = []string{""} })
	change("long initiator", func(e *Click) { e.By = grows })
	change("no initiator", func(e *Click) { e.By = "" })
	change("long lists", func(e *Click) { e.Lists = []string{"1", strings.Repeat("]", 90), strings.Repeat("x", 255)} })
	change("no list", func(e *Click) { e.Lists = nil })
	change("numbers", func(e *Click) { e.Campaign.Recipients = math.MaxInt })

	for name, e := range events {
		m, lists := e.meta(), append(e.meta().Lists, "0")
		if m.By == "" {
			m.By = string(m.Source)
		}
		longest := 0
		for _, list := range lists {
			longest = max(longest,
				len(must(encodeList(e, m, list, Format2013))), len(must(encodeList(e, m, list, FormatCurrent))))
		}
		longest = max(longest, len(withID(must(encode(e, m, FormatJSON)), longestID)))
		assert.NoError(t, validate(e, longest), name)
		tooLong := &InvalidError{Field: "Event", Reason: fmt.Sprintf("makes a body of more than %d bytes", longest-1)}
		assert.Equal(t, tooLong, validate(e, longest-1), name)
		assert.Error(t, validate(e, longest/2), name)
		assert.Error(t, validate(e, 0), name)
	}
}

// An event that nobody wants costs nothing but looking at it.
func TestValidateAllocatesNothing(t *testing.T) {
	e := Sample(TypeOpen)
	err := errors.New("not called")
	assert.Zero(t, testing.AllocsPerRun(100, func() { err = validate(e, testBodyLimit) }))
	assert.NoError(t, err)
}

func TestAnErrorCutsALongValueBetweenCharacters(t *testing.T) {
	e := Sample(TypeOpen).(Open)
	e.Lists = []string{"x" + strings.Repeat("ä", 50) + " "} // a character of two bytes at each odd place
	assert.ErrorContains(t, validate(e, testBodyLimit), `contains "x`+strings.Repeat("ä", 19)+`"…, which`)
}
