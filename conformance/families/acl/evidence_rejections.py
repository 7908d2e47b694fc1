"""Rejections as they came in at an endpoint: ICMP unreachable and TCP resets, and who sent them."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

import numpy as np

from conformance.judging.case import Case
from conformance.protocols import arp, ethertypes, ndp
from conformance.protocols.quoted import quoted
from conformance.recording.model import EndpointState
from conformance.recording.store import Recording

UNREACHABLE = {"ipv4": 3, "ipv6": 1}
RST = 0x04
GATEWAYS: Final = "gateways that were reported and looked for"

Wrong = list[tuple[int, str]]
"""Rows of frames that should not be, each with what is wrong with it."""


def false_reports(case: Case, endpoint: EndpointState) -> tuple[int, Wrong]:
    """How many reports "unreachable" came in at an endpoint, and those whose sender is not on the way.

    On the way are the address that was dialled, every address of the hosts, the testbed's router, and the gateways
    that the implementation reported, where the frames show a second witness: an endpoint that looked for it.
    """
    index = case.recording.frames
    version = 4 if case.family == "ipv4" else 6
    rows = index.select(
        tap=case.tap(endpoint.tap).number, outbound=False, ip_version=version, icmp_type=UNREACHABLE[case.family]
    )
    routers = _routers(case.recording)
    wrong: Wrong = []
    for row, frame in index.frames(rows):
        found = quoted(frame[14:])
        if found is not None and found.offender not in (found.destination, *routers):
            wrong.append((row, f"unreachable about {found.destination} from {found.offender}, which is not on the way"))
    return len(rows), wrong


def _routers(recording: Recording) -> set[object]:
    record = recording.record
    found: set[object] = {
        ip_address(address.address)
        for snapshot in record.snapshots
        if snapshot.where in record.testbed.hosts
        for interface in snapshot.interfaces
        for address in interface.addresses
    }
    for segment in record.testbed.segments.values():
        found |= {segment.router_ipv4, segment.router_ipv6}
    if GATEWAYS not in recording.memory:
        recording.memory[GATEWAYS] = {one for endpoint in record.endpoints for one in _resolved(recording, endpoint)}
    known: set[object] = recording.memory[GATEWAYS]
    return found | known


def _resolved(recording: Recording, endpoint: EndpointState) -> Iterator[object]:
    """The gateways that were reported of an endpoint and that it looked for on its own link, by ARP (RFC 826) or by
    neighbour solicitations (RFC 4861 §7.2.2)."""
    index = recording.frames
    own = {"tap": endpoint.tap, "outbound": True}
    asked: set[object] = set()
    for _, frame in index.frames(index.select(**own, ethertype=ethertypes.ARP)):
        packet = arp.parse(frame)
        asked |= {packet.target} if packet is not None and packet.operation == arp.REQUEST else set()
    for _, frame in index.frames(index.select(**own, icmp_type=ndp.SOLICITATION, ip_version=6)):
        message = ndp.parse(frame)
        asked |= {message.target} if message is not None else set()
    yield from asked & {ip_address(gateway) for gateway in endpoint.reported_gateways}


def false_resets(case: Case, endpoint: EndpointState) -> tuple[int, Wrong]:
    """How many TCP resets came in at an endpoint, and those from an address and port that it never sent to.

    Crafted ones, which carry the marker of a flow, are no rejections.
    """
    index = case.recording.frames
    version = 4 if case.family == "ipv4" else 6
    mine = index.mask(tap=case.tap(endpoint.tap).number, protocol=6, ip_version=version)
    out = np.flatnonzero(mine & index.outbound)
    back = np.flatnonzero(mine & ~index.outbound & (index.tcp_flags & RST != 0) & (index.flow == 0))
    sent = ("destination_high", "destination_low", "destination_port", "source_port")
    come = ("source_high", "source_low", "source_port", "destination_port")
    dialled = set(zip(*(getattr(index, name)[out].tolist() for name in sent), strict=True))
    senders = zip(*(getattr(index, name)[back].tolist() for name in come), strict=True)
    wrong: Wrong = [
        (row, f"a reset from {index.address(row, 'source')}, to which nothing was sent")
        for row, sender in zip(back.tolist(), senders, strict=True)
        if sender not in dialled
    ]
    return len(back), wrong
