package phpreceiver

import (
	"bufio"
	"context"
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

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// servePHP serves a script by PHP's own web server until the test ends, and
// returns its host. Without PHP the test is skipped, or fails if
// LISTHOOK_REQUIRE, a list of words, holds "php".
func servePHP(t *testing.T, script string, env ...string) (host string) {
	t.Helper()
	php, err := exec.LookPath("php")
	if err != nil && slices.Contains(strings.Split(os.Getenv("LISTHOOK_REQUIRE"), ","), "php") {
		t.Fatal("LISTHOOK_REQUIRE asks for php: ", err)
	} else if err != nil {
		t.Skip("needs php: ", err)
	}
	for range 5 { // somebody may take the port between
		if host, ok := serve(t, php, script, env); ok {
			return host
		}
	}
	t.Fatal("php found no free port")
	return ""
}

func serve(t *testing.T, php, script string, env []string) (host string, ok bool) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	host = free.Addr().String()
	require.NoError(t, free.Close())

	// Without the machine's php.ini: its defaults are what receivers have.
	cmd := exec.Command(php, "-n", "-S", host, script)
	cmd.Env = append(os.Environ(), env...)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())

	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if strings.Contains(lines.Text(), ") started") {
			said := make(chan struct{})
			go func() { // what it says is shown with a failure
				defer close(said)
				for lines.Scan() {
					if text := lines.Text(); strings.Contains(text, "PHP ") {
						t.Log(text)
					}
				}
			}()
			t.Cleanup(func() {
				_ = cmd.Process.Kill()
				<-said
				_ = cmd.Wait()
			})
			return host, true
		}
		t.Log(lines.Text())
	}
	_ = cmd.Wait()
	return "", false
}

// A sender is a mailing app with a running dispatcher that may reach some
// hosts of this machine.
type sender struct {
	*webhook.Dispatcher
	t     *testing.T
	ended chan webhook.Delivery
}

func newSender(t *testing.T, hosts ...string) *sender {
	t.Helper()
	s := &sender{t: t, ended: make(chan webhook.Delivery, 1000)}
	var err error
	s.Dispatcher, err = webhook.New(&memstore.Store{},
		webhook.NewClient(&webhook.ClientOptions{AllowHosts: hosts}),
		&webhook.Options{Hooks: webhook.Hooks{Changed: func(d webhook.Delivery) { s.ended <- d }}})
	require.NoError(t, err)
	require.NoError(t, s.Start())
	t.Cleanup(func() { require.NoError(t, s.Shutdown(context.Background())) })
	return s
}

// webhook adds a webhook of every event, and returns its ID.
func (s *sender) webhook(host string, format webhook.Format, secrets ...webhook.Secret) string {
	s.t.Helper()
	w, err := s.PutWebhook(s.t.Context(), webhook.Webhook{
		Name: "PHP", URL: "http://" + host + "/", Events: webhook.EventTypes(), Sources: webhook.Sources(),
		Format: format, Secrets: secrets,
	})
	require.NoError(s.t, err)
	return w.ID
}

// deliver emits the events, awaits n deliveries, and returns them with their
// logs. Each must have been answered with 200.
func (s *sender) deliver(n int, events ...webhook.Event) []webhook.Delivery {
	s.t.Helper()
	require.NoError(s.t, s.Emit(s.t.Context(), events...))
	return s.await(n)
}

func (s *sender) await(n int) []webhook.Delivery {
	s.t.Helper()
	var ids []string
	deadline := time.After(30 * time.Second)
	for len(ids) < n {
		select {
		case d := <-s.ended:
			ids = append(ids, d.ID)
		case <-deadline:
			s.t.Fatalf("%d of %d deliveries ended", len(ids), n)
		}
	}
	ds, err := s.Deliveries(s.t.Context(), webhook.DeliveryQuery{IDs: ids})
	require.NoError(s.t, err)
	for _, d := range ds {
		require.Equal(s.t, webhook.StateDelivered, d.State, "%s: %+v", d.Type, last(d))
		require.Equal(s.t, http.StatusOK, last(d).Status)
	}
	return ds
}

// last returns a delivery's last attempt.
func last(d webhook.Delivery) webhook.Attempt {
	if len(d.Log) == 0 {
		return webhook.Attempt{}
	}
	return d.Log[len(d.Log)-1]
}

// answer returns what the receiver answered to a delivery.
func answer(d webhook.Delivery) string { return string(last(d).Response) }

// post sends a form as anybody can, and returns the answer.
func post(t *testing.T, host, body string, header http.Header) (status int, answer string) {
	t.Helper()
	return request(t, http.MethodPost, host, body, header)
}

func request(t *testing.T, method, host, body string, header http.Header) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+host+"/", strings.NewReader(body))
	require.NoError(t, err)
	if header != nil {
		req.Header = header.Clone()
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(content)
}
