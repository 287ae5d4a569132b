package main

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// paths is how a call reaches the tables: a table and an index each, in order
// and once.
type paths []string

// comparePlans reports how the calls of a cycle reach the full tables and the
// empty ones.
func (m *meter) comparePlans(ctx context.Context, state string, empty *tables, later time.Duration) error {
	full, err := m.plans(ctx, m.site.full, later)
	if err != nil {
		return err
	}
	small, err := m.plans(ctx, empty, later)
	if err != nil {
		return err
	}
	m.paths = append(m.paths, pathLine{Store: m.name(), State: state, Full: full, Empty: small})
	return nil
}

// plans returns how a cycle's statements reach the tables.
func (m *meter) plans(ctx context.Context, t *tables, later time.Duration) (paths, error) {
	asked, err := t.asked.during(func() error { return m.cycle(ctx, t, later, nil) })
	if err != nil {
		return nil, err
	}
	var all paths
	for _, st := range asked {
		switch word, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(st.text)), " "); word {
		case "select", "insert", "update", "delete", "with", "with\nj":
			list, err := m.explain(ctx, t, st)
			if err != nil {
				return nil, fmt.Errorf("explaining %.60q: %w", st.text, err)
			}
			all = append(all, list...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

func (m *meter) explain(ctx context.Context, t *tables, st statement) (list paths, err error) {
	if !m.site.postgres {
		return explainSQLite(ctx, t, st)
	}
	var data []byte
	if err := t.db.QueryRowContext(ctx, "explain (format json) "+st.text, st.args...).Scan(&data); err != nil {
		return nil, err
	}
	var plans []struct{ Plan node }
	if err := json.Unmarshal(data, &plans); err != nil {
		return nil, err
	}
	for _, p := range plans {
		p.Plan.collect(t.prefix, &list)
	}
	return list, nil
}

// A node is one of a plan of PostgreSQL's.
type node struct {
	Type  string `json:"Node Type"`
	Table string `json:"Relation Name"`
	Index string `json:"Index Name"`
	Plans []node
}

func (n node) collect(prefix string, list *paths) {
	cut := func(name string) string { return strings.TrimPrefix(name, prefix) }
	switch {
	case n.Table != "" && cut(n.Table) == "webhooks":
		// These are a few, and do not grow with the log.
	case n.Index != "":
		*list = append(*list, cut(n.Index))
	case strings.HasSuffix(n.Type, "Seq Scan"):
		*list = append(*list, "all of "+cut(n.Table))
	}
	for _, p := range n.Plans {
		p.collect(prefix, list)
	}
}

var (
	sqliteIndex = regexp.MustCompile(`USING (?:COVERING )?INDEX (\S+)|USING (INTEGER PRIMARY KEY|PRIMARY KEY)`)
	sqliteScan  = regexp.MustCompile(`^SCAN (\S+)$`)
)

func explainSQLite(ctx context.Context, t *tables, st statement) (list paths, err error) {
	rows, err := t.db.QueryContext(ctx, "explain query plan "+st.text, st.args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			return nil, err
		}
		if m := sqliteIndex.FindStringSubmatch(detail); m != nil {
			list = append(list, strings.TrimPrefix(m[1], t.prefix)+strings.ToLower(m[2]))
		} else if m := sqliteScan.FindStringSubmatch(detail); m != nil && strings.HasPrefix(m[1], t.prefix) {
			list = append(list, "all of "+strings.TrimPrefix(m[1], t.prefix))
		}
	}
	return list, rows.Err()
}
