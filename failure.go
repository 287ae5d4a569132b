package webhook

import (
	"strconv"
	"strings"
)

// Failure returns in one word why the attempt failed, for counting: the status
// of an answer that was no success, such as "503", or else one of
//
//	address                                    the URL may not be requested
//	lookup, lookup_timeout                     of the host's name
//	connect, refused, unreachable, connect_timeout
//	certificate_expired, certificate_host, certificate_untrusted, certificate
//	tls, tls_timeout                           of the handshake
//	send_timeout, answer_timeout
//	reset, closed, not_http, head_too_large, broken
//	proxy, sender                              no fault of the receiver's
//	canceled, given_up                         no attempt was made
//
// It is "" when the attempt did not fail, and "other" for a Reason that this
// version of the library does not know.
func (a Attempt) Failure() string {
	switch {
	case a.Reason == "":
		return ""
	case a.Status != 0:
		return strconv.Itoa(a.Status)
	}
	for _, f := range failures {
		if strings.HasPrefix(a.Reason, f.begins) {
			return f.word
		}
	}
	return "other"
}

// failures are words for the reasons, by how they begin: what is stored is a
// sentence for the customer.
var failures = []struct{ begins, word string }{
	{"The URL ", "address"},

	{"Looking up the host name of the URL took too long", "lookup_timeout"},
	{"The host name of the URL ", "lookup"},
	{"Connecting to the receiver took too long", "connect_timeout"},
	{"The receiver refused the connection", "refused"},
	{"The receiver's host cannot be reached", "unreachable"},
	{"The connection to the receiver failed", "connect"},

	{"The receiver's certificate expired", "certificate_expired"},
	{"The receiver's certificate is for another host", "certificate_host"},
	{"The receiver's certificate is not signed", "certificate_untrusted"},
	{"The receiver's certificate ", "certificate"},
	{"The receiver asks for a client's certificate", "tls"},
	{"The receiver does not speak TLS", "tls"},
	{"The receiver's TLS ", "tls"},
	{"The TLS handshake with the receiver took too long", "tls_timeout"},
	{"The TLS handshake with the receiver failed", "tls"},

	{"The receiver took too long to read", "send_timeout"},
	{"The receiver did not answer", "answer_timeout"},
	{"The receiver reset the connection", "reset"},
	{"The receiver closed the connection", "closed"},
	{"The receiver's answer is not HTTP", "not_http"},
	{"The head of the receiver's answer is too large", "head_too_large"},
	{"The receiver's answer could not be read", "broken"},

	{"The sender's own proxy failed", "proxy"},
	{"The sender ", "sender"},
	{"The webhook's settings cannot be used", "sender"},
	{"Canceled: ", "canceled"},
	{"Erased: ", "canceled"},
	{"Given up: ", "given_up"},
}
