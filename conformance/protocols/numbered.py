"""Numbered frames: UDP datagrams of a few conversations, each with a sequence number, for what is switched.

A conversation has its own MAC and IP addresses and ports, so that whatever a distribution goes by tells them apart.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from conformance.protocols import ethertypes
from conformance.protocols.mac import mac_bytes
from conformance.protocols.ndp import checksum

MAGIC: Final = b"PLUGNUMB"
_BODY: Final = struct.Struct("!8sHI")
SOURCES: Final = IPv4Address("192.0.2.128")
TARGET: Final = IPv4Address("198.51.100.7")
NOBODY: Final = "02:00:5e:00:53:fe"
"""A locally administered address that no station has: frames to it are flooded."""
FLOODED, CONTROL, LEARNED, OWN_PORT, MOVED, AGED, SPOKEN, LOOPED, FLUSHED, RELEARNED, COUNTED = range(1, 12)
"""Conversations of stations behind a bridge: to nobody known, to everybody, to a station that spoke, to one of the same
port, to one that moved, to one that may be forgotten, a station's own first word, into a loop, to one that is
forgotten when the tree changes, to one that moved once more and has sent nothing but to a single station, and many to
everybody, between two readings of the ports' counters."""
FIRST_PORT: Final = 40_000
DISCARD: Final = 9
LENGTH: Final = 14 + 20 + 8 + _BODY.size


@dataclass(frozen=True, slots=True)
class Numbered:
    """Which frame it is: conversation (0 .. 255) and number within it."""

    conversation: int
    number: int


def source_mac(conversation: int) -> str:
    """The MAC address that a conversation is sent from."""
    return f"02:00:5e:00:54:{conversation:02x}"


def build(what: Numbered, destination: str = NOBODY, source: str | None = None) -> bytes:
    """The whole frame, from `source` (the conversation's own address) to `destination`."""
    body = _BODY.pack(MAGIC, what.conversation, what.number)
    sender = (SOURCES + what.conversation).packed
    port = FIRST_PORT + what.conversation
    pseudo = sender + TARGET.packed + struct.pack("!BBH", 0, 17, 8 + len(body))
    udp = struct.pack("!HHHH", port, DISCARD, 8 + len(body), 0)
    total = checksum(pseudo + udp + body) or 0xFFFF
    udp = udp[:6] + struct.pack("!H", total)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp + body), 0, 0x4000, 64, 17, 0) + sender + TARGET.packed
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    ethernet = mac_bytes(destination, source or source_mac(what.conversation))
    return (ethernet + ethertypes.octets(ethertypes.IPV4) + head + udp + body).ljust(60, b"\0")


def parse(frame: bytes) -> Numbered | None:
    """Which numbered frame it is, None if it is none."""
    if len(frame) < LENGTH or frame[42:50] != MAGIC:
        return None
    _, conversation, number = _BODY.unpack_from(frame, 42)
    return Numbered(conversation, number)
