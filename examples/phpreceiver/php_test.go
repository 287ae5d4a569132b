package phpreceiver

import (
	"os/exec"
	"testing"

	"github.com/listhook/webhook/examples/internal/receivertest"
)

// servePHP serves a script by PHP's own web server until the test ends, and
// returns its host. Without PHP the test is skipped, or fails if
// LISTHOOK_REQUIRE, a list of words, holds "php".
func servePHP(t *testing.T, script string, env ...string) (host string) {
	t.Helper()
	receivertest.Need(t, "php", "php")
	return receivertest.Serve(t, func(host string) *exec.Cmd {
		// Without the machine's php.ini: its defaults are what receivers have.
		return exec.Command("php", "-n", "-S", host, script)
	}, env...)
}
