package webhook

import (
	"errors"
	"reflect"

	"github.com/listhook/webhook/internal/phpform"
)

// Custom is an event of a type that the app adds to the nine, such as "campaign
// finished". Options.Catalogue must hold the type, and a webhook gets such events only
// if its Events name it: EventTypes are the nine.
//
// ParseRequest returns a Custom for every type that is none of the nine.
type Custom struct {
	Meta `form:"-" json:"-"`

	// Name is the type: 1 to 64 characters a to z, 0 to 9 and _, none of the nine.
	Name EventType `form:"-" json:"-"`

	Subscriber *Subscriber `form:"subscriber" json:"contact"` // whom it is about; nil: nobody
	Campaign   *Campaign   `form:"campaign" json:"campaign"`  // nil: none

	// Data holds further values: data[...] in a form, "data" in JSON. They are strings,
	// numbers, booleans, times and nil, and slices and string-keyed maps of these, at
	// most 32 levels deep. Texts and keys are UTF-8. Keys are as
	// those of Subscriber.Fields. Of all that a form holds, PHP reads 1,000 values.
	//
	// A form has only texts: true is 1, false 0, nil empty, a time RFC 3339; maps and
	// slices that are empty are left out. So from a form ParseRequest reads texts, and
	// from JSON texts, booleans, nil and json.Number.
	Data map[string]any `form:"-" json:"data" nested:"data"`
}

// Type returns e.Name.
func (e Custom) Type() EventType { return e.Name }

func (e Custom) person() *Subscriber     { return e.Subscriber }
func (e Custom) with(s Subscriber) Event { e.Subscriber = &s; return e }
func (e Custom) campaign() *Campaign     { return e.Campaign }

// customLayout is that of all types of apps.
var customLayout = &layout{typ: reflect.TypeFor[Custom](), schema: phpform.NewSchema(Custom{}, formDialects...)}

// maxTypeLen is how many bytes the name of an app's type has at most.
const maxTypeLen = 64

// isCustom reports whether t can be the name of an app's type.
func (t EventType) isCustom() bool {
	if t == "" || len(t) > maxTypeLen || t.valid() {
		return false
	}
	for i := range len(t) {
		if c := t[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// validateCustom says what is wrong with e, beside what can be wrong with any event,
// and how many values its Data has.
func validateCustom(e Custom) (values int, err error) {
	switch {
	case e.Name.valid():
		return 0, invalid("Name", "is "+quote(string(e.Name))+", one of the nine types: emit its own struct")
	case !e.Name.isCustom():
		return 0, invalid("Name", "is "+quote(string(e.Name))+", not a name of 1 to 64 characters (a to z, 0 to 9 and _)")
	}
	_, values, err = phpform.Tree(e.Data)
	return values, invalidData(err)
}

// invalidData makes an *InvalidError of a *phpform.TreeError.
func invalidData(err error) error {
	var bad *phpform.TreeError
	if errors.As(err, &bad) {
		return invalid("Data"+bad.Path, bad.Reason)
	}
	return err
}

// asCustom returns e if it is a Custom or points to one.
func asCustom(e Event) (Custom, bool) {
	c, ok := reflect.Indirect(reflect.ValueOf(e)).Interface().(Custom)
	return c, ok
}

// withTree returns a Custom whose Data holds only what phpform and encoding/json
// write alike.
func withTree(e Event) (Event, error) {
	c, _ := asCustom(e)
	var err error
	c.Data, _, err = phpform.Tree(c.Data)
	return c, invalidData(err)
}
