package v3

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
)

// A tallyJSON is what became of the attempts in a span of time.
type tallyJSON struct {
	From      *string      `json:"from"`
	Until     *string      `json:"until"`
	Attempts  int          `json:"attempts"`
	Delivered int          `json:"delivered"`
	Failed    int          `json:"failed"`  // deliveries, for good
	Success   *float64     `json:"success"` // the share of the attempts that delivered; null: there were none
	Latency   *latencyJSON `json:"latency"` // null: none was answered
}

// A latencyJSON is within how many seconds a share of the attempts ended.
type latencyJSON struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
}

type statsJSON struct {
	Period account.Period `json:"period"`
	tallyJSON
	Spans []tallyJSON `json:"spans"` // oldest first
}

func tallyOf(c *account.Caller, t webhook.Tally) tallyJSON {
	out := tallyJSON{
		From: formatTime(c, t.From), Until: formatTime(c, t.Until), Attempts: t.Attempts, Delivered: t.Delivered, Failed: t.Failed,
	}
	if t.Attempts > 0 {
		share := float64(t.Delivered) / float64(t.Attempts)
		out.Success = &share
	}
	if p95 := t.Latency(0.95); p95 > 0 {
		out.Latency = &latencyJSON{inSeconds(t.Latency(0.5)), inSeconds(p95)}
	}
	return out
}

// inSeconds returns a length of time to the millisecond.
func inSeconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }

// viewStats shows the figures of a webhook.
func viewStats(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	period, err := readPeriod(r)
	if err != nil {
		return 0, nil, err
	}
	w, err := c.WithTallies(ctx, r.PathValue("id"))
	if err != nil {
		return 0, nil, found(err, "Webhook", r)
	}
	return answerStats(c, period, w)
}

// viewAllStats shows the figures of all webhooks together.
func viewAllStats(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	period, err := readPeriod(r)
	if err != nil {
		return 0, nil, err
	}
	ws, err := c.Query(ctx, webhook.WebhookQuery{Tallies: true})
	if err != nil {
		return 0, nil, err
	}
	return answerStats(c, period, ws...)
}

func readPeriod(r *http.Request) (account.Period, error) {
	var f faults
	query := readQuery(r, &f, "period")
	period := account.Period(cmp.Or(query.Get("period"), string(account.PeriodDay)))
	if _, ok := period.Of(webhook.Tallies{}); !ok {
		f.add(fault(codeInvalid, "period", "is none of 24h, 7d, 30d"))
	}
	return period, f.err()
}

func answerStats(c *account.Caller, period account.Period, ws ...webhook.Webhook) (int, any, error) {
	ts, _ := period.Of(webhook.SumTallies(time.Now(), ws...))
	stats := statsJSON{Period: period, tallyJSON: tallyOf(c, webhook.TotalTally(ts))}
	for _, t := range ts {
		stats.Spans = append(stats.Spans, tallyOf(c, t))
	}
	return http.StatusOK, struct {
		Stats statsJSON `json:"stats"`
	}{stats}, nil
}
