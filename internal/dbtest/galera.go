package dbtest

import (
	"database/sql"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// galeraLibraries are where packages put Galera's library.
var galeraLibraries = []string{
	"/usr/lib/galera/libgalera_smm.so", "/usr/lib/libgalera_smm.so",
	"/usr/lib64/galera-4/libgalera_smm.so", "/usr/lib/galera-4/libgalera_smm.so",
}

// galera starts a cluster of n nodes.
func galera(t testing.TB, n int) (nodes []*mariadbd) {
	t.Helper()
	i := slices.IndexFunc(galeraLibraries, func(file string) bool { _, err := os.Stat(file); return err == nil })
	if i < 0 {
		without(t, "galera", errors.New("libgalera_smm.so is not installed"))
	}
	var addresses []string
	for range n {
		addresses = append(addresses, "127.0.0.1:"+freePort(t))
	}
	called := name()
	for n, listen := range addresses {
		transfer, snapshot := "127.0.0.1:"+freePort(t), "127.0.0.1:"+freePort(t)
		options := []string{
			"--wsrep-on=ON", "--wsrep-provider=" + galeraLibraries[i], "--wsrep-cluster-name=" + called,
			"--binlog-format=ROW", "--innodb-autoinc-lock-mode=2",
			"--wsrep-node-address=" + listen, "--wsrep-sst-method=rsync", "--wsrep-sst-receive-address=" + snapshot,
			"--wsrep-provider-options=gmcast.listen_addr=tcp://" + listen + ";ist.recv_addr=" + transfer + ";gcache.size=32M;pc.recovery=no",
		}
		node := newMariaDB(t)
		node.rejoins = append(options, "--wsrep-cluster-address=gcomm://"+strings.Join(addresses, ","))
		if n == 0 {
			options = append(options, "--wsrep-cluster-address=gcomm://", "--wsrep-new-cluster")
		} else {
			options = node.rejoins
		}
		node.start(t, options...)
		node.awaitSynced(t)
		nodes = append(nodes, node)
	}
	return nodes
}

// rejoin starts a node again that was killed, and waits until it has all that the
// cluster has.
func (s *mariadbd) rejoin(t testing.TB) {
	t.Helper()
	s.start(t, s.rejoins...)
	s.awaitSynced(t)
}

// awaitSynced waits until a node has all that the cluster has.
func (s *mariadbd) awaitSynced(t testing.TB) {
	t.Helper()
	s.awaitStatus(t, "wsrep_local_state_comment", "Synced")
}

// awaitStatus waits until a node's status has a value.
func (s *mariadbd) awaitStatus(t testing.TB, name, want string) {
	t.Helper()
	db := s.root(t)
	defer db.Close()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		var value string
		err := db.QueryRow(`show status like '`+name+`'`).Scan(new(string), &value)
		switch {
		case err == nil && value == want:
			return
		case time.Now().After(end):
			t.Fatalf("%s is %q, want %s; the error is %v", name, value, want, err)
		}
	}
}

// hold keeps a node from applying what the others commit, until release.
func (s *mariadbd) hold(t testing.TB) (release func()) {
	t.Helper()
	c, err := s.root(t).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	run := func(statement string) {
		if _, err := c.ExecContext(t.Context(), statement); err != nil && !errors.Is(err, sql.ErrConnDone) {
			t.Errorf("%s: %v", statement, err)
		}
	}
	run(`flush tables with read lock`)
	return func() {
		run(`unlock tables`)
		_ = c.Close()
	}
}
