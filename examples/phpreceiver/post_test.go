package phpreceiver

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/examples/internal/receivertest"
)

var update = flag.Bool("update", false, "write the goldens in testdata anew")

// The goldens are what print_r($_POST) prints for each of the nine.
func TestWhatPHPHoldsInPOST(t *testing.T) {
	host := servePHP(t, "testdata/print_r.php")
	for _, format := range []webhook.Format{webhook.Format2013, webhook.FormatCurrent} {
		t.Run(string(format), func(t *testing.T) {
			s := receivertest.NewSender(t, host)
			s.Webhook(host, format)

			var got strings.Builder
			for _, event := range webhook.EventTypes() {
				d := s.Deliver(1, webhook.Sample(event))[0]
				fmt.Fprintf(&got, "$_POST after %s:\n%s\n", event, receivertest.Answer(d))
			}

			golden := filepath.Join("testdata", "post."+string(format)+".txt")
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(got.String()), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			assert.Equal(t, string(want), got.String())
		})
	}
}

func TestPHPHoldsEveryFieldUnderItsNameWhateverItsNameIs(t *testing.T) {
	host := servePHP(t, "testdata/bytes.php")
	s := receivertest.NewSender(t, host)
	s.Webhook(host, webhook.Format2013)

	hostile := map[string]string{
		"7":                         "test value",
		"-1":                        "negative",
		"007":                       "not the number seven",
		"18446744073709551616":      "beyond every integer",
		"id":                        "another's id",
		"email":                     "another's email",
		"a.b":                       "PHP makes _ of a dot, at the top only",
		"a b":                       "PHP makes _ of a space, at the top only",
		"a=b&subscriber%5Bid%5D=1":  "a whole variable",
		"%5D%5Bid":                  "brackets, escaped once already",
		"GLOBALS":                   "x",
		"_POST":                     "x",
		"__proto__":                 "x",
		"constructor":               "x",
		"../../etc/passwd":          "x",
		"<script>alert(1)</script>": `"><img src=x onerror=alert(1)>`,
		"' OR 1=1 --":               `'); DROP TABLE subscribers; --`,
		"<?php system('id') ?>":     "${@print(1)}",
		"日本語":                       "寿司 🍣",
		"\r\nSet-Cookie: a=b":       "line\r\nline\nline\r",
		"brackets":                  "subscriber[id]=1&subscriber[fields][7]=2",
		"plus and percent":          "1+1=2 100% %41 &amp;",
		"nul":                       "a\x00b",
		"no UTF-8":                  "\xff\xfe\xc3(",
		"choices":                   webhook.Choices("A", "B"),
		"long":                      strings.Repeat("x", 4_000),
	}
	d := s.Deliver(1, webhook.Subscribe{
		Meta: webhook.Meta{Source: webhook.SourcePublic, By: "a&b=c[d]"},
		Subscriber: webhook.Subscriber{
			ID: "12", Email: "o'brien+news@example.com", FirstName: "]&subscriber[id]=13", LastName: "\x00",
			Fields: hostile,
		},
	})[0]

	post := decodeBytes(t, []byte(receivertest.Answer(d)))
	want := map[string]string{
		"type": "subscribe", "date_time": post["date_time"], "initiated_from": "public",
		"initiated_by": "a&b=c[d]", "list": "0",
		"subscriber/id": "12", "subscriber/email": "o'brien+news@example.com",
		"subscriber/first_name": "]&subscriber[id]=13", "subscriber/last_name": "\x00",
		"subscriber/ip": "0.0.0.0",
	}
	for field, value := range hostile {
		want["subscriber/fields/"+field] = value
	}
	assert.Equal(t, want, post)
}

func TestFieldsThatPHPWouldMisreadAreNotSent(t *testing.T) {
	host := servePHP(t, "testdata/bytes.php")
	s := receivertest.NewSender(t, host)
	s.Webhook(host, webhook.Format2013)
	for _, name := range []string{"", "]", "[", "a]", "a[b", "a][id", "][", "a\x00b", " "} {
		event := webhook.Sample(webhook.TypeSubscribe).(webhook.Subscribe)
		event.Subscriber.Fields = map[string]string{"7": "test value", name: "x"}

		var invalid *webhook.InvalidError
		if err := s.Emit(t.Context(), event); assert.ErrorAs(t, err, &invalid, "a field named %q", name) {
			assert.Contains(t, invalid.Field, "Subscriber.Fields")
		}
	}
	n, err := s.Count(t.Context(), webhook.DeliveryQuery{})
	require.NoError(t, err)
	assert.Zero(t, n)
}

// decodeBytes reads what bytes.php answers: texts by their keys, from the
// outermost to the innermost, with slashes between.
func decodeBytes(t *testing.T, answer []byte) map[string]string {
	t.Helper()
	var pairs [][2]json.RawMessage
	require.NoError(t, json.Unmarshal(answer, &pairs), "%s", answer)
	post := map[string]string{}
	for _, pair := range pairs {
		var key, text []byte // encoding/json reads base64 into bytes
		require.NoError(t, json.Unmarshal(pair[0], &key))
		if err := json.Unmarshal(pair[1], &text); err == nil {
			post[string(key)] = string(text)
			continue
		}
		inner := decodeBytes(t, pair[1])
		for path, text := range inner {
			post[string(key)+"/"+path] = text
		}
	}
	return post
}
