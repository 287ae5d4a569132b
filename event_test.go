package webhook

import (
	"fmt"
	"reflect"
	"slices"
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
		nil, {""}, {"A"}, {"A", "B"}, {"A", "", "B"}, {"a|b", "c"}, {"日本", " "},
	} {
		assert.Equal(t, values, SplitChoices(Choices(values...)), "%q", Choices(values...))
	}
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
		assert.Equal(t, must(encode(e, e.meta(), "12", Format2013)), must(encode(byPointer, e.meta(), "12", Format2013)))
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
