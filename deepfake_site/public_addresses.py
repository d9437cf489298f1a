"""Which IP addresses are public, so that the desk may connect to them for somebody else."""

import ipaddress

from django.conf import settings

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# By network, because `is_private` and `is_global` of the standard library each let some through:
# 100.64.0.1 is not private, and 64:ff9b::7f00:1, fec0::1 and 224.0.0.1 are global.
FORBIDDEN = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carriers' own
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a cloud's own services, under an address that looks public
        "169.254.0.0/16",  # link-local, and clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # multicast tunnels
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        # All of IPv6 but 2000::/3, whence public addresses are given out. Outside it are ::, ::1,
        # ::a.b.c.d and ::ffff:a.b.c.d, 64:ff9b::/96 and 64:ff9b:1::/48 (NAT64), fc00::/7 (private),
        # fe80::/10 and fec0::/10 (link- and site-local) and ff00::/8 (multicast).
        "::/3",
        "4000::/2",
        "8000::/1",
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
)
# Where an IPv6 address carries an IPv4 address, and how far from its right end.
EMBEDDING = {
    ipaddress.IPv6Network("::/96"): 0,
    ipaddress.IPv6Network("::ffff:0:0/96"): 0,
    ipaddress.IPv6Network("64:ff9b::/96"): 0,
    ipaddress.IPv6Network("2002::/16"): 80,
}


def is_permitted(address: IPAddress) -> bool:
    """Whether to connect to it: public, or in OUTBOUND_ALLOW; so must be an IPv4 address in it."""
    is_forbidden = any(address in network for network in FORBIDDEN)
    if is_forbidden and not any(address in network for network in settings.OUTBOUND_ALLOW):
        return False
    inner = _embedded(address)
    return inner is None or is_permitted(inner)


def _embedded(address: IPAddress) -> ipaddress.IPv4Address | None:
    for network, shift in EMBEDDING.items():
        if address in network:
            return ipaddress.IPv4Address(int(address) >> shift & 0xFFFFFFFF)
    return None
