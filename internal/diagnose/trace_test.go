package diagnose

import (
	"context"
	"errors"
	"net"
	"net/http/httptrace"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Which phase an attempt is in decides what a customer reads. The order of
// these events is a race of the transport's: a connection that was begun goes
// on being made when another one comes free.
func TestAnAttemptIsAsFarAsItsOwnConnection(t *testing.T) {
	var p Trace
	trace := p.Hooks(time.Now().Add(time.Minute), func(error) {})
	for _, step := range []struct {
		event string
		call  func()
		want  phase
	}{
		{"a connection is wanted", func() { trace.GetConn("") }, phaseConnection},
		{"a new one begins", func() { trace.DNSStart(httptrace.DNSStartInfo{}) }, phaseLookup},
		{"another comes free", func() { trace.GotConn(httptrace.GotConnInfo{Reused: true}) }, phaseSend},
		{"the new one goes on", func() { trace.ConnectStart("", "") }, phaseSend},
		{"the new one goes on", func() { trace.TLSHandshakeStart() }, phaseSend},
		{"sending fails", func() { trace.WroteRequest(httptrace.WroteRequestInfo{Err: errors.New("closed")}) }, phaseSend},
		{"another is wanted", func() { trace.GetConn("") }, phaseConnection},
		{"a new one begins", func() { trace.ConnectStart("", "") }, phaseConnect},
		{"it is there", func() { trace.GotConn(httptrace.GotConnInfo{}) }, phaseSend},
		{"the request is sent", func() { trace.WroteRequest(httptrace.WroteRequestInfo{}) }, phaseAnswer},
	} {
		step.call()
		assert.Equal(t, step.want, p.phase(), step.event)
	}
}

func TestNothingIsSentAfterTheLeasesEnd(t *testing.T) {
	ctx, stop := context.WithCancelCause(t.Context())
	var p Trace
	trace := p.Hooks(time.Now().Add(-time.Second), stop)
	ours, theirs := net.Pipe()
	defer theirs.Close()
	trace.GotConn(httptrace.GotConnInfo{Conn: ours})
	_, err := ours.Write([]byte("POST"))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	assert.Equal(t, ErrLeaseEnded, context.Cause(ctx))
	assert.True(t, CutShort(ctx), "it uses up no attempt")
}
