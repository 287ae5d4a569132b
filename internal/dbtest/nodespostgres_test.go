package dbtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lib/pq"

	"github.com/listhook/webhook/pgxstore"
	"github.com/listhook/webhook/postgresstore"
)

// trio is a PostgreSQL primary and two standbys, of which one has to have each commit.
// It does what a failover manager does: it promotes the standby that has most, and
// leads the other one to it before the former primary may answer again. If that one
// could follow the former primary, it would confirm commits that nobody finds.
type trio struct {
	*cluster
	nodes   [3]*node
	primary int
}

func newTrio(t *testing.T) *trio {
	t.Helper()
	c := &cluster{t: t, bin: postgresPrograms(t)}
	var err error
	if c.dir, err = os.MkdirTemp("", "listhook"); err != nil {
		t.Fatal(err)
	}
	c.chooseOwner()
	p := &trio{cluster: c}
	t.Cleanup(p.end)
	for i := range p.nodes {
		p.nodes[i] = &node{port: freePort(t), data: filepath.Join(c.dir, fmt.Sprint("n", i))}
	}
	c.run("initdb", "-D", p.nodes[0].data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
	c.start(p.nodes[0])
	p.wait(0)
	admin := c.admin(p.nodes[0])
	// The standbys get these with their copies, for when they are the primary.
	must(t, admin, `alter system set wal_keep_size = '512MB'`)
	must(t, admin, `alter system set synchronous_standby_names = 'ANY 1 (n0, n1, n2)'`)
	p.follow(1)
	p.follow(2)
	must(t, admin, `select pg_reload_conf()`)
	c.until("a standby was to be synchronous", p.nodes[0], `select current_setting('synchronous_standby_names') <> ''`)
	return p
}

// wait has a process that ends waited for, so that none is left as a zombie.
func (p *trio) wait(i int) { go func(n *node) { _ = n.process.Wait() }(p.nodes[i]) }

func (p *trio) end() {
	for _, n := range p.nodes {
		if n != nil && n.process != nil && n.process.Process != nil {
			signalTree(n.process.Process.Pid, syscall.SIGCONT)
			signalTree(n.process.Process.Pid, syscall.SIGKILL)
		}
	}
	_ = os.RemoveAll(p.dir)
}

// hosts names all nodes, for whoever needs the one that can be written to.
func (p *trio) hosts(format string) string {
	var list []string
	for _, n := range p.nodes {
		list = append(list, fmt.Sprintf(format, n.port))
	}
	return strings.Join(list, ",")
}

// follow makes a node a standby, with a copy of the primary's data.
func (p *trio) follow(i int) {
	p.t.Helper()
	n := p.nodes[i]
	if err := os.RemoveAll(n.data); err != nil {
		p.t.Fatal(err)
	}
	p.run("pg_basebackup", "-D", n.data, "-R", "-X", "stream", "-c", "fast", "--no-sync",
		"-d", fmt.Sprintf("host=127.0.0.1 port=%s user=postgres application_name=n%d", p.nodes[p.primary].port, i))
	file, err := os.OpenFile(filepath.Join(n.data, "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = file.WriteString("\nprimary_conninfo = '" + p.conninfo(i) + "'\nwal_receiver_timeout = 5s\nwal_sender_timeout = 5s\n")
		_ = file.Close()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.start(n)
	p.wait(i)
}

// conninfo is how a standby connects to the primary.
func (p *trio) conninfo(i int) string {
	return fmt.Sprintf("host=127.0.0.1 port=%s user=postgres application_name=n%d connect_timeout=3", p.nodes[p.primary].port, i)
}

func (p *trio) kill(i int)   { signalTree(p.nodes[i].process.Process.Pid, syscall.SIGKILL) }
func (p *trio) freeze(i int) { signalTree(p.nodes[i].process.Process.Pid, syscall.SIGSTOP) }
func (p *trio) thaw(i int)   { signalTree(p.nodes[i].process.Process.Pid, syscall.SIGCONT) }

// promote makes the standby that has most of the log the primary, and returns the
// former one.
func (p *trio) promote() (former int) {
	p.t.Helper()
	former = p.primary
	best, most := -1, ""
	for i := range p.nodes {
		if i == former {
			continue
		}
		db := p.admin(p.nodes[i])
		position := ""
		err := db.QueryRow(`select lpad(to_hex(pg_wal_lsn_diff(coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), '0/0')::bigint), 20, '0')`).Scan(&position)
		_ = db.Close()
		if err == nil && position > most {
			best, most = i, position
		}
	}
	if best < 0 {
		p.t.Fatal("no standby answers")
	}
	db := p.admin(p.nodes[best])
	defer db.Close()
	p.primary = best
	rest := other(best, former)
	standby := p.admin(p.nodes[rest])
	defer standby.Close()
	must(p.t, standby, `alter system set primary_conninfo = '`+p.conninfo(rest)+`'`)
	must(p.t, standby, `select pg_reload_conf()`)
	must(p.t, db, `select pg_promote(true, 60)`)
	return former
}

// other returns a node that is neither of two.
func other(a, b int) int { return 3 - a - b }

func TestNodesOfPostgres(t *testing.T) {
	span := nodesTime(t)
	p := newTrio(t)
	schema := name()
	must(t, p.admin(p.nodes[0]), `create schema `+schema)
	hosts := fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=disable&target_session_attrs=read-write&connect_timeout=3&search_path=%s",
		p.hosts("127.0.0.1:%s"), url.QueryEscape(schema))
	l := newNodesLoad(t)
	bySQL := migrated(t, postgresHandle(t, open(t, "pgx", hosts, 8), ""))
	l.app("pgx", bySQL, nil)
	// pq splits a URL's hosts at the commas, but not their ports from them.
	hostsOfPQ := fmt.Sprintf("host=%s port=%s user=postgres dbname=postgres sslmode=disable target_session_attrs=read-write connect_timeout=3 search_path=%s",
		p.hosts("127.0.0.1%.0s"), p.hosts("%s"), schema)
	byPQ := open(t, "postgres", hostsOfPQ, 8)
	store := postgresstore.New(byPQ, nil)
	l.app("pq", postgresHandle(t, byPQ, ""), func(ctx context.Context, wake func()) error {
		return postgresstore.Listen(ctx, store, pq.NewListener(hostsOfPQ, 100*time.Millisecond, time.Second, nil), wake)
	})
	pool := openPool(t, hosts+"&pool_max_conns=8")
	native := pgxstore.New(pool, nil)
	l.app("pgxstore", pgxHandle(t, pool, ""), func(ctx context.Context, wake func()) error { return native.Listen(ctx, wake) })
	l.begin()
	l.goesOn(time.Now(), l.names(-1)...)
	all := l.names(-1)
	for began, round := time.Now(), 0; time.Since(began) < span || round < 4; round++ {
		switch round % 4 {
		case 0:
			former := p.primary
			l.fault("primary killed, standby promoted", all, func() {
				p.kill(former)
				p.promote()
			})
			p.follow(former)
		case 1:
			standby := (p.primary + 1) % 3
			l.fault("one standby killed", all, func() { p.kill(standby) })
			p.start(p.nodes[standby])
			p.wait(standby)
		case 2:
			former := p.primary
			l.fault("primary frozen, standby promoted, former thawed unfenced for 3 s", all, func() {
				p.freeze(former)
				p.promote()
				p.thaw(former)
				time.Sleep(3 * time.Second)
				p.kill(former) // fenced, too late
			})
			p.follow(former)
		case 3:
			a := (p.primary + 1) % 3
			b := other(p.primary, a)
			l.fault("both standbys frozen for 8 s", all, func() {
				p.freeze(a)
				p.freeze(b)
				time.Sleep(8 * time.Second)
				p.thaw(a)
				p.thaw(b)
			})
		}
		p.until("both standbys were to follow", p.nodes[p.primary], `select count(*) = 2 from pg_stat_replication where state = 'streaming'`)
		time.Sleep(time.Second)
	}
	l.end()
}
