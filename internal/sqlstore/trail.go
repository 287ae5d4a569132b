package sqlstore

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// A trail is the same as a horizon for what is ready, which lies in order of
// webhook and then of time: for each webhook it knows before which time nothing
// of it was left. So when looking for lanes has taken long, the next looks go
// straight to the end of what was taken from each. What they do not find,
// because it is urgent and so lies further back, or was committed late, a whole
// look finds, every so often.
type trail struct {
	mu    sync.Mutex
	ends  map[string]int64 // by webhook: nothing of it is ready that was due before
	last  int64            // no end is later
	again time.Time        // when lanes are next looked for from their beginnings
}

// LanesLong is how long looking for lanes may take without consequence: so long,
// or laneLong for each that is found.
const (
	LanesLong = 5 * time.Millisecond
	laneLong  = 50 * time.Microsecond
)

// trailMost is how many webhooks a trail knows; where more are ready, passing
// over them is what takes long.
const trailMost = 1000

// An end is a webhook's in a trail, with the next webhook that the trail knows.
type end struct {
	Webhook string `json:"w"`
	Due     int64  `json:"d"`
	Next    string `json:"b"`
}

// beyondAll comes after every webhook's id.
const beyondAll = "\U0010FFFF"

// list returns the ends, in order, and before them one of no webhook. It is nil
// when lanes are to be looked for from their beginnings.
func (t *trail) list() []end {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !time.Now().Before(t.again) {
		return nil
	}
	list := make([]end, 1, len(t.ends)+1)
	for webhook, due := range t.ends {
		list = append(list, end{Webhook: webhook, Due: due})
	}
	slices.SortFunc(list, func(a, b end) int { return strings.Compare(a.Webhook, b.Webhook) })
	for i := range list {
		list[i].Next = beyondAll
		if i+1 < len(list) {
			list[i].Next = list[i+1].Webhook
		}
	}
	return list
}

// strange reports whether there is a lane of a webhook that the trail does not
// know.
func strange(ends []end, lanes []lane) bool {
	return slices.ContainsFunc(lanes, func(l lane) bool {
		_, known := slices.BinarySearchFunc(ends, l.Webhook, func(e end, id string) int {
			return strings.Compare(e.Webhook, id)
		})
		return !known
	})
}

// looked notes the lanes that were found.
func (t *trail) looked(lanes []lane, whole bool, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ends == nil {
		t.ends = map[string]int64{}
	}
	for _, l := range lanes {
		t.ends[l.Webhook] = l.Due
		t.last = max(t.last, l.Due)
	}
	if len(t.ends) > trailMost {
		clear(t.ends)
		t.again = time.Time{}
	} else if whole && took > max(LanesLong, time.Duration(len(lanes))*laneLong) {
		t.again = time.Now().Add(min(looksPart*took, looksBound))
	}
}

// forget notes that nothing is known of what was made ready.
func (t *trail) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.again = time.Time{}
}

// putRows notes what this process makes ready. Of changes it is not known whose
// they are.
func (t *trail) putRows(rows []row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range rows {
		r := &rows[i]
		if r.Queue != isReady || r.Due >= t.last {
			continue
		}
		if r.Webhook == "" {
			t.again = time.Time{}
		} else if end, ok := t.ends[r.Webhook]; ok {
			t.ends[r.Webhook] = min(end, r.Due)
		}
	}
}
