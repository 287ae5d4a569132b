package sentence

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/diagnose"
	"github.com/listhook/webhook/manage/internal/text"
)

// in returns a speaker of a language.
func in(t *testing.T, tag string) Speaker {
	texts, err := text.NewCatalog(nil)
	require.NoError(t, err)
	return Speaker{Lang: texts.Language(tag)}
}

// sentences returns the sentences in a package's code that begin as given, with
// X for what is put in.
func sentences(t *testing.T, folder string, begins ...string) []string {
	fset := token.NewFileSet()
	var all []string
	paths, err := filepath.Glob(folder + "/*.go")
	require.NoError(t, err)
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(f, func(n ast.Node) bool {
			e, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			for _, begin := range begins {
				if s := joined(e); strings.HasPrefix(s, begin) && strings.Contains(s, " ") {
					all = append(all, s)
					return false
				}
			}
			return true
		})
	}
	return all
}

// joined returns the text of an expression of strings that are put together, ""
// where it does not begin with a literal.
func joined(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if s, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return s
		}
	case *ast.BinaryExpr:
		left, right := joined(e.X), joined(e.Y)
		if left == "" || e.Op != token.ADD {
			return ""
		}
		if right == "" {
			right = "X"
		}
		return left + right
	}
	return ""
}

// TestEverySentenceOfTheLibraryIsKnown reads the sentences out of the code: one
// that is reworded there would be shown in English to everybody.
func TestEverySentenceOfTheLibraryIsKnown(t *testing.T) {
	spanish := in(t, "es")
	found := sentences(t, "../../../internal/diagnose", "The ", "Connecting ", "Looking ")
	require.Greater(t, len(found), 40)
	root := sentences(t, "../../..", "Canceled: ", "Erased: ", "Given up", "Begun: ", "The webhook's settings cannot", "The receiver answered ")
	require.Greater(t, len(root), 6)
	for _, sentence := range append(found, root...) {
		switch {
		case strings.Contains(sentence, "did not answerX"): // " within 5s" or " in time"
			sentence = strings.Replace(sentence, "X", " within 5s", 1)
		case strings.HasPrefix(sentence, "The URL X:"):
			sentence = strings.Replace(sentence, "X", "has a port that is not allowed", 1)
		case strings.Contains(sentence, "replaces it, the %s."):
			sentence = strings.Replace(sentence, "%s", "unsubscribe msg_1 of 2 January 2013 09:28:42 UTC", 1)
		}
		assert.NotEqual(t, sentence, spanish.Sentence(sentence), "not known")
	}
}

func TestWhyAWebhookCannotBeReadIsKnown(t *testing.T) {
	unreadable := webhook.Webhook{Sealed: []byte("sealed")}
	var invalid *webhook.InvalidError
	require.ErrorAs(t, webhook.ErrUnreadable, &invalid)
	for _, tag := range []string{"de", "es"} {
		speaker := in(t, tag)
		says := speaker.Sentence(unreadable.Unreadable())
		assert.NotEqual(t, unreadable.Unreadable(), says)
		assert.Equal(t, says, speaker.Problem(invalid, ""))
		assert.Equal(t, says, speaker.Reason(webhook.Attempt{Code: "sender", Reason: unreadable.Unreadable()}))
	}
	for _, lists := range []string{"The event waits for the key.", "The event waits for the key. It comes once and names all of the event's lists: 12, 13."} {
		sentence := "The webhook cannot be read, because its encryption key is missing. " + lists
		assert.NotContains(t, in(t, "de").Sentence(sentence), "The ")
	}
}

func TestADeliveryWithoutABodySaysWhy(t *testing.T) {
	english := in(t, "en")
	note := func(reason string) []webhook.Attempt {
		return []webhook.Attempt{{Status: 503, Reason: "It failed."}, {Code: "canceled", Reason: reason}}
	}
	root := sentences(t, "../../..", "Canceled: ", "Erased: ")
	for reason, want := range noBody {
		assert.Contains(t, root, reason, "the library does not write this")
		assert.Equal(t, string(want), english.NoBody(webhook.Delivery{State: webhook.StateCanceled, Log: note(reason)}))
	}
	for _, reason := range root {
		if strings.HasPrefix(reason, "Erased: ") {
			assert.Contains(t, noBody, reason)
		}
	}
	delivered := webhook.Delivery{State: webhook.StateDelivered, Log: []webhook.Attempt{{Status: 200}}}
	assert.Equal(t, "The body was removed after delivery, so this cannot be sent again.", english.NoBody(delivered))
	assert.Equal(t, "The body was erased.", english.NoBody(webhook.Delivery{Log: note("Canceled: the app says so.")}))
	delivered.Body = []byte("type=open")
	assert.Empty(t, english.NoBody(delivered))
}

func TestEveryProblemOfAFieldIsKnown(t *testing.T) {
	spanish := in(t, "es")
	for _, reason := range sentences(t, "../../../internal/netguard", "has a ", "is not valid UTF", "contains a ", "does not begin", "has no ") {
		e := &webhook.InvalidError{Field: "URL", Reason: reason}
		assert.NotContains(t, spanish.Problem(e, "https://10.0.0.1/"), reason)
	}
	for name, w := range map[string]webhook.Settings{
		"a long name":     {Name: strings.Repeat("x", 300)},
		"a bad name":      {Name: "\xff"},
		"a long URL":      {URL: "https://example.com/" + strings.Repeat("x", 3000)},
		"no events":       {Events: []webhook.EventType{}},
		"an unknown type": {Events: []webhook.EventType{"Party!"}},
		"no sources":      {Sources: []webhook.Source{}},
		"a source":        {Sources: []webhook.Source{"party"}},
		"a format":        {Format: "1999"},
		"a header":        {Headers: map[string]string{"a b": "c"}},
		"a header twice":  {Headers: map[string]string{"a": "c", "A": "d"}},
		"a header's text": {Headers: map[string]string{"A": "\n"}},
		"our own header":  {Headers: map[string]string{"Host": "c"}},
		"a long reason":   {Disabled: strings.Repeat("x", 300)},
	} {
		if w.URL == "" {
			w.URL = "https://example.com/"
		}
		if w.Events == nil {
			w.Events = webhook.EventTypes()
		}
		if w.Sources == nil {
			w.Sources = webhook.Sources()
		}
		var invalid *webhook.InvalidError
		require.ErrorAs(t, webhook.Webhook{Settings: w}.Validate(), &invalid, name)
		assert.NotContains(t, spanish.Problem(invalid, w.URL), invalid.Reason, name)
	}
	assert.Equal(t, "Order: is odd.", spanish.Problem(&webhook.InvalidError{Field: "Order", Reason: "is odd"}, ""), "what is not known is shown as it is")
}

func TestAReasonIsRenderedFromItsCode(t *testing.T) {
	english, german := in(t, "en"), in(t, "de")
	for _, status := range []int{100, 204, 301, 400, 401, 404, 405, 410, 413, 415, 429, 500, 502, 503, 522, 599} {
		stored := diagnose.Status(status, "application/json")
		a := webhook.Attempt{Status: status, Reason: stored}
		assert.Equal(t, stored, english.Reason(a), "the page's English is the library's")
		assert.NotEqual(t, stored, german.Reason(a))
		a.Reason = "A sentence of another version."
		if status != http.StatusUnsupportedMediaType { // it says more
			assert.Equal(t, stored, english.Reason(a), "the code decides")
		}
		if status != http.StatusGone {
			assert.Contains(t, german.Reason(a), strconv.Itoa(status))
		}
	}
	for _, c := range []struct{ code, stored, want string }{
		{"certificate_expired", "The receiver's certificate expired on 2 January 2026: renew it.", "Das Zertifikat des Empfängers ist am 2. Jan. 2026 abgelaufen: Erneuern Sie es."},
		{"certificate_expired", "In other words.", "Das Zertifikat des Empfängers ist abgelaufen: Erneuern Sie es."},
		{"answer_timeout", "The receiver did not answer within 30s: make it answer first and do its work afterwards.", "Der Empfänger antwortete nicht innerhalb der Zeit (30 Sekunden): Lassen Sie ihn erst antworten und danach arbeiten."},
		{"answer_timeout", "Too late.", "Der Empfänger antwortete nicht rechtzeitig: Lassen Sie ihn erst antworten und danach arbeiten."},
		{"tls", "The receiver's TLS does not know the host name of the URL: install a certificate for that name.", "Das TLS des Empfängers kennt den Hostnamen der URL nicht: Installieren Sie ein Zertifikat für diesen Namen."},
		{"address", "The URL has a host that is not a public address: webhooks are sent to public hosts on the usual ports only.", "Geben Sie eine URL an, die aus dem Internet erreichbar ist. Webhooks werden nur an öffentliche Hosts auf den üblichen Ports gesendet."},
		{"canceled", "Canceled: the webhook is off: Stocktaking", "Abgebrochen: Der Webhook ist ausgeschaltet: Stocktaking"},
		{"canceled", "Canceled: a newer event replaces it: unsubscribe, delivery msg_1, of 2026-01-02 15:04:05 UTC.", "Abgebrochen: Ein neueres Ereignis ersetzt sie: Neue Abmeldung, Zustellung msg_1, vom 2. Jan. 2026, 15:04:05 UTC."},
		{"canceled", "Canceled: a newer event replaces it, the unsubscribe msg_1 of 2 January 2026 15:04:05 UTC.", "Abgebrochen: Ein neueres Ereignis ersetzt sie: Neue Abmeldung, 2. Jan. 2026, 15:04:05 UTC, msg_1."},
		{"canceled", "Canceled: the app says so.", "Canceled: the app says so."},
		{"", "Something of the first version.", "Something of the first version."},
		{"unheard_of", "Something of the next version.", "Something of the next version."},
	} {
		assert.Equal(t, c.want, german.Reason(webhook.Attempt{Start: time.Now(), Code: c.code, Reason: c.stored}))
	}
	assert.Empty(t, german.Reason(webhook.Attempt{Status: 200}))
}

func TestWhyAWebhookIsOffIsTranslated(t *testing.T) {
	german := in(t, "de")
	for stored, want := range map[string]string{
		"All attempts have failed since 2 January 2026. The receiver failed (500 Internal Server Error): check its error log.": "Alle Versuche sind seit dem 2. Jan. 2026 fehlgeschlagen. Beim Empfänger trat ein Fehler auf (500 Internal Server Error): Sehen Sie in seinem Fehlerprotokoll nach.",
		"Switched off on the page.": "Auf der Seite ausgeschaltet.",
		"Moving to another server.": "Moving to another server.",
	} {
		assert.Equal(t, want, german.Sentence(stored))
	}
}
