package webhook

import (
	"fmt"
	"slices"
	"time"
)

// An EventInfo is a type of events that an app emits, in Options.Catalogue.
type EventInfo struct {
	// Type is one of the nine, or the Name of Custom events.
	Type EventType

	// Label is what people read, such as "Campaign Finished". "": the page's own words
	// for one of the nine, or else the type. At most 255 bytes.
	Label string

	// Sources are those that the app emits it from: Emit refuses others. None: all four.
	Sources []Source

	// Sample is an event of the type, for tests and for the page's example payloads. It
	// has what Emit requires, such as a Source, and is not changed. Nil: for one of the
	// nine, the event that the function Sample returns, with the first of Sources where
	// these do not contain its own Source; for any other type, a Custom without Data.
	Sample Event
}

// maxTypes is how many types a catalogue may hold.
const maxTypes = 100

// setCatalogue fills in the defaults of the catalogue, or says what is wrong with it.
func (o *Options) setCatalogue() error {
	if len(o.Catalogue) == 0 {
		for _, t := range EventTypes() {
			o.Catalogue = append(o.Catalogue, EventInfo{Type: t})
		}
	}
	if len(o.Catalogue) > maxTypes {
		return invalid("Options.Catalogue", fmt.Sprintf("has %d types; the most is %d", len(o.Catalogue), maxTypes))
	}
	all := make([]EventInfo, len(o.Catalogue))
	for i, info := range o.Catalogue {
		at := fmt.Sprintf("Options.Catalogue[%d].", i)
		if slices.ContainsFunc(all[:i], func(other EventInfo) bool { return other.Type == info.Type }) {
			return invalid(at+"Type", "is "+quote(string(info.Type))+", which another entry already has")
		}
		if err := info.fill(o.eventLimit()); err != nil {
			return prefixed(at, err)
		}
		all[i] = info
	}
	o.Catalogue = all
	return nil
}

// fill sets the defaults of an entry, or says what is wrong with it.
func (info *EventInfo) fill(bodyLimit int) error {
	if !info.Type.valid() && !info.Type.isCustom() {
		return invalid("Type", "is "+quote(string(info.Type))+", neither one of the nine types nor a name of 1 to 64 characters (a to z, 0 to 9 and _)")
	}
	if err := validateText("Label", info.Label); err != nil {
		return err
	}
	for _, s := range info.Sources {
		if !s.valid() {
			return invalid("Sources", "contains "+notOneOf(s, Sources()))
		}
	}
	if len(info.Sources) == 0 {
		info.Sources = Sources()
	}
	if info.Sample == nil {
		info.Sample = Sample(info.Type)
		switch {
		case info.Sample == nil:
			info.Sample = Custom{Name: info.Type, Meta: sampleMeta(info.Sources[0])}
		case !slices.Contains(info.Sources, info.Sample.meta().Source):
			info.Sample = withMeta(info.Sample, sampleMeta(info.Sources[0]))
		}
		return nil
	}
	if err := validate(info.Sample, bodyLimit); err != nil {
		return prefixed("Sample.", err)
	}
	if t := info.Sample.Type(); t != info.Type {
		return invalid("Sample", fmt.Sprintf("is an event of the type %q, not %q", t, info.Type))
	}
	return nil
}

// sample returns an event of the entry's type, as it is sent in a test: with defaults
// for what its Meta leaves out.
func (info *EventInfo) sample() (Event, Meta) {
	m := info.Sample.meta()
	m.Lists = distinct(m.Lists)
	if m.By == "" {
		m.By = string(m.Source)
	}
	if m.Time.IsZero() {
		m.Time = time.Now()
	}
	return info.Sample, m
}

// info returns the catalogue's entry of a type, or nil.
func (o *Options) info(t EventType) *EventInfo {
	for i := range o.Catalogue {
		if o.Catalogue[i].Type == t {
			return &o.Catalogue[i]
		}
	}
	return nil
}

// validate says whether e can be delivered, and whether the app said that it emits
// such events.
func (o *Options) validate(e Event) error {
	if err := validate(e, o.eventLimit()); err != nil {
		return err
	}
	return o.validateKind(e)
}

// validateKind says whether the app said that it emits events such as e.
func (o *Options) validateKind(e Event) error {
	t := e.Type()
	info := o.info(t)
	if info == nil {
		field := "Type"
		if t.isCustom() {
			field = "Name"
		}
		return invalid(field, "is "+quote(string(t))+", which is not in Options.Catalogue")
	}
	if source := e.meta().Source; !slices.Contains(info.Sources, source) {
		return invalid("Source", "is "+quote(string(source))+", which Options.Catalogue does not list for "+string(t))
	}
	return nil
}

// validateEvents refuses types that a webhook asks for and that the app does not emit,
// except those that it has already.
func (o *Options) validateEvents(asked, had []EventType) error {
	for _, t := range asked {
		if o.info(t) == nil && !slices.Contains(had, t) {
			return invalid("Events", "contains the unknown type "+quote(string(t)))
		}
	}
	return nil
}
