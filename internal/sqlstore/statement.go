package sqlstore

import (
	"context"
	"fmt"
	"math/bits"
	"regexp"
	"slices"
	"strings"
)

// A statement is SQL with its parameters' names in the order of its
// placeholders.
type statement struct {
	text  string
	names []string

	// A database in this process gets rows as placeholders. It would parse JSON
	// again for each column.
	values []string // the columns of {values}
	texts  []string // the statement with 1, 2, 4, … rows
}

// valuesRows is the largest number of rows in {values}. All numbers of rows are
// powers of two, so that there are few statements to prepare.
const valuesRows = 64

// args are a statement's arguments, by name.
type args map[string]any

var (
	parameter = regexp.MustCompile(`@[a-z]+`)
	values    = regexp.MustCompile(`\{values ([a-z, ]+)\}`)
)

// prepare returns the statement for SQL in which {} stands for the prefix of the
// tables' names, @name for an argument, and {values a, b} for a list of rows
// with these columns.
func (d *dialect) prepare(prefix, text string) statement {
	var st statement
	text = strings.ReplaceAll(strings.TrimSpace(text), "{}", prefix)
	if m := values.FindStringSubmatch(text); m != nil {
		st.values = strings.Split(m[1], ", ")
		row := "(?" + strings.Repeat(",?", len(st.values)-1) + ")"
		for n := 1; n <= valuesRows; n *= 2 {
			st.texts = append(st.texts, strings.Replace(text, m[0], "values "+row+strings.Repeat(","+row, n-1), 1))
		}
		return st
	}
	st.text = parameter.ReplaceAllStringFunc(text, func(name string) string {
		name = name[1:]
		place := slices.Index(st.names, name)
		if place < 0 || d.numbered == "" {
			place = len(st.names)
			st.names = append(st.names, name)
		}
		if d.numbered == "" {
			return "?"
		}
		return fmt.Sprint(d.numbered, place+1)
	})
	return st
}

func (st statement) args(a args) []any {
	list := make([]any, len(st.names))
	for i, name := range st.names {
		list[i] = a[name]
	}
	return list
}

// forRows returns the statement's text and arguments for the first of the rows of a
// batch, and the other rows.
func (st statement) forRows(b *batch, rows []row) (text string, list []any, others []row) {
	place := bits.Len(uint(min(len(rows), valuesRows))) - 1
	n := 1 << place
	list = make([]any, 0, n*len(st.values))
	for i := range rows[:n] {
		for _, column := range st.values {
			list = append(list, b.value(&rows[i], column))
		}
	}
	return st.texts[place], list, rows[n:]
}

// exec runs a statement and returns how many rows it changed.
func (s *Store) exec(ctx context.Context, q Querier, st statement, a args) (int64, error) {
	return q.Exec(ctx, s.text(st), st.args(a))
}

// query runs a statement and calls row for each row of its result.
func (s *Store) query(ctx context.Context, q Querier, st statement, a args, row func(Scan) error) error {
	return q.Query(ctx, s.text(st), st.args(a), row)
}

// run runs a script and calls row for each row that it returns. It reports whether
// a step with skipsRest changed all of many rows, and so ended the script.
func (s *Store) run(ctx context.Context, q Querier, script prepared, a args, many int, row func(Scan) error) (all bool, err error) {
	for _, st := range script {
		if st.returnsRows {
			if err := s.query(ctx, q, st.statement, a, row); err != nil {
				return false, err
			}
			continue
		}
		n, err := s.exec(ctx, q, st.statement, a)
		if err != nil {
			return false, err
		}
		if st.skipsRest && n == int64(many) {
			return true, nil
		}
	}
	return false, nil
}

// runBatch runs a script on a batch and returns the IDs of the rows that the
// script did not return.
func (s *Store) runBatch(ctx context.Context, q Querier, script prepared, b *batch) ([]string, error) {
	return s.runBatchEvents(ctx, q, script, b, nil)
}

// runBatchEvents is runBatch for a script that also returns the kind of an event of a
// line for each row. It appends these events.
func (s *Store) runBatchEvents(ctx context.Context, q Querier, script prepared, b *batch, events *[]lineEvent) ([]string, error) {
	ids := make(map[string]bool, len(b.rows))
	var e lineEvent
	columns := []any{&e.ID}
	if events != nil {
		columns = append(columns, &e.Kind, &e.Webhook, &e.Key, &e.Joined)
	}
	collect := func(scan Scan) error {
		err := scan(columns...)
		ids[e.ID] = true
		if e.Kind != 0 {
			*events = append(*events, e)
		}
		return err
	}
	if st := script[0]; len(st.values) > 0 {
		for rows := b.rows; len(rows) > 0; {
			var text string
			var list []any
			text, list, rows = st.forRows(b, rows)
			if err := q.Query(ctx, text, list, collect); err != nil {
				return nil, err
			}
		}
		return missingIDs(b.rows, ids), nil
	}
	a := b.args(s.d.base64)
	a["wake"] = Channel(s.prefix)
	if _, app := q.(appTx); app {
		a["wake"] = ""
	}
	all, err := s.run(ctx, q, script, a, len(b.rows), collect)
	if all || err != nil {
		return nil, err
	}
	return missingIDs(b.rows, ids), nil
}

// text returns the statement's text. Where the database keeps plans by the text,
// the text changes each time that the number of calls has doubled. PostgreSQL
// would otherwise keep a plan from when the tables were nearly empty, a scan of
// the whole table for each batch, until it analyzes them: for minutes after the
// first start. So no plan is older than half of this Store's calls. A setting of
// the session would do the same, but a pooler would lose it.
func (s *Store) text(st statement) string {
	if !s.d.keepsPlans {
		return st.text
	}
	return fmt.Sprintf("%s /* plan %d */", st.text, bits.Len64(s.calls.Add(1)))
}
