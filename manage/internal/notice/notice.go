// Package notice writes what owners of webhooks are told: a subject and a text, in
// their language.
package notice

import (
	"cmp"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/sentence"
	"github.com/listhook/webhook/manage/internal/text"
)

// A Kind says what happened to a webhook.
type Kind string

// The kinds.
const (
	Failing   Kind = "failing"
	Warning   Kind = "warning"
	Disabled  Kind = "disabled"
	Recovered Kind = "recovered"
)

// subjects are the subjects by kind.
var subjects = map[Kind]text.Message{
	Failing:   "Your webhook {name} is failing",
	Warning:   "Your webhook {name} will be switched off",
	Disabled:  "Your webhook {name} was switched off",
	Recovered: "Your webhook {name} works again",
}

// A Writer writes notices for one owner.
type Writer struct {
	Lang     *text.Language
	Location *time.Location
	Page     string // the webhook's, as an absolute URL; "": none
}

// Write returns the notice about a webhook as it is stored. The subject is one line. The
// text has paragraphs with an empty line between them, and holds neither the webhook's
// URL nor its headers.
func (n Writer) Write(k Kind, w webhook.Webhook) (subject, body string) {
	subject = n.Lang.Text(subjects[k], "name", cmp.Or(oneLine(w.Name), w.ID))
	say := sentence.Speaker{Lang: n.Lang}
	var paragraphs []string
	switch k {
	case Disabled:
		paragraphs = []string{say.Sentence(w.Disabled), n.Lang.Text("Fix the receiver, then switch the webhook on again."), n.meanwhile(w)}
	case Recovered:
		paragraphs = []string{n.about(w, "Events are delivered again.", "Events are delivered to {host} again."), n.Lang.Text("The waiting events are being sent now.")}
	default:
		paragraphs = []string{
			n.about(w, "All attempts have failed since {time}.", "All attempts to send events to {host} have failed since {time}."),
			say.Sentence(w.Health.Reason),
		}
		if k == Warning {
			paragraphs = append(paragraphs, n.Lang.Text("If this goes on, the webhook will be switched off."), n.meanwhile(w))
		} else {
			paragraphs = append(paragraphs, n.Lang.Text("We keep trying, and send the waiting events when the receiver answers again."))
		}
	}
	if n.Page != "" {
		paragraphs = append(paragraphs, n.Page)
	}
	return subject, strings.Join(paragraphs, "\n\n") + "\n"
}

// about says a message with the host of a webhook, or another one if it has none that
// can be read.
func (n Writer) about(w webhook.Webhook, without, with text.Message) string {
	m, host := without, ""
	if u, err := url.Parse(w.URL); err == nil && u.Hostname() != "" {
		m, host = with, u.Hostname()
	}
	return n.Lang.Text(m, "host", host, "time", n.Lang.Time(w.Health.Since.In(n.Location)))
}

// meanwhile says what becomes of events while a webhook is off.
func (n Writer) meanwhile(w webhook.Webhook) string {
	if w.KeepEvents {
		return n.Lang.Text("Events are kept, and sent when it is on again.")
	}
	return n.Lang.Text("Events that happen while it is off are not sent.")
}

// oneLine returns a text without line ends and other control characters.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.IsSpace(r) || r == '\u2028' || r == '\u2029'
	}), " ")
}
