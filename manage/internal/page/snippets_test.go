package page

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// A request is one to verify: the drivers read it as JSON.
type request struct {
	Secret  string            `json:"secret"`
	Headers map[string]string `json:"headers"`
	Body    []byte            `json:"body"` // base64
}

func (r request) with(change func(*request)) request {
	r.Headers, r.Body = maps.Clone(r.Headers), slices.Clone(r.Body)
	change(&r)
	return r
}

// sign signs a request as of a time.
func (r *request) sign(at time.Time) {
	r.Headers["webhook-timestamp"] = strconv.FormatInt(at.Unix(), 10)
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(r.Secret, "whsec_"))
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(r.Headers["webhook-id"] + "." + r.Headers["webhook-timestamp"] + "."))
	mac.Write(r.Body)
	r.Headers["webhook-signature"] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// delivered returns what a receiver gets over HTTP of a webhook whose secret was
// replaced: each of its two secrets signs.
func delivered(t *testing.T, format webhook.Format) []request {
	got := make(chan request, 1)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		headers := map[string]string{}
		for name := range r.Header {
			headers[strings.ToLower(name)] = r.Header.Get(name)
		}
		got <- request{Headers: headers, Body: body}
	}))
	defer receiver.Close()
	d, err := webhook.New(&memstore.Store{}, webhook.NewClient(&webhook.ClientOptions{
		AllowHosts: []string{strings.TrimPrefix(receiver.URL, "http://")},
	}), nil)
	require.NoError(t, err)
	secrets := []webhook.Secret{webhook.NewSecret(), {Key: webhook.NewSecret().Key, Until: time.Now().Add(time.Hour)}}
	w, err := d.AddWebhook(t.Context(), webhook.Webhook{Settings: webhook.Settings{
		URL: receiver.URL, Events: webhook.EventTypes(), Sources: webhook.Sources(), Format: format, Secrets: secrets,
	}})
	require.NoError(t, err)
	_, err = d.SendTest(t.Context(), "", w.ID, webhook.TypeUnsubscribe)
	require.NoError(t, err)
	one := <-got
	var all []request
	for _, s := range secrets {
		all = append(all, one.with(func(r *request) { r.Secret = s.Key }))
	}
	return all
}

// drivers call a snippet on each request of a JSON array, and print what it returns.
var drivers = map[string]struct {
	need, command string
	file          string // "": the driver is added to the snippet
	code          string
	args          []string
}{
	"php": {"php", "php", "", `
foreach (json_decode(stream_get_contents(STDIN), true) as $r) {
    echo verify_webhook($r['secret'], $r['headers'], base64_decode($r['body'])) ? "true\n" : "false\n";
}`, []string{"-n", "verify.php"}},
	"node": {"npm", "node", "", `
for (const r of JSON.parse(require("node:fs").readFileSync(0, "utf8"))) {
  console.log(verifyWebhook(r.secret, r.headers, Buffer.from(r.body, "base64")));
}`, []string{"verify.js"}},
	"python": {"python", "python3", "", `
import json, sys
for r in json.load(sys.stdin):
    print(str(verify_webhook(r["secret"], r["headers"], base64.b64decode(r["body"]))).lower())`, []string{"verify.py"}},
	"ruby": {"ruby", "ruby", "", `
require "json"
JSON.parse($stdin.read).each { |r| puts verify_webhook(r["secret"], r["headers"], r["body"].unpack1("m")) }`, []string{"verify.rb"}},
	"go": {"go", "go", "driver.go", `package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
)

func main() {
	var all []struct {
		Secret  string
		Headers map[string]string
		Body    []byte
	}
	if err := json.NewDecoder(os.Stdin).Decode(&all); err != nil {
		panic(err)
	}
	for _, r := range all {
		h := http.Header{}
		for name, value := range r.Headers {
			h.Set(name, value)
		}
		fmt.Println(verifyWebhook(r.Secret, h, r.Body))
	}
}`, []string{"run", "verify.go", "driver.go"}},
}

func TestEverySnippetVerifiesRealDeliveries(t *testing.T) {
	for _, s := range snippets {
		t.Run(s.Language, func(t *testing.T) {
			driver, ok := drivers[s.ID]
			require.True(t, ok, "a snippet without a driver is not tested")
			if _, err := exec.LookPath(driver.command); err != nil {
				if slices.Contains(strings.Split(os.Getenv("LISTHOOK_REQUIRE"), ","), driver.need) {
					t.Fatalf("%s is required: %v", driver.need, err)
				}
				t.Skipf("%s is not installed", driver.command)
			}
			var requests []request
			var want []string
			add := func(genuine bool, r request) {
				requests, want = append(requests, r), append(want, strconv.FormatBool(genuine))
			}
			for _, format := range webhook.Formats() {
				real := delivered(t, format)
				add(true, real[0])
				add(true, real[1])
				one := real[0]
				add(false, one.with(func(r *request) { r.Body[3] ^= 1 }))
				add(false, one.with(func(r *request) { r.Headers["webhook-id"] += "x" }))
				add(false, one.with(func(r *request) { delete(r.Headers, "webhook-signature") }))
				add(false, one.with(func(r *request) { delete(r.Headers, "webhook-timestamp") }))
				add(false, one.with(func(r *request) { r.Secret = webhook.NewSecret().Key }))
				add(true, one.with(func(r *request) { r.sign(time.Now()) }))
				add(false, one.with(func(r *request) { r.sign(time.Now().Add(-time.Hour)) }))
				add(false, one.with(func(r *request) { r.sign(time.Now().Add(time.Hour)) }))
				add(false, one.with(func(r *request) { r.Headers["webhook-signature"] = "v1,é" }))
			}
			folder := t.TempDir()
			code, err := snippetFiles.ReadFile("snippets/" + s.File)
			require.NoError(t, err)
			name := strings.TrimSuffix(s.File, ".txt")
			if driver.file == "" {
				code = append(code, driver.code...)
			} else {
				require.NoError(t, os.WriteFile(filepath.Join(folder, driver.file), []byte(driver.code), 0o600))
			}
			require.NoError(t, os.WriteFile(filepath.Join(folder, name), code, 0o600))
			in, err := json.Marshal(requests)
			require.NoError(t, err)
			command := exec.Command(driver.command, driver.args...)
			command.Dir, command.Stdin = folder, bytes.NewReader(in)
			var complaints bytes.Buffer
			command.Stderr = &complaints
			out, err := command.Output()
			require.NoError(t, err, complaints.String())
			assert.Empty(t, complaints.String())
			assert.Equal(t, want, strings.Fields(string(out)))
		})
	}
}
