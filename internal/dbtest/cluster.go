package dbtest

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// A cluster is a PostgreSQL primary with one synchronous standby, both of the
// test's own.
type cluster struct {
	t                *testing.T
	dir              string
	bin              string
	owner            *syscall.SysProcAttr // the user that they run as; nil: the test's
	primary, standby *node
	frozen           []int // processes that were stopped
}

type node struct {
	port    string
	data    string
	process *exec.Cmd
}

// newCluster starts a cluster, for as long as the test lasts.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, bin: postgresPrograms(t)}
	var err error
	if c.dir, err = os.MkdirTemp("", "listhook"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.end)
	c.chooseOwner()
	c.primary = &node{port: freePort(t), data: filepath.Join(c.dir, "primary")}
	c.standby = &node{port: freePort(t), data: filepath.Join(c.dir, "standby")}
	c.run("initdb", "-D", c.primary.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
	c.start(c.primary)
	c.run("pg_basebackup", "-D", c.standby.data, "-R", "-X", "stream", "-c", "fast", "--no-sync",
		"-d", fmt.Sprintf("host=127.0.0.1 port=%s user=postgres application_name=standby", c.primary.port))
	c.start(c.standby)
	admin := c.admin(c.primary)
	must(t, admin, `alter system set synchronous_standby_names = 'standby'`)
	must(t, admin, `select pg_reload_conf()`)
	c.until("the standby was to be synchronous", c.primary, `select count(*) = 1 from pg_stat_replication where sync_state = 'sync'`)
	return c
}

// postgresPrograms returns the folder of the newest PostgreSQL's programs.
func postgresPrograms(t *testing.T) string {
	t.Helper()
	for _, place := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin"} {
		found, _ := filepath.Glob(filepath.Join(place, "pg_basebackup"))
		slices.Sort(found)
		if len(found) > 0 {
			return filepath.Dir(found[len(found)-1])
		}
	}
	found, err := exec.LookPath("pg_basebackup")
	if err != nil {
		without(t, "postgres", errors.New("initdb, postgres and pg_basebackup are not installed"))
	}
	return filepath.Dir(found)
}

// chooseOwner lets the servers not run as root, which they refuse.
func (c *cluster) chooseOwner() {
	if os.Getuid() != 0 {
		return
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		without(c.t, "postgres", err)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err := errors.Join(err1, err2, os.Chown(c.dir, uid, gid)); err != nil {
		c.t.Fatal(err)
	}
	c.owner = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// run runs one of PostgreSQL's programs.
func (c *cluster) run(program string, args ...string) {
	c.t.Helper()
	cmd := exec.Command(filepath.Join(c.bin, program), args...)
	cmd.SysProcAttr, cmd.Dir = c.owner, c.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

// start starts a node and waits until it answers.
func (c *cluster) start(n *node) {
	c.t.Helper()
	n.process = exec.Command(filepath.Join(c.bin, "postgres"), "-D", n.data, "-p", n.port,
		"-c", "listen_addresses=127.0.0.1", "-k", c.dir, "-c", "shared_buffers=16MB", "-c", "max_connections=100")
	n.process.SysProcAttr, n.process.Dir = c.owner, c.dir
	if err := n.process.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.until("a server was to answer", n, `select true`)
}

func (c *cluster) end() {
	c.thaw()
	for _, n := range []*node{c.standby, c.primary} {
		if n != nil && n.process != nil && n.process.Process != nil {
			_ = n.process.Process.Signal(syscall.SIGQUIT)
			_ = n.process.Wait()
		}
	}
	_ = os.RemoveAll(c.dir)
}

func (c *cluster) source(n *node) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%s/postgres?sslmode=disable", n.port)
}

// admin connects to a node.
func (c *cluster) admin(n *node) *sql.DB {
	c.t.Helper()
	return open(c.t, "pgx", c.source(n)+"&application_name=admin", 2)
}

// schema makes a schema on the primary, and returns a connection string for it.
func (c *cluster) schema() string {
	c.t.Helper()
	schema := name()
	admin := c.admin(c.primary)
	defer admin.Close() // a cluster may serve hundreds of tests
	must(c.t, admin, `create schema `+schema)
	return c.source(c.primary) + "&search_path=" + url.QueryEscape(schema)
}

// until waits until a query answers true.
func (c *cluster) until(what string, n *node, query string, args ...any) {
	c.t.Helper()
	db := c.admin(n)
	defer db.Close()
	deadline := time.Now().Add(time.Minute)
	for {
		var ok bool
		err := db.QueryRow(query, args...).Scan(&ok)
		if err == nil && ok {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("%s, and in a minute did not: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// freezeStandby stops the process by which the standby receives.
func (c *cluster) freezeStandby() {
	c.t.Helper()
	c.until("the standby was to receive", c.standby, `select count(*) = 1 from pg_stat_wal_receiver where pid is not null`)
	c.freeze(c.standby, `select pid from pg_stat_wal_receiver`, false)
}

// freezePrimary stops the primary: those of its processes that clients meet.
func (c *cluster) freezePrimary() {
	c.t.Helper()
	c.freeze(c.primary, `select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()`, true)
}

func (c *cluster) freeze(n *node, pids string, all bool) {
	c.t.Helper()
	db := c.admin(n)
	defer db.Close()
	rows, err := db.Query(pids)
	if err != nil {
		c.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var pid int
		if err := rows.Scan(&pid); err != nil {
			c.t.Fatal(err)
		}
		c.frozen = append(c.frozen, pid)
	}
	if err := rows.Err(); err != nil {
		c.t.Fatal(err)
	}
	if all {
		c.frozen = append(c.frozen, n.process.Process.Pid)
	}
	for _, pid := range c.frozen {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			c.t.Fatal(err)
		}
	}
}

// thaw lets what was frozen go on.
func (c *cluster) thaw() {
	for _, pid := range c.frozen {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	c.frozen = nil
}
