package webhook

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestDisableProgress(t *testing.T) {
	const limit = 5 * 24 * time.Hour
	for _, c := range []struct {
		name            string
		failures, hours int
		span            time.Duration
		limit           time.Duration
		want            int
	}{
		{"none", 0, 0, 0, limit, 0},
		{"the first", 1, 1, 0, limit, 0},
		{"half the time", 1000, 60, limit / 2, limit, 50},
		{"half the failures", 10, 12, 2 * limit, limit, 50},
		{"all in one hour but for the last", 1000, 2, 2 * limit, limit, 16},
		{"almost", 20, 12, limit - time.Minute, limit, 99},
		{"all three", 20, 12, limit, limit, 100},
		{"more", 200, 120, 9 * limit, limit, 100},
		{"never", 200, 120, 9 * limit, -1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := Health{Failures: c.failures, Hours: c.hours, Since: time.Unix(0, 0), Last: time.Unix(0, 0).Add(c.span)}
			assert.Equal(t, c.want, h.disableProgress(c.limit))
		})
	}
}

func TestFailuresSeenElsewhereCountTogether(t *testing.T) {
	at := time.Date(2000, 1, 1, 12, 30, 0, 0, time.UTC)
	minute := func(n int) time.Time { return at.Add(time.Duration(n) * time.Minute) }
	failures := func(n int, first, last time.Time) observation {
		return observation{failures: n, first: first, last: last, reason: "no"}
	}
	for _, c := range []struct {
		name   string
		health Health
		seen   observation
		want   Health
	}{
		{
			"more of them",
			Health{Failures: 3, Since: minute(0), Last: minute(5), Hours: 1, Reason: "before"},
			failures(2, minute(10), minute(40)),
			Health{Failures: 5, Since: minute(0), Last: minute(40), Hours: 2, Reason: "no"},
		},
		{
			"older than those noted",
			Health{Failures: 3, Since: minute(0), Last: minute(45), Hours: 2},
			failures(2, minute(10), minute(40)),
			Health{Failures: 5, Since: minute(0), Last: minute(45), Hours: 2, Reason: "no"},
		},
		{
			"older than a success",
			Health{Success: minute(50)},
			failures(2, minute(10), minute(40)),
			Health{Success: minute(50)},
		},
		{
			"a success older than the failures",
			Health{Failures: 3, Since: minute(5), Last: minute(6), Hours: 1},
			observation{success: minute(2)},
			Health{Failures: 3, Since: minute(5), Last: minute(6), Hours: 1, Success: minute(2)},
		},
		{
			"a success among the failures",
			Health{Failures: 3, Since: minute(0), Last: minute(6), Hours: 1, Warned: 50},
			observation{success: minute(2), failures: 1, first: minute(3), last: minute(3), reason: "no"},
			Health{Failures: 1, Since: minute(3), Last: minute(3), Hours: 1, Success: minute(2), Reason: "no", Telling: tellRecovered},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := Webhook{Health: c.health}
			assert.Equal(t, c.health != c.want, w.apply(c.seen), "whether there is anything to store")
			assert.Equal(t, c.want, w.Health)
		})
	}
}

func TestAFailedProbeMayHaveBeenAskedToWaitLonger(t *testing.T) {
	at := time.Date(2000, 1, 1, 12, 0, 0, 0, time.UTC)
	w := Webhook{HeldUntil: at.Add(30 * time.Second), Health: Health{Failures: 10, Since: at, Last: at}}
	w.apply(observation{failures: 1, first: at, last: at, probed: true, hold: at.Add(3 * time.Hour)})
	assert.Equal(t, at.Add(3*time.Hour), w.HeldUntil)
	w.apply(observation{failures: 1, first: at, last: at})
	assert.Equal(t, at.Add(3*time.Hour), w.HeldUntil, "what was under way when it was held changes nothing")
	w.apply(observation{success: at.Add(time.Minute)})
	assert.Zero(t, w.HeldUntil)
}

func TestWhatIsSeenAddsUp(t *testing.T) {
	at := func(n int) time.Time { return time.Unix(int64(n), 0) }
	failure := func(n int) observation {
		return observation{failures: 1, first: at(n), last: at(n), reason: "no", revision: 1}
	}
	well := observation{success: at(5), revision: 1}
	three := failure(1)
	three.failures, three.last = 3, at(3)
	wellThenTwo := observation{success: at(5), failures: 2, first: at(6), last: at(7), reason: "no", revision: 1}
	asked := failure(8)
	asked.hold, asked.probed = at(99), true
	askedThenWell := observation{success: at(5), hold: at(99), probed: true, revision: 1}
	edited := observation{success: at(5), revision: 2}
	for _, c := range []struct {
		name string
		all  []observation
		want observation
	}{
		{"nothing", []observation{{}}, observation{}},
		{"failures", []observation{failure(1), failure(2), failure(3)}, three},
		{"a success ends them", []observation{failure(1), well}, well},
		{"and others begin", []observation{failure(1), well, failure(6), failure(7)}, wellThenTwo},
		{"a success does not end the wish to be left alone", []observation{asked, well}, askedThenWell},
		{"nothing more", []observation{failure(1), failure(2), failure(3), {}}, three},
		{"an edit ends all", []observation{asked, edited}, edited},
		{"an attempt from before it changes nothing", []observation{edited, asked}, edited},
		{"nor does it once what followed is to be stored", []observation{edited, {unkept: 1, revision: 1}}, observation{success: at(5), unkept: 1, revision: 2}},
		{"not what was not kept", []observation{{unkept: 2, revision: 1}, {unkept: 1, revision: 2}}, observation{unkept: 3, revision: 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s observation
			for _, one := range c.all {
				s.add(one)
			}
			assert.Equal(t, c.want, s)
		})
	}
}
