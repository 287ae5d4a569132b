package receivertest

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// A Sender is a mailing app with a running dispatcher that may reach some hosts
// of this machine.
type Sender struct {
	*webhook.Dispatcher
	t     *testing.T
	ended chan webhook.Delivery
}

// NewSender returns a Sender that runs until the test ends.
func NewSender(t *testing.T, hosts ...string) *Sender {
	t.Helper()
	s := &Sender{t: t, ended: make(chan webhook.Delivery, 1000)}
	var err error
	s.Dispatcher, err = webhook.New(memstore.New(),
		webhook.NewClient(&webhook.ClientOptions{AllowHosts: hosts}),
		&webhook.Options{Hooks: webhook.Hooks{Changed: func(d webhook.Delivery) { s.ended <- d }}})
	require.NoError(t, err)
	require.NoError(t, s.Start())
	t.Cleanup(func() { require.NoError(t, s.Shutdown(context.Background())) })
	return s
}

// Webhook adds a webhook of every event, and returns its ID.
func (s *Sender) Webhook(host string, format webhook.Format, secrets ...webhook.Secret) string {
	s.t.Helper()
	return s.Ordered(host, webhook.OrderState, format, secrets...)
}

// Ordered is Webhook with an order.
func (s *Sender) Ordered(host string, order webhook.Order, format webhook.Format, secrets ...webhook.Secret) string {
	s.t.Helper()
	return s.Add(host, webhook.Settings{Order: order, Format: format, Secrets: secrets})
}

// Batched is Webhook with requests of so many events, however long they take to come.
func (s *Sender) Batched(host string, events int, format webhook.Format, secrets ...webhook.Secret) string {
	s.t.Helper()
	return s.Add(host, webhook.Settings{Batch: events, BatchWait: 50 * time.Second, Format: format, Secrets: secrets})
}

// Add is Webhook with settings.
func (s *Sender) Add(host string, settings webhook.Settings) string {
	s.t.Helper()
	settings.Name, settings.URL = "Receiver", "http://"+host+"/"
	settings.Events, settings.Sources = webhook.EventTypes(), webhook.Sources()
	w, err := s.AddWebhook(s.t.Context(), webhook.Webhook{Settings: settings})
	require.NoError(s.t, err)
	return w.ID
}

// Deliver emits the events, awaits n deliveries, and returns them with their
// logs. Each must have been answered with 200.
func (s *Sender) Deliver(n int, events ...webhook.Event) []webhook.Delivery {
	s.t.Helper()
	require.NoError(s.t, s.Emit(s.t.Context(), events...))
	return s.Await(n)
}

// Await awaits n deliveries, like Deliver.
func (s *Sender) Await(n int) []webhook.Delivery {
	s.t.Helper()
	var ids []string
	deadline := time.After(time.Minute)
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

// Answers returns what the receiver answered to deliveries, each answer once, and how many
// requests had brought the deliveries.
func Answers(ds []webhook.Delivery) (answers []string, requests int) {
	for _, d := range ds {
		if last(d).First == "" { // the others of its request name it
			requests++
			answers = append(answers, Answer(d))
		}
	}
	return answers, requests
}

// Answer returns what the receiver answered to a delivery.
func Answer(d webhook.Delivery) string { return string(last(d).Response) }

// Signed returns the headers of Standard Webhooks, made without the library.
func Signed(s webhook.Secret, id string, at int64, body string) http.Header {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s.Key, "whsec_"))
	if err != nil {
		key = []byte(s.Key)
	}
	timestamp := strconv.FormatInt(at, 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "." + body))
	return http.Header{
		webhook.HeaderID:        {id},
		webhook.HeaderTimestamp: {timestamp},
		webhook.HeaderSignature: {"v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))},
	}
}
