package pgxstore

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// How long Listen waits before it connects again, at first and at most.
const (
	reconnectMin = 100 * time.Millisecond
	reconnectMax = 10 * time.Second
)

// Listen calls wake whenever a program commits deliveries that are due, so
// that they need not wait for the next poll:
//
//	go store.Listen(ctx, dispatcher.Wake)
//
// It has a connection of its own, besides the pool's, and makes another when
// it is lost; whatever was committed meanwhile, it then wakes for as well. It
// returns when ctx ends, with its error. wake must return soon.
//
// Programs with package postgresstore are heard too. Behind a pooler in
// transaction mode nothing is: give Listen a store whose pool goes to the
// server itself, or leave it out and rely on polling.
func (s *Store) Listen(ctx context.Context, wake func()) error {
	if s.pool == nil {
		return errors.New("webhook: the store has no pool to listen with")
	}
	config := s.pool.Config().ConnConfig
	channel := pgx.Identifier{s.channel}.Sanitize()
	for delay := reconnectMin; ctx.Err() == nil; delay = min(2*delay, reconnectMax) {
		if conn, err := pgx.ConnectConfig(ctx, config); err == nil {
			if _, err := conn.Exec(ctx, "listen "+channel); err == nil {
				delay = reconnectMin
				for err == nil {
					wake()
					_, err = conn.WaitForNotification(ctx)
				}
			}
			conn.Close(context.WithoutCancel(ctx))
		}
		select {
		case <-ctx.Done():
		case <-time.After(delay):
		}
	}
	return ctx.Err()
}
