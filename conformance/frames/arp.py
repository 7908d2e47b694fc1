"""ARP announcements (RFC 5227 §1.1) as whole frames, for stations that the suite plays itself."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address


def announcement(address: str, mac: str) -> bytes:
    """A request that asks for its own sender's address: it tells where `address` is from now on. 60 octets."""
    own, station = IPv4Address(address).packed, bytes.fromhex(mac.replace(":", ""))
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + station + own + bytes(6) + own
    return (b"\xff" * 6 + station + b"\x08\x06" + body).ljust(60, b"\0")
