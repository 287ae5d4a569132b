package webhook

import (
	"slices"
	"time"
)

// A ReplayQuery selects deliveries for Replay and StartReplay. Its zero value selects all
// that were delivered or failed and that no newer one replaces.
type ReplayQuery struct {
	Since, Until time.Time // created at or after, and before; zero: from the beginning of the log, and up to the call
	States       []State   // final ones, or StatePending: see StartReplay; empty: StateDelivered and StateFailed
	Superseded   bool      // also those that a newer delivery replaces: see Replay
}

// Replayed says what Replay did.
type Replayed struct {
	Begun      int // deliveries that were made due
	Superseded int // deliveries that were left out because a newer one replaces them
}

// A ReplayJob is a replay that Dispatchers carry out in the background, a step at a time:
// see Dispatcher.StartReplay. It is a part of its webhook, so it survives its process.
type ReplayJob struct {
	ID             string   // that StartReplay was given; "": there never was one
	Earlier        []string `json:",omitempty"` // the IDs of the last jobs before
	Query          ReplayQuery
	Started, Ended time.Time // Ended is zero while it goes on
	Reason         string    // why it ended before it was done, in a sentence for the owner; "": it did not
	Total          int       // deliveries that Query selected at Started, at most MaxReplayTotal
	Looked         int       // of these, how many were looked at: Begun, Superseded and others that cannot be sent
	Replayed
	Place Cursor    // of the last one that was looked at
	Taken time.Time // until when a process has taken it
}

// MaxReplayTotal is how far deliveries are counted when a ReplayJob starts.
const MaxReplayTotal = 100_000

// UnderWay reports whether the job goes on.
func (j ReplayJob) UnderWay() bool { return j.ID != "" && j.Ended.IsZero() }

// knows reports whether the job, or one before it, has an ID.
func (j ReplayJob) knows(id string) bool { return j.ID == id || slices.Contains(j.Earlier, id) }

// maxEarlierReplays is how many IDs of earlier jobs a webhook remembers.
const maxEarlierReplays = 20

// next returns the job that follows j.
func (j ReplayJob) next(id string, q ReplayQuery, total int, at time.Time) ReplayJob {
	earlier := j.Earlier
	if j.ID != "" {
		earlier = append(slices.Clone(earlier), j.ID)
	}
	earlier = earlier[max(0, len(earlier)-maxEarlierReplays):]
	return ReplayJob{ID: id, Earlier: earlier, Query: q, Started: at, Total: total}
}

// end ends the job at a time.
func (j *ReplayJob) end(at time.Time, reason string) {
	j.Ended, j.Reason, j.Taken = at, reason, time.Time{}
}

// Pending reports whether q selects what waits for a later attempt.
func (q ReplayQuery) Pending() bool { return slices.Contains(q.States, StatePending) }

// withDefaults fills in what q leaves empty, or says what is wrong with it.
func (q ReplayQuery) withDefaults() (ReplayQuery, error) {
	if q.Until.IsZero() {
		q.Until = now().Add(time.Millisecond)
	}
	if len(q.States) == 0 {
		q.States = []State{StateDelivered, StateFailed}
	}
	if !q.Until.After(q.Since) {
		return q, invalid("Until", "is not after Since")
	}
	for _, s := range q.States {
		if !slices.Contains(states, s) {
			return q, invalid("States", "holds "+quote(string(s))+", not one of pending, delivered, failed and canceled")
		}
	}
	q.Since, q.Until = ceilStoreTime(q.Since), ceilStoreTime(q.Until)
	return q, nil
}

// selected returns the deliveries of a webhook that q selects, the oldest first.
func (q ReplayQuery) selected(w *Webhook) DeliveryQuery {
	return DeliveryQuery{
		Account: w.Account, Webhook: w.ID, States: q.States, Since: q.Since, Until: q.Until, Oldest: true,
	}
}
