// Package snippets runs the receivers that docs/receivers.md shows: what people
// copy from there is what the tests ran.
package snippets

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
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
	begins   string // the block; "": it is the only one in the language
	word     string // in LISTHOOK_REQUIRE
	needs    []string
	command  func(t *testing.T, file, host string) *exec.Cmd
}

var snippets = []snippet{
	{"php", "<?php", "php", []string{"php"}, func(_ *testing.T, file, host string) *exec.Cmd {
		return exec.Command("php", "-n", "-S", host, file)
	}},
	{"python", "", "python", []string{"python3"}, func(_ *testing.T, file, _ string) *exec.Cmd {
		return exec.Command("python3", "testdata/serve.py", file)
	}},
	{"ruby", "", "ruby", []string{"ruby"}, func(_ *testing.T, file, _ string) *exec.Cmd {
		return exec.Command("ruby", "testdata/serve.rb", file)
	}},
	{"js", "", "npm", []string{"node", "npm"}, func(t *testing.T, file, _ string) *exec.Cmd {
		modules, err := npm.Install("../../nodereceiver")
		require.NoError(t, err)
		cmd := exec.Command("node", file)
		cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
		return cmd
	}},
}

// block returns the one block of the document in a language that begins as given.
func block(t *testing.T, language, begins string) []byte {
	t.Helper()
	document, err := os.ReadFile("../../../docs/receivers.md")
	require.NoError(t, err)
	pattern := "(?ms)^```" + language + "\n(" + regexp.QuoteMeta(begins) + ".*?)^```$"
	blocks := regexp.MustCompile(pattern).FindAllSubmatch(document, -1)
	require.Len(t, blocks, 1, "blocks of docs/receivers.md in %s that begin with %q", language, begins)
	return blocks[0][1]
}

// serve runs a receiver as the document has it, and returns its host.
func (s snippet) serve(t *testing.T, secret webhook.Secret) (host string) {
	t.Helper()
	receivertest.Need(t, s.word, s.needs...)
	file := filepath.Join(t.TempDir(), "receiver."+s.language)
	require.NoError(t, os.WriteFile(file, block(t, s.language, s.begins), 0o600))
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
					d := sender.Deliver(1, subscription("test@test.com"))[0]
					assert.Equal(t, d.ID+" subscribe test@test.com Größe & [7]", strings.TrimSpace(receivertest.Answer(d)))
				}
			})

			t.Run("every event of a request is read", func(t *testing.T) {
				secret := webhook.NewSecret()
				host := s.serve(t, secret)
				for _, format := range webhook.Formats() {
					sender := receivertest.NewSender(t, host)
					sender.Batched(host, 12, format, secret)
					var events []webhook.Event
					for i := range 11 { // the order of "10" and "2"
						events = append(events, subscription(fmt.Sprint(i, "@test.com")))
					}
					ds := sender.Deliver(12, append(events, webhook.Sample(webhook.TypeSent))...)
					answers, requests := receivertest.Answers(ds)
					assert.Less(t, requests, 12)
					var want []string
					for _, d := range ds {
						if d.Type == webhook.TypeSent {
							want = append(want, d.ID+" sent")
							continue
						}
						event := decoded(t, d)
						want = append(want, d.ID+" subscribe "+event.Subscriber.Email+" Größe & [7]")
					}
					var got []string
					for _, answer := range answers {
						for line := range strings.Lines(answer) {
							got = append(got, strings.TrimSpace(line))
						}
					}
					assert.ElementsMatch(t, want, got)
				}
			})
		})
	}
}

// subscription is of a person with a field, each with an ID of its own: two events of one
// person never go together.
func subscription(email string) webhook.Subscribe {
	e := webhook.Sample(webhook.TypeSubscribe).(webhook.Subscribe)
	e.Subscriber.ID, e.Subscriber.Email = email, email
	e.Subscriber.Fields["7"] = "Größe & [7]"
	return e
}

// decoded returns the event of a delivery.
func decoded(t *testing.T, d webhook.Delivery) webhook.Subscribe {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(d.Body))
	r.Header.Set("Content-Type", d.ContentType())
	events, err := webhook.ParseRequest(r, &webhook.ReceiveOptions{Unsigned: true})
	require.NoError(t, err)
	return events[0].(webhook.Subscribe)
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

// The loop of the document reads all events of a batch, and the event of a request that
// brings one.
func TestTheLoopOverTheEventsOfARequest(t *testing.T) {
	receivertest.Need(t, "php", "php")
	loop := block(t, "php", "$events = ")
	const print = "foreach ($events as $event) { echo $event['id'], ' ', $event['subscriber']['email'], \"\\n\"; }\n"
	file := filepath.Join(t.TempDir(), "loop.php")
	require.NoError(t, os.WriteFile(file, []byte("<?php\n"+string(loop)+print), 0o600))
	host := receivertest.Serve(t, func(host string) *exec.Cmd { return exec.Command("php", "-n", "-S", host, file) })
	for name, add := range map[string]func(*receivertest.Sender){
		"one event a request":    func(s *receivertest.Sender) { s.Webhook(host, webhook.Format2013) },
		"three events a request": func(s *receivertest.Sender) { s.Batched(host, 3, webhook.Format2013) },
	} {
		t.Run(name, func(t *testing.T) {
			sender := receivertest.NewSender(t, host)
			add(sender)
			e := webhook.Sample(webhook.TypeOpen).(webhook.Open)
			ds := sender.Deliver(3, e, e, e)
			var want, got []string
			for _, d := range ds {
				want = append(want, d.ID+" "+e.Subscriber.Email)
				got = append(got, strings.FieldsFunc(receivertest.Answer(d), func(r rune) bool { return r == '\n' })...)
			}
			assert.ElementsMatch(t, want, got)
		})
	}
}
