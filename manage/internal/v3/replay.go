package v3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/label"
)

// A replayJSON is a webhook's last replay.
type replayJSON struct {
	ID         string          `json:"id"`
	State      string          `json:"state"` // running, done or stopped
	Reason     string          `json:"reason"`
	States     []webhook.State `json:"states"`
	Since      *string         `json:"since"`
	Until      *string         `json:"until"`
	Started    *string         `json:"started"`
	Finished   *string         `json:"finished"`
	Total      int             `json:"total"`
	Looked     int             `json:"looked"`
	Replayed   int             `json:"replayed"`
	Superseded int             `json:"superseded"` // left out
}

// answerReplay answers with a replay, or with null for none.
func answerReplay(c *account.Caller, status int, job webhook.ReplayJob) (int, any, error) {
	type answer struct {
		Replay *replayJSON `json:"replay"`
	}
	if job.ID == "" {
		return status, answer{}, nil
	}
	state := "running"
	switch {
	case !job.UnderWay() && job.Reason != "":
		state = "stopped"
	case !job.UnderWay():
		state = "done"
	}
	return status, answer{&replayJSON{
		ID: job.ID, State: state, Reason: job.Reason, States: job.Query.States,
		Since: formatTime(c, job.Query.Since), Until: formatTime(c, job.Query.Until),
		Started: formatTime(c, job.Started), Finished: formatTime(c, job.Ended),
		Total: job.Total, Looked: job.Checked, Replayed: job.Resent, Superseded: job.Replaced,
	}}, nil
}

// replayKeys are what readReplay reads.
var replayKeys = []string{"since", "until", "states", "superseded"}

// readReplay reads which deliveries are to be sent again.
func readReplay(object object, f *faults) (q webhook.ReplayQuery) {
	var err error
	q.Since, err = object.time("since")
	f.add(err)
	q.Until, err = object.time("until")
	f.add(err)
	states, err := object.texts("states")
	f.add(err)
	for _, state := range states {
		q.States = append(q.States, webhook.State(state))
		if !label.Has(label.States, state) {
			f.add(fault(codeInvalid, "states", fmt.Sprintf("holds %.40q, not one of pending, delivered, failed and canceled", state)))
		}
	}
	if len(q.States) == 0 {
		q.States = []webhook.State{webhook.StateFailed}
	}
	f.add(object.flag("superseded", &q.IncludeReplaced))
	switch {
	case q.Since.IsZero() && !q.Pending():
		f.add(fault(codeMissing, "since", "is missing: nothing before it is sent again"))
	case q.Until.IsZero() && q.Since.After(time.Now()):
		f.add(fault(codeInvalid, "since", "is in the future"))
	case !q.Until.IsZero() && !q.Until.After(q.Since):
		f.add(fault(codeInvalid, "until", "is not after since"))
	}
	return q
}

// countReplay says how many deliveries a replay would look at.
func countReplay(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	var f faults
	object, err := readBody(r, &f, replayKeys...)
	if err != nil {
		return 0, nil, err
	}
	q := readReplay(object, &f)
	if err := f.err(); err != nil {
		return 0, nil, err
	}
	n, err := c.CountReplay(ctx, r.PathValue("id"), q)
	if err != nil {
		return 0, nil, found(err, "Webhook", r)
	}
	return http.StatusOK, struct {
		Count int `json:"count"`
	}{n}, nil
}

// replay starts sending many deliveries again.
func replay(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	var f faults
	object, err := readBody(r, &f, append([]string{"id"}, replayKeys...)...)
	if err != nil {
		return 0, nil, err
	}
	q := readReplay(object, &f)
	id, err := object.text("id")
	f.add(err)
	if err := f.err(); err != nil {
		return 0, nil, err
	}
	job, err := c.StartReplay(ctx, r.PathValue("id"), id, q)
	if errors.Is(err, webhook.ErrReplaying) {
		return http.StatusConflict, message{"A replay of the webhook is under way: wait until it ends, or cancel it."}, nil
	}
	if err != nil {
		return 0, nil, found(err, "Webhook", r)
	}
	return answerReplay(c, http.StatusAccepted, job)
}

func viewReplay(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	var f faults
	readQuery(r, &f)
	if err := f.err(); err != nil {
		return 0, nil, err
	}
	w, err := c.Webhook(ctx, r.PathValue("id"))
	if err != nil {
		return 0, nil, found(err, "Webhook", r)
	}
	return answerReplay(c, http.StatusOK, w.Replay)
}

func cancelReplay(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	if err := readNothing(r); err != nil {
		return 0, nil, err
	}
	job, err := c.CancelReplay(ctx, r.PathValue("id"))
	if err != nil {
		return 0, nil, found(err, "Webhook", r)
	}
	return answerReplay(c, http.StatusOK, job)
}
