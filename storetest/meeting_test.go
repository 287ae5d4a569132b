package storetest

import (
	"sync"
	"sync/atomic"
)

// A meeting lets callers meet between two steps of a call, so that a fault shows however
// busy the machine is.
type meeting struct {
	missing atomic.Int64
	all     chan struct{}
}

func meetingOf(callers int64) *meeting {
	m := &meeting{all: make(chan struct{})}
	m.missing.Store(callers)
	return m
}

// wait makes the first callers wait for each other. Later ones pass.
func (m *meeting) wait() {
	switch missing := m.missing.Add(-1); {
	case missing > 0:
		<-m.all
	case missing == 0:
		close(m.all)
	}
}

// A glimpse holds a call in its middle until another call has seen what it did so far.
type glimpse struct {
	half bool // under the store's lock
	over chan struct{}
	end  func()
}

func newGlimpse() *glimpse {
	over := make(chan struct{})
	return &glimpse{over: over, end: sync.OnceFunc(func() { close(over) })}
}

// seen is called by a reader, under the store's lock.
func (g *glimpse) seen() {
	if g.half {
		g.end()
	}
}

// wait holds the first call that comes here. Later ones pass.
func (g *glimpse) wait() { <-g.over }
