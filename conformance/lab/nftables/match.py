"""Matches: conditions of a rule, all of which must hold.

A match that looks into an IP header first makes sure that the packet has that header: in the families inet, bridge and
netdev, which carry several protocols, it adds the condition on the protocol itself.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Final, Literal

from conformance.lab.nftables import expression as nft
from conformance.protocols import ethertypes
from conformance.protocols.mac import mac_bytes

TableFamily = Literal["ip", "ip6", "inet", "bridge", "netdev"]
Version = Literal[4, 6]
Network = IPv4Network | IPv6Network

L4_PROTOCOLS: Final = {
    "icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "gre": 47, "icmpv6": 58, "sctp": 132, "udplite": 136,
}  # fmt: skip
ETHER_TYPES: Final = {
    "ip": ethertypes.IPV4, "arp": ethertypes.ARP, "rarp": ethertypes.RARP, "vlan": ethertypes.CUSTOMER_TAG,
    "ip6": ethertypes.IPV6,
}  # fmt: skip
STATES: Final = {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}

Comparison = Literal["==", "!=", "<", "<=", ">", ">="]
COMPARISONS: Final[dict[Comparison, int]] = {
    "==": nft.EQUAL, "!=": nft.NOT_EQUAL, "<": nft.LESS, "<=": nft.LESS_EQUAL, ">": nft.GREATER,
    ">=": nft.GREATER_EQUAL,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Match:
    """One condition as the kernel's expressions; `version` is the IP version whose header they look into, if any."""

    parts: tuple[bytes, ...]
    version: Version | None = None

    def expressions(self, family: TableFamily) -> list[bytes]:
        """The expressions for a rule in a table of `family`. Raises ValueError where that carries another protocol."""
        if self.version is None:
            return list(self.parts)
        if family in ("ip", "ip6"):
            if (self.version == 4) != (family == "ip"):
                raise ValueError(f"IPv{self.version} in a table of family {family}")
            return list(self.parts)
        if family == "inet":
            known = [nft.meta(nft.META_NFPROTO), nft.compare(nft.EQUAL, bytes((2 if self.version == 4 else 10,)))]
        else:
            known = list(ether_type("ip" if self.version == 4 else "ip6").parts)
        return [*known, *self.parts]


def _is(negate: bool) -> int:
    return nft.NOT_EQUAL if negate else nft.EQUAL


def source(prefix: Network, *, negate: bool = False) -> Match:
    """The source address is in `prefix`."""
    return _address(prefix, 12 if prefix.version == 4 else 8, negate)


def destination(prefix: Network, *, negate: bool = False) -> Match:
    """The destination address is in `prefix`."""
    return _address(prefix, 16 if prefix.version == 4 else 24, negate)


def _address(prefix: Network, offset: int, negate: bool) -> Match:
    packed = prefix.network_address.packed
    narrowed = (nft.masked(prefix.netmask.packed),) if prefix.prefixlen < prefix.max_prefixlen else ()
    parts = (nft.load("network", offset, len(packed)), *narrowed, nft.compare(_is(negate), packed))
    return Match(parts, 4 if prefix.version == 4 else 6)


def source_in(name: str, version: Version, *, negate: bool = False) -> Match:
    """The source address is an element of the table's set of that name."""
    offset, size = (12, 4) if version == 4 else (8, 16)
    return Match((nft.load("network", offset, size), nft.lookup(name, negate=negate)), version)


def destination_in(name: str, version: Version, *, negate: bool = False) -> Match:
    """The destination address is an element of the table's set of that name."""
    offset, size = (16, 4) if version == 4 else (24, 16)
    return Match((nft.load("network", offset, size), nft.lookup(name, negate=negate)), version)


def wrong_way() -> Match:
    """The packet came in on another interface than the one that leads to its source (RFC 3704 §2.2, strict)."""
    return Match((nft.reverse_path(), nft.compare(nft.EQUAL, bytes(4))))


def transport(protocol: str | int, *, negate: bool = False) -> Match:
    """The transport protocol, by name or number, behind IPv4 or IPv6."""
    number = L4_PROTOCOLS[protocol] if isinstance(protocol, str) else protocol
    return Match((nft.meta(nft.META_L4), nft.compare(_is(negate), bytes((number,)))))


def source_port(low: int, high: int | None = None, *, negate: bool = False) -> Match:
    """The source port is `low`, or in `low` to `high`. Put the transport before it."""
    return _port(0, low, high, negate)


def destination_port(low: int, high: int | None = None, *, negate: bool = False) -> Match:
    """The destination port is `low`, or in `low` to `high`. Put the transport before it."""
    return _port(2, low, high, negate)


def _port(offset: int, low: int, high: int | None, negate: bool) -> Match:
    first = struct.pack(">H", low)
    if high is None:
        return Match((nft.load("transport", offset, 2), nft.compare(_is(negate), first)))
    return Match((nft.load("transport", offset, 2), nft.between(first, struct.pack(">H", high), outside=negate)))


def in_interface(name: str, *, negate: bool = False) -> Match:
    """The packet came in on the interface of that name (in bridge tables: the port)."""
    return Match((nft.meta(nft.META_IN_NAME), nft.compare(_is(negate), name.encode().ljust(16, b"\0"))))


def out_interface(name: str, *, negate: bool = False) -> Match:
    """The packet leaves by the interface of that name (in bridge tables: the port)."""
    return Match((nft.meta(nft.META_OUT_NAME), nft.compare(_is(negate), name.encode().ljust(16, b"\0"))))


def icmp(version: Version, kind: int, code: int | None = None, *, negate: bool = False) -> Match:
    """The type of an ICMP (version 4) or ICMPv6 (version 6) message, and its code if given."""
    wanted = bytes((kind,)) if code is None else bytes((kind, code))
    protocol = transport("icmp" if version == 4 else "icmpv6").parts
    return Match((*protocol, nft.load("transport", 0, len(wanted)), nft.compare(_is(negate), wanted)))


def length(comparison: Comparison, size: int) -> Match:
    """The packet's length in bytes from the IP header on (in bridge tables too)."""
    compared = nft.compare(COMPARISONS[comparison], struct.pack(">I", size))
    return Match((nft.meta(nft.META_LENGTH), nft.to_network_order(), compared))


def state(*states: str, negate: bool = False) -> Match:
    """The state of the tracked connection is one of these."""
    mask = nft.machine_order(sum(STATES[one] for one in states))
    return Match((nft.connection(nft.CT_STATE), nft.masked(mask), nft.compare(_is(not negate), bytes(4))))


def reply(*, negate: bool = False) -> Match:
    """The packet runs against the direction in which its connection was opened."""
    return Match((nft.connection(nft.CT_DIRECTION), nft.compare(_is(negate), b"\1")))


def translated() -> Match:
    """The destination of the tracked connection was rewritten (IPS_DST_NAT)."""
    return Match(
        (nft.connection(nft.CT_STATUS), nft.masked(nft.machine_order(0x20)), nft.compare(nft.NOT_EQUAL, bytes(4)))
    )


WHOLE: Final = "ff:ff:ff:ff:ff:ff"
"""The mask of a MAC address of which every bit counts."""


def ether_destination(mac: str, mask: str = WHOLE, *, negate: bool = False) -> Match:
    """The frame's destination MAC address equals `mac` in the bits of `mask`."""
    return _mac(0, mac, mask, negate)


def ether_source(mac: str, mask: str = WHOLE, *, negate: bool = False) -> Match:
    """The frame's source MAC address equals `mac` in the bits of `mask`."""
    return _mac(6, mac, mask, negate)


def _mac(offset: int, mac: str, mask: str, negate: bool) -> Match:
    bits = mac_bytes(mask)
    wanted = bytes(a & b for a, b in zip(mac_bytes(mac), bits, strict=True))
    narrowed = () if bits == mac_bytes(WHOLE) else (nft.masked(bits),)
    return Match((nft.load("link", offset, 6), *narrowed, nft.compare(_is(negate), wanted)))


def ether_type(kind: str | int, *, negate: bool = False) -> Match:
    """The frame's type, by name or number."""
    number = ETHER_TYPES[kind] if isinstance(kind, str) else kind
    return Match((nft.meta(nft.META_PROTOCOL), nft.compare(_is(negate), struct.pack(">H", number))))


def fragment(version: Version, which: Literal["any", "first", "later"] = "any") -> Match:
    """The packet is a fragment: any, the first (offset 0, more follow), or a later one (offset above 0).

    Connection tracking reassembles before it looks: match fragments at a priority below -400.
    """
    load = nft.load("network", 6, 2) if version == 4 else nft.extension_header(44, 2, 2)
    more, offset = (0x2000, 0x1FFF) if version == 4 else (0x0001, 0xFFF8)
    mask = nft.masked(struct.pack(">H", offset if which == "later" else more | offset))
    if which == "first":
        return Match((load, mask, nft.compare(nft.EQUAL, struct.pack(">H", more))), version)
    return Match((load, mask, nft.compare(nft.NOT_EQUAL, bytes(2))), version)


def limit(rate: int, *, burst: int, over: bool = False) -> Match:
    """At most `rate` packets a second get past this condition, and `burst` at once; with `over` those beyond that."""
    return Match((nft.limit(rate, burst, over=over),))


def payload(base: nft.Base, offset: int, value: bytes, *, mask: bytes | None = None, negate: bool = False) -> Match:
    """Any bytes of a header: at `offset` there is `value`, in the bits of `mask` if given."""
    narrowed = () if mask is None else (nft.masked(mask),)
    return Match((nft.load(base, offset, len(value)), *narrowed, nft.compare(_is(negate), value)))
