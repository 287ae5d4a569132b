package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ownCPU returns the CPU time that this process has used.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// ownPeak returns the most memory that this process has held, in MB.
func ownPeak() float64 {
	status, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kB, _ := strconv.ParseFloat(strings.Fields(rest + " 0")[0], 64)
	return kB / 1024
}

// ownWrites returns how many bytes this process has handed to the kernel to be written.
func ownWrites() (int64, error) {
	io, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(io), "wchar:")
	return strconv.ParseInt(strings.Fields(rest + " -")[0], 10, 64)
}

// A server is the process of a subject's database on this machine. The CPU time of its
// children counts, also of those that have ended.
type server struct{ pid int }

// cpu returns the CPU time that the server has used.
func (s server) cpu() (time.Duration, error) {
	if s.pid == 0 {
		return 0, nil
	}
	main, err := readStat(s.pid)
	if err != nil {
		return 0, fmt.Errorf("the server is not a process of this machine: %w", err)
	}
	total := main.own + main.children
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, p := range processes {
		pid, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		if child, err := readStat(pid); err == nil && child.parent == s.pid {
			total += child.own
		}
	}
	return total, nil
}

// tick is the unit of /proc's times, the same on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// A stat is what /proc says of a process.
type stat struct {
	parent        int
	own, children time.Duration // children: that have ended
}

func readStat(pid int) (s stat, err error) {
	content, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return s, err
	}
	// The name, in parentheses, may hold anything. The state comes next, then
	// the parent; the four times are the fields 14 to 17 of the whole.
	_, rest, _ := strings.Cut(string(content[strings.LastIndexByte(string(content), ')'):]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 18 {
		return s, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	number := func(i int) (n int64) {
		n, _ = strconv.ParseInt(fields[i], 10, 64)
		return n
	}
	s = stat{
		parent:   int(number(1)),
		own:      time.Duration(number(11)+number(12)) * tick,
		children: time.Duration(number(13)+number(14)) * tick,
	}
	if threads := number(17); threads == 1 {
		if precise, ok := onCPU(pid); ok {
			s.own = precise
		}
	}
	return s, nil
}

// onCPU returns the CPU time of a process's first thread to the nanosecond: an idle
// process of a server uses less than a tick.
func onCPU(pid int) (time.Duration, bool) {
	content, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/schedstat")
	first, _, _ := strings.Cut(string(content), " ")
	ns, err := strconv.ParseInt(first, 10, 64)
	return time.Duration(ns), err == nil
}

// A meter counts the CPU time that a span of work costs each process that takes part.
type meter struct {
	watch  watch
	server server
	began  time.Time
	at     costs
}

// costs are CPU times by process, and the connections that were opened.
type costs struct {
	own, receiver, server time.Duration
	connections           int
}

func (c costs) total() time.Duration { return c.own + c.receiver + c.server }

func startMeter(ctx context.Context, w watch, s server) (*meter, error) {
	m := &meter{watch: w, server: s}
	var err error
	m.at, err = m.read(ctx)
	m.began = time.Now()
	return m, err
}

func (m *meter) read(ctx context.Context) (c costs, err error) {
	report, err := m.watch.report(ctx, 0, false)
	if err != nil {
		return c, err
	}
	c.server, err = m.server.cpu()
	c.own, c.receiver, c.connections = ownCPU(), report.CPU, report.Connections
	return c, err
}

// spent returns the costs since the meter was started.
func (m *meter) spent(ctx context.Context) (costs, error) {
	c, err := m.read(ctx)
	return costs{c.own - m.at.own, c.receiver - m.at.receiver, c.server - m.at.server, c.connections - m.at.connections}, err
}
