package webhook

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// A heartbeat is a Store that notes how its calls of Claim and Apply go. Without
// them nothing is delivered, so they show whether a Dispatcher is at work.
type heartbeat struct {
	Store

	mu       sync.Mutex // guards all below
	beaten   time.Time  // when the claim loop last came round
	answered time.Time  // when the store last carried out a call
	asked    time.Time  // the first call since then; zero: there was none
	err      error      // of the last call that failed since then
}

// beat notes that the claim loop comes round.
func (h *heartbeat) beat() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.beaten = time.Now()
}

// ready returns an error if something has not happened for longer than
// patience. The claim loop waits for the store, which has a time of its own.
func (h *heartbeat) ready(patience, storeTimeout time.Duration) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if silent := time.Since(h.asked); !h.asked.IsZero() && silent > patience {
		if h.err != nil {
			return fmt.Errorf("webhook: the store has not answered for %s: %w", silent.Truncate(time.Second), h.err)
		}
		return fmt.Errorf("webhook: the store has not answered for %s", silent.Truncate(time.Second))
	}
	if still := time.Since(h.beaten); still > patience+storeTimeout {
		return fmt.Errorf("webhook: nothing has been claimed for %s", still.Truncate(time.Second))
	}
	return nil
}

// Claim calls the Store's Claim.
func (h *heartbeat) Claim(ctx context.Context, c Claim) (ds []Delivery, err error) {
	h.called()
	ds, err = h.Store.Claim(ctx, c)
	h.returned(err)
	return ds, err
}

// Apply calls the Store's Apply. Its error is that of durable.
func (h *heartbeat) Apply(ctx context.Context, cs []Change) (lost []string, err error) {
	h.called()
	lost, err = h.Store.Apply(ctx, cs)
	err = durable(ctx, err)
	h.returned(err)
	return lost, err
}

// called notes that a call begins.
func (h *heartbeat) called() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.asked.IsZero() {
		h.asked = time.Now()
	}
}

// returned notes how a call went.
func (h *heartbeat) returned(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.err = err
		return
	}
	h.answered, h.asked, h.err = time.Now(), time.Time{}, nil
}

// lastAnswer returns when the store last carried out a call; zero: not yet.
func (h *heartbeat) lastAnswer() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.answered
}
