package account

import (
	"strings"
	"time"
)

// Access is who asks, and what they may do. The zero value may do nothing.
type Access struct {
	Account  string         // whose webhooks
	View     bool           // see them, their log, and what was sent
	Manage   bool           // change them; and View
	Operator bool           // see the webhooks of all accounts, and disable them
	User     string         // a name or an email address
	Location *time.Location // of the times in answers; nil: UTC
	Locale   string         // the page's language; "": the page's own
	LogOnly  bool           // nothing but the log, and with Manage resending from it
	Limits   Limits
}

// A Right is what a request needs.
type Right int

// The rights, and two kinds of request that need none in particular.
const (
	RightPublic   Right = iota - 1 // none: not even a session
	RightAny                       // any of the following
	RightLog                       // Access.View or Access.Manage: the log
	RightResend                    // Access.Manage: resending from the log
	RightView                      // RightLog, and everything else that there is to see
	RightManage                    // RightResend, and every other change
	RightOperator                  // Access.Operator
)

// Allows reports whether a may do what needs the right.
func (a Access) Allows(need Right) bool {
	switch need {
	case RightPublic:
		return true
	case RightLog:
		return a.View || a.Manage
	case RightResend:
		return a.Manage
	case RightView:
		return (a.View || a.Manage) && !a.LogOnly
	case RightManage:
		return a.Manage && !a.LogOnly
	case RightOperator:
		return a.Operator
	}
	return a.View || a.Manage || a.Operator
}

// Zone returns the zone of the times in answers.
func (a Access) Zone() *time.Location {
	if a.Location == nil {
		return time.UTC
	}
	return a.Location
}

// FirstAndLast returns the user's name in two parts, as both APIs show it.
func (a Access) FirstAndLast() (first, last string) {
	first, last, _ = strings.Cut(a.User, " ")
	return first, last
}

// Email returns the user's name if it is an email address, else "".
func (a Access) Email() string {
	if strings.Contains(a.User, "@") {
		return a.User
	}
	return ""
}
