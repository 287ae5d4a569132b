// Package snippets runs the receivers that docs/receivers.md shows: what people
// copy from there is what the tests ran.
package snippets

import (
	"bytes"
	"context"
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

// failure runs a receiver that ends because of its secret, and returns what it printed.
func (s snippet) failure(t *testing.T, key string) string {
	t.Helper()
	receivertest.Need(t, s.word, s.needs...)
	file := filepath.Join(t.TempDir(), "receiver."+s.language)
	require.NoError(t, os.WriteFile(file, block(t, s.language, s.begins), 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	shown := s.command(t, file, "")
	cmd := exec.CommandContext(ctx, shown.Path, shown.Args[1:]...)
	cmd.Env = append(shown.Env, "WEBHOOK_SECRET="+key, "HOST=127.0.0.1", "PORT=0")
	said, err := cmd.CombinedOutput()
	assert.Error(t, err)
	return string(said)
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

			t.Run("a proxy may write the content type otherwise", func(t *testing.T) {
				secret := webhook.NewSecret()
				host := s.serve(t, secret)
				const body = `{"id":"a","type":"open","contact":{"id":"12","email":"test@test.com","fields":{"7":"x"}}}`
				header := receivertest.Signed(secret, "a", time.Now().Unix(), body)
				header.Set("Content-Type", "Application/JSON; charset=utf-8")
				status, answer := receivertest.Post(t, host, body, header)
				assert.Equal(t, http.StatusOK, status)
				assert.Equal(t, "a open test@test.com x", strings.TrimSpace(answer))
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

// What PHP cuts off would be lost if the answer were a success.
func TestTheReceiverOfTheDocumentInPHPRefusesWhatPHPCutOff(t *testing.T) {
	for _, limit := range receivertest.PHPLimits {
		inPHP := snippets[0]
		inPHP.command = func(_ *testing.T, file, host string) *exec.Cmd {
			return exec.Command("php", "-n", "-d", "display_startup_errors=0", "-d", limit, "-S", host, file)
		}
		secret := webhook.NewSecret()
		host := inPHP.serve(t, secret)
		for events, want := range map[int]int{1: http.StatusOK, 10: http.StatusRequestEntityTooLarge} {
			body := receivertest.BatchOf(events)
			status, answer := receivertest.Post(t, host, body, receivertest.Signed(secret, "a", time.Now().Unix(), body))
			assert.Equal(t, want, status, "%s, %d events: %s", limit, events, answer)
		}
	}
}

// With an empty or a short key anybody could sign. The receiver in Node.js does not
// start with one.
func TestTheReceiversOfTheDocumentBelieveNobodyWithoutASecret(t *testing.T) {
	for _, s := range snippets {
		t.Run(s.language, func(t *testing.T) {
			for _, key := range []string{"", "whsec_", "whsec_AAAA", "secret"} {
				if s.language == "js" {
					assert.Contains(t, s.failure(t, key), "this is no secret", "with the secret %q", key)
					continue
				}
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
