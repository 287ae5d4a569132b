package account

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/listhook/webhook"
)

// Config is what a Service needs. Nothing has a default here.
type Config struct {
	Logger *slog.Logger

	// DispatcherOf returns the dispatcher that has an account's webhooks, and
	// AllDispatchers returns every one, for the operator.
	DispatcherOf   func(ctx context.Context, account string) (*webhook.Dispatcher, error)
	AllDispatchers func(ctx context.Context) ([]*webhook.Dispatcher, error)

	// Key returns who asks with an API key; a zero Access is refused. Nil
	// refuses everybody.
	Key func(ctx context.Context, key string) (Access, error)

	// These return what the app has in an account. Nil: it has none, or, of
	// Lists, does not name them.
	Lists     func(ctx context.Context, account string) ([]List, error)
	Fields    func(ctx context.Context, account string) ([]Field, error)
	Campaigns func(ctx context.Context, account string) ([]Campaign, error)

	DefaultFormat webhook.Format // of webhooks that are added
	MaxWebhooks   int            // of an account
	Rate          int            // calls and tests a second of an account
}

// A Service makes the Callers of one handler's requests. It may be used by
// several goroutines at the same time.
type Service struct {
	Config
	rates rates

	adding locks // by account: held while webhooks are counted and added, so that MaxWebhooks holds in this process
}

// NewService returns a Service.
func NewService(c Config) *Service {
	return &Service{Config: c, rates: rates{perSecond: float64(c.Rate)}}
}

// Anybody returns a caller who has no right.
func (s *Service) Anybody() *Caller { return &Caller{Service: s} }

// Public returns a caller who has no right, with the dispatcher of an app that has only
// one: what is public may tell of its catalogue.
func (s *Service) Public(ctx context.Context) *Caller {
	c := s.Anybody()
	if d, err := s.DispatcherOf(ctx, ""); err == nil {
		c.dispatcher = d
	}
	return c
}

// Caller returns whoever asks with an access. It has a dispatcher if the access has
// a right in an account.
func (s *Service) Caller(ctx context.Context, access Access) (*Caller, error) {
	c := &Caller{Service: s, Access: access}
	if !access.Allows(RightLog) {
		return c, nil
	}
	return c.In(ctx, access.Account)
}

// LogFault logs that something failed. It is no error if the client has hung up, which
// ends the request's context and the calls of the store with it.
func (s *Service) LogFault(ctx context.Context, text string, err error) {
	level := slog.LevelError
	if errors.Is(ctx.Err(), context.Canceled) {
		level = slog.LevelInfo
		text += ": the client has hung up"
	}
	s.Logger.Log(ctx, level, text, "error", err)
}

// ByKey returns the caller with an API key, if the key has any right: else
// ErrForbidden. It takes a token of the account's rate, and returns a BusyError
// when there is none.
func (s *Service) ByKey(ctx context.Context, key string) (*Caller, error) {
	if key == "" || len(key) > 4096 || s.Key == nil {
		return nil, ErrForbidden
	}
	access, err := s.Key(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("webhook: Options.Key: %w", err)
	}
	if !access.Allows(RightAny) {
		return nil, ErrForbidden
	}
	c := &Caller{Service: s, Access: access}
	if err := c.TakeToken(); err != nil {
		return nil, err
	}
	return s.Caller(ctx, access)
}
