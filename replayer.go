package webhook

import (
	"context"
	"errors"
	"sync"
	"time"
)

// A replayer carries out the ReplayJobs of webhooks, in small steps, so that live
// deliveries go first. A job is in its webhook's document, so every process that runs
// knows of it, and whichever has taken it goes on from its Cursor.
type replayer struct {
	store      Store
	opts       *Options
	notify     *notifier
	editor     *editor
	lines      *lines
	background context.Context // of calls of the store
	stop       <-chan struct{}
	news       chan struct{} // says that a job was noted

	mu   sync.Mutex
	jobs map[string]*replaying // under way, by webhook
}

// A replaying is what this process knows of a job.
type replaying struct {
	account string
	taken   time.Time // its Taken, if this process has taken it; zero: another one may have
}

const (
	// replayRows is how many deliveries are begun again in one call of the store.
	// They are read with their bodies, to tell those that were erased.
	replayRows = 100

	// replayAhead is how many due deliveries of a webhook may wait when a job's next
	// step begins. What is emitted meanwhile waits for no more than these and a step's.
	replayAhead = 100

	// replayPause is the wait between two steps of a job.
	replayPause = time.Second

	// replayTaken is for how long a process takes a job. One that died is replaced
	// after that time.
	replayTaken = time.Minute
)

// run carries out jobs until stop is closed.
func (r *replayer) run() {
	looked := r.findAll()
	timer := time.NewTimer(replayPause)
	defer timer.Stop()
	for {
		var next <-chan time.Time // none while there is nothing to do
		if !looked || len(r.underWay()) > 0 {
			timer.Reset(jittered(replayPause))
			next = timer.C
		}
		select {
		case <-r.stop:
			return
		case <-r.news:
		case <-next:
			looked = looked || r.findAll()
			for id, account := range r.underWay() {
				r.step(account, id)
			}
		}
	}
}

// findAll looks for jobs that other processes have left, and reports whether it has seen
// every webhook.
func (r *replayer) findAll() bool {
	ctx, cancel := r.opts.withStoreTimeout(r.background)
	defer cancel()
	for ws, err := range webhookPages(ctx, r.store, WebhookQuery{All: true, Limit: 500}) {
		if err != nil {
			r.notify.logError("looking for replays", err)
			return false
		}
		for i := range ws {
			r.note(&ws[i])
		}
	}
	return true
}

// note learns of a webhook. It calls nobody, and so may be called with locks held.
func (r *replayer) note(w *Webhook) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !w.Replay.UnderWay() || w.Deleted {
		delete(r.jobs, w.ID)
		return
	}
	if r.jobs[w.ID] == nil {
		r.jobs[w.ID] = &replaying{account: w.Account}
		select {
		case r.news <- struct{}{}:
		default:
		}
	}
}

// underWay returns the accounts of the webhooks with a job.
func (r *replayer) underWay() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	accounts := make(map[string]string, len(r.jobs))
	for id, job := range r.jobs {
		accounts[id] = job.account
	}
	return accounts
}

// step makes the next step of a webhook's job, unless another process has taken it.
func (r *replayer) step(account, id string) {
	// A key may have a long history, which is read to find what replaces a delivery. So a
	// step has more time than a call.
	ctx, cancel := context.WithTimeout(r.background, max(replayTaken, r.opts.StoreTimeout))
	defer cancel()
	w, err := r.editor.find(ctx, account, id)
	if errors.Is(err, ErrNotFound) {
		r.note(&Webhook{ID: id})
		return
	}
	if err == nil {
		err = r.advance(ctx, w)
	}
	if err != nil && !errors.Is(err, errUnchanged) && r.background.Err() == nil {
		r.notify.logError("a replay", err)
	}
}

// advance is step for a webhook that was just read.
func (r *replayer) advance(ctx context.Context, w Webhook) error {
	r.note(&w)
	at, job := now(), w.Replay
	switch {
	case !job.UnderWay(), job.Taken.After(at) && !job.Taken.Equal(r.taken(w.ID)):
		return nil
	case w.ignoresEvents():
		_, err := r.change(ctx, w, func(job *ReplayJob) {
			if job.UnderWay() {
				job.end(at, "The webhook is off.")
			}
		})
		return err
	}
	due, err := r.store.Count(ctx, DeliveryQuery{
		Account: w.Account, Webhook: w.ID, States: []State{StatePending}, DueBy: at, Limit: replayAhead,
	})
	if err != nil || due == replayAhead {
		return err
	}
	if !job.Taken.After(at.Add(replayTaken / 2)) {
		w, err = r.change(ctx, w, func(job *ReplayJob) {
			if job.UnderWay() {
				job.Taken = at.Add(replayTaken)
			}
		})
		if err != nil || !w.Replay.UnderWay() {
			return err
		}
	}
	q := w.Replay.Query.selected(&w)
	q.After, q.Limit = w.Replay.Cursor, replayRows
	ds, err := r.store.Deliveries(ctx, q)
	if err != nil {
		return err
	}
	var cursor Cursor
	if len(ds) > 0 {
		cursor = ds[len(ds)-1].Cursor()
	}
	checked := len(ds)
	done, err := r.begin(ctx, &w, ds)
	if err != nil {
		return err
	}
	_, err = r.change(ctx, w, func(job *ReplayJob) {
		job.Checked += checked
		job.Resent += done.Resent
		job.Replaced += done.Replaced
		switch {
		case !job.UnderWay(): // it was canceled meanwhile
		case checked < replayRows:
			job.end(now(), "")
		default:
			job.Cursor, job.Taken = cursor, now().Add(replayTaken)
		}
	})
	return err
}

// begin makes deliveries of w due, in their order, behind those that are due already. It
// leaves out those that may be under way, and those that a newer one replaces.
func (r *replayer) begin(ctx context.Context, w *Webhook, ds []Delivery) (done Replayed, err error) {
	inSequence(ds)
	at := now()
	var waiting, ended []Delivery
	for _, d := range ds {
		switch {
		case d.State != StatePending:
			ended = append(ended, d)
		case d.Due.After(at.Add(r.opts.longestLease(w))): // else it is due soon, or may be under way
			waiting = append(waiting, d)
		}
	}
	if !w.Replay.Query.IncludeReplaced {
		found := len(ended)
		if ended, err = r.lines.withoutReplaced(ctx, ended); err != nil {
			return done, err
		}
		done.Replaced = found - len(ended)
	}
	all := append(waiting, ended...)
	place := make(map[string]int, len(ds))
	for i := range ds {
		place[ds[i].ID] = i
	}
	done.Resent, err = r.editor.reopen(ctx, all, func(d Delivery) time.Time {
		return at.Add(time.Duration(place[d.ID]-len(ds)) * time.Millisecond)
	})
	return done, err
}

// change changes the job of a webhook, if it is still the one that w has and no other
// process has taken it. Otherwise it returns errUnchanged.
func (r *replayer) change(ctx context.Context, w Webhook, change func(*ReplayJob)) (Webhook, error) {
	changed, err := r.editor.update(ctx, w.Account, w.ID, func(stored *Webhook) error {
		job := &stored.Replay
		if job.ID != w.Replay.ID || job.UnderWay() && !job.Taken.Equal(w.Replay.Taken) {
			return errUnchanged
		}
		change(job)
		return nil
	})
	if err != nil {
		return w, err
	}
	r.note(&changed)
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.jobs[w.ID]; known != nil {
		known.taken = changed.Replay.Taken
	}
	return changed, nil
}

// taken returns until when this process has taken a job.
func (r *replayer) taken(id string) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if job := r.jobs[id]; job != nil {
		return job.taken
	}
	return time.Time{}
}
