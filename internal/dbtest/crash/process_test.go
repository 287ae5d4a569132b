//go:build unix

package crash

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A process is a child from its parent's side.
type process struct {
	t      *testing.T
	config childConfig
	cmd    *exec.Cmd
	in     io.WriteCloser
	errors bytes.Buffer
	record *record
	ended  chan struct{} // its end, and everything it said was read

	mu   sync.Mutex
	said map[string]int    // how often, by what
	last map[string]string // the text, by what
}

// start starts a child, which ends with the test.
func start(t *testing.T, rec *record, c childConfig) *process {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{
		t: t, config: c, record: rec, ended: make(chan struct{}),
		said: map[string]int{}, last: map[string]string{},
	}
	p.cmd = exec.Command(binary)
	p.cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	p.cmd.Stderr = &p.errors
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		p.listen(out)
		_ = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() && p.errors.Len() > 0 {
			t.Logf("%s said on its standard error:\n%s", c.Name, p.errors.String())
		}
	})
	return p
}

// listen takes in all that the child says, to its end. A line without its end
// was not said.
func (p *process) listen(out io.Reader) {
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		what, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		p.mu.Lock()
		p.said[what]++
		p.last[what] = text
		p.mu.Unlock()
		p.record.note(p.config.Name, what, text)
	}
}

// heard returns how often the child has said something, and what the last
// time.
func (p *process) heard(what string) (n int, last string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said[what], p.last[what]
}

func (p *process) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// ready waits until the child has started. One that ends before fails the
// test.
func (p *process) ready() *process {
	p.t.Helper()
	p.await(sayReady, 1)
	return p
}

// await waits until the child has said something n times.
func (p *process) await(what string, n int) string {
	p.t.Helper()
	eventually(p.t, p.config.Name+" was to say: "+what, func() bool {
		said, _ := p.heard(what)
		if said < n && p.over() {
			p.t.Fatalf("%s ended (%s) before it said: %s\n%s", p.config.Name, p.cmd.ProcessState, what, p.errors.String())
		}
		return said >= n
	})
	_, last := p.heard(what)
	return last
}

func (p *process) ask(what string) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, what+"\n"); err != nil {
		<-p.ended
		p.t.Fatalf("%s does not listen any longer: %v\n%s", p.config.Name, err, p.errors.String())
	}
}

// signal sends a signal to the child, whose ID no other process can have: the
// child was not waited for yet.
func (p *process) signal(s syscall.Signal) {
	_ = p.cmd.Process.Signal(s)
}

// kill ends the child as kill -9 does, and takes in what it had said.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.ended
	p.record.bury(p.config.Name)
}

// freeze stops the child until it is thawed, as a machine that is suspended.
func (p *process) freeze() {
	p.t.Helper()
	p.signal(syscall.SIGSTOP)
	p.awaitFrozen()
}

// thaw lets the child go on.
func (p *process) thaw() { p.signal(syscall.SIGCONT) }

// awaitFrozen waits until the child stands still.
func (p *process) awaitFrozen() {
	p.t.Helper()
	eventually(p.t, p.config.Name+" was to stand still", func() bool {
		state, err := exec.Command("ps", "-o", "state=", "-p", strconv.Itoa(p.cmd.Process.Pid)).Output()
		if err != nil {
			p.t.Fatalf("ps does not tell the state of %s: %v", p.config.Name, err)
		}
		return strings.HasPrefix(string(state), "T")
	})
}

// silence lets the child emit no more, and waits until what it had begun is
// promised.
func (p *process) silence() {
	p.t.Helper()
	p.ask(askQuiet)
	p.await(sayQuiet, 1)
}

// usage returns what the child uses now.
func (p *process) usage() usage {
	p.t.Helper()
	n, _ := p.heard(sayUsage)
	p.ask(askUsage)
	return p.parseUsage(p.await(sayUsage, n+1))
}

// stop shuts the child down in order, and returns what it used at the end.
func (p *process) stop() usage {
	p.t.Helper()
	n, _ := p.heard(sayUsage)
	p.ask(askStop)
	u := p.parseUsage(p.await(sayUsage, n+1))
	<-p.ended
	if !p.cmd.ProcessState.Success() {
		p.t.Fatalf("%s ended with %s\n%s", p.config.Name, p.cmd.ProcessState, p.errors.String())
	}
	return u
}

func (p *process) parseUsage(text string) (u usage) {
	p.t.Helper()
	if err := json.Unmarshal([]byte(text), &u); err != nil {
		p.t.Fatal(err)
	}
	return u
}

// A record is what children said, all of them together.
type record struct {
	mu       sync.Mutex
	tried    map[string]bool
	acked    map[string]bool
	taken    map[string]bool
	voided   map[string]bool
	lost     map[string]int       // by delivery
	died     map[string]time.Time // by the name of a child that was killed: when it was dead
	failures []string
	logs     []string
}

// bury notes that a child is dead.
func (r *record) bury(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.died[name] = time.Now()
}

// end returns when a request had ended at the latest: the receiver may still work on one whose
// sender is dead.
func (r *record) end(of request) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if died := r.died[of.by]; died.After(of.start) && died.Before(of.end) {
		return died
	}
	return of.end
}

// newRecord returns an empty record. A test that fails prints what went wrong
// for the children.
func newRecord(t *testing.T) *record {
	r := &record{tried: map[string]bool{}, acked: map[string]bool{}, taken: map[string]bool{}, voided: map[string]bool{}, lost: map[string]int{}, died: map[string]time.Time{}}
	t.Cleanup(func() {
		failures, logs := r.complaints()
		for _, list := range [][]string{failures, logs} {
			if t.Failed() && len(list) > 0 {
				t.Logf("the last of %d complaints:\n%s", len(list), strings.Join(list[max(len(list)-20, 0):], "\n"))
			}
		}
	})
	return r
}

func (r *record) note(name, what, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch what {
	case sayTry:
		r.tried[text] = true
	case sayAck:
		r.acked[text] = true
	case sayTaken:
		r.taken[text] = true
	case sayVoid:
		r.voided[text] = true
	case sayLost:
		r.lost[text]++
	case sayFail:
		r.failures = append(r.failures, text)
	case sayLog:
		r.logs = append(r.logs, name+": "+text)
	}
}

// promised returns how many events were promised to be delivered.
func (r *record) promised() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.acked)
}

// lostOutcomes returns how often Hooks.Lost was called.
func (r *record) lostOutcomes() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, times := range r.lost {
		n += times
	}
	return n
}

// complaints returns what was returned by emitting and what was logged, since
// the last time.
func (r *record) complaints() (failures, logs []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	failures, logs = slices.Clone(r.failures), slices.Clone(r.logs)
	r.failures, r.logs = nil, nil
	return failures, logs
}

// pause waits for a time that is a test's own input, such as how long a
// database is away: no result is concluded from it.
func pause(d time.Duration) { time.Sleep(d) }
