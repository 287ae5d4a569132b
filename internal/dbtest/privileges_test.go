package dbtest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/storetest"
)

// documented are the privileges that docs/stores-sql.md asks for. An owner has no others
// once they are revoked, unless it is a superuser.
var documented = []string{
	"revoke all on all tables in schema current_schema from current_user",
	"revoke all on all sequences in schema current_schema from current_user",
	"grant select, insert, update, delete on all tables in schema current_schema to current_user",
	"grant usage, update on sequence webhook_steps to current_user",
}

func TestPostgresNeedsTheDocumentedPrivilegesAlone(t *testing.T) {
	for _, s := range storages {
		if s.empty == nil || &s.empty[0] != &emptyPostgres[0] || s.again {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			h := migrated(t, s.create(t)(""))
			require.NoError(t, h.exec(t.Context(), `do $$
				declare statement text;
				begin
					foreach statement in array array[`+quoted(documented)+`] loop
						execute replace(statement, 'current_schema', quote_ident(current_schema()));
					end loop;
				end $$`))
			u := use{t, h.store}
			_, err := h.PutWebhook(t.Context(), webhook.Webhook{ID: "1", Version: 0})
			require.NoError(t, err)
			u.enqueue(delivery("a"), preLeased("b"))
			keyed := func(id string) webhook.Delivery {
				d := delivery(id)
				d.Key, d.Joined, d.Subjects = "key "+id, now, []string{"subject"}
				return d
			}
			u.enqueueLeasing(keyed("c"), keyed("d"))
			second := keyed("e")
			second.Key = "key c"
			u.enqueue(second)
			u.claims(now, "a")
			u.deliver(1, "b", "c", "d")
			u.claims(now, "e")
			tx, err := h.begin(t.Context())
			require.NoError(t, err)
			_, err = tx.Enqueue(t.Context(), storetest.Events(delivery("f")))
			require.NoError(t, err)
			require.NoError(t, tx.commit())
			lost, err := h.Apply(t.Context(), []webhook.Change{{ID: "e", Lease: 1, State: webhook.StateFailed, Due: now, Erase: true}})
			require.NoError(t, err)
			require.Empty(t, lost)
			n, err := h.Prune(t.Context(), webhook.Prune{Before: now.Add(time.Hour), Limit: 100})
			require.NoError(t, err)
			require.Equal(t, 4, n)
			n, err = h.Count(t.Context(), webhook.DeliveryQuery{All: true})
			require.NoError(t, err)
			require.Equal(t, 2, n)
		})
	}
}

// quoted returns texts as literals of SQL.
func quoted(texts []string) string {
	list := ""
	for i, text := range texts {
		if i > 0 {
			list += ", "
		}
		list += "'" + text + "'"
	}
	return list
}
