package page

import (
	"fmt"
	"html/template"
	"time"

	"github.com/listhook/webhook/manage/internal/account"
)

// Ago says roughly how far t is from now, with the time itself as a hint.
func (v view) Ago(t time.Time) template.HTML {
	if t.IsZero() {
		return v.escaped(v.lang.Text("never"))
	}
	return v.element(t, fmt.Sprintf(` title="%s"`, template.HTMLEscapeString(v.lang.Time(t.In(v.location)))), v.lang.Ago(t.Sub(v.now)))
}

// Clock says t in the account's zone, and roughly how far it is from now.
func (v view) Clock(t time.Time) template.HTML {
	if t.IsZero() {
		return v.escaped(v.lang.Text("never"))
	}
	return v.element(t, "", v.lang.Time(t.In(v.location))) +
		` <span class="muted">(` + v.escaped(v.lang.Ago(t.Sub(v.now))) + `)</span>`
}

func (v view) escaped(text string) template.HTML {
	return template.HTML(template.HTMLEscapeString(text))
}

func (v view) element(t time.Time, attributes, text string) template.HTML {
	return template.HTML(fmt.Sprintf(`<time datetime="%s"%s>%s</time>`, t.UTC().Format(time.RFC3339), attributes, template.HTMLEscapeString(text)))
}

// Zone names the zone of the page's times.
func (v view) Zone() string { return v.now.In(v.location).Format("MST") }

// Next says when a pending delivery is attempted next, in a few words.
func (v view) Next(n account.NextAttempt) template.HTML {
	switch n.Reason {
	case account.NextDue:
		return v.lang.HTML("due now")
	case account.NextUnderWay:
		return v.lang.HTML("being sent")
	case account.NextRetry:
		return v.lang.HTML("next attempt {time}", "time", v.Ago(n.At))
	case account.NextHeld:
		return v.lang.HTML("paused, next attempt {time}", "time", v.Ago(n.At))
	case account.NextDisabled:
		return v.lang.HTML("waits until the webhook is on")
	case account.NextUnreadable:
		return v.lang.HTML("waits for the missing key")
	case account.NextInOrder:
		return v.lang.HTML("waits for an earlier one")
	}
	return v.lang.HTML("will be canceled")
}

// NextClock says it in a sentence.
func (v view) NextClock(n account.NextAttempt) template.HTML {
	switch n.Reason {
	case account.NextDue:
		return v.lang.HTML("as soon as possible")
	case account.NextUnderWay:
		return v.lang.HTML("now: it is being sent")
	case account.NextRetry:
		return v.Clock(n.At)
	case account.NextHeld:
		return v.lang.HTML("{time}: the webhook is paused until then", "time", v.Clock(n.At))
	case account.NextDisabled:
		return v.lang.HTML("when the webhook is switched on: it is off and keeps its events")
	case account.NextUnreadable:
		return v.lang.HTML("when the webhook can be read: the key that it was encrypted with is missing")
	case account.NextInOrder:
		return v.lang.HTML("when the earlier one for the same subscriber is finished")
	}
	return v.lang.HTML("never: it will be canceled, because its webhook is off or was deleted")
}

// localTime is how browsers send the value of a datetime-local field, with and
// without seconds.
const localTime = "2006-01-02T15:04:05"

// readLocal reads such a value in a zone; a zero time when there is none.
func readLocal(text string, zone *time.Location) (time.Time, error) {
	if len(text) == len("2006-01-02T15:04") {
		text += ":00"
	}
	if text == "" {
		return time.Time{}, nil
	}
	return time.ParseInLocation(localTime, text, zone)
}
