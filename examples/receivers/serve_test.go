package receivers

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook/examples/internal/receivertest"
)

// A language is how a receiver is run: it returns the command that serves the
// one of a folder at a host.
type language struct {
	name    string
	command func(folder, host string) *exec.Cmd
}

// languages returns Go and, where there is PHP with SQLite, PHP. Without it the
// tests of PHP are skipped, or fail if LISTHOOK_REQUIRE, a list of words, holds
// "php".
func languages(t *testing.T) []language {
	t.Helper()
	programs := t.TempDir()
	out, err := exec.Command("go", "build", "-o", programs, "./sync", "./stats", "./suppress", "./usage").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return []language{
		{"Go", func(folder, host string) *exec.Cmd {
			return exec.Command(filepath.Join(programs, folder), "-addr", host)
		}},
		{"PHP", func(folder, host string) *exec.Cmd {
			return exec.Command("php", "-S", host, filepath.Join(folder, folder+".php"))
		}},
	}
}

func needPHP(t *testing.T) {
	t.Helper()
	receivertest.Need(t, "php", "php")
	modules, err := exec.Command("php", "-m").Output()
	require.NoError(t, err)
	if slices.Contains(strings.Fields(string(modules)), "pdo_sqlite") {
		return
	}
	if slices.Contains(strings.Split(os.Getenv("LISTHOOK_REQUIRE"), ","), "php") {
		t.Fatal("LISTHOOK_REQUIRE asks for php, which needs pdo_sqlite, Debian's php-sqlite3")
	}
	t.Skip("needs php with pdo_sqlite")
}

// serve runs a receiver until the test ends, and returns its host.
func serve(t *testing.T, l language, folder, secret, data string) (host string) {
	t.Helper()
	if l.name == "PHP" {
		needPHP(t)
	}
	return receivertest.Serve(t, func(host string) *exec.Cmd { return l.command(folder, host) },
		"WEBHOOK_SECRET="+secret, "RECEIVER_DATA="+data, "TZ=UTC")
}
