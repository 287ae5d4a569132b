// Package dbtest holds the drivers that the stores are tested with, so that
// the library's users are not made to have them.
package dbtest

import (
	"cmp"
	"os"
	"slices"
	"strings"
	"testing"
)

// address returns where a server is: what the environment variable says, else
// the default.
func address(variable, otherwise string) string {
	return cmp.Or(os.Getenv(variable), otherwise)
}

// without ends a test because a server is missing: it is skipped, unless
// LISTHOOK_REQUIRE names the server, among others separated by commas.
func without(t testing.TB, server string, err error) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("LISTHOOK_REQUIRE"), ","), server) {
		t.Fatalf("LISTHOOK_REQUIRE names %s, which does not answer: %v", server, err)
	}
	t.Skipf("%s does not answer: %v", server, err)
}
