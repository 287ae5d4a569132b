package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// phases are what a subject's process can run.
var phases = []struct {
	name string
	run  func(ctx context.Context, b *bench) ([]row, error)
}{
	{"emit1", runEmit},
	{"emit64", runEmit},
	{"live", runLive},
	{"latency", runLatency},
	{"hang", runHang},
	{"many", runMany},
	{"backlog", runBacklog},
	{"two", runTwo},
	{"idle", runIdle},
	{"endpoint1", runEndpoint},
	{"endpoint10", runEndpoint},
	{"endpoint1live", runEndpoint},
	{"endpoint10live", runEndpoint},
	{"fanout1", runFanOut},
	{"fanout64", runFanOut},
	{"fanoutjson", runFanOut},
	{"batch64", runBatch},
	{"batch256", runBatch},
	{"batch20", runBatch},
	{"keyed0", runLive},
	{"keyed10", runLive},
	{"keyed100", runLive},
	{"keyedlatency", runLatency},
	{"keyedbeside", runBeside},
	{"import", runImport},
	{"blocked", runBlocked},
}

// A stage is a phase that all subjects go through in turns before the next one.
type stage struct {
	phase   string
	callers int
	prints  []string // phases that it has rows of
	without []string // subjects that it does not measure
	peers   bool     // those are measured too
}

var stages = []stage{
	{phase: "emit1", callers: 1, prints: []string{"emit1"}, peers: true},
	{phase: "emit64", callers: 64, prints: []string{"emit64", "drain"}, peers: true},
	{phase: "live", callers: 64, prints: []string{"live"}, peers: true},
	{phase: "live", callers: 256, prints: []string{"live"}, peers: true},
	{phase: "latency", callers: 1, prints: []string{"latency"}, peers: true},
	{phase: "hang", callers: 64, prints: []string{"hang"}, peers: true},
	{phase: "many", callers: 64, prints: []string{"many"}, peers: true},
	{phase: "backlog", callers: 64, prints: []string{"backlog"}, without: []string{"loop", "memory"}},
	{phase: "two", callers: 64, prints: []string{"two"}, without: []string{"loop", "memory"}, peers: true},
	{phase: "idle", callers: 64, prints: []string{"idle"}, without: []string{"loop"}},
	{phase: "endpoint1", callers: 16, prints: []string{"endpoint1"}, without: []string{"loop", "memory"}},
	{phase: "endpoint10", callers: 16, prints: []string{"endpoint10"}, without: []string{"loop", "memory"}},
	{phase: "endpoint1live", callers: 16, prints: []string{"endpoint1live"}, without: []string{"loop", "memory"}},
	{phase: "endpoint10live", callers: 16, prints: []string{"endpoint10live"}, without: []string{"loop", "memory"}},
	{phase: "fanout1", callers: 1, prints: []string{"fanout1"}, without: []string{"loop"}},
	{phase: "fanout64", callers: 64, prints: []string{"fanout64"}, without: []string{"loop"}},
	{phase: "fanoutjson", callers: 64, prints: []string{"fanoutjson"}, without: []string{"loop"}},
	{phase: "batch64", callers: 64, prints: []string{"batch64"}},
	{phase: "batch256", callers: 256, prints: []string{"batch256"}},
	{phase: "batch20", callers: 64, prints: []string{"batch20"}},
	{phase: "keyed0", callers: 64, prints: []string{"keyed0"}},
	{phase: "keyed10", callers: 64, prints: []string{"keyed10"}, without: []string{"loop"}},
	{phase: "keyed100", callers: 64, prints: []string{"keyed100"}},
	{phase: "keyedlatency", callers: 1, prints: []string{"keyedlatency"}, without: []string{"loop"}},
	{phase: "keyedbeside", callers: 64, prints: []string{"keyedbeside"}, without: []string{"loop"}},
	{phase: "import", callers: 8, prints: []string{"import"}, without: []string{"loop"}},
	{phase: "blocked", callers: 8, prints: []string{"blocked"}, without: []string{"loop", "memory"}},
}

func (s stage) chosen(phases []string) bool {
	return slices.ContainsFunc(s.prints, func(p string) bool { return slices.Contains(phases, p) })
}

func (s stage) applies(of subjectKind) bool {
	return !slices.Contains(s.without, of.name) && (s.peers || !of.peer) && (isEndpoint(s.phase) || !of.only)
}

// isEndpoint reports whether a phase measures an endpoint of an app's.
func isEndpoint(phase string) bool { return strings.HasPrefix(phase, "endpoint") }

// phaseNames are the phases that rows belong to.
func phaseNames() []string {
	var names []string
	for _, s := range stages {
		for _, name := range s.prints {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// job says what a subject's process is to do.
func (c *config) job(s stage, subject subjectKind, round int) *job {
	j := &job{
		Subject: subject.name, Phase: s.phase, Callers: s.callers,
		Events: c.events, Warmup: c.warmup, Backlog: c.backlog, Span: c.span,
		Webhooks: c.webhooks, Redis: c.redis,
	}
	switch s.phase {
	case "emit1":
		if c.quick {
			j.Events = max(c.events/5, 1) // one commit after the other
		}
	case "many":
		j.Webhooks, j.Hosts = manyWebhooks, manyHosts
	case "hang":
		j.Webhooks, j.Hanging = hangHealthy, hangHangs
	case "backlog", "idle", "latency", "endpoint1", "endpoint1live", "fanout1", "fanout64", "fanoutjson":
		j.Webhooks = 1
	case "endpoint10", "endpoint10live", "batch64", "batch256", "batch20":
		j.Webhooks = 10
	case "keyed10":
		j.Keyed = 10
	case "keyed100", "import":
		j.Keyed = 100
	case "keyedlatency":
		j.Webhooks, j.Keyed = 1, 100
	case "blocked":
		j.Webhooks, j.Hanging = 1, 1
	}
	if j.Hosts == 0 {
		j.Hosts = len(j.targets())
	}
	if c.profile != "" {
		j.Profile = filepath.Join(c.profile, fmt.Sprintf("%s-%s%d-%d", subject.name, strings.TrimRight(s.phase, "0123456789"), s.callers, round+1))
	}
	return j
}

// measure runs a stage of one subject, with a receiver, a database and a process of its
// own, so that nothing remains of earlier ones.
func (c *config) measure(ctx context.Context, s stage, subject subjectKind, round int) ([]row, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	j := c.job(s, subject, round)
	if subject.prepare != nil {
		remove, err := subject.prepare(ctx, c, j)
		if err != nil {
			return nil, err
		}
		defer remove()
	}
	receiver, err := spawn(ctx, roleReceiver, j)
	if err != nil {
		return nil, err
	}
	defer receiver.end()
	var ready receiverReady
	if err := receiver.hear(&ready); err != nil {
		return nil, err
	}
	j.Port, j.Control = ready.Port, ready.Control
	process, err := spawn(ctx, roleSubject, j)
	if err != nil {
		return nil, err
	}
	defer process.end()
	var rows []row
	return rows, process.hear(&rows)
}
