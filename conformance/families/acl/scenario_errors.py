"""Errors about what a policy allows: the receiver of a datagram reports it to its sender."""

from __future__ import annotations

import time
from typing import Final

from conformance.lab.flow.payload import query
from conformance.protocols import crafted
from conformance.provoking.odd_packets import FILLING, OPEN, SOURCE_PORT, Pair, raw_socket, send_packet
from conformance.recording.model import AddressFamily

ERRORS: Final[dict[AddressFamily, tuple[tuple[int, int, int], ...]]] = {
    "ipv4": ((3, 1, 0), (3, 3, 0), (3, 4, 1400), (11, 0, 0), (12, 0, 0)),
    "ipv6": ((1, 0, 0), (1, 4, 0), (2, 0, 1400), (3, 0, 0), (4, 1, 40), (4, 2, 40)),
}
"""Type, code and the four bytes behind the checksum: RFC 4890 §4.3.1 for IPv6, and their counterparts for IPv4."""


def send_allowed(pair: Pair) -> list[bytes]:
    """A datagram for each error, of a flow of its own; returns the packets as they were sent."""
    sent = []
    with raw_socket(pair.source.namespace, pair.family) as sender:
        for number, (kind, code, _) in enumerate(ERRORS[pair.family]):
            sport = SOURCE_PORT + 2000 + number
            flow = pair.flow("icmp-error", f"type {kind} code {code}", port=OPEN, sport=sport)
            datagram = crafted.udp(pair.near, pair.far, (sport, OPEN), query(flow.id, FILLING))
            sent.append(crafted.ip(pair.near, pair.far, crafted.UDP, datagram))
            send_packet(sender, sent[-1], pair.far)
            pair.context.flows.append(flow.model_copy(update={"sent_ns": time.time_ns()}))
    return sent


def report(pair: Pair, sent: list[bytes]) -> None:
    """The receiver of those datagrams sends an error about each to its sender."""
    protocol = 1 if pair.family == "ipv4" else crafted.ICMPV6
    with raw_socket(pair.target.namespace, pair.family) as reporter:
        for packet, (kind, code, rest) in zip(sent, ERRORS[pair.family], strict=True):
            message = crafted.icmp(pair.far, pair.near, (kind, code), rest, packet)
            send_packet(reporter, crafted.ip(pair.far, pair.near, protocol, message), pair.near)
