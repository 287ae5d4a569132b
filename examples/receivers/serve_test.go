package receivers

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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
	modules, err := exec.Command("php", "-m").Output()
	if err == nil && slices.Contains(strings.Fields(string(modules)), "pdo_sqlite") {
		return
	}
	if slices.Contains(strings.Split(os.Getenv("LISTHOOK_REQUIRE"), ","), "php") {
		t.Fatalf("LISTHOOK_REQUIRE asks for php, which needs pdo_sqlite, Debian's php-sqlite3: %v", err)
	}
	t.Skip("needs php with pdo_sqlite")
}

// serve runs a receiver until the test ends, and returns its host.
func serve(t *testing.T, l language, folder, secret, data string) (host string) {
	t.Helper()
	if l.name == "PHP" {
		needPHP(t)
	}
	for range 5 { // somebody may take the port between
		free, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		host = free.Addr().String()
		require.NoError(t, free.Close())

		cmd := l.command(folder, host)
		cmd.Env = append(os.Environ(), "WEBHOOK_SECRET="+secret, "RECEIVER_DATA="+data, "TZ=UTC")
		var said strings.Builder // is read when the process has ended
		cmd.Stdout, cmd.Stderr = &said, &said
		require.NoError(t, cmd.Start())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = cmd.Wait()
		}()
		if answers(host, ended) {
			t.Cleanup(func() {
				_ = cmd.Process.Kill()
				<-ended
				if t.Failed() {
					t.Log(said.String())
				}
			})
			return host
		}
		_ = cmd.Process.Kill()
		<-ended
		t.Log(said.String())
	}
	t.Fatal("the receiver does not start")
	return ""
}

// answers waits until a host takes connections, unless its process ended.
func answers(host string, ended <-chan struct{}) bool {
	deadline := time.After(30 * time.Second)
	for {
		conn, err := net.DialTimeout("tcp", host, time.Second)
		if err == nil {
			return conn.Close() == nil
		}
		select {
		case <-ended:
			return false
		case <-deadline:
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
}
