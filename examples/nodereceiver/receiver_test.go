// Package nodereceiver tests the receiver for Node.js beside it, with express and
// standardwebhooks as the npm registry has them.
package nodereceiver

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/examples/internal/receivertest"
	"github.com/listhook/webhook/internal/npm"
)

// node returns a command that runs a script of this folder with the packages of
// the lock file.
func node(t *testing.T, script string) *exec.Cmd {
	t.Helper()
	receivertest.Need(t, "npm", "node", "npm")
	modules, err := npm.Install(".")
	require.NoError(t, err)
	cmd := exec.Command("node", script)
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	return cmd
}

// serveNode serves a script until the test ends, and returns its host.
func serveNode(t *testing.T, script string, env ...string) (host string) {
	t.Helper()
	return receivertest.Serve(t, func(host string) *exec.Cmd {
		cmd := node(t, script)
		ip, port, _ := net.SplitHostPort(host)
		cmd.Env = append(cmd.Env, "HOST="+ip, "PORT="+port)
		return cmd
	}, env...)
}

func serve(t *testing.T, secret webhook.Secret) (host, file string) {
	file = filepath.Join(t.TempDir(), "state.json")
	return serveNode(t, "receiver.js", "WEBHOOK_SECRET="+secret.Key, "RECEIVER_STATE="+file), file
}

func TestTheReceiver(t *testing.T) {
	receivertest.TestKeeper(t, serve)
}

func TestTheReceiverBelievesOnlyWhatIsSigned(t *testing.T) {
	receivertest.TestSignatures(t, func(t *testing.T, secret webhook.Secret) string {
		host, _ := serve(t, secret)
		return host
	})
}

func TestTheReceiverTakesTheLongestBody(t *testing.T) {
	secret := webhook.NewSecret()
	host, file := serve(t, secret)
	s := receivertest.NewSender(t, host)
	s.Webhook(host, webhook.FormatCurrent, secret)
	e := webhook.Sample(webhook.TypeSubscribe).(webhook.Subscribe)
	e.Subscriber.Fields = map[string]string{"7": strings.Repeat("x", 255<<10)}
	s.Deliver(1, e)
	assert.Len(t, receivertest.ReadState(t, file).People["12"].Fields["7"].Value, 255<<10)
}

func TestTheReceiverAsksAgainForWhatItCouldNotKeep(t *testing.T) {
	const body = "type=open&date_time=2026-03-31T09:00:00Z&campaign[id]=34"
	secret := webhook.NewSecret()
	for name, spoil := range map[string]func(file string) error{
		"a damaged state":   func(file string) error { return os.WriteFile(file, []byte("{"), 0o600) },
		"no place to write": func(file string) error { return os.Mkdir(file+".new", 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			host, file := serve(t, secret)
			require.NoError(t, spoil(file))
			status, answer := receivertest.Post(t, host, body, receivertest.Signed(secret, "a", time.Now().Unix(), body))
			assert.Equal(t, http.StatusInternalServerError, status)
			assert.Equal(t, "not taken\n", answer, "what went wrong is not for strangers")
		})
	}
}

func TestTheReceiverDoesNotStartWithoutASecret(t *testing.T) {
	for _, key := range []string{"", "whsec_", "whsec_AAAA", "secret", "whsec_!"} {
		cmd := node(t, "receiver.js")
		cmd.Env = append(cmd.Env, "WEBHOOK_SECRET="+key, "PORT=0")
		out, err := cmd.CombinedOutput()
		assert.Error(t, err, "with the secret %q", key)
		assert.Contains(t, string(out), "WEBHOOK_SECRET")
	}
}

// What docs/receivers.md says of Express and qs.
func TestWhatParsersMakeOfFields(t *testing.T) {
	secret := webhook.NewSecret()
	host := serveNode(t, "testdata/parsers.js", "WEBHOOK_SECRET="+secret.Key)
	s := receivertest.NewSender(t, host)
	s.Webhook(host, webhook.FormatCurrent, secret)
	d := s.Deliver(1, webhook.Sample(webhook.TypeSubscribe))[0]
	var got map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(receivertest.Answer(d)), &got), receivertest.Answer(d))
	assert.JSONEq(t, `["test value", "value 1", "2013-01-03"]`, string(got["extended: true"]), "the ids are lost")
	const whole = `{"7": "test value", "15": "value 1", "16": "2013-01-03"}`
	assert.JSONEq(t, whole, string(got["extended: false"]))
	assert.JSONEq(t, `"entity.verify.failed"`, string(got["another body"]))
	assert.JSONEq(t, whole, string(got["parseArrays: false"]))
	assert.JSONEq(t, whole, string(got["URLSearchParams"]))
}

// What docs/json.md says: the library verifies JSON as its own documents call it, and
// returns what was sent.
func TestTheLibraryReadsJSONAsUsual(t *testing.T) {
	secret := webhook.NewSecret()
	host := serveNode(t, "testdata/verify.js", "WEBHOOK_SECRET="+secret.Key)
	s := receivertest.NewSender(t, host)
	s.Webhook(host, webhook.FormatJSON, secret)
	for _, event := range webhook.EventTypes() {
		d := s.Deliver(1, webhook.Sample(event))[0]
		var answer struct {
			Usual    string `json:"as usual"`
			Other    string `json:"another body"`
			Returned any    `json:"returned"`
		}
		require.NoError(t, json.Unmarshal([]byte(receivertest.Answer(d)), &answer))
		assert.Equal(t, "verified", answer.Usual)
		assert.Equal(t, "WebhookVerificationError", answer.Other)
		var sent any
		require.NoError(t, json.Unmarshal(d.Body, &sent))
		assert.Equal(t, sent, answer.Returned)
	}
}

// What docs/receivers.md says of the library for Node.js.
func TestTheLibraryReadsAFormOnlyWhenItIsTold(t *testing.T) {
	secret := webhook.NewSecret()
	host := serveNode(t, "testdata/verify.js", "WEBHOOK_SECRET="+secret.Key)
	s := receivertest.NewSender(t, host)
	s.Webhook(host, webhook.FormatCurrent, secret)
	for _, event := range webhook.EventTypes() {
		d := s.Deliver(1, webhook.Sample(event))[0]
		assert.JSONEq(t, `{"as usual": "SyntaxError", "returned": null, "jsonParse: false": "verified", "another body": "WebhookVerificationError"}`, receivertest.Answer(d))
	}
}
