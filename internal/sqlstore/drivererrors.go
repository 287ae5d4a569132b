package sqlstore

import (
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"time"
)

// These functions read errors without the drivers' types, so that any driver can be
// used.

// sqlState returns the SQLSTATE that an error of a PostgreSQL driver carries.
// The errors of pgx and of lib/pq have the method.
func sqlState(err error) string {
	var e interface{ SQLState() string }
	if errors.As(err, &e) {
		return e.SQLState()
	}
	return ""
}

// mysqlNumber returns the number of an error of a MySQL driver: its field Number, as
// in go-sql-driver's errors, or 0 without one.
func mysqlNumber(err error) uint64 {
	for e := err; e != nil; e = errors.Unwrap(e) {
		v := reflect.Indirect(reflect.ValueOf(e))
		if v.Kind() != reflect.Struct {
			continue
		}
		if n := v.FieldByName("Number"); n.IsValid() && n.CanUint() {
			return n.Uint()
		}
	}
	return 0
}

// containsAny reports whether the error's text contains one of the texts.
func containsAny(err error, texts ...string) bool {
	text := err.Error()
	for _, t := range texts {
		if strings.Contains(text, t) {
			return true
		}
	}
	return false
}

// jitter returns a random duration between d/2 and d.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2+1)
}

// sleep waits for d. It returns false if ctx ends before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
