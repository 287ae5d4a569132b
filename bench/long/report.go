package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// target is how much more a call may cost than on empty tables.
const target = 1.3

// A report is all that was found.
type report struct {
	costs []cost
	paths []pathLine
	dead  []deadLine

	weights []weightLine
	notes   []string
}

// A cost is what a call took, and what it took in turns with that: on empty
// tables, or without pruning. Zero: there is nothing to compare with.
type cost struct {
	Store       string  `json:"store"`
	State       string  `json:"state"`
	Call        string  `json:"call"`
	Calls       int     `json:"calls"`
	Median      float64 `json:"median_ms"`
	P99         float64 `json:"p99_ms"`
	OtherMedian float64 `json:"other_median_ms"`
	OtherP99    float64 `json:"other_p99_ms"`
	Ratio       float64 `json:"ratio"` // of the medians
}

func newCost(store, state, call string, ts, others []time.Duration) cost {
	c := cost{Store: store, State: state, Call: call, Calls: len(ts)}
	c.Median, c.P99 = percentiles(ts)
	c.OtherMedian, c.OtherP99 = percentiles(others)
	if c.OtherMedian > 0 {
		c.Ratio = c.Median / c.OtherMedian
	}
	return c
}

// percentiles returns the median and the 99th percentile in milliseconds.
func percentiles(ts []time.Duration) (median, p99 float64) {
	if len(ts) == 0 {
		return 0, 0
	}
	sorted := slices.Sorted(slices.Values(ts))
	at := func(p float64) float64 {
		i := int(math.Ceil(p*float64(len(sorted)))) - 1
		return float64(sorted[i]) / float64(time.Millisecond)
	}
	return at(0.5), at(0.99)
}

// A pathLine is how the calls of a cycle reach the tables.
type pathLine struct {
	Store string `json:"store"`
	State string `json:"state"`
	Full  paths  `json:"full"`
	Empty paths  `json:"empty"`
}

// A deadLine is what a look at a table found.
type deadLine struct {
	Store      string  `json:"store"`
	Table      string  `json:"table"`
	Seconds    float64 `json:"after_s"`
	Delivered  int     `json:"delivered"`
	Live       int64   `json:"live_rows"`
	Dead       int64   `json:"dead_rows"`
	Vacuums    int64   `json:"autovacuums"`
	TableBytes int64   `json:"table_bytes"`
	IndexBytes int64   `json:"index_bytes"`
}

func (r *report) printJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	var lines []any
	for _, c := range r.costs {
		lines = append(lines, c)
	}
	for _, p := range r.paths {
		lines = append(lines, p)
	}
	for _, d := range r.dead {
		lines = append(lines, d)
	}
	for _, w := range r.weights {
		lines = append(lines, w)
	}
	for _, n := range r.notes {
		lines = append(lines, map[string]string{"note": n})
	}
	for _, l := range lines {
		if err := enc.Encode(l); err != nil {
			return err
		}
	}
	return nil
}

func (r *report) print(w io.Writer) {
	if len(r.weights) > 0 {
		r.printWeights(w)
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "store\ttables\tcall\tcalls\tmedian ms\tp99 ms\tbeside: median\tp99\tratio\t")
	for _, c := range r.costs {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%.2f\t%.2f\t", c.Store, c.State, c.Call, c.Calls, c.Median, c.P99)
		if c.Ratio == 0 {
			fmt.Fprintln(t, "–\t–\t–\t")
			continue
		}
		over := ""
		if c.Ratio > target {
			over = "  over the target"
		}
		fmt.Fprintf(t, "%.2f\t%.2f\t%.2f\t%s\n", c.OtherMedian, c.OtherP99, c.Ratio, over)
	}
	t.Flush()
	fmt.Fprintln(w)
	for _, p := range r.paths {
		if slices.Equal(p.Full, p.Empty) {
			fmt.Fprintf(w, "%s, %s: the plans are those on empty tables: %s\n", p.Store, p.State, strings.Join(p.Full, ", "))
			continue
		}
		fmt.Fprintf(w, "%s, %s: the plans DIFFER: %s; on empty tables %s\n",
			p.Store, p.State, strings.Join(p.Full, ", "), strings.Join(p.Empty, ", "))
	}
	if len(r.dead) > 0 {
		fmt.Fprintln(w)
		fmt.Fprintln(t, "table\tafter s\tdelivered\tlive rows\tdead rows\tautovacuums\ttable MB\tindexes MB\t")
		for _, d := range r.dead {
			fmt.Fprintf(t, "%s\t%.0f\t%d\t%d\t%d\t%d\t%.1f\t%.1f\t\n", d.Table, d.Seconds, d.Delivered,
				d.Live, d.Dead, d.Vacuums, float64(d.TableBytes)/1e6, float64(d.IndexBytes)/1e6)
		}
		t.Flush()
	}
	for _, n := range r.notes {
		fmt.Fprintln(w, n)
	}
}

func (r *report) printWeights(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "store\twhen\tdeliveries\tMB\tof them indexes\tbytes each\t")
	for _, l := range r.weights {
		fmt.Fprintf(t, "%s\t%s\t%d\t%.1f\t%.1f\t%.0f\t\n", l.Store, l.When, l.Deliveries, float64(l.Bytes)/1e6, float64(l.Indexes)/1e6, l.Each)
	}
	t.Flush()
}
