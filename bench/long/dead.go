package main

import (
	"context"
	"fmt"
	"time"
)

// steadyCycles is how many cycles a second the steady load is: less than what
// the database can do, as most apps are.
const steadyCycles = 5

// deadRows offers a steady load and looks at what PostgreSQL has not cleared
// away. SQLite has no dead rows.
func (m *meter) deadRows(ctx context.Context) error {
	if !m.site.postgres {
		return nil
	}
	var autovacuum string
	if err := m.site.full.db.QueryRowContext(ctx, "show autovacuum").Scan(&autovacuum); err != nil {
		return err
	}
	if autovacuum != "on" {
		m.notes = append(m.notes, "dead rows were not looked at: autovacuum is off on this server, where PostgreSQL comes with it on")
		return nil
	}
	if err := m.settle(ctx, m.site.full); err != nil {
		return err
	}
	began, looked := time.Now(), time.Time{}
	later := untilDue + 2*dueSpan
	cycles := 0
	tick := time.NewTicker(time.Second / steadyCycles)
	defer tick.Stop()
	for time.Since(began) < m.steady {
		if time.Since(looked) >= m.steady/12 {
			looked = time.Now()
			if err := m.look(ctx, time.Since(began), cycles*m.batch); err != nil {
				return err
			}
		}
		if err := m.cycle(ctx, m.site.full, later, nil); err != nil {
			return err
		}
		cycles++
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return m.look(ctx, time.Since(began), cycles*m.batch)
}

// look notes the dead rows and the sizes of the tables that change most.
func (m *meter) look(ctx context.Context, after time.Duration, delivered int) error {
	for _, table := range []string{"deliveries", "ready", "waiting", "leases"} {
		name := m.site.full.prefix + table
		l := deadLine{Store: m.name(), Table: table, Seconds: after.Seconds(), Delivered: delivered}
		err := m.site.full.db.QueryRowContext(ctx, `
			select n_live_tup, n_dead_tup, autovacuum_count, pg_table_size(relid), pg_indexes_size(relid)
			from pg_stat_user_tables where relname = $1`, name).
			Scan(&l.Live, &l.Dead, &l.Vacuums, &l.TableBytes, &l.IndexBytes)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		m.dead = append(m.dead, l)
	}
	return nil
}
