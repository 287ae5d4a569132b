package netguard

import (
	"encoding/csv"
	"math/big"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// registryRange is a block of a registry as the first and the last of its
// numbers: the reference does not use netip's prefixes, as the guard does.
type registryRange struct {
	name        string
	bits        int // of an address: 32 or 128
	first, last *big.Int
}

// registries returns the blocks that no receiver may be in, from the copies of
// IANA's special-purpose registries in testdata (facts of the tables of
// https://www.iana.org/assignments/iana-ipv4-special-registry and
// https://www.iana.org/assignments/iana-ipv6-special-registry, the columns that
// matter here, as of October 2025), and the few that those do not hold.
func registries(t testing.TB) []registryRange {
	var ranges []registryRange
	add := func(block, name string) {
		first, size, ok := strings.Cut(block, "/")
		require.True(t, ok, block)
		n, err := strconv.Atoi(size)
		require.NoError(t, err)
		a := netip.MustParseAddr(first)
		r := registryRange{name: block + " " + name, bits: a.BitLen(), first: number(a)}
		span := new(big.Int).Lsh(big.NewInt(1), uint(r.bits-n))
		r.last = span.Sub(span.Add(span, r.first), big.NewInt(1))
		ranges = append(ranges, r)
	}
	for _, file := range []string{"testdata/iana-ipv4-special-registry.csv", "testdata/iana-ipv6-special-registry.csv"} {
		f, err := os.Open(file)
		require.NoError(t, err)
		rows, err := csv.NewReader(f).ReadAll()
		require.NoError(t, err)
		require.NoError(t, f.Close())
		for _, row := range rows[1:] {
			if row[0] != "::ffff:0:0/96" { // another spelling of IPv4's
				add(row[0], row[1])
			}
		}
	}
	add("224.0.0.0/4", "Multicast, RFC 5771")
	add("168.63.129.16/32", "Azure's platform")
	// All that the registry of IPv6's address space does not call global
	// unicast (https://www.iana.org/assignments/ipv6-address-space).
	add("::/3", "Reserved")
	add("4000::/2", "Reserved")
	add("8000::/1", "Reserved, unique local, link local, multicast")
	return ranges
}

func number(a netip.Addr) *big.Int { return new(big.Int).SetBytes(a.AsSlice()) }

// address is the reverse of number; invalid when n is out of range.
func address(n *big.Int, bits int) netip.Addr {
	if n.Sign() < 0 || n.BitLen() > bits {
		return netip.Addr{}
	}
	a, _ := netip.AddrFromSlice(n.FillBytes(make([]byte, bits/8)))
	return a
}

// special is the reference: whether a is in a block of the registries.
func special(ranges []registryRange, a netip.Addr) bool {
	if a.Zone() != "" {
		return true
	}
	a = a.Unmap()
	n := number(a)
	for _, r := range ranges {
		if r.bits == a.BitLen() && n.Cmp(r.first) >= 0 && n.Cmp(r.last) <= 0 {
			return true
		}
	}
	return false
}

func TestAddressesAreJudgedByTheRegistriesToTheLastOne(t *testing.T) {
	ranges := registries(t)
	require.Greater(t, len(ranges), 50)
	for _, r := range ranges {
		t.Run(strings.ReplaceAll(r.name, "/", "_"), func(t *testing.T) {
			one := big.NewInt(1)
			for _, n := range []*big.Int{
				r.first, r.last, new(big.Int).Add(r.first, one), new(big.Int).Sub(r.last, one),
				new(big.Int).Sub(r.first, one), new(big.Int).Add(r.last, one),
			} {
				a := address(n, r.bits)
				if !a.IsValid() {
					continue // there is none before the first or after the last
				}
				assert.Equal(t, special(ranges, a), notPublic(a) != "", "%v: %q", a, notPublic(a))
			}
			for _, n := range []*big.Int{r.first, r.last} {
				assert.NotEmpty(t, notPublic(address(n, r.bits)))
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	for a, want := range map[string]string{ // the rule in short; "": public
		"0.0.0.0":         "this network",
		"0.255.255.255":   "this network",
		"1.0.0.0":         "",
		"1.1.1.1":         "",
		"8.8.8.8":         "",
		"9.255.255.255":   "",
		"10.0.0.0":        "private use",
		"10.255.255.255":  "private use",
		"11.0.0.0":        "",
		"100.63.255.255":  "",
		"100.64.0.0":      "carrier",
		"100.100.100.200": "carrier", // Alibaba Cloud's metadata
		"100.127.255.255": "carrier",
		"100.128.0.0":     "",
		"126.255.255.255": "",
		"127.0.0.1":       "loopback",
		"127.255.255.255": "loopback",
		"128.0.0.0":       "",
		"168.63.129.15":   "",
		"168.63.129.16":   "Azure",
		"168.63.129.17":   "",
		"169.254.169.254": "metadata",
		"169.254.170.2":   "metadata", // Amazon ECS's
		"169.255.0.0":     "",
		"172.15.255.255":  "",
		"172.16.0.0":      "private use",
		"172.31.255.255":  "private use",
		"172.32.0.0":      "",
		"192.0.0.0":       "IETF",
		"192.0.0.192":     "IETF", // Oracle Cloud's metadata
		"192.0.1.0":       "",
		"192.0.2.1":       "documentation",
		"192.31.196.1":    "AS112",
		"192.52.193.1":    "AMT",
		"192.88.99.1":     "6to4",
		"192.167.255.255": "",
		"192.168.0.1":     "private use",
		"192.169.0.0":     "",
		"192.175.48.1":    "AS112",
		"198.17.255.255":  "",
		"198.18.0.0":      "benchmarking",
		"198.19.255.255":  "benchmarking",
		"198.20.0.0":      "",
		"198.51.100.255":  "documentation",
		"203.0.113.0":     "documentation",
		"203.0.114.0":     "",
		"223.255.255.255": "",
		"224.0.0.1":       "multicast",
		"239.255.255.255": "multicast",
		"240.0.0.1":       "reserved",
		"255.255.255.255": "reserved",

		"::":                 "unspecified",
		"::1":                "loopback",
		"::2":                "outside",
		"::127.0.0.1":        "outside", // IPv4-compatible, RFC 4291
		"::8.8.8.8":          "outside",
		"::ffff:127.0.0.1":   "loopback",
		"::ffff:10.0.0.1":    "private use",
		"::ffff:a9fe:a9fe":   "metadata",
		"::ffff:8.8.8.8":     "",
		"::ffff:0:127.0.0.1": "outside", // IPv4-translated, RFC 2765
		"64:ff9b::127.0.0.1": "NAT64",
		"64:ff9b::8.8.8.8":   "NAT64",
		"64:ff9b:1::a00:1":   "NAT64",
		"100::1":             "discarded",
		"100:0:0:1::1":       "dummy",
		"1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff": "outside",
		"2000::": "",
		"2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff": "",
		"2001::1":                   "IETF",
		"2001:0:7f00:1::":           "IETF", // Teredo
		"2001:1ff:ffff:ffff::":      "IETF",
		"2001:200::":                "",
		"2001:4860:4860::8888":      "",
		"2001:db7:ffff::":           "",
		"2001:db8::1":               "documentation",
		"2001:db9::":                "",
		"2002:7f00:1::":             "6to4",
		"2003::":                    "",
		"2606:4700:4700::1111":      "",
		"2620:4f:7fff::":            "",
		"2620:4f:8000::1":           "AS112",
		"2620:4f:8001::":            "",
		"3ffe::":                    "",
		"3fff::":                    "documentation",
		"3fff:fff:ffff::":           "documentation",
		"3fff:1000::":               "",
		"4000::":                    "outside",
		"5f00::1":                   "segment routing",
		"fbff::1":                   "outside",
		"fc00::1":                   "unique local",
		"fd00:ec2::254":             "unique local", // Amazon EC2's metadata
		"fe7f::1":                   "outside",
		"fe80::1":                   "link local",
		"febf::1":                   "link local",
		"fec0::1":                   "outside", // site local, RFC 3879
		"ff02::1":                   "multicast",
		"2606:4700:4700::1111%eth0": "one link",
		"fe80::1%eth0":              "one link",
	} {
		rule := notPublic(netip.MustParseAddr(a))
		if want == "" {
			assert.Empty(t, rule, a)
		} else {
			assert.Contains(t, rule, want, a)
		}
	}
	assert.NotEmpty(t, notPublic(netip.Addr{}))
}

func FuzzAddresses(f *testing.F) {
	ranges := registries(f)
	for _, r := range ranges {
		f.Add(address(r.first, r.bits).AsSlice(), "")
		f.Add(address(r.last, r.bits).AsSlice(), "")
	}
	f.Add(netip.MustParseAddr("::ffff:10.0.0.1").AsSlice(), "")
	f.Add(netip.MustParseAddr("2606:4700::1").AsSlice(), "eth0")
	f.Add(netip.MustParseAddr("::ffff:8.8.8.8").AsSlice(), "eth0")
	f.Fuzz(func(t *testing.T, bytes []byte, zone string) {
		a, ok := netip.AddrFromSlice(bytes)
		if !ok {
			return
		}
		a = a.WithZone(zone)
		if got, want := notPublic(a) != "", special(ranges, a); got != want {
			t.Errorf("%v is refused: %v (%q); by the registries: %v", a, got, notPublic(a), want)
		}
	})
}
