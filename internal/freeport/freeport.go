// Package freeport chooses ports for servers that tests start.
package freeport

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Ports from first to last are below those that Linux gives to whoever asks for any
// port. A server takes a while to start, and another process must not get its port
// meanwhile.
const first, last = 20_000, 31_999

var given sync.Map // ports, as text

// Pick returns a port of 127.0.0.1 on which nothing listens. It returns no port twice.
func Pick() (string, error) {
	for range 1000 {
		port := strconv.Itoa(first + rand.IntN(last-first+1))
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		if err != nil {
			continue
		}
		_ = l.Close()
		if _, twice := given.LoadOrStore(port, true); !twice {
			return port, nil
		}
	}
	return "", errors.New("no port is free from 20000 to 31999")
}
