package oracle

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"code.dny.dev/ssrf"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// azure is a public address, but on Azure's machines their platform answers
// there. It is the only one that the two judge differently.
var azure = netip.MustParseAddr("168.63.129.16")

var guardian = ssrf.New(ssrf.WithAnyPort(), ssrf.WithAnyNetwork())

// judge compares the two on one address. Of one of IPv4 that is written as one
// of IPv6 the socket is IPv4's; theirs refuses the spelling.
func judge(t assert.TestingT, a netip.Addr) {
	ours := (&webhook.ClientOptions{}).CheckURL("http://"+netip.AddrPortFrom(a, 80).String()+"/") == nil
	theirs := guardian.SafeAddr(a.Unmap()) == nil && a.Unmap() != azure
	assert.Equal(t, theirs, ours, a)
}

func TestAddressesAreJudgedAsByAnotherGuard(t *testing.T) {
	prefixes := append(append([]netip.Prefix{ssrf.IPv6GlobalUnicast, ssrf.IPv6NAT64Prefix}, ssrf.IPv4DeniedPrefixes...), ssrf.IPv6DeniedPrefixes...)
	require.Greater(t, len(prefixes), 20)
	prefixes = append(prefixes, netip.PrefixFrom(azure, 32))
	for _, p := range prefixes {
		first, last := p.Masked().Addr(), end(p)
		for _, a := range []netip.Addr{first.Prev(), first, first.Next(), last.Prev(), last, last.Next()} {
			if a.IsValid() {
				judge(t, a)
				judge(t, netip.AddrFrom16(a.As16())) // of IPv4: mapped into IPv6
			}
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		var four [4]byte
		var sixteen [16]byte
		for i := range sixteen {
			sixteen[i] = byte(random.Uint32())
		}
		copy(four[:], sixteen[:])
		judge(t, netip.AddrFrom4(four))
		judge(t, netip.AddrFrom16(sixteen))
		sixteen[0] = 0x20 | sixteen[0]&0x1f // global unicast, an eighth of all
		judge(t, netip.AddrFrom16(sixteen))
	}
	assert.NoError(t, guardian.SafeAddr(azure), "they no longer differ")
}

// end returns the last address of a block.
func end(p netip.Prefix) netip.Addr {
	bytes := p.Masked().Addr().AsSlice()
	for bit := p.Bits(); bit < 8*len(bytes); bit++ {
		bytes[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(bytes)
	return last
}

func FuzzAddresses(f *testing.F) {
	for _, seed := range []string{"127.0.0.1", "8.8.8.8", "::1", "2606:4700::1", "64:ff9b::a00:1", "2002:a00:1::", "::ffff:10.0.0.1"} {
		a := netip.MustParseAddr(seed)
		f.Add(a.AsSlice())
	}
	f.Fuzz(func(t *testing.T, bytes []byte) {
		if a, ok := netip.AddrFromSlice(bytes); ok {
			judge(t, a)
		}
	})
}
