package clienttest

import (
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

// node runs a script of testdata with the packages at hand.
func node(t *testing.T, script string, args ...string) string {
	t.Helper()
	return nodeReading(t, nil, script, args...)
}

// nodeReading runs a script that reads its standard input.
func nodeReading(t *testing.T, input io.Reader, script string, args ...string) string {
	t.Helper()
	need(t, "npm", "node")
	need(t, "npm", "npm")
	modules, err := installed()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", append([]string{filepath.Join("testdata", script)}, args...)...)
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules, "NODE_NO_WARNINGS=1")
	cmd.Stdin = input
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// A harness is an app with an account: a started dispatcher, a receiver of the
// account's, and the handler below a prefix.
type harness struct {
	*webhook.Dispatcher
	store    *memstore.Store
	base     string // the account's URL
	root     string // the same for clients who know no path: the host's
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
	d, err := webhook.New(r.store, client, nil)
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
			if req.Header.Get("X-Role") == "viewer" {
				return manage.Access{Account: account, View: true, Locale: req.Header.Get("X-Locale")}, nil
			}
			return manage.Access{Account: account, Manage: true, Operator: true, Locale: req.Header.Get("X-Locale")}, nil
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
