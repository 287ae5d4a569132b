package webhooktest_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// A fakeT stands in for the test that uses a Receiver, so that this package's
// tests see what it is told, and examples can run.
type fakeT struct {
	testing.TB
	cleanups []func()
	failures []string
}

func (t *fakeT) Helper()          {}
func (t *fakeT) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

func (t *fakeT) Errorf(format string, args ...any) {
	t.failures = append(t.failures, fmt.Sprintf(format, args...))
}

func (t *fakeT) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	runtime.Goexit()
}

// run runs a test to its end, cleanups included, and returns what it failed
// with.
func run(test func(t testing.TB)) (failures string) {
	t := &fakeT{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			for i := len(t.cleanups) - 1; i >= 0; i-- {
				t.cleanups[i]()
			}
		}()
		test(t)
	}()
	<-done
	return strings.Join(t.failures, "\n")
}
