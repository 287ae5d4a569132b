// Package receive is what the receivers have in common: each event is believed
// only if it is signed, and does what it does once, however often it is sent.
package receive

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver

	"github.com/listhook/webhook"
)

const schema = `
CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY, at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS moments (
  subscriber TEXT NOT NULL, sequence INTEGER NOT NULL, at INTEGER NOT NULL, seen INTEGER NOT NULL,
  PRIMARY KEY (subscriber, sequence)
);`

// A Receiver keeps what it learns from events in a database.
type Receiver struct {
	Schema string                                                       // of its tables
	Apply  func(ctx context.Context, tx *sql.Tx, e webhook.Event) error // what an event changes
	Page   func(w http.ResponseWriter, r *http.Request, db *sql.DB)     // what it shows to GET
}

// Main serves a receiver until it is killed. The flag -addr says where;
// WEBHOOK_SECRET in the environment is the webhook's secret, and RECEIVER_DATA
// the database's file.
func Main(rc Receiver) {
	addr := flag.String("addr", "127.0.0.1:9000", "`host:port` to listen at")
	flag.Parse()
	handler, err := rc.Handler(os.Getenv("WEBHOOK_SECRET"), os.Getenv("RECEIVER_DATA"))
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal((&http.Server{Addr: *addr, Handler: handler, ReadHeaderTimeout: 10 * time.Second}).ListenAndServe())
}

// Handler returns the receiver. An empty file is receiver.db.
func (rc Receiver) Handler(secret, file string) (http.Handler, error) {
	if file == "" {
		file = "receiver.db"
	}
	if secret == "" {
		return nil, errors.New("WEBHOOK_SECRET is empty: it was shown when the webhook was added")
	}
	db, err := sql.Open("sqlite", file+"?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)")
	if err != nil {
		return nil, err
	}
	if _, err := db.Exec(schema + rc.Schema); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	opts := &webhook.ReceiveOptions{Secrets: []webhook.Secret{{Key: secret}}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			rc.Page(w, r, db)
			return
		}
		events, err := webhook.ParseRequest(r, opts)
		if err == nil {
			err = rc.all(r.Context(), db, events)
		}
		if err != nil {
			log.Print(err)
			http.Error(w, http.StatusText(statusOf(err)), statusOf(err))
		}
	}), nil
}

// remember is how long a delivery is known again: longer than its sender keeps
// it to send it again.
const remember = 90 * 24 * time.Hour

// all applies the events of a request, in one transaction: the answer is for all of
// them. A webhook that gets no batches sends one.
func (rc Receiver) all(ctx context.Context, db *sql.DB, events []webhook.Event) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	now := time.Now()
	for _, e := range events {
		if err := rc.once(ctx, tx, now, e); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM seen WHERE at < ?`, now.Add(-remember).Unix()); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM moments WHERE seen < ?`, now.Add(-remember).Unix()); err != nil {
		return err
	}
	return tx.Commit()
}

// once applies an event unless the delivery was seen before. That it was seen
// and what it changed are committed together or not at all.
func (rc Receiver) once(ctx context.Context, tx *sql.Tx, now time.Time, e webhook.Event) error {
	id := webhook.MetaOf(e).ID
	if strings.HasPrefix(id, "test_") {
		return nil // somebody pressed the button on the webhook's page
	}
	result, err := tx.ExecContext(ctx, `INSERT INTO seen (id, at) VALUES (?, ?) ON CONFLICT DO NOTHING`, id, now.Unix())
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return err
	}
	return rc.Apply(ctx, tx, e)
}

// Moment returns when an event counts as having happened, in Unix microseconds. That
// is its time, but where that contradicts the sequence of its subscriber's events: the
// clocks of two servers may differ, and a delivery that is sent again is still the
// older one. An event without a sequence has its time alone. Times are milliseconds, so
// there is room between two moments for an event that comes late.
func Moment(ctx context.Context, tx *sql.Tx, subscriber string, m webhook.Meta) (at int64, err error) {
	at = m.Time.UnixMilli() * 1000
	if m.Sequence == 0 {
		return at, nil
	}
	var before, after sql.NullInt64 // of the events around it
	err = tx.QueryRowContext(ctx, `SELECT
		(SELECT max(at) FROM moments WHERE subscriber = ?1 AND sequence < ?2),
		(SELECT min(at) FROM moments WHERE subscriber = ?1 AND sequence > ?2)`, subscriber, m.Sequence).Scan(&before, &after)
	if err != nil {
		return 0, err
	}
	if before.Valid {
		at = max(at, before.Int64+1000)
	}
	switch {
	case !after.Valid || at < after.Int64:
	case before.Valid:
		at = (before.Int64 + after.Int64) / 2
	default:
		at = after.Int64 - 1000
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO moments (subscriber, sequence, at, seen) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		subscriber, m.Sequence, at, time.Now().Unix())
	return at, err
}

// statusOf says how to answer an error. Whatever is not a success is sent
// again later, which mends what was this receiver's own fault.
func statusOf(err error) int {
	var invalid *webhook.InvalidError
	switch {
	case errors.Is(err, webhook.ErrSignature), errors.Is(err, webhook.ErrTimestamp):
		return http.StatusUnauthorized
	case errors.Is(err, webhook.ErrTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, webhook.ErrContentType):
		return http.StatusUnsupportedMediaType
	case errors.As(err, &invalid):
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}
