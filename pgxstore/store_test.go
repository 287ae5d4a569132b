package pgxstore

import (
	"reflect"
	"slices"
	"testing"

	"github.com/listhook/webhook"
)

// The embedded implementation would show its internals to users.
func TestTheMethodsOfAStoreAreThoseThatUsersNeed(t *testing.T) {
	want := []string{"EnqueueLeasing", "Listen", "Migrate", "Schema", "Tx", "WakeOthers"}
	want = append(want, methods(reflect.TypeFor[webhook.Store]())...)
	slices.Sort(want)
	if got := methods(reflect.TypeFor[*Store]()); !slices.Equal(got, want) {
		t.Errorf("a Store has the methods %v, not %v", got, want)
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Store]()) {
		if field.IsExported() || field.Anonymous {
			t.Errorf("a Store has the field %s", field.Name)
		}
	}
}

// methods returns the names of a type's methods, in order.
func methods(typ reflect.Type) (names []string) {
	for i := range typ.NumMethod() {
		names = append(names, typ.Method(i).Name)
	}
	return names
}
