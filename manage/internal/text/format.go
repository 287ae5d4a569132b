package text

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Samples from which a language's numbers and months are read.
const (
	sampleNumber Message = "12,345.6"
	sampleMonths Message = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"
)

// separators are what stands between thousands and before a fraction.
type separators struct{ group, decimal string }

var numberPattern = regexp.MustCompile(`^12(\D*)345(\D+)6$`)

func readSeparators(sample string) (separators, error) {
	m := numberPattern.FindStringSubmatch(sample)
	if m == nil {
		return separators{}, fmt.Errorf("has for %q a text that is not this number as the language writes it", sampleNumber)
	}
	return separators{m[1], m[2]}, nil
}

func readMonths(sample string) ([]string, error) {
	months := strings.Fields(sample)
	if len(months) != 12 {
		return nil, errors.New("has not twelve months")
	}
	return months, nil
}

// A Number is a count that may have ended early.
type Number struct {
	Count int
	More  bool // there may be more
}

// Add returns the sum of two numbers.
func (n Number) Add(other Number) Number {
	return Number{n.Count + other.Count, n.More || other.More}
}

// Number writes a whole number, and says of a Number that ended early that there
// may be more.
func (l *Language) Number(value any) string {
	n, more := numberOf(value)
	text := l.decimal(n, 0)
	switch {
	case more && n == 0:
		return l.Text("not counted")
	case more:
		return l.Text("{n} or more", "n", text)
	}
	return text
}

// decimal writes a number with so many digits of its fraction.
func (l *Language) decimal(n float64, digits int) string {
	text := strconv.FormatFloat(n, 'f', digits, 64)
	whole, fraction, _ := strings.Cut(text, ".")
	sign := ""
	if whole[0] == '-' {
		sign, whole = "-", whole[1:]
	}
	for at := len(whole) - 3; at > 0; at -= 3 {
		whole = whole[:at] + l.numbers.group + whole[at:]
	}
	if fraction != "" {
		whole += l.numbers.decimal + fraction
	}
	return sign + whole
}

// Decimal writes a number with all the digits of its fraction.
func (l *Language) Decimal(n float64) string {
	_, fraction, _ := strings.Cut(strconv.FormatFloat(n, 'f', -1, 64), ".")
	return l.decimal(n, len(fraction))
}

// Typed writes a number as people type it, without a separator between thousands.
func (l *Language) Typed(n float64) string {
	text := strconv.FormatFloat(n, 'f', -1, 64)
	if l.numbers.decimal == "," {
		text = strings.Replace(text, ".", ",", 1)
	}
	return text
}

// Percent writes a percentage.
func (l *Language) Percent(n float64, digits int) string {
	return l.Text("{n}%", "n", l.decimal(n, digits))
}

// Took says how long something took.
func (l *Language) Took(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return l.Text("under 1 ms")
	case d < time.Second:
		return l.Text("{n} ms", "n", d.Milliseconds())
	}
	return l.Text("{n} s", "n", l.decimal(d.Seconds(), 1))
}

// Clock writes a time of day.
func (l *Language) Clock(t time.Time) string { return t.Format("15:04") }

// Date writes a day.
func (l *Language) Date(t time.Time) string {
	return l.Text("{day} {month} {year}", "day", strconv.Itoa(t.Day()), "month", l.months[t.Month()-1], "year", strconv.Itoa(t.Year()))
}

// Time writes a time to the second, with its zone.
func (l *Language) Time(t time.Time) string {
	return l.Text("{date}, {time} {zone}", "date", l.Date(t), "time", t.Format("15:04:05"), "zone", t.Format("MST"))
}

// ShortTime writes a time of these days, to the minute.
func (l *Language) ShortTime(t time.Time) string {
	return l.Text("{day} {month}, {time} {zone}",
		"day", strconv.Itoa(t.Day()), "month", l.months[t.Month()-1], "time", t.Format("15:04"), "zone", t.Format("MST"))
}

// Span says a length of time roughly.
func (l *Language) Span(d time.Duration) string {
	n, unit := units(d)
	return l.Text([...]Message{
		"{n, plural, one {# second} other {# seconds}}", "{n, plural, one {# minute} other {# minutes}}",
		"{n, plural, one {# hour} other {# hours}}", "{n, plural, one {# day} other {# days}}",
	}[unit], "n", n)
}

// Ago says roughly how far a time is from now: d is negative in the past.
func (l *Language) Ago(d time.Duration) string {
	switch {
	case d <= 0 && d > -5*time.Second:
		return l.Text("just now")
	case d > 0 && d < time.Second:
		return l.Text("now")
	case d <= 0:
		n, unit := units(-d)
		return l.Text([...]Message{
			"{n, plural, one {# second ago} other {# seconds ago}}", "{n, plural, one {# minute ago} other {# minutes ago}}",
			"{n, plural, one {# hour ago} other {# hours ago}}", "{n, plural, one {# day ago} other {# days ago}}",
		}[unit], "n", n)
	}
	n, unit := units(d)
	return l.Text([...]Message{
		"{n, plural, one {in # second} other {in # seconds}}", "{n, plural, one {in # minute} other {in # minutes}}",
		"{n, plural, one {in # hour} other {in # hours}}", "{n, plural, one {in # day} other {in # days}}",
	}[unit], "n", n)
}

// units returns a length of time in whole seconds (0), minutes, hours or days.
func units(d time.Duration) (n, unit int) {
	switch {
	case d < time.Minute:
		return int(d.Seconds()), 0
	case d < time.Hour:
		return int(d.Minutes()), 1
	case d < 48*time.Hour:
		return int(d.Hours()), 2
	}
	return int(d.Hours() / 24), 3
}
