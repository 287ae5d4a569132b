//go:build unix

package crash

import (
	"flag"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// childVariable holds the configuration of a child process. Without it, this
// is the test.
const childVariable = "LISTHOOK_CRASH_CHILD"

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		os.Exit(runChild(text))
	}
	flag.Parse()
	told := false
	flag.Visit(func(f *flag.Flag) { told = told || f.Name == "test.parallel" })
	if !told {
		_ = flag.Set("test.parallel", "4") // these tests wait more than they compute
	}
	code := m.Run()
	removeServers()
	os.Exit(code)
}

// rounds returns how often processes are killed on each store.
func rounds(t *testing.T) int {
	text := os.Getenv("LISTHOOK_ROUNDS")
	if text == "" {
		return 3
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("LISTHOOK_ROUNDS=%s is not a number above zero", text)
	}
	return n
}

// soakTime returns how long the soak lasts.
func soakTime(t *testing.T) time.Duration {
	text := os.Getenv("LISTHOOK_SOAK")
	if text == "" {
		return 4 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		t.Fatalf("LISTHOOK_SOAK=%s is not a duration, such as 5m", text)
	}
	return d
}

// newRand returns where the moments of a test are drawn from, and prints how
// to draw the same ones again. What the processes do in between is theirs, so
// the same seed makes the same kills, not the same failure.
func newRand(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("LISTHOOK_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("LISTHOOK_SEED=%s is not a number", text)
		}
	}
	t.Logf("LISTHOOK_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// required reports whether a test may not be skipped for want of something.
func required(need string) bool {
	for word := range strings.SplitSeq(os.Getenv("LISTHOOK_REQUIRE"), ",") {
		if strings.TrimSpace(word) == need {
			return true
		}
	}
	return false
}

// lacking skips the test, or fails it where the need is required.
func lacking(t *testing.T, need, why string) {
	t.Helper()
	if required(need) {
		t.Fatalf("LISTHOOK_REQUIRE asks for %s: %s", need, why)
	}
	t.Skipf("%s: %s", need, why)
}

// eventually waits for done, which is asked often, and fails the test when it
// does not become true in time: long enough that only what is broken fails.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	const patience = 3 * time.Minute
	for begin := time.Now(); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Since(begin) > patience {
			t.Fatalf("waited %s in vain: %s", patience, what)
		}
	}
}
