package dbtest

import (
	"strings"
	"testing"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/storetest"
)

// Every store keeps every rule, on every database, by every driver, in one
// process or several. Those of one server take turns, so that it has connections
// enough.
func TestStore(t *testing.T) {
	t.Parallel()
	byServer := map[string][]storage{}
	for _, s := range storages {
		server, _, _ := strings.Cut(s.name, " ")
		byServer[server] = append(byServer[server], s)
	}
	for server, ours := range byServer {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			for _, s := range ours {
				t.Run(s.name, func(t *testing.T) { suite(s).Run(t) })
			}
		})
	}
}

// suite checks a storage, which each handle opens as another process would.
func suite(s storage) storetest.Suite {
	opens := map[webhook.Store]func(string) *handle{}
	another := func(t *testing.T, open func(string) *handle) webhook.Store {
		h := migrated(t, open(""))
		opens[h] = open
		return h
	}
	return storetest.Suite{
		// The race detector makes a SQLite that is Go code twenty times
		// as slow, and thousands of rows are a case.
		Timeout: 5 * time.Minute,
		Open:    func(t *testing.T) webhook.Store { return another(t, s.create(t)) },
		Second:  func(t *testing.T, first webhook.Store) webhook.Store { return another(t, opens[first]) },
		Reopen: func(t *testing.T, ended webhook.Store) webhook.Store {
			ended.(*handle).close()
			return another(t, opens[ended])
		},
	}
}
