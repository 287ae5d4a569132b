package webhook

import (
	"context"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// progress is how far an attempt has come, written by the transport's
// goroutines.
type progress struct{ at atomic.Int32 }

type phase int32

const (
	phaseConnection phase = iota // waiting for a free connection
	phaseLookup
	phaseConnect
	phaseTLS
	phaseSend
	phaseAnswer
)

func (p *progress) phase() phase { return phase(p.at.Load()) }

// enter notes a phase, unless the attempt is further on: a connection that was
// begun for it goes on being made when another one came free first.
func (p *progress) enter(next phase) {
	for {
		at := p.at.Load()
		if at >= int32(next) || p.at.CompareAndSwap(at, int32(next)) {
			return
		}
	}
}

// restart is for when another connection is needed, since the first was closed
// just when it was used again.
func (p *progress) restart() { p.at.Store(int32(phaseConnection)) }

// trace follows an attempt, and stops it if the lease has ended by the time
// there is a connection: a process that was frozen must not send what is no
// longer its own.
func (p *progress) trace(leaseEnd time.Time, stop context.CancelCauseFunc) *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn:           func(string) { p.restart() },
		DNSStart:          func(httptrace.DNSStartInfo) { p.enter(phaseLookup) },
		ConnectStart:      func(string, string) { p.enter(phaseConnect) },
		TLSHandshakeStart: func() { p.enter(phaseTLS) },
		GotConn: func(got httptrace.GotConnInfo) {
			p.enter(phaseSend)
			if !now().After(leaseEnd) {
				return
			}
			stop(errLeaseEnded)
			if got.Conn != nil { // the transport writes meanwhile
				_ = got.Conn.SetWriteDeadline(time.Unix(1, 0))
			}
		},
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			if info.Err == nil { // it is told of requests that were cut short too
				p.enter(phaseAnswer)
			}
		},
	}
}
