package clienttest

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/npm"
	"github.com/listhook/webhook/manage"
	"github.com/listhook/webhook/memstore"
)

// need skips a test whose tool is missing, or fails it where the environment
// says that the tool must be there.
func need(t *testing.T, word, command string) {
	t.Helper()
	if _, err := exec.LookPath(command); err != nil {
		if slices.Contains(strings.Split(os.Getenv("LISTHOOK_REQUIRE"), ","), word) {
			t.Fatalf("%s is required: %v", word, err)
		}
		t.Skipf("%s is not installed", command)
	}
}

// installed is the folder that the npm packages are installed in.
var installed = sync.OnceValues(func() (string, error) { return npm.Install(".") })

// script returns the command that runs a script of testdata with the packages at
// hand. Its process ends shortly before go test would end all, so that a failure
// says what hung; it has no other limit, since a machine may be ever so busy.
func script(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	need(t, "npm", "node")
	need(t, "npm", "npm")
	modules, err := installed()
	require.NoError(t, err)
	ctx := t.Context()
	if deadline, ok := t.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-20*time.Second))
		t.Cleanup(cancel)
	}
	cmd := exec.CommandContext(ctx, "node", append([]string{filepath.Join("testdata", name)}, args...)...)
	cmd.WaitDelay = 5 * time.Second // the browser may outlive node
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules, "NODE_NO_WARNINGS=1")
	return cmd
}

// node runs a script and returns its output.
func node(t *testing.T, name string, args ...string) string {
	t.Helper()
	return nodeReading(t, nil, name, args...)
}

// nodeReading runs a script that reads its standard input.
func nodeReading(t *testing.T, input io.Reader, name string, args ...string) string {
	t.Helper()
	cmd := script(t, name, args...)
	cmd.Stdin = input
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// chromium is the browser's path.
func chromium(t *testing.T) string {
	t.Helper()
	need(t, "chromium", "chromium")
	path, err := exec.LookPath("chromium")
	require.NoError(t, err)
	return path
}

// until waits for something to become true. It has no limit but the test's own.
func until(holds func() bool) {
	for !holds() {
		time.Sleep(20 * time.Millisecond)
	}
}

// A harness is an app with an account: a started dispatcher, a receiver of the
// account's, and the handler below a prefix.
type harness struct {
	*webhook.Dispatcher
	store    *memstore.Store
	base     string // the account's URL
	root     string // the same for clients who know no path: the host's
	site     string // what shows the page to visitors: the account's URL, or an app with a frame
	receiver string
	received chan string // the bodies that come to /bodies
	failing  atomic.Bool // what the receiver answers at /flaky
}

// key is the account's.
const key = "4f3c6d12f0ca2737"

func newHarness(t *testing.T, change ...func(*manage.Options)) *harness {
	r := &harness{store: &memstore.Store{}, received: make(chan string, 100)}
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		if req.URL.Path == "/bodies" {
			r.received <- string(body)
		}
		if req.URL.Path == "/flaky" && r.failing.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = io.WriteString(w, "<b>Thank you</b> for "+req.Header.Get(webhook.HeaderEvent))
	}))
	t.Cleanup(receiver.Close)
	r.receiver = receiver.URL
	client := webhook.NewClient(&webhook.ClientOptions{AllowHosts: []string{strings.TrimPrefix(receiver.URL, "http://")}})
	d, err := webhook.New(r.store, client, &webhook.Options{SearchKey: bytes.Repeat([]byte("k"), 32)})
	require.NoError(t, err)
	require.NoError(t, d.Start())
	t.Cleanup(func() { _ = d.Shutdown(context.Background()) })
	r.Dispatcher = d

	opts := &manage.Options{
		Session: func(req *http.Request) (manage.Access, error) {
			account := cmp.Or(req.Header.Get("X-Account"), "acme")
			if cookie, err := req.Cookie("session"); err == nil && cookie.Value == "ended" {
				return manage.Access{}, manage.ErrNoSession
			}
			access := manage.Access{Account: account, Locale: req.Header.Get("X-Locale")}
			switch req.Header.Get("X-Role") {
			case "viewer":
				access.View = true
			case "log":
				access.Manage, access.LogOnly = true, true
			default:
				access.Manage, access.Operator = true, true
			}
			return access, nil
		},
		Login: func(_ *http.Request, back string) string { return "/login?next=" + url.QueryEscape(back) },
		Key: func(_ context.Context, k string) (manage.Access, error) {
			return manage.Access{Account: "acme", Manage: k == key, User: "ann@example.com"}, nil
		},
		Lists: func(context.Context, string) ([]manage.List, error) {
			return []manage.List{{ID: "12", Name: "Newsletter"}, {ID: "13", Name: "Weekly offers"}}, nil
		},
		Fields: func(context.Context, string) ([]manage.Field, error) {
			return []manage.Field{{ID: "7", Title: "City"}, {ID: "8", Title: "Colours", Type: "checkbox"}}, nil
		},
	}
	for _, c := range change {
		c(opts)
	}
	h, err := manage.Handler(d, opts)
	require.NoError(t, err)
	apis, err := manage.APIs(d, opts)
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/integration/webhooks/", h)
	mux.Handle("/api/3/", apis)
	mux.Handle("/admin/api.php", apis)
	mux.HandleFunc("/login", func(w http.ResponseWriter, req *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "fresh", Path: "/"})
		http.Redirect(w, req, req.FormValue("next"), http.StatusSeeOther)
	})
	mux.HandleFunc("/logout", func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "ended", Path: "/"})
	})
	mux.HandleFunc("/favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	r.root, r.base = server.URL, server.URL+"/integration/webhooks"
	return r
}
