package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The receiver is a process of its own: a plain HTTP server that notes which
// events have arrived, and when. A second server on another port is for the
// process that measures.
type receiver struct {
	current     atomic.Pointer[reception]
	connections atomic.Int64 // that were opened
	bodies      sync.Pool
}

// receiverReady is the first message of the receiver's process.
type receiverReady struct {
	Port    int    // of every address
	Control string // host and port
}

// runReceiver is the process: it serves as many addresses as the job has hosts.
func runReceiver(ctx context.Context, j *job, say func(any)) error {
	r := &receiver{}
	longest := 4 << 10
	if isBatch(j.Phase) {
		longest = 256 << 10
	}
	r.bodies.New = func() any { b := make([]byte, longest); return &b }
	r.current.Store(newReception(0, 0))
	requests := &http.Server{Handler: http.HandlerFunc(r.receive), ConnState: func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			r.connections.Add(1)
		}
	}}
	port := 0
	for n := range max(j.Hosts, 1) {
		l, err := net.Listen("tcp", net.JoinHostPort(host(n), strconv.Itoa(port)))
		if err != nil {
			return err
		}
		port = l.Addr().(*net.TCPAddr).Port
		go func() { _ = requests.Serve(l) }()
	}
	control, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	say(receiverReady{Port: port, Control: control.Addr().String()})
	mux := http.NewServeMux()
	mux.HandleFunc("POST /expect", r.expect)
	mux.HandleFunc("GET /report", r.report)
	return http.Serve(control, mux)
}

// receive takes a request.
func (r *receiver) receive(w http.ResponseWriter, req *http.Request) {
	at := time.Now().UnixNano()
	buf := r.bodies.Get().(*[]byte)
	defer r.bodies.Put(buf)
	n, err := io.ReadFull(req.Body, *buf)
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		http.Error(w, "the body is longer than any of the phase", http.StatusRequestEntityTooLarge)
		return
	}
	body := (*buf)[:n]
	class, _, _ := strings.Cut(req.URL.Path[1:], "/")
	if class == classPlain && bytes.HasPrefix(body, []byte("type=update")) {
		class = classKeyed
	}
	now, events := r.current.Load(), 0
	for number, emitted := range parseStamps(body) {
		now.note(number, class, emitted, at, req.Header.Get("Webhook-Signature") != "")
		events++
	}
	if events == 0 {
		http.Error(w, "the body holds no stamp", http.StatusBadRequest)
		return
	}
	now.requests.Add(1)
	if class == classHang {
		select {
		case <-time.After(hangTime):
		case <-req.Context().Done():
		}
	}
}

func (r *receiver) expect(w http.ResponseWriter, req *http.Request) {
	var e expectation
	if err := json.NewDecoder(req.Body).Decode(&e); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	next := newReception(e.First, e.Count)
	next.enough = int64(e.Plain)
	r.current.Store(next)
}

// report answers with a receptionReport as soon as the reception is complete,
// or the time asked for has passed.
func (r *receiver) report(w http.ResponseWriter, req *http.Request) {
	now := r.current.Load()
	wait, _ := time.ParseDuration(req.FormValue("wait"))
	select {
	case <-now.complete:
	case <-time.After(wait):
	}
	report := receptionReport{
		Plain: int(now.plain.Load()), Others: int(now.others.Load()), Hung: int(now.hung.Load()),
		Duplicates: int(now.duplicates.Load()), Strays: int(now.strays.Load()), Signed: int(now.signed.Load()),
		Requests: int(now.requests.Load()), Last: now.last.Load(), CPU: ownCPU(), Connections: int(r.connections.Load()),
	}
	if req.FormValue("latencies") != "" {
		for i := range now.receipts {
			switch receipt := now.receipts[i].Load(); {
			case receipt == 0:
			case receipt%2 == 1:
				report.Latencies = append(report.Latencies, receipt/2)
			default:
				report.OtherLatencies = append(report.OtherLatencies, receipt/2)
			}
		}
		slices.Sort(report.Latencies)
		slices.Sort(report.OtherLatencies)
	}
	_ = json.NewEncoder(w).Encode(report)
}
