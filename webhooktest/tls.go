package webhooktest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"sync"
	"time"
)

// TLS says how a Receiver speaks TLS. The zero value is plain HTTP.
type TLS string

// What can be right or wrong with a receiver's TLS.
const (
	TLSValid       TLS = "valid"       // as it should be
	TLSExpired     TLS = "expired"     // its certificate was valid until 31 January 2013
	TLSNotYetValid TLS = "not yet"     // its certificate is valid from 1 January 2100
	TLSWrongHost   TLS = "wrong host"  // its certificate is for other.example
	TLSSelfSigned  TLS = "self-signed" // no authority signed its certificate
	TLSOld         TLS = "old"         // it speaks TLS 1.1 at the most
	TLSClientAuth  TLS = "client auth" // it wants a certificate of the client too
	TLSStalled     TLS = "stalled"     // it never finishes the handshake
	TLSHangup      TLS = "hangup"      // it closes the connection during the handshake
	TLSMissing     TLS = "missing"     // its URL says https, but it speaks HTTP without TLS
)

// config returns the configuration of a server that ends with closed.
func (kind TLS) config(closed <-chan struct{}) *tls.Config {
	c := &tls.Config{}
	switch kind {
	case TLSExpired:
		c.Certificates = []tls.Certificate{issue(certificate("127.0.0.1", "2013-01-01", "2013-01-31"))}
	case TLSNotYetValid:
		c.Certificates = []tls.Certificate{issue(certificate("127.0.0.1", "2100-01-01", "2100-12-31"))}
	case TLSWrongHost:
		c.Certificates = []tls.Certificate{issue(certificate("other.example", firstDay, lastDay))}
	case TLSSelfSigned:
		self := certificate("127.0.0.1", firstDay, lastDay)
		key := newKey()
		c.Certificates = []tls.Certificate{sign(self, self, key, key)}
	default:
		c.Certificates = []tls.Certificate{issue(certificate("127.0.0.1", firstDay, lastDay))}
	}
	switch kind {
	case TLSOld:
		c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	case TLSClientAuth:
		c.ClientAuth = tls.RequireAndVerifyClientCert
	case TLSStalled:
		c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			<-closed
			return nil, net.ErrClosed
		}
	case TLSHangup:
		c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			_ = hello.Conn.Close()
			return nil, net.ErrClosed
		}
	}
	return c
}

// The days that certificates are valid by default.
const firstDay, lastDay = "2013-01-01", "2100-01-01"

// An authority signs the receivers' certificates.
type authority struct {
	template *x509.Certificate
	key      *ecdsa.PrivateKey
	roots    *x509.CertPool
}

// ownAuthority is made anew in each test binary.
var ownAuthority = sync.OnceValue(func() *authority {
	ca := certificate("webhooktest", firstDay, lastDay)
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	key := newKey()
	signed := sign(ca, ca, key, key)
	roots := x509.NewCertPool()
	roots.AddCert(signed.Leaf)
	return &authority{signed.Leaf, key, roots}
})

// trustedRoots returns the authorities that sign receivers' certificates.
func trustedRoots() *x509.CertPool { return ownAuthority().roots }

// issue returns a certificate that the authority signed.
func issue(leaf *x509.Certificate) tls.Certificate {
	ca := ownAuthority()
	return sign(leaf, ca.template, newKey(), ca.key)
}

// certificate returns a template for a host and the days that it is valid
// between.
func certificate(host, from, until string) *x509.Certificate {
	day := func(text string) time.Time {
		t, err := time.Parse(time.DateOnly, text)
		must(err)
		return t
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	must(err)
	c := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: host},
		NotBefore:    day(from),
		NotAfter:     day(until),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		c.IPAddresses = []net.IP{ip}
	} else {
		c.DNSNames = []string{host}
	}
	return c
}

// sign returns a certificate with its key.
func sign(leaf, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) tls.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, leaf, parent, key.Public(), parentKey)
	must(err)
	parsed, err := x509.ParseCertificate(der)
	must(err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: parsed}
}

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	return key
}

// must ends the test binary if a certificate cannot be made, which is a bug.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
