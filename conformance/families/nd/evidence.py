"""Neighbour discovery and MLD as an endpoint's tap saw them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.judging.case import Case
from conformance.protocols.ndp import ADVERTISEMENT, SOLICITATION, Neighbor, checksum_holds, parse
from conformance.recording.model import EndpointState

HOP_LIMIT = 255
"""Of every message of neighbour discovery: it has crossed no router (RFC 4861 §7.1)."""
WITHOUT_OPTIONS = 64
"""Octets of an IPv6 header and of a solicitation or advertisement (RFC 4861 §4.3, §4.4)."""
MLD_REPORTS = (131, 143)
"""ICMPv6 types of MLDv1 and MLDv2 reports (RFC 2710 §3, RFC 3810 §5.2)."""


def vantages(case: Case, endpoint: EndpointState) -> list[int]:
    """Numbers of the taps that see what the endpoint sends: its own, and those of its host (its cable's other end)."""
    taps = [tap for tap in case.recording.record.taps if tap.name == endpoint.tap or tap.where == endpoint.host]
    case.require(not any(tap.dropped for tap in taps), "a tap that watches the endpoint lost frames")
    return [tap.number for tap in taps]


def seen_from_start(case: Case, endpoint: EndpointState) -> bool:
    """Whether the endpoint was watched from its first frame: by its own tap, or from the host's end of its cable."""
    if case.watched_from_start(endpoint):
        return True
    inside = {tap.number for tap in case.recording.record.taps if tap.where == endpoint.host}
    index = case.recording.frames
    return bool(inside & {int(tap) for tap in index.tap[index.select(source_mac=endpoint.kernel.mac)]})


def sent_by(case: Case, endpoint: EndpointState, **wanted: Any) -> NDArray[np.int64]:
    """Rows of the frames that the endpoint sent and that match `wanted`, in order: those that leave on its own tap,
    and those with its MAC address on its host's. A frame that several taps saw is there as often."""
    index = case.recording.frames
    taps = vantages(case, endpoint)
    own = {tap.number for tap in case.recording.record.taps if tap.name == endpoint.tap}
    left = index.select(tap=[tap for tap in taps if tap in own], outbound=True, **wanted)
    if not endpoint.kernel.mac:
        return left
    passed = index.select(tap=[tap for tap in taps if tap not in own], source_mac=endpoint.kernel.mac, **wanted)
    return np.union1d(left, passed)


def neighbours(
    case: Case, endpoint: EndpointState, *, between: tuple[int, int] | None = None
) -> list[tuple[int, Neighbor]]:
    """Rows and messages of the neighbour discovery that the endpoint itself sent, in order; times in ns."""
    index = case.recording.frames
    wanted: dict[str, Any] = {} if between is None else {"between": between}
    rows = sent_by(case, endpoint, icmp_type=(SOLICITATION, ADVERTISEMENT), **wanted)
    found = ((row, parse(frame)) for row, frame in index.frames(rows))
    return [(row, message) for row, message in found if message is not None]


def valid(case: Case, row: int, message: Neighbor) -> bool:
    """Whether a receiver takes a message for one: hop limit 255, code 0, a right checksum, no option of length 0
    (RFC 4861 §7.1.1, §7.1.2). A checksum that was left to the hardware is right."""
    index = case.recording.frames
    frame = index.frame(row)
    sound = bool(index.checksum_not_ready[row]) or checksum_holds(frame)
    begin = int(index.l3_offset[row])
    options = frame[begin + WITHOUT_OPTIONS : begin + int(index.ip_length[row])]
    return message.hop_limit == HOP_LIMIT and message.code == 0 and sound and _whole(options)


def _whole(options: bytes) -> bool:
    """Whether each option has a length, and the last one ends where the message does."""
    at = 0
    while at + 1 < len(options) and options[at + 1]:
        at += options[at + 1] * 8
    return at == len(options)


def mld_reports(case: Case, endpoint: EndpointState) -> list[int]:
    """Rows of the MLD reports that the endpoint sent."""
    return [int(row) for row in sent_by(case, endpoint, icmp_type=MLD_REPORTS)]


def packets_from(case: Case, endpoint: EndpointState, address: object) -> NDArray[np.int64]:
    """Rows of the packets that the endpoint sent from one of its addresses."""
    return sent_by(case, endpoint, source=str(address))


def advertisements_for(case: Case, target: str, *, by: str | None = None) -> list[int]:
    """Numbers of the frames in which anybody advertises `target`, on any tap; those alone that leave `by` if given."""
    index = case.recording.frames
    wanted: dict[str, Any] = {}
    if by is not None:
        wanted = {"tap": [tap.number for tap in case.recording.record.taps if tap.where == by], "outbound": True}
    found = ((row, parse(frame)) for row, frame in index.frames(index.select(icmp_type=ADVERTISEMENT, **wanted)))
    return [row + 1 for row, message in found if message is not None and str(message.target) == target]
