package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"time"
)

// A job tells the processes that take part in one phase of one subject what to do.
type job struct {
	Subject string
	Phase   string
	Callers int // that emit at once

	Events  int           // of a rate phase
	Warmup  int           // events before the measured ones
	Backlog int           // deliveries that wait, in the phases backlog and idle
	Span    time.Duration // of a phase that lasts a fixed time

	Webhooks, Hanging int // targets
	Keyed             int // percent of the events that wait for others of their subscriber
	Hosts             int // addresses that they are spread over

	// Where to.
	Port      int    // of the receiver, on every host
	Control   string // the receiver's host and port for questions
	Postgres  string // connection string of a fresh database
	MariaDB   string // data source name of a fresh database
	Redis     string // address of a server whose database redisDB is empty
	Directory string // for a database in files

	Profile string // the beginning of names of profiles to write; "": none
}

// redisDB is the number of the database on the Redis server that is used.
const redisDB = 9

// A subject is something that delivers events, opened for a job.
type subject interface {
	// emit returns when the event is as durable as the subject makes it.
	emit(ctx context.Context, e event) error

	// start begins to deliver, and stop ends it, for another start.
	start(ctx context.Context) error
	stop(ctx context.Context) error

	close()
}

// Methods that a subject may also have.
type (
	// A committer can do a plain durable commit of a row in the subject's
	// database, to compare with.
	committer interface {
		commit(ctx context.Context) error
	}

	// A served subject has a server whose CPU time counts.
	served interface {
		server(ctx context.Context) (server, error)
	}

	// A signer signs its requests, which is checked.
	signer interface{ signs() }
)

// A subjectKind is a subject that the command line can choose.
type subjectKind struct {
	name string
	peer bool // not this library
	only bool // for the phases of the endpoint alone
	open func(ctx context.Context, j *job) (subject, error)

	// prepare makes a place for the data of a job, and says how to remove it.
	prepare func(ctx context.Context, c *config, j *job) (remove func(), err error)
}

// subjects are in the order in which they take turns.
var subjects = []subjectKind{
	{name: "loop", open: openLoop},
	{name: "memory", open: openMemory},
	{name: "sqlite", open: openSQLite, prepare: prepareDirectory},
	{name: "postgres", open: openPostgres, prepare: preparePostgres},
	{name: "pgx", open: openPgx, prepare: preparePostgres},
	{name: "pq", open: openPq, prepare: preparePostgres, only: true},
	{name: "mariadb", open: openMariaDB, prepare: prepareMariaDB},
	{name: "river", open: openRiver, prepare: preparePostgres, peer: true},
	{name: "asynq", open: openAsynq, prepare: prepareRedis, peer: true},
	{name: "outbox", open: openOutbox, prepare: preparePostgres, peer: true},
}

func findSubject(name string) subjectKind {
	return subjects[slices.IndexFunc(subjects, func(s subjectKind) bool { return s.name == name })]
}

func subjectNames() []string {
	var names []string
	for _, s := range subjects {
		names = append(names, s.name)
	}
	return names
}

// A bench is a subject at work on a job.
type bench struct {
	*job
	subject subject
	watch   watch
	server  server
	next    int // number of the next event
}

// openBench opens the job's subject.
func openBench(ctx context.Context, j *job) (*bench, error) {
	opened, err := findSubject(j.Subject).open(ctx, j)
	if err != nil {
		return nil, err
	}
	b := &bench{job: j, subject: opened, watch: watch{j.Control}, next: 1}
	if s, ok := opened.(served); ok {
		b.server, err = s.server(ctx)
	}
	return b, err
}

// runSubject is the process of a subject: it sends the rows that it measured.
func runSubject(ctx context.Context, j *job, p parent) error {
	b, err := openBench(ctx, j)
	if err != nil {
		return err
	}
	defer b.subject.close()
	for _, phase := range phases {
		if phase.name == j.Phase {
			rows, err := phase.run(ctx, b)
			if err != nil {
				return err
			}
			p.say(rows)
			return nil
		}
	}
	return fmt.Errorf("unknown phase %q", j.Phase)
}

// expect tells the receiver what comes next, and takes the numbers for it.
func (b *bench) expect(ctx context.Context, count, plain int) (expectation, error) {
	e := expectation{First: b.next, Count: count, Plain: plain}
	b.next += count
	return e, b.watch.expect(ctx, e)
}

// complete waits until all expected events have arrived.
func (b *bench) complete(ctx context.Context, e expectation) (receptionReport, error) {
	_, signed := b.subject.(signer)
	return b.watch.complete(ctx, e, signed)
}

// A span is a measured piece of work.
type span struct {
	*meter
	bench   *bench
	profile *os.File
	calls   storeCalls // of this library's store, before
}

// measure begins a span.
func (b *bench) measure(ctx context.Context, name string) (*span, error) {
	s := &span{bench: b}
	if b.Profile != "" {
		var err error
		runtime.GC()
		if s.profile, err = os.Create(b.Profile + "-" + name + ".cpu.pprof"); err != nil {
			return nil, err
		}
		if err := pprof.StartCPUProfile(s.profile); err != nil {
			return nil, err
		}
	}
	if l, ok := b.subject.(library); ok {
		s.calls = l.library().store.calls()
	}
	var err error
	s.meter, err = startMeter(ctx, b.watch, b.server)
	return s, err
}

// end ends a span in which so many events took so long.
func (s *span) end(ctx context.Context, events int, took time.Duration) (measures, error) {
	c, err := s.spent(ctx)
	if err != nil {
		return nil, err
	}
	m := measures{}
	if events > 0 {
		n := float64(events)
		m["events_per_s"] = n / took.Seconds()
		m["cpu_ms_per_event"] = ms(c.total()) / n
		m["cpu_ms_sender"] = ms(c.own) / n
		m["cpu_ms_receiver"] = ms(c.receiver) / n
		m["cpu_ms_server"] = ms(c.server) / n
	}
	m["connections"] = float64(c.connections)
	m["cpu_percent"] = 100 * c.total().Seconds() / took.Seconds()
	m["peak_mb"] = ownPeak()
	if l, ok := s.bench.subject.(library); ok {
		l.library().store.note(m, s.calls)
	}
	return m, s.writeProfiles()
}

// writeProfiles ends the profile of the CPU, and writes one of all allocations
// since the process began.
func (s *span) writeProfiles() error {
	if s.profile == nil {
		return nil
	}
	pprof.StopCPUProfile()
	if err := s.profile.Close(); err != nil {
		return err
	}
	allocs, err := os.Create(s.bench.Profile + "-allocs.pprof")
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup("allocs").WriteTo(allocs, 0), allocs.Close())
}
