package postgresstore

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Listener has the methods of *pq.Listener of github.com/lib/pq, where N is
// *pq.Notification. This package does not import lib/pq, so that programs with another
// driver do not either.
type Listener[N any] interface {
	Listen(channel string) error
	NotificationChannel() <-chan N
	Ping() error
	Close() error
}

// pingInterval is how long a connection may be silent before Listen has it looked
// after: a connection that a firewall has dropped looks like one without notifications.
const pingInterval = time.Minute

// Listen calls wake whenever a program commits deliveries that are due, so that they
// do not wait for the next poll. It needs a Listener of lib/pq's, which connects to the
// server beside the store's pool, and again whenever the connection is lost:
//
//	listener := pq.NewListener(dsn, 100*time.Millisecond, 10*time.Second, nil)
//	go postgresstore.Listen(ctx, store, listener, dispatcher.Wake)
//
// It also calls wake for what was committed while there was no connection. It closes
// the listener, and returns ctx's error when ctx ends. Before that it returns an error if
// the listener cannot listen or was closed. wake must return soon.
//
// It hears programs that use module pgxstore too. It hears nothing through a pooler in
// transaction mode: the listener has to connect to the server itself.
func Listen[N any](ctx context.Context, store *Store, listener Listener[N], wake func()) error {
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() }) // which ends Listen too
	defer stop()
	defer func() { _ = listener.Close() }()
	if err := listener.Listen(store.channel); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("webhook: Listen: %w", err)
	}
	wake()
	silent := time.NewTimer(pingInterval)
	defer silent.Stop()
	pinging := make(chan struct{}, 1)
	for {
		select {
		case _, open := <-listener.NotificationChannel(): // nil after a new connection
			if !open {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				return errors.New("webhook: Listen: the listener was closed")
			}
			wake()
		case <-silent.C:
			select {
			case pinging <- struct{}{}:
				go func() { // it ends when the server answers or the connection is lost
					_ = listener.Ping()
					<-pinging
				}()
			default:
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		silent.Reset(pingInterval)
	}
}
