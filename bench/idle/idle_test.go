package main

import (
	"bytes"
	"cmp"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func postgresURL() string {
	return cmp.Or(os.Getenv("LISTHOOK_POSTGRES"), "postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable")
}

// needPostgres skips the test without a server, unless LISTHOOK_REQUIRE says that
// there is one.
func needPostgres(t *testing.T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), postgresURL())
	switch {
	case err == nil:
		_ = conn.Close(t.Context())
	case slices.Contains(strings.Split(os.Getenv("LISTHOOK_REQUIRE"), ","), "postgres"):
		t.Fatalf("LISTHOOK_REQUIRE names postgres, which does not answer: %v", err)
	default:
		t.Skipf("postgres does not answer: %v", err)
	}
}

// So short a run says nothing of the costs.
func TestEveryStoreIsMeasuredAndRemoved(t *testing.T) {
	for _, name := range storeNames {
		t.Run(name, func(t *testing.T) {
			if name == "postgres" || name == "pgx" {
				needPostgres(t)
			}
			c := &config{
				stores: []string{name}, dispatchers: 3, span: 100 * time.Millisecond, here: true,
				postgres: postgresURL(), directory: t.TempDir(),
			}
			var out bytes.Buffer
			if err := c.run(t.Context(), &out); err != nil {
				t.Fatal(err)
			}
			fields := strings.Split(strings.TrimSpace(out.String()), "\t")
			if len(fields) < 6 || fields[0] != name || fields[1] != "3" || fields[5] == "0" {
				t.Errorf("it printed %q", out.String())
			}
			if left, err := os.ReadDir(c.directory); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestFlagsThatMakeNoSense(t *testing.T) {
	for _, args := range [][]string{{"-store", "oracle"}, {"-dispatchers", "0"}, {"-span", "0s"}, {"-here"}, {"more"}} {
		if _, err := parseFlags(args); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
}
