package main

import (
	"testing"

	"github.com/listhook/webhook"
)

func TestQuartiles(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   [3]float64
	}{
		{[]float64{7}, [3]float64{7, 7, 7}},
		{[]float64{4, 1, 3, 2, 5}, [3]float64{2, 3, 4}},
		{[]float64{1, 2, 3, 4}, [3]float64{1.75, 2.5, 3.25}},
	} {
		q1, q2, q3 := quartiles(c.values)
		if got := [3]float64{q1, q2, q3}; got != c.want {
			t.Errorf("quartiles(%v) = %v, want %v", c.values, got, c.want)
		}
	}
}

func TestAnEndpointsRatiosAreOfTheSameTurn(t *testing.T) {
	slices := map[string][]endpointSlice{"alone": {{100, 1}, {1000, 0.1}, {10, 20}}}
	for _, mode := range endpointModes[1:] {
		slices[mode] = []endpointSlice{{50, 4}, {500, 0.4}, {5, 80}} // whatever else the machine did
	}
	m := endpointMeasures(slices)
	for _, name := range []string{"emit", "emit_q1", "emit_q3", "emittx", "wants", "buffered"} {
		if m[name] != 0.5 {
			t.Errorf("%s is %v, want %v", name, m[name], 0.5)
		}
	}
	for _, name := range []string{"emit_cpu", "emittx_cpu", "wants_cpu", "buffered_cpu"} {
		if m[name] != 0.25 {
			t.Errorf("%s is %v, want %v", name, m[name], 0.25)
		}
	}
	if m["events_per_s"] != 100 || m["cpu_ms_per_event"] != 1 {
		t.Errorf("the endpoint alone answers %v in %v ms each, want the medians, 100 and 1", m["events_per_s"], m["cpu_ms_per_event"])
	}
}

// The event of the endpoint is for every webhook of the phase: they share an account.
func TestAnEndpointsEventIsForAllItsWebhooks(t *testing.T) {
	for _, phase := range []string{"endpoint1", "endpoint10", "endpoint1live", "endpoint10live"} {
		j := (&config{}).job(stage{phase: phase, callers: 16}, findSubject("pq"), 0)
		for _, target := range j.targets() {
			if account(target.number) != (event{}).open().Account {
				t.Errorf("%s: target %d is of another account", phase, target.number)
			}
		}
	}
	if (event{}).open().Source != webhook.SourcePublic {
		t.Error("the webhooks want other sources than the event's")
	}
}
