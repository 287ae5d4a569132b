package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// The roles of the processes that take part. Each is this program again; the
// first argument says which role.
const (
	roleReceiver = "receiver" // gets the requests
	roleSubject  = "subject"  // runs one subject through one phase
	roleSecond   = "second"   // shares the work with the subject, in the phase two
	roleEmitter  = "emitter"  // only emits, in the phase backlog
)

// A child is a process in one of the roles. It reads its job and then words, and
// writes its results as JSON, a line each. It ends when its input ends, so that it does
// not outlive the process that started it.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *json.Decoder
}

func spawn(ctx context.Context, role string, j *job) (*child, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.CommandContext(ctx, program, role)}
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = json.NewDecoder(bufio.NewReader(out))
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	return c, c.tell(j)
}

// tell sends the child its job, or a word.
func (c *child) tell(what any) error { return json.NewEncoder(c.in).Encode(what) }

// A message of a child is a result, or why there is none.
type message struct {
	Result json.RawMessage `json:",omitempty"`
	Error  string          `json:",omitempty"`
}

// hear waits for the child's next result.
func (c *child) hear(into any) error {
	var m message
	if err := c.out.Decode(&m); err != nil {
		return fmt.Errorf("the %s's process ended: %w", c.cmd.Args[1], err)
	}
	if m.Error != "" {
		return fmt.Errorf("%s", m.Error)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(m.Result, into)
}

// end ends the child.
func (c *child) end() {
	_ = c.in.Close()
	timer := time.AfterFunc(5*time.Second, func() { _ = c.cmd.Process.Kill() })
	defer timer.Stop()
	_ = c.cmd.Wait()
}

// A parent is the other end, for the child.
type parent struct {
	words chan string
}

// runRole is the main function of a child.
func runRole(ctx context.Context, role string) error {
	in := json.NewDecoder(os.Stdin)
	var j job
	if err := in.Decode(&j); err != nil {
		return err
	}
	p := parent{words: make(chan string)}
	go func() {
		for {
			var word string
			if in.Decode(&word) != nil {
				os.Exit(0) // the parent is gone, or has heard enough
			}
			p.words <- word
		}
	}()
	var err error
	switch role {
	case roleReceiver:
		err = runReceiver(ctx, &j, p.say)
	case roleSubject:
		err = runSubject(ctx, &j, p)
	case roleSecond:
		err = runSecond(ctx, &j, p)
	case roleEmitter:
		err = runEmitter(ctx, &j, p)
	default:
		err = fmt.Errorf("unknown role %q", role)
	}
	if err != nil {
		_ = json.NewEncoder(os.Stdout).Encode(message{Error: err.Error()})
		return nil
	}
	<-ctx.Done() // until the parent has read it all
	return nil
}

// say tells the parent a result.
func (p parent) say(result any) {
	raw, err := json.Marshal(result)
	if err != nil {
		panic(err) // a result that does not marshal is a bug in this program
	}
	_ = json.NewEncoder(os.Stdout).Encode(message{Result: raw})
}

// await waits for the parent's next word.
func (p parent) await() string { return <-p.words }
