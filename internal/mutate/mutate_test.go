package mutate_test

import (
	"cmp"
	_ "embed"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook/internal/mutate"
)

const (
	workspace = "../.."
	suiteTest = "^TestStoreKeepsEveryRule$"
	cases     = 100 // that the suite has at least
	atOnce    = 2   // mutants
)

// targets are the stores to break, and the helpers that stores are given.
var targets = []struct {
	mutate.Target
	oneIn int    // of its mutants, which would take a day; 0: none
	third int    // of its mutants, a multiple of oneIn: another one in so many; 0: none
	also  string // another package with such a test, for mutants that the first lets pass
}{
	{mutate.Target{Name: "memstore", Dir: "memstore", Test: "./memstore", Run: suiteTest}, 9, 45, ""},
	{mutate.Target{Name: "selects", Dir: ".", Only: []string{"selects.go"}, Test: "./memstore", Run: suiteTest}, 9, 27, "./examples/customstore"},
	{mutate.Target{Name: "customstore", Dir: "examples/customstore", Only: []string{"store.go", "queue.go"},
		Test: "./examples/customstore", Run: suiteTest}, 14, 42, ""},
	{mutate.Target{Name: "redisstore", Dir: "examples/redisstore", Only: []string{"document.go", "query.go", "store.go"},
		Test: "./examples/redisstore", Run: suiteTest}, 0, 160, ""},
	{mutate.Target{Name: "redislua", Dir: "examples/redisstore", Lua: true, Test: "./examples/redisstore", Run: suiteTest}, 0, 24, ""},
	{sql("sqlite", "sqlite.go", `^TestStore$/^sqlite$/^sqlite_by_modernc$`), 9, 0, ""},
	{sql("postgres", "postgres.go", `^TestStore$/^postgres$/^postgres_by_pgx's_database/sql$`), 18, 0, ""},
	{sql("mariadb", "mariadb.go", onMariaDB), 12, 0, ""},
	// SQLite has no parked deliveries outside of its lines, and waits for no puts.
	{sql("queries", "deliveries.go webhooks.go prune.go dialect.go", onMariaDB), 6, 0, ""},
}

const onMariaDB = `^TestStore$/^mariadb$/^mariadb$`

// sql returns the target of the SQL in files of internal/sqlstore.
func sql(name, files, run string) mutate.Target {
	return mutate.Target{Name: name, Dir: "internal/sqlstore", Only: strings.Fields(files), SQL: true, Test: "./internal/dbtest", Run: run}
}

// equivalent lists the mutants that no suite can tell from the store, each with a reason
// in the line below it.
//
//go:embed equivalent.txt
var equivalent string

// TestMutants breaks stores in one place at a time, and runs storetest on each broken
// store. The suite has to fail, unless the mutant is listed as equivalent; and a listed
// one has to exist, and to pass.
//
// LISTHOOK_MUTANTS says which mutants: "all" that are measured, those of one
// "half1" or "half2", those of the "third" set, which shares none with the halves, or those
// whose key matches a regular expression. Unless it is set, there are a few.
func TestMutants(t *testing.T) {
	reasons := readEquivalent(t)
	chosen := chooser(t, os.Getenv("LISTHOOK_MUTANTS"), reasons)
	for _, target := range targets {
		t.Run(target.Name, func(t *testing.T) {
			if os.Getenv("LISTHOOK_MUTANTS") == "" && target.Name != "memstore" {
				t.Skip("LISTHOOK_MUTANTS is not set")
			}
			target.Root = workspace
			known := map[string]bool{}
			b, err := mutate.Build(t.Context(), target.Target, func(m *mutate.Mutant) bool {
				known[m.Key] = true
				return chosen(m, target.oneIn, target.third)
			}, t.TempDir())
			require.NoError(t, err)
			for key := range reasons {
				if strings.HasPrefix(key, target.Name+" ") && !known[key] {
					t.Errorf("equivalent.txt lists a mutant that does not exist: %s", key)
				}
			}
			r := report{oneIn: target.oneIn}
			t.Cleanup(func() { t.Logf("%d mutants are known, %d run: %s", b.Candidates, r.run(), r) })
			start := time.Now()
			whole, err := b.Run(t.Context(), nil, 10*time.Minute)
			require.NoError(t, err)
			require.False(t, whole.Killed, "the test fails without a mutant: %s", whole.How)
			if whole.Cases < cases {
				t.Skip("the test skips, as it does without its server")
			}
			limit := 10*time.Second + 3*time.Since(start)
			passed := map[string]bool{}
			runAll(t, b, limit, func(m *mutate.Mutant, result mutate.Result) {
				if target.also != "" && !result.Killed {
					passed[m.Key] = true
					return
				}
				r.note(t, m, result, reasons[m.Key])
			})
			if len(passed) == 0 {
				return
			}
			target.Test = target.also
			b, err = mutate.Build(t.Context(), target.Target, func(m *mutate.Mutant) bool { return passed[m.Key] }, t.TempDir())
			require.NoError(t, err)
			runAll(t, b, 10*time.Minute, func(m *mutate.Mutant, result mutate.Result) { r.note(t, m, result, reasons[m.Key]) })
		})
	}
}

// runAll runs the test on each mutant, and calls note with one result at a time.
func runAll(t *testing.T, b *mutate.Binary, limit time.Duration, note func(*mutate.Mutant, mutate.Result)) {
	next := make(chan *mutate.Mutant, len(b.Mutants))
	for _, m := range b.Mutants {
		next <- m
	}
	close(next)
	var mu sync.Mutex
	var running sync.WaitGroup
	for range atOnce {
		running.Go(func() {
			for m := range next {
				result, err := b.Run(t.Context(), m, limit)
				mu.Lock()
				if assert.NoError(t, err) {
					note(m, result)
				}
				mu.Unlock()
			}
		})
	}
	running.Wait()
}

// chooser returns what says whether a mutant is run, if one in so many is measured, and
// another one in so many is in the third set.
func chooser(t *testing.T, which string, reasons map[string]string) func(m *mutate.Mutant, oneIn, third int) bool {
	switch which {
	case "":
		const few = 60
		return func(m *mutate.Mutant, oneIn, _ int) bool { return m.OneIn(oneIn*few, 0) }
	case "all":
		return func(m *mutate.Mutant, oneIn, third int) bool {
			return m.OneIn(oneIn, 0) || m.OneIn(third, 1) || reasons[m.Key] != ""
		}
	case "half1":
		return func(m *mutate.Mutant, oneIn, _ int) bool { return m.OneIn(oneIn, 0) && m.Half() == 1 }
	case "half2":
		return func(m *mutate.Mutant, oneIn, _ int) bool { return m.OneIn(oneIn, 0) && m.Half() == 2 }
	case "third":
		return func(m *mutate.Mutant, _, third int) bool { return m.OneIn(third, 1) }
	}
	key, err := regexp.Compile(which)
	require.NoError(t, err)
	return func(m *mutate.Mutant, _, _ int) bool { return key.MatchString(m.Key) }
}

// A report counts mutants by half.
type report struct {
	oneIn                     int
	made, killed, equivalents [3]int
}

func (r *report) note(t *testing.T, m *mutate.Mutant, result mutate.Result, reason string) {
	t.Helper()
	half := m.Half()
	r.made[half]++
	switch {
	case result.Late: // by the mutant, or because the machine is busy
		t.Errorf("took longer than %.0fs, in %s: %s", result.Took.Seconds(), cmp.Or(result.Case, "the test"), m.Key)
	case result.Killed && reason != "":
		t.Errorf("equivalent.txt lists a mutant that fails in %s: %s", result.Case, m.Key)
	case result.Killed:
		r.killed[half]++
		t.Logf("killed in %.1fs by %s: %s\n%s", result.Took.Seconds(), cmp.Or(result.Case, "the test"), m.Key, result.How)
	case reason != "":
		r.equivalents[half]++
	default:
		t.Errorf("survived, of half %d: %s", half, m.Key)
	}
}

func (r report) run() int { return r.made[1] + r.made[2] }

func (r report) String() string {
	var halves []string
	for half := 1; half <= 2; half++ {
		halves = append(halves, fmt.Sprintf("of half %d, %d made, %d equivalent, %d killed", half, r.made[half], r.equivalents[half], r.killed[half]))
	}
	return strings.Join(halves, "; ")
}

// readEquivalent returns the reasons by key.
func readEquivalent(t *testing.T) map[string]string {
	reasons := map[string]string{}
	var keys []string
	for line := range strings.Lines(equivalent) {
		switch text := strings.TrimSpace(line); {
		case text == "" || strings.HasPrefix(text, "#"):
		case !strings.HasPrefix(line, "\t"):
			keys = append(keys, text)
		case len(keys) == 0:
			t.Fatalf("equivalent.txt: a reason without a mutant: %s", text)
		default:
			for _, key := range keys {
				assert.NotContains(t, reasons, key, "equivalent.txt lists it twice")
				reasons[key] = text
			}
			keys = slices.Delete(keys, 0, len(keys))
		}
	}
	assert.Empty(t, keys, "equivalent.txt gives no reason for these")
	return reasons
}
