package receivers

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/examples/internal/receivertest"
)

// What each receiver knows in the end is the same whatever the order in which
// the events arrive.
func TestReceiversInEveryOrder(t *testing.T) {
	ran := languages(t)
	const (
		memberships = `SELECT list, subscriber, subscribed FROM memberships ORDER BY list, subscriber`
		subscribers = `SELECT id, email, first_name FROM subscribers ORDER BY id`
		fields      = `SELECT subscriber, field, value FROM fields ORDER BY subscriber, field`
		suppressed  = `SELECT email, scope, why FROM suppressed ORDER BY email, scope`
		starts      = `SELECT campaign, month FROM starts ORDER BY campaign, month`
		reactions   = `SELECT campaign, reaction, subscriber, times FROM reactions ORDER BY subscriber`
	)
	meta := func(second int, lists ...string) webhook.Meta {
		return webhook.Meta{Lists: lists, Source: webhook.SourcePublic, Time: day.Add(time.Duration(second) * time.Second)}
	}
	subscribe := func(second int, s webhook.Subscriber, lists ...string) webhook.Event {
		return webhook.Subscribe{Meta: meta(second, lists...), Subscriber: s}
	}
	unsubscribe := func(second int, s webhook.Subscriber, lists ...string) webhook.Event {
		return webhook.Unsubscribe{Meta: meta(second, lists...), Subscriber: s}
	}
	update := func(second int, s webhook.Subscriber, lists ...string) webhook.Event {
		return webhook.Update{Meta: meta(second, lists...), Subscriber: s}
	}
	bounce := func(second int, s webhook.Subscriber, kind webhook.BounceType, lists ...string) webhook.Event {
		return webhook.Bounce{Meta: meta(second, lists...), Subscriber: s, Campaign: spring, Details: webhook.BounceDetails{Type: kind, Code: "5.1.1"}}
	}
	ada := person("1", "Ada", nil)
	for _, c := range []struct {
		name, folder string
		events       []webhook.Event
		rows         map[string][]string
	}{
		{"an unsubscription of the same second wins", "sync",
			[]webhook.Event{subscribe(5, ada, "12"), unsubscribe(5, ada, "12")},
			map[string][]string{memberships: {"12|1|0"}}},
		{"a later subscription counts", "sync",
			[]webhook.Event{unsubscribe(5, ada, "12"), subscribe(6, ada, "12")},
			map[string][]string{memberships: {"12|1|1"}}},
		{"who leaves one list stays on the other", "sync",
			[]webhook.Event{subscribe(1, ada, "12"), subscribe(1, ada, "13"), unsubscribe(2, ada, "12")},
			map[string][]string{memberships: {"12|1|0", "13|1|1"}}},
		{"who leaves without a list leaves every list", "sync",
			[]webhook.Event{subscribe(1, ada, "12"), subscribe(2, ada, "13"), unsubscribe(2, ada), subscribe(3, ada, "14")},
			map[string][]string{memberships: {"12|1|0", "13|1|0", "14|1|1"}}},
		{"an update subscribes nobody", "sync",
			[]webhook.Event{update(1, ada, "12"), unsubscribe(2, grace, "12"), update(3, grace, "12")},
			map[string][]string{memberships: {"12|2|0"}, subscribers: {"1|ada@example.com|Ada", "2|grace@example.com|Grace"}}},
		{"an update says more than a subscription of the same second", "sync",
			[]webhook.Event{
				subscribe(5, person("1", "Ada", map[string]string{"7": "London"}), "12"),
				update(5, person("1", "Augusta", map[string]string{"7": "Paris"}), "12"),
			},
			map[string][]string{subscribers: {"1|augusta@example.com|Augusta"}, fields: {"1|7|Paris"}}},
		{"the later update of one second counts", "sync",
			[]webhook.Event{
				update(5, person("1", "Ada", map[string]string{"7": "London"}), "12"),
				update(5, person("1", "Augusta", map[string]string{"7": "Paris"}), "12"),
			},
			map[string][]string{subscribers: {"1|augusta@example.com|Augusta"}, fields: {"1|7|Paris"}}},
		{"an unsubscription says nothing of a person who is known", "sync",
			[]webhook.Event{
				subscribe(1, person("1", "Ada", map[string]string{"7": "London"}), "12"),
				unsubscribe(2, webhook.Subscriber{ID: "1", Email: "ada@example.com"}, "12"),
			},
			map[string][]string{subscribers: {"1|ada@example.com|Ada"}, fields: {"1|7|London"}, memberships: {"12|1|0"}}},
		{"an app without IDs knows people by address", "sync",
			[]webhook.Event{
				subscribe(1, person("", "Ada", nil), "12"), subscribe(2, person("", "Grace", nil), "12"),
				unsubscribe(3, person("", "Ada", nil), "12"),
			},
			map[string][]string{memberships: {"12|ada@example.com|0", "12|grace@example.com|1"}}},

		{"an unsubscription of the same second wins", "suppress",
			[]webhook.Event{subscribe(5, ada, "12"), unsubscribe(5, ada, "12")},
			map[string][]string{suppressed: {"ada@example.com|list 12|unsubscribed"}}},
		{"who leaves one list stays on the other", "suppress",
			[]webhook.Event{subscribe(1, ada, "12"), subscribe(1, ada, "13"), unsubscribe(2, ada, "12")},
			map[string][]string{suppressed: {"ada@example.com|list 12|unsubscribed"}}},
		{"who leaves without a list leaves every list", "suppress",
			[]webhook.Event{subscribe(1, ada, "12"), unsubscribe(2, ada)},
			map[string][]string{suppressed: {"ada@example.com|every list|unsubscribed", "ada@example.com|list 12|unsubscribed"}}},
		{"who left every list may come back to one", "suppress",
			[]webhook.Event{subscribe(1, ada, "12"), unsubscribe(2, ada), subscribe(3, ada, "13")},
			map[string][]string{suppressed: {"ada@example.com|list 12|unsubscribed"}}},
		{"a hard bounce is for every list, whatever the list that it comes with", "suppress",
			[]webhook.Event{
				subscribe(1, ada, "12"), bounce(2, ada, webhook.BounceHard), bounce(3, grace, webhook.BounceHard, "12"),
				bounce(4, alan, webhook.BounceSoft, "12"), subscribe(5, alan, "12"),
			},
			map[string][]string{suppressed: {"ada@example.com|every list|5.1.1 ", "grace@example.com|every list|5.1.1 "}}},

		{"a recurring campaign starts more than once", "usage",
			[]webhook.Event{
				webhook.Sent{Meta: meta(0, "12"), Campaign: spring},
				webhook.Sent{Meta: meta(24*3600, "12"), Campaign: spring},
			},
			map[string][]string{starts: {"34|2026-03", "34|2026-04"}}},
		{"an app without IDs knows people by address", "stats",
			[]webhook.Event{
				webhook.Open{Meta: meta(1, "12"), Subscriber: person("", "Ada", nil), Campaign: spring},
				webhook.Open{Meta: meta(2, "12"), Subscriber: person("", "Grace", nil), Campaign: spring},
			},
			map[string][]string{reactions: {"34|open|ada@example.com|1", "34|open|grace@example.com|1"}}},
	} {
		for _, l := range ran {
			for _, order := range []string{"as they happened", "backwards"} {
				t.Run(c.folder+" in "+l.name+": "+c.name+", "+order, func(t *testing.T) {
					data := filepath.Join(t.TempDir(), "receiver.db")
					secret := webhook.NewSecret()
					s := newSender(t, serve(t, l, c.folder, secret.Key, data), webhook.FormatCurrent, secret)
					events := withIDs(c.events)
					if order == "backwards" {
						slices.Reverse(events)
					}
					for _, e := range events {
						s.Deliver(1, e)
					}
					for query, want := range c.rows {
						assert.Equal(t, want, rows(t, data, query))
					}
				})
			}
		}
	}
}

// Events whose times contradict their sequence, as those of servers with different
// clocks do, in every order and again.
func TestAnOlderEventNeverUndoesANewerOne(t *testing.T) {
	for _, l := range languages(t) {
		for folder, c := range map[string]struct {
			query string
			want  []string
		}{
			"sync":     {`SELECT list, subscriber, subscribed FROM memberships ORDER BY list`, []string{"12|1|0", "13|1|1"}},
			"suppress": {`SELECT email, scope FROM suppressed`, []string{"a@example.com|list 12"}},
		} {
			t.Run(folder+" in "+l.name, func(t *testing.T) {
				secret := webhook.NewSecret()
				for _, order := range receivertest.Permutations(3) {
					data := filepath.Join(t.TempDir(), "receiver.db")
					host := serve(t, l, folder, secret.Key, data)
					for range 2 {
						for _, i := range order {
							body := receivertest.SequenceBodies[i]
							status, answer := receivertest.Post(t, host, body, receivertest.Sequenced(secret, i))
							assert.Equal(t, http.StatusOK, status, "%s", answer)
						}
					}
					assert.Equal(t, c.want, rows(t, data, c.query), "%v", order)
					if folder == "sync" {
						assert.Equal(t, []string{"Augusta"}, rows(t, data, `SELECT first_name FROM subscribers`), "%v", order)
					}
				}
			})
		}
	}
}

// Events of one time, whose sequence alone says their order, in every order.
func TestTheSequenceCountsForEventsOfOneTime(t *testing.T) {
	for _, l := range languages(t) {
		t.Run(l.name, func(t *testing.T) {
			secret := webhook.NewSecret()
			for _, order := range receivertest.Permutations(len(receivertest.SameTimeBodies)) {
				data := filepath.Join(t.TempDir(), "receiver.db")
				host := serve(t, l, "sync", secret.Key, data)
				for _, i := range order {
					status, answer := receivertest.Post(t, host, receivertest.SameTimeBodies[i], receivertest.SameTime(secret, i))
					assert.Equal(t, http.StatusOK, status, "%s", answer)
				}
				assert.Equal(t, []string{"12|1|1", "13|1|1"},
					rows(t, data, `SELECT list, subscriber, subscribed FROM memberships ORDER BY list`), "%v", order)
			}
		})
	}
}

// withIDs gives each event an ID as the library does when it is emitted: a UUID of
// version 7, a millisecond after that of the event before.
func withIDs(events []webhook.Event) []webhook.Event {
	var with []webhook.Event
	for i, e := range events {
		id := fmt.Sprintf("%08x-%04x-7000-8000-%012x", day.UnixMilli()>>16, day.UnixMilli()&0xffff+int64(i), i)
		switch e := e.(type) {
		case webhook.Subscribe:
			e.ID = id
			with = append(with, e)
		case webhook.Unsubscribe:
			e.ID = id
			with = append(with, e)
		case webhook.Update:
			e.ID = id
			with = append(with, e)
		default:
			with = append(with, e)
		}
	}
	return with
}

// The bodies are made by hand, so that they hold what no version of the library
// may send.
func TestReceiversTakeOddBodies(t *testing.T) {
	ran := languages(t)
	const (
		fields     = `SELECT subscriber, field, value FROM fields ORDER BY subscriber, field`
		suppressed = `SELECT email, scope, why FROM suppressed ORDER BY email, scope`
		lists      = `SELECT list, subscriber, subscribed FROM memberships ORDER BY list, subscriber`
	)
	const date, later = "&date_time=2026-03-31T09:00:00-05:00&initiated_from=public&list=12", "&date_time=2026-03-31T09:00:01-05:00&initiated_from=public&list=12"
	for _, c := range []struct {
		name, folder string
		bodies       []string
		rows         map[string][]string
	}{
		{"a cleared field comes empty, and one that does not come is as it was", "sync", []string{
			"type=update&contact[id]=1&contact[email]=a@example.com&contact[fields][7]=" + later,
			"type=subscribe&contact[id]=1&contact[email]=a@example.com&contact[fields][7]=London&contact[fields][8]=x" + date,
		}, map[string][]string{fields: {"1|7|", "1|8|x"}, lists: {"12|1|1"}}},
		{"no person, and one without a name", "sync", []string{
			"type=subscribe" + date, "type=update&contact[fields][7]=x" + date, "type=unsubscribe&subscriber[id]=&subscriber[email]=" + date,
			"type=subscribe&contact[id]=2&contact[email]=b@example.com" + date,
		}, map[string][]string{fields: nil, lists: {"12|2|1"}}},
		{"a bounce that does not say its type", "suppress", []string{
			"type=bounce&contact[id]=1&contact[email]=a@example.com" + date,
			"type=bounce&contact[id]=1&contact[email]=a@example.com&bounce[code]=5.1.1" + date,
			"type=bounce&contact[id]=1&contact[email]=&bounce[type]=hard" + date,
			"type=bounce&bounce[type]=hard" + date,
		}, map[string][]string{suppressed: nil}},
	} {
		for _, l := range ran {
			t.Run(c.folder+" in "+l.name+": "+c.name, func(t *testing.T) {
				data := filepath.Join(t.TempDir(), "receiver.db")
				secret := webhook.NewSecret()
				host := serve(t, l, c.folder, secret.Key, data)
				for i, body := range c.bodies {
					status, _ := receivertest.Post(t, host, body, receivertest.Signed(secret, fmt.Sprint("msg_", i), time.Now().Unix(), body))
					assert.Equal(t, http.StatusOK, status, body)
				}
				for query, want := range c.rows {
					assert.Equal(t, want, rows(t, data, query))
				}
			})
		}
	}
}
