package webhook

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func ExampleChoices() {
	value := Choices("Red", "Green")
	fmt.Println(value)
	for _, choice := range SplitChoices(value) {
		fmt.Println(choice)
	}
	// Output:
	// ||Red||Green||
	// Red
	// Green
}

func TestSplitChoicesReversesChoices(t *testing.T) {
	for _, values := range [][]string{
		nil, {""}, {"A"}, {"A", "B"}, {"A", "", "B"}, {"", ""}, {"a|b", "c"}, {"日本", " "}, {"a\nb", "\r\n", "\n"},
		{"a|", "b"}, {"a", "|b"}, {"|", "|"}, {"||"}, {"a||b"}, {"|||", ""}, {"", "|"}, {"a|b|c|", "||A||"},
		{"&#124;", "|"}, {"&amp;#124;|"}, {"|&amp;amp;#124;"}, {"&#124", "&#124;;"}, {"R&D", "&amp;", "&"},
	} {
		assert.Equal(t, values, SplitChoices(Choices(values...)), "%q", Choices(values...))
	}
}

func TestOrdinaryChoicesAreSentAsTheProtocolHasThem(t *testing.T) {
	for want, values := range map[string][]string{
		"":                       nil,
		"||A||B||":               {"A", "B"},
		"||a|b||R&amp;D||x\ny||": {"a|b", "R&amp;D", "x\ny"},
		"||||":                   {""},
		"||a&#124;||b||":         {"a|", "b"},
	} {
		assert.Equal(t, want, Choices(values...))
	}
}

func FuzzChoices(f *testing.F) {
	f.Add("a|", "b", "&#124;")
	f.Add("", "||", "&amp;#124;|")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		values := []string{a, b, c}
		assert.Equal(t, values, SplitChoices(Choices(values...)), "%q", Choices(values...))
		// A receiver that knows nothing of this finds as many values.
		assert.Len(t, strings.Split(strings.TrimSuffix(strings.TrimPrefix(Choices(values...), "||"), "||"), "||"), 3)
	})
}

func TestSplitChoicesOfAnotherValueIsThatValue(t *testing.T) {
	for value, want := range map[string][]string{
		"":       nil,
		"A":      {"A"},
		"A||B":   {"A||B"},
		"||A":    {"||A"},
		"A||":    {"A||"},
		"||":     {"||"},
		"|||":    {"|||"},
		"||||":   {""},
		"||A||":  {"A"},
		" ||A||": {" ||A||"},
	} {
		assert.Equal(t, want, SplitChoices(value), "%q", value)
	}
}

func TestNineTypesAndFourSourcesAreValid(t *testing.T) {
	assert.Len(t, EventTypes(), 9)
	for _, typ := range EventTypes() {
		assert.True(t, typ.valid(), typ)
	}
	assert.False(t, EventType("").valid())
	assert.False(t, EventType("Subscribe").valid())
	assert.Len(t, Sources(), 4)
	for _, source := range Sources() {
		assert.True(t, source.valid(), source)
	}
	assert.False(t, Source("").valid())
}

// Pointers are events too, since methods have value receivers.
func TestEventsAreTakenByValueAndByPointer(t *testing.T) {
	for _, typ := range EventTypes() {
		e := Sample(typ)
		p := reflect.New(reflect.TypeOf(e))
		p.Elem().Set(reflect.ValueOf(e))
		byPointer := p.Interface().(Event)
		assert.Equal(t, typ, byPointer.Type())
		assert.Equal(t, must(encodeList(e, e.meta(), "12", Format2013)), must(encodeList(byPointer, e.meta(), "12", Format2013)))
	}
}

// An event has a person if and only if its struct says so.
func TestPersonIsTheEventsSubscriber(t *testing.T) {
	for _, typ := range EventTypes() {
		e := Sample(typ)
		field := reflect.ValueOf(e).FieldByName("Subscriber")
		if !field.IsValid() {
			assert.Nil(t, e.person(), typ)
			continue
		}
		assert.Equal(t, field.Interface(), *e.person(), typ)
	}
	assert.True(t, slices.Contains(EventTypes(), TypeSent))
	assert.Nil(t, Sent{}.person())
}
