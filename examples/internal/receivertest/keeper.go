package receivertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// A State is the content of a receiver's file, in JSON.
type State struct {
	People map[string]struct { // by ID, or by address
		Email     string
		FirstName string `json:"first_name"`
		Fields    map[string]struct{ Value string }
	}
	Lists     map[string]map[string]struct{ Subscribed bool } // by list and person
	Reactions map[string]map[string]int                       // by campaign and type
	Campaigns map[string]struct{ Name, Started string }
	Seen      map[string]int64
}

// ReadState reads a receiver's file.
func ReadState(t *testing.T, file string) (s State) {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(content, &s), "%s", content)
	return s
}

// subscribed lists who is subscribed, as list/person.
func (s State) subscribed() []string {
	members := []string{}
	for list, people := range s.Lists {
		for person, is := range people {
			if is.Subscribed {
				members = append(members, list+"/"+person)
			}
		}
	}
	slices.Sort(members)
	return members
}

// A Start serves a receiver that has the secret, and returns the file of its
// state.
type Start func(t *testing.T, secret webhook.Secret) (host, file string)

// TestKeeper checks what a receiver keeps: the same whatever the order in which
// the events arrive, and however often.
func TestKeeper(t *testing.T, start Start) {
	t.Run("it understands the nine", func(t *testing.T) { testNine(t, start) })
	t.Run("a test changes nothing", func(t *testing.T) { testTests(t, start) })
	t.Run("it does each thing once", func(t *testing.T) { testOnce(t, start) })
	t.Run("an older event never undoes a newer one", func(t *testing.T) { testSequence(t, start) })
	t.Run("of one time, the sequence counts", func(t *testing.T) { testSameTime(t, start) })
	t.Run("it takes every event of a request", func(t *testing.T) { testBatches(t, start) })
	t.Run("field ids stay", func(t *testing.T) { testFieldIDs(t, start) })
	t.Run("odd bodies", func(t *testing.T) { testOddBodies(t, start) })
	secret := webhook.NewSecret()
	host, file := start(t, secret)
	for _, c := range orders() {
		for _, order := range []string{"as they happened", "backwards"} {
			t.Run(c.name+", "+order, func(t *testing.T) {
				forget(t, file)
				s := NewSender(t, host)
				s.Ordered(host, webhook.OrderNone, webhook.FormatCurrent, secret) // the times alone say the order
				events := slices.Clone(c.events)
				if order == "backwards" {
					slices.Reverse(events)
				}
				for _, e := range events {
					s.Deliver(1, e)
				}
				state := ReadState(t, file)
				assert.Equal(t, c.subscribed, state.subscribed())
				for id, name := range c.names {
					assert.Equal(t, name, state.People[id].FirstName)
				}
			})
		}
	}
}

// forget removes what a receiver keeps, which it reads for each event.
func forget(t *testing.T, file string) {
	t.Helper()
	if err := os.Remove(file); !errors.Is(err, fs.ErrNotExist) {
		require.NoError(t, err)
	}
}

// day is the beginning of a day in which the events happen.
var day = time.Date(2026, 3, 31, 9, 0, 0, 0, time.UTC)

type order struct {
	name       string
	events     []webhook.Event
	subscribed []string
	names      map[string]string // by ID
}

func orders() []order {
	id := 0
	meta := func(second int, lists []string) webhook.Meta {
		id++ // as the library makes them: the time, to the millisecond, comes first
		at := day.UnixMilli() + int64(id)
		return webhook.Meta{
			ID:    fmt.Sprintf("%08x-%04x-7000-8000-%012x", at>>16, at&0xffff, id),
			Lists: lists, Source: webhook.SourcePublic, Time: day.Add(time.Duration(second) * time.Second),
		}
	}
	subscribe := func(second int, s webhook.Subscriber, lists ...string) webhook.Event {
		return webhook.Subscribe{Meta: meta(second, lists), Subscriber: s}
	}
	unsubscribe := func(second int, s webhook.Subscriber, lists ...string) webhook.Event {
		return webhook.Unsubscribe{Meta: meta(second, lists), Subscriber: s}
	}
	update := func(second int, s webhook.Subscriber, lists ...string) webhook.Event {
		return webhook.Update{Meta: meta(second, lists), Subscriber: s}
	}
	bounce := func(second int, s webhook.Subscriber, kind webhook.BounceType, lists ...string) webhook.Event {
		return webhook.Bounce{Meta: meta(second, lists), Subscriber: s, Details: webhook.BounceDetails{Type: kind}}
	}
	ada := webhook.Subscriber{ID: "1", Email: "Ada@example.com", FirstName: "Ada"}
	grace := webhook.Subscriber{ID: "2", Email: "grace@example.com", FirstName: "Grace"}
	augusta := webhook.Subscriber{ID: "1", Email: "augusta@example.com", FirstName: "Augusta"}
	bare := webhook.Subscriber{ID: "1", Email: "ada@example.com"}
	alan := webhook.Subscriber{Email: "alan@example.com", FirstName: "Alan"}
	return []order{
		{"an unsubscription of the same second wins",
			[]webhook.Event{subscribe(5, ada, "12"), unsubscribe(5, ada, "12")}, []string{}, nil},
		{"a later subscription counts",
			[]webhook.Event{unsubscribe(5, ada, "12"), subscribe(6, ada, "12")}, []string{"12/1"}, nil},
		{"who leaves one list stays on the other",
			[]webhook.Event{subscribe(1, ada, "12"), subscribe(1, ada, "13"), unsubscribe(2, ada, "12")}, []string{"13/1"}, nil},
		{"who leaves without a list leaves every list",
			[]webhook.Event{subscribe(1, ada, "12"), subscribe(2, ada, "13"), unsubscribe(2, ada), subscribe(3, ada, "14")},
			[]string{"14/1"}, nil},
		{"an update subscribes nobody",
			[]webhook.Event{update(1, grace, "12"), subscribe(1, ada, "12"), unsubscribe(2, ada, "12"), update(3, augusta, "12")},
			[]string{}, map[string]string{"1": "Augusta", "2": "Grace"}},
		{"an update says more than a subscription of the same second",
			[]webhook.Event{subscribe(5, ada, "12"), update(5, augusta, "12")}, []string{"12/1"}, map[string]string{"1": "Augusta"}},
		{"the later update of one second counts",
			[]webhook.Event{update(5, ada, "12"), update(5, augusta, "12")}, []string{}, map[string]string{"1": "Augusta"}},
		{"an unsubscription says nothing of a person who is known",
			[]webhook.Event{subscribe(1, ada, "12"), unsubscribe(2, bare, "12")}, []string{}, map[string]string{"1": "Ada"}},
		{"a hard bounce is for every list",
			[]webhook.Event{
				subscribe(1, ada, "12"), subscribe(1, ada, "13"), subscribe(1, grace, "12"), subscribe(1, alan, "12"),
				bounce(2, ada, webhook.BounceHard), bounce(3, grace, webhook.BounceHard, "13"), bounce(4, alan, webhook.BounceSoft),
			}, []string{"12/alan@example.com"}, nil},
		{"a hard bounce is of an address",
			[]webhook.Event{subscribe(1, ada, "12"), bounce(2, ada, webhook.BounceHard, "12"), update(3, augusta, "12")},
			[]string{"12/1"}, nil},
		{"an app without IDs knows people by address",
			[]webhook.Event{
				subscribe(1, alan, "12"), subscribe(1, webhook.Subscriber{Email: "ann@example.com"}, "12"), unsubscribe(2, alan, "12"),
			}, []string{"12/ann@example.com"}, map[string]string{"alan@example.com": "Alan"}},
	}
}

func testNine(t *testing.T, start Start) {
	for _, format := range webhook.Formats() {
		t.Run(string(format), func(t *testing.T) {
			secret := webhook.NewSecret()
			host, file := start(t, secret)
			s := NewSender(t, host)
			s.Webhook(host, format, secret)

			s.Deliver(1, webhook.Sample(webhook.TypeSubscribe))
			state := ReadState(t, file)
			assert.True(t, state.Lists["12"]["12"].Subscribed)
			person := state.People["12"]
			assert.Equal(t, "test@test.com", person.Email)
			assert.Len(t, person.Fields, 3)
			assert.Equal(t, "test value", person.Fields["7"].Value)
			assert.Equal(t, "2013-01-03", person.Fields["16"].Value)

			s.Deliver(1, webhook.Sample(webhook.TypeUpdate))
			state = ReadState(t, file)
			assert.True(t, state.Lists["12"]["12"].Subscribed)
			assert.Equal(t, "||Red||Green||", state.People["12"].Fields["21"].Value)

			s.Deliver(1, webhook.Sample(webhook.TypeUnsubscribe))
			assert.False(t, ReadState(t, file).Lists["12"]["12"].Subscribed)

			for _, reaction := range []webhook.EventType{webhook.TypeOpen, webhook.TypeClick, webhook.TypeForward, webhook.TypeShare} {
				s.Deliver(1, webhook.Sample(reaction))
			}
			s.Deliver(1, webhook.Sample(webhook.TypeOpen), webhook.Sample(webhook.TypeBounce))
			s.Await(1)
			assert.Equal(t, map[string]int{"open": 2, "click": 1, "forward": 1, "share": 1}, ReadState(t, file).Reactions["34"])

			s.Deliver(1, webhook.Sample(webhook.TypeSent))
			assert.Equal(t, "January newsletter", ReadState(t, file).Campaigns["34"].Name)
		})
	}
}

// testTests sends the tests that the webhook's page can send.
func testTests(t *testing.T, start Start) {
	secret := webhook.NewSecret()
	host, file := start(t, secret)
	s := NewSender(t, host)
	id := s.Webhook(host, webhook.FormatCurrent, secret)
	s.Deliver(1, webhook.Sample(webhook.TypeOpen))
	before := ReadState(t, file)
	for _, event := range webhook.EventTypes() {
		a, err := s.SendTest(t.Context(), "", id, event)
		require.NoError(t, err)
		assert.Equal(t, "it works\n", string(a.Response))
	}
	assert.Equal(t, before, ReadState(t, file))
}

func testOnce(t *testing.T, start Start) {
	secret := webhook.NewSecret()
	host, file := start(t, secret)
	s := NewSender(t, host)
	s.Webhook(host, webhook.Format2013, secret)

	d := s.Deliver(1, webhook.Sample(webhook.TypeOpen))[0]
	assert.Equal(t, "thank you\n", Answer(d))
	before := ReadState(t, file)

	require.NoError(t, s.Redeliver(t.Context(), d.Account, d.ID))
	d = s.Await(1)[0]
	assert.Equal(t, "had it\n", Answer(d))
	assert.Equal(t, before, ReadState(t, file))

	// A sender keeps a delivery for 30 days after it has ended, which may be some 30 days
	// after the first attempt at it.
	age(t, file, d.ID, 60*24*time.Hour)
	s.Deliver(1, webhook.Sample(webhook.TypeSent)) // the receiver forgets what is too old
	require.NoError(t, s.Redeliver(t.Context(), d.Account, d.ID))
	assert.Equal(t, "had it\n", Answer(s.Await(1)[0]))
}

// age changes what a receiver keeps as if a delivery had come so long ago.
func age(t *testing.T, file, id string, by time.Duration) {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	var state map[string]any
	require.NoError(t, json.Unmarshal(content, &state))
	state["seen"].(map[string]any)[id] = time.Now().Add(-by).Unix()
	content, err = json.Marshal(state)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, content, 0o600))
}

// testSequence sends events whose times contradict their sequence, as those of servers
// with different clocks do, in every order and again.
func testSequence(t *testing.T, start Start) {
	secret := webhook.NewSecret()
	host, file := start(t, secret)
	for _, order := range Permutations(3) {
		for how, send := range map[string]func(){
			"one by one": func() {
				for _, i := range order {
					status, answer := Post(t, host, SequenceBodies[i], Sequenced(secret, i))
					assert.Equal(t, http.StatusOK, status, "%s", answer)
				}
			},
			"in one request": func() {
				body := SequenceBatch(order)
				status, answer := Post(t, host, body, Signed(secret, "batch_1", time.Now().Unix(), body))
				assert.Equal(t, http.StatusOK, status, "%s", answer)
			},
		} {
			forget(t, file)
			send()
			send()
			state := ReadState(t, file)
			assert.Equal(t, []string{"13/1"}, state.subscribed(), "%v %s", order, how)
			assert.Equal(t, "Augusta", state.People["1"].FirstName, "%v %s", order, how)
		}
	}
}

// testSameTime sends events of one time, whose sequence alone says their order, in every
// order.
func testSameTime(t *testing.T, start Start) {
	secret := webhook.NewSecret()
	host, file := start(t, secret)
	for _, order := range Permutations(len(SameTimeBodies)) {
		forget(t, file)
		for _, i := range order {
			status, answer := Post(t, host, SameTimeBodies[i], SameTime(secret, i))
			assert.Equal(t, http.StatusOK, status, "%s", answer)
		}
		assert.Equal(t, []string{"12/1", "13/1"}, ReadState(t, file).subscribed(), "%v", order)
	}
}

// Small numbers as ids are what parsers take for the places of a list, and some
// names are those of what every object has.
func testFieldIDs(t *testing.T, start Start) {
	secret := webhook.NewSecret()
	host, file := start(t, secret)
	for _, fields := range []map[string]string{
		{"7": "a", "15": "b", "16": "c"},
		{"0": "a", "1": "b", "2": "c"},
		{"1": "a"},
		{"3": "a", "20": "b", "21": "c", "1000": "d"},
		{"007": "a", "-1": "b", "1e3": "c", "18446744073709551616": "d"},
		{"toString": "a", "length": "b", "__proto__": "c", "constructor": "d", "hasOwnProperty": "e"},
		{"a.b": "a", "a b": "b", "Größe": "c", "a=b&c": "d"},
	} {
		forget(t, file)
		s := NewSender(t, host)
		s.Webhook(host, webhook.FormatCurrent, secret)
		e := webhook.Sample(webhook.TypeSubscribe).(webhook.Subscribe)
		e.Subscriber.Fields = fields
		s.Deliver(1, e)
		s.Deliver(1, webhook.Sample(webhook.TypeOpen)) // what was kept is read and kept again
		got := map[string]string{}
		for id, field := range ReadState(t, file).People["12"].Fields {
			got[id] = field.Value
		}
		assert.Equal(t, fields, got)
	}
}

// The bodies are made by hand, so that they hold what no version of the library
// may send.
func testOddBodies(t *testing.T, start Start) {
	const date = "&initiated_from=public&list=12&date_time=2026-03-31T09:00:0"
	secret := webhook.NewSecret()
	host, file := start(t, secret)
	for i, test := range []struct {
		body   string
		status int
	}{
		{"type=update&contact[id]=1&contact[email]=a@example.com&contact[fields][7]=" + date + "1Z", 200}, // a later one: cleared
		{"type=subscribe&contact[id]=1&contact[email]=a@example.com&contact[fields][7]=London&contact[fields][8]=x" + date + "0Z", 200},
		{"type=update&contact[id]=1&contact[email]=a@example.com" + date + "2Z", 200}, // a field that does not come is as it was
		{"type=subscribe" + date + "0Z", 200},
		{"type=subscribe&contact=x" + date + "0Z", 200},
		{"type=subscribe&contact[id]=&contact[email]=" + date + "0Z", 200},
		{"type=bounce&contact[id]=1" + date + "3Z", 200},
		{"type=bounce&contact[id]=1&contact[email]=a@example.com&bounce[code]=5.1.1" + date + "3Z", 200},
		{"type=reply&contact[id]=1" + date + "0Z", 200},
		{"a=b", 400},
		{"type[]=open", 400},
	} {
		status, answer := Post(t, host, test.body, Signed(secret, fmt.Sprint("odd_", i), time.Now().Unix(), test.body))
		assert.Equal(t, test.status, status, "%s: %s", test.body, answer)
	}
	state := ReadState(t, file)
	assert.Equal(t, []string{"12/1"}, state.subscribed())
	require.Len(t, state.People, 1)
	assert.Len(t, state.People["1"].Fields, 2)
	assert.Empty(t, state.People["1"].Fields["7"].Value)
	assert.Equal(t, "x", state.People["1"].Fields["8"].Value)
	assert.Len(t, state.Seen, 9)

	status, _ := Request(t, http.MethodGet, host, "", nil)
	assert.Contains(t, []int{http.StatusMethodNotAllowed, http.StatusNotFound}, status)
}
