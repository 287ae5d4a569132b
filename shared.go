package webhook

import (
	"context"
	"sync"
	"time"
)

// sharedCalls makes one call of the store for all callers who ask for the same at the
// same time. The call has a context of its own, so that a caller who gives up neither
// fails the others nor waits for them.
type sharedCalls[T any] struct {
	timeout time.Duration // of a call, and of waiting for one, since a driver may ignore its context

	mu    sync.Mutex // guards calls
	calls map[string]*sharedCall[T]
}

// A sharedCall is a call that is under way.
type sharedCall[T any] struct {
	done  chan struct{} // closed when value and err are set
	value T
	err   error
}

// do returns what call returns, which a call under way may be asked for
// already, or the error of ctx if that ends first.
func (s *sharedCalls[T]) do(ctx context.Context, key string, call func(context.Context) (T, error)) (T, error) {
	c, _ := s.start(key, call)
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	select {
	case <-c.done:
		return c.value, c.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// start has call begin, unless one with that key is under way, and returns the
// one that is.
func (s *sharedCalls[T]) start(key string, call func(context.Context) (T, error)) (c *sharedCall[T], began bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.calls[key]; c != nil {
		return c, false
	}
	if s.calls == nil {
		s.calls = map[string]*sharedCall[T]{}
	}
	c = &sharedCall[T]{done: make(chan struct{})}
	s.calls[key] = c
	go func() { // it ends when call does, for which it has timeout
		ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
		defer cancel()
		c.value, c.err = call(ctx)
		s.mu.Lock()
		delete(s.calls, key)
		s.mu.Unlock()
		close(c.done)
	}()
	return c, true
}
