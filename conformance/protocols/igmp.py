"""IGMP messages: which groups they speak of (RFC 2236 §2, RFC 3376 §4)."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from conformance.protocols import ethertypes

LOCAL_CONTROL: Final = IPv4Network("224.0.0.0/24")
"""The Local Network Control Block: never forwarded by a router (RFC 5771 §4), flooded by switches (RFC 4541 §2.1.2)."""
REPORT_V3: Final = 0x22


def groups(frame: bytes) -> tuple[IPv4Address, ...]:
    """The groups that an IGMP message in an untagged Ethernet frame names; empty where it is none or is cut short."""
    if len(frame) < 34 or ethertypes.ethertype_of(frame) != ethertypes.IPV4 or frame[23] != 2:
        return ()
    body = frame[14 + (frame[14] & 15) * 4 :]
    if len(body) < 8:
        return ()
    if body[0] != REPORT_V3:
        return (IPv4Address(body[4:8]),)
    found = []
    rest = body[8:]
    for _ in range(struct.unpack_from("!H", body, 6)[0]):
        if len(rest) < 8:
            break
        found.append(IPv4Address(rest[4:8]))
        rest = rest[8 + 4 * struct.unpack_from("!H", rest, 2)[0] + 4 * rest[1] :]
    return tuple(found)
