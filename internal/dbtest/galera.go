package dbtest

import (
	"database/sql"
	"errors"
	"os"
	"slices"
	"testing"
	"time"
)

// galeraLibraries are where packages put Galera's library.
var galeraLibraries = []string{
	"/usr/lib/galera/libgalera_smm.so", "/usr/lib/libgalera_smm.so",
	"/usr/lib64/galera-4/libgalera_smm.so", "/usr/lib/galera-4/libgalera_smm.so",
}

// galera starts a cluster of two nodes.
func galera(t testing.TB) (nodes [2]*mariadbd) {
	t.Helper()
	i := slices.IndexFunc(galeraLibraries, func(file string) bool { _, err := os.Stat(file); return err == nil })
	if i < 0 {
		without(t, "galera", errors.New("libgalera_smm.so is not installed"))
	}
	cluster, called := "gcomm://", name()
	for n := range nodes {
		listen, transfer, snapshot := "127.0.0.1:"+quietPort(t), "127.0.0.1:"+quietPort(t), "127.0.0.1:"+quietPort(t)
		options := []string{
			"--wsrep-on=ON", "--wsrep-provider=" + galeraLibraries[i], "--wsrep-cluster-name=" + called,
			"--binlog-format=ROW", "--innodb-autoinc-lock-mode=2",
			"--wsrep-node-address=" + listen, "--wsrep-sst-method=rsync", "--wsrep-sst-receive-address=" + snapshot,
			"--wsrep-provider-options=gmcast.listen_addr=tcp://" + listen + ";ist.recv_addr=" + transfer + ";gcache.size=32M;pc.recovery=no",
			"--wsrep-cluster-address=" + cluster,
		}
		if n == 0 {
			options = append(options, "--wsrep-new-cluster")
			cluster += listen
		}
		nodes[n] = newMariaDB(t)
		nodes[n].start(t, options...)
		nodes[n].awaitSynced(t)
	}
	return nodes
}

// awaitSynced waits until a node has all that the cluster has.
func (s *mariadbd) awaitSynced(t testing.TB) {
	t.Helper()
	db := s.root(t)
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		var name, state string
		err := db.QueryRow(`show status like 'wsrep_local_state_comment'`).Scan(&name, &state)
		switch {
		case err == nil && state == "Synced":
			return
		case time.Now().After(end):
			t.Fatalf("the node is %q, want Synced; the error is %v", state, err)
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
