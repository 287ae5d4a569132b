package sqlstore

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// A readyCursor lets a claim skip the index entries of removed rows when it looks for
// webhooks with ready deliveries, as a dueCursor does for waiting ones. Ready
// deliveries are in order of webhook and due time, so it has a position for each
// webhook: the due time before which the webhook had none. After a slow full
// scan for webhooks with ready deliveries, the next scans begin at these
// positions. Full scans are repeated. They find what is behind a position:
// urgent deliveries, and those that were committed late.
type readyCursor struct {
	mu       sync.Mutex       // guards the fields below
	due      map[string]int64 // by webhook: none of its ready deliveries is due before
	latest   int64            // no value of due is later
	nextFull time.Time        // when the next full scan is due
}

// A full scan counts as slow if it took longer than SlowReadyScan, and longer
// than slowPerWebhook for each webhook that it found.
const (
	SlowReadyScan  = 5 * time.Millisecond
	slowPerWebhook = 50 * time.Microsecond
)

// maxCursorWebhooks is how many webhooks a readyCursor holds at most. With more
// of them, most of a scan's time goes into stepping from webhook to webhook,
// which positions cannot shorten.
const maxCursorWebhooks = 1000

// A position is a webhook's in a readyCursor, in @past. Next is the next webhook
// that the cursor knows: between the two the scan looks for unknown ones.
type position struct {
	Webhook string `json:"w"`
	Due     int64  `json:"d"`
	Next    string `json:"b"`
}

// afterAllIDs sorts after every webhook's ID.
const afterAllIDs = "\U0010FFFF"

// positions returns the positions in order of webhook, after one with the ID "",
// for webhooks before the first. It returns nil if a full scan is due.
func (c *readyCursor) positions() []position {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !time.Now().Before(c.nextFull) {
		return nil
	}
	list := make([]position, 1, len(c.due)+1)
	for webhook, due := range c.due {
		list = append(list, position{Webhook: webhook, Due: due})
	}
	slices.SortFunc(list, func(a, b position) int { return strings.Compare(a.Webhook, b.Webhook) })
	for i := range list {
		list[i].Next = afterAllIDs
		if i+1 < len(list) {
			list[i].Next = list[i+1].Webhook
		}
	}
	return list
}

// unknownWebhook reports whether one of the webhooks has no position.
func unknownWebhook(positions []position, webhooks []readyWebhook) bool {
	return slices.ContainsFunc(webhooks, func(w readyWebhook) bool {
		_, known := slices.BinarySearchFunc(positions, w.Webhook, func(p position, id string) int {
			return strings.Compare(p.Webhook, id)
		})
		return !known
	})
}

// advance records the webhooks that a scan found.
func (c *readyCursor) advance(webhooks []readyWebhook, full bool, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.due == nil {
		c.due = map[string]int64{}
	}
	for _, w := range webhooks {
		c.due[w.Webhook] = w.Due
		c.latest = max(c.latest, w.Due)
	}
	if len(c.due) > maxCursorWebhooks {
		clear(c.due)
		c.nextFull = time.Time{}
	} else if full && took > max(SlowReadyScan, time.Duration(len(webhooks))*slowPerWebhook) {
		c.nextFull = time.Now().Add(min(fullScanFactor*took, fullScanMaxDelay))
	}
}

// reset makes the next scan a full one, after a claim with an unknown outcome.
func (c *readyCursor) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nextFull = time.Time{}
}

// includeRows moves positions back for ready deliveries that this process is
// about to store. The rows of changes do not name their webhooks: an early one
// makes the next scan a full one.
func (c *readyCursor) includeRows(rows []row) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range rows {
		r := &rows[i]
		if r.Queue != queueReady || r.Due >= c.latest {
			continue
		}
		if r.Webhook == "" {
			c.nextFull = time.Time{}
		} else if due, ok := c.due[r.Webhook]; ok {
			c.due[r.Webhook] = min(due, r.Due)
		}
	}
}
