// Command idle measures what many dispatchers of one process cost that have
// nothing to do, each on a database of its own: the CPU time of the process and of
// the server, in percent of one core, and the memory of the process. See
// docs/scaling.md.
//
//	go run ./bench/idle                            100 dispatchers on each kind of database
//	go run ./bench/idle -dispatchers 10 -store sqlite -span 1m
//
// Every dispatcher knows an account with a webhook, and has delivered an event. It
// needs Linux.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c, err := parseFlags(os.Args[1:])
	if err == nil {
		err = c.run(ctx, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "idle:", err)
		os.Exit(1)
	}
}

// A config is what the command line says.
type config struct {
	stores      []string
	dispatchers int
	span        time.Duration
	settle      time.Duration
	postgres    string
	directory   string
	here        bool // measure in this process: the parent has begun it for one store
}

func parseFlags(args []string) (*config, error) {
	c := &config{}
	var only string
	f := flag.NewFlagSet("idle", flag.ContinueOnError)
	f.StringVar(&only, "store", strings.Join(storeNames, ","), "`names` of stores with commas between")
	f.IntVar(&c.dispatchers, "dispatchers", 100, "`number` of dispatchers, each with a database")
	f.DurationVar(&c.span, "span", 30*time.Second, "`duration` of the measurement")
	f.DurationVar(&c.settle, "settle", 15*time.Second, "`duration` of the wait before it")
	f.StringVar(&c.postgres, "postgres", "postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable",
		"`URL` of a PostgreSQL server to make a database on, for which the dispatchers have a schema each")
	f.StringVar(&c.directory, "dir", os.TempDir(), "`directory` for SQLite's files")
	f.BoolVar(&c.here, "here", false, "measure one store in this process rather than each in one of its own")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 || c.dispatchers < 1 || c.span <= 0 || c.settle < 0 {
		return nil, fmt.Errorf("there must be a dispatcher and a span, and there are no arguments beside flags")
	}
	c.stores = strings.Split(only, ",")
	for _, name := range c.stores {
		if !slices.Contains(storeNames, name) {
			return nil, fmt.Errorf("there is no store %q: choose from %s", name, strings.Join(storeNames, ", "))
		}
	}
	if c.here && len(c.stores) > 1 {
		return nil, fmt.Errorf("one process measures one store")
	}
	return c, nil
}

// run measures each store, in a process of its own, and prints a table.
func (c *config) run(ctx context.Context, out io.Writer) error {
	if c.here {
		line, err := c.measure(ctx, c.stores[0])
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(out, line)
		return err
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "store\tdispatchers\tspan\tprocess %\tserver %\tmemory MB\t")
	for _, name := range c.stores {
		program, err := os.Executable()
		if err != nil {
			return err
		}
		child := exec.CommandContext(ctx, program, "-here", "-store", name, "-dispatchers", fmt.Sprint(c.dispatchers),
			"-span", c.span.String(), "-settle", c.settle.String(), "-postgres", c.postgres, "-dir", c.directory)
		child.Cancel = func() error { return child.Process.Signal(syscall.SIGTERM) }
		child.Stderr = os.Stderr
		line, err := child.Output()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprint(t, string(line))
	}
	return t.Flush()
}
