package dbtest

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// signalTree sends a signal to a server and to its children, as PostgreSQL has one for
// each connection. The server stands still meanwhile, so that it starts no more. After
// SIGKILL it waits until all have ended: what one leaves of its shared memory would
// keep the server from starting again.
func signalTree(pid int, s syscall.Signal) {
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	all := append(children(pid), pid)
	for _, p := range all {
		_ = syscall.Kill(p, s)
	}
	for end := time.Now().Add(10 * time.Second); s == syscall.SIGKILL && len(all) > 0 && time.Now().Before(end); {
		if state, _ := stateOf(all[0]); state == "" || state == "Z" {
			all = all[1:]
		} else {
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// children returns the processes that a process has started.
func children(pid int) (list []int) {
	processes, _ := os.ReadDir("/proc")
	for _, p := range processes {
		child, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		if _, parent := stateOf(child); parent == strconv.Itoa(pid) {
			list = append(list, child)
		}
	}
	return list
}

// stateOf returns what /proc says of a process; "": there is none.
func stateOf(pid int) (state, parent string) {
	stat, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	text := string(stat)
	// The name, in parentheses, may hold anything.
	if fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:]); len(fields) > 1 {
		return fields[0], fields[1]
	}
	return "", ""
}
