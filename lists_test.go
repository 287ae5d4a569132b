package webhook_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// of returns a sample of a type with an ID and lists of its own.
func of(t webhook.EventType, id string, lists ...string) webhook.Event {
	m := webhook.Meta{ID: id, Lists: lists, Source: webhook.SourcePublic}
	switch e := webhook.Sample(t).(type) {
	case webhook.Subscribe:
		e.Meta = m
		return e
	case webhook.Unsubscribe:
		e.Meta = m
		return e
	case webhook.Update:
		e.Meta = m
		return e
	case webhook.Sent:
		e.Meta = m
		return e
	case webhook.Open:
		e.Meta = m
		return e
	case webhook.Click:
		e.Meta = m
		return e
	case webhook.Forward:
		e.Meta = m
		return e
	case webhook.Share:
		e.Meta = m
		return e
	case webhook.Bounce:
		e.Meta = m
		return e
	}
	panic("an unknown type")
}

// tied is a webhook of one list.
func tied(list string) func(*webhook.Webhook) {
	return func(w *webhook.Webhook) { w.List, w.URL = list, "https://receiver.test/"+list }
}

// listsSent returns the lists that requests named, by the request's path.
func (r *harness) listsSent() map[string][]string {
	lists := map[string][]string{}
	for _, got := range r.receiver.requests() {
		lists[got.URL] = append(lists[got.URL], got.Form.Get("list"))
	}
	for _, named := range lists {
		slices.Sort(named)
	}
	return lists
}

func TestAnEventOfSeveralLists(t *testing.T) {
	for _, typ := range webhook.EventTypes() {
		each := typ == webhook.TypeSubscribe || typ == webhook.TypeUnsubscribe
		for _, c := range []struct {
			name  string
			lists []string
			every []string // of the webhook of every list, where each list has a delivery
			once  string   // where the event has one
			own   bool     // whether the webhook of list 13 gets it
		}{
			{"none", nil, []string{"0"}, "0", false},
			{"one", []string{"13"}, []string{"13"}, "13", true},
			{"one that is no webhook's", []string{"12"}, []string{"12"}, "12", false},
			{"several", []string{"14", "13", "12"}, []string{"12", "13", "14"}, "14", true},
			{"one twice", []string{"13", "13"}, []string{"13"}, "13", true},
			{"some twice", []string{"13", "12", "13", "12"}, []string{"12", "13"}, "13", true},
		} {
			t.Run(string(typ)+" of "+c.name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					var enqueued int
					r := newHarness(t, &webhook.Options{Hooks: webhook.Hooks{
						Enqueued: func(ds []webhook.Delivery) { enqueued += len(ds) },
					}}).start()
					every := r.put(nil)
					r.put(tied("13"))
					r.put(tied("15"))
					e := of(typ, "e1", c.lists...)
					r.emit(e)
					synctest.Wait()

					want := map[string][]string{every.URL: {c.once}}
					if each {
						want[every.URL] = c.every
					}
					if c.own {
						want["https://receiver.test/13"] = []string{"13"}
					}
					assert.Equal(t, want, r.listsSent())
					ids := map[string]bool{}
					for _, d := range r.log() {
						ids[d.ID] = true
						assert.Equal(t, "e1", d.EventID)
					}
					assert.Len(t, ids, len(r.receiver.requests()))
					assert.Equal(t, len(ids), enqueued)

					explained, err := r.Explain(r.ctx, e)
					require.NoError(t, err)
					for _, x := range explained {
						assert.Equal(t, want[x.Webhook.URL], x.Lists)
						assert.Equal(t, len(x.Lists) > 0, x.Matches)
						if len(x.Lists) > 1 {
							assert.Contains(t, x.Reason, fmt.Sprintf("%d times", len(x.Lists)))
						}
					}
				})
			})
		}
	}
}

func TestExplainSaysWhichListsAreNamed(t *testing.T) {
	r := newHarness(t, nil)
	r.put(nil)
	r.put(tied("13"))
	var many []string
	for i := range 600 {
		many = append(many, strconv.Itoa(i+1))
	}
	for _, c := range []struct {
		event webhook.Event
		every string
		own   string
	}{
		{of(webhook.TypeUnsubscribe, "", "13"), "The webhook gets the event.", "The webhook gets the event."},
		{
			of(webhook.TypeUnsubscribe, "", "14", "13"),
			"The webhook gets the event. It comes 2 times, once for each of the event's lists: 13, 14.",
			"The webhook gets the event. It names the webhook's own list, 13.",
		},
		{
			of(webhook.TypeOpen, "", "14", "13"),
			"The webhook gets the event. It comes once and names 14, the first of the event's lists: 14, 13.",
			"The webhook gets the event. It names the webhook's own list, 13.",
		},
		{
			of(webhook.TypeSubscribe, "", many...),
			"The webhook gets the event. It comes 600 times, once for each of the event's lists: 1, 10, 100, 101, 102, 103, 104, 105, 106, 107 and 590 more.",
			"The webhook gets the event. It names the webhook's own list, 13.",
		},
	} {
		explained, err := r.Explain(r.ctx, c.event)
		require.NoError(t, err)
		require.Len(t, explained, 2)
		for _, x := range explained {
			want := c.every
			if x.Webhook.List != "" {
				want = c.own
			}
			assert.Equal(t, want, x.Reason)
		}
	}
}

func TestEmittingSeveralListsAgain(t *testing.T) {
	for _, c := range []struct {
		name          string
		first, second []string
		every         []string // what comes in all, to the webhook of every list
	}{
		{"the same", []string{"12", "13"}, []string{"12", "13"}, []string{"12", "13"}},
		{"in another order", []string{"12", "13", "14"}, []string{"14", "12", "13"}, []string{"12", "13", "14"}},
		{"with one twice", []string{"12", "13"}, []string{"13", "12", "13"}, []string{"12", "13"}},
		{"with one more", []string{"12", "13"}, []string{"12", "13", "14"}, []string{"12", "13", "14"}},
		{"with a smaller one more", []string{"12", "13"}, []string{"11", "12", "13"}, []string{"11", "12", "13"}},
		{"with one less", []string{"12", "13", "14"}, []string{"14", "12"}, []string{"12", "13", "14"}},
		// The ID of an event of one list does not name it, as before there were
		// several: nothing is lost, and that list comes twice.
		{"with a second one", []string{"12"}, []string{"12", "13"}, []string{"12", "12", "13"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newHarness(t, nil).start()
				every := r.put(nil)
				own := r.put(tied("12"))
				r.emit(of(webhook.TypeUnsubscribe, "same", c.first...))
				synctest.Wait()
				other := r.another(nil) // of another process
				require.NoError(t, other.Emit(r.ctx, of(webhook.TypeUnsubscribe, "same", c.second...)))
				require.NoError(t, other.EmitTx(r.ctx, r.store, of(webhook.TypeUnsubscribe, "same", c.second...)))
				time.Sleep(time.Minute)
				assert.Equal(t, map[string][]string{every.URL: c.every, own.URL: {"12"}}, r.listsSent())
			})
		})
	}
}

// What was emitted before events had a delivery for each list is known again.
func TestADeliverysIDStaysAsItWasForOneList(t *testing.T) {
	const id = "0193595f-7a4c-7cc3-98c4-dc0c0c07398f"
	for _, c := range []struct {
		name  string
		typ   webhook.EventType
		event string
		own   string // the list that the webhook is tied to
		lists []string
		want  string
	}{
		{"no list", webhook.TypeUnsubscribe, "e1", "", nil, "msg_896d542454e198bcd16552c1109f761e"},
		{"one list", webhook.TypeUnsubscribe, "e1", "", []string{"12"}, "msg_896d542454e198bcd16552c1109f761e"},
		{"one list twice", webhook.TypeUnsubscribe, "e1", "", []string{"12", "12"}, "msg_896d542454e198bcd16552c1109f761e"},
		{"a webhook of one of several", webhook.TypeUnsubscribe, "e1", "12", []string{"11", "12"}, "msg_896d542454e198bcd16552c1109f761e"},
		{"several of another type", webhook.TypeOpen, "e1", "", []string{"11", "12"}, "msg_7721fdba8ebc1412166894c2ac6a505b"},
		{"an ID with a time", webhook.TypeSubscribe, id, "", []string{"12"}, "msg_0193595f7a4c915ceb4bf6d06796d4db05d3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newHarness(t, nil)
			r.put(func(w *webhook.Webhook) { w.ID, w.List = "w1", c.own })
			r.emit(of(c.typ, c.event, c.lists...))
			log := r.log()
			require.Len(t, log, 1)
			assert.Equal(t, c.want, log[0].ID)
		})
	}
}

func TestAnEventOf600Lists(t *testing.T) {
	var lists []string
	for i := range 600 {
		lists = append(lists, fmt.Sprint("list ", i))
	}
	for name, emit := range map[string]func(*harness, ...webhook.Event) error{
		"Emit":   func(r *harness, es ...webhook.Event) error { return r.Emit(r.ctx, es...) },
		"EmitTx": func(r *harness, es ...webhook.Event) error { return r.EmitTx(r.ctx, r.store, es...) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r, store := newFaultyHarness(t, nil)
				for range 3 {
					r.put(nil)
				}
				r.put(func(w *webhook.Webhook) { w.Format = webhook.FormatCurrent })
				r.put(tied("list 7"))
				var mu sync.Mutex           // events with a key and others are stored at the same time
				calls := map[string][]int{} // the rows of each event in each call
				bodies := map[*byte]bool{}
				store.fault(func(s *faultyStore) {
					s.enqueue = func(ds []webhook.Delivery) error {
						mu.Lock()
						defer mu.Unlock()
						rows := map[string]int{}
						for _, d := range ds {
							rows[d.EventID]++
							bodies[&d.Body[0]] = true
						}
						for id, n := range rows {
							calls[id] = append(calls[id], n)
						}
						return nil
					}
				})
				require.NoError(t, emit(r, of(webhook.TypeOpen, "before"), of(webhook.TypeSubscribe, "many", lists...), of(webhook.TypeOpen, "after")))
				assert.Equal(t, map[string][]int{"before": {4}, "many": {4*600 + 1}, "after": {4}}, calls, "an event is stored at once")
				assert.Len(t, bodies, 2*600+2+2, "one body for each format and list")

				r.start()
				time.Sleep(time.Minute)
				assert.Equal(t, map[webhook.State]int{webhook.StateDelivered: 4*600 + 1 + 8}, r.states())
				got := map[string]bool{}
				for _, q := range r.receiver.requests() {
					got[q.Header.Get("webhook-id")] = true
				}
				assert.Len(t, got, 4*600+1+8)
			})
		})
	}
}

func TestEachListCountsAgainstWhatIsKept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{KeepLimit: 7}).start()
		id := r.put(paused).ID
		r.emit(of(webhook.TypeUnsubscribe, "1", "12", "13", "14"))
		r.emit(of(webhook.TypeUnsubscribe, "1", "14", "13", "12")) // takes no room
		r.emit(of(webhook.TypeUnsubscribe, "2", "12", "13", "14"))
		r.emit(of(webhook.TypeUnsubscribe, "3", "12", "13"))
		time.Sleep(time.Minute)
		assert.Len(t, r.log(), 7)
		assert.Equal(t, 1, r.webhook(id).Discarded)
		r.resume(id)
		time.Sleep(time.Minute)
		sent := slices.Concat(slices.Collect(maps.Values(r.listsSent()))...)
		assert.Equal(t, []string{"12", "12", "12", "13", "13", "14", "14"}, sent)
	})
}
