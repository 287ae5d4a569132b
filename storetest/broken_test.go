package storetest

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/listhook/webhook"
)

// faultEnv names the fault of the store that TestStoreWithFault runs.
const faultEnv = "STORETEST_FAULT"

// TestBrokenStoresFail runs the suite, in processes of their own, against
// stores with one fault each: a case that no fault fails proves nothing.
func TestBrokenStoresFail(t *testing.T) {
	t.Parallel()
	rules := rules()
	for _, f := range faults {
		t.Run(strings.ReplaceAll(f.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			i := slices.IndexFunc(rules, func(r rule) bool { return r.name == f.fails })
			if i < 0 {
				t.Fatalf("there is no case %q", f.fails)
			}
			out, failed := runFault(t, f.name, f.fails)
			if !failed || !strings.Contains(out, "--- FAIL: TestStoreWithFault/"+f.fails) {
				t.Fatalf("a store that %s passes %s:\n%s", f.name, f.fails, out)
			}
			says := "rule:   " + rules[i].says + "\n"
			if !strings.Contains(out, says) || !strings.Contains(out, "broken: ") || strings.Contains(out, "the case panicked") {
				t.Errorf("the failure does not say %q and how it was broken:\n%s", says, out)
			}
			t.Log(out[strings.Index(out, "broken: "):])
		})
	}
}

// TestFailuresPrintTheCalls runs cases against stores whose fault is seen by what was
// asked before, and of two IDs.
func TestFailuresPrintTheCalls(t *testing.T) {
	t.Parallel()
	for _, f := range []struct{ fault, fails, prints string }{
		{"keeps those that it erases in line", "line_goes_on_when_its_first_is_erased", `
        	calls:  about "b"
        	          1 Enqueue: pending, Due t0-1s, Lease 0, Key "k", Sequence 0, of "1"`},
		{"goes on when a claimed one ends only", "line_goes_on_when_its_first_ends", `
        	calls:  about "bdeliveredfalse"
`},
		{"takes the next when a lease expires", "line_keeps_its_first_when_a_lease_expires", `
        	          3 Claim at t0+60s: pending, Due t0+120s, Lease 2, Key "k", Sequence `},
		{"looks at leases and changes in two steps", "concurrent_applies_have_one_winner", `Apply to Lease 0: failed, Due t0`},
		{"takes IDs for the same by case", "ids_are_compared_byte_for_byte", `"A", which is new, returned the version 2 and the error <nil>: it is taken for ["a"]`},
	} {
		t.Run(f.fails, func(t *testing.T) {
			t.Parallel()
			out, _ := runFault(t, f.fault, f.fails)
			if !strings.Contains(out, f.prints) {
				t.Errorf("the failure does not print\n%s\nbut\n%s", f.prints, out)
			}
		})
	}
}

// TestTheSuiteEndsWhateverTheStoreDoes runs all cases against stores whose
// every call hangs, panics, or ends its goroutine.
func TestTheSuiteEndsWhateverTheStoreDoes(t *testing.T) {
	t.Parallel()
	for _, f := range disasters {
		t.Run(strings.ReplaceAll(f.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			out, failed := runFault(t, f.name, "")
			if !failed {
				t.Fatal("it passes")
			}
			for _, r := range rules() {
				if !strings.Contains(out, "TestStoreWithFault/"+r.name+" (") {
					t.Errorf("%s was not run to its end", r.name)
				}
			}
			if !strings.Contains(out, f.fails) {
				t.Errorf("the failures do not say that it %s:\n%.2000s", f.fails, out)
			}
		})
	}
}

// TestALightSuiteSaysWhatItLeavesOut runs a light suite on a store without a fault.
func TestALightSuiteSaysWhatItLeavesOut(t *testing.T) {
	t.Parallel()
	out, failed := runFault(t, "nothing is wrong, and the suite is light", "")
	if failed {
		t.Fatalf("it fails:\n%s", out)
	}
	for _, says := range []string{"left out, as the suite is light: 9000 of 10000 deliveries", "320 of 400 random calls", "texts that storages take for one another"} {
		if !strings.Contains(out, says) {
			t.Errorf("it does not say %q", says)
		}
	}
}

// TestEveryCaseHasAFault makes sure that every case was seen to fail.
func TestEveryCaseHasAFault(t *testing.T) {
	for _, r := range rules() {
		if !slices.ContainsFunc(faults, func(f fault) bool { return f.fails == r.name }) {
			t.Errorf("no broken store is said to fail %s", r.name)
		}
	}
}

// TestPlainStoreKeepsEveryRule makes sure that it is the faults that fail.
func TestPlainStoreKeepsEveryRule(t *testing.T) {
	Suite{
		Open:   func(*testing.T) webhook.Store { return newPlain() },
		Second: func(_ *testing.T, s webhook.Store) webhook.Store { return s },
		Reopen: func(_ *testing.T, s webhook.Store) webhook.Store {
			again := newPlain()
			again.m = s.(*plain).m
			return again
		},
	}.Run(t)
}

// runFault runs the case, or all of them, against the store with the fault,
// and returns what the process printed and whether it failed.
func runFault(t *testing.T, fault, name string) (out string, failed bool) {
	t.Helper()
	run := "-test.run=^TestStoreWithFault$"
	if name != "" {
		run += "/^" + name + "$"
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.v", run)
	cmd.Env = append(os.Environ(), faultEnv+"="+fault)
	b, err := cmd.CombinedOutput()
	return string(b), err != nil
}

// TestStoreWithFault is what runFault runs.
func TestStoreWithFault(t *testing.T) {
	name := os.Getenv(faultEnv)
	if name == "" {
		t.Skip("run by TestBrokenStoresFail in a process of its own")
	}
	for _, f := range slices.Concat(faults, disasters, []fault{lightSuite}) {
		if f.name != name {
			continue
		}
		suite := Suite{
			Open: func(*testing.T) webhook.Store {
				p := newPlain()
				if f.inject != nil {
					f.inject(p)
				}
				return p
			},
			Second:  func(_ *testing.T, s webhook.Store) webhook.Store { return s },
			Reopen:  func(_ *testing.T, s webhook.Store) webhook.Store { return s },
			Timeout: f.timeout,
		}
		if f.suite != nil {
			f.suite(&suite)
		}
		suite.Run(t)
		return
	}
	t.Fatalf("there is no fault %q", name)
}

// A fault is one thing that a store does wrong.
type fault struct {
	name    string         // a store that …
	fails   string         // the case that names it
	inject  func(p *plain) // nil: nothing
	suite   func(s *Suite) // nil: nothing
	timeout time.Duration  // zero: the suite's
}
