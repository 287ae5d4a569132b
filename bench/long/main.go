// Command long asks whether the stores are as fast on old tables as on empty
// ones: with a million deliveries in the log and a million waiting, while a
// dump is running, with a million due for one webhook that takes no more,
// while the log is pruned. See docs/performance.md.
//
//	go run ./bench/long                    a million, on PostgreSQL and SQLite
//	go run ./bench/long -rows 10000 -store sqlite
//	go run ./bench/long -weight 1000000    what a delivery takes on the disk
//
// It makes a database of its own on the server and a directory for the files,
// and removes them.
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
	c, err := parseFlags(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "long:", err)
		os.Exit(2)
	}
	if err := c.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "long:", err)
		os.Exit(1)
	}
}

// A config is what the command line says.
type config struct {
	stores    []string
	postgres  string
	directory string
	rows      int           // finished, and as many pending
	batch     int           // deliveries in a call
	cycles    int           // measured of each kind of table
	dump      int           // cycles while a dump is running
	pruning   time.Duration // with and without pruning, in turns
	pace      bool          // pruning rests, as the dispatcher's does
	steady    time.Duration // of load while dead rows are counted
	weight    int           // only weigh so many deliveries; 0: all the rest
	grown     int           // only compare a log of rows with one of so many; 0: all the rest
	asJSON    bool
}

func parseFlags(args []string) (*config, error) {
	c := &config{}
	var stores string
	f := flag.NewFlagSet("long", flag.ContinueOnError)
	f.StringVar(&stores, "store", "postgres,sqlite", "`names` of stores with commas between")
	f.StringVar(&c.postgres, "postgres", "postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable", "`URL` of a PostgreSQL server to make a database on")
	f.StringVar(&c.directory, "dir", os.TempDir(), "`directory` for SQLite's files: on a disk, to be durable")
	f.IntVar(&c.rows, "rows", 1_000_000, "`number` of finished deliveries, and of pending ones")
	f.IntVar(&c.batch, "batch", 100, "`number` of deliveries in a call")
	f.IntVar(&c.cycles, "cycles", 200, "`number` of times that each call is measured")
	f.IntVar(&c.dump, "dump", 3000, "`number` of cycles while a dump is running")
	f.DurationVar(&c.pruning, "pruning", 20*time.Second, "`duration` of pruning, and of not pruning")
	f.BoolVar(&c.pace, "pace", true, "rest after each call that prunes, as the dispatcher does")
	f.DurationVar(&c.steady, "steady", 4*time.Minute, "`duration` of the steady load")
	f.IntVar(&c.weight, "weight", 0, "only measure what a `number` of deliveries takes on the disk")
	f.IntVar(&c.grown, "grown", 0, "only compare a log of -rows with one of so many deliveries: a `number`")
	f.BoolVar(&c.asJSON, "json", false, "print one JSON object a line instead of tables")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 || min(c.rows, c.batch, c.cycles, c.dump) < 1 || min(c.pruning, c.steady) <= 0 || min(c.weight, c.grown) < 0 {
		return nil, fmt.Errorf("every number and duration must be more than 0, and there are no arguments beside flags")
	}
	for name := range strings.SplitSeq(stores, ",") {
		if !slices.Contains([]string{"postgres", "sqlite"}, name) {
			return nil, fmt.Errorf("there is no store %q: choose from postgres, sqlite", name)
		}
		c.stores = append(c.stores, name)
	}
	return c, nil
}

// run measures everything and prints it.
func (c *config) run(ctx context.Context) error {
	for _, name := range c.stores {
		var r report
		if err := c.measure(ctx, name, &r); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if !c.asJSON {
			r.print(os.Stdout)
		} else if err := r.printJSON(os.Stdout); err != nil {
			return err
		}
	}
	return nil
}

// measure takes one store through its life.
func (c *config) measure(ctx context.Context, name string, r *report) (err error) {
	s, err := c.openSite(ctx, name)
	if err != nil {
		return err
	}
	defer s.remove()
	began := time.Now()
	say := func(what string) {
		fmt.Fprintf(os.Stderr, "%5.0fs  %s: %s\n", time.Since(began).Seconds(), name, what)
	}
	m := &meter{config: c, site: s, report: r}
	type part struct {
		what string
		do   func(context.Context) error
	}
	parts := []part{
		{"filling the tables", m.fill},
		{"Enqueue, Claim and Apply, in turns with empty tables", m.full},
		{"the same while a dump is running", m.whileDumping},
		{"the same with all that waited due for one webhook", m.fullQueue},
		{"the same while pruning", m.whilePruning},
		{"dead rows under steady load", m.deadRows},
	}
	switch {
	case c.weight > 0:
		parts = []part{{"weighing deliveries", m.weigh}}
	case c.grown > 0:
		parts = []part{{"comparing a log with a longer one", m.growth}}
	}
	for _, part := range parts {
		say(part.what)
		if err := part.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.what, err)
		}
	}
	say("done")
	return nil
}
