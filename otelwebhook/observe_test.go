package otelwebhook_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
	"github.com/listhook/webhook/webhooktest"
)

// An app whose accounts are spread over databases has a Dispatcher for each. One that
// delivers must not hide another that does not.
func TestObserveOfSeveralDispatchersReportsAllOfThem(t *testing.T) {
	r := newHarness(t)
	receiver := webhooktest.NewReceiver(t, nil)
	running := r.dispatcher(receiver, webhook.Hooks{})
	require.NoError(t, running.Start())
	observed := []*webhook.Dispatcher{running}
	for i, s := range []webhook.Store{&memstore.Store{}, &memstore.Store{}} {
		r.store = s
		waiting := r.dispatcher(receiver, webhook.Hooks{}) // which was not started
		put(t, waiting, receiver)
		for range i + 1 {
			require.NoError(t, waiting.Emit(t.Context(), open("")))
		}
		observed = append(observed, waiting)
	}
	time.Sleep(2 * time.Millisecond) // ages are in milliseconds

	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}} {
		var stops []func() error
		for _, i := range order {
			stop, err := r.Observe(observed[i])
			require.NoError(t, err)
			stops = append(stops, stop)
		}
		require.Eventually(t, func() bool { return r.value("listhook.queue.pending") == 3 }, 10*time.Second, time.Millisecond)
		assert.EqualValues(t, 3, r.value("listhook.queue.due"))
		assert.Greater(t, r.value("listhook.queue.age"), 0.0)
		assert.Zero(t, r.value("listhook.ready"), "two of three do not deliver")
		for i, stop := range stops {
			if order[i] != 0 {
				require.NoError(t, stop())
			}
		}
		assert.EqualValues(t, 1, r.value("listhook.ready"), "the one that is still observed delivers")
		for _, stop := range stops {
			require.NoError(t, stop(), "perhaps again")
		}
	}
	assert.Zero(t, r.value("listhook.ready"), "nothing is reported any more")
}

// A sum without one of the databases would look as if its queue had ended.
func TestWhileOneOfSeveralStoresIsDownTheQueueIsAGap(t *testing.T) {
	r := newHarness(t)
	receiver := webhooktest.NewReceiver(t, nil)
	for _, s := range []webhook.Store{&failing{Store: &memstore.Store{}, err: assert.AnError}, &memstore.Store{}} {
		r.store = s
		d := r.dispatcher(receiver, webhook.Hooks{})
		if _, down := s.(*failing); !down {
			put(t, d, receiver)
			require.NoError(t, d.Emit(t.Context(), open("")))
		}
		stop, err := r.Observe(d)
		require.NoError(t, err)
		defer func() { assert.NoError(t, stop()) }()
	}
	for range 20 {
		assert.Zero(t, r.value("listhook.queue.pending"))
		time.Sleep(time.Millisecond)
	}
}
