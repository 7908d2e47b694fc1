"""ICMP and ICMPv6 errors, and the packet that they quote (RFC 792, RFC 4443 §3)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from struct import error, unpack_from
from typing import Final

from conformance.protocols.marker import OFFSETS, flow_of

Address = IPv4Address | IPv6Address

ERRORS: Final = {1: (3, 4, 5, 11, 12), 58: (1, 2, 3, 4)}
"""Types that quote a packet: unreachable, (source quench, redirect,) too big, time exceeded, parameter problem."""
TOO_BIG: Final = {1: (3, 4), 58: (2, 0)}
"""Type and code of "the packet does not fit" (RFC 1191 §4, RFC 4443 §3.2), of which `Quoted.mtu` speaks."""


@dataclass(frozen=True, slots=True)
class Quoted:
    """An error and the packet in it. `mtu` is 0 unless it says too big; `flow` is 0 where the quote is too short.

    `ip_length` is the quoted packet's length in bytes as its own header says. Ports are 0 for other protocols; for
    an echo both are its identifier.
    """

    offender: Address
    type: int
    code: int
    mtu: int
    source: Address
    destination: Address
    protocol: int
    ttl: int
    ip_length: int
    source_port: int = 0
    destination_port: int = 0
    flow: int = 0


def quoted(packet: bytes) -> Quoted | None:
    """What an IP packet (without its link header) quotes; None if it is no ICMP error or is cut within the headers."""
    try:
        outer = _header(packet)
        if outer is None or outer.protocol not in ERRORS or packet[outer.end] not in ERRORS[outer.protocol]:
            return None
        kind, code, _, word = unpack_from("!BBHI", packet, outer.end)
        inner_packet = packet[outer.end + 8 :]
        inner = _header(inner_packet)
    except (error, IndexError):
        return None
    if inner is None:
        return None
    too_big = (kind, code) == TOO_BIG[outer.protocol]
    mtu = (word & 0xFFFF if outer.protocol == 1 else word) if too_big else 0
    near, far, flow = _transport(inner.protocol, inner_packet[inner.end :])
    return Quoted(
        outer.source,
        kind,
        code,
        mtu,
        inner.source,
        inner.destination,
        inner.protocol,
        inner.ttl,
        inner.length,
        near,
        far,
        flow,
    )


@dataclass(frozen=True, slots=True)
class _Header:
    source: Address
    destination: Address
    protocol: int
    ttl: int
    length: int
    end: int


def _header(packet: bytes) -> _Header | None:
    """The IP header at the start. Raises struct.error, IndexError where it is cut."""
    version = packet[0] >> 4
    if version == 4:
        length, ttl, protocol = unpack_from("!2xH4xBB", packet)
        source, destination = unpack_from("!12x4s4s", packet)
        return _Header(
            ip_address(source), ip_address(destination), protocol, ttl, length, max(20, (packet[0] & 15) * 4)
        )
    if version != 6:
        return None
    payload, protocol, ttl, source, destination = unpack_from("!4xHBB16s16s", packet)
    end = 40
    while protocol in (0, 43, 44, 60):
        protocol, size = packet[end], (8 if protocol == 44 else (packet[end + 1] + 1) * 8)
        end += size
    return _Header(ip_address(source), ip_address(destination), protocol, ttl, payload + 40, end)


def _transport(protocol: int, rest: bytes) -> tuple[int, int, int]:
    """Source port, destination port and flow of a quoted packet, as far as the quote goes."""
    near = far = 0
    if protocol in (6, 17, 33, 132, 136) and len(rest) >= 4:
        near, far = unpack_from("!HH", rest)
    elif protocol in (1, 58) and len(rest) >= 6:
        near = far = unpack_from("!4xH", rest)[0]
    offset = OFFSETS.get(protocol, 0)
    if protocol == 6:
        offset = (rest[12] >> 4) * 4 if len(rest) > 12 else len(rest)
    return near, far, flow_of(rest[offset:])
