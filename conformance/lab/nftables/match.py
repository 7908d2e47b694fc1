"""Matches: conditions of a rule, all of which must hold.

A match that looks into a header first makes sure that the packet has that header: in the families inet, bridge and
netdev, which carry several protocols, it adds the condition on the protocol itself.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Final, Literal, Protocol

from conformance.lab.nftables import expression as nft

Family = Literal["ip", "ip6", "inet", "bridge", "netdev"]
Network = IPv4Network | IPv6Network

L4_PROTOCOLS: Final = {
    "icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "gre": 47, "icmpv6": 58, "sctp": 132, "udplite": 136,
}  # fmt: skip
ETHER_TYPES: Final = {"ip": 0x0800, "arp": 0x0806, "rarp": 0x8035, "vlan": 0x8100, "ip6": 0x86DD}
STATES: Final = {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}


class Match(Protocol):
    """One condition."""

    def expressions(self, family: Family) -> list[bytes]:
        """The kernel's expressions for a rule in a table of `family`."""


def _ip_version(version: int, family: Family) -> list[bytes]:
    """The condition that a packet is IPv4 or IPv6, where the table's family does not say so already."""
    if family in ("ip", "ip6"):
        if (version == 4) != (family == "ip"):
            raise ValueError(f"IPv{version} in a table of family {family}")
        return []
    if family == "inet":
        return [nft.meta(nft.META_NFPROTO), nft.compare(nft.EQUAL, bytes((2 if version == 4 else 10,)))]
    return [nft.meta(nft.META_PROTOCOL), nft.compare(nft.EQUAL, struct.pack(">H", 0x0800 if version == 4 else 0x86DD))]


def _is(negate: bool) -> int:
    return nft.NOT_EQUAL if negate else nft.EQUAL


@dataclass(frozen=True, slots=True)
class Source:
    """The source address is in `prefix`."""

    prefix: Network
    negate: bool = False

    def expressions(self, family: Family) -> list[bytes]:
        return _address(self.prefix, (12, 8), self.negate, family)


@dataclass(frozen=True, slots=True)
class Destination:
    """The destination address is in `prefix`."""

    prefix: Network
    negate: bool = False

    def expressions(self, family: Family) -> list[bytes]:
        return _address(self.prefix, (16, 24), self.negate, family)


def _address(prefix: Network, offsets: tuple[int, int], negate: bool, family: Family) -> list[bytes]:
    made = _ip_version(prefix.version, family)
    packed = prefix.network_address.packed
    made.append(nft.load("network", offsets[0 if prefix.version == 4 else 1], len(packed)))
    if prefix.prefixlen < prefix.max_prefixlen:
        made.append(nft.masked(prefix.netmask.packed))
    return [*made, nft.compare(_is(negate), packed)]


@dataclass(frozen=True, slots=True)
class Transport:
    """The transport protocol, by name or number, behind IPv4 or IPv6."""

    protocol: str | int
    negate: bool = False

    def expressions(self, family: Family) -> list[bytes]:
        number = L4_PROTOCOLS[self.protocol] if isinstance(self.protocol, str) else self.protocol
        return [nft.meta(nft.META_L4), nft.compare(_is(self.negate), bytes((number,)))]


@dataclass(frozen=True, slots=True)
class SourcePort:
    """The source port is `low`, or in `low` to `high`. Put the protocol before it."""

    low: int
    high: int | None = None
    negate: bool = False

    def expressions(self, family: Family) -> list[bytes]:
        return _port(0, self.low, self.high, self.negate)


@dataclass(frozen=True, slots=True)
class DestinationPort:
    """The destination port is `low`, or in `low` to `high`. Put the protocol before it."""

    low: int
    high: int | None = None
    negate: bool = False

    def expressions(self, family: Family) -> list[bytes]:
        return _port(2, self.low, self.high, self.negate)


def _port(offset: int, low: int, high: int | None, negate: bool) -> list[bytes]:
    first = struct.pack(">H", low)
    if high is None:
        return [nft.load("transport", offset, 2), nft.compare(_is(negate), first)]
    return [nft.load("transport", offset, 2), nft.between(first, struct.pack(">H", high), outside=negate)]


@dataclass(frozen=True, slots=True)
class InInterface:
    """The packet came in on the interface of that name (in bridge tables: the port)."""

    name: str
    negate: bool = False

    def expressions(self, family: Family) -> list[bytes]:
        return [nft.meta(nft.META_IN_NAME), nft.compare(_is(self.negate), self.name.encode().ljust(16, b"\0"))]


@dataclass(frozen=True, slots=True)
class OutInterface:
    """The packet leaves by the interface of that name (in bridge tables: the port)."""

    name: str
    negate: bool = False

    def expressions(self, family: Family) -> list[bytes]:
        return [nft.meta(nft.META_OUT_NAME), nft.compare(_is(self.negate), self.name.encode().ljust(16, b"\0"))]


@dataclass(frozen=True, slots=True)
class Icmp:
    """The type of an ICMP (version 4) or ICMPv6 (version 6) message, and its code if given."""

    version: Literal[4, 6]
    type: int
    code: int | None = None
    negate: bool = False

    def expressions(self, family: Family) -> list[bytes]:
        protocol = Transport("icmp" if self.version == 4 else "icmpv6").expressions(family)
        wanted = bytes((self.type,)) if self.code is None else bytes((self.type, self.code))
        return [*protocol, nft.load("transport", 0, len(wanted)), nft.compare(_is(self.negate), wanted)]


Comparison = Literal["==", "!=", "<", "<=", ">", ">="]
COMPARISONS: Final[dict[Comparison, int]] = {
    "==": nft.EQUAL, "!=": nft.NOT_EQUAL, "<": nft.LESS, "<=": nft.LESS_EQUAL, ">": nft.GREATER,
    ">=": nft.GREATER_EQUAL,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Length:
    """The packet's length in bytes, from the IP header on (in bridge tables too)."""

    comparison: Comparison
    size: int

    def expressions(self, family: Family) -> list[bytes]:
        wanted = struct.pack(">I", self.size)
        operation = COMPARISONS[self.comparison]
        return [nft.meta(nft.META_LENGTH), nft.to_network_order(), nft.compare(operation, wanted)]


@dataclass(frozen=True, slots=True)
class State:
    """The state of the tracked connection is one of these."""

    states: tuple[str, ...]
    negate: bool = False

    def expressions(self, family: Family) -> list[bytes]:
        mask = nft.machine_order(sum(STATES[state] for state in self.states))
        return [nft.connection(nft.CT_STATE), nft.masked(mask), nft.compare(_is(not self.negate), bytes(4))]


@dataclass(frozen=True, slots=True)
class Reply:
    """The packet runs against the direction in which its connection was opened."""

    negate: bool = False

    def expressions(self, family: Family) -> list[bytes]:
        return [nft.connection(nft.CT_DIRECTION), nft.compare(_is(self.negate), b"\1")]


@dataclass(frozen=True, slots=True)
class EtherDestination:
    """The frame's destination MAC address equals `mac` in the bits of `mask`."""

    mac: str
    mask: str = "ff:ff:ff:ff:ff:ff"
    negate: bool = False

    def expressions(self, family: Family) -> list[bytes]:
        return _mac(0, self.mac, self.mask, self.negate)


@dataclass(frozen=True, slots=True)
class EtherSource:
    """The frame's source MAC address equals `mac` in the bits of `mask`."""

    mac: str
    mask: str = "ff:ff:ff:ff:ff:ff"
    negate: bool = False

    def expressions(self, family: Family) -> list[bytes]:
        return _mac(6, self.mac, self.mask, self.negate)


def _mac(offset: int, mac: str, mask: str, negate: bool) -> list[bytes]:
    bits = bytes.fromhex(mask.replace(":", ""))
    wanted = bytes(a & b for a, b in zip(bytes.fromhex(mac.replace(":", "")), bits, strict=True))
    narrowed = [] if bits == b"\xff" * 6 else [nft.masked(bits)]
    return [nft.load("link", offset, 6), *narrowed, nft.compare(_is(negate), wanted)]


@dataclass(frozen=True, slots=True)
class EtherType:
    """The frame's type, by name or number."""

    type: str | int
    negate: bool = False

    def expressions(self, family: Family) -> list[bytes]:
        number = ETHER_TYPES[self.type] if isinstance(self.type, str) else self.type
        return [nft.meta(nft.META_PROTOCOL), nft.compare(_is(self.negate), struct.pack(">H", number))]


@dataclass(frozen=True, slots=True)
class Fragment:
    """The packet is a fragment: any, the first (offset 0, more follow), or a later one (offset above 0)."""

    version: Literal[4, 6]
    which: Literal["any", "first", "later"] = "any"

    def expressions(self, family: Family) -> list[bytes]:
        made = _ip_version(self.version, family)
        load = nft.load("network", 6, 2) if self.version == 4 else nft.extension_header(44, 2, 2)
        more, offset = (0x2000, 0x1FFF) if self.version == 4 else (0x0001, 0xFFF8)
        mask = offset if self.which == "later" else more | offset
        wanted = (nft.EQUAL, more) if self.which == "first" else (nft.NOT_EQUAL, 0)
        compared = nft.compare(wanted[0], struct.pack(">H", wanted[1]))
        return [*made, load, nft.masked(struct.pack(">H", mask)), compared]


@dataclass(frozen=True, slots=True)
class Payload:
    """Any bytes of a header: at `offset` there is `value`, in the bits of `mask` if given."""

    base: nft.Base
    offset: int
    value: bytes
    mask: bytes | None = None
    negate: bool = False

    def expressions(self, family: Family) -> list[bytes]:
        narrowed = [] if self.mask is None else [nft.masked(self.mask)]
        load = nft.load(self.base, self.offset, len(self.value))
        return [load, *narrowed, nft.compare(_is(self.negate), self.value)]
