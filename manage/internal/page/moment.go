package page

import (
	"fmt"
	"time"

	"github.com/listhook/webhook/manage/internal/account"
)

// A moment is a time as the page shows it.
type moment struct {
	ISO  string // for machines; "": never
	Text string // in the account's zone
	Ago  string // from now, either way
}

// When returns t for the template "time".
func (v view) When(t time.Time) moment {
	if t.IsZero() {
		return moment{}
	}
	return moment{
		ISO:  t.UTC().Format(time.RFC3339),
		Text: t.In(v.location).Format("2 Jan 2006, 15:04:05 MST"),
		Ago:  ago(t.Sub(v.now)),
	}
}

// Zone names the zone of the page's times.
func (v view) Zone() string { return v.now.In(v.location).Format("MST") }

// A nextMoment is a nextAttempt as the page shows it.
type nextMoment struct {
	moment
	Reason account.NextReason
}

// Next returns n for the templates "next" and "next-clock".
func (v view) Next(n account.NextAttempt) nextMoment { return nextMoment{v.When(n.At), n.Reason} }

// ago says a distance in time roughly.
func ago(d time.Duration) string {
	past := d <= 0
	if past {
		d = -d
	}
	var text string
	switch {
	case d < 5*time.Second && past:
		return "just now"
	case d < time.Second:
		return "now"
	case d < time.Minute:
		text = count(int(d.Seconds()), "second")
	case d < time.Hour:
		text = count(int(d.Minutes()), "minute")
	case d < 48*time.Hour:
		text = count(int(d.Hours()), "hour")
	default:
		text = count(int(d.Hours()/24), "day")
	}
	if past {
		return text + " ago"
	}
	return "in " + text
}

// count says how many.
func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// took says how long an attempt took.
func took(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "under 1 ms"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
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
