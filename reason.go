package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// errTimeout is the cause of attempts that took too long.
var errTimeout = errors.New("the attempt's time is over")

// explainStatus says in a sentence for the customer why an answer is a
// failure.
func explainStatus(status int) string {
	text := fmt.Sprintf("%d %s", status, http.StatusText(status))
	text = strings.TrimSpace(text)
	switch {
	case status == http.StatusGone:
		return "The receiver answered 410 Gone, which switches the webhook off."
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return "The receiver refused access (" + text + "): check the key or password that it expects, and whether a firewall or bot protection stands before it."
	case status == http.StatusNotFound:
		return "The receiver found nothing at the URL (" + text + "): check its path."
	case status == http.StatusMethodNotAllowed:
		return "The receiver takes no POST requests at the URL (" + text + ")."
	case status == http.StatusTooManyRequests:
		return "The receiver asked for fewer requests (" + text + ")."
	case status >= 300 && status < 400:
		return "The receiver redirected to another URL (" + text + "), which is not followed: enter the final URL."
	case status >= 400 && status < 500:
		return "The receiver refused the request (" + text + ")."
	case status >= 500:
		return "The receiver failed (" + text + "): look into its own error log."
	}
	return "The receiver answered " + text + " instead of a success (200 to 299)."
}

// explainError says in a sentence for the customer why there was no answer,
// without any address, and in detail, for the operator.
func explainError(ctx context.Context, err error, at phase, timeout time.Duration) (reason, detail string) {
	var inUse *url.Error
	if errors.As(err, &inUse) { // its text holds the URL
		err = inUse.Err
	}
	detail = clean(err.Error())
	var refused *AddressError
	if errors.As(err, &refused) {
		return "The URL leads to an address or a port that webhooks may not be sent to.", clean(refused.Detail())
	}
	if reason := explainTLS(err); reason != "" {
		return reason, detail
	}
	var lookup *net.DNSError
	var timedOut net.Error
	switch {
	case cutShort(ctx):
		return "The sender cut the attempt short.", detail
	case errors.As(err, &lookup) && lookup.IsNotFound:
		return "The host name of the URL was not found: check its spelling and its DNS records.", detail
	case context.Cause(ctx) == errTimeout || errors.As(err, &timedOut) && timedOut.Timeout():
		return explainTimeout(at, timeout), detail
	case errors.As(err, &lookup):
		return "The host name of the URL could not be looked up: its DNS servers failed.", detail
	case errors.Is(err, syscall.ECONNREFUSED):
		return "The receiver refused the connection: nothing listens at the URL's host and port.", detail
	case errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH):
		return "The receiver's host cannot be reached.", detail
	case at >= phaseSend:
		return "The receiver closed the connection without an answer.", detail
	}
	return "The connection to the receiver failed.", detail
}

func explainTimeout(at phase, timeout time.Duration) string {
	switch at {
	case phaseLookup:
		return fmt.Sprintf("Looking up the host name took too long (the limit is %s for everything).", timeout)
	case phaseConnection, phaseConnect:
		return fmt.Sprintf("Connecting to the receiver took too long (the limit is %s for everything): a firewall may be dropping the connection.", timeout)
	case phaseTLS:
		return fmt.Sprintf("The TLS handshake with the receiver took too long (the limit is %s for everything).", timeout)
	case phaseSend:
		return fmt.Sprintf("The receiver took too long to read the request (the limit is %s for everything).", timeout)
	}
	return fmt.Sprintf("The receiver did not answer within %s: let it answer first and do its work afterwards.", timeout)
}

// explainTLS recognises what is wrong with a receiver's certificate.
func explainTLS(err error) string {
	var (
		invalid   x509.CertificateInvalidError
		hostname  x509.HostnameError
		untrusted x509.UnknownAuthorityError
		record    tls.RecordHeaderError
		alert     tls.AlertError
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		if now().Before(invalid.Cert.NotBefore) {
			return "The receiver's certificate is not valid before " + invalid.Cert.NotBefore.UTC().Format("2 January 2006") + "."
		}
		return "The receiver's certificate expired on " + invalid.Cert.NotAfter.UTC().Format("2 January 2006") + ": renew it."
	case errors.As(err, &hostname):
		return "The receiver's certificate is for another host name than the URL's."
	case errors.As(err, &untrusted):
		return "The receiver's certificate is not signed by a trusted authority: it may be self-signed, or the server may not send the intermediate certificates."
	case errors.As(err, &invalid):
		return "The receiver's certificate is not valid for a web server."
	case errors.As(err, &record):
		return "The receiver does not speak TLS at the URL's port: https may have to be http, or the port another."
	case errors.As(err, &alert):
		return "The receiver refused the TLS handshake."
	}
	return ""
}

// clean makes a text one that any store can keep: valid UTF-8 without NUL, of
// at most 1 KiB.
func clean(text string) string {
	text = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "�")
	if len(text) > 1024 {
		text = strings.ToValidUTF8(text[:1024], "")
	}
	return text
}
