package webhook

import "errors"

// Errors that callers tell apart with errors.Is.
var (
	// ErrNotFound is returned for a webhook or a delivery that does not exist
	// in the account that was named.
	ErrNotFound = errors.New("webhook: not found")

	// ErrConflict is returned by Store.PutWebhook when the stored version is
	// another, and by Dispatcher.PutWebhook when the stored revision is or when
	// the ID of a webhook that is to be added is taken.
	ErrConflict = errors.New("webhook: conflict: it was changed by somebody else; read it again")

	// ErrClosed is returned by Start after Shutdown.
	ErrClosed = errors.New("webhook: the dispatcher was shut down")
)

// errIDTaken is the ErrConflict of adding a webhook with an ID of the app's.
var errIDTaken error = takenError{}

type takenError struct{}

// Error names no account: the webhook may belong to another one.
func (takenError) Error() string {
	return "webhook: the ID is taken by a webhook of this or another account, perhaps a deleted one: use another ID, or edit that webhook with its Revision"
}

func (takenError) Is(target error) bool { return target == ErrConflict }

// InvalidError says which field of an event, a webhook or the options cannot
// be taken, and why. Its text holds no secret and no URL.
type InvalidError struct {
	Field  string // as in Go: "Subscriber.Fields", "URL"
	Reason string // "is empty"
}

func (e *InvalidError) Error() string { return "webhook: " + e.Field + " " + e.Reason }

func invalid(field, reason string) error { return &InvalidError{Field: field, Reason: reason} }
