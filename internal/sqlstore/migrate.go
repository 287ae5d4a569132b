package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// Migrate creates or upgrades the tables. A program may call it at each start, in
// several processes at once. It returns an error if a newer version of the library
// has upgraded the tables.
func (s *Store) Migrate(ctx context.Context) error {
	return s.retry(ctx, func() error {
		if s.d.wal != "" {
			if err := s.d.check(ctx, s, s.db); err != nil { // before the mode is another one
				return err
			}
			// Query, because this pragma returns a row.
			if err := s.db.Query(ctx, s.d.wal, nil, func(Scan) error { return nil }); err != nil {
				return err
			}
		}
		return s.db.InTx(ctx, true, func(q Querier) error {
			if !s.d.oneWriter { // else it was checked above
				if err := s.d.check(ctx, s, q); err != nil {
					return err
				}
			}
			if s.d.lock != "" {
				if err := s.lock(ctx, q, s.d.lock); err != nil {
					return err
				}
				if s.d.unlock != "" {
					// It fails only if the connection is lost, which releases the lock.
					defer func() { _ = s.lock(context.WithoutCancel(ctx), q, s.d.unlock) }()
				}
			}
			return s.migrate(ctx, q)
		})
	})
}

func (s *Store) migrate(ctx context.Context, q Querier) error {
	create := s.d.prepare(s.prefix, `create table if not exists {}schema (version integer not null primary key)`)
	if _, err := s.exec(ctx, q, create, nil); err != nil {
		return err
	}
	version, err := s.version(ctx, q)
	if err != nil {
		return err
	}
	if version > len(s.d.schema) {
		return s.tooNew(version)
	}
	for ; version < len(s.d.schema); version++ {
		for _, text := range s.upgrade(version + 1) {
			if _, err := q.Exec(ctx, text, nil); err != nil {
				return fmt.Errorf("webhook: upgrading the tables %s* to schema %d: %w", s.prefix, version+1, err)
			}
		}
	}
	return nil
}

// upgrade returns the statements that upgrade the tables to a version from the one
// before. The last one records the version.
func (s *Store) upgrade(version int) []string {
	var list []string
	for text := range strings.SplitSeq(s.d.schema[version-1], ";\n") {
		if text = s.d.prepare(s.prefix, text).text; text != "" {
			list = append(list, text)
		}
	}
	record := cmp.Or(s.d.recordVersion, `insert into {}schema (version) values (%d)`)
	return append(list, s.d.prepare(s.prefix, fmt.Sprintf(record, version)).text)
}

// version returns the schema's version, 0 if there is none yet.
func (s *Store) version(ctx context.Context, q Querier) (version int, err error) {
	st := s.d.prepare(s.prefix, `select coalesce(max(version), 0) from {}schema`)
	err = s.query(ctx, q, st, nil, func(scan Scan) error { return scan(&version) })
	return version, err
}

// lock runs a statement that locks or unlocks. It returns an error if the statement
// returns 0 or NULL.
func (s *Store) lock(ctx context.Context, q Querier, text string) error {
	return s.query(ctx, q, s.d.prepare(s.prefix, text), args{"name": "listhook " + s.prefix}, func(scan Scan) error {
		var done sql.NullString
		if err := scan(&done); err != nil {
			return err
		}
		if !done.Valid || done.String == "0" {
			return errors.New("webhook: another process is still upgrading the tables: try again")
		}
		return nil
	})
}

// Schema returns the SQL that upgrades the tables from a version of the schema to
// the latest. Version 0 is a database without the tables.
func (s *Store) Schema(from int) string {
	var b strings.Builder
	if from <= 0 {
		from = 0
		b.WriteString(s.d.prepare(s.prefix, `create table if not exists {}schema (version integer not null primary key)`).text + ";\n")
	}
	for version := from + 1; version <= len(s.d.schema); version++ {
		for _, text := range s.upgrade(version) {
			b.WriteString(text + ";\n")
		}
	}
	return b.String()
}
