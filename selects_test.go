package webhook_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/listhook/webhook"
)

// A store with one queue for each webhook claims by turns. The turns begin behind the
// webhook that had the last one, and end with that.
func ExampleClaim_Turns() {
	queues := map[string][]string{"w1": {"a"}, "w2": {"b", "c", "d"}, "w3": {"e"}, "w4": {"f", "g"}}
	ids := []string{"w1", "w2", "w3", "w4"} // in order
	next := func(after string) (string, bool) {
		i, found := slices.BinarySearch(ids, after)
		if found {
			i++
		}
		if i == len(ids) {
			return "", false
		}
		return ids[i], true
	}

	claim := webhook.Claim{After: "w2", Limit: 4, Each: 2, Room: map[string]int{"w3": 0}}
	left := claim.Limit
	for id, room := range claim.Turns(next) {
		if left == 0 {
			break
		}
		taken := queues[id][:min(room, left, len(queues[id]))]
		left -= len(taken)
		fmt.Println(id, taken)
	}
	// Output:
	// w4 [f g]
	// w1 [a]
	// w2 [b]
}

func TestAChangeIsAppliedToADocument(t *testing.T) {
	at := time.Date(2013, 1, 2, 9, 28, 42, 0, time.UTC)
	stored := webhook.Delivery{
		ID: "d", Body: []byte("body"), Carrier: map[string]string{"a": "b"}, Subjects: []string{"s"}, Key: "k", State: webhook.StatePending,
		Lease: 3, Attempts: 1, Log: []webhook.Attempt{{Status: 500, Reason: "it failed"}}, Failure: "500", Joined: at, Sequence: 7,
	}
	for name, c := range map[string]struct {
		change webhook.Change
		want   func(d *webhook.Delivery)
	}{
		"to another time": {webhook.Change{State: webhook.StatePending, Due: at, Attempts: 2, Joined: at.Add(1)}, func(*webhook.Delivery) {}},
		"to its end": {webhook.Change{State: webhook.StateDelivered, Due: at, Attempts: 2, Log: &webhook.Attempt{Status: 200}}, func(d *webhook.Delivery) {
			d.State, d.Failure = webhook.StateDelivered, ""
			d.Log = append(slices.Clone(d.Log), webhook.Attempt{Status: 200})
		}},
		"out of its line": {webhook.Change{State: webhook.StatePending, Due: at, Attempts: 2, LeaveLine: true, Joined: at.Add(1)}, func(d *webhook.Delivery) { d.PassedOver = true }},
		"without its body": {webhook.Change{State: webhook.StateDelivered, Due: at, Attempts: 2, DropBody: true}, func(d *webhook.Delivery) {
			d.State, d.Body = webhook.StateDelivered, nil
		}},
		"to be forgotten": {webhook.Change{State: webhook.StateCanceled, Due: at, Attempts: 2, Erase: true}, func(d *webhook.Delivery) {
			d.State = webhook.StateCanceled
			d.Body, d.Carrier, d.Log, d.Failure, d.Key, d.Subjects = nil, nil, nil, "", "", nil
		}},
		"to be forgotten, with a note": {webhook.Change{
			State: webhook.StatePending, Due: at, Attempts: 2, Erase: true, Log: &webhook.Attempt{Reason: "it was erased", Code: "canceled"},
		}, func(d *webhook.Delivery) {
			d.Body, d.Carrier, d.Key, d.Subjects = nil, nil, "", nil
			d.Log, d.Failure = []webhook.Attempt{{Reason: "it was erased", Code: "canceled"}}, "canceled"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got, want := stored, stored
			c.change.ApplyTo(&got)
			want.Lease, want.Due, want.Attempts = 4, at, 2
			c.want(&want)
			assert.Equal(t, want, got)
			assert.Equal(t, want.Key != "" && want.State == webhook.StatePending && !want.PassedOver, got.InLine())
		})
	}

	ended := stored
	ended.State, ended.PassedOver = webhook.StateFailed, true
	webhook.Change{State: webhook.StatePending, Due: at, Joined: at.Add(time.Hour)}.ApplyTo(&ended)
	assert.Equal(t, at.Add(time.Hour), ended.Joined, "it joins its line again")
	assert.False(t, ended.PassedOver)
	assert.EqualValues(t, 7, ended.Sequence)
}
