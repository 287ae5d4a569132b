package receivertest

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/listhook/webhook"
)

// TestSignatures checks that a receiver accepts signed requests and no others. Start
// serves one that has the secret.
func TestSignatures(t *testing.T, start func(t *testing.T, secret webhook.Secret) (host string)) {
	t.Run("what the library sends is believed", func(t *testing.T) {
		for _, format := range webhook.Formats() {
			secret := webhook.NewSecret()
			host := start(t, secret)
			s := NewSender(t, host)
			s.Webhook(host, format, secret)
			for _, event := range webhook.EventTypes() {
				s.Deliver(1, webhook.Sample(event))
			}
		}
	})

	t.Run("either secret will do during a rotation", func(t *testing.T) {
		old, renewed := webhook.NewSecret(), webhook.NewSecret()
		old.Until = time.Now().Add(time.Hour)
		for _, has := range []webhook.Secret{old, renewed} {
			host := start(t, has)
			s := NewSender(t, host)
			s.Webhook(host, webhook.Format2013, old, renewed)
			s.Deliver(1, webhook.Sample(webhook.TypeOpen))
		}
	})

	const body = "type=open&date_time=2026-03-31T09:00:00-05:00&list=12&contact[id]=12&contact[email]=a@example.com&campaign[id]=34"
	const json = `{"id":"r","type":"open","date_time":"2026-03-31T09:00:00.000-05:00","lists":["12"],"contact":{"id":"12","email":"a@example.com","fields":{}},"campaign":{"id":"34"}}`
	now := time.Now().Unix()
	secret, other := webhook.NewSecret(), webhook.NewSecret()
	host := start(t, secret)
	for name, test := range map[string]struct {
		header http.Header
		body   string
		status int
	}{
		"signed":                        {Signed(secret, "a", now, body), body, 200},
		"signed a while ago":            {Signed(secret, "b", now-200, body), body, 200},
		"not signed":                    {nil, body, 401},
		"signed by another":             {Signed(other, "c", now, body), body, 401},
		"another body":                  {Signed(secret, "d", now, body), body + "&type=sent", 401},
		"no body":                       {Signed(secret, "e", now, body), "", 401},
		"too old":                       {Signed(secret, "f", now-400, body), body, 401},
		"too new":                       {Signed(secret, "g", now+400, body), body, 401},
		"another id":                    {with(Signed(secret, "h", now, body), webhook.HeaderID, "i"), body, 401},
		"no id":                         {Signed(secret, "", now, body), body, 401},
		"another time":                  {with(Signed(secret, "j", now, body), webhook.HeaderTimestamp, strconv.FormatInt(now+1, 10)), body, 401},
		"a time that is no number":      {with(Signed(secret, "k", now, body), webhook.HeaderTimestamp, "now"), body, 401},
		"no time":                       {with(Signed(secret, "l", now, body), webhook.HeaderTimestamp, ""), body, 401},
		"another version":               {with(Signed(secret, "m", now, body), webhook.HeaderSignature, "v2,AAAA"), body, 401},
		"an empty signature":            {with(Signed(secret, "n", now, body), webhook.HeaderSignature, ""), body, 401},
		"a signature without a version": {with(Signed(secret, "o", now, body), webhook.HeaderSignature, "AAAA"), body, 401},
		"several, the last one right":   {more(Signed(secret, "p", now, body), "v1,AAAA v1a,BBBB"), body, 200},
		"JSON that a proxy named anew":  {with(Signed(secret, "r", now, json), "Content-Type", "Application/JSON; charset=utf-8"), json, 200},
		"several, none right":           {with(Signed(secret, "q", now, body), webhook.HeaderSignature, "v1,AAAA v1,BBBB"), body, 401},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer := Post(t, host, test.body, test.header)
			assert.Equal(t, test.status, status, answer)
		})
	}
}

func with(h http.Header, name, value string) http.Header {
	h[name] = []string{value}
	return h
}

// more puts other signatures before the right one.
func more(h http.Header, signatures string) http.Header {
	return with(h, webhook.HeaderSignature, signatures+" "+h.Get(webhook.HeaderSignature))
}
