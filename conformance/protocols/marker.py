"""The mark that every packet of a flow carries, so that it is found on every tap whatever its headers became.

Sixteen bytes at the very start of what the flow sends: the payload of UDP and UDP-Lite, the first TCP segment with
data, the data of an ICMP or ICMPv6 echo, the bytes right behind the IP header for a protocol without a header known
here, behind the four bytes of a GRE header, and behind the common header and the head of a chunk for SCTP.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

MAGIC: Final = b"PLUGFEST"
MARKER: Final = Struct("!8sQ")
"""Magic, then the flow's id: unsigned 64 bits, big endian, never 0."""

UDP_OFFSET: Final = 8
ICMP_OFFSET: Final = 8
GRE_OFFSET: Final = 4
SCTP_OFFSET: Final = 12 + 16
"""SCTP common header, then the head of a DATA chunk (RFC 9260 §3.1, §3.3.1)."""
OFFSETS: Final = {1: ICMP_OFFSET, 17: UDP_OFFSET, 47: GRE_OFFSET, 58: ICMP_OFFSET, 132: SCTP_OFFSET, 136: UDP_OFFSET}
"""IP protocol to the marker's offset behind the IP header; TCP's is its data offset, any other protocol's is 0."""


def mark(flow: int) -> bytes:
    """The marker of flow `flow` (1 .. 2**64 - 1), 16 bytes."""
    return MARKER.pack(MAGIC, flow)


def flow_of(payload: bytes) -> int:
    """The flow id at the start of `payload`, 0 where there is none."""
    if len(payload) < MARKER.size:
        return 0
    magic, flow = MARKER.unpack_from(payload)
    return int(flow) if magic == MAGIC else 0
