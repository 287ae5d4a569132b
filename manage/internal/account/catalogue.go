package account

import (
	"context"
	"slices"
	"strconv"

	"github.com/listhook/webhook"
)

// Catalogue returns the types of events that the app emits; nil if the caller has no
// right in an account.
func (c *Caller) Catalogue() []webhook.EventInfo {
	if c == nil || c.dispatcher == nil {
		return nil
	}
	return c.dispatcher.Catalogue()
}

// Emits reports whether the app emits events of a type.
func (c *Caller) Emits(t webhook.EventType) bool {
	return slices.ContainsFunc(c.Catalogue(), func(info webhook.EventInfo) bool { return info.Type == t })
}

// Types returns the types of the catalogue.
func (c *Caller) Types() []webhook.EventType {
	var types []webhook.EventType
	for _, info := range c.Catalogue() {
		types = append(types, info.Type)
	}
	return types
}

// AllTypes returns the types of the catalogues of all databases; nil if the app does not
// name them, or cannot now.
func (s *Service) AllTypes(ctx context.Context) []webhook.EventType {
	if s.AllDispatchers == nil {
		return nil
	}
	ds, err := s.AllDispatchers(ctx)
	if err != nil {
		s.Logger.Error("webhook: the OpenAPI document names no types of the app's own", "error", err)
		return nil
	}
	var types []webhook.EventType
	for _, d := range ds {
		if d == nil { // its database does not answer
			continue
		}
		for _, info := range d.Catalogue() {
			if !slices.Contains(types, info.Type) {
				types = append(types, info.Type)
			}
		}
	}
	return types
}

// NineEmitted returns those of the nine that the app emits: what "every event" means,
// since a webhook gets an app's own types only if it names them.
func (c *Caller) NineEmitted() []webhook.EventType {
	return slices.DeleteFunc(c.Types(), func(t webhook.EventType) bool { return !slices.Contains(webhook.EventTypes(), t) })
}

// SampleBody returns what a receiver gets of the sample of a type.
func (c *Caller) SampleBody(t webhook.EventType, f webhook.Format) []byte {
	return c.dispatcher.SampleBody(t, f)
}

// NoSuchType says that a type is not one of the app's.
func NoSuchType(t webhook.EventType) string {
	return "is " + strconv.Quote(string(t[:min(len(t), 40)])) + ", none of the app's event types"
}
