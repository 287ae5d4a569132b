package main

import (
	"log"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/storetest"
)

func TestStoreKeepsEveryRule(t *testing.T) {
	open := func(t *testing.T, path string) *Store {
		s, err := Open(path)
		require.NoError(t, err)
		s.db.NoSync = true // fsync is most of the time, and nothing here cuts the power
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	}
	storetest.Suite{
		Open: func(t *testing.T) webhook.Store { return open(t, filepath.Join(t.TempDir(), "webhooks.db")) },
		Reopen: func(t *testing.T, s webhook.Store) webhook.Store {
			path := s.(*Store).db.Path()
			require.NoError(t, s.(*Store).Close())
			return open(t, path)
		},
	}.Run(t)
}

func TestWhatOneProcessEmitsAnotherDelivers(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(t.Context(), log.New(&out, "", 0)))
	require.Equal(t, `emitted: what Emit has acknowledged is on the disk
the file is closed, and opened by another process, as it were
received: type=subscribe subscriber[email]=test@test.com
log: subscribe delivered
  answered 200: "thank you"
`, out.String())
}
