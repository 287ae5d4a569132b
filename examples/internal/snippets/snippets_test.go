// Package snippets runs the receivers that docs/receivers.md shows: what people
// copy from there is what the tests ran.
package snippets

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/examples/internal/receivertest"
	"github.com/listhook/webhook/internal/npm"
)

// A snippet is a receiver of docs/receivers.md.
type snippet struct {
	language string // of the block
	word     string // in LISTHOOK_REQUIRE
	needs    []string
	command  func(t *testing.T, file, host string) *exec.Cmd
}

var snippets = []snippet{
	{"php", "php", []string{"php"}, func(_ *testing.T, file, host string) *exec.Cmd {
		return exec.Command("php", "-n", "-S", host, file)
	}},
	{"python", "python", []string{"python3"}, func(_ *testing.T, file, _ string) *exec.Cmd {
		return exec.Command("python3", "testdata/serve.py", file)
	}},
	{"ruby", "ruby", []string{"ruby"}, func(_ *testing.T, file, _ string) *exec.Cmd {
		return exec.Command("ruby", "testdata/serve.rb", file)
	}},
	{"js", "npm", []string{"node", "npm"}, func(t *testing.T, file, _ string) *exec.Cmd {
		modules, err := npm.Install("../../nodereceiver")
		require.NoError(t, err)
		cmd := exec.Command("node", file)
		cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
		return cmd
	}},
}

// serve runs a receiver as the document has it, and returns its host.
func (s snippet) serve(t *testing.T, secret webhook.Secret) (host string) {
	t.Helper()
	receivertest.Need(t, s.word, s.needs...)
	document, err := os.ReadFile("../../../docs/receivers.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?ms)^```"+s.language+"\n(.*?)^```$").FindAllSubmatch(document, -1)
	require.Len(t, blocks, 1, "docs/receivers.md has one receiver in %s", s.language)
	file := filepath.Join(t.TempDir(), "receiver."+s.language)
	require.NoError(t, os.WriteFile(file, blocks[0][1], 0o600))
	return receivertest.Serve(t, func(host string) *exec.Cmd {
		cmd := s.command(t, file, host)
		if cmd.Env == nil {
			cmd.Env = os.Environ()
		}
		ip, port, err := net.SplitHostPort(host)
		require.NoError(t, err)
		cmd.Env = append(cmd.Env, "HOST="+ip, "PORT="+port)
		return cmd
	}, "WEBHOOK_SECRET="+secret.Key)
}

func TestTheReceiversOfTheDocument(t *testing.T) {
	for _, s := range snippets {
		t.Run(s.language, func(t *testing.T) {
			receivertest.TestSignatures(t, s.serve)

			t.Run("the event is read", func(t *testing.T) {
				secret := webhook.NewSecret()
				host := s.serve(t, secret)
				for _, format := range webhook.Formats() {
					sender := receivertest.NewSender(t, host)
					sender.Webhook(host, format, secret)
					e := webhook.Sample(webhook.TypeSubscribe).(webhook.Subscribe)
					e.Subscriber.Fields["7"] = "Größe & [7]"
					d := sender.Deliver(1, e)[0]
					assert.Equal(t, "subscribe test@test.com Größe & [7]", receivertest.Answer(d))
				}
			})
		})
	}
}

// With an empty or a short key anybody could sign. The library for Node.js
// refuses only an empty one.
func TestTheReceiversOfTheDocumentBelieveNobodyWithoutASecret(t *testing.T) {
	for _, s := range snippets {
		if s.language == "js" {
			continue
		}
		t.Run(s.language, func(t *testing.T) {
			for _, key := range []string{"", "whsec_", "whsec_AAAA", "secret"} {
				host := s.serve(t, webhook.Secret{Key: key})
				const body = "type=open"
				for _, empty := range []string{"", "whsec_", key} {
					status, _ := receivertest.Post(t, host, body,
						receivertest.Signed(webhook.Secret{Key: empty}, "a", time.Now().Unix(), body))
					assert.Equal(t, http.StatusInternalServerError, status, "with the secret %q", key)
				}
			}
		})
	}
}
