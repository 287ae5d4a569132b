// Package receivertest tests receivers of webhooks that are programs: it runs
// them, sends them events from a real dispatcher, and says what they must keep.
package receivertest

import (
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook/internal/freeport"
)

// Need skips a test whose command is missing. It fails the test instead if
// LISTHOOK_REQUIRE, a list of words, holds the word.
func Need(t *testing.T, word string, commands ...string) {
	t.Helper()
	for _, command := range commands {
		_, err := exec.LookPath(command)
		if err != nil && slices.Contains(strings.Split(os.Getenv("LISTHOOK_REQUIRE"), ","), word) {
			t.Fatalf("LISTHOOK_REQUIRE asks for %s: %v", word, err)
		} else if err != nil {
			t.Skipf("needs %s: %v", word, err)
		}
	}
}

// Serve runs a receiver until the test ends, and returns its host. The command
// is what serves at a host; env is added to its environment. What it printed is
// shown if the test fails.
func Serve(t *testing.T, command func(host string) *exec.Cmd, env ...string) (host string) {
	t.Helper()
	for range 5 { // somebody may take the port between
		port, err := freeport.Pick()
		require.NoError(t, err)
		host = net.JoinHostPort("127.0.0.1", port)

		cmd := command(host)
		cmd.Env = append(append(os.Environ(), cmd.Env...), env...)
		var said strings.Builder // is read when the process has ended
		cmd.Stdout, cmd.Stderr = &said, &said
		require.NoError(t, cmd.Start())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = cmd.Wait()
		}()
		if answers(host, ended) {
			t.Cleanup(func() {
				_ = cmd.Process.Kill()
				<-ended
				if t.Failed() {
					t.Log(said.String())
				}
			})
			return host
		}
		_ = cmd.Process.Kill()
		<-ended
		t.Log(said.String())
	}
	t.Fatal("the receiver does not start")
	return ""
}

// answers waits until a host takes connections, unless its process ended.
func answers(host string, ended <-chan struct{}) bool {
	deadline := time.After(time.Minute)
	for {
		conn, err := net.DialTimeout("tcp", host, time.Second)
		if err == nil {
			return conn.Close() == nil
		}
		select {
		case <-ended:
			return false
		case <-deadline:
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Post sends a form as anybody can, unless the header says another type, and returns the
// answer.
func Post(t *testing.T, host, body string, header http.Header) (status int, answer string) {
	t.Helper()
	return Request(t, http.MethodPost, host, body, header)
}

// Request sends a form with another method.
func Request(t *testing.T, method, host, body string, header http.Header) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+host+"/", strings.NewReader(body))
	require.NoError(t, err)
	if header != nil {
		req.Header = header.Clone()
	}
	if req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(content)
}
