package account

import (
	"errors"
	"fmt"

	"github.com/listhook/webhook"
)

// ErrForbidden is returned to those who may not do what they ask for.
var ErrForbidden = errors.New("you may not do this")

// ErrNoAccount is the webhook.ErrNotFound of an account that no database has.
var ErrNoAccount = fmt.Errorf("there is no such account: %w", webhook.ErrNotFound)

// ErrUnavailable is returned for an account that cannot be asked for just now, as
// while it is moved to another database.
var ErrUnavailable = errors.New("the account is temporarily unavailable")

// What clients are told of ErrUnavailable.
const (
	Unavailable           = "The account is temporarily unavailable: try again."
	UnavailableRetryAfter = "10" // seconds
)

// A BusyError is returned to an account that calls too often. It is the number
// of seconds after which it may call again.
type BusyError int

func (e BusyError) Error() string {
	return fmt.Sprintf("The account calls too often: wait %d s.", int(e))
}

// A LimitError is returned when an account would have more webhooks than it may. It is
// how many it may have.
type LimitError int

func (e LimitError) Error() string {
	return fmt.Sprintf("The account may have no more than %d webhooks: delete some first.", int(e))
}

// SomethingWrong is what a client is told of a fault on this side.
const SomethingWrong = "Something went wrong here. It was logged."
