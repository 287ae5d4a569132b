package sqlstore_test

import (
	"context"
	"database/sql"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/mysqlstore"
	"github.com/listhook/webhook/postgresstore"
	"github.com/listhook/webhook/sqlitestore"
)

// sqlStore is what the stores on SQL databases have besides a webhook.Store.
type sqlStore interface {
	webhook.Store
	Migrate(ctx context.Context) error
	Schema(from int) string
}

// constructors are the packages' New with a Prefix, or with nil options.
var constructors = map[string]func(db *sql.DB, prefix *string) sqlStore{
	"sqlitestore": func(db *sql.DB, prefix *string) sqlStore {
		if prefix == nil {
			return sqlitestore.New(db, nil)
		}
		return sqlitestore.New(db, &sqlitestore.Options{Prefix: *prefix})
	},
	"postgresstore": func(db *sql.DB, prefix *string) sqlStore {
		if prefix == nil {
			return postgresstore.New(db, nil)
		}
		return postgresstore.New(db, &postgresstore.Options{Prefix: *prefix})
	},
	"mysqlstore": func(db *sql.DB, prefix *string) sqlStore {
		if prefix == nil {
			return mysqlstore.New(db, nil)
		}
		return mysqlstore.New(db, &mysqlstore.Options{Prefix: *prefix})
	},
}

func TestNilOptionsAreTheDefaults(t *testing.T) {
	for name, open := range constructors {
		t.Run(name, func(t *testing.T) {
			empty, other := "", "app_"
			byDefault := open(nil, nil).Schema(0)
			require.Contains(t, byDefault, "webhook_deliveries")
			require.Equal(t, byDefault, open(nil, &empty).Schema(0))
			require.Contains(t, open(nil, &other).Schema(0), "app_deliveries")
		})
	}
}

func TestEachCallReportsWhatTheStoreWasMadeWithoutOrWrongly(t *testing.T) {
	for name, open := range constructors {
		t.Run(name, func(t *testing.T) {
			wrong := "two words"
			for store, text := range map[sqlStore]string{open(nil, nil): "no database", open(new(sql.DB), &wrong): "Prefix"} {
				for call, err := range calls(t.Context(), store) {
					require.ErrorContains(t, err, text, call)
				}
			}
		})
	}
}

// The embedded implementation would show its internals to users.
func TestTheMethodsOfAStoreAreThoseThatUsersNeed(t *testing.T) {
	var want []string
	for method := range calls(t.Context(), sqlitestore.New(nil, nil)) {
		want = append(want, method)
	}
	want = append(want, "Schema", "Tx")
	for _, store := range []any{sqlitestore.Store{}, postgresstore.Store{}, mysqlstore.Store{}} {
		typ := reflect.TypeOf(store)
		var methods []string
		pointer := reflect.PointerTo(typ)
		for i := range pointer.NumMethod() {
			methods = append(methods, pointer.Method(i).Name)
		}
		also := slices.Clone(want)
		// For the Dispatcher, which looks for them.
		switch store.(type) {
		case postgresstore.Store:
			also = append(also, "EnqueueLeasing", "WakeOthers")
		case sqlitestore.Store:
			also = append(also, "EnqueueLeasing", "WritesSerially")
		}
		require.ElementsMatch(t, also, methods, typ)
		for _, field := range reflect.VisibleFields(typ) {
			require.False(t, field.IsExported() || field.Anonymous, "%v has the field %s", typ, field.Name)
		}
	}
}

// calls returns the error of each method of a store.
func calls(ctx context.Context, s sqlStore) map[string]error {
	errs := map[string]error{"Migrate": s.Migrate(ctx)}
	_, errs["Webhooks"] = s.Webhooks(ctx, webhook.WebhookQuery{All: true})
	_, errs["PutWebhook"] = s.PutWebhook(ctx, webhook.Webhook{ID: "w"})
	_, errs["Enqueue"] = s.Enqueue(ctx, []webhook.OutboxEvent{{}})
	_, errs["Claim"] = s.Claim(ctx, webhook.Claim{Limit: 1, Each: 1})
	_, errs["Apply"] = s.Apply(ctx, []webhook.Change{{ID: "d"}})
	_, errs["Deliveries"] = s.Deliveries(ctx, webhook.DeliveryQuery{All: true})
	_, errs["Count"] = s.Count(ctx, webhook.DeliveryQuery{All: true})
	_, errs["Prune"] = s.Prune(ctx, webhook.Prune{Limit: 1})
	return errs
}
