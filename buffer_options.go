package webhook

import (
	"errors"
	"time"
)

// BufferOptions configure EmitBuffered: how many events it may hold, how long, and what
// it does when it is full. The zero value of every field is its default. The buffer is
// full when it reaches Events or Bytes.
type BufferOptions struct {
	// Events is how many events the buffer holds at most, including those that are being
	// stored: 10,000 by default. It is the most that a crash loses.
	Events int

	// Bytes is about how much memory the events may take: 16 MiB by default. An event
	// counts as its texts plus 1 KiB. A single event may be larger.
	Bytes int

	// Group is how many events are stored at once: 100 by default, and never more than
	// Events. As soon as that many wait, they are stored.
	Group int

	// Wait is how long an event waits for others at most: 200 ms by default.
	Wait time.Duration

	// WhenFull says what EmitBuffered does when there is no room: WhenFullWait by
	// default.
	WhenFull WhenFull
}

// WhenFull says what EmitBuffered does when its buffer is full.
type WhenFull string

// What EmitBuffered does when its buffer is full.
const (
	// WhenFullWait has EmitBuffered wait for room until its context ends, and for
	// three times Options.StoreTimeout at most. Then it returns ErrBufferFull.
	WhenFullWait WhenFull = "wait"

	// WhenFullDrop has EmitBuffered return ErrBufferFull at once. The event is
	// lost: Hooks.Dropped is called, and Status.Dropped counts it.
	WhenFullDrop WhenFull = "drop"

	// WhenFullEmit has EmitBuffered do what Emit does: it returns once the event is
	// durable, or with an error.
	WhenFullEmit WhenFull = "emit"
)

// ErrBufferFull is returned by EmitBuffered for an event that it did not take.
var ErrBufferFull = errors.New("webhook: the buffer of EmitBuffered is full")

func (o *BufferOptions) setDefaults() error {
	setDefault(&o.Events, 10_000)
	setDefault(&o.Bytes, 16<<20)
	setDefault(&o.Group, 100)
	setDefault(&o.Wait, 200*time.Millisecond)
	setDefault(&o.WhenFull, WhenFullWait)
	o.Group = min(o.Group, o.Events)
	switch o.WhenFull {
	case WhenFullWait, WhenFullDrop, WhenFullEmit:
		return nil
	}
	return invalid("Options.Buffer.WhenFull", "is "+quote(string(o.WhenFull))+", not one of wait, drop and emit")
}
