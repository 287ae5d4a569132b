package netguard

import "net/netip"

// notPublic returns "" for a global unicast address, else what a is instead.
func notPublic(a netip.Addr) (rule string) {
	if !a.IsValid() || a.Zone() != "" { // Unmap drops the zone
		return "an address of one link"
	}
	a = a.Unmap()
	for _, b := range specialBlocks {
		if b.prefix.Contains(a) {
			return b.name + " (" + b.prefix.String() + ")"
		}
	}
	if a.Is6() && !globalUnicast6.Contains(a) {
		return "outside global unicast (" + globalUnicast6.String() + ")"
	}
	return ""
}

// globalUnicast6 is the one block of IPv6 that IANA assigns global unicast
// addresses from: https://www.iana.org/assignments/ipv6-address-space.
var globalUnicast6 = netip.MustParsePrefix("2000::/3")

// specialBlocks are the blocks of IANA's special-purpose address registries,
// those that are globally reachable too since no receiver lives there
// (https://www.iana.org/assignments/iana-ipv4-special-registry and
// .../iana-ipv6-special-registry), less those within another; multicast
// (RFC 5771, RFC 4291); and one public address that a cloud answers on from
// inside each of its machines. Of IPv6, those outside globalUnicast6 are here
// for their names only.
var specialBlocks = []struct {
	prefix netip.Prefix
	name   string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "this network"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private use"},
	{netip.MustParsePrefix("100.64.0.0/10"), "a carrier's shared address space"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("168.63.129.16/32"), "Azure's platform of virtual machines"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link local, where clouds serve metadata"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private use"},
	{netip.MustParsePrefix("192.0.0.0/24"), "IETF protocol assignments"},
	{netip.MustParsePrefix("192.0.2.0/24"), "documentation"},
	{netip.MustParsePrefix("192.31.196.0/24"), "AS112"},
	{netip.MustParsePrefix("192.52.193.0/24"), "AMT"},
	{netip.MustParsePrefix("192.88.99.0/24"), "6to4 relay anycast"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private use"},
	{netip.MustParsePrefix("192.175.48.0/24"), "AS112"},
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking"},
	{netip.MustParsePrefix("198.51.100.0/24"), "documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "documentation"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved or broadcast"},

	{netip.MustParsePrefix("::/128"), "unspecified"},
	{netip.MustParsePrefix("::1/128"), "loopback"},
	{netip.MustParsePrefix("64:ff9b::/96"), "NAT64"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "NAT64 of local use"},
	{netip.MustParsePrefix("100::/64"), "discarded"},
	{netip.MustParsePrefix("100:0:0:1::/64"), "a dummy prefix"},
	{netip.MustParsePrefix("2001::/23"), "IETF protocol assignments"},
	{netip.MustParsePrefix("2001:db8::/32"), "documentation"},
	{netip.MustParsePrefix("2002::/16"), "6to4"},
	{netip.MustParsePrefix("2620:4f:8000::/48"), "AS112"},
	{netip.MustParsePrefix("3fff::/20"), "documentation"},
	{netip.MustParsePrefix("5f00::/16"), "segment routing"},
	{netip.MustParsePrefix("fc00::/7"), "unique local"},
	{netip.MustParsePrefix("fe80::/10"), "link local"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
}
