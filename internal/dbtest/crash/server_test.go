//go:build unix

package crash

import (
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/listhook/webhook/internal/freeport"
)

// A server is a database server of the test's own, which it may stop, and
// whose settings it may change.
type server struct {
	t         *testing.T
	kind      *serverKind
	dir       string
	port      string
	owner     *syscall.SysProcAttr // the user that it runs as; nil: the test's
	process   *exec.Cmd
	databases int
}

// A serverKind is what differs between servers.
type serverKind struct {
	name    string
	need    string   // in LISTHOOK_REQUIRE
	user    string   // that it runs as when the test is run by root
	install string   // a program that makes an empty data directory
	program string   // the server
	places  []string // where both are, beside the path

	installArgs func(s *server) []string
	args        func(s *server) []string
	abort       syscall.Signal // ends it at once, without an orderly end
	driver      string
	admin       func(addr string) string       // the source of who may do everything
	source      func(addr, name string) string // the source of an app's database
	create      func(name string) []string     // makes a database for an app
	readOnly    func(on bool) []string         // for apps, or for everybody
	stores      []string                       // kinds of them
}

var serverKinds = []*serverKind{postgresServer, mariadbServer}

var postgresServer = &serverKind{
	name: "PostgreSQL", need: "postgres", user: "postgres",
	install: "initdb", program: "postgres", places: []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin"},
	installArgs: func(s *server) []string {
		return []string{"-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"}
	},
	args: func(s *server) []string {
		return []string{"-D", s.data(), "-p", s.port, "-c", "listen_addresses=127.0.0.1", "-k", s.dir}
	},
	abort:  syscall.SIGQUIT, // "immediate": no checkpoint, recovery at the next start
	driver: "pgx",
	admin:  func(addr string) string { return "postgres://postgres@" + addr + "/postgres?sslmode=disable" },
	source: func(addr, name string) string { return "postgres://postgres@" + addr + "/" + name + "?sslmode=disable" },
	create: func(name string) []string { return []string{"create database " + name} },
	readOnly: func(on bool) []string {
		return []string{
			fmt.Sprintf("alter system set default_transaction_read_only = %t", on),
			"select pg_reload_conf()",
		}
	},
	stores: []string{"postgres", "pgx"},
}

var mariadbServer = &serverKind{
	name: "MariaDB", need: "mariadb", user: "mysql",
	install: "mariadb-install-db", program: "mariadbd", places: []string{"/usr/bin", "/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin"},
	installArgs: func(s *server) []string {
		return []string{"--no-defaults", "--datadir=" + s.data(), "--tmpdir=" + s.dir, "--auth-root-authentication-method=normal", "--skip-test-db"}
	},
	args: func(s *server) []string {
		return []string{
			// Where it starts, it removes what others keep there, too.
			"--no-defaults", "--datadir=" + s.data(), "--tmpdir=" + s.dir, "--port=" + s.port, "--bind-address=127.0.0.1",
			"--socket=" + filepath.Join(s.dir, "socket"), "--pid-file=" + filepath.Join(s.dir, "pid"),
			"--innodb-buffer-pool-size=64M",
			// As Galera demands; the server that CONTRIBUTING.md names has 1.
			"--innodb-autoinc-lock-mode=2",
		}
	},
	abort:  syscall.SIGKILL,
	driver: "mysql",
	admin:  func(addr string) string { return "root@tcp(" + addr + ")/mysql" },
	source: func(addr, name string) string { return "app:app@tcp(" + addr + ")/" + name },
	create: func(name string) []string {
		return []string{
			"create database " + name,
			"create user if not exists app identified by 'app'",
			"grant all on " + name + ".* to app", // but not to write when it is read-only
		}
	},
	readOnly: func(on bool) []string { return []string{fmt.Sprintf("set global read_only = %t", on)} },
	stores:   []string{"mysql"},
}

// servers are those that were started, by the store. Tests that use the same run one after
// the other, because some stop it.
var (
	serversMu sync.Mutex // guards servers, not those that it holds
	servers   = map[string]*server{}
)

// serverFor returns the running server of a kind that a kind of stores has.
func serverFor(t *testing.T, kind *serverKind, store string) *server {
	t.Helper()
	serversMu.Lock()
	s, ok := servers[store]
	serversMu.Unlock()
	if ok {
		s.t = t
		return s
	}
	port, err := freeport.Pick()
	if err != nil {
		t.Fatal(err)
	}
	s = &server{t: t, kind: kind, port: port}
	install, program := s.find(kind.install), s.find(kind.program)
	if install == "" || program == "" {
		lacking(t, kind.need, kind.install+" and "+kind.program+" are not installed")
	}
	if s.dir, err = os.MkdirTemp("", "crash"); err != nil {
		t.Fatal(err)
	}
	serversMu.Lock()
	servers[store] = s
	serversMu.Unlock()
	s.chooseOwner()
	cmd := exec.Command(install, kind.installArgs(s)...)
	cmd.SysProcAttr, cmd.Dir = s.owner, s.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", kind.install, err, out)
	}
	s.start()
	return s
}

// removeServers ends the servers and removes their data.
func removeServers() {
	for _, s := range servers {
		if s.process != nil {
			s.abort()
		}
		_ = os.RemoveAll(s.dir)
	}
}

// data is the directory of the data.
func (s *server) data() string { return filepath.Join(s.dir, "data") }

// find looks for a program, of the newest version that there is.
func (s *server) find(program string) string {
	for _, place := range s.kind.places {
		found, _ := filepath.Glob(filepath.Join(place, program))
		slices.Sort(found)
		if len(found) > 0 {
			return found[len(found)-1]
		}
	}
	found, _ := exec.LookPath(program)
	return found
}

// chooseOwner lets a server not run as root, which both refuse.
func (s *server) chooseOwner() {
	if os.Getuid() != 0 {
		return
	}
	u, err := user.Lookup(s.kind.user)
	if err != nil {
		lacking(s.t, s.kind.need, err.Error())
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err := errors.Join(err1, err2, os.Chown(s.dir, uid, gid)); err != nil {
		s.t.Fatal(err)
	}
	s.owner = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// start starts the server and waits until it answers.
func (s *server) start() {
	s.t.Helper()
	s.process = exec.Command(s.find(s.kind.program), s.kind.args(s)...)
	s.process.SysProcAttr, s.process.Dir = s.owner, s.dir
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	db := s.connect()
	defer db.Close()
	eventually(s.t, s.kind.name+" was to answer", func() bool { return db.PingContext(s.t.Context()) == nil })
}

// abort ends the server as a crash does.
func (s *server) abort() {
	_ = s.process.Process.Signal(s.kind.abort)
	_ = s.process.Wait()
}

// addr is where it listens.
func (s *server) addr() string { return net.JoinHostPort("127.0.0.1", s.port) }

func (s *server) connect() *sql.DB {
	s.t.Helper()
	db, err := sql.Open(s.kind.driver, s.kind.admin(s.addr()))
	if err != nil {
		s.t.Fatal(err)
	}
	return db
}

// run runs statements.
func (s *server) run(statements ...string) {
	s.t.Helper()
	db := s.connect()
	defer db.Close()
	for _, text := range statements {
		if _, err := db.ExecContext(s.t.Context(), text); err != nil {
			s.t.Fatalf("%s: %v", text, err)
		}
	}
}

// create creates a database and returns its name.
func (s *server) create() string {
	s.t.Helper()
	s.databases++
	name := fmt.Sprintf("app%d", s.databases)
	s.run(s.kind.create(name)...)
	return name
}
