package egress

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
)

// maxProxyHead is how long the head of a proxy's answer may be.
const maxProxyHead = 64 << 10

// askHTTP has an HTTP proxy make a tunnel to addr (RFC 9110, section 9.3.6).
func askHTTP(c net.Conn, proxy *url.URL, addr string) error {
	ask := &http.Request{
		Method: http.MethodConnect, URL: &url.URL{Opaque: addr}, Host: addr, Header: http.Header{},
	}
	if u := proxy.User; u != nil {
		password, _ := u.Password()
		credentials := base64.StdEncoding.EncodeToString([]byte(u.Username() + ":" + password))
		ask.Header.Set("Proxy-Authorization", "Basic "+credentials)
	}
	if err := ask.Write(c); err != nil {
		return err
	}
	in := bufio.NewReader(io.LimitReader(c, maxProxyHead))
	resp, err := http.ReadResponse(in, ask)
	if err != nil {
		return fmt.Errorf("its answer to CONNECT cannot be read: %w", err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return &ProxyError{What: strings.TrimSpace("the proxy answered CONNECT with " + strconv.Itoa(resp.StatusCode) + " " + http.StatusText(resp.StatusCode)), All: resp.StatusCode == http.StatusProxyAuthRequired}
	}
	if in.Buffered() > 0 {
		return errors.New("it sent something before the receiver was asked")
	}
	return nil
}

// What is sent and received in SOCKS5 (RFC 1928 and 1929).
const (
	socksVersion      = 5
	socksNoPassword   = 0
	socksPassword     = 2
	socksPasswordAuth = 1
	socksConnect      = 1
	socksIPv4         = 1
	socksName         = 3
	socksIPv6         = 4
)

// askSOCKS has a SOCKS5 proxy connect to addr. It looks names up.
func askSOCKS(c net.Conn, proxy *url.URL, addr string) error {
	target, err := socksAddress(addr)
	if err != nil {
		return err
	}
	methods := []byte{socksVersion, 1, socksNoPassword}
	if proxy.User != nil {
		methods = []byte{socksVersion, 2, socksNoPassword, socksPassword}
	}
	chosen, err := exchange(c, methods, 2)
	switch {
	case err != nil:
		return err
	case chosen[0] != socksVersion:
		return errors.New("it does not speak SOCKS5")
	case chosen[1] == socksPassword && proxy.User != nil:
		if err := socksLogin(c, proxy.User); err != nil {
			return err
		}
	case chosen[1] != socksNoPassword:
		return &ProxyError{What: "the proxy wants another kind of login", All: true}
	}
	reply, err := exchange(c, append([]byte{socksVersion, socksConnect, 0}, target...), 4)
	if err != nil {
		return err
	}
	if err := socksReply(reply[1]); err != nil {
		return err
	}
	// The address that it connects from is of no interest.
	length := net.IPv4len
	switch reply[3] {
	case socksIPv4:
	case socksIPv6:
		length = net.IPv6len
	case socksName:
		n, err := exchange(c, nil, 1)
		if err != nil {
			return err
		}
		length = int(n[0])
	default:
		return errors.New("its reply cannot be read")
	}
	_, err = exchange(c, nil, length+2)
	return err
}

func socksLogin(c net.Conn, u *url.Userinfo) error {
	password, _ := u.Password()
	name := u.Username()
	if len(name) == 0 || len(name) > 255 || len(password) > 255 {
		return errors.New("its user name or password is too long, or missing")
	}
	login := append([]byte{socksPasswordAuth, byte(len(name))}, name...)
	login = append(append(login, byte(len(password))), password...)
	answer, err := exchange(c, login, 2)
	if err == nil && answer[1] != 0 {
		err = &ProxyError{What: "the proxy refused the user name and password", All: true}
	}
	return err
}

// socksAddress returns a host and port as SOCKS5 has them.
func socksAddress(addr string) ([]byte, error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, err
	}
	var out []byte
	if ip, err := netip.ParseAddr(host); err != nil {
		if len(host) > 255 {
			return nil, errors.New("the host name is too long for SOCKS5")
		}
		out = append([]byte{socksName, byte(len(host))}, host...)
	} else if ip = ip.Unmap(); ip.Is4() {
		out = append([]byte{socksIPv4}, ip.AsSlice()...)
	} else {
		out = append([]byte{socksIPv6}, ip.AsSlice()...)
	}
	return append(out, byte(port>>8), byte(port)), nil
}

// socksReply returns what a reply other than success means. Some are about the
// receiver.
func socksReply(code byte) error {
	switch code {
	case 0:
		return nil
	case 3:
		return &TargetError{syscall.ENETUNREACH}
	case 4:
		return &TargetError{syscall.EHOSTUNREACH}
	case 5:
		return &TargetError{syscall.ECONNREFUSED}
	case 6:
		return &TargetError{syscall.ETIMEDOUT}
	}
	return &ProxyError{What: "the proxy answered with the SOCKS5 reply " + strconv.Itoa(int(code))}
}

// exchange writes and then reads so many bytes.
func exchange(c net.Conn, ask []byte, n int) ([]byte, error) {
	if len(ask) > 0 {
		if _, err := c.Write(ask); err != nil {
			return nil, err
		}
	}
	answer := make([]byte, n)
	_, err := io.ReadFull(c, answer)
	return answer, err
}
