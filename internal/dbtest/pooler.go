package dbtest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/listhook/webhook/internal/freeport"
)

// A pooler is a PgBouncer of the tests' own: in transaction mode, with fewer
// connections to the server than its clients have to it. It runs until the tests of
// the package have ended, and gets a database of its own for each test.
type pooler struct {
	dir, port string
	log       bytes.Buffer
	ended     chan struct{}

	mu        sync.Mutex // guards what follows
	databases map[string]string
	process   *exec.Cmd
	stopping  bool
}

// sharedPooler starts the pooler when it is first asked for.
var sharedPooler = sync.OnceValues(startPooler)

// poolerStarted says that there is something to end.
var poolerStarted bool

// pooled makes a schema for a test, and returns a connection string for it that
// leads through the pooler. Before 1.21 it knows no prepared statements, so that pgx
// is told to leave none.
func pooled(t testing.TB) string {
	t.Helper()
	direct, err := url.Parse(postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	p, err := sharedPooler()
	if errors.Is(err, exec.ErrNotFound) {
		without(t, "pgbouncer", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	database := name()
	if err := p.add(database, direct); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.remove(database); err != nil {
			t.Error(err)
		}
	})
	through := url.URL{
		Scheme: "postgres", User: url.User("app"), Host: "127.0.0.1:" + p.port, Path: "/" + database,
		RawQuery: "sslmode=disable&default_query_exec_mode=cache_describe",
	}
	db := open(t, "pgx", through.String(), 1)
	defer db.Close()
	if err := p.await(db.Ping); err != nil {
		t.Fatal(err)
	}
	return through.String()
}

func startPooler() (*pooler, error) {
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/pgbouncer"); err != nil {
			return nil, exec.ErrNotFound
		}
	}
	p := &pooler{ended: make(chan struct{}), databases: map[string]string{}}
	if p.dir, err = os.MkdirTemp("", "pgbouncer"); err != nil {
		return nil, err
	}
	if p.port, err = freeport.Pick(); err != nil {
		return nil, err
	}
	if err := errors.Join(os.Chmod(p.dir, 0o755), p.configure()); err != nil {
		return nil, err
	}
	if err := p.launch(program); err != nil {
		return nil, err
	}
	poolerStarted = true
	go p.supervise(program)
	go func() {
		// It would outlive tests that are terminated, with what files they inherited.
		terminated := make(chan os.Signal, 1)
		signal.Notify(terminated, os.Interrupt, syscall.SIGTERM)
		<-terminated
		p.end()
		os.Exit(1)
	}()
	return p, p.await(func() error {
		c, err := net.Dial("tcp", "127.0.0.1:"+p.port)
		if err == nil {
			_ = c.Close()
		}
		return err
	})
}

// launch starts the process. The caller holds mu, or nobody else has p.
func (p *pooler) launch(program string) error {
	p.process = exec.Command(program, "-q", p.config())
	if os.Getuid() == 0 {
		p.process.Args = append(p.process.Args, "-u", "nobody") // it refuses to run as root
	}
	p.process.Stdout, p.process.Stderr = &p.log, &p.log
	return p.process.Start()
}

// supervise starts the process again whenever it ends, until endPooler. PgBouncer 1.18
// crashes when a database leaves its configuration whose clients were canceled.
func (p *pooler) supervise(program string) {
	defer close(p.ended)
	for {
		_ = p.process.Wait()
		p.mu.Lock()
		again := !p.stopping && p.launch(program) == nil
		p.mu.Unlock()
		if !again {
			return
		}
	}
}

// endPooler ends the pooler, if there is one.
func endPooler() {
	if !poolerStarted {
		return
	}
	p, _ := sharedPooler()
	p.end()
}

func (p *pooler) end() {
	p.mu.Lock()
	p.stopping = true
	_ = p.process.Process.Signal(syscall.SIGTERM)
	p.mu.Unlock()
	<-p.ended
	_ = os.RemoveAll(p.dir)
}

func (p *pooler) config() string { return filepath.Join(p.dir, "pgbouncer.ini") }

// configure writes the configuration. The caller holds mu, or nobody else has p.
// Connections to databases that were removed end when they are idle.
func (p *pooler) configure() error {
	var text strings.Builder
	text.WriteString("[databases]\n")
	for _, database := range slices.Sorted(maps.Keys(p.databases)) {
		fmt.Fprintf(&text, "%s = %s\n", database, p.databases[database])
	}
	fmt.Fprintf(&text, `[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
server_idle_timeout = 1
logfile =
`, p.port)
	return os.WriteFile(p.config(), []byte(text.String()), 0o644)
}

// add has the pooler lead to a schema of the server as a database.
func (p *pooler) add(database string, direct *url.URL) error {
	login := "user=" + direct.User.Username()
	if password, ok := direct.User.Password(); ok {
		login += " password=" + password
	}
	return p.change(func() {
		p.databases[database] = fmt.Sprintf("host=%s port=%s dbname=%s %s connect_query='set search_path to %s'",
			direct.Hostname(), cmp.Or(direct.Port(), "5432"), strings.TrimPrefix(direct.Path, "/"), login,
			direct.Query().Get("search_path"))
	})
}

func (p *pooler) remove(database string) error {
	return p.change(func() { delete(p.databases, database) })
}

func (p *pooler) change(do func()) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	do()
	if err := p.configure(); err != nil {
		return err
	}
	if err := p.process.Process.Signal(syscall.SIGHUP); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil // the next process reads the configuration
}

// await waits until a call succeeds, or the pooler ends.
func (p *pooler) await(call func() error) error {
	patience := time.After(time.Minute)
	for {
		err := call()
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("pgbouncer ended:\n%s", p.log.String())
		case <-patience:
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// freePort returns a port for a server of the test's own.
func freePort(t testing.TB) string {
	t.Helper()
	port, err := freeport.Pick()
	if err != nil {
		t.Fatal(err)
	}
	return port
}
