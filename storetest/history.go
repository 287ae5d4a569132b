package storetest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/listhook/webhook"
)

// A history is what was asked of a store about each ID, and what it answered, for
// failures.
type history struct {
	mu    sync.Mutex
	calls int
	of    map[string][]entry
}

// An entry is what a call says of one ID.
type entry struct {
	call int // its number in the case, in the order in which calls returned
	text func() string
}

const (
	historyIDs     = 3  // whose history a failure prints
	historyEntries = 12 // of each ID, the last ones
)

func newHistory() *history { return &history{of: map[string][]entry{}} }

// next returns the number of a call that has returned.
func (h *history) next() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls++
	return h.calls
}

// note adds an entry. text may not keep what the caller can change.
func (h *history) note(call int, id string, text func() string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of[id] = append(h.of[id], entry{call, text})
}

// named returns the IDs that a text names in quotes, in that order.
func (h *history) named(text string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := map[string]int{}
	var ids []string
	for id := range h.of {
		if i := strings.Index(text, strconv.Quote(id)); i >= 0 {
			at[id] = i
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return at[a] - at[b] })
	return ids
}

// print prints the histories of IDs.
func (h *history) print(ids []string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var b strings.Builder
	printed := map[string]bool{}
	for _, id := range ids {
		entries := h.of[id]
		if len(entries) == 0 || printed[id] || len(printed) == historyIDs {
			continue
		}
		printed[id] = true
		fmt.Fprintf(&b, "\n\tcalls:  about %s", shortText(id))
		if n := len(entries) - historyEntries; n > 0 {
			fmt.Fprintf(&b, ", after %d others", n)
			entries = entries[n:]
		}
		for _, e := range entries {
			fmt.Fprintf(&b, "\n\t        %3d %s", e.call, e.text())
		}
	}
	return b.String()
}

// clock prints a time as the cases count it.
func clock(t time.Time) string {
	switch {
	case t.IsZero():
		return "0"
	case t.Equal(never):
		return "never"
	case t.Sub(t0).Abs() > 24*time.Hour:
		return t.Format(time.RFC3339Nano)
	case t.Equal(t0):
		return "t0"
	}
	return fmt.Sprintf("t0%+gs", t.Sub(t0).Seconds())
}

// stateOf prints what a delivery is at the moment.
func stateOf(d webhook.Delivery) string {
	text := fmt.Sprintf("%s, Due %s, Lease %d", d.State, clock(d.Due), d.Lease)
	if d.Attempts > 0 {
		text += fmt.Sprintf(", Attempts %d", d.Attempts)
	}
	if d.Key != "" {
		text += fmt.Sprintf(", Key %s, Sequence %d", shortText(d.Key), d.Sequence)
	}
	if d.PassedOver {
		text += ", PassedOver"
	}
	return text + ", of " + shortText(d.WebhookID)
}

// noteEvents notes what Enqueue was asked, and whether it had it, or leased it.
func (h *history) noteEvents(events []webhook.OutboxEvent, had []string, leased map[string]int64, err error) {
	call := h.next()
	isHad := map[string]bool{}
	for _, id := range had {
		isHad[id] = true
	}
	for _, e := range events {
		for i := range e.Deliveries {
			d := bare(e.Deliveries[i].Delivery)
			h.note(call, d.ID, func() string {
				text := "Enqueue: " + stateOf(d) + outcome(err)
				if isHad[d.ID] {
					text += ": it was stored already"
				}
				if sequence, ok := leased[d.ID]; ok {
					text += fmt.Sprint(": leased, with the Sequence ", sequence)
				}
				return text
			})
		}
	}
}

// notePut notes a put.
func (h *history) notePut(w webhook.Webhook, version int64, err error) {
	h.note(h.next(), w.ID, func() string {
		return fmt.Sprintf("PutWebhook: Version %d, HeldUntil %s, Deleted %t: returned %d%s", w.Version, clock(w.HeldUntil), w.Deleted, version, outcome(err))
	})
}

// noteClaimed notes the deliveries that Claim returned.
func (h *history) noteClaimed(c webhook.Claim, ds []webhook.Delivery) {
	call := h.next()
	for _, d := range ds {
		d = bare(d)
		h.note(call, d.ID, func() string { return "Claim at " + clock(c.Now) + ": " + stateOf(d) })
	}
}

// noteChanges notes what Apply was asked, and whether it was lost.
func (h *history) noteChanges(cs []webhook.Change, lost []string, err error) {
	call := h.next()
	left := map[string]int{}
	for _, id := range lost {
		left[id]++
	}
	for _, c := range cs {
		isLost := left[c.ID] > 0
		h.note(call, c.ID, func() string {
			text := fmt.Sprintf("Apply to Lease %d: %s, Due %s, Attempts %d", c.Lease, c.State, clock(c.Due), c.Attempts)
			if c.Log != nil {
				text += fmt.Sprintf(", Log %d %s", c.Log.Status, shortText(c.Log.Reason))
			}
			if n := len(c.Rewrite); n > 0 {
				text += fmt.Sprintf(", Rewrite of %d entries", n)
			}
			if c.LeaveLine {
				text += ", LeaveLine"
			}
			if c.DropBody {
				text += ", DropBody"
			}
			if c.Erase {
				text += ", Erase"
			}
			if isLost {
				text += ": returned as lost"
			}
			return text + outcome(err)
		})
	}
}

// bare returns d without what it shares with others.
func bare(d webhook.Delivery) webhook.Delivery {
	d.Body, d.Carrier, d.Log, d.Subjects = nil, nil, nil, nil
	return d
}

func outcome(err error) string {
	if err == nil {
		return ""
	}
	return fmt.Sprintf(": the error %v", err)
}
