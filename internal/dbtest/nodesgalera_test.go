package dbtest

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// Three apps write through three nodes, of which one at a time is killed and begins
// again, or is frozen until the others do without it.
func TestNodesOfGalera(t *testing.T) {
	span := nodesTime(t)
	nodes := galera(t, 3)
	database := nodes[0].create(t)
	l := newNodesLoad(t)
	for i, n := range nodes {
		must(t, n.root(t), `set statement wsrep_sync_wait = 1 for select 1`)
		h := mysqlHandle(open(t, "mysql", n.source(database, asText+"&timeout=3s&readTimeout=20s"), 8), "")
		l.app(fmt.Sprint("n", i), migrated(t, h), nil)
	}
	l.begin()
	l.goesOn(time.Now(), l.names(-1)...)
	for began, round := time.Now(), 0; time.Since(began) < span || round < 6; round++ {
		i := round % len(nodes)
		others := l.names(i)
		left := func() { nodes[(i+1)%3].awaitStatus(t, "wsrep_cluster_size", "2") }
		if round/len(nodes)%2 == 0 {
			l.fault("node killed: on the others", others, func() { nodes[i].kill(); left() })
			l.fault("node begun again: on it", l.names(-1)[i:i+1], func() { nodes[i].rejoin(t) })
		} else {
			l.fault("node frozen: on the others", others, func() { _ = nodes[i].process.Process.Signal(syscall.SIGSTOP); left() })
			l.fault("node thawed: on it", l.names(-1)[i:i+1], func() {
				_ = nodes[i].process.Process.Signal(syscall.SIGCONT)
				nodes[i].awaitSynced(t)
			})
		}
		time.Sleep(time.Second)
	}
	l.end()
}
