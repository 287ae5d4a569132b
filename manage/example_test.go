package manage_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage"
	"github.com/listhook/webhook/memstore"
)

// An app mounts the handler behind its own login and its own keys. Here a
// client written for ActiveCampaign's API adds a webhook.
func ExampleHandler() {
	dispatcher, err := webhook.New(&memstore.Store{}, nil, nil)
	if err != nil {
		panic(err)
	}

	// The app keeps hashes of its keys: looking one up tells nothing of them.
	accounts := map[[32]byte]string{sha256.Sum256([]byte("4f3c6d12f0")): "acme"}

	h, err := manage.Handler(dispatcher, &manage.Options{
		Session: func(r *http.Request) (manage.Access, error) {
			cookie, err := r.Cookie("session") // the app's own login
			if err != nil {
				return manage.Access{}, manage.ErrNoSession
			}
			return manage.Access{Account: "acme", Manage: cookie.Value == "ann"}, nil
		},
		Key: func(_ context.Context, key string) (manage.Access, error) {
			account, ok := accounts[sha256.Sum256([]byte(key))]
			return manage.Access{Account: account, Manage: ok}, nil
		},
		Lists: func(context.Context, string) ([]manage.List, error) {
			return []manage.List{{ID: "12", Name: "Newsletter"}}, nil
		},
	})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/webhooks/", h)
	app := httptest.NewServer(mux)
	defer app.Close()

	form := "name=CRM&url=https://crm.example.com/hook&action[]=subscribe&init[]=public&lists[12]=12"
	resp, err := http.Post(app.URL+"/webhooks/admin/api.php?api_key=4f3c6d12f0&api_action=webhook_add&api_output=json",
		"application/x-www-form-urlencoded", strings.NewReader(form))
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		panic(err)
	}
	_, message, _ := strings.Cut(string(answer), `"result_message":`)
	fmt.Println(message)

	ws, err := dispatcher.Webhooks(context.Background(), webhook.WebhookQuery{Account: "acme"})
	if err != nil {
		panic(err)
	}
	fmt.Println(ws[0].Name, ws[0].Events, "of list", ws[0].List)
	// Output:
	// "Webhook added","result_output":"json"}
	// CRM [subscribe] of list 12
}
