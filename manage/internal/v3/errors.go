package v3

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
)

// fieldFaults are mistakes in fields: status 422.
type fieldFaults struct {
	Errors []fieldFault `json:"errors"`
}

type fieldFault struct {
	Title  string      `json:"title"`
	Detail string      `json:"detail"`
	Code   string      `json:"code"`
	Source faultSource `json:"source"`
}

type faultSource struct {
	Pointer string `json:"pointer"`
}

// The codes of ActiveCampaign's errors that webhooks have.
const (
	codeMissing = "field_missing"
	codeInvalid = "field_invalid"
)

func (f fieldFaults) Error() string { return f.Errors[0].Title }

// fault makes the error of one field, by its name in JSON.
func fault(code, field, reason string) error {
	return fieldFaults{[]fieldFault{newFault(code, field, reason)}}
}

func newFault(code, field, reason string) fieldFault {
	return fieldFault{
		Title: "The field " + field + " " + reason + ".", Code: code,
		Source: faultSource{"/data/attributes/" + field},
	}
}

// notFound is the error of what an id does not name.
type notFound struct{ kind, id string }

func (e notFound) Error() string {
	return fmt.Sprintf("No Result found for %s with id %s", e.kind, e.id)
}

// changedError is returned when somebody else edited a webhook since it was read. It is
// no webhook.ErrConflict, after which an edit is tried again.
type changedError struct{}

func (changedError) Error() string { return "somebody else changed it" }

// found names what was not found.
func found(err error, kind string, r *http.Request) error {
	if errors.Is(err, webhook.ErrNotFound) {
		return notFound{kind, r.PathValue("id")}
	}
	return err
}

// failure returns the answer to an error.
func failure(w http.ResponseWriter, err error, logger *slog.Logger) (status int, answer any) {
	var mistakes fieldFaults
	var missing notFound
	var invalid *webhook.InvalidError
	var busy account.BusyError
	var limit account.LimitError
	var syntax syntaxError
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &mistakes):
		return http.StatusUnprocessableEntity, mistakes
	case errors.As(err, &invalid):
		return http.StatusUnprocessableEntity, fieldFaults{[]fieldFault{newFault(codeOf(invalid), fieldName(invalid.Field), invalid.Reason)}}
	case errors.As(err, &missing):
		return http.StatusNotFound, message{missing.Error()}
	case errors.Is(err, webhook.ErrNotFound):
		return http.StatusNotFound, message{"No Result found"}
	case errors.Is(err, webhook.ErrConflict), errors.As(err, new(changedError)):
		return http.StatusConflict, message{"Somebody else changed it: read it again."}
	case errors.Is(err, account.ErrForbidden):
		return http.StatusForbidden, message{"You do not have permission to do this: check the key in the header Api-Token and its rights."}
	case errors.Is(err, account.ErrUnavailable):
		w.Header().Set("Retry-After", account.UnavailableRetryAfter)
		return http.StatusServiceUnavailable, message{account.Unavailable}
	case errors.As(err, &limit):
		return http.StatusForbidden, message{limit.Error()}
	case errors.As(err, &busy):
		w.Header().Set("Retry-After", strconv.Itoa(int(busy)))
		return http.StatusTooManyRequests, message{busy.Error()}
	case errors.As(err, &tooLong):
		return http.StatusRequestEntityTooLarge, message{fmt.Sprintf("The body is longer than %d bytes.", tooLong.Limit)}
	case errors.As(err, &syntax):
		return http.StatusBadRequest, message{string(syntax)}
	}
	logger.Error("webhook: a call of the API failed", "error", err)
	return http.StatusInternalServerError, message{account.SomethingWrong}
}

func codeOf(err *webhook.InvalidError) string {
	if strings.HasPrefix(err.Reason, "is empty") {
		return codeMissing
	}
	return codeInvalid
}

// fieldName names a webhook's field as the newer API does.
func fieldName(field string) string {
	switch field {
	case "List":
		return "listid"
	case "FieldIDs":
		return "field_ids"
	case "RateLimit":
		return "rate_limit"
	case "BatchWait":
		return "batch_wait"
	case "IgnoredEvents":
		return "events"
	case "Disabled":
		return "reason"
	}
	return strings.ToLower(field)
}
