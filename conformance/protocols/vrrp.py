"""VRRP advertisements of versions 2 and 3 (RFC 3768 §5, RFC 5798 §5) as a small typed view: parsed and built."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from conformance.protocols import envelope, ethertypes
from conformance.protocols.mac import mac_bytes, mac_text, multicast_mac
from conformance.protocols.ndp import checksum

Address = IPv4Address | IPv6Address

PROTOCOL: Final = 112
GROUP_IPV4: Final = IPv4Address("224.0.0.18")
GROUP_IPV6: Final = IPv6Address("ff02::12")
HOP_LIMIT: Final = 255
RESIGNED: Final = 0
"""The priority of a master that gives its responsibility up (RFC 5798 §5.2.4)."""
_HEAD: Final = struct.Struct("!BBBBHH")


@dataclass(frozen=True, slots=True)
class Advertisement:
    """One ADVERTISEMENT: virtual router, priority (0 .. 255), interval in seconds, and the addresses that it is for."""

    version: int
    router: int
    priority: int
    interval: float
    addresses: tuple[Address, ...]
    ethernet_source: str
    hop_limit: int


def virtual_mac(router: int, version: int) -> str:
    """The MAC address of a virtual router for IP of `version` (RFC 5798 §7.3)."""
    return f"00:00:5e:00:{1 if version == 4 else 2:02x}:{router:02x}"


def parse(frame: bytes, link: int = envelope.ETHERNET) -> Advertisement | None:
    """The advertisement in a frame, behind VLAN tags or not; None if it is none or is cut short."""
    around, size = envelope.read(frame, link), 4
    kind, packet = around.ethertype, around.payload
    if kind == ethertypes.IPV4 and len(packet) >= 20 and packet[9] == PROTOCOL:
        start, hop_limit = (packet[0] & 15) * 4, packet[8]
    elif kind == ethertypes.IPV6 and len(packet) >= 40 and packet[6] == PROTOCOL:
        start, hop_limit, size = 40, packet[7], 16
    else:
        return None
    if len(packet) < start + _HEAD.size:
        return None
    first, router, priority, count, word, _ = _HEAD.unpack_from(packet, start)
    version = first >> 4
    raw = packet[start + _HEAD.size : start + _HEAD.size + count * size]
    if first & 15 != 1 or len(raw) < count * size:
        return None
    interval = (word & 0x0FFF) / 100 if version == 3 else float(word & 0xFF)
    made = IPv4Address if size == 4 else IPv6Address
    addresses = tuple(made(raw[at : at + size]) for at in range(0, len(raw), size))
    return Advertisement(version, router, priority, interval, addresses, mac_text(around.source), hop_limit)


def build(router: int, priority: int, addresses: Sequence[Address], source: Address, mac: str) -> bytes:
    """A whole Ethernet frame of version 3 from `source` and `mac`, with an interval of one second.

    All `addresses` are of the family of `source`.
    """
    raw = b"".join(address.packed for address in addresses)
    body = _HEAD.pack(0x31, router, priority, len(addresses), 100, 0) + raw
    if isinstance(source, IPv4Address):
        pseudo = source.packed + GROUP_IPV4.packed + struct.pack("!BBH", 0, PROTOCOL, len(body))
        message = body[:6] + struct.pack("!H", checksum(pseudo + body)) + body[8:]
        head = struct.pack("!BBHHHBBH", 0x45, 0xC0, 20 + len(message), 0, 0, HOP_LIMIT, PROTOCOL, 0)
        head += source.packed + GROUP_IPV4.packed
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        ethernet = mac_bytes(multicast_mac(GROUP_IPV4), mac) + ethertypes.octets(ethertypes.IPV4)
        return (ethernet + head + message).ljust(60, b"\0")
    pseudo = source.packed + GROUP_IPV6.packed + struct.pack("!II", len(body), PROTOCOL)
    message = body[:6] + struct.pack("!H", checksum(pseudo + body)) + body[8:]
    head = struct.pack("!IHBB", 0x6C00_0000, len(message), PROTOCOL, HOP_LIMIT) + source.packed + GROUP_IPV6.packed
    return mac_bytes(multicast_mac(GROUP_IPV6), mac) + ethertypes.octets(ethertypes.IPV6) + head + message
