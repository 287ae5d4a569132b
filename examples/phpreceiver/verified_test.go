package phpreceiver

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/examples/internal/receivertest"
)

// serveVerified serves verified.php, and returns the file of its state.
func serveVerified(t *testing.T, secret webhook.Secret) (host, file string) {
	file = filepath.Join(t.TempDir(), "state.json")
	return servePHP(t, "verified.php", "WEBHOOK_SECRET="+secret.Key, "RECEIVER_STATE="+file), file
}

func TestTheVerifyingReceiver(t *testing.T) {
	receivertest.TestKeeper(t, serveVerified)
}

func TestTheVerifyingReceiverBelievesOnlyWhatIsSigned(t *testing.T) {
	receivertest.TestSignatures(t, func(t *testing.T, secret webhook.Secret) string {
		host, _ := serveVerified(t, secret)
		return host
	})
}

// Two servers with one state are what PHP's workers are elsewhere.
func TestTheVerifyingReceiverLosesNothingToAnotherWorker(t *testing.T) {
	secret := webhook.NewSecret()
	file := filepath.Join(t.TempDir(), "state.json")
	env := []string{"WEBHOOK_SECRET=" + secret.Key, "RECEIVER_STATE=" + file}
	one, two := servePHP(t, "verified.php", env...), servePHP(t, "verified.php", env...)
	s := receivertest.NewSender(t, one, two)
	s.Webhook(one, webhook.Format2013, secret)
	s.Webhook(two, webhook.Format2013, secret)

	events := make([]webhook.Event, 50)
	for i := range events {
		events[i] = webhook.Sample(webhook.TypeOpen)
	}
	s.Deliver(2*len(events), events...)
	assert.Equal(t, 2*len(events), receivertest.ReadState(t, file).Reactions["34"]["open"])
	assert.Len(t, receivertest.ReadState(t, file).Seen, 2*len(events))
}

// What PHP cuts off would be lost if the answer were a success.
func TestTheVerifyingReceiverRefusesWhatPHPCutOff(t *testing.T) {
	receivertest.Need(t, "php", "php")
	for _, limit := range receivertest.PHPLimits {
		secret := webhook.NewSecret()
		file := filepath.Join(t.TempDir(), "state.json")
		host := receivertest.Serve(t, func(host string) *exec.Cmd {
			return exec.Command("php", "-n", "-d", "display_startup_errors=0", "-d", limit, "-S", host, "verified.php")
		}, "WEBHOOK_SECRET="+secret.Key, "RECEIVER_STATE="+file)
		for _, events := range []int{10, 1} {
			body := receivertest.BatchOf(events)
			status, answer := receivertest.Post(t, host, body, receivertest.Signed(secret, "batch_1", time.Now().Unix(), body))
			if events == 1 {
				assert.Equal(t, http.StatusOK, status, "%s: %s", limit, answer)
				assert.Len(t, receivertest.ReadState(t, file).People, 1)
				continue
			}
			assert.Equal(t, http.StatusRequestEntityTooLarge, status, "%s: %s", limit, answer)
			assert.NoFileExists(t, file)
		}
	}
}

func TestTheVerifyingReceiverWithoutASecretBelievesNobody(t *testing.T) {
	for _, key := range []string{"", "whsec_", "whsec_AAAA", "secret", "whsec_!"} {
		host, _ := serveVerified(t, webhook.Secret{Key: key})
		const body = "type=open"
		for _, empty := range []string{"", "whsec_", key} {
			status, _ := receivertest.Post(t, host, body, receivertest.Signed(webhook.Secret{Key: empty}, "a", time.Now().Unix(), body))
			assert.Equal(t, http.StatusUnauthorized, status, "with the secret %q", key)
		}
	}
}

func TestTheVerifyingReceiverAsksForWhatItCouldNotKeepAgain(t *testing.T) {
	const body = "type=open&date_time=2026-03-31T09:00:00Z&campaign[id]=34"
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
			status, _ := receivertest.Post(t, host, body, receivertest.Signed(secret, "a", time.Now().Unix(), body))
			assert.Equal(t, http.StatusInternalServerError, status)
		})
	}
}
