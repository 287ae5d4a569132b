package receivertest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/listhook/webhook"
)

// Batch returns the form of a request that brings several events, made without the
// library: each item is the form of one, with its id.
func Batch(items ...string) string {
	var pairs []string
	for i, item := range items {
		for pair := range strings.SplitSeq(item, "&") {
			name, value, _ := strings.Cut(pair, "=")
			first, rest, nested := strings.Cut(name, "[")
			if nested {
				rest = "[" + rest
			}
			pairs = append(pairs, fmt.Sprintf("events[%d][%s]%s=%s", i, first, rest, value))
		}
	}
	return strings.Join(pairs, "&")
}

// PHPLimits are settings of PHP by which it cuts off BatchOf(10), but not BatchOf(1).
var PHPLimits = []string{"max_input_vars=20", "post_max_size=500"}

// BatchOf returns the form of a request that brings subscriptions of so many people.
func BatchOf(events int) string {
	items := make([]string, events)
	for i := range items {
		items[i] = fmt.Sprintf("id=batch_of_%[1]d&type=subscribe&date_time=2026-03-31T09:00:00Z&list=12"+
			"&contact[id]=%[1]d&contact[email]=%[1]d@example.com", i)
	}
	return Batch(items...)
}

// testBatches has the library send several events in one request: as they are, again,
// and some of them among others.
func testBatches(t *testing.T, start Start) {
	for _, format := range webhook.Formats() {
		t.Run(string(format), func(t *testing.T) {
			secret := webhook.NewSecret()
			host, file := start(t, secret)
			s := NewSender(t, host)
			id := s.Batched(host, 5, format, secret)
			ada := webhook.Subscriber{ID: "1", Email: "ada@example.com", FirstName: "Ada", Fields: map[string]string{"7": "a", "15": "b"}}
			grace := webhook.Subscriber{ID: "2", Email: "grace@example.com", FirstName: "Grace"}
			in := webhook.Meta{Lists: []string{"12"}, Source: webhook.SourcePublic}

			ds := s.Deliver(5, webhook.Subscribe{Meta: in, Subscriber: ada}, webhook.Subscribe{Meta: in, Subscriber: grace},
				webhook.Sample(webhook.TypeOpen), webhook.Sample(webhook.TypeOpen), webhook.Sample(webhook.TypeSent))
			answers, requests := Answers(ds)
			assert.Less(t, requests, 5)
			for _, answer := range answers {
				assert.Equal(t, "thank you\n", answer)
			}
			state := ReadState(t, file)
			assert.Equal(t, []string{"12/1", "12/2"}, state.subscribed())
			assert.Equal(t, map[string]int{"open": 2}, state.Reactions["34"])
			assert.Equal(t, "January newsletter", state.Campaigns["34"].Name)
			assert.Len(t, state.People["1"].Fields, 2)
			assert.Len(t, state.Seen, 5)

			for _, d := range ds {
				assert.NoError(t, s.Redeliver(t.Context(), "", d.ID))
			}
			answers, _ = Answers(s.Await(5))
			for _, answer := range answers {
				assert.Equal(t, "had it\n", answer)
			}
			assert.Equal(t, state, ReadState(t, file))

			a, err := s.SendTest(t.Context(), "", id, webhook.TypeOpen)
			assert.NoError(t, err)
			assert.Equal(t, "it works\n", string(a.Response))
			assert.Equal(t, state, ReadState(t, file))
		})
	}
	testBatchesByHand(t, start)
}

// testBatchesByHand sends batches with known and new events together, and malformed ones
// that no version of the library sends.
func testBatchesByHand(t *testing.T, start Start) {
	const open = "&type=open&campaign[id]=34&date_time=2026-03-31T09:00:00Z"
	secret := webhook.NewSecret()
	host, file := start(t, secret)
	for i, test := range []struct {
		body   string
		status int
		opens  int // in all, until then
	}{
		{Batch("id=a"+open, "id=b"+open), 200, 2},
		{Batch("id=b"+open, "id=c"+open, "id=a"+open), 200, 3},
		{Batch("id=d"+open, "id=d"+open), 200, 4},
		{Batch("id=test_1"+open, "id=e"+open), 200, 5},
		{Batch("id=f"+open, "id=g"), 400, 5}, // one answer for all: nothing is kept
		{Batch("id=f"+open, "type=open"), 400, 5},
		{"events=x", 400, 5},
		{"events[0]=x", 400, 5},
		{Batch("id=f" + open), 200, 6},
	} {
		status, answer := Post(t, host, test.body, Signed(secret, fmt.Sprint("batch_", i), time.Now().Unix(), test.body))
		assert.Equal(t, test.status, status, "%s: %s", test.body, answer)
		assert.Equal(t, test.opens, ReadState(t, file).Reactions["34"]["open"], test.body)
	}
	const broken = `[{"id":"h","type":"open"},null]`
	h := Signed(secret, "batch_json", time.Now().Unix(), broken)
	h.Set("Content-Type", "application/json")
	status, _ := Post(t, host, broken, h)
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, 6, ReadState(t, file).Reactions["34"]["open"])
}
