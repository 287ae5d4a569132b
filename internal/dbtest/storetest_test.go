package dbtest

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/storetest"
)

// Every store keeps every rule, on every database, by every driver, in one
// process or several. Each store has the whole suite once, and a light one by further
// drivers. Of one server the former and the latter take turns among themselves, so that
// it has connections enough.
func TestStore(t *testing.T) {
	t.Parallel()
	byServer := map[string][]storage{}
	for _, s := range storages {
		server, _, _ := strings.Cut(s.name, " ")
		if s.again {
			server += " by further drivers"
		}
		byServer[server] = append(byServer[server], s)
	}
	for server, ours := range byServer {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			for _, s := range ours {
				t.Run(s.name, func(t *testing.T) { suite(t, s).Run(t) })
			}
		})
	}
}

// suite checks a storage, which each handle opens as another process would. It is light
// on a storage whose store has the whole one elsewhere, and under the race detector.
func suite(t *testing.T, s storage) storetest.Suite {
	return suiteOf(t, s, func(t testing.TB) func(int) *handle {
		open := s.create(t)
		return func(int) *handle { return open("") }
	})
}

// suiteOf is suite with databases that create makes instead, and that two processes open.
// A case gets the database of the one before, emptied: to make one takes longer than most
// cases. LISTHOOK_BLOCKED is how many deliveries wait behind others in the case about that.
func suiteOf(outer *testing.T, s storage, create func(testing.TB) func(process int) *handle) storetest.Suite {
	var kept func(int) *handle
	opens := map[webhook.Store]func(int) *handle{}
	opened := func(t *testing.T, open func(int) *handle, process int) webhook.Store {
		h := open(process)
		t.Cleanup(h.close)
		opens[migrated(t, h)] = open
		return h
	}
	blocked, _ := strconv.Atoi(os.Getenv("LISTHOOK_BLOCKED"))
	return storetest.Suite{
		Blocked: blocked,
		Light:   (s.again || raced) && !long(),
		// The race detector makes a SQLite that is Go code twenty times
		// as slow, and thousands of rows are a case.
		Timeout: 5 * time.Minute,
		Open: func(t *testing.T) webhook.Store {
			open := kept
			if kept = nil; open == nil {
				open = create(during{t, outer})
			}
			t.Cleanup(func() {
				if !t.Failed() && emptied(open(0), s.empty) {
					kept = open
				}
			})
			return opened(t, open, 0)
		},
		Second: func(t *testing.T, first webhook.Store) webhook.Store { return opened(t, opens[first], 1) },
		Reopen: func(t *testing.T, ended webhook.Store) webhook.Store {
			ended.(*handle).close()
			return opened(t, opens[ended], 1)
		},
	}
}

// emptied runs the statements that empty a database, and reports whether it is as good as
// a new one: the rows that a large case has left may cost the next ones.
func emptied(h *handle, statements []string) bool {
	defer h.close()
	if statements == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if n, err := h.number(ctx, `select count(*) from webhook_deliveries`); err != nil || n > 500 {
		return false
	}
	for _, statement := range statements {
		if h.exec(ctx, statement) != nil {
			return false
		}
	}
	return true
}

// The statements that empty a database name each of its tables but the one of versions.
func TestEmptyingNamesEachTable(t *testing.T) {
	for _, s := range storages {
		if s.again || s.empty == nil {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			text := strings.ReplaceAll(strings.Join(s.empty, "; "), "sequence webhook_", "sequence ")
			h := migrated(t, s.create(t)(""))
			require.Equal(t, tablesOf(t, h, s.name), strings.Count(text, "webhook_")+1)
			require.True(t, emptied(h, s.empty))
		})
	}
}
