package postgresstore_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/listhook/webhook/postgresstore"
)

// A listener is as lib/pq's, without a server.
type listener struct {
	refuses error
	channel string
	out     chan *string
	pings   atomic.Int64
	close   sync.Once
}

func (l *listener) Listen(channel string) error         { l.channel = channel; return l.refuses }
func (l *listener) NotificationChannel() <-chan *string { return l.out }
func (l *listener) Ping() error                         { l.pings.Add(1); return nil }
func (l *listener) Close() error                        { l.close.Do(func() { close(l.out) }); return nil }

func TestListen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		l := &listener{out: make(chan *string, 10)}
		woken, ended := 0, make(chan error, 1)
		go func() {
			ended <- postgresstore.Listen(ctx, postgresstore.New(nil, nil), l, func() { woken++ })
		}()
		synctest.Wait()
		assert.Equal(t, "webhook_wake", l.channel)
		assert.Equal(t, 1, woken, "for what was committed before")
		l.out <- new(string)
		l.out <- nil // a new connection
		synctest.Wait()
		assert.Equal(t, 3, woken)
		time.Sleep(10*time.Minute + time.Second)
		synctest.Wait()
		assert.EqualValues(t, 10, l.pings.Load(), "a connection that is silent is looked after")
		assert.Equal(t, 3, woken)
		cancel()
		assert.ErrorIs(t, <-ended, context.Canceled)
		_, open := <-l.out
		assert.False(t, open, "it is closed")
	})
}

func TestListenEndsWithItsListener(t *testing.T) {
	store := postgresstore.New(nil, nil)
	refuses := errors.New("no such server")
	err := postgresstore.Listen(t.Context(), store, &listener{refuses: refuses, out: make(chan *string)}, func() {})
	assert.ErrorIs(t, err, refuses)

	closed := &listener{out: make(chan *string)}
	_ = closed.Close()
	err = postgresstore.Listen(t.Context(), store, closed, func() {})
	assert.EqualError(t, err, "webhook: Listen: the listener was closed")
}
