// Package sentence says what the library says in English, such as why an attempt
// failed, why a webhook is off and what is wrong with a field, in the language and the
// words of customers. A sentence that is not known here, as one that the app wrote, is
// said as it is.
package sentence

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/label"
	"github.com/listhook/webhook/manage/internal/text"
)

// A Speaker says sentences in a language.
type Speaker struct {
	Lang      *text.Language
	Catalogue []webhook.EventInfo // names types of events; nil: the nine
}

// A knownSentence is one of the library's.
type knownSentence struct {
	codes string       // of Attempt.Failure, with spaces between; "5xx" is a class of statuses
	says  string       // as the library writes it, with arguments
	shown text.Message // as the page says it
}

// same is a sentence that the page says as the library does.
func same(codes string, m text.Message) knownSentence { return knownSentence{codes, string(m), m} }

// attemptSentences say why attempts failed. Of those with the same code the first
// whose arguments the attempt itself tells stands for all of them.
var attemptSentences = []knownSentence{
	same("301 302 303 307 308", "The receiver redirected to another URL ({answer}), and redirects are not followed: enter the final URL."),
	same("401 403 407", "The receiver refused access ({answer}): check the key or password that it expects, and whether a firewall or bot protection blocks requests."),
	same("404", "The receiver found nothing at the URL ({answer}): check its path."),
	same("405", "The receiver does not accept POST requests at the URL ({answer}): check its path, or make it accept them."),
	same("410", "The receiver answered 410 Gone, which switches the webhook off: switch it on again when the receiver is back."),
	same("413", "The receiver does not accept requests of this size ({answer}): raise its limit."),
	same("415", "The receiver does not accept the webhook's format ({answer}): make it accept {type}, or choose another format."),
	same("415", "The receiver does not accept the webhook's format ({answer}): make it accept that, or choose another format."),
	same("415", "The receiver takes no forms ({answer}): let it take application/x-www-form-urlencoded."),
	same("429", "The receiver asked for fewer requests ({answer}): raise its limit if deliveries come too slowly."),
	same("503", "The receiver is not available ({answer}): check whether it is overloaded or in maintenance."),
	same("502 504 520 521 522 523 524 525 526 527 528 529 530", "The server in front of the receiver got no valid answer from it ({answer}): check that the application behind it runs."),
	same("5xx", "The receiver failed ({answer}): check its error log."),
	same("4xx", "The receiver refused the request ({answer}): check its log for the reason."),
	same("1xx 2xx 3xx", "The receiver answered {answer}: make it answer 200 OK once it has accepted the request."),

	{"address", "The URL {problem}: webhooks are sent to public hosts on the usual ports only.", "{problem} Webhooks are sent to public hosts on the usual ports only."},
	same("address", "The URL cannot be requested: webhooks are sent to public hosts on the usual ports only."),
	same("lookup", "The host name of the URL could not be looked up: check its DNS servers."),
	same("lookup", "The host name of the URL was not found: check its spelling and its DNS records."),
	same("lookup_timeout", "Looking up the host name of the URL took too long: check its DNS servers."),
	same("connect_timeout", "Connecting to the receiver took too long: check that its server runs and that no firewall drops the connection."),
	same("tls_timeout", "The TLS handshake with the receiver took too long: check whether its server is overloaded."),
	same("send_timeout", "The receiver took too long to read the request: check whether its server is overloaded."),
	same("answer_timeout", "The receiver did not answer in time: make it answer first and do its work afterwards."),
	same("answer_timeout", "The receiver did not answer within {time}: make it answer first and do its work afterwards."),
	same("refused", "The receiver refused the connection: check that its server runs and listens at the port of the URL."),
	same("unreachable", "The receiver's host cannot be reached: check that it is connected and that its DNS records are right."),
	same("connect", "The connection to the receiver failed: check that its server can be reached from the Internet."),
	same("certificate", "The receiver's certificate is not valid for a web server: install one that is."),
	same("certificate", "The receiver's certificate is not valid before {date}: install one that is valid now."),
	same("certificate_expired", "The receiver's certificate expired on {date}: renew it."),
	same("certificate_expired", "The receiver's certificate has expired: renew it."),
	same("certificate_host", "The receiver's certificate is for a different host name: install one for the URL's host name, or enter the name that the certificate is for."),
	same("certificate_untrusted", "The receiver's certificate is not signed by a trusted authority: install one that is, and make the server send the intermediate certificates too."),
	same("tls", "The TLS handshake with the receiver failed: check that it speaks TLS 1.2 or newer and has a valid certificate."),
	same("tls", "The receiver does not speak TLS at the port of the URL: start the URL with http instead of https, or enter the port that speaks TLS."),
	same("tls", "The receiver asks for a client certificate, which webhooks do not have: make it accept requests without one."),
	same("tls", "The receiver's TLS does not know the host name of the URL: install a certificate for that name."),
	same("reset", "The receiver reset the connection without an answer: check its server's error log."),
	same("closed", "The receiver closed the connection without an answer: check its server's error log."),
	same("not_http", "The receiver's answer is not HTTP: check the port of the URL, and whether the URL must start with https instead of http."),
	same("head_invalid", "The headers of the receiver's answer are not valid HTTP: check whether its application prints something before or between them, such as a warning."),
	same("head_too_large", "The headers of the receiver's answer are too large: make it send fewer or shorter ones."),
	same("broken", "The receiver's answer could not be read: check its server's error log."),
	{"sender", "The sender could not make the request, which is no fault of the receiver's.", "We could not make the request. This is not the receiver's fault."},
	{"sender", "The sender cut the attempt short, which is no fault of the receiver's.", "We had to stop the attempt. This is not the receiver's fault."},
	{"sender", "The webhook's settings cannot be used: the URL {problem}. Edit and save it.", "The webhook's settings cannot be used: edit and save it. {problem}"},
	same("sender", "The webhook's settings cannot be used: edit and save it."),
	same("sender", "The webhook cannot be read, because the key that encrypted its URL, secrets and headers is missing: ask the operator to add the key to Options.EncryptionKeys again, or delete the webhook."),
	same("canceled", "Canceled: the webhook was deleted."),
	same("canceled", "Canceled: the webhook is off: {reason}"),
	{"canceled", "Canceled: what waited for the webhook was dropped.", "Canceled: the events that waited for the webhook were discarded."},
	{"canceled", "Canceled: the webhook keeps no more while it is off.", "Canceled: the webhook was off and already kept the maximum number of events."},
	{"canceled", "Canceled: it was kept for as long as anything is.", "Canceled: the webhook was off for longer than events are kept."},
	{"canceled", "Canceled: a newer event replaces it, the {event} {id} of {moment}.", "Canceled: a newer event replaces it: {event}, {moment}, {id}."},
	same("canceled", "Canceled: a newer event replaces it: {event}, delivery {delivery}, of {when}."),
	{"canceled", "Erased: the subscriber is to be forgotten.", "Erased: the subscriber asked to be forgotten."},
	{"canceled", "Erased: the account is to be forgotten.", "Erased: the data of the account had to be erased."},
	{"begun", "Begun: this delivery has waited long, or earlier attempts left no outcome.", "An attempt was started. This event had waited for a long time, or earlier attempts left no result."},
	{"given_up", "Given up: it was begun many times, and no outcome could be stored.", "Given up: many attempts were started, but no result could be stored."},
}

// noBody says why a delivery has no body, by the note in its log.
var noBody = map[string]text.Message{
	"Erased: the subscriber is to be forgotten.":           "The body was erased, because the subscriber asked to be forgotten.",
	"Erased: the account is to be forgotten.":              "The body was erased, because the data of the account had to be erased.",
	"Canceled: the webhook keeps no more while it is off.": "The body was erased, because the webhook was off and already kept the maximum number of events.",
	"Canceled: it was kept for as long as anything is.":    "The body was erased, because the webhook was off for longer than events are kept.",
}

// NoBody says why a delivery has no body; "" if it has one.
func (s Speaker) NoBody(d webhook.Delivery) string {
	if len(d.Body) > 0 {
		return ""
	}
	for _, a := range slices.Backward(d.Log) {
		if m, ok := noBody[a.Reason]; ok {
			return s.Lang.Text(m)
		}
	}
	if d.BodyDropped() {
		return s.Lang.Text("The body was removed after delivery, so this cannot be sent again.")
	}
	return s.Lang.Text("The body was erased.")
}

// otherSentences say why webhooks are off, and which events they get.
var otherSentences = []knownSentence{
	same("", "All attempts have failed since {date}. {reason}"),
	same("", "The webhook is off."),
	{"", "It was canceled.", "It was stopped."},
	same("", "The receiver answered 410 Gone."),
	same("", "Switched off on the page."),
	same("", "Switched off by the operator."),
	same("", "Switched off by the API."),

	same("", "The webhook was deleted."),
	same("", "The webhook is off: {reason}"),
	{"", "The webhook does not want {event} events.", "The webhook is not set up for this event: {event}."},
	{"", "The webhook does not want events initiated from {source}.", "The webhook is not set up for events triggered by: {source}."},
	{"", "The webhook is tied to list {list}, which is none of the event's.", "The webhook is only for the list {list}, and the event is for another list or none."},
	same("", "The webhook is off and keeps the event until it is switched on."),
	same("", "The webhook is off and keeps the event until it is switched on. {reason}"),
	same("", "The webhook cannot be read, because its encryption key is missing. The event waits for the key."),
	same("", "The webhook cannot be read, because its encryption key is missing. The event waits for the key. {reason}"),
	same("", "The webhook gets the event."),
	same("", "The webhook gets the event. {reason}"),
	same("", "It comes {number} times, once for each of the event's lists: {lists}."),
	same("", "It names the webhook's own list, {list}."),
	same("", "It comes once and names all of the event's lists: {lists}."),
	same("", "It comes once and names {list}, the first of the event's lists: {lists}."),
}

// Reason says why an attempt failed.
func (s Speaker) Reason(a webhook.Attempt) string {
	code := a.Failure()
	if code == "" {
		return ""
	}
	var general *knownSentence
	for i, k := range attemptSentences {
		if !k.isFor(code) {
			continue
		}
		if text, ok := s.translate(k, a.Reason); ok {
			return text
		}
		if general == nil && !strings.Contains(strings.ReplaceAll(k.says, "{answer}", ""), "{") {
			general = &attemptSentences[i]
		}
	}
	if general != nil && code != "canceled" { // what was canceled says why
		return s.Lang.Text(general.shown, "answer", strings.TrimSpace(strconv.Itoa(a.Status)+" "+http.StatusText(a.Status)))
	}
	return s.Sentence(a.Reason)
}

func (k knownSentence) isFor(code string) bool {
	for one := range strings.FieldsSeq(k.codes) {
		if one == code || one[1:] == "xx" && len(code) == 3 && one[0] == code[0] {
			return true
		}
	}
	return false
}

// Sentence says a sentence of the library's.
func (s Speaker) Sentence(english string) string {
	for _, known := range [][]knownSentence{otherSentences, attemptSentences} {
		for _, k := range known {
			if text, ok := s.translate(k, english); ok {
				return text
			}
		}
	}
	return english
}

// translate says an English sentence if it is k.
func (s Speaker) translate(k knownSentence, english string) (string, bool) {
	args, ok := text.Match(k.says, english)
	if !ok {
		return "", false
	}
	for i := 0; i < len(args); i += 2 {
		value := args[i+1].(string)
		switch args[i] {
		case "reason":
			args[i+1] = s.Sentence(value)
		case "problem":
			args[i+1] = s.Problem(&webhook.InvalidError{Field: "URL", Reason: value}, "")
		case "event":
			args[i+1] = label.Find(label.OfTypes(s.Catalogue), value).In(s.Lang)
		case "source":
			args[i+1] = label.Find(label.OfSources(s.Catalogue, webhook.Sources()...), value).In(s.Lang)
		case "date":
			if day, err := time.Parse("2 January 2006", value); err == nil {
				args[i+1] = s.Lang.Date(day)
			}
		case "moment", "when":
			for _, layout := range []string{"2 January 2006 15:04:05 MST", "2006-01-02 15:04:05 MST"} {
				if at, err := time.Parse(layout, value); err == nil {
					args[i+1] = s.Lang.Time(at)
				}
			}
		case "time":
			if d, err := time.ParseDuration(value); err == nil {
				args[i+1] = d
			}
		}
	}
	return s.Lang.Text(k.shown, args...), true
}
