package sqlstore

import (
	"context"
	"encoding/json"

	"github.com/listhook/webhook"
)

// Prune removes deliveries that finished before p.Before and that p selects, and the
// webhooks that were deleted before p.Deleted.
//
// It finds the deliveries by the time of creation, which is before that of
// finishing. An index by the time of finishing would be written several times for
// each delivery, and read once.
func (s *Store) Prune(ctx context.Context, p webhook.Prune) (n int, err error) {
	from, full := s.prunes.start(p)
	for n < p.Limit {
		most := p.Limit - n
		if s.d.maxPrune > 0 {
			most = min(most, s.d.maxPrune)
		}
		k, err := s.prune(ctx, p, from, most)
		n += k
		if err != nil {
			return n, err
		}
		if k < most {
			break
		}
	}
	if n < p.Limit {
		if err := s.passed(ctx, p, from, full); err != nil {
			return n, err
		}
		if err := s.repairLines(ctx); err != nil {
			return n, err
		}
	}
	if p.Deleted.IsZero() {
		return n, s.usable(ctx)
	}
	return n, s.write(ctx, false, func(q Querier) error {
		_, err := s.exec(ctx, q, s.sql.pruneWebhooks, args{"before": milli(p.Deleted)})
		return err
	})
}

// A subjectOf is one row of the table of subjects.
type subjectOf struct {
	Account string `json:"a"`
	Created int64  `json:"c"`
	ID      string `json:"i"`
	Subject string `json:"s"`
}

// prune removes up to most deliveries, created from a time on, in a transaction, and
// returns their number.
func (s *Store) prune(ctx context.Context, p webhook.Prune, from int64, most int) (n int, err error) {
	err = s.write(ctx, true, func(q Querier) error {
		var ids []string
		var subjects []subjectOf
		b := s.newQuery(s.d.prune.before)
		b.wheres = 1
		b.args["before"], b.args["n"] = milli(p.Before), most
		b.createdFrom(from)
		b.whereClass(p)
		b.add(s.d.prune.after)
		err := b.query(ctx, q, func(scan Scan) error {
			var of subjectOf
			var list []byte
			if err := scan(&of.Account, &of.Created, &of.ID, &list); err != nil {
				return err
			}
			ids = append(ids, of.ID)
			var texts []string
			if len(list) > 0 {
				if err := json.Unmarshal(list, &texts); err != nil {
					return err
				}
			}
			for _, of.Subject = range texts {
				subjects = append(subjects, of)
			}
			return nil
		})
		n = len(ids)
		if err == nil && s.d.deletePruned != "" {
			err = s.execRows(ctx, q, s.sql.deletePruned, ids)
		}
		if err == nil {
			err = s.execRows(ctx, q, s.sql.deleteSubjects, subjects)
		}
		return err
	})
	return n, err
}
