package account

import (
	"context"
	"reflect"
	"slices"

	"github.com/listhook/webhook"
)

// Explain says of each webhook whether it gets an event of a type, source and
// lists.
func (c *Caller) Explain(ctx context.Context, t webhook.EventType, s webhook.Source, lists []string) ([]webhook.Explanation, error) {
	sample := webhook.Sample(t)
	if sample == nil {
		return nil, &webhook.InvalidError{Field: "Type", Reason: "is none of the nine event types"}
	}
	// Every event has its Meta as an embedded field.
	event := reflect.New(reflect.TypeOf(sample)).Elem()
	event.Set(reflect.ValueOf(sample))
	event.FieldByName("Meta").Set(reflect.ValueOf(webhook.Meta{Account: c.Account, Source: s, Lists: lists}))
	all, err := c.dispatcher.Explain(ctx, event.Interface().(webhook.Event))
	return slices.DeleteFunc(all, func(e webhook.Explanation) bool { return !c.Limits.sees(e.Webhook) }), err
}
