package page

import (
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/text"
)

// A day is what happened to deliveries in the last 24 hours.
type day struct {
	From, Until time.Time
	Hours       [24]tally
	All         tally
	Cut         bool // there were more: only the newest are counted

	webhooks map[string]*tally
	lang     *text.Language
}

// A tally counts deliveries by what became of them.
type tally struct {
	From                                 time.Time // of an hour
	Delivered, Failed, Pending, Canceled int
	Retried                              int              // of Pending: an attempt failed
	Last                                 webhook.Delivery // the newest; zero: none
}

// dayLimit is how many deliveries are read for a page.
const dayLimit = 5000

func (t *tally) add(d webhook.Delivery) {
	switch d.State {
	case webhook.StateDelivered:
		t.Delivered++
	case webhook.StateFailed:
		t.Failed++
	case webhook.StatePending:
		t.Pending++
		t.Retried += min(d.Attempts, 1)
	case webhook.StateCanceled:
		t.Canceled++
	}
	if t.Last.ID == "" { // they come newest first
		t.Last = d
	}
}

// Total is how many there are in all.
func (t tally) Total() int { return t.Delivered + t.Failed + t.Pending + t.Canceled }

// Success is the percentage that was delivered of what was tried; "" when
// nothing was.
func (t tally) Success(l *text.Language) string {
	bad := t.Failed + t.Retried
	tried := t.Delivered + bad
	switch {
	case tried == 0:
		return ""
	case bad == 0:
		return l.Percent(100, 0)
	case bad*1000 < tried:
		return l.Percent(99.9, 1) // never a round 100 with failures
	}
	percent := float64(t.Delivered) * 100 / float64(tried)
	if percent > 99 {
		return l.Percent(percent, 1)
	}
	return l.Percent(percent, 0)
}

// lastDay counts the deliveries of the account, or of one of its webhooks.
func (p *pageRequest) lastDay(webhookID string) (*day, error) {
	until := p.now.Truncate(time.Hour).Add(time.Hour)
	s := &day{From: until.Add(-24 * time.Hour), Until: until, webhooks: map[string]*tally{}, lang: p.lang}
	ds, stopped, err := p.Deliveries(p.r.Context(), webhook.DeliveryQuery{
		Webhook: webhookID, Since: s.From, Limit: dayLimit + 1, Brief: true,
	})
	if err != nil {
		return nil, err
	}
	s.Cut = stopped != webhook.Cursor{}
	if len(ds) > dayLimit {
		ds, s.Cut = ds[:dayLimit], true
	}
	for i := range s.Hours {
		s.Hours[i].From = s.From.Add(time.Duration(i) * time.Hour).In(p.Zone())
	}
	for _, d := range ds {
		if hour := int(d.Created.Sub(s.From) / time.Hour); hour < len(s.Hours) {
			s.Hours[hour].add(d)
		}
		s.All.add(d)
		if s.webhooks[d.WebhookID] == nil {
			s.webhooks[d.WebhookID] = &tally{}
		}
		s.webhooks[d.WebhookID].add(d)
	}
	return s, nil
}

// Shown is a count of the day as a figure of the page.
func (s *day) Shown(count int) text.Number { return text.Number{Count: count, More: s.Cut} }

// Success is that of the whole day, as Success of a tally.
func (s *day) Success() string { return s.All.Success(s.lang) }

// of returns the tally of one webhook.
func (s *day) of(id string) tally {
	if t := s.webhooks[id]; t != nil {
		return *t
	}
	return tally{}
}

// A bar is an hour of the chart: parts from the bottom, in the units of its
// viewBox.
type bar struct {
	X     float64
	Title string
	Parts []barPart
}

type barPart struct {
	Class     string
	Y, Height float64
}

// The chart's size.
const (
	chartHeight = 100.0
	chartStep   = 30.0
)

// Bars are the chart's.
func (s *day) Bars() []bar {
	most := 1
	for _, h := range s.Hours {
		most = max(most, h.Total())
	}
	bars := make([]bar, len(s.Hours))
	for i, h := range s.Hours {
		b := bar{X: float64(i) * chartStep, Title: s.lang.Text(
			"{time}: {delivered} delivered, {failed} failed, {pending} pending, {canceled} canceled",
			"time", h.From.Format("15:04 MST"), "delivered", h.Delivered, "failed", h.Failed, "pending", h.Pending, "canceled", h.Canceled)}
		y := chartHeight
		for _, part := range []struct {
			class string
			n     int
		}{{"good", h.Delivered}, {"bad", h.Failed}, {"wait", h.Pending}, {"none", h.Canceled}} {
			if part.n == 0 {
				continue
			}
			height := max(1.5, float64(part.n)/float64(most)*(chartHeight-8))
			y -= height
			b.Parts = append(b.Parts, barPart{part.class, y, height})
		}
		bars[i] = b
	}
	return bars
}

// Summary says the chart in a sentence.
func (s *day) Summary() string {
	return s.lang.Text("Deliveries by hour in the last 24 hours: {delivered} delivered, {failed} failed, {pending} pending, {canceled} canceled.",
		"delivered", s.Shown(s.All.Delivered), "failed", s.Shown(s.All.Failed), "pending", s.Shown(s.All.Pending), "canceled", s.Shown(s.All.Canceled))
}
