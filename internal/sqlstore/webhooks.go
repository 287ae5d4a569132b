package sqlstore

import (
	"context"
	"encoding/json"

	"github.com/listhook/webhook"
)

// PutWebhook stores w with its Version raised by one if the stored version is
// w.Version. Otherwise it returns webhook.ErrConflict.
func (s *Store) PutWebhook(ctx context.Context, w webhook.Webhook) (version int64, err error) {
	if err := s.usable(ctx); err != nil {
		return 0, err
	}
	for _, t := range []struct{ field, text string }{{"ID", w.ID}, {"Account", w.Account}, {"List", w.List}} {
		if err := checkText(t.field, t.text); err != nil {
			return 0, err
		}
	}
	a := args{
		"id": w.ID, "account": w.Account, "list": w.List, "hold": milli(w.HeldUntil), "changed": milli(w.Changed),
		"deleted": 0, "version": w.Version, "keep": 0, "tallies": w.Tallies,
	}
	if w.Tallies == nil {
		a["keep"], a["tallies"] = 1, []byte(nil)
	}
	if w.Deleted {
		a["deleted"] = 1
	}
	put := s.sql.updateWebhook
	if w.Version == 0 {
		put = s.sql.insertWebhook
	}
	w.Version++
	doc, err := json.Marshal(&w)
	if err != nil {
		return 0, err
	}
	a["doc"] = string(doc)
	var n int64
	err = s.write(ctx, true, func(q Querier) error {
		if _, err := s.exec(ctx, q, s.sql.nextPut, nil); err != nil {
			return err
		}
		n, err = s.exec(ctx, q, put, a)
		if err != nil && s.d.isDuplicate != nil && s.d.isDuplicate(err) {
			n, err = 0, nil // its ID is taken
		}
		return err
	})
	switch {
	case err != nil:
		return 0, err
	case n == 0:
		// The stored version may be the caller's, from a call that returned an error
		// but was committed. It has to be durable before the caller hears of it.
		if err := s.confirm(ctx); err != nil {
			return 0, err
		}
		return 0, webhook.ErrConflict
	}
	return w.Version, nil
}

// Webhooks returns the webhooks that q selects.
func (s *Store) Webhooks(ctx context.Context, q webhook.WebhookQuery) (ws []webhook.Webhook, err error) {
	if s.d.awaitPuts && (q.PutAfter > 0 || q.Newest) {
		return s.webhooksByPut(ctx, q)
	}
	err = s.read(ctx, func(db Querier) error {
		ws, err = s.webhooks(ctx, db, q)
		return err
	})
	return ws, err
}

// webhooksByPut reads webhooks after the puts that are being committed.
func (s *Store) webhooksByPut(ctx context.Context, q webhook.WebhookQuery) (ws []webhook.Webhook, err error) {
	err = s.retryChecked(ctx, func() error {
		return s.db.InTx(ctx, true, func(db Querier) error {
			wait := s.d.prepare(s.prefix, `select n from {}puts lock in share mode`)
			var n int64
			if err := s.query(ctx, db, wait, nil, func(scan Scan) error { return scan(&n) }); err != nil {
				return err
			}
			ws, err = s.webhooks(ctx, db, q)
			return err
		})
	})
	return ws, err
}

func (s *Store) webhooks(ctx context.Context, db Querier, q webhook.WebhookQuery) (ws []webhook.Webhook, err error) {
	what := `doc, put`
	if q.Tallies {
		what += `, tallies`
	}
	b := s.newQuery(`select ` + what + ` from {}webhooks`)
	if !q.All {
		b.whereIs(`account`, q.Account)
	}
	if len(q.IDs) > 0 {
		whereIn(b, `id`, q.IDs)
	}
	if len(q.Lists) > 0 {
		whereIn(b, `list`, q.Lists)
	}
	if !q.Deleted {
		b.where(`deleted = 0`)
	}
	if q.PutAfter > 0 {
		b.where(`put > @v`, q.PutAfter)
	}
	switch {
	case q.Newest:
		b.add(` order by put desc`)
	case q.After != "":
		b.check("After", q.After)
		b.where(`id > @v`, q.After)
		fallthrough
	default:
		b.add(` order by id`)
	}
	b.limit(q.Limit)
	var ( // for all rows, since each would be allocated again for every row
		w       webhook.Webhook
		doc     []byte
		put     int64
		tallies []byte
	)
	dest := []any{&doc, &put}
	if q.Tallies {
		dest = append(dest, &tallies)
	}
	err = b.query(ctx, db, func(scan Scan) error {
		w, tallies = webhook.Webhook{}, nil
		if err := scan(dest...); err != nil {
			return err
		}
		err := json.Unmarshal(doc, &w)
		w.Put, w.Tallies = put, tallies
		ws = appendRow(ws, w)
		return err
	})
	return ws, err
}
