package phpreceiver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// A state is what verified.php keeps.
type state struct {
	Lists map[string]map[string]struct { // by list and subscriber
		Subscribed bool
		Email      string
		Fields     map[string]string
	}
	Reactions map[string]map[string]int // by campaign and type
	Campaigns map[string]struct{ Name, Started string }
	Seen      map[string]int64
}

func readState(t *testing.T, file string) (s state) {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(content, &s), "%s", content)
	return s
}

// serveVerified serves verified.php, and returns the file of its state.
func serveVerified(t *testing.T, secret webhook.Secret) (host, file string) {
	file = filepath.Join(t.TempDir(), "state.json")
	return servePHP(t, "verified.php", "WEBHOOK_SECRET="+secret.Key, "RECEIVER_STATE="+file), file
}

func TestTheVerifyingReceiverUnderstandsTheNine(t *testing.T) {
	for _, format := range []webhook.Format{webhook.Format2013, webhook.FormatCurrent} {
		t.Run(string(format), func(t *testing.T) {
			secret := webhook.NewSecret()
			host, file := serveVerified(t, secret)
			s := newSender(t, host)
			s.webhook(host, format, secret)

			s.deliver(1, webhook.Sample(webhook.TypeSubscribe))
			got := readState(t, file).Lists["12"]["12"]
			assert.True(t, got.Subscribed)
			assert.Equal(t, "test@test.com", got.Email)
			assert.Equal(t, map[string]string{"7": "test value", "16": "2013-01-03", "15": "value 1"}, got.Fields)

			s.deliver(1, webhook.Sample(webhook.TypeUpdate))
			got = readState(t, file).Lists["12"]["12"]
			assert.True(t, got.Subscribed)
			assert.Equal(t, "||Red||Green||", got.Fields["21"])

			s.deliver(1, webhook.Sample(webhook.TypeUnsubscribe))
			assert.False(t, readState(t, file).Lists["12"]["12"].Subscribed)

			soft := webhook.Sample(webhook.TypeBounce).(webhook.Bounce)
			soft.Subscriber.ID, soft.Details.Type = "13", webhook.BounceSoft
			s.deliver(1, soft)
			assert.NotContains(t, readState(t, file).Lists["12"], "13")
			hard := soft
			hard.Details.Type = webhook.BounceHard
			s.deliver(1, hard)
			assert.Contains(t, readState(t, file).Lists["12"], "13")
			assert.False(t, readState(t, file).Lists["12"]["13"].Subscribed)

			for _, reaction := range []webhook.EventType{webhook.TypeOpen, webhook.TypeClick, webhook.TypeForward, webhook.TypeShare} {
				s.deliver(1, webhook.Sample(reaction))
			}
			s.deliver(1, webhook.Sample(webhook.TypeOpen))
			assert.Equal(t, map[string]int{"open": 2, "click": 1, "forward": 1, "share": 1}, readState(t, file).Reactions["34"])

			s.deliver(1, webhook.Sample(webhook.TypeSent))
			assert.Equal(t, "January newsletter", readState(t, file).Campaigns["34"].Name)
		})
	}
}

func TestTheVerifyingReceiverDoesEachThingOnce(t *testing.T) {
	secret := webhook.NewSecret()
	host, file := serveVerified(t, secret)
	s := newSender(t, host)
	s.webhook(host, webhook.Format2013, secret)

	d := s.deliver(1, webhook.Sample(webhook.TypeOpen))[0]
	assert.Equal(t, "thank you\n", answer(d))
	before := readState(t, file)

	require.NoError(t, s.Redeliver(t.Context(), d.Account, d.ID))
	d = s.await(1)[0]
	assert.Equal(t, "had it\n", answer(d))
	assert.Equal(t, before, readState(t, file))
}

func TestTheVerifyingReceiverBringsNobodyBackWhoHasLeft(t *testing.T) {
	secret := webhook.NewSecret()
	host, file := serveVerified(t, secret)
	s := newSender(t, host)
	s.webhook(host, webhook.FormatCurrent, secret)

	left := webhook.Sample(webhook.TypeUnsubscribe).(webhook.Unsubscribe)
	left.Time = left.Time.Add(time.Second)
	s.deliver(1, left)
	s.deliver(1, webhook.Sample(webhook.TypeSubscribe)) // a second older
	assert.False(t, readState(t, file).Lists["12"]["12"].Subscribed)

	again := webhook.Sample(webhook.TypeSubscribe).(webhook.Subscribe)
	again.Time = left.Time.Add(time.Second)
	s.deliver(1, again)
	assert.True(t, readState(t, file).Lists["12"]["12"].Subscribed)
}

// Two servers with one state are what PHP's workers are elsewhere.
func TestTheVerifyingReceiverLosesNothingToAnotherWorker(t *testing.T) {
	secret := webhook.NewSecret()
	file := filepath.Join(t.TempDir(), "state.json")
	env := []string{"WEBHOOK_SECRET=" + secret.Key, "RECEIVER_STATE=" + file}
	one, two := servePHP(t, "verified.php", env...), servePHP(t, "verified.php", env...)
	s := newSender(t, one, two)
	s.webhook(one, webhook.Format2013, secret)
	s.webhook(two, webhook.Format2013, secret)

	events := make([]webhook.Event, 50)
	for i := range events {
		events[i] = webhook.Sample(webhook.TypeOpen)
	}
	s.deliver(2*len(events), events...)
	assert.Equal(t, 2*len(events), readState(t, file).Reactions["34"]["open"])
	assert.Len(t, readState(t, file).Seen, 2*len(events))
}

func TestTheVerifyingReceiverTakesOldAndNewSignaturesDuringRotation(t *testing.T) {
	old, renewed := webhook.NewSecret(), webhook.NewSecret()
	old.Until = time.Now().Add(time.Hour)
	for name, has := range map[string]webhook.Secret{"the old": old, "the new": renewed} {
		t.Run(name, func(t *testing.T) {
			host, _ := serveVerified(t, has)
			s := newSender(t, host)
			s.webhook(host, webhook.Format2013, old, renewed)
			s.deliver(1, webhook.Sample(webhook.TypeOpen))
		})
	}
}

func TestTheVerifyingReceiverRefusesWhatIsNotSigned(t *testing.T) {
	const body = "type=open&subscriber[id]=12&campaign[id]=34"
	now := time.Now().Unix()
	secret, other := webhook.NewSecret(), webhook.NewSecret()
	host, file := serveVerified(t, secret)

	for name, test := range map[string]struct {
		header http.Header
		body   string
		status int
	}{
		"signed":                      {signed(t, secret, "a", now, body), body, 200},
		"signed a while ago":          {signed(t, secret, "b", now-200, body), body, 200},
		"not signed":                  {nil, body, 401},
		"signed by another":           {signed(t, other, "c", now, body), body, 401},
		"another body":                {signed(t, secret, "d", now, body), body + "&type=sent", 401},
		"no body":                     {signed(t, secret, "e", now, body), "", 401},
		"too old":                     {signed(t, secret, "f", now-400, body), body, 401},
		"too new":                     {signed(t, secret, "g", now+400, body), body, 401},
		"another id":                  {with(signed(t, secret, "h", now, body), webhook.HeaderID, "i"), body, 401},
		"no id":                       {signed(t, secret, "", now, body), body, 401},
		"another time":                {with(signed(t, secret, "j", now, body), webhook.HeaderTimestamp, strconv.FormatInt(now+1, 10)), body, 401},
		"a time that is no number":    {with(signed(t, secret, "k", now, body), webhook.HeaderTimestamp, "now"), body, 401},
		"another version":             {with(signed(t, secret, "l", now, body), webhook.HeaderSignature, "v2,AAAA"), body, 401},
		"an empty signature":          {with(signed(t, secret, "m", now, body), webhook.HeaderSignature, ""), body, 401},
		"several, the last one right": {more(signed(t, secret, "n", now, body), "v1,AAAA v1a,BBBB"), body, 200},
		"signed, but no event":        {signed(t, secret, "o", now, "a=b"), "a=b", 400},
		"signed, an unknown event":    {signed(t, secret, "p", now, "type=reply"), "type=reply", 200},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer := post(t, host, test.body, test.header)
			assert.Equal(t, test.status, status, answer)
		})
	}
	assert.Len(t, readState(t, file).Seen, 4, "only what it believed is kept")

	status, _ := request(t, http.MethodGet, host, "", nil)
	assert.Equal(t, http.StatusMethodNotAllowed, status)
}

func TestTheVerifyingReceiverWithoutASecretBelievesNobody(t *testing.T) {
	for _, key := range []string{"", "whsec_", "whsec_AAAA", "secret", "whsec_!"} {
		host, _ := serveVerified(t, webhook.Secret{Key: key})
		const body = "type=open"
		for _, empty := range []string{"", "whsec_", key} {
			status, _ := post(t, host, body, signed(t, webhook.Secret{Key: empty}, "a", time.Now().Unix(), body))
			assert.Equal(t, http.StatusUnauthorized, status, "with the secret %q", key)
		}
	}
}

func TestTheVerifyingReceiverAsksForWhatItCouldNotKeepAgain(t *testing.T) {
	const body = "type=open&campaign[id]=34"
	secret := webhook.NewSecret()
	for name, spoil := range map[string]func(file string) error{
		"a damaged state": func(file string) error { return os.WriteFile(file, []byte("{"), 0o600) },
		"no place to lock": func(file string) error {
			return os.Mkdir(file+".lock", 0o700)
		},
		"no place to write": func(file string) error {
			return os.Mkdir(file+".new", 0o700)
		},
	} {
		t.Run(name, func(t *testing.T) {
			host, file := serveVerified(t, secret)
			require.NoError(t, spoil(file))
			status, _ := post(t, host, body, signed(t, secret, "a", time.Now().Unix(), body))
			assert.Equal(t, http.StatusInternalServerError, status)
		})
	}
}

// signed returns the headers of Standard Webhooks, made without the library.
func signed(t *testing.T, s webhook.Secret, id string, at int64, body string) http.Header {
	t.Helper()
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

func with(h http.Header, name, value string) http.Header {
	h[name] = []string{value}
	return h
}

// more puts other signatures before the right one.
func more(h http.Header, signatures string) http.Header {
	return with(h, webhook.HeaderSignature, signatures+" "+h.Get(webhook.HeaderSignature))
}
