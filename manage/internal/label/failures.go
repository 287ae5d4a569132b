package label

import "github.com/listhook/webhook/manage/internal/text"

// Failures are the words of webhook.Attempt.Failure that are no statuses.
var Failures = []Label{
	{Value: "address", Text: "URL not allowed"},
	{Value: "lookup", Text: "Host not found"},
	{Value: "lookup_timeout", Text: "Host lookup timed out"},
	{Value: "connect", Text: "Connection failed"},
	{Value: "refused", Text: "Connection refused"},
	{Value: "unreachable", Text: "Host unreachable"},
	{Value: "connect_timeout", Text: "Connecting timed out"},
	{Value: "certificate", Text: "Certificate not valid"},
	{Value: "certificate_expired", Text: "Certificate expired"},
	{Value: "certificate_host", Text: "Certificate for another host"},
	{Value: "certificate_untrusted", Text: "Certificate not trusted"},
	{Value: "tls", Text: "TLS failed"},
	{Value: "tls_timeout", Text: "TLS timed out"},
	{Value: "send_timeout", Text: "Sending timed out"},
	{Value: "answer_timeout", Text: "No response in time"},
	{Value: "reset", Text: "Connection reset"},
	{Value: "closed", Text: "Connection closed"},
	{Value: "not_http", Text: "Response is not HTTP"},
	{Value: "head_invalid", Text: "Response is not valid"},
	{Value: "head_too_large", Text: "Response headers too large"},
	{Value: "broken", Text: "Response interrupted"},
	{Value: "sender", Text: "Problem on our side"},
	{Value: "canceled", Text: "Canceled"},
	{Value: "given_up", Text: "Given up"},
	{Value: "begun", Text: "Attempt started"},
	{Value: "other", Text: "Other reason"},
}

// ShortFailure returns a Failure in a few words: a status is its number.
func ShortFailure(lang *text.Language, failure string) string {
	return Find(Failures, failure).In(lang)
}
