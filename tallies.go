package webhook

import (
	"time"

	"github.com/listhook/webhook/internal/tally"
)

// A Tally counts attempts that ended in a span of time, which begins at a whole hour
// in UTC. Each attempt at a delivery counts when its outcome is stored: retries,
// probes, and what was asked for again too. Tests do not count, nor attempts that
// failed because of the sender.
type Tally struct {
	From, Until time.Time // in UTC
	Attempts    int
	Delivered   int // of the attempts, those that the receiver answered with 2xx
	Failed      int // deliveries that failed for good
	counts      tally.Counts
}

// Latency returns the time within which a share q of the attempts ended, such as 0.5
// or 0.95: of those that were answered or timed out. It is 0 if there were none, and
// 32 seconds at most. It is interpolated between 10, 20, 40, 80, 150, 250 and 500 ms,
// and 1, 2, 4, 8, 16 and 32 s.
func (t Tally) Latency(q float64) time.Duration { return t.counts.Quantile(q) }

// Tallies are what has become of the attempts at webhooks lately: the last day by
// hour (24), the last week by six hours (28), and the last month by day (30), oldest
// first. The last Tally of each is of the span that has not ended.
type Tallies struct {
	Day, Week, Month []Tally
}

// SumTallies adds up the tallies of webhooks that were read with
// WebhookQuery.Tallies. They end at now, which is time.Now() but in tests.
//
// Each process that makes attempts at a webhook adds to its tallies once a minute, so
// they may be as much behind. Shutdown adds the rest. A process that ends
// without it loses up to a minute of them.
func SumTallies(now time.Time, ws ...Webhook) Tallies {
	sum, one := &tally.Document{}, &tally.Document{}
	for i := range ws {
		if one.Read(ws[i].Tallies) == nil { // a later version's are left out
			sum.Merge(one)
		}
	}
	return Tallies{
		Day: talliesOf(sum, tally.Hours, now), Week: talliesOf(sum, tally.SixHours, now), Month: talliesOf(sum, tally.Days, now),
	}
}

func talliesOf(d *tally.Document, s tally.Series, now time.Time) []Tally {
	spans := d.Spans(s, now)
	ts := make([]Tally, len(spans))
	for i, at := range spans {
		ts[i] = newTally(at.From, at.Until, at.Counts)
	}
	return ts
}

func newTally(from, until time.Time, c tally.Counts) Tally {
	return Tally{
		From: from, Until: until, counts: c,
		Attempts: int(c.Attempts), Delivered: int(c.Delivered), Failed: int(c.Failed),
	}
}

// TotalTally adds up tallies of spans that follow one another. Of none it is the zero
// Tally.
func TotalTally(ts []Tally) Tally {
	if len(ts) == 0 {
		return Tally{}
	}
	var c tally.Counts
	for i := range ts {
		c.Add(&ts[i].counts)
	}
	return newTally(ts[0].From, ts[len(ts)-1].Until, c)
}
