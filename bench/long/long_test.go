package main

import (
	"cmp"
	"context"
	"database/sql"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/listhook/webhook"
)

// small is a run of a few seconds, on so little that its figures say nothing.
func small(t *testing.T, store string, more ...string) *config {
	t.Helper()
	c, err := parseFlags(append([]string{
		"-store", store, "-dir", t.TempDir(), "-rows", "1500", "-batch", "20", "-cycles", "4", "-dump", "8",
		"-pruning", "200ms", "-steady", "300ms",
	}, more...))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func postgresURL() string {
	return cmp.Or(os.Getenv("LISTHOOK_POSTGRES"), "postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable")
}

// needPostgres skips the test without a server, unless LISTHOOK_REQUIRE says
// that there is one.
func needPostgres(t *testing.T) {
	t.Helper()
	db, err := sql.Open("pgx", postgresURL())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.PingContext(t.Context()); err != nil {
		if slices.Contains(strings.Split(os.Getenv("LISTHOOK_REQUIRE"), ","), "postgres") {
			t.Fatalf("LISTHOOK_REQUIRE names postgres, which does not answer: %v", err)
		}
		t.Skipf("postgres does not answer: %v", err)
	}
}

func TestEverythingIsMeasured(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { measured(t, small(t, "sqlite"), "sqlite") })
	t.Run("postgres", func(t *testing.T) {
		needPostgres(t)
		measured(t, small(t, "postgres", "-postgres", postgresURL()), "postgres")
	})
}

func measured(t *testing.T, c *config, store string) {
	var r report
	if err := c.measure(t.Context(), store, &r); err != nil {
		t.Fatal(err)
	}
	for _, state := range []string{"full", "dump", "full queue", "pruning"} {
		for _, call := range calls {
			i := slices.IndexFunc(r.costs, func(c cost) bool { return c.State == state && c.Call == call })
			if i < 0 {
				t.Errorf("%s was not measured in the state %q", call, state)
			} else if c := r.costs[i]; c.Calls == 0 || c.Median <= 0 || c.OtherMedian <= 0 || c.Ratio <= 0 {
				t.Errorf("%s in the state %q: %+v", call, state, c)
			}
		}
	}
	if len(r.paths) != 3 {
		t.Errorf("plans were compared %d times, want 3", len(r.paths))
	}
	for _, p := range r.paths {
		if len(p.Full) == 0 || len(p.Empty) == 0 {
			t.Errorf("the plans of the state %q are %q and %q", p.State, p.Full, p.Empty)
		}
	}
	if store == "postgres" && len(r.dead)+len(r.notes) == 0 {
		t.Error("nobody looked at dead rows, nor is it said why")
	}
}

// What is made up by the filling is what the phases rely on.
func TestFilling(t *testing.T) {
	c := small(t, "sqlite")
	s, err := c.openSite(t.Context(), "sqlite")
	if err != nil {
		t.Fatal(err)
	}
	defer s.remove()
	m := &meter{config: c, site: s, report: &report{}}
	if err := m.fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	count := func(from string) (n int) {
		t.Helper()
		if err := s.full.db.QueryRow("select count(*) from webhook_deliveries where " + from).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := count("state = 'pending' and webhook = 'busy'"); n != c.rows {
		t.Errorf("%d wait for the one webhook, want %d", n, c.rows)
	}
	if n := count("state = 'delivered' and webhook like 'webhook-%'"); n != c.rows {
		t.Errorf("%d are finished, want %d", n, c.rows)
	}
	n, err := s.full.Prune(t.Context(), webhook.Prune{Before: m.start.Add(-keeps), Limit: 2 * c.rows})
	if err != nil || n < c.rows/2-2 || n > c.rows/2+2 {
		t.Errorf("%d can be pruned (%v), want half of %d", n, err, c.rows)
	}
}

func TestDeliveriesAreWeighed(t *testing.T) {
	c := small(t, "sqlite")
	c.weight = 3000
	var r report
	if err := c.measure(t.Context(), "sqlite", &r); err != nil {
		t.Fatal(err)
	}
	if len(r.weights) != 3 || r.weights[1].Deliveries != 2000 || r.weights[2].Deliveries != 3000 {
		t.Fatalf("%+v", r.weights)
	}
	for _, l := range r.weights {
		if l.Each < 300 || l.Each > 1200 {
			t.Errorf("%s, a delivery weighs %.0f bytes", l.When, l.Each)
		}
	}
}

func TestALogIsComparedWithALongerOne(t *testing.T) {
	c := small(t, "sqlite")
	c.grown = 3 * c.rows
	var r report
	if err := c.measure(t.Context(), "sqlite", &r); err != nil {
		t.Fatal(err)
	}
	if len(r.costs) != len(calls)+len(queryNames) || len(r.notes) != 2 {
		t.Fatalf("%+v", r)
	}
	for _, cost := range r.costs {
		if cost.Calls != c.cycles || cost.Median <= 0 || cost.OtherMedian <= 0 {
			t.Errorf("%+v", cost)
		}
	}
}

func TestNothingIsLeft(t *testing.T) {
	c := small(t, "sqlite")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.measure(ctx, "sqlite", &report{}); err == nil {
		t.Error("an interrupted run succeeded")
	}
	left, err := os.ReadDir(c.directory)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestCost(t *testing.T) {
	var ts []time.Duration
	for n := range 100 {
		ts = append(ts, time.Duration(100-n)*time.Millisecond)
	}
	c := newCost("sqlite", "full", "Claim", ts, []time.Duration{25 * time.Millisecond})
	want := cost{
		Store: "sqlite", State: "full", Call: "Claim", Calls: 100,
		Median: 50, P99: 99, OtherMedian: 25, OtherP99: 25, Ratio: 2,
	}
	if c != want {
		t.Errorf("%+v, want %+v", c, want)
	}
	if c := newCost("sqlite", "pruning", "Prune", ts, nil); c.Ratio != 0 {
		t.Errorf("the ratio to nothing is %v", c.Ratio)
	}
}

func TestFlagsThatMakeNoSense(t *testing.T) {
	for _, args := range [][]string{{"-store", "oracle"}, {"-rows", "0"}, {"-steady", "-1s"}, {"-grown", "-1"}, {"more"}} {
		if _, err := parseFlags(args); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
}
