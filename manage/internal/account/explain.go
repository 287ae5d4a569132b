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
	catalogue := c.Catalogue()
	i := slices.IndexFunc(catalogue, func(info webhook.EventInfo) bool { return info.Type == t })
	if i < 0 {
		return nil, &webhook.InvalidError{Field: "Type", Reason: NoSuchType(t)}
	}
	// Every event has its Meta as an embedded field.
	sample := reflect.Indirect(reflect.ValueOf(catalogue[i].Sample))
	event := reflect.New(sample.Type()).Elem()
	event.Set(sample)
	event.FieldByName("Meta").Set(reflect.ValueOf(webhook.Meta{Account: c.Account, Source: s, Lists: lists}))
	all, err := c.dispatcher.Explain(ctx, event.Interface().(webhook.Event))
	return slices.DeleteFunc(all, func(e webhook.Explanation) bool { return !c.Limits.sees(e.Webhook) }), err
}
