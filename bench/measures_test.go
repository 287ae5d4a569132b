package main

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
)

func TestPercentileCountsWhatNeverCame(t *testing.T) {
	latencies := []int64{1e6, 2e6, 3e6, 4e6}
	for _, test := range []struct {
		p        float64
		expected int
		want     float64
	}{
		{50, 4, 2}, {99, 4, 4}, {100, 4, 4}, {50, 8, 4}, {99, 5, math.NaN()}, {50, 0, math.NaN()},
	} {
		got := percentile(latencies, test.p, test.expected)
		if got != test.want && !(math.IsNaN(got) && math.IsNaN(test.want)) {
			t.Errorf("p%v of %d expected: %v, want %v", test.p, test.expected, got, test.want)
		}
	}
}

func TestReportTakesMediansAndRatiosToTheLoop(t *testing.T) {
	r := &report{}
	s := stages[2] // live, 64 callers
	for round := range 3 {
		rate := float64(round + 1)
		r.add("loop", s, []row{{Phase: "live", Measures: measures{"events_per_s": 100 * rate}}}, nil)
		r.add("pgx", s, []row{{Phase: "live", Measures: measures{"events_per_s": 90 / rate, "p50_ms": rate}}}, nil)
		var err error
		if round == 1 {
			err = errors.New("no server")
		}
		r.add("asynq", s, []row{{Phase: "live", Measures: measures{"events_per_s": 1}}}, err)
	}
	lines := r.medians([]string{"live"})
	if len(lines) != 3 {
		t.Fatal(len(lines), "lines")
	}
	var pgx map[string]any
	if err := json.Unmarshal(lines[1].json(), &pgx); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"subject": "pgx", "phase": "live", "callers": 64.0, "events_per_s": 45.0, "ratio_to_loop": 0.225,
		"p50_ms": 2.0, "p99_ms": nil, "cpu_ms_per_event": nil, "peak_mb": nil, "events_per_s_min": 30.0, "events_per_s_max": 90.0,
	}
	for name, value := range want {
		if got, ok := pgx[name]; !ok || got != value {
			t.Errorf("%s is %v, want %v", name, got, value)
		}
	}
	if len(pgx) != len(want) {
		t.Errorf("%v", pgx)
	}
	if lines[2].subject != "asynq" || lines[2].Error != "no server" {
		t.Errorf("a subject that failed in one round is reported as %v", lines[2])
	}
}
