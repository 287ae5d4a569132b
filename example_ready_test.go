package webhook_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// A readiness check to mount beside the app's own: whatever balances the load
// sends no traffic to a process that does not deliver.
func ExampleDispatcher_Ready() {
	hooks, err := webhook.New(&memstore.Store{}, nil, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ready := func(w http.ResponseWriter, _ *http.Request) {
		if err := hooks.Ready(); err != nil {
			slog.Warn("not ready", "error", err) // it may say more than is for everybody
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	}

	ask := func() {
		answer := httptest.NewRecorder()
		ready(answer, httptest.NewRequest("GET", "/ready", nil))
		fmt.Print(answer.Code, " ", answer.Body)
	}
	ask()
	if err := hooks.Start(); err != nil {
		fmt.Println(err)
	}
	ask()
	// Output:
	// 503 not ready
	// 200 ready
}
