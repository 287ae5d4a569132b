package webhook

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"strconv"
	"syscall"
	"unicode/utf8"
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrNotFound is returned for a webhook or a delivery that does not exist
	// in the account that was named.
	ErrNotFound = errors.New("webhook: not found")

	// ErrConflict is returned by Store.PutWebhook when the stored version is
	// another, by Dispatcher.UpdateWebhook when the stored revision is, and by
	// Dispatcher.AddWebhook when the ID is taken. Methods that change one stored webhook
	// or delivery, such as DeleteWebhook and Redeliver, try some ten times, and then return
	// it because others keep changing the same.
	ErrConflict = errors.New("webhook: conflict: it was changed by somebody else; read it again")

	// ErrUnderWay is returned by Dispatcher.Skip while an attempt may be under way:
	// its outcome decides. Ask again after twice Options.Timeout.
	ErrUnderWay = errors.New("webhook: an attempt at the delivery may be under way; ask again when it has ended")

	// ErrUnreadable is returned by UpdateWebhook for a webhook that was read as
	// Webhook.Unreadable says. It is an *InvalidError too.
	ErrUnreadable error = &InvalidError{Field: "webhook", Reason: unreadable}

	// ErrReplaying is returned by StartReplay for a webhook that has a replay under way.
	ErrReplaying = errors.New("webhook: the webhook has a replay under way: wait until it ends, or cancel it")

	// ErrClosed is returned by Start after Shutdown.
	ErrClosed = errors.New("webhook: the dispatcher was shut down")
)

// errIDTaken is the ErrConflict of adding a webhook with an ID of the app's.
var errIDTaken error = takenError{}

type takenError struct{}

// Error names no account: the webhook may belong to another one.
func (takenError) Error() string {
	return "webhook: the ID is taken by a webhook of this or another account, perhaps a deleted one: use another ID, or edit that webhook with UpdateWebhook"
}

func (takenError) Is(target error) bool { return target == ErrConflict }

// A NewerError is returned by Dispatcher.Redeliver for a delivery that has ended: a newer
// delivery of the same key exists, and the receiver may take the older one for the news.
type NewerError struct {
	Newer Delivery // the newest one, without Body and Log
}

func (e *NewerError) Error() string {
	return "webhook: a newer delivery for the same subscriber exists, the " + e.Newer.named() +
		": sending this one may undo what it said; RedeliverAnyway sends it all the same"
}

// An InvalidError says which field of an event, a webhook or the options is not
// acceptable, and why. Its text holds no secret and no URL.
type InvalidError struct {
	Field  string // as in Go: "Subscriber.Fields", "URL"
	Reason string // "is empty"
}

func (e *InvalidError) Error() string { return "webhook: " + e.Field + " " + e.Reason }

func invalid(field, reason string) error { return &InvalidError{Field: field, Reason: reason} }

// refuseNil returns an *InvalidError if an argument that is required is nil, or a nil
// pointer: its methods would panic, in a goroutine of the library's.
func refuseNil(field string, argument any) error {
	switch v := reflect.ValueOf(argument); {
	case !v.IsValid():
		return invalid(field, "is nil")
	case v.Kind() == reflect.Pointer && v.IsNil():
		return invalid(field, "is a nil "+v.Type().String())
	}
	return nil
}

// prefixed puts a path before the field of an *InvalidError.
func prefixed(path string, err error) error {
	var bad *InvalidError
	if errors.As(err, &bad) {
		return invalid(path+bad.Field, bad.Reason)
	}
	return err
}

// timeoutError adds to an error of withStoreTimeout's context how long the store
// had to answer, unless the error says so already.
func (o *Options) timeoutError(err error) error {
	if !errors.Is(err, context.DeadlineExceeded) || errors.As(err, new(*unansweredError)) {
		return err
	}
	return &unansweredError{fmt.Sprintf("the store has not answered for %s", o.StoreTimeout), err}
}

// An unansweredError says that the store has not answered.
type unansweredError struct {
	text string
	err  error
}

func (e *unansweredError) Error() string { return e.text + ": " + e.err.Error() }
func (e *unansweredError) Unwrap() error { return e.err }

// durable returns the error of a call that writes to the store. A call whose
// context has ended is not trusted even if it reports a success: a server may
// answer a commit that was cancelled while it waited for its standbys as if
// these had it.
func durable(ctx context.Context, err error) error {
	if err == nil {
		err = ctx.Err()
	}
	return err
}

// isRefusal reports whether an error of the store may be about the rows that
// it was given, so that a part of them may be stored. After a timeout, a
// cancellation or the loss of a connection nobody knows whether they were.
func isRefusal(err error) bool {
	for _, target := range []error{
		context.DeadlineExceeded, context.Canceled, os.ErrDeadlineExceeded,
		io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, driver.ErrBadConn,
	} {
		if errors.Is(err, target) {
			return false
		}
	}
	var network net.Error
	var system syscall.Errno
	return !errors.As(err, &network) && !errors.As(err, &system)
}

// wrap adds the name of the operation to an error of the store. It leaves the package's
// own errors as they are.
func wrap(operation string, err error) error {
	switch {
	case err == nil,
		errors.Is(err, ErrNotFound), errors.Is(err, ErrConflict), errors.Is(err, ErrReplaying),
		errors.As(err, new(*InvalidError)), errors.As(err, new(*NewerError)):
		return err
	}
	return fmt.Errorf("webhook: %s: %w", operation, err)
}

// quote returns s as a Go string literal. It cuts a long text between two characters.
func quote(s string) string {
	most := 40
	if len(s) <= most {
		return strconv.Quote(s)
	}
	for most > 40-utf8.UTFMax && !utf8.RuneStart(s[most]) {
		most--
	}
	return strconv.Quote(s[:most]) + "…"
}
