package dbtest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/listhook/webhook/internal/npm"
)

// postgresOf starts a server of a major version, whose programs npm has, for as long as
// the test lasts.
func postgresOf(t *testing.T, major int) *cluster {
	t.Helper()
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("the programs are for Linux on x86-64")
	}
	modules, err := npm.Install("postgresql")
	if err != nil {
		without(t, "npm", err)
	}
	c := &cluster{t: t}
	if c.dir, err = os.MkdirTemp("", "listhook"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c.primary != nil && c.primary.process != nil {
			signalTree(c.primary.process.Process.Pid, syscall.SIGKILL)
			_ = c.primary.process.Wait()
		}
		_ = os.RemoveAll(c.dir)
	})
	// The server's user may not be let into the folder of the packages.
	source := filepath.Join(modules, fmt.Sprint("postgresql-", major))
	if err := os.CopyFS(c.dir, os.DirFS(source)); err != nil {
		t.Fatal(err)
	}
	linkLibraries(t, c.dir)
	c.chooseOwner()
	c.bin = filepath.Join(c.dir, "native", "bin")
	data := filepath.Join(c.dir, "data")
	if err := os.Chmod(c.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c.run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
	c.primary = &node{port: freePort(t), data: data}
	c.start(c.primary)
	return c
}

// linkLibraries makes the links that packages of npm cannot hold.
func linkLibraries(t *testing.T, dir string) {
	t.Helper()
	var links []struct{ Source, Target string }
	text, err := os.ReadFile(filepath.Join(dir, "native", "pg-symlinks.json"))
	if err == nil {
		err = json.Unmarshal(text, &links)
	}
	for _, link := range links {
		if err == nil {
			err = os.Symlink(filepath.Base(link.Source), filepath.Join(dir, link.Target))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The crash tests run on the PostgreSQL of the machine. Here are the other majors that
// are supported, and the one that is refused.
func TestNodesOfEachPostgres(t *testing.T) {
	span := nodesTime(t)
	t.Run("13", func(t *testing.T) {
		c := postgresOf(t, 13)
		h := postgresHandle(t, open(t, "pgx", c.source(c.primary), 4), "")
		says(t, h.Migrate(t.Context()), "the server is PostgreSQL 13.")
		if n := tablesOf(t, h, "postgres"); n != 0 {
			t.Errorf("there are %d tables after the refusal", n)
		}
	})
	for _, major := range []int{14, 16, 17, 18} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			c := postgresOf(t, major)
			t.Run("kills", func(t *testing.T) {
				c.t = t
				dsn := c.schema()
				l := newNodesLoad(t)
				l.app("pgx", migrated(t, postgresHandle(t, open(t, "pgx", dsn, 8), "")), nil)
				l.app("pq", postgresHandle(t, open(t, "postgres", dsn, 8), ""), nil)
				l.app("pgxstore", pgxHandle(t, openPool(t, dsn+"&pool_max_conns=8"), ""), nil)
				l.killsAndStarts(span, func() {
					signalTree(c.primary.process.Process.Pid, syscall.SIGKILL)
					_ = c.primary.process.Wait()
				}, func() { c.start(c.primary) })
			})
			for _, s := range storagesOn(c) {
				t.Run("store by "+s.name, func(t *testing.T) {
					c.t = t
					suite(t, s).Run(t)
				})
			}
		})
	}
}

// storagesOn returns the stores on a server, by each driver.
func storagesOn(c *cluster) []storage {
	by := func(name string, open func(t testing.TB, dsn, prefix string) *handle) storage {
		return storage{name: name, empty: emptyPostgres, create: func(t testing.TB) func(string) *handle {
			dsn := c.schema()
			return func(prefix string) *handle { return open(t, dsn, prefix) }
		}}
	}
	return []storage{
		by("pgx's database/sql", func(t testing.TB, dsn, prefix string) *handle {
			return postgresHandle(t, open(t, "pgx", dsn, 8), prefix)
		}),
		by("pq", func(t testing.TB, dsn, prefix string) *handle {
			return postgresHandle(t, open(t, "postgres", dsn, 8), prefix)
		}),
		by("pgxpool", func(t testing.TB, dsn, prefix string) *handle {
			return pgxHandle(t, openPool(t, dsn+"&pool_max_conns=8"), prefix)
		}),
	}
}

// The programs are those that come first in the path: another version's, perhaps.
func TestNodesOfMariaDB(t *testing.T) {
	span := nodesTime(t)
	s := newMariaDB(t)
	s.start(t)
	var version string
	if err := s.root(t).QueryRow(`select version()`).Scan(&version); err != nil {
		t.Fatal(err)
	}
	t.Log(version)
	t.Run("store", func(t *testing.T) {
		suite(t, storage{empty: emptyMariaDB, create: func(t testing.TB) func(string) *handle {
			database := s.create(t)
			return func(prefix string) *handle { return mysqlHandle(open(t, "mysql", s.source(database, ""), 8), prefix) }
		}}).Run(t)
	})
	t.Run("kills", func(t *testing.T) {
		database := s.create(t)
		l := newNodesLoad(t)
		for i := range 3 {
			h := mysqlHandle(open(t, "mysql", s.source(database, "timeout=3s&readTimeout=20s"), 8), "")
			l.app(fmt.Sprint("m", i), migrated(t, h), nil)
		}
		l.killsAndStarts(span, s.kill, func() { s.start(t) })
	})
}

// killsAndStarts kills a server and starts it again, with load all the while.
func (l *nodesLoad) killsAndStarts(span time.Duration, kill, start func()) {
	l.t.Helper()
	l.begin()
	l.goesOn(time.Now(), l.names(-1)...)
	for began, round := time.Now(), 0; time.Since(began) < span || round < 3; round++ {
		l.fault("server killed and started again", l.names(-1), func() {
			kill()
			start()
		})
		time.Sleep(500 * time.Millisecond)
	}
	l.end()
}
