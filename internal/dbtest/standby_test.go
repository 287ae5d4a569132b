package dbtest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/postgresstore"
	"github.com/listhook/webhook/storetest"
)

type clusterStore struct {
	name string
	open func(t *testing.T, dsn string) *handle
}

// clusterStores are the stores on PostgreSQL, by each driver.
var clusterStores = []clusterStore{
	{"pgx's database/sql", func(t *testing.T, dsn string) *handle { return postgresHandle(t, open(t, "pgx", dsn, 8), "webhook_") }},
	{"pq", func(t *testing.T, dsn string) *handle {
		return postgresHandle(t, open(t, "postgres", dsn, 8), "webhook_")
	}},
	{"pgxpool", func(t *testing.T, dsn string) *handle {
		return pgxHandle(t, openPool(t, dsn+"&pool_max_conns=8"), "webhook_")
	}},
}

// ownClusterStores are those with statements of their own. With LISTHOOK_LONG they are all.
func ownClusterStores() []clusterStore {
	if long() {
		return clusterStores
	}
	return slices.DeleteFunc(slices.Clone(clusterStores), func(s clusterStore) bool { return s.name == "pq" })
}

// An emitter emits without delivering.
type emitter struct {
	*webhook.Dispatcher
	t *testing.T
}

func newEmitter(t *testing.T, s webhook.Store, timeout time.Duration) emitter {
	t.Helper()
	d, err := webhook.New(s, &http.Client{Transport: http.DefaultTransport}, &webhook.Options{StoreTimeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	return emitter{d, t}
}

func happened(id string) webhook.Event {
	return webhook.Open{
		Meta:       webhook.Meta{ID: id, Lists: []string{"12"}, Source: webhook.SourcePublic},
		Subscriber: webhook.Subscriber{ID: "1", Email: "a@example.com"},
		Campaign:   webhook.Campaign{ID: "3", Name: "News"},
	}
}

// emit has a caller for each event, all at once, and returns their errors.
func (e emitter) emit(ids ...string) []error {
	errs := make([]error, len(ids))
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() { errs[i] = e.Emit(e.t.Context(), happened(id)) })
	}
	wg.Wait()
	return errs
}

// refuses fails the test if one of the calls was acknowledged.
func (e emitter) refuses(what string, errs []error) {
	e.t.Helper()
	for _, err := range errs {
		switch {
		case err == nil:
			e.t.Errorf("%s: an event was acknowledged that no standby has", what)
		case !strings.Contains(err.Error(), "the store has not answered for "):
			e.t.Errorf("%s: %v", what, err)
		}
	}
}

// hangs is the time of a call that is to hang: nothing depends on how far it
// comes.
const hangs = 200 * time.Millisecond

// short is a context for a call that is to hang.
func short(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), hangs)
}

func TestPostgresWithASynchronousStandby(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	t.Run("what no standby has is not acknowledged", func(t *testing.T) { whatNoStandbyHasIsNotAcknowledged(t, c) })
	t.Run("nor what an earlier call did", func(t *testing.T) { whatAnEarlierCallDidIsNotAcknowledged(t, c) })
	t.Run("nor is a canceled wait", func(t *testing.T) { aCanceledWaitIsNotAcknowledged(t, c) })
	t.Run("the lines wait for no standby", func(t *testing.T) { theLinesWaitForNoStandby(t, c) })
	t.Run("settings that lose events are refused", func(t *testing.T) { settingsThatLoseEventsAreRefused(t, c) })
	t.Run("a frozen primary is told of", func(t *testing.T) { aFrozenPrimaryIsToldOf(t, c) })
}

// While the standby is frozen nothing is acknowledged, whether it is new, was
// committed by an earlier call that was canceled, or is found by anybody else.
func whatNoStandbyHasIsNotAcknowledged(t *testing.T, c *cluster) {
	for _, s := range ownClusterStores() {
		t.Run(s.name, func(t *testing.T) {
			dsn := c.schema()
			h := migrated(t, s.open(t, dsn))
			later := newEmitter(t, h.store, 0)
			hook, err := later.AddWebhook(t.Context(), webhook.Webhook{Settings: webhook.Settings{
				Name: "all", URL: "https://receiver.example/", Events: webhook.EventTypes(), Sources: webhook.Sources(),
			}})
			if err != nil {
				t.Fatal(err)
			}
			there := c.deliveries(dsn)
			group := []string{"g0", "g1", "g2", "g3", "g4", "g5", "g6", "g7"}
			if errs := later.emit("first", "applied", "claimed"); errors.Join(errs...) != nil {
				t.Fatal(errors.Join(errs...))
			}
			ids := h.deliveryIDs(t)

			c.freezeStandby()
			defer c.thaw()
			now := newEmitter(t, h.store, hangs)
			now.refuses("an event", now.emit("e1"))
			now.refuses("the same again", now.emit("e1"))
			now.refuses("a group", now.emit(group...))
			now.refuses("the same group again", now.emit(group...))
			other := newEmitter(t, s.open(t, dsn).store, hangs)
			other.refuses("the same in another process", other.emit("e1"))

			outcome := []webhook.Change{{ID: ids["applied"], State: webhook.StateDelivered, Due: time.Now(), Attempts: 1}}
			for range 2 {
				ctx, cancel := short(t)
				if lost, err := h.store.Apply(ctx, outcome); err == nil {
					t.Errorf("an outcome was acknowledged, or called lost (%v), that no standby has", lost)
				}
				cancel()
			}
			hook.Name = "renamed"
			for range 2 {
				ctx, cancel := short(t)
				if _, err := h.store.PutWebhook(ctx, hook); err == nil || errors.Is(err, webhook.ErrConflict) {
					t.Errorf("a webhook was acknowledged, or in conflict (%v), that no standby has", err)
				}
				cancel()
			}
			for range 8 { // what one has made ready the next would lease, and so on
				ctx, cancel := short(t)
				if ds, err := h.store.Claim(ctx, webhook.Claim{
					Now: time.Now().Add(time.Hour), Until: time.Now(), Limit: 100, Each: 100, // leases that have ended
				}); err == nil && len(ds) > 0 {
					t.Error("a lease was acknowledged that no standby has")
				}
				cancel()
			}
			committed := c.transaction(t, h, later, "e1")

			c.thaw()
			if err := <-committed; err != nil {
				t.Errorf("the app's transaction: %v", err)
			}
			all := append(group, "e1")
			if err := errors.Join(later.emit(all...)...); err != nil {
				t.Error(err)
			}
			c.until("the standby was to have all", c.standby, `select count(*) = 12 from `+there)
			// On a slow machine the calls that hung may not have come as far as the
			// primary. Then these are the first ones.
			if _, err := h.store.PutWebhook(t.Context(), hook); err != nil && !errors.Is(err, webhook.ErrConflict) {
				t.Error(err)
			}
			if _, err := h.store.PutWebhook(t.Context(), hook); !errors.Is(err, webhook.ErrConflict) {
				t.Errorf("the webhook was put before, so this is a conflict: %v", err)
			}
			if _, err := h.store.Apply(t.Context(), outcome); err != nil {
				t.Error(err)
			}
			if lost, err := h.store.Apply(t.Context(), outcome); err != nil || len(lost) != 1 {
				t.Errorf("the outcome was stored before: %v, %v", lost, err)
			}
			for _, d := range h.all(t) {
				if d.State == webhook.StatePending && d.Lease > 0 {
					t.Errorf("%s was leased %d times for nobody: it would come to be taken for what its processes die of", d.EventID, d.Lease)
				}
			}
		})
	}
}

// Who finds that there is nothing left to do may find what only the primary has.
func whatAnEarlierCallDidIsNotAcknowledged(t *testing.T, c *cluster) {
	for _, s := range ownClusterStores() {
		t.Run(s.name, func(t *testing.T) {
			h := migrated(t, s.open(t, c.schema()))
			e := newEmitter(t, h.store, hangs)
			later := newEmitter(t, h.store, 0)
			add := func(name string) webhook.Webhook {
				w, err := later.AddWebhook(t.Context(), webhook.Webhook{Settings: webhook.Settings{
					Name: name, URL: "https://receiver.example/", Events: webhook.EventTypes(), Sources: webhook.Sources(),
				}})
				if err != nil {
					t.Fatal(err)
				}
				return w
			}
			edited, deleted, dropped := add("edited"), add("deleted"), add("dropped")
			if err := later.Emit(t.Context(), happened("e1")); err != nil {
				t.Fatal(err)
			}
			c.freezeStandby()
			defer c.thaw()
			edited.Name = "another"
			stored := func(id string) webhook.Webhook {
				ws, err := h.store.Webhooks(t.Context(), webhook.WebhookQuery{IDs: []string{id}, Deleted: true})
				if err != nil || len(ws) != 1 {
					t.Fatal(len(ws), "webhooks, error", err)
				}
				return ws[0]
			}
			count := func(q webhook.DeliveryQuery) int {
				n, err := h.store.Count(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
			for _, call := range []struct {
				what string
				make func(context.Context) error
				done func() bool // the primary shows it
			}{
				{"an edit", func(ctx context.Context) error { _, err := e.UpdateWebhook(ctx, edited); return err },
					func() bool { return stored(edited.ID).Name == edited.Name }},
				{"a deletion", func(ctx context.Context) error { return e.DeleteWebhook(ctx, "", deleted.ID) },
					func() bool { return stored(deleted.ID).Deleted }},
				{"a drop", func(ctx context.Context) error { _, err := e.CancelPending(ctx, "", dropped.ID); return err },
					func() bool {
						return count(webhook.DeliveryQuery{Webhook: dropped.ID, States: []webhook.State{webhook.StatePending}}) == 0
					}},
				{"an erasure", func(ctx context.Context) error { _, err := e.EraseSubscriber(ctx, "", "1", "", nil); return err },
					func() bool { return count(webhook.DeliveryQuery{States: []webhook.State{webhook.StatePending}}) == 0 }},
			} {
				again := 0 // calls after it was done
				for tries := 0; again < 2; tries++ {
					if call.done() {
						again++
					} else if tries == 100 {
						t.Fatalf("%s was never done", call.what)
					}
					ctx, cancel := short(t)
					err := call.make(ctx)
					if err == nil || errors.Is(err, webhook.ErrNotFound) || errors.Is(err, webhook.ErrConflict) {
						t.Errorf("%s was acknowledged (%v) that no standby has", call.what, err)
					}
					cancel()
				}
			}
			c.thaw()
			if err := later.DeleteWebhook(t.Context(), "", deleted.ID); !errors.Is(err, webhook.ErrNotFound) {
				t.Errorf("it was deleted before: %v", err)
			}
			if n, err := later.EraseSubscriber(t.Context(), "", "1", "", nil); n != 0 || err != nil {
				t.Errorf("it was erased before: %d, %v", n, err)
			}
		})
	}
}

// A commit that waits for a standby and is canceled by an administrator reports
// a success, with a warning.
func aCanceledWaitIsNotAcknowledged(t *testing.T, c *cluster) {
	for _, s := range ownClusterStores() {
		t.Run(s.name, func(t *testing.T) {
			h := migrated(t, s.open(t, c.schema()))
			e := newEmitter(t, h.store, 5*time.Second)
			if _, err := e.AddWebhook(t.Context(), webhook.Webhook{Settings: webhook.Settings{
				Name: "all", URL: "https://receiver.example/", Events: webhook.EventTypes(), Sources: webhook.Sources(),
			}}); err != nil {
				t.Fatal(err)
			}
			c.freezeStandby()
			defer c.thaw()
			errs := make(chan []error, 1)
			go func() { errs <- e.emit("e1") }()
			c.until("a commit was to wait, and to be canceled", c.primary, `
select count(pg_cancel_backend(pid)) = 1 from pg_stat_activity
where wait_event = 'SyncRep' and clock_timestamp() - query_start > interval '200 ms'`)
			e.refuses("an event whose commit was canceled", <-errs)
		})
	}
}

// While one call waits for a standby, the next one gets the lock on the lines. Neither is
// acknowledged.
func theLinesWaitForNoStandby(t *testing.T, c *cluster) {
	for _, s := range ownClusterStores() {
		t.Run(s.name, func(t *testing.T) {
			dsn := c.schema()
			h := migrated(t, s.open(t, dsn))
			u := use{t, h.store}
			u.enqueueLeasing(keyed("outcome", "k"))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			calls := []func() error{func() error {
				lost, err := h.store.Apply(ctx, []webhook.Change{{ID: "outcome", Lease: 1, State: webhook.StateDelivered, Due: now, Attempts: 1}})
				if len(lost) > 0 {
					t.Error("the outcome is lost")
				}
				return err
			}}
			for _, id := range []string{"a", "b"} {
				event := storetest.Events(keyed(id, "k"))
				event[0].Deliveries[0].LeaseUntil = now.Add(time.Minute)
				calls = append(calls, func() error {
					_, _, err := h.store.(webhook.LineLeaser).EnqueueLeasing(ctx, event)
					return err
				})
			}
			c.freezeStandby()
			defer c.thaw()
			errs := make(chan error, len(calls))
			for _, call := range calls {
				go func() { errs <- call() }()
			}
			deliveries := c.deliveries(dsn)
			c.until("two deliveries were to stand in the line, and the first one to have left it", c.primary,
				`select count(*) = 2 from `+strings.Replace(deliveries, "deliveries", "lines", 1))
			c.until("none was to wait for its turn", c.primary,
				`select count(*) = 0 from `+strings.Replace(deliveries, "deliveries", "line_events", 1))
			c.until("all calls were to wait for the standby", c.primary,
				`select count(*) = 3 from pg_stat_activity where wait_event = 'SyncRep'`)
			cancel()
			for range calls {
				if err := <-errs; err == nil {
					t.Error("a call was acknowledged that no standby has")
				}
			}
			c.thaw()
			had, err := h.store.Enqueue(t.Context(), storetest.Events(keyed("a", "k"), keyed("b", "k")))
			if err != nil || len(had) != 2 {
				t.Errorf("stored before are %v, %v", had, err)
			}
		})
	}
}

// Whoever has migrated, each process asks by itself.
func settingsThatLoseEventsAreRefused(t *testing.T, c *cluster) {
	ask := func(s store) error {
		_, err := s.Webhooks(t.Context(), webhook.WebhookQuery{Account: "a"})
		return err
	}
	for _, s := range clusterStores {
		dsn := c.schema()
		migrated(t, s.open(t, dsn))
		for _, setting := range []string{"synchronous_commit=off", "synchronous_commit=local"} {
			h := s.open(t, dsn+"&"+setting)
			for _, err := range []error{ask(h.store), h.store.Migrate(t.Context())} {
				if err == nil || !strings.Contains(err.Error(), setting) || !strings.Contains(err.Error(), "Options.Relaxed") {
					t.Errorf("%s, %s: %v", s.name, setting, err)
				}
			}
			tx, err := h.begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Enqueue(t.Context(), nil); err == nil || !strings.Contains(err.Error(), setting) {
				t.Errorf("%s, %s, in a transaction of the app's: %v", s.name, setting, err)
			}
			_ = tx.rollback()
			relaxed := postgresstore.New(open(t, "pgx", dsn+"&"+setting, 2), &postgresstore.Options{Relaxed: true})
			if err := ask(relaxed); err != nil {
				t.Errorf("relaxed, %s: %v", setting, err)
			}
		}
		if err := ask(s.open(t, c.source(c.standby)).store); err == nil || !strings.Contains(err.Error(), "recovery") {
			t.Errorf("%s on a standby: %v", s.name, err)
		}
	}
	admin := c.admin(c.primary)
	must(t, admin, `alter system set fsync = off`)
	must(t, admin, `select pg_reload_conf()`)
	c.until("fsync was to be off", c.primary, `select current_setting('fsync') = 'off'`)
	if err := ask(clusterStores[0].open(t, c.schema()).store); err == nil || !strings.Contains(err.Error(), "fsync=off") {
		t.Error(err)
	}
	must(t, admin, `alter system reset fsync`)
	must(t, admin, `select pg_reload_conf()`)
}

// While the primary is frozen, callers read what is wrong, and do not wait for
// ever; afterwards all goes on.
func aFrozenPrimaryIsToldOf(t *testing.T, c *cluster) {
	for _, s := range ownClusterStores() {
		t.Run(s.name, func(t *testing.T) {
			h := migrated(t, s.open(t, c.schema()))
			e := newEmitter(t, h.store, hangs)
			later := newEmitter(t, h.store, 0)
			if _, err := later.AddWebhook(t.Context(), webhook.Webhook{Settings: webhook.Settings{
				Name: "all", URL: "https://receiver.example/", Events: webhook.EventTypes(), Sources: webhook.Sources(),
			}}); err != nil {
				t.Fatal(err)
			}
			var ids []string
			for i := range 40 {
				ids = append(ids, fmt.Sprint("e", i))
			}
			c.freezePrimary()
			defer c.thaw()
			e.refuses("an event", e.emit(ids...))
			e.refuses("the same again", e.emit(ids...))
			c.thaw()
			if err := errors.Join(later.emit(ids...)...); err != nil {
				t.Error(err)
			}
			if n := len(h.all(t)); n != len(ids) {
				t.Errorf("%d deliveries, of %d events", n, len(ids))
			}
		})
	}
}

// deliveries returns the table's name with the schema of a connection string.
func (c *cluster) deliveries(dsn string) string {
	_, schema, _ := strings.Cut(dsn, "search_path=")
	return schema + ".webhook_deliveries"
}

// transaction emits within a transaction of the app's, and commits it, which is
// to wait for the standby although nothing is written.
func (c *cluster) transaction(t *testing.T, h *handle, e emitter, id string) (committed chan error) {
	t.Helper()
	tx, err := h.begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := e.EmitTx(t.Context(), tx.Outbox, happened(id)); err != nil {
		t.Fatal(err)
	}
	committed = make(chan error, 1)
	go func() { committed <- tx.commit() }()
	c.until("the app's commit was to wait for the standby", c.primary,
		`select count(*) > 0 from pg_stat_activity where wait_event = 'SyncRep' and lower(query) like 'commit%'`)
	return committed
}

func (h *handle) all(t *testing.T) []webhook.Delivery {
	t.Helper()
	ds, err := h.store.Deliveries(t.Context(), webhook.DeliveryQuery{All: true})
	if err != nil {
		t.Fatal(err)
	}
	return ds
}

// deliveryIDs returns the IDs of deliveries by those of their events.
func (h *handle) deliveryIDs(t *testing.T) map[string]string {
	ids := map[string]string{}
	for _, d := range h.all(t) {
		ids[d.EventID] = d.ID
	}
	return ids
}
