package webhook

import (
	"slices"
	"time"
)

// A ReplayQuery selects deliveries for Replay and StartReplay. Its zero value selects all
// that were delivered or failed and that no newer one replaces.
type ReplayQuery struct {
	// Since and Until select deliveries by Created: at or after Since, and before Until.
	// Zero: from the beginning of the log, and up to the call.
	Since, Until time.Time

	// States are final states, or StatePending: see StartReplay. Empty: StateDelivered
	// and StateFailed.
	States []State

	// IncludeReplaced also selects deliveries that a newer one replaces: see Replay.
	IncludeReplaced bool `json:"Superseded"`
}

// Replayed counts what a replay did.
type Replayed struct {
	Resent   int `json:"Begun"`      // deliveries that were made due again
	Replaced int `json:"Superseded"` // deliveries that were left out because a newer one replaces them
}

// A ReplayJob is a replay that Dispatchers carry out in the background, step by step: see
// Dispatcher.StartReplay. It is stored with its webhook, so it survives its process.
type ReplayJob struct {
	ID             string      // the ID that StartReplay was given; "": no replay was ever started
	Earlier        []string    `json:",omitempty"` // the IDs of the jobs before it, the latest twenty
	Query          ReplayQuery // selects its deliveries
	Started, Ended time.Time   // Ended is zero while the job is under way
	Reason         string      // why it ended early, in a sentence for the owner; "": it did not
	Total          int         // how many deliveries Query selected when it started, up to MaxReplayTotal
	Checked        int         `json:"Looked"` // how many were handled so far: Resent, Replaced and those that cannot be sent
	Replayed
	Cursor Cursor    `json:"Place"` // of the last delivery that was handled
	Taken  time.Time // a process works on the job until then
}

// MaxReplayTotal is the limit up to which CountReplay and StartReplay count deliveries.
const MaxReplayTotal = 100_000

// UnderWay reports whether the job has started and not ended.
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

// Pending reports whether q selects deliveries that wait for a later attempt.
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
	if err := validateStates("States", q.States, states); err != nil {
		return q, err
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
