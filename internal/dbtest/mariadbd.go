package dbtest

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// A mariadbd is a MariaDB server of the tests' own, in a temporary directory,
// until the test ends that started it.
type mariadbd struct {
	dir     string
	port    string
	process *exec.Cmd
	exited  chan struct{}
	rejoins []string // options with which it joins its cluster again, on Galera
}

// newMariaDB makes an empty data directory. Root may connect without a password.
func newMariaDB(t testing.TB) *mariadbd {
	t.Helper()
	s := &mariadbd{port: freePort(t)}
	var err error
	if s.dir, err = os.MkdirTemp("", "mariadbd"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(s.dir) })
	install := program(t, "mariadb-install-db")
	attr := owner(t, s.dir)
	dir, err := installedMariaDB(install, attr)
	if err == nil {
		err = os.CopyFS(s.data(), os.DirFS(dir))
	}
	if err == nil && attr != nil {
		err = filepath.WalkDir(s.data(), func(path string, _ os.DirEntry, err error) error {
			return errors.Join(err, os.Chown(path, int(attr.Credential.Uid), int(attr.Credential.Gid)))
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var mariadbTemplate struct {
	once sync.Once
	dir  string
	err  error
}

// installedMariaDB returns a data directory as MariaDB's program makes it, for copies,
// because the program takes seconds.
func installedMariaDB(program string, attr *syscall.SysProcAttr) (dir string, err error) {
	m := &mariadbTemplate
	m.once.Do(func() {
		if m.dir, m.err = os.MkdirTemp("", "mariadb-installed"); m.err != nil {
			return
		}
		if attr != nil {
			m.err = os.Chown(m.dir, int(attr.Credential.Uid), int(attr.Credential.Gid))
		}
		install := exec.Command(program, "--no-defaults", "--datadir="+filepath.Join(m.dir, "data"), "--tmpdir="+m.dir,
			"--auth-root-authentication-method=normal", "--skip-test-db")
		install.Dir, install.SysProcAttr = m.dir, attr
		if out, err := install.CombinedOutput(); err != nil {
			m.err = errors.Join(m.err, fmt.Errorf("mariadb-install-db: %w\n%s", err, out))
		}
	})
	return filepath.Join(m.dir, "data"), m.err
}

// removeMariaDB removes what installedMariaDB made.
func removeMariaDB() {
	if mariadbTemplate.dir != "" {
		_ = os.RemoveAll(mariadbTemplate.dir)
	}
}

// startMariaDB starts a server with options of its own.
func startMariaDB(t testing.TB, options ...string) *mariadbd {
	t.Helper()
	s := newMariaDB(t)
	s.start(t, options...)
	return s
}

// start starts the server and waits until it answers.
func (s *mariadbd) start(t testing.TB, options ...string) {
	t.Helper()
	s.process = exec.Command(program(t, "mariadbd"), append([]string{
		"--no-defaults", "--datadir=" + s.data(), "--tmpdir=" + s.dir, "--port=" + s.port, "--bind-address=127.0.0.1",
		"--socket=" + filepath.Join(s.dir, "socket"), "--pid-file=" + filepath.Join(s.dir, "pid"),
		"--innodb-buffer-pool-size=64M",
		"--innodb-flush-method=nosync", // processes are killed, and no machine
	}, options...)...)
	s.process.Dir, s.process.SysProcAttr = s.dir, owner(t, s.dir)
	var log bytes.Buffer
	s.process.Stdout, s.process.Stderr = &log, &log
	// Scripts that it starts may outlive it and hold the log open.
	s.process.WaitDelay = time.Second
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	s.exited = exited
	go func() {
		defer close(exited)
		_ = s.process.Wait()
	}()
	t.Cleanup(s.kill)
	db := s.root(t)
	for end := time.Now().Add(2 * time.Minute); db.PingContext(t.Context()) != nil; {
		select {
		case <-exited:
			t.Fatalf("mariadbd ended:\n%s", &log)
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(end) {
			s.kill()
			t.Fatalf("mariadbd does not answer:\n%s", &log)
		}
	}
}

// kill ends the server as a crash does.
func (s *mariadbd) kill() {
	_ = s.process.Process.Kill()
	<-s.exited
}

func (s *mariadbd) data() string { return filepath.Join(s.dir, "data") }

// source returns the data source name of a database.
func (s *mariadbd) source(database, params string) string {
	c := mysql.NewConfig()
	c.User, c.Net, c.Addr, c.DBName = "root", "tcp", "127.0.0.1:"+s.port, database
	if params == "" {
		return c.FormatDSN()
	}
	return c.FormatDSN() + "?" + params
}

// root connects as who may do everything.
func (s *mariadbd) root(t testing.TB) *sql.DB {
	t.Helper()
	return open(t, "mysql", s.source("", ""), 2)
}

// create makes a database, as mariadb does, and returns its name.
func (s *mariadbd) create(t testing.TB) string {
	t.Helper()
	database := name()
	must(t, s.root(t), `create database `+database+` character set latin1`)
	return database
}

// program returns the path of one of MariaDB's programs.
func program(t testing.TB, name string) string {
	t.Helper()
	found, err := exec.LookPath(name)
	if err != nil {
		if found, err = exec.LookPath("/usr/sbin/" + name); err != nil {
			without(t, "mariadb", fmt.Errorf("%s is not installed", name))
		}
	}
	return found
}

// owner lets a server not run as root, which it refuses, and gives it the
// directory.
func owner(t testing.TB, dir string) *syscall.SysProcAttr {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("mysql")
	if err != nil {
		without(t, "mariadb", err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}
