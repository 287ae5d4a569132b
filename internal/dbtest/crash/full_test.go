//go:build unix

package crash

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"modernc.org/sqlite"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/sqlitestore"
)

// A file is an app on a SQLite file by one connection at a time, which a test
// can make fail.
type file struct {
	*scene
	source string
	conn   *sql.DB
	app    *webhook.Dispatcher
}

// faults are pragmas that new connections begin with, by source: a limit that
// ended with the connection would be no limit of the file.
var faults sync.Map

func init() {
	sqlite.RegisterConnectionHook(func(conn sqlite.ExecQuerierContext, source string) error {
		text, ok := faults.Load(source)
		if !ok {
			return nil
		}
		_, err := conn.ExecContext(context.Background(), text.(string), nil)
		return err
	})
}

func newFile(t *testing.T) *file {
	t.Helper()
	source := sqliteSource(filepath.Join(t.TempDir(), "app.db"))
	f := &file{source: source, scene: newScene(t, migrated(t, database{"sqlite", source}), steady, flaky, once)}
	var err error
	if f.conn, err = sql.Open("sqlite", source); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.conn.Close() })
	f.conn.SetMaxOpenConns(1)
	f.app = f.newApp(sqlitestore.New(f.conn, nil))
	return f
}

// pragma sets what holds for the file from now on.
func (f *file) pragma(text string) {
	f.t.Helper()
	faults.Store(f.source, "PRAGMA "+text)
	if _, err := f.conn.ExecContext(f.t.Context(), "PRAGMA "+text); err != nil {
		f.t.Fatal(err)
	}
}

// emitUntil emits events, one after the other, until that fails or there are
// most of them. It returns the error and the event's ID.
func (f *file) emitUntil(prefix string, most int) (id string, err error) {
	f.t.Helper()
	for n := range most {
		id = fmt.Sprintf("%s%d", prefix, n)
		f.tries(id)
		ctx, cancel := context.WithTimeout(f.t.Context(), 10*time.Second)
		err := f.app.Emit(ctx, event(id))
		cancel()
		if err != nil {
			f.record.note("app", sayFail, err.Error())
			return id, err
		}
		f.acks(id)
	}
	return "", nil
}

// recovers checks that the file takes events again, by itself, first of all
// the one that it did not take, and that all is well in the end.
func (f *file) recovers(refused string, what *regexp.Regexp) {
	f.t.Helper()
	if err := f.app.Emit(f.t.Context(), event(refused)); err != nil {
		f.t.Fatalf("emitting again: %v", err)
	}
	f.acks(refused)
	if _, err := f.emitUntil("after", 20); err != nil {
		f.t.Fatal(err)
	}
	if got := f.audit(false); got.duplicates != 0 || f.record.lostOutcomes() != 0 {
		f.t.Errorf("%d duplicates and %d lost outcomes", got.duplicates, f.record.lostOutcomes())
	}
	f.says(what)
}

func TestAFullSQLiteFileIsNamedAndGoesOnWhenThereIsRoom(t *testing.T) {
	t.Parallel()
	f := newFile(t)
	if _, err := f.emitUntil("before", 20); err != nil {
		t.Fatal(err)
	}
	var pages int
	if err := f.conn.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	f.pragma(fmt.Sprintf("max_page_count = %d", pages+8))
	refused, err := f.emitUntil("full", 10_000)
	if err == nil || !strings.HasPrefix(err.Error(), "webhook: Emit: ") {
		t.Fatalf("the file is full, and Emit returned %v", err)
	}
	pause(time.Second) // outcomes cannot be stored meanwhile, nor webhooks' health
	f.pragma("max_page_count = 1000000")
	f.recovers(refused, regexp.MustCompile(`database or disk is full`))
}

func TestASQLiteFileThatBecomesReadOnlyIsNamedAndGoesOn(t *testing.T) {
	t.Parallel()
	f := newFile(t)
	if _, err := f.emitUntil("before", 20); err != nil {
		t.Fatal(err)
	}
	f.pragma("query_only = 1")
	refused, err := f.emitUntil("refused", 10_000)
	if err == nil {
		t.Fatal("the file is read-only, and Emit returned no error")
	}
	pause(time.Second)
	f.pragma("query_only = 0")
	f.recovers(refused, regexp.MustCompile(`attempt to write a readonly database`))
}

func TestASQLiteFileThatAnotherProcessLocksForSecondsIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := newScene(t, freshSQLite(t), steady, flaky, once)
	crew := s.load(s.db, 2)
	s.goesOn(20)
	began := time.Now()
	if err := s.store.inTx(t.Context(), false, func(webhook.Outbox) error {
		pause(3 * time.Second) // a backup, or a report of the app's
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	s.ends(crew)
	// Writers wait for ten seconds. On a machine that is so slow that all of this takes
	// longer, one of them may have done so in vain.
	if failures, _ := s.record.complaints(); len(failures) > 0 && time.Since(began) < 10*time.Second {
		t.Errorf("%d times emitting failed: %s", len(failures), failures[0])
	}
}
