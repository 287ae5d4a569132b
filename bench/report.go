package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// A report collects the rows of all rounds.
type report struct {
	keys []key
	rows map[key][]measures
	errs map[key]error
}

// A key is what rows have in common.
type key struct {
	subject, phase string
	callers        int // of the phase live, which is measured with several numbers of them
}

func (r *report) add(subject string, s stage, rows []row, err error) {
	if r.rows == nil {
		r.rows, r.errs = map[key][]measures{}, map[key]error{}
	}
	if err != nil {
		for _, phase := range s.prints {
			rows = append(rows, row{Phase: phase})
		}
	}
	for _, row := range rows {
		k := key{subject, row.Phase, 0}
		if row.Phase == "live" {
			k.callers = s.callers
		}
		if !slices.Contains(r.keys, k) {
			r.keys = append(r.keys, k)
		}
		if err != nil {
			r.errs[k] = err
		} else {
			r.rows[k] = append(r.rows[k], row.Measures)
		}
	}
}

// A line is a row of the printed report.
type line struct {
	key
	Error    string
	Measures measures
}

// fixed are the phases whose rate is that of the load, so that its ratio to the loop's
// has no meaning.
var fixed = []string{"latency", "hang"}

// medians returns a line for each key of the phases that are wanted, in the
// order of the phases. The loop has a row in every rate phase, measured in
// turns with the others, for the ratios.
func (r *report) medians(wanted []string) []line {
	var lines []line
	for _, k := range r.keys {
		if !slices.Contains(wanted, k.phase) {
			continue
		}
		l := line{key: k, Measures: measures{}}
		if err := r.errs[k]; err != nil {
			l.Error = err.Error()
		} else {
			l.Measures = median(r.rows[k])
		}
		lines = append(lines, l)
	}
	slices.SortStableFunc(lines, func(a, b line) int {
		names := phaseNames()
		return cmp.Or(
			cmp.Compare(slices.Index(names, a.phase), slices.Index(names, b.phase)),
			cmp.Compare(a.callers, b.callers))
	})
	for i, l := range lines {
		if slices.Contains(fixed, l.phase) {
			continue
		}
		for _, loop := range lines {
			if loop.subject == "loop" && loop.phase == l.phase && loop.callers == l.callers && l.Error == "" {
				lines[i].Measures.set("ratio_to_loop", l.Measures["events_per_s"]/loop.Measures["events_per_s"])
			}
		}
	}
	return lines
}

// columns are the measures of the table, which every JSON object has, if only
// as null.
var columns = []string{"events_per_s", "ratio_to_loop", "p50_ms", "p99_ms", "cpu_ms_per_event", "peak_mb"}

func printTable(w io.Writer, lines []line) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	defer func() { _ = t.Flush() }()
	fmt.Fprintln(t, "phase\tsubject\tevents/s\t(from … to)\t/ loop\tp50 ms\tp99 ms\tCPU ms/event\tpeak MB\t")
	for _, l := range lines {
		fmt.Fprintf(t, "%s\t%s\t", l.title(), l.subject)
		if l.Error != "" {
			fmt.Fprintf(t, "failed: %s\t\n", strings.Join(strings.Fields(l.Error), " "))
			continue
		}
		spread := ""
		if low, ok := l.Measures["events_per_s_min"]; ok {
			spread = fmt.Sprintf("%.0f … %.0f", low, l.Measures["events_per_s_max"])
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t  %s\n",
			l.format("events_per_s", 0), spread, l.format("ratio_to_loop", 2), l.format("p50_ms", 2), l.format("p99_ms", 2),
			l.format("cpu_ms_per_event", 3), l.format("peak_mb", 0), l.notes())
	}
}

func (l line) title() string {
	if l.phase == "live" {
		return fmt.Sprintf("live, %d callers", l.callers)
	}
	return l.phase
}

func (l line) format(name string, digits int) string {
	v, ok := l.Measures[name]
	if !ok {
		return "–"
	}
	return fmt.Sprintf("%.*f", digits, v)
}

// notes are the figures of a phase that the table prints beside its columns. The JSON
// has all figures.
var notes = map[string][]string{
	"endpoint1":      endpointNotes,
	"endpoint10":     endpointNotes,
	"endpoint1live":  endpointNotes,
	"endpoint10live": endpointNotes,

	"fanout1":    fanNotes,
	"fanout64":   fanNotes,
	"fanoutjson": fanNotes,

	"batch64":  {"events_per_request"},
	"batch256": {"events_per_request"},
	"batch20":  {"events_per_request"},

	"latency":     {"emit_p50_ms", "commit_p50_ms"},
	"hang":        {"offered_per_s", "healthy_ratio", "p50_ms_before", "p99_ms_before"},
	"keyedbeside": {"offered_per_s", "p50_ms_before", "p99_ms_before"},
	"import":      {"fill_s"},
	"blocked":     {"heap_mb", "claim_p50_ms", "claim_p99_ms"},
	"backlog":     {"max_ms", "claim_p50_ms", "claim_p99_ms", "left"},
	"idle":        {"cpu_percent"},
}

// endpointNotes are the ratios to the endpoint alone, with their quartiles, and by CPU time.
var endpointNotes = []string{
	"wants", "wants_q1", "wants_q3", "wants_cpu", "buffered", "buffered_q1", "buffered_q3", "buffered_cpu",
	"emit", "emit_q1", "emit_q3", "emit_cpu", "emittx", "emittx_q1", "emittx_q3", "emittx_cpu",
}

func (l line) notes() string {
	var parts []string
	for _, name := range append(notes[l.phase], "duplicates") {
		if v, ok := l.Measures[name]; ok && (v != 0 || name != "duplicates") {
			parts = append(parts, fmt.Sprintf("%s %.4g", name, v))
		}
	}
	return strings.Join(parts, ", ")
}

// others are the names of the measures without a column.
func (l line) others() []string {
	var names []string
	for name := range l.Measures {
		if !slices.Contains(columns, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// printJSON prints one object a line.
func printJSON(w io.Writer, lines []line) {
	for _, l := range lines {
		fmt.Fprintf(w, "%s\n", l.json())
	}
}

// json writes the fields in the order of the table.
func (l line) json() []byte {
	var b bytes.Buffer
	field := func(name string, value any) {
		text, _ := json.Marshal(value) // strings, numbers and nil
		fmt.Fprintf(&b, ",%q:%s", name, text)
	}
	field("subject", l.subject)
	field("phase", l.phase)
	if l.callers > 0 {
		field("callers", l.callers)
	}
	for _, name := range columns {
		if v, ok := l.Measures[name]; ok {
			field(name, v)
		} else {
			field(name, nil)
		}
	}
	for _, name := range l.others() {
		field(name, l.Measures[name])
	}
	if l.Error != "" {
		field("error", l.Error)
	}
	out := b.Bytes()
	out[0] = '{'
	return append(out, '}')
}
