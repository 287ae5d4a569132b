package sentence

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/netguard"
	"github.com/listhook/webhook/manage/internal/text"
)

// A knownProblem is what may be wrong with a field.
type knownProblem struct {
	fields string // with spaces between; "": any
	says   string // InvalidError.Reason, with arguments
	shown  text.Message
}

var knownProblems = []knownProblem{
	{"Name", "is empty", "Enter a name."},
	{"URL", "is empty", "Enter the URL to send events to."},
	{"URL", "has a host that is not a public name", "Enter a URL that can be reached from the internet; {host} is a private name."},
	{"URL", "has a host that is not a public address", "Enter a URL that can be reached from the internet; {host} is a private address."},
	{"URL", "has a host whose address is not public", "Enter a URL that can be reached from the internet; {host} has a private address."},
	{"URL", "has a host that is neither a name nor an address as it is usually written", "Check the host: it must be a name, or an IP address in its usual form."},
	{"URL", "has a port that is not allowed", "Use one of the usual ports, 443 or 80."},
	{"URL", "has a port that is not a number, or is out of range", "Check the port: it is a number up to 65535."},
	{"URL", "is not valid UTF-8", "Remove the characters that are not UTF-8."},
	{"URL", "contains a control character, such as a tab or a line break", "Remove tabs, line breaks and other control characters."},
	{"URL", "does not begin with http:// or https://", "Start the URL with https:// or http://."},
	{"URL", "contains a fragment (#…), which is never sent", "Remove # and everything after it: that part is never sent."},
	{"URL", "has a user or a password with characters that must be percent-encoded", "Percent-encode the special characters in the user name or password."},
	{"URL", "has no host", "Enter the host, such as example.com."},
	{"URL", "has a host that is not a name or an address: check its spelling", "Check the spelling of the host."},
	{"URL", "has a host that is too long: a name has at most 253 bytes, and each of its parts at most 63", "Shorten the host: a name can have at most 253 bytes, and each of its parts at most 63."},
	{"URL", "has a host with a zone (%…), which only one machine knows", "Remove the zone (%…) from the host."},
	{"URL", "has a path with a % that is not followed by two hexadecimal digits: write it as %25", "Write % in the path as %25."},
	{"List", "is none of the account's lists", "This list does not exist. Choose another one."},
	{"List", "is every list, which you may not choose: choose one of yours", "Choose one of your lists."},
	{"Events", "contains {value}, which you may not choose", "You may not choose the event {value}."},
	{"Format", "is {value}, which you may not choose", "You may not choose the format {value}."},
	{"Headers", "are not allowed for you: leave them as they are", "You may not change the headers."},
	{"Secrets", "cannot be removed: requests have to be signed", "Requests must be signed."},
	{"Events", "is empty: the webhook would never fire", "Choose at least one event."},
	{"Events", "contains the unknown type {value}", "There is no event {value}."},
	{"Sources", "is empty: the webhook would never fire", "Choose at least one."},
	{"Sources", "contains {value}, not one of {known}", "There is no source {value}."},
	{"Format", "is {value}, not one of {known}", "There is no format {value}."},
	{"Disclosure", "is {value}, not one of {known}", "Choose one of the options."},
	{"Batch", "is {number}; a form can have at most {most} events, because PHP reads at most {limit} variables, and JSON at most {json}", "In a form, one request holds at most {most} events: choose fewer, or the JSON format."},
	{"Headers", "has more than {number} fields", "Enter at most {number} headers."},
	{"Headers", "contains {name}, which is not a valid header name", "{name} is not a valid header name."},
	{"Headers", "contains {name}, which cannot be overridden", "{name} is set by us and cannot be changed."},
	{"FieldIDs", "has more than {number} IDs", "Choose at most {number} fields."},
	{"Headers FieldIDs", "contains {name} twice", "{name} is entered twice."},
	{"Headers", "has a value for {name} that is too long or not valid in a header", "The value of {name} is too long or contains characters that cannot be sent."},
	{"Headers", `contains a line that is not of the form "Name: value"`, `Enter each header on its own line, such as "Name: value".`},
	{"Secrets", "cannot be replaced again while so many earlier ones still sign. Replace it with no overlap, which ends them all at once, or wait until the first of them ends, in {time}", "The secret cannot be replaced again while so many older ones are still valid. Replace it and end the older ones at once, or wait {time} until the first of them ends."},
	{"RateLimit", "is no number such as 5 or 0.5", "Enter a number such as 5 or 0.5, or leave it empty for no limit."},
	{"RateLimit", "is below {number} requests per second; 0 means no limit", "Enter at least {number}, or leave it empty for no limit."},
	{"RateLimit", "is above {number} requests per second", "Enter at most {number}."},
	{"reason", "is neither a status such as 503 nor one of {words}", "Enter a status such as 503, or one of these words: {words}."},
	{"subscriber campaign event_id", "cannot be looked for: the app has not switched that on", "This cannot be searched for here."},
	{"subscriber campaign event_id", "cannot be looked for together with another one: look for one of subscriber, campaign and event_id", "Search for one thing at a time."},
	{"webhook", "is off and keeps nothing: switch it on first", "The webhook is off: switch it on first."},
	{"webhook", "cannot be read, because the key that encrypted its URL, secrets and headers is missing: ask the operator to add the key to Options.EncryptionKeys again, or delete the webhook", "The webhook cannot be read, because the key that encrypted its URL, secrets and headers is missing: ask the operator to add the key to Options.EncryptionKeys again, or delete the webhook."},
	{"Body", "was erased: there is nothing to deliver", "The body was erased: there is nothing to send."},
	{"Body", "was removed after delivery: there is nothing to deliver", "The body was removed after delivery: there is nothing to send."},
	{"Order", "is {value}, not one of {known}", "Choose one of the options."},
	{"delivery", "is not the first of a line: no other one waits for it", "No other delivery waits for this one."},
	{"Until", "is not after Since", "The end must be after the start."},
	{"Body", "is empty", "Enter a payload."},
	{"Body", "is not a form", "Enter one value per line, such as name = value."},
	{"Body", `contains a line that is not of the form "name = value"`, "Enter one value per line, such as name = value."},
	{"Body", "is not a JSON object", "Enter a JSON object."},
	{"Source", "is {value}, which Options.Catalogue does not list for {event}", "This source never triggers this event."},
	{"Type type", "is {value}, none of the app's event types", "There is no such event."},
	{"", "is longer than {number} bytes", "This is too long: at most {number} bytes are allowed."},
	{"", "contains a NUL byte", "Remove the NUL characters (U+0000)."},
	{"", "is not valid UTF-8", "Remove the characters that are not UTF-8."},
}

// Problem says what is wrong with a field. rawURL is the URL that was typed.
func (s Speaker) Problem(e *webhook.InvalidError, rawURL string) string {
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
			return s.Lang.Text("Enter a URL that can be reached from the internet.")
		}
		return s.Lang.Text(k.shown, append(args, "host", host)...)
	}
	return s.Lang.Text("{field}: {problem}.", "field", e.Field, "problem", e.Reason)
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
