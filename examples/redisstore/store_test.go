package redisstore

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/storetest"
)

// The suite's stores are on one server under names of their own. Reopen kills it.
func TestStoreKeepsEveryRule(t *testing.T) {
	s := newServer(t)
	names, opened := map[webhook.Store]string{}, 0
	open := func(t *testing.T, name string) webhook.Store {
		store, err := Open(t.Context(), *s.options(), name)
		require.NoError(t, err)
		t.Cleanup(func() { _ = store.Close() })
		names[store] = name
		return store
	}
	storetest.Suite{
		Open: func(t *testing.T) webhook.Store {
			opened++
			return open(t, fmt.Sprint("store", opened))
		},
		Second: func(t *testing.T, first webhook.Store) webhook.Store { return open(t, names[first]) },
		Reopen: func(t *testing.T, ended webhook.Store) webhook.Store {
			require.NoError(t, ended.(*Store).Close())
			s.kill()
			s.start(t)
			return open(t, names[ended])
		},
	}.Run(t)
}

func TestServersThatLoseEventsAreRefused(t *testing.T) {
	for setting, value := range map[string]string{"appendonly": "no", "appendfsync": "everysec", "aof-load-truncated": "yes", "maxmemory-policy": "allkeys-lru"} {
		t.Run(setting, func(t *testing.T) {
			s := newServer(t, "--"+setting, value)
			_, err := Open(t.Context(), *s.options(), "app")
			require.ErrorContains(t, err, setting+" "+value)
		})
	}
}
