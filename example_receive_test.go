package webhook_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/listhook/webhook"
)

// A receiver answers 2xx once it has kept what came, and knows by the ID what
// it has already.
func ExampleParseRequest() {
	opts := &webhook.ReceiveOptions{Unsigned: true} // better: Secrets, from the webhook's page
	seen := map[string]bool{}                       // better: a table with a unique column

	receive := func(w http.ResponseWriter, r *http.Request) {
		events, err := webhook.ParseRequest(r, opts)
		switch {
		case errors.Is(err, webhook.ErrSignature), errors.Is(err, webhook.ErrTimestamp):
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for _, event := range events { // one, unless the webhook gets batches
			id := webhook.MetaOf(event).ID
			if seen[id] {
				continue
			}
			switch e := event.(type) {
			case webhook.Unsubscribe:
				fmt.Println(e.Subscriber.Email, "wants no more mail")
			case webhook.Bounce:
				fmt.Println(e.Subscriber.Email, "bounced:", e.Details.Type)
			}
			seen[id] = true
		}
	}

	for range 2 { // the same delivery comes twice
		r := httptest.NewRequest(http.MethodPost, "/hook", strings.NewReader(
			"type=unsubscribe&initiated_from=public&list=12&subscriber[email]=test@test.com"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set(webhook.HeaderID, "msg_1")
		w := httptest.NewRecorder()
		receive(w, r)
		fmt.Println(w.Code)
	}
	// Output:
	// test@test.com wants no more mail
	// 200
	// 200
}

// Verify alone is for receivers that read the body in their own way.
func ExampleVerify() {
	body := []byte(`{"test": 2432232314}`)
	header := http.Header{}
	header.Set(webhook.HeaderID, "msg_p5jXN8AQM9LWM0D4loKWxJek")
	header.Set(webhook.HeaderTimestamp, "1614265330")
	header.Set(webhook.HeaderSignature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")

	secrets := []webhook.Secret{{Key: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}}
	err := webhook.Verify(header, body, &webhook.ReceiveOptions{Secrets: secrets})
	fmt.Println(err) // it was signed in 2021

	header.Set(webhook.HeaderID, "another")
	err = webhook.Verify(header, body, &webhook.ReceiveOptions{Secrets: secrets})
	fmt.Println(errors.Is(err, webhook.ErrSignature))
	// Output:
	// webhook: the request was signed too long ago or in the future
	// true
}

func ExampleNewClient() {
	client := webhook.NewClient(&webhook.ClientOptions{
		AllowHosts: []string{"localhost:8025"}, // for development
	})
	_, err := client.Get("http://169.254.169.254/latest/meta-data/")
	var refused *webhook.AddressError
	if errors.As(err, &refused) {
		fmt.Println("customer:", refused)
		fmt.Println("operator:", refused.Detail())
	}
	// Output:
	// customer: webhook: URL has a host that is not a public address
	// operator: 169.254.169.254: 169.254.169.254 is link local, where clouds serve metadata (169.254.0.0/16)
}

func ExampleClientOptions_CheckURL() {
	var opts *webhook.ClientOptions // nothing is allowed beside the public
	for _, u := range []string{"https://example.com/hook", "http://2130706433/", "https://example.com:8443/"} {
		fmt.Println(opts.CheckURL(u))
	}
	// Output:
	// <nil>
	// webhook: URL has a host that is neither a name nor an address as it is usually written
	// webhook: URL has a port that is not allowed
}
