// Command bench measures this library beside a plain HTTP loop, and beside
// other ways of delivering events durably, in one run on one machine: see
// docs/performance.md.
//
//	go run ./bench                         everything, for more than an hour
//	go run ./bench -quick                  this library and the loop, some minutes
//	go run ./bench -subject pgx,loop -phase live
//
// It needs Linux. If the server of a subject does not answer, the report says so.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) > 1 && slices.Contains([]string{roleReceiver, roleSubject, roleSecond, roleEmitter}, os.Args[1]) {
		signal.Ignore(os.Interrupt) // the parent ends its children
		if err := runRole(ctx, os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	c, err := parseFlags(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	if failed := c.run(ctx); failed {
		os.Exit(1)
	}
}

// A config holds the flags.
type config struct {
	subjects, phases []string
	quick            bool
	events, warmup   int
	backlog          int
	webhooks         int
	span             time.Duration
	rounds           int
	asJSON           bool
	profile          string
	postgres         string
	mariadb, redis   string
	directory        string
}

// Targets of the phases that have their own numbers of them.
const (
	manyWebhooks, manyHosts = 10_000, 1_000
	hangHealthy, hangHangs  = 1_000, 100
)

func parseFlags(args []string) (*config, error) {
	c := &config{}
	var only, phase string
	f := flag.NewFlagSet("bench", flag.ExitOnError)
	f.StringVar(&only, "subject", "", "`names` of subjects with commas between: "+strings.Join(subjectNames(), ", "))
	f.StringVar(&phase, "phase", "", "`names` of phases with commas between: "+strings.Join(phaseNames(), ", "))
	f.BoolVar(&c.quick, "quick", false, "smaller numbers, and only the loop and this library: at most five minutes")
	f.BoolVar(&c.asJSON, "json", false, "print one JSON object a line instead of a table")
	f.IntVar(&c.events, "events", 100_000, "`number` of events of a rate phase")
	f.IntVar(&c.warmup, "warmup", 5_000, "`number` of events before what is measured")
	f.IntVar(&c.backlog, "backlog", 1_000_000, "`number` of deliveries that wait in the phase backlog")
	f.DurationVar(&c.span, "span", 20*time.Second, "`duration` of the phases latency, hang, backlog and idle")
	f.IntVar(&c.rounds, "rounds", 3, "`number` of times to do all, of which the median is printed")
	f.IntVar(&c.webhooks, "webhooks", 50, "`number` of webhooks in the rate phases, each on a host of its own")
	f.StringVar(&c.profile, "profile", "", "`directory` to write profiles of CPU and allocations to, made if it is not there")
	f.StringVar(&c.postgres, "postgres", "postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable", "`URL` of a PostgreSQL server to make databases on")
	f.StringVar(&c.mariadb, "mariadb", "root@tcp(127.0.0.1:3306)/", "data source `name` of a MariaDB server to make databases on, as github.com/go-sql-driver/mysql writes it")
	f.StringVar(&c.redis, "redis", "127.0.0.1:6379", fmt.Sprintf("`address` of a Redis server whose database %d is empty", redisDB))
	f.StringVar(&c.directory, "dir", os.TempDir(), "`directory` for SQLite's files: on a disk, to be durable")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if c.quick {
		set := map[string]bool{}
		f.Visit(func(f *flag.Flag) { set[f.Name] = true })
		small := func(name string, change func()) {
			if !set[name] {
				change()
			}
		}
		small("events", func() { c.events = 10_000 })
		small("warmup", func() { c.warmup = 1_000 })
		small("backlog", func() { c.backlog = 50_000 })
		small("span", func() { c.span = 4 * time.Second })
		small("rounds", func() { c.rounds = 1 })
	}
	if f.NArg() > 0 || min(c.events, c.warmup, c.backlog, c.rounds, c.webhooks) < 1 || c.span < time.Second {
		return nil, fmt.Errorf("every number must be at least 1, the span 1s, and there are no arguments beside flags")
	}
	var err error
	if c.profile != "" {
		if err := os.MkdirAll(c.profile, 0o755); err != nil {
			return nil, err
		}
	}
	if c.subjects, err = choose(only, subjectNames()); err != nil {
		return nil, err
	}
	if c.phases, err = choose(phase, phaseNames()); err != nil {
		return nil, err
	}
	if c.quick {
		c.subjects = slices.DeleteFunc(c.subjects, func(name string) bool { return findSubject(name).peer })
	}
	return c, nil
}

// choose returns the names of all that a list with commas selects; an empty list
// selects every one.
func choose(list string, all []string) ([]string, error) {
	if list == "" {
		return all, nil
	}
	chosen := strings.Split(list, ",")
	for _, name := range chosen {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("there is no %q: choose from %s", name, strings.Join(all, ", "))
		}
	}
	return chosen, nil
}

// run measures everything and prints it. It returns whether something failed.
func (c *config) run(ctx context.Context) (failed bool) {
	began := time.Now()
	results := &report{}
	for _, stage := range stages {
		if !stage.chosen(c.phases) {
			continue
		}
		for round := range c.rounds {
			for turn := range c.subjects {
				name := c.subjects[(turn+round)%len(c.subjects)] // none always follows the same one
				s := findSubject(name)
				if !stage.applies(s) {
					continue
				}
				if ctx.Err() != nil {
					break
				}
				rows, err := c.measure(ctx, stage, s, round)
				results.add(name, stage, rows, err)
				c.progress(began, round, stage, name, rows, err)
			}
		}
	}
	rows := results.medians(c.phases)
	if c.asJSON {
		printJSON(os.Stdout, rows)
	} else {
		printTable(os.Stdout, rows)
	}
	return slices.ContainsFunc(rows, func(r line) bool { return r.Error != "" }) || ctx.Err() != nil
}

func (c *config) progress(began time.Time, round int, s stage, subject string, rows []row, err error) {
	what := fmt.Sprintf("%6.0fs  round %d/%d  %-8s %4d callers  %-8s", time.Since(began).Seconds(), round+1, c.rounds, s.phase, s.callers, subject)
	if err != nil {
		fmt.Fprintln(os.Stderr, what, "FAILED:", err)
		return
	}
	for _, r := range rows {
		what += fmt.Sprintf("  %s %.0f/s", r.Phase, r.Measures["events_per_s"])
	}
	fmt.Fprintln(os.Stderr, what)
}
