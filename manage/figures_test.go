package manage

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/tally"
)

// tallied stores that so many attempts at a webhook, a time ago, delivered or failed,
// each within 60 ms, and that some deliveries failed for good.
func (r *harness) tallied(w webhook.Webhook, ago time.Duration, delivered, inVain, failed int) {
	ws, err := r.store.Webhooks(r.t.Context(), webhook.WebhookQuery{Account: w.Account, IDs: []string{w.ID}, Tallies: true})
	require.NoError(r.t, err)
	require.Len(r.t, ws, 1)
	doc, now := &tally.Document{}, time.Now()
	require.NoError(r.t, doc.Read(ws[0].Tallies))
	h := tally.Hour{Start: now.Add(-ago).UTC().Truncate(time.Hour)}
	h.Attempts, h.Delivered, h.Failed = uint32(delivered+inVain), uint32(delivered), uint32(failed)
	for range delivered + inVain {
		h.Took(60 * time.Millisecond)
	}
	doc.Add(h, now)
	ws[0].Tallies = doc.Bytes()
	_, err = r.store.PutWebhook(r.t.Context(), ws[0])
	require.NoError(r.t, err)
}

// between returns what stands between two texts of a page.
func between(t *testing.T, body, from, until string) string {
	_, rest, ok := strings.Cut(body, from)
	require.True(t, ok, from)
	found, _, ok := strings.Cut(rest, until)
	require.True(t, ok, until)
	return found
}

// The log holds nothing: 50,000 deliveries a day are counted all the same.
func TestFiguresAreCountedWhateverTheLogHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newHarness(t)
		good, bad := r.put(nil), r.put(func(w *webhook.Webhook) { w.Name = "Broken" })
		idle := r.put(func(w *webhook.Webhook) { w.Name = "Idle" })
		r.tallied(good, time.Hour, 50_000, 0, 0)
		r.tallied(bad, 2*time.Hour, 0, 60_000, 7)
		r.tallied(good, 3*24*time.Hour, 100, 300, 5)
		r.tallied(good, 20*24*time.Hour, 1000, 0, 0)
		for _, c := range []struct{ target, success, attempts, delivered, failed, inVain string }{
			{"/", "45%", "of 110,000 attempts", "50,000", "7", "60,000 attempts failed"},
			{"/?period=7d", "45%", "of 110,400 attempts", "50,100", "12", "60,300 attempts failed"},
			{"/?period=30d", "46%", "of 111,400 attempts", "51,100", "12", "60,300 attempts failed"},
			{"/?period=nonsense", "45%", "of 110,000 attempts", "50,000", "7", "60,000 attempts failed"},
			{"/webhooks/" + good.ID, "100%", "of 50,000 attempts", "50,000", "0", "0 attempts failed"},
			{"/webhooks/" + good.ID + "?period=7d", "99.4%", "of 50,400 attempts", "50,100", "5", "300 attempts failed"},
			{"/webhooks/" + bad.ID, "0%", "of 60,000 attempts", "0", "7", "60,000 attempts failed"},
			{"/webhooks/" + idle.ID, "–", "", "0", "0", "0 attempts failed"},
		} {
			got := r.as("ann", c.target, nil)
			require.Equal(t, 200, got.Code, c.target)
			body := got.Body.String()
			section := between(t, body, `aria-labelledby="figures"`, "</section>")
			assert.Contains(t, section, "<dd>"+c.success, c.target)
			assert.Contains(t, section, c.attempts, c.target)
			assert.Contains(t, section, "<dt>Delivered events</dt><dd>"+c.delivered+"<", c.target)
			assert.Contains(t, between(t, section, "<dt>Failed events</dt>", "</dd>"), ">"+c.failed+"<", c.target)
			assert.Contains(t, section, c.inVain, c.target)
			assert.Equal(t, c.success == "–", !strings.Contains(section, "Show as a table"), c.target)
			if c.success != "–" {
				assert.Contains(t, section, "<dt>Response time</dt><dd>60 ms<small>95% within 78 ms", c.target)
				assert.Contains(t, section, "Response times since", c.target)
			}
		}
	})
}

func TestRowsOfTheOverviewHaveFiguresOfTheirOwn(t *testing.T) {
	r := newHarness(t)
	good, bad := r.put(nil), r.put(func(w *webhook.Webhook) { w.Name = "Broken" })
	r.put(func(w *webhook.Webhook) { w.Name = "Idle" })
	r.tallied(good, time.Hour, 40, 0, 0)
	r.tallied(bad, time.Hour, 1, 3, 2)
	r.finished(bad, 4, webhook.StatePending, webhook.TypeOpen, time.Now().Add(-time.Hour))
	body := r.as("ann", "/", nil).Body.String()
	cells := strings.Split(body, `<td data-label="Last 24 hours">`)[1:]
	require.Len(t, cells, 3)
	for i, want := range []struct {
		text  string
		spark int
	}{{"<strong>100%</strong>", 1}, {"<strong>25%</strong>", 1}, {"–", 0}} {
		cell, _, _ := strings.Cut(cells[i], "</td>")
		assert.True(t, strings.HasPrefix(cell, want.text), cell)
		assert.Equal(t, want.spark, strings.Count(cell, `<svg class="spark"`), cell)
	}
	assert.Contains(t, cells[0], "40 delivered<")
	assert.Contains(t, cells[1], "1 delivered, 2 failed, 4 pending<")
	assert.Contains(t, cells[2], "nothing sent<")
}

func TestFiguresOfTheAPI(t *testing.T) {
	r := newHarness(t)
	w, other := r.put(nil), r.put(nil)
	r.tallied(w, 0, 3, 1, 1)
	r.tallied(other, 0, 6, 0, 0)
	type stats struct {
		Stats struct {
			Period                      string
			From, Until                 time.Time
			Attempts, Delivered, Failed int
			Success                     *float64
			Latency                     *struct{ P50, P95 float64 }
			Spans                       []struct {
				From, Until time.Time
				Attempts    int
				Latency     *struct{ P95 float64 }
			}
		}
	}
	for _, c := range []struct {
		path, period string
		spans        int
		width        time.Duration
		want         [3]int
		success      float64
	}{
		{"webhooks/" + w.ID + "/stats", "24h", 24, time.Hour, [3]int{4, 3, 1}, 0.75},
		{"webhooks/" + w.ID + "/stats?period=7d", "7d", 28, 6 * time.Hour, [3]int{4, 3, 1}, 0.75},
		{"webhooks/" + w.ID + "/stats?period=30d", "30d", 30, 24 * time.Hour, [3]int{4, 3, 1}, 0.75},
		{"stats", "24h", 24, time.Hour, [3]int{10, 9, 1}, 0.9},
	} {
		got := r.call("bob", "GET", "/api/3/listhook/"+c.path, "")
		require.Equal(t, http.StatusOK, got.Code, got.Body)
		var s stats
		require.NoError(t, json.Unmarshal(got.Body.Bytes(), &s))
		assert.Equal(t, c.period, s.Stats.Period)
		assert.Equal(t, c.want, [3]int{s.Stats.Attempts, s.Stats.Delivered, s.Stats.Failed})
		assert.InDelta(t, c.success, *s.Stats.Success, 1e-9)
		assert.InDelta(t, 0.078, s.Stats.Latency.P95, 0.002)
		require.Len(t, s.Stats.Spans, c.spans)
		last := s.Stats.Spans[c.spans-1]
		assert.Equal(t, c.width, last.Until.Sub(last.From))
		assert.Equal(t, s.Stats.Until, last.Until)
		assert.Equal(t, s.Stats.From, s.Stats.Spans[0].From)
		assert.Nil(t, s.Stats.Spans[0].Latency, "none was answered then")
		assert.Contains(t, got.Body.String(), `"success":null`)
	}
	assert.Equal(t, 404, r.call("eve", "GET", "/api/3/listhook/webhooks/"+w.ID+"/stats", "").Code)
	assert.Contains(t, r.call("eve", "GET", "/api/3/listhook/stats", "").Body.String(), `"attempts":0,"delivered":0`)
}

func TestFiguresAreThoseOfTheWebhooksThatSomebodySees(t *testing.T) {
	r := limited(t, Access{Account: "acme", Manage: true, Limits: Limits{Lists: []string{"13", "14"}}})
	for i, list := range []string{"12", "13", "14"} {
		r.tallied(r.put(func(w *webhook.Webhook) { w.List = list }), 0, 10*(i+1), 0, 0)
	}
	assert.Contains(t, r.as("ann", "/", nil).Body.String(), "<dt>Delivered events</dt><dd>50<")
	assert.Contains(t, r.call("ann", "GET", "/api/3/listhook/stats", "").Body.String(), fmt.Sprintf(`"attempts":%d`, 50))
}
