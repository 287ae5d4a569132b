package dbtest

import (
	"bytes"
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pooled makes a schema for a test, and returns a connection string for it that
// leads through a PgBouncer of the test's own: in transaction mode, with fewer
// connections to the server than its clients have to it. Before 1.21 it knows no
// prepared statements, so that pgx is told to leave none.
func pooled(t testing.TB) string {
	t.Helper()
	direct, err := url.Parse(postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/pgbouncer"); err != nil {
			without(t, "pgbouncer", err)
		}
	}
	dir := t.TempDir()
	port := freePort(t)
	login := "user=" + direct.User.Username()
	if password, ok := direct.User.Password(); ok {
		login += " password=" + password
	}
	config := filepath.Join(dir, "pgbouncer.ini")
	text := fmt.Sprintf(`[databases]
app = host=%s port=%s dbname=%s %s connect_query='set search_path to %s'
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
logfile =
`, direct.Hostname(), cmp.Or(direct.Port(), "5432"), strings.TrimPrefix(direct.Path, "/"),
		login, direct.Query().Get("search_path"), port)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command(program, "-q", config)
	if os.Getuid() == 0 {
		cmd.Args = append(cmd.Args, "-u", "nobody") // it refuses to run as root
	}
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended
	})
	through := url.URL{
		Scheme: "postgres", User: url.User("app"), Host: "127.0.0.1:" + port, Path: "/app",
		RawQuery: "sslmode=disable&default_query_exec_mode=cache_describe",
	}
	if err := awaitPooler(through.String(), ended); err != nil {
		t.Fatal(err, "\n", log.String())
	}
	return through.String()
}

// freePort returns one that nobody listens on.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// awaitPooler waits for it to answer, or to end.
func awaitPooler(dsn string, ended <-chan struct{}) error {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	patience := time.After(10 * time.Second)
	for {
		err := db.Ping()
		if err == nil {
			return nil
		}
		select {
		case <-ended:
			return errors.New("pgbouncer ended")
		case <-patience:
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}
