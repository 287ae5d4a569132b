package manage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// A brokenStore fails every call once broken is set.
type brokenStore struct {
	webhook.Store
	broken bool
	asked  chan struct{} // unless nil, gets an element at each call of Webhooks
	gate   chan struct{} // unless nil, Webhooks waits until it is closed, as a driver that does not heed its context
}

var errBroken = errors.New("the database is down")

func (s *brokenStore) Webhooks(ctx context.Context, q webhook.WebhookQuery) ([]webhook.Webhook, error) {
	if s.broken {
		return nil, errBroken
	}
	if s.asked != nil {
		s.asked <- struct{}{}
	}
	if s.gate != nil {
		<-s.gate
	}
	return s.Store.Webhooks(ctx, q)
}

func (s *brokenStore) Count(ctx context.Context, q webhook.DeliveryQuery) (int, error) {
	if s.broken {
		return 0, errBroken
	}
	return s.Store.Count(ctx, q)
}

func (s *brokenStore) Deliveries(ctx context.Context, q webhook.DeliveryQuery) ([]webhook.Delivery, error) {
	if s.broken {
		return nil, errBroken
	}
	return s.Store.Deliveries(ctx, q)
}

// spread is a handler on databases with an account each. The harnesses share it; each has
// the dispatcher of one.
func spread(t *testing.T, accounts ...string) (map[string]*harness, map[string]*brokenStore, *strings.Builder) {
	t.Helper()
	harnesses, stores, log := map[string]*harness{}, map[string]*brokenStore{}, &strings.Builder{}
	pool, err := webhook.NewPool(&http.Client{Transport: transport(answer(200, "thanks"))}, nil)
	require.NoError(t, err)
	var all []*webhook.Dispatcher
	for _, name := range accounts {
		stores[name] = &brokenStore{Store: &memstore.Store{}}
		d, err := pool.NewDispatcher(stores[name], nil)
		require.NoError(t, err)
		harnesses[name] = &harness{Dispatcher: d, t: t, store: stores[name]}
		all = append(all, d)
	}
	h, err := Handler(nil, &Options{
		Session: func(req *http.Request) (Access, error) { return people[req.Header.Get("User")], nil },
		Key:     func(_ context.Context, key string) (Access, error) { return people[key], nil },
		Dispatcher: func(_ context.Context, account string) (*webhook.Dispatcher, error) {
			switch r := harnesses[account]; {
			case r != nil:
				return r.Dispatcher, nil
			case account == "late":
				return nil, errors.New("the directory is down")
			case account == "panics":
				panic("the directory has a fault")
			case account == "moving":
				return nil, fmt.Errorf("moving it: %w", ErrUnavailable)
			}
			return nil, webhook.ErrNotFound
		},
		Dispatchers: func(context.Context) ([]*webhook.Dispatcher, error) { return all, nil },
		Logger:      slog.New(slog.NewTextHandler(log, nil)),
	})
	require.NoError(t, err)
	for _, r := range harnesses {
		r.Handler = h
	}
	return harnesses, stores, log
}

func TestOneHandlerForAccountsOnSeveralDatabases(t *testing.T) {
	harnesses, stores, _ := spread(t, "acme", "evil")
	acme, evil := harnesses["acme"], harnesses["evil"]
	ours := acme.put(nil)
	theirs := evil.put(func(w *webhook.Webhook) { w.Account, w.Name = "evil", "Theirs" })

	assert.Contains(t, acme.as("ann", "/", nil).Body.String(), "CRM")
	assert.NotContains(t, acme.as("ann", "/", nil).Body.String(), "Theirs")
	assert.Contains(t, acme.as("eve", "/webhooks/"+theirs.ID, nil).Body.String(), "Theirs")
	assert.Equal(t, 404, acme.as("eve", "/webhooks/"+ours.ID, nil).Code)

	got := acme.call("eve", "GET", "/api/3/webhooks", "")
	assert.Equal(t, 200, got.Code)
	assert.Contains(t, got.Body.String(), "Theirs")
	assert.NotContains(t, got.Body.String(), "CRM")
	got = acme.call("", "GET", "/admin/api.php?api_action=webhook_list&api_output=json&api_key=ann", "")
	assert.Contains(t, got.Body.String(), "CRM")
	assert.NotContains(t, got.Body.String(), "Theirs")

	got = acme.as("eve", "/add", url.Values{"name": {"New"}, "url": {"https://new.example.com"}, "event": {"open"}, "source": {"public"}, "enabled": {"1"}})
	require.Less(t, got.Code, 400, got.Body.String())
	ws, err := stores["evil"].Webhooks(t.Context(), webhook.WebhookQuery{Account: "evil"})
	require.NoError(t, err)
	assert.Len(t, ws, 2)
}

func TestAnAccountWithoutADatabase(t *testing.T) {
	people["lost"] = Access{Account: "nowhere", Manage: true}
	people["late"] = Access{Account: "late", Manage: true}
	people["moving"] = Access{Account: "moving", Manage: true}
	defer delete(people, "lost")
	defer delete(people, "moving")
	defer delete(people, "late")
	harnesses, _, log := spread(t, "acme")
	r := harnesses["acme"]
	assert.Equal(t, 404, r.as("lost", "/", nil).Code)
	assert.Equal(t, 404, r.call("lost", "GET", "/api/3/webhooks", "").Code)
	assert.Contains(t, r.rawV1("lost", "GET", "&api_action=webhook_list&api_output=json", "", "").Body.String(), `"Failed: there is no such account"`)
	for _, got := range []*httptest.ResponseRecorder{
		r.as("moving", "/", nil), r.call("moving", "GET", "/api/3/webhooks", ""),
		r.call("", "GET", "/admin/api.php?api_action=webhook_list&api_output=json&api_key=moving", ""),
	} {
		assert.Equal(t, 503, got.Code)
		assert.Equal(t, "10", got.Header().Get("Retry-After"))
		assert.Contains(t, got.Body.String(), "temporarily unavailable")
	}
	assert.Empty(t, log.String())
	assert.Equal(t, 500, r.as("late", "/", nil).Code)
	assert.Equal(t, 500, r.call("late", "GET", "/api/3/webhooks", "").Code)
	assert.Contains(t, log.String(), "Options.Dispatcher: the directory is down")
	assert.Equal(t, 404, r.as("op", "/operator/webhook?account=nowhere&id=1", nil).Code)
}

func TestTheOperatorSeesAllDatabases(t *testing.T) {
	harnesses, stores, log := spread(t, "acme", "evil")
	acme, evil := harnesses["acme"], harnesses["evil"]
	ours := acme.put(nil)
	theirs := evil.put(func(w *webhook.Webhook) { w.Account, w.Name, w.ID = "evil", "Theirs", ours.ID })
	require.Equal(t, ours.ID, theirs.ID, "an account that is moved keeps its webhooks' IDs")
	acme.finished(ours, 3, webhook.StateFailed, webhook.TypeClick, time.Now().Add(-time.Hour))
	evil.finished(theirs, 4, webhook.StateFailed, webhook.TypeClick, time.Now().Add(-time.Hour))
	body := acme.as("op", "/operator", nil).Body.String()
	assert.Contains(t, body, "CRM")
	assert.Contains(t, body, "Theirs")
	assert.Contains(t, body, ">7<", "all that failed")
	assert.NotContains(t, body, "did not answer")

	one := url.Values{"account": {"evil"}, "id": {theirs.ID}, "do": {"off"}}
	require.Equal(t, 303, acme.as("op", "/operator/webhook", one).Code)
	assert.Contains(t, acme.as("op", "/operator/webhook?account=evil&id="+theirs.ID, nil).Body.String(), "Switched off by the operator.")
	assert.NotContains(t, acme.as("op", "/operator/webhook?account=acme&id="+ours.ID, nil).Body.String(), "Switched off by the operator.")

	stores["evil"].broken = true
	body = acme.as("op", "/operator", nil).Body.String()
	assert.Contains(t, body, "1 of 2 databases did not answer")
	assert.Contains(t, body, "CRM")
	assert.Contains(t, body, ">3<")
	assert.NotContains(t, body, "Theirs")
	assert.Contains(t, log.String(), errBroken.Error())
}

func TestTheOperatorsPagesNeedNoAccount(t *testing.T) {
	harnesses, _, log := spread(t, "acme")
	r := harnesses["acme"]
	r.put(nil)
	for _, account := range []string{"late", "moving", "nowhere"} {
		people["op of "+account] = Access{Account: account, View: true, Operator: true}
		defer delete(people, "op of "+account)
		got := r.as("op of "+account, "/operator?search=CRM", nil)
		assert.Equal(t, 200, got.Code, account)
		assert.Contains(t, got.Body.String(), "CRM")

	}
	for _, account := range []string{"late", "moving", "nowhere", "panics"} {
		log.Reset()
		got := r.as("op", "/operator?search="+account, nil)
		assert.Equal(t, 200, got.Code, account)
		assert.Equal(t, account != "nowhere", strings.Contains(log.String(), "the operator's search leaves out an account"), account)
	}
}

func TestADatabaseThatCouldNotBeOpened(t *testing.T) {
	d := newHarness(t).Dispatcher
	h, err := Handler(nil, &Options{
		Session:     func(*http.Request) (Access, error) { return people["op"], nil },
		Dispatcher:  func(context.Context, string) (*webhook.Dispatcher, error) { return nil, nil },
		Dispatchers: func(context.Context) ([]*webhook.Dispatcher, error) { return []*webhook.Dispatcher{nil, d}, nil },
	})
	require.NoError(t, err)
	r := &harness{t: t, Handler: h}
	assert.Equal(t, 200, r.call("", "GET", "/api/3/listhook/openapi.json", "").Code)
	for _, target := range []string{"/operator", "/operator?search=CRM"} {
		got := r.as("op", target, nil)
		assert.Equal(t, 200, got.Code, target)
		assert.Contains(t, got.Body.String(), "1 of 2 databases did not answer")
	}
}

func TestADriverThatDoesNotHeedItsContextKeepsNoOperatorWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		accounts := []string{"acme", "evil", "third", "fourth"}
		harnesses, stores, _ := spread(t, accounts...)
		acme := harnesses["acme"]
		for name, r := range harnesses {
			w := r.put(func(w *webhook.Webhook) { w.Account, w.Name = name, "Hook of "+name })
			r.finished(w, 1, webhook.StateFailed, webhook.TypeClick, time.Now().Add(-time.Hour))
		}
		gate := make(chan struct{})
		stores["evil"].gate = gate
		for _, target := range []string{"/operator", "/operator?search=Hook"} {
			select {
			case body := <-operatorPage(acme, target):
				assert.Contains(t, body, "1 of 4 databases did not answer")
				for _, name := range accounts {
					assert.Equal(t, name != "evil", strings.Contains(body, "Hook of "+name), name)
				}
			case <-time.After(time.Minute):
				t.Error(target, "waits for one of the databases")
			}
		}
		for target, want := range map[string]string{
			"/operator?search=evil":  "1 of 4 databases did not answer", // an account of the database that hangs
			"/operator?search=third": "Hook of third",
		} {
			select {
			case body := <-operatorPage(acme, target):
				assert.Contains(t, body, want)
			case <-time.After(time.Minute):
				t.Error(target, "waits for the account's database")
			}
		}
		close(gate)
		time.Sleep(time.Hour) // whatever waited has ended
	})
}

// operatorPage returns what the operator gets at an address.
func operatorPage(r *harness, target string) <-chan string {
	got := make(chan string, 1)
	go func() { got <- r.as("op", target, nil).Body.String() }()
	return got
}

// The database that hangs may be the only one that has something to show.
func TestADatabaseThatHangsWhileItsWebhooksAreReadKeepsNoOperatorWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		harnesses, stores, _ := spread(t, "acme", "evil")
		evil := harnesses["evil"]
		w := evil.put(func(w *webhook.Webhook) { w.Account = "evil" })
		evil.finished(w, 1, webhook.StateFailed, webhook.TypeClick, time.Now().Add(-time.Hour))
		gate := make(chan struct{})
		stores["evil"].gate = gate
		select {
		case body := <-operatorPage(evil, "/operator"):
			assert.Contains(t, body, "1 of 2 databases did not answer")
		case <-time.After(time.Minute):
			t.Error("it waits")
		}
		close(gate)
		time.Sleep(time.Hour)
	})
}

func TestACallThatWaitsForAnotherEndsWithItsContext(t *testing.T) {
	harnesses, stores, _ := spread(t, "acme")
	r, gate := harnesses["acme"], make(chan struct{})
	add := func(ctx context.Context, key string) (ended chan struct{}) {
		req := httptest.NewRequestWithContext(ctx, "POST", "/api/3/webhooks", strings.NewReader(addedHook))
		req.Header.Set("Api-Token", "ann")
		req.Header.Set("Idempotency-Key", key)
		ended = make(chan struct{})
		go func() {
			r.ServeHTTP(httptest.NewRecorder(), req)
			close(ended)
		}()
		return ended
	}
	stores["acme"].gate = gate
	stores["acme"].asked = make(chan struct{}, 10)
	first := add(t.Context(), "k1")
	<-stores["acme"].asked
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, key := range []string{"k1", "k2"} { // the same call, and another one that adds
		select {
		case <-add(ctx, key):
		case <-time.After(10 * time.Second):
			t.Error("it waits for the first one: " + key)
		}
	}
	close(gate)
	<-first
}

func TestOneDispatcherOrAFunctionOfAccounts(t *testing.T) {
	of := func(context.Context, string) (*webhook.Dispatcher, error) { return nil, nil }
	all := func(context.Context) ([]*webhook.Dispatcher, error) { return nil, nil }
	d := newHarness(t).Dispatcher
	for i, c := range []struct {
		d     *webhook.Dispatcher
		opts  *Options
		field string
	}{
		{nil, nil, "dispatcher"},
		{nil, &Options{Dispatchers: all}, "dispatcher"},
		{d, &Options{Dispatcher: of}, "Options.Dispatcher"},
		{d, &Options{Dispatchers: all}, "Options.Dispatcher"},
	} {
		_, err := Handler(c.d, c.opts)
		var invalid *webhook.InvalidError
		require.ErrorAs(t, err, &invalid, fmt.Sprint(i))
		assert.Equal(t, c.field, invalid.Field)
	}
	h, err := Handler(nil, &Options{Dispatcher: of, Session: func(*http.Request) (Access, error) { return people["op"], nil }})
	require.NoError(t, err)
	assert.Equal(t, 403, (&harness{Handler: h, t: t}).as("op", "/operator", nil).Code, "nothing says where to look")
}

// A tool that imports the document has no key.
func TestOpenAPINamesTheTypesOfAllDatabases(t *testing.T) {
	var all []*webhook.Dispatcher
	for _, own := range []webhook.EventType{"order_paid", "order_shipped"} {
		d, err := webhook.New(&memstore.Store{}, nil, &webhook.Options{Catalogue: []webhook.EventInfo{{Type: webhook.TypeOpen}, {Type: own}}})
		require.NoError(t, err)
		all = append(all, d)
	}
	h, err := Handler(nil, &Options{
		Key: func(_ context.Context, key string) (Access, error) { return Access{Account: key, View: key != ""}, nil },
		Dispatcher: func(_ context.Context, account string) (*webhook.Dispatcher, error) {
			if account == "acme" {
				return all[1], nil
			}
			return nil, nil
		},
		Dispatchers: func(context.Context) ([]*webhook.Dispatcher, error) { return all, nil },
	})
	require.NoError(t, err)
	r := &harness{t: t, Handler: h}
	for key, want := range map[string][]string{"": {"open", "order_paid", "order_shipped"}, "acme": {"open", "order_shipped"}} {
		var doc struct {
			Webhooks map[string]any
		}
		got := r.call(key, "GET", "/api/3/listhook/openapi.json", "")
		require.Equal(t, 200, got.Code)
		require.NoError(t, json.Unmarshal(got.Body.Bytes(), &doc))
		delete(doc.Webhooks, "several events") // a batch is of any types
		assert.ElementsMatch(t, want, slices.Collect(maps.Keys(doc.Webhooks)))
	}
}

// Browsers hang up all the time: an operator is not to be woken by that.
func TestAClientThatHangsUpIsNoFault(t *testing.T) {
	for _, target := range []string{"/", "/api/3/webhooks", "/admin/api.php?api_action=webhook_list&api_key=ann", "/operator", "/operator?search=CRM"} {
		for _, gone := range []bool{true, false} {
			harnesses, stores, log := spread(t, "acme", "evil")
			r := harnesses["acme"]
			r.put(nil)
			ctx, cancel := context.WithCancel(t.Context())
			stores["acme"].broken, stores["evil"].broken = !gone, !gone
			if gone {
				cancel()
			}
			req := httptest.NewRequestWithContext(ctx, "GET", target, nil)
			req.Header.Set("User", map[bool]string{true: "op", false: "ann"}[strings.HasPrefix(target, "/operator")])
			req.Header.Set("Api-Token", "ann")
			r.do(req)
			assert.Equal(t, !gone, strings.Contains(log.String(), "level=ERROR"), "%s: %s", target, log)
			assert.Equal(t, gone, strings.Contains(log.String(), "hung up"), "%s: %s", target, log)
			cancel()
		}
	}
}
