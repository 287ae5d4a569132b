package webhook_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// An app's users chose these attributes. What no receiver could read is left out, and
// told.
func ExampleFieldsOf() {
	fields, omitted := webhook.FieldsOf(map[string]any{
		"plan":    "premium",
		"address": map[string]any{"city": "Berlin"},
		"colors":  []any{"red", "blue"},
		"a[0]":    "x",
	})
	fmt.Println(fields)
	for _, o := range omitted {
		fmt.Println(o.Field, o.Reason)
	}
	// Output:
	// map[address.city:Berlin colors:||red||blue|| plan:premium]
	// a[0] has a key that PHP would misread
}

// An import emits thousands of events in one call. One that cannot be delivered must
// not keep the others out.
func ExampleInvalidEventsError() {
	hooks, err := webhook.New(memstore.New(), nil, &webhook.Options{SkipInvalid: true})
	if err != nil {
		panic(err)
	}
	var events []webhook.Event
	for _, row := range [][2]string{{"ann@example.com", "12"}, {"bob@example.com", " 12"}} {
		events = append(events, webhook.Subscribe{
			Meta:       webhook.Meta{Lists: []string{row[1]}, Source: webhook.SourceAdmin},
			Subscriber: webhook.Subscriber{Email: row[0]},
		})
	}
	err = hooks.Emit(context.Background(), events...)
	var invalid *webhook.InvalidEventsError
	switch {
	case errors.As(err, &invalid): // the others are stored
		for _, bad := range invalid.Invalid {
			fmt.Printf("row %d of %d: %s\n", bad.Index+1, invalid.Events, bad.Err.Field)
		}
	case err != nil:
		panic(err)
	}
	// Output:
	// row 2 of 2: Lists
}
