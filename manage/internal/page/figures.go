package page

import (
	"fmt"
	"strings"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/text"
)

// figures are what became of the attempts at some webhooks in a period.
type figures struct {
	Total   webhook.Tally
	Spans   []webhook.Tally
	Periods []choice
	Address string // of the page that shows them

	period account.Period
	lang   *text.Language
	zone   *time.Location
}

var periodLabels = []struct {
	period account.Period
	text   text.Message
}{
	{account.PeriodDay, "24 hours"}, {account.PeriodWeek, "7 days"}, {account.PeriodMonth, "30 days"},
}

// figuresOf returns those of the period that the request names, or else of the last
// day.
func (p *pageRequest) figuresOf(address string, ws ...webhook.Webhook) *figures {
	ts := webhook.SumTallies(p.now, ws...)
	f := &figures{Address: p.base + address, period: account.Period(p.r.URL.Query().Get("period")), lang: p.lang, zone: p.Zone()}
	var ok bool
	if f.Spans, ok = f.period.Of(ts); !ok {
		f.period, f.Spans = account.PeriodDay, ts.Day
	}
	f.Total = webhook.TotalTally(f.Spans)
	for _, l := range periodLabels {
		f.Periods = append(f.Periods, choice{string(l.period), p.lang.Text(l.text), l.period == f.period})
	}
	return f
}

// success is the percentage of the attempts that delivered; "" when there were none.
func success(l *text.Language, t webhook.Tally) string {
	switch {
	case t.Attempts == 0:
		return ""
	case t.Delivered >= t.Attempts:
		return l.Percent(100, 0)
	case (t.Attempts-t.Delivered)*1000 < t.Attempts:
		return l.Percent(99.9, 1) // never a round 100 with failures
	}
	percent := float64(t.Delivered) * 100 / float64(t.Attempts)
	if percent > 99 {
		return l.Percent(percent, 1)
	}
	return l.Percent(percent, 0)
}

// failedAttempts is how many attempts did not deliver.
func failedAttempts(t webhook.Tally) int { return max(t.Attempts-t.Delivered, 0) }

// Success is that of the whole period.
func (f *figures) Success() string { return success(f.lang, f.Total) }

// FailedAttempts is that of the whole period.
func (f *figures) FailedAttempts() int { return failedAttempts(f.Total) }

// Half and Most say within which time half of the attempts ended, and 95% of them; ""
// when none was answered.
func (f *figures) Half() string { return f.took(f.Total, half) }
func (f *figures) Most() string { return f.took(f.Total, most) }

// The quantiles that are shown.
const (
	half = 0.5
	most = 0.95
)

func (f *figures) took(t webhook.Tally, q float64) string {
	d := t.Latency(q)
	if d == 0 {
		return ""
	}
	return f.lang.Took(d.Round(time.Millisecond))
}

// Oldest says when the period began.
func (f *figures) Oldest() string {
	switch f.period {
	case account.PeriodWeek:
		return f.lang.Text("7 days ago")
	case account.PeriodMonth:
		return f.lang.Text("30 days ago")
	}
	return f.lang.Text("24 hours ago")
}

// when names a span.
func (f *figures) when(t webhook.Tally) string {
	switch f.period {
	case account.PeriodWeek:
		return f.lang.ShortTime(t.From.In(f.zone))
	case account.PeriodMonth:
		return f.lang.Text("{date} (UTC)", "date", f.lang.Date(t.From))
	}
	return t.From.In(f.zone).Format("15:04 MST")
}

// A tableRow is a span of the table that says what the charts show.
type tableRow struct {
	From, When                          string // where the span begins: for machines, and for people
	Success                             string
	Attempts, Delivered, Failed, InVain int
	Half, Most                          string
}

// Rows are the spans with attempts or failures, the newest first.
func (f *figures) Rows() []tableRow {
	var rows []tableRow
	for i := len(f.Spans) - 1; i >= 0; i-- {
		if t := f.Spans[i]; t.Attempts+t.Failed > 0 {
			rows = append(rows, tableRow{
				t.From.UTC().Format(time.RFC3339), f.when(t), success(f.lang, t), t.Attempts, t.Delivered, t.Failed, failedAttempts(t), f.took(t, half), f.took(t, most),
			})
		}
	}
	return rows
}

// A bar is a span of a chart: parts from the bottom, in the units of its viewBox.
type bar struct {
	X     float64
	Title string
	Parts []barPart
}

type barPart struct {
	Class     string
	Y, Height float64
}

// A chart's size, and how much of it the highest bar takes.
const (
	chartWidth  = 720.0
	chartHeight = 100.0
	chartTop    = chartHeight - 8
)

// Step is how wide a span is in a chart, and Width the bar in it.
func (f *figures) Step() float64  { return chartWidth / float64(len(f.Spans)) }
func (f *figures) Width() float64 { return f.Step() * 0.8 }

// Bars are those of the chart of attempts.
func (f *figures) Bars() []bar {
	highest := 1
	for _, t := range f.Spans {
		highest = max(highest, t.Attempts)
	}
	bars := make([]bar, len(f.Spans))
	for i, t := range f.Spans {
		bars[i] = bar{X: float64(i) * f.Step(), Title: f.lang.Text("{time}: {delivered} delivered, {n, plural, one {# attempt} other {# attempts}} failed",
			"time", f.when(t), "delivered", t.Delivered, "n", failedAttempts(t))}
		y := chartHeight
		for _, part := range []struct {
			class string
			n     int
		}{{"good", t.Delivered}, {"bad", failedAttempts(t)}} {
			if part.n > 0 {
				height := max(1.5, float64(part.n)/float64(highest)*chartTop)
				y -= height
				bars[i].Parts = append(bars[i].Parts, barPart{part.class, y, height})
			}
		}
	}
	return bars
}

// TimeBars are those of the chart of response times: within what most attempts ended,
// and in front of it, half of them.
func (f *figures) TimeBars() []bar {
	slowest := f.slowest()
	bars := make([]bar, len(f.Spans))
	for i, t := range f.Spans {
		bars[i] = bar{X: float64(i) * f.Step(), Title: f.when(t)}
		if t.Latency(most) == 0 {
			continue
		}
		bars[i].Title = f.lang.Text("{time}: half within {half}, 95% within {most}", "time", f.when(t), "half", f.took(t, half), "most", f.took(t, most))
		for _, part := range []struct {
			class string
			q     float64
		}{{"most", most}, {"half", half}} {
			height := max(1.5, float64(t.Latency(part.q))/float64(slowest)*chartTop)
			bars[i].Parts = append(bars[i].Parts, barPart{part.class, chartHeight - height, height})
		}
	}
	return bars
}

func (f *figures) slowest() time.Duration {
	slowest := time.Millisecond
	for _, t := range f.Spans {
		slowest = max(slowest, t.Latency(most))
	}
	return slowest
}

// Summary says the chart of attempts in a sentence.
func (f *figures) Summary() string {
	return f.lang.Text("Attempts since {time}: {delivered} delivered, {n} failed.",
		"time", f.when(f.Spans[0]), "delivered", f.Total.Delivered, "n", f.FailedAttempts())
}

// TimeSummary says the chart of response times in a sentence.
func (f *figures) TimeSummary() string {
	return f.lang.Text("Response times since {time}: half within {half}, 95% within {most}.",
		"time", f.when(f.Spans[0]), "half", f.Half(), "most", f.Most())
}

// A spark is the attempts of a webhook in the last day as a small picture: paths of a
// viewBox of 96 by 20.
type spark struct{ Delivered, Failed string }

// sparkOf draws tallies; it is empty if there was no attempt.
func sparkOf(ts []webhook.Tally) spark {
	const step, height = 4, 20.0
	highest := 0
	for _, t := range ts {
		highest = max(highest, t.Attempts)
	}
	var delivered, failed strings.Builder
	for i, t := range ts {
		y := height
		for _, part := range []struct {
			path *strings.Builder
			n    int
		}{{&delivered, t.Delivered}, {&failed, failedAttempts(t)}} {
			if part.n > 0 {
				top := max(y-max(float64(part.n)/float64(highest)*height, 1), 0)
				fmt.Fprintf(part.path, "M%d %.3gV%.3g", i*step+step/2, y, top)
				y = top
			}
		}
	}
	return spark{delivered.String(), failed.String()}
}
