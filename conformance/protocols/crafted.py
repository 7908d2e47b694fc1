"""IP packets that no socket of an honest application sends: built octet by octet, as stimuli.

Plain struct, like `ndp`: scenarios build a few dozen. Everything is a packet from the IP header on.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise
from typing import Final

from conformance.protocols.ndp import checksum

Address = IPv4Address | IPv6Address

HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION_OPTIONS = 0, 43, 44, 60
"""Next-header numbers of extension headers (RFC 8200 §4.1)."""
TCP, UDP, ICMPV6 = 6, 17, 58
HOP_LIMIT: Final = 64
EXPERIMENTAL: Final = 253
"""A routing type that nobody knows (RFC 4727 §3.3): with no segments left it is ignored (RFC 8200 §4.4)."""


def ip(
    source: Address,
    target: Address,
    protocol: int,
    payload: bytes,
    *,
    identifier: int = 0,
    fragment: int = 0,
    options: bytes = b"",
) -> bytes:
    """An IP packet. For IPv4 `fragment` is the field of flags and offset, `options` are whole words (RFC 791 §3.1);
    IPv6 takes none of the three."""
    if isinstance(source, IPv4Address):
        size = 20 + len(options)
        kind, length = 0x40 | size // 4, size + len(payload)
        head = struct.pack("!BBHHHBBH", kind, 0, length, identifier, fragment, HOP_LIMIT, protocol, 0)
        whole = head + source.packed + target.packed + options
        return whole[:10] + struct.pack("!H", checksum(whole)) + whole[12:] + payload
    return (
        struct.pack("!IHBB", 0x6000_0000, len(payload), protocol, HOP_LIMIT) + source.packed + target.packed + payload
    )


def udp(source: Address, target: Address, ports: tuple[int, int], data: bytes) -> bytes:
    """A UDP datagram (source port, destination port), with its checksum over the addresses."""
    head = struct.pack("!HHHH", *ports, 8 + len(data), 0)
    return head[:6] + struct.pack("!H", _sum(source, target, UDP, head + data) or 0xFFFF) + data


def tcp(source: Address, target: Address, ports: tuple[int, int], flags: int, data: bytes) -> bytes:
    """A TCP segment of no connection, with `flags` and `data`."""
    head = struct.pack("!HHIIBBHHH", *ports, 0x0B5E_55ED, 0x0DD5_EED5, 0x50, flags, 0x2000, 0, 0)
    return head[:16] + struct.pack("!H", _sum(source, target, TCP, head + data)) + head[18:] + data


def icmp(source: Address, target: Address, kind: tuple[int, int], rest: int, data: bytes) -> bytes:
    """An ICMP or ICMPv6 message (type, code); `rest` are the four bytes behind the checksum."""
    head = struct.pack("!BBHI", *kind, 0, rest)
    summed = checksum(head + data) if source.version == 4 else _sum(source, target, ICMPV6, head + data)
    return head[:2] + struct.pack("!H", summed) + head[4:] + data


def _sum(source: Address, target: Address, protocol: int, segment: bytes) -> int:
    pseudo = source.packed + target.packed + struct.pack("!II", len(segment), protocol)
    return checksum(pseudo + segment)


def fragments(
    source: Address, target: Address, protocol: int, payload: bytes, cuts: Sequence[int], *, identifier: int
) -> list[bytes]:
    """The packet cut at these offsets of its payload (multiples of eight), in order. IPv6 by Fragment headers."""
    edges = [0, *cuts, len(payload)]
    pieces = [(low, payload[low:high], high < len(payload)) for low, high in pairwise(edges)]
    return [piece(source, target, protocol, part, low, more=more, identifier=identifier) for low, part, more in pieces]


def piece(
    source: Address, target: Address, protocol: int, part: bytes, offset: int, *, more: bool, identifier: int
) -> bytes:
    """One fragment at `offset` in octets; `more` says that it is not the last. All fragments of one packet, and of no
    other, have the same `identifier` of 16 bits (RFC 791 §3.2, RFC 8200 §4.5)."""
    if source.version == 4:
        field = (0x2000 if more else 0) | offset // 8
        return ip(source, target, protocol, part, identifier=identifier, fragment=field)
    head = struct.pack("!BBHI", protocol, 0, offset | int(more), 0x0001_0000 | identifier)
    return ip(source, target, FRAGMENT, head + part)


def extended(headers: Sequence[int], protocol: int, payload: bytes, *, identifier: int = 0) -> tuple[int, bytes]:
    """`payload` behind IPv6 extension headers of these types: the first next-header number, and what follows it.

    Options hold padding alone (RFC 8200 §4.2); a Routing header has no segments left (§4.4); a Fragment header says
    that the packet is whole, with `identifier` of 16 bits (RFC 6946).
    """
    following, behind = protocol, payload
    for kind in reversed(headers):
        body = {
            ROUTING: struct.pack("!BBBBI", following, 0, EXPERIMENTAL, 0, 0),
            FRAGMENT: struct.pack("!BBHI", following, 0, 0, 0x0002_0000 | identifier),
        }.get(kind, struct.pack("!BBBB4x", following, 0, 1, 4))
        following, behind = kind, body + behind
    return following, behind
