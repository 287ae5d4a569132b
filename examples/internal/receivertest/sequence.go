package receivertest

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/listhook/webhook"
)

// SequenceBodies are of events about one person, in their order: a subscription to
// the lists 12 and 13, an update, and an unsubscription from 12. The clock of the
// server that emitted the first two was three seconds fast.
var SequenceBodies = []string{
	"type=subscribe&contact[id]=1&contact[email]=a@example.com&contact[first_name]=Ada&list=12&initiated_from=public&date_time=2026-03-31T09:00:03Z",
	"type=subscribe&contact[id]=1&contact[email]=a@example.com&contact[first_name]=Augusta&list=13&initiated_from=public&date_time=2026-03-31T09:00:03Z",
	"type=unsubscribe&contact[id]=1&contact[email]=a@example.com&list=12&initiated_from=public&date_time=2026-03-31T09:00:00Z",
}

// Sequenced returns the headers of the request that brings SequenceBodies[i].
func Sequenced(s webhook.Secret, i int) http.Header {
	at := time.Date(2026, 3, 31, 9, 0, 3, i*int(time.Millisecond), time.UTC)
	if i == 2 {
		at = at.Add(-3 * time.Second)
	}
	h := Signed(s, fmt.Sprint("sequence_", i), time.Now().Unix(), SequenceBodies[i])
	h.Set(webhook.HeaderSequence, strconv.Itoa(7+i))
	h.Set(webhook.HeaderEventTime, strconv.FormatInt(at.UnixMilli(), 10))
	return h
}

// SameTimeBodies are of events about one person, in their order, at one time: somebody
// subscribes to the list 12, leaves it, comes back, and subscribes to 13.
var SameTimeBodies = []string{
	"type=subscribe&contact[id]=1&contact[email]=a@example.com&list=12&initiated_from=public&date_time=2026-03-31T09:00:00Z",
	"type=unsubscribe&contact[id]=1&contact[email]=a@example.com&list=12&initiated_from=public&date_time=2026-03-31T09:00:00Z",
	"type=subscribe&contact[id]=1&contact[email]=a@example.com&list=12&initiated_from=public&date_time=2026-03-31T09:00:00Z",
	"type=subscribe&contact[id]=1&contact[email]=a@example.com&list=13&initiated_from=public&date_time=2026-03-31T09:00:00Z",
}

// SameTime returns the headers of the request that brings SameTimeBodies[i].
func SameTime(s webhook.Secret, i int) http.Header {
	h := Signed(s, fmt.Sprint("same_time_", i), time.Now().Unix(), SameTimeBodies[i])
	h.Set(webhook.HeaderSequence, strconv.Itoa(7+i))
	h.Set(webhook.HeaderEventTime, strconv.FormatInt(time.Date(2026, 3, 31, 9, 0, 0, 0, time.UTC).UnixMilli(), 10))
	return h
}

// SequenceBatch returns the body of one request that brings SequenceBodies in an order.
func SequenceBatch(order []int) string {
	items := make([]string, len(order))
	for n, i := range order {
		h := Sequenced(webhook.Secret{}, i)
		items[n] = fmt.Sprintf("id=%s&sequence=%s&event_time=%s&%s",
			h.Get(webhook.HeaderID), h.Get(webhook.HeaderSequence), h.Get(webhook.HeaderEventTime), SequenceBodies[i])
	}
	return Batch(items...)
}

// Permutations returns the orders of the numbers below n.
func Permutations(n int) [][]int {
	if n == 0 {
		return [][]int{{}}
	}
	var all [][]int
	for _, shorter := range Permutations(n - 1) {
		for at := range n {
			one := append([]int{}, shorter[:at]...)
			all = append(all, append(append(one, n-1), shorter[at:]...))
		}
	}
	return all
}
