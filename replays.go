package webhook

import (
	"context"
	"errors"
)

// CountReplay returns how many deliveries q selects, up to MaxReplayTotal: for asking
// before StartReplay. Those that a newer delivery replaces count too. It refuses the
// same queries as StartReplay.
func (d *Dispatcher) CountReplay(ctx context.Context, account, webhook string, q ReplayQuery) (int, error) {
	q, w, err := d.prepareReplay(ctx, account, webhook, q)
	if err != nil {
		return 0, wrap("CountReplay", err)
	}
	n, err := d.countReplay(ctx, &w, q)
	return n, wrap("CountReplay", err)
}

func (d *Dispatcher) countReplay(ctx context.Context, w *Webhook, q ReplayQuery) (int, error) {
	counted := q.selected(w)
	counted.Limit = MaxReplayTotal
	return d.store.Count(ctx, counted)
}

// prepareReplay returns a query with its defaults, and its webhook.
func (d *Dispatcher) prepareReplay(ctx context.Context, account, webhook string, q ReplayQuery) (ReplayQuery, Webhook, error) {
	q, err := q.withDefaults()
	if err != nil {
		return q, Webhook{}, err
	}
	w, err := d.editor.find(ctx, account, webhook)
	if err == nil && w.ignoresEvents() {
		err = errKeepsNothing()
	}
	return q, w, err
}

// StartReplay is Replay in the background: for many deliveries, with a count, progress
// (Webhook.Replay) and CancelReplay. It returns the job as it was stored.
//
// The deliveries are made due by Dispatchers that were started, in any process, about a
// hundred a second, and only while fewer than a hundred due ones wait for the webhook:
// live deliveries go first, and a receiver that is slow, held or off is not given more.
// If the process ends, another one goes on within a minute, or the next one that is
// started. Then some deliveries of one step, a hundred at most, may be sent twice.
//
// With StatePending among q.States, those that wait for a later attempt are attempted
// now, with their whole schedule before them again: for an owner who has fixed a
// receiver. If the webhook is held, they wait for its probe: see ProbeNow.
//
// The id, of 1 to 255 bytes, makes asking twice harmless: if it is that of the webhook's
// job or of one of the twenty before, nothing is started, and the webhook's job is returned.
// While another one is under way, it returns ErrReplaying. It returns the errors of
// Replay too.
func (d *Dispatcher) StartReplay(ctx context.Context, account, webhook, id string, q ReplayQuery) (ReplayJob, error) {
	if id == "" {
		return ReplayJob{}, invalid("id", "is empty")
	}
	if err := validateText("id", id); err != nil {
		return ReplayJob{}, err
	}
	q, w, err := d.prepareReplay(ctx, account, webhook, q)
	if err != nil {
		return ReplayJob{}, wrap("StartReplay", err)
	}
	total, err := d.countReplay(ctx, &w, q)
	if err != nil {
		return ReplayJob{}, wrap("StartReplay", err)
	}
	return d.changeReplay(ctx, "StartReplay", account, webhook, func(w *Webhook) error {
		switch {
		case w.Replay.knows(id):
			return errUnchanged
		case w.Replay.UnderWay():
			return ErrReplaying
		case w.ignoresEvents():
			return errKeepsNothing()
		}
		w.Replay = w.Replay.next(id, q, total, now())
		return nil
	})
}

// CancelReplay ends the replay of a webhook that is under way, and returns it. What was
// made due stays so: see CancelPending. Without one under way it changes nothing and
// returns the last one. It returns ErrNotFound if there is no such webhook in the
// account.
func (d *Dispatcher) CancelReplay(ctx context.Context, account, webhook string) (ReplayJob, error) {
	return d.changeReplay(ctx, "CancelReplay", account, webhook, func(w *Webhook) error {
		if !w.Replay.UnderWay() {
			return errUnchanged
		}
		w.Replay.end(now(), "It was canceled.")
		return nil
	})
}

// changeReplay changes a webhook's job, unless change returns errUnchanged.
func (d *Dispatcher) changeReplay(ctx context.Context, what, account, webhook string, change func(*Webhook) error) (ReplayJob, error) {
	w, err := d.editor.update(ctx, account, webhook, change)
	if errors.Is(err, errUnchanged) {
		if err = d.editor.confirmed(ctx); err == nil {
			w, err = d.editor.find(ctx, account, webhook)
		}
	}
	if err != nil {
		return ReplayJob{}, wrap(what, err)
	}
	d.replayer.note(&w)
	return w.Replay, nil
}
