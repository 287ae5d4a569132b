//go:build unix

package crash

import (
	"regexp"
	"testing"
	"time"

	"github.com/listhook/webhook"
)

// A harness is a server of the test's own behind a proxy, with children that use
// it.
type harness struct {
	*scene
	server *server
	proxy  *proxy
	via    database // through the proxy
}

// onEachServer runs a test for all stores on a server at once. The servers are
// stopped and changed, so each store has one of its own, which no other test uses.
func onEachServer(t *testing.T, f func(t *testing.T, r *harness)) {
	for _, kind := range serverKinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			for _, store := range kind.stores {
				t.Run(store, func(t *testing.T) {
					t.Parallel()
					s := serverFor(t, kind, store)
					name := s.create()
					r := &harness{server: s, proxy: newProxy(t, s.addr())}
					r.via = database{store, kind.source(r.proxy.addr(), name)}
					r.scene = newScene(t, migrated(t, database{store, kind.source(s.addr(), name)}), steady, flaky, once)
					f(t, r)
				})
			}
		})
	}
}

// connectionLost is what drivers say of a server that goes away and comes
// back.
var connectionLost = regexp.MustCompile(`connection refused|connection reset|broken pipe|EOF|bad connection|invalid connection|` +
	`terminating connection|(shutting down|starting up|recovery mode|not yet accepting connections)|deadline exceeded|context canceled|closed`)

func TestADatabaseThatCrashesUnderLoadLosesNothing(t *testing.T) {
	onEachServer(t, func(t *testing.T, r *harness) {
		rng := newRand(t)
		crew := r.load(r.db, 2)
		for range min(rounds(t), 3) {
			r.goesOn(20)
			pause(time.Duration(rng.Int64N(int64(longLife))))
			r.server.abort()
			pause(time.Duration(rng.Int64N(int64(longLife))))
			r.server.start()
		}
		r.ends(crew)
		r.says(connectionLost)
	})
}

func TestConnectionsThatAreCutLoseNothing(t *testing.T) {
	onEachServer(t, func(t *testing.T, r *harness) {
		rng := newRand(t)
		crew := r.load(r.via, 2)
		r.goesOn(20)
		for range min(2*rounds(t), 6) {
			pause(time.Duration(rng.Int64N(int64(longLife))))
			r.proxy.cutAll()
		}
		r.ends(crew)
		r.says(connectionLost)
	})
}

func TestStatementsThatTakeSecondsLoseNothing(t *testing.T) {
	onEachServer(t, func(t *testing.T, r *harness) {
		crew := r.load(r.via, 2)
		r.goesOn(20)
		r.proxy.slow(3 * time.Second)
		pause(6 * time.Second)
		r.proxy.slow(0)
		r.ends(crew)
	})
}

func TestALostAcknowledgementOfACommitIsNoLostEventAndNoSecondDelivery(t *testing.T) {
	onEachServer(t, func(t *testing.T, r *harness) {
		app, err := r.via.open()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(app.close)
		d := r.newApp(app)

		t.Run("emitting", func(t *testing.T) {
			r.tries("emitting")
			lost := r.proxy.loseAnswerTo("emitting")
			err := d.Emit(t.Context(), event("emitting"))
			<-lost
			if r.last().EventID != "emitting" {
				t.Fatal("the commit itself was lost, and that is not tested here")
			}
			t.Logf("Emit returned: %v", err)
			if err := d.Emit(t.Context(), event("emitting")); err != nil {
				t.Fatalf("emitting again: %v", err)
			}
			r.acks("emitting")
			drained(t, r.store)
		})
		t.Run("emitting in a transaction", func(t *testing.T) {
			r.tries("in a transaction")
			emit := func() error {
				return app.inTx(t.Context(), true, func(tx webhook.Outbox) error { return d.EmitTx(t.Context(), tx, event("in a transaction")) })
			}
			lost := r.proxy.loseAnswerTo("in a transaction")
			if err := emit(); err == nil {
				t.Fatal("the app was told that its transaction was committed")
			}
			<-lost
			if r.last().EventID != "in a transaction" {
				t.Fatal("the commit itself was lost, and that is not tested here")
			}
			if err := emit(); err != nil {
				t.Fatalf("emitting again: %v", err)
			}
			r.acks("in a transaction")
			drained(t, r.store)
		})
		t.Run("storing an outcome", func(t *testing.T) {
			var lost <-chan struct{}
			r.receiver.meets(func(got *request) {
				if got.webhook == steady {
					lost = r.proxy.loseAnswerTo(got.delivery)
				}
			})
			r.tries("an outcome")
			if err := d.Emit(t.Context(), event("an outcome")); err != nil {
				t.Fatal(err)
			}
			r.acks("an outcome")
			drained(t, r.store)
			<-lost
		})
		if f := r.audit(false); f.duplicates != 0 || r.record.lostOutcomes() != 0 {
			t.Errorf("%d duplicates and %d lost outcomes", f.duplicates, r.record.lostOutcomes())
		}
	})
}

func TestADatabaseThatBecomesReadOnlyIsNamedAndGoesOn(t *testing.T) {
	onEachServer(t, func(t *testing.T, r *harness) {
		crew := r.load(r.db, 2)
		r.goesOn(20)
		r.server.run(r.server.kind.readOnly(true)...)
		pause(2 * time.Second)
		r.server.run(r.server.kind.readOnly(false)...)
		r.ends(crew)
		// MariaDB becomes read-only only once the transactions that have begun
		// have ended, but has their next statements wait until it is.
		r.says(regexp.MustCompile(`read-only transaction|--read-only option|read_only|has not answered`))
	})
}
