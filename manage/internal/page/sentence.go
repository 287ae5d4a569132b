package page

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/netguard"
	"github.com/listhook/webhook/manage/internal/label"
	"github.com/listhook/webhook/manage/internal/text"
)

// The library stores and returns English sentences: why an attempt failed, why a
// webhook is off, what is wrong with a field. The page says these in the
// visitor's language and in its own words. A sentence that is not known here, as
// one that the app wrote, is shown as it is.

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
	same("301 302 303 307 308", "The receiver redirected to another URL ({answer}), which is not followed: enter the final URL."),
	same("401 403 407", "The receiver refused access ({answer}): check the key or password that it expects, and whether a firewall or bot protection stands before it."),
	same("404", "The receiver found nothing at the URL ({answer}): check its path."),
	same("405", "The receiver takes no POST requests at the URL ({answer}): check its path, or let it take them."),
	same("410", "The receiver answered 410 Gone, which switches the webhook off: switch it on again when the receiver is back."),
	same("413", "The receiver takes no requests of this size ({answer}): raise its limit."),
	same("415", "The receiver does not take the webhook's format ({answer}): let it take {type}, or choose another format."),
	same("415", "The receiver does not take the webhook's format ({answer}): let it take that, or choose another format."),
	same("415", "The receiver takes no forms ({answer}): let it take application/x-www-form-urlencoded."),
	same("429", "The receiver asked for fewer requests ({answer}): raise its limit if deliveries come too slowly."),
	same("503", "The receiver is not available ({answer}): check whether it is overloaded or in maintenance."),
	same("502 504 520 521 522 523 524 525 526 527 528 529 530", "The server in front of the receiver got no good answer from it ({answer}): check that the application behind it runs."),
	same("5xx", "The receiver failed ({answer}): look into its own error log."),
	same("4xx", "The receiver refused the request ({answer}): look into its own log for the reason."),
	same("1xx 2xx 3xx", "The receiver answered {answer}: let it answer 200 OK when it has taken the request."),

	{"address", "The URL {problem}: webhooks are sent to public hosts on the usual ports only.", "{problem} Webhooks are sent to public hosts on the usual ports only."},
	same("address", "The URL cannot be requested: webhooks are sent to public hosts on the usual ports only."),
	same("lookup", "The host name of the URL could not be looked up: check its DNS servers."),
	same("lookup", "The host name of the URL was not found: check its spelling and its DNS records."),
	same("lookup_timeout", "Looking up the host name of the URL took too long: check its DNS servers."),
	same("connect_timeout", "Connecting to the receiver took too long: check that its server runs and that no firewall drops the connection."),
	same("tls_timeout", "The TLS handshake with the receiver took too long: check whether its server is overloaded."),
	same("send_timeout", "The receiver took too long to read the request: check whether its server is overloaded."),
	same("answer_timeout", "The receiver did not answer in time: let it answer first and do its work afterwards."),
	same("answer_timeout", "The receiver did not answer within {time}: let it answer first and do its work afterwards."),
	same("refused", "The receiver refused the connection: check that its server runs and listens at the port of the URL."),
	same("unreachable", "The receiver's host cannot be reached: check that it is connected and that its DNS records are right."),
	same("connect", "The connection to the receiver failed: check that its server can be reached from the Internet."),
	same("certificate", "The receiver's certificate is not valid for a web server: install one that is."),
	same("certificate", "The receiver's certificate is not valid before {date}: install one that is valid now."),
	same("certificate_expired", "The receiver's certificate expired on {date}: renew it."),
	same("certificate_expired", "The receiver's certificate has expired: renew it."),
	same("certificate_host", "The receiver's certificate is for another host name than the URL's: install one for that name, or enter the name that it is for."),
	same("certificate_untrusted", "The receiver's certificate is not signed by a trusted authority: install one that is, and let the server send the intermediate certificates too."),
	same("tls", "The TLS handshake with the receiver failed: check that it speaks TLS 1.2 or newer and has a valid certificate."),
	same("tls", "The receiver does not speak TLS at the port of the URL: begin the URL with http instead of https, or enter the port that speaks TLS."),
	same("tls", "The receiver asks for a client's certificate, which webhooks have none of: let it take requests without one."),
	same("tls", "The receiver's TLS does not know the host name of the URL: install a certificate for that name."),
	same("reset", "The receiver reset the connection without an answer: look into its server's error log."),
	same("closed", "The receiver closed the connection without an answer: look into its server's error log."),
	same("not_http", "The receiver's answer is not HTTP: check the port of the URL, and whether it has to begin with https instead of http."),
	same("head_invalid", "The head of the receiver's answer is not valid HTTP: look for what its application puts before or among the header fields, such as a warning."),
	same("head_too_large", "The head of the receiver's answer is too large: let it answer with fewer and shorter header fields."),
	same("broken", "The receiver's answer could not be read: look into its server's error log."),
	{"sender", "The sender could not make the request, which is no fault of the receiver's.", "We could not make the request. This is not the receiver's fault."},
	{"sender", "The sender cut the attempt short, which is no fault of the receiver's.", "We had to stop the attempt. This is not the receiver's fault."},
	{"sender", "The webhook's settings cannot be used: the URL {problem}. Edit and save it.", "The webhook's settings cannot be used: edit and save it. {problem}"},
	same("sender", "The webhook's settings cannot be used: edit and save it."),
	same("canceled", "Canceled: the webhook was deleted."),
	same("canceled", "Canceled: the webhook is off: {reason}"),
	{"canceled", "Canceled: what waited for the webhook was dropped.", "Canceled: the events that waited for the webhook were discarded."},
	{"canceled", "Canceled: the webhook keeps no more while it is off.", "Canceled: the webhook was off, and kept as many events as it may."},
	{"canceled", "Canceled: it was kept for as long as anything is.", "Canceled: the webhook was off for longer than events are kept."},
	{"canceled", "Canceled: a newer event replaces it, the {event} {id} of {moment}.", "Canceled: a newer event replaces it: {event}, {moment}, {id}."},
	same("canceled", "Canceled: a newer event replaces it: {event}, delivery {delivery}, of {when}."),
	{"given_up", "Given up: it was begun many times, and no outcome could be stored.", "Given up: sending it was started many times, and the result could not be stored."},
}

// otherSentences say why webhooks are off, and which events they get.
var otherSentences = []knownSentence{
	same("", "All attempts have failed since {date}. {reason}"),
	same("", "Switched off on the page."),
	same("", "Switched off by the operator."),
	same("", "Switched off by the API."),

	same("", "The webhook was deleted."),
	same("", "The webhook is off: {reason}"),
	{"", "The webhook does not want {event} events.", "The webhook is not set up for this event: {event}."},
	{"", "The webhook does not want events initiated from {source}.", "The webhook is not set up for events triggered by: {source}."},
	{"", "The webhook is tied to list {list}, which is none of the event's.", "The webhook is for the list {list} only, and the event is for another one or for none."},
	same("", "The webhook is off and keeps the event until it is switched on."),
	same("", "The webhook is off and keeps the event until it is switched on. {reason}"),
	same("", "The webhook gets the event."),
	same("", "The webhook gets the event. {reason}"),
	same("", "It comes {number} times, once for each of the event's lists: {lists}."),
	same("", "It names the webhook's own list, {list}."),
	same("", "It comes once and names all of the event's lists: {lists}."),
	same("", "It comes once and names {list}, the first of the event's lists: {lists}."),
}

// reason says why an attempt failed.
func (p *pageRequest) reason(a webhook.Attempt) string {
	code := a.Failure()
	if code == "" {
		return ""
	}
	var general *knownSentence
	for i, k := range attemptSentences {
		if !k.isFor(code) {
			continue
		}
		if text, ok := p.translate(k, a.Reason); ok {
			return text
		}
		if general == nil && !strings.Contains(strings.ReplaceAll(k.says, "{answer}", ""), "{") {
			general = &attemptSentences[i]
		}
	}
	if general != nil && code != "canceled" { // what was canceled says why
		return p.lang.Text(general.shown, "answer", strings.TrimSpace(strconv.Itoa(a.Status)+" "+http.StatusText(a.Status)))
	}
	return p.sentence(a.Reason)
}

func (k knownSentence) isFor(code string) bool {
	for one := range strings.FieldsSeq(k.codes) {
		if one == code || one[1:] == "xx" && len(code) == 3 && one[0] == code[0] {
			return true
		}
	}
	return false
}

// sentence says a sentence of the library's.
func (p *pageRequest) sentence(english string) string {
	for _, known := range [][]knownSentence{otherSentences, attemptSentences} {
		for _, k := range known {
			if text, ok := p.translate(k, english); ok {
				return text
			}
		}
	}
	return english
}

// translate says an English sentence if it is k.
func (p *pageRequest) translate(k knownSentence, english string) (string, bool) {
	args, ok := text.Match(k.says, english)
	if !ok {
		return "", false
	}
	for i := 0; i < len(args); i += 2 {
		value := args[i+1].(string)
		switch args[i] {
		case "reason":
			args[i+1] = p.sentence(value)
		case "problem":
			args[i+1] = p.problem(&webhook.InvalidError{Field: "URL", Reason: value}, "")
		case "event":
			args[i+1] = label.Find(p.types(), value).In(p.lang)
		case "source":
			args[i+1] = label.Find(p.sources(webhook.Sources()...), value).In(p.lang)
		case "date":
			if day, err := time.Parse("2 January 2006", value); err == nil {
				args[i+1] = p.lang.Date(day)
			}
		case "moment":
			if at, err := time.Parse("2 January 2006 15:04:05 MST", value); err == nil {
				args[i+1] = p.lang.Time(at) + " " + at.Format("MST")
			}
		case "time":
			if d, err := time.ParseDuration(value); err == nil {
				args[i+1] = d
			}
		}
	}
	return p.lang.Text(k.shown, args...), true
}

// A knownProblem is what may be wrong with a field.
type knownProblem struct {
	fields string // with spaces between; "": any
	says   string // InvalidError.Reason, with arguments
	shown  text.Message
}

var knownProblems = []knownProblem{
	{"Name", "is empty", "Enter a name."},
	{"URL", "is empty", "Enter the URL that events are sent to."},
	{"URL", "has a host that is not a public name", "Enter a URL that can be reached from the internet; {host} is a private name."},
	{"URL", "has a host that is not a public address", "Enter a URL that can be reached from the internet; {host} is a private address."},
	{"URL", "has a host whose address is not public", "Enter a URL that can be reached from the internet; {host} has a private address."},
	{"URL", "has a host that is neither a name nor an address as it is usually written", "Check the host: it is neither a name nor an address in its usual form."},
	{"URL", "has a port that is not allowed", "Use one of the usual ports, 443 or 80."},
	{"URL", "has a port that is not a number, or is out of range", "Check the port: it is a number up to 65535."},
	{"URL", "is not UTF-8 text", "Remove the characters that are not UTF-8."},
	{"URL", "holds a control character, such as a tab or a line's end", "Remove tabs, line ends and other control characters."},
	{"URL", "does not begin with http:// or https://", "Begin the URL with https:// or http://."},
	{"URL", "holds a fragment (#…), which is never sent", "Remove the part from # on: it is never sent."},
	{"URL", "has a user or a password with characters that have to be percent-encoded", "Percent-encode the special characters in the user name or password."},
	{"URL", "names no host", "Enter the host, such as example.com."},
	{"URL", "has a host that is not a name or an address: check its spelling", "Check the spelling of the host."},
	{"URL", "has a host that is too long: a name has at most 253 bytes, and each of its parts at most 63", "Shorten the host: a name has at most 253 bytes, and each of its parts at most 63."},
	{"URL", "has a host with a zone (%…), which only one machine knows", "Remove the zone (%…) from the host."},
	{"URL", "has a path with a % that no two hexadecimal digits follow: write it as %25", "Write the sign % in the path as %25."},
	{"List", "is none of the account's lists", "This list does not exist. Choose another one."},
	{"List", "is every list, which you may not choose: choose one of yours", "Choose one of your lists."},
	{"Events", "holds {value}, which you may not choose", "You may not choose the event {value}."},
	{"Format", "is {value}, which you may not choose", "You may not choose the format {value}."},
	{"Headers", "are not allowed for you: leave them as they are", "You may not change the headers."},
	{"Secrets", "cannot be removed: requests have to be signed", "Requests have to be signed."},
	{"Events", "is empty: the webhook would never fire", "Choose at least one event."},
	{"Events", "holds the unknown type {value}", "There is no event {value}."},
	{"Sources", "is empty: the webhook would never fire", "Choose at least one."},
	{"Sources", "holds the unknown source {value}", "There is no source {value}."},
	{"Format", "is the unknown {value}", "There is no format {value}."},
	{"Disclosure", "is the unknown {value}", "There is no such choice."},
	{"Headers", "holds more than {number} fields", "Enter at most {number} headers."},
	{"Headers", "holds {name}, which is no header name", "{name} is not a valid header name."},
	{"Headers", "would override {name}", "{name} is set by us and cannot be changed."},
	{"FieldIDs", "names more than {number} fields", "Choose at most {number} fields."},
	{"Headers FieldIDs", "holds {name} twice", "{name} stands there twice."},
	{"Headers", "holds a value for {name} that cannot be sent", "The value of {name} is too long or holds characters that cannot be sent."},
	{"Headers", `holds a line that is not such as "Name: value"`, `Write each header on a line of its own, such as "Name: value".`},
	{"Secrets", "cannot be replaced again while so many earlier ones still sign. Replace it with no overlap, which ends them all at once, or wait until the first of them ends, in {time}", "The secret cannot be replaced again while so many older ones are still valid. Replace it and let the older ones end at once, or wait {time} until the first of them ends."},
	{"webhook", "is off and keeps nothing: switch it on first", "The webhook is off: switch it on first."},
	{"Body", "was erased: there is nothing to deliver", "The body was erased: there is nothing to send."},
	{"Order", "is the unknown {value}", "There is no such choice."},
	{"delivery", "is not the first of a line: no other one waits for it", "No other delivery waits for this one."},
	{"Until", "is not after Since", "The end is not after the beginning."},
	{"Body", "is empty", "Enter a payload."},
	{"Body", "is not a form", "Write one value on each line, such as name = value."},
	{"Body", `holds a line that is not such as "name = value"`, "Write one value on each line, such as name = value."},
	{"Body", "is not an object in JSON", "Enter an object in JSON."},
	{"Source", "is {value}, which Options.Catalogue does not name for {event}", "This never triggers such an event."},
	{"Type type", "is {value}, none of the app's event types", "There is no such event."},
	{"", "is longer than {number} bytes", "This is too long: at most {number} bytes are allowed."},
	{"", "is not valid UTF-8 text", "Remove the characters that are not UTF-8."},
}

// problem says what is wrong with a field. rawURL is the URL that was typed.
func (p *pageRequest) problem(e *webhook.InvalidError, rawURL string) string {
	for _, k := range knownProblems {
		if k.fields != "" && !slices.Contains(strings.Fields(k.fields), e.Field) {
			continue
		}
		args, ok := text.Match(k.says, e.Reason)
		if !ok {
			continue
		}
		for i := 0; i < len(args); i += 2 {
			if args[i] == "time" {
				if d, err := time.ParseDuration(args[i+1].(string)); err == nil {
					args[i+1] = d
				}
			}
		}
		host := hostname(rawURL)
		if k.shown.Has("host") && host == "" {
			return p.lang.Text("Enter a URL that can be reached from the internet.")
		}
		return p.lang.Text(k.shown, append(args, "host", host)...)
	}
	return p.lang.Text("{field}: {problem}.", "field", e.Field, "problem", e.Reason)
}

// hostname is the host in a URL that was typed, without its port.
func hostname(rawURL string) string {
	if u, refused := netguard.Normalize(rawURL); refused == nil {
		return u.Hostname()
	}
	if u, err := url.Parse(rawURL); err == nil {
		return u.Hostname()
	}
	return ""
}
