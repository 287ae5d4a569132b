package main

import (
	"math"
	"slices"
	"sync"
	"time"
)

// measures are the figures of a phase by name. A figure that was not measured is
// missing.
type measures map[string]float64

// A row is the figures of one process in one phase.
type row struct {
	Phase    string
	Measures measures
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// percentile returns a percentile in milliseconds of sorted latencies in nanoseconds,
// among all expected events. It is NaN if it falls on an event that never arrived.
func percentile(sorted []int64, p float64, expected int) float64 {
	i := int(math.Ceil(p/100*float64(expected))) - 1
	if i < 0 || i >= len(sorted) {
		return math.NaN()
	}
	return float64(sorted[i]) / 1e6
}

// latencies adds the percentiles of sorted latencies to m.
func (m measures) latencies(sorted []int64, expected int) {
	m.set("p50_ms", percentile(sorted, 50, expected))
	m.set("p99_ms", percentile(sorted, 99, expected))
}

// set sets a measure unless it is not a number.
func (m measures) set(name string, value float64) {
	if !math.IsNaN(value) && !math.IsInf(value, 0) {
		m[name] = value
	}
}

// median returns the medians of several measures, and the span of the rates. It leaves
// out figures that some of them lack.
func median(all []measures) measures {
	m := measures{}
	for name := range all[0] {
		var values []float64
		for _, one := range all {
			if v, ok := one[name]; ok {
				values = append(values, v)
			}
		}
		if len(values) < len(all) {
			continue
		}
		slices.Sort(values)
		m[name] = values[len(values)/2]
		if len(values)%2 == 0 {
			m[name] = (values[len(values)/2-1] + values[len(values)/2]) / 2
		}
		if name == "events_per_s" {
			m["events_per_s_min"], m["events_per_s_max"] = values[0], values[len(values)-1]
		}
	}
	return m
}

// A stopwatch collects durations from several goroutines.
type stopwatch struct {
	mu    sync.Mutex
	times []int64
}

func (s *stopwatch) add(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times = append(s.times, int64(d))
}

// len returns how many durations there are.
func (s *stopwatch) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.times)
}

// since returns the durations after the first n, sorted.
func (s *stopwatch) since(n int) []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	rest := slices.Clone(s.times[n:])
	slices.Sort(rest)
	return rest
}

// sorted returns the durations so far.
func (s *stopwatch) sorted() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	sorted := slices.Clone(s.times)
	slices.Sort(sorted)
	return sorted
}
