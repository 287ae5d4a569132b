package pgxstore

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// Listen waits for reconnectMin before it connects again, and twice as long after each
// failure, up to reconnectMax.
const (
	reconnectMin = 100 * time.Millisecond
	reconnectMax = 10 * time.Second
)

// Listen calls wake whenever a program commits deliveries that are due, so that they
// do not wait for the next poll:
//
//	go store.Listen(ctx, dispatcher.Wake)
//
// It uses one connection besides the pool's, which it makes as the pool does, by the
// pool's BeforeConnect too. When the connection is lost it makes another, and calls wake
// for deliveries that were committed meanwhile. It returns ctx's error when ctx ends, and no others:
// while it cannot connect or may not listen it goes on trying, and the Dispatcher polls.
// wake must return soon.
//
// It hears programs that use package postgresstore too. It hears nothing through a
// pooler in transaction mode: give Listen a store whose pool connects to the server
// itself, or do without it and rely on polling.
func (s *Store) Listen(ctx context.Context, wake func()) error {
	if s.pool == nil {
		return errors.New("webhook: the store has no pool to listen with")
	}
	channel := pgx.Identifier{s.channel}.Sanitize()
	for delay := reconnectMin; ctx.Err() == nil; delay = min(2*delay, reconnectMax) {
		if conn, err := s.connect(ctx); err == nil {
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

// connectTimeout limits a connection attempt unless the pool's configuration does.
const connectTimeout = 2 * time.Minute

// connect makes a connection that is not the pool's.
func (s *Store) connect(ctx context.Context) (*pgx.Conn, error) {
	pool := s.pool.Config()
	config := pool.ConnConfig
	if config.ConnectTimeout <= 0 {
		config.ConnectTimeout = connectTimeout
	}
	if pool.BeforeConnect != nil {
		if err := pool.BeforeConnect(ctx, config); err != nil {
			return nil, err
		}
	}
	return pgx.ConnectConfig(ctx, config)
}
