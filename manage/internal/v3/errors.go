package v3

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
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

// faults are the mistakes in a request that were found so far, at most one for each
// field: whoever calls should not meet one after the other. The zero value has none.
type faults struct {
	found []fieldFault
	other error // the first error that is about no field
}

// mostFaults bounds an answer to a request that is wrong everywhere.
const mostFaults = 50

// add takes over the mistakes that an error names, or the error.
func (f *faults) add(err error) {
	var mistakes fieldFaults
	var invalid *webhook.InvalidError
	switch {
	case errors.As(err, &mistakes):
	case errors.As(err, &invalid):
		mistakes.Errors = []fieldFault{faultOf(invalid)}
	case f.other == nil:
		f.other = err
	}
	for _, one := range mistakes.Errors {
		known := slices.ContainsFunc(f.found, func(other fieldFault) bool { return other.Source == one.Source })
		if !known && len(f.found) < mostFaults {
			f.found = append(f.found, one)
		}
	}
}

// addAll adds the problems of a webhook, and the error if there is one.
func (f *faults) addAll(problems []*webhook.InvalidError, err error) {
	f.add(err)
	for _, bad := range problems {
		f.add(bad)
	}
}

// err returns all as one error, or nil.
func (f *faults) err() error {
	switch {
	case f.other != nil:
		return f.other
	case len(f.found) > 0:
		return fieldFaults{f.found}
	}
	return nil
}

// clone returns a copy that can be added to by itself.
func (f *faults) clone() faults { return faults{slices.Clone(f.found), f.other} }

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
func failure(w http.ResponseWriter, r *http.Request, err error, accounts *account.Service) (status int, answer any) {
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
		return http.StatusUnprocessableEntity, fieldFaults{[]fieldFault{faultOf(invalid)}}
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
	accounts.LogFault(r.Context(), "webhook: a call of the API failed", err)
	return http.StatusInternalServerError, message{account.SomethingWrong}
}

// faultOf names the mistake by the API's fields.
func faultOf(err *webhook.InvalidError) fieldFault {
	return newFault(codeOf(err), fieldName(err.Field), reasonOf(err))
}

func codeOf(err *webhook.InvalidError) string {
	if strings.HasPrefix(err.Reason, "is empty") {
		return codeMissing
	}
	return codeInvalid
}

// goNames are the parts of reasons that name something by its name in Go, by the field.
var goNames = map[string]*strings.Replacer{
	"FieldIDs":  strings.NewReplacer("but Disclosure is not", "but disclosure is not"),
	"BatchWait": strings.NewReplacer("but Batch is not", "but batch is not"),
	"Source":    strings.NewReplacer("which Options.Catalogue does not list for", "which is none of the sources of"),
	"Until":     strings.NewReplacer("after Since", "after since"),
}

// reasonOf returns the reason with the names that the newer API has.
func reasonOf(err *webhook.InvalidError) string {
	if names := goNames[err.Field]; names != nil {
		return names.Replace(err.Reason)
	}
	return err.Reason
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
