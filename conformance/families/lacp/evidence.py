"""LACPDUs on the partners' taps: what was sent when, when a group came up, and how late a busy machine made them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from conformance import limits
from conformance.judging.case import Case
from conformance.judging.groups import ports_of
from conformance.judging.timing import SECOND, intervals
from conformance.protocols import ethertypes
from conformance.protocols.envelope import ETHERNET
from conformance.protocols.lacp import frames as lacp
from conformance.protocols.lacp.frames import Lacpdu, Marker, State
from conformance.recording.events.aggregation import DistributionAwaited
from conformance.recording.model import PortState


@dataclass(frozen=True, slots=True)
class Pdu:
    """A LACPDU on a partner's tap: its frame's number, its time in ns, and what it says."""

    number: int
    time_ns: int
    pdu: Lacpdu
    frame: bytes


@dataclass(frozen=True, slots=True)
class MarkerPdu:
    """A Marker PDU on a partner's tap: its frame's number, its time in ns, and what it says."""

    number: int
    time_ns: int
    marker: Marker
    frame: bytes


def markers(
    case: Case, port: PortState, *, between: tuple[int, int] | None = None, ours: bool = False
) -> list[MarkerPdu]:
    """Marker PDUs on a port's cable, in the order of time: of the implementation, or `ours`."""
    index = case.recording.frames
    wanted = {"tap": port.partner, "ethertype": ethertypes.SLOW_PROTOCOLS, "outbound": ours}
    rows = index.select(**wanted, **({} if between is None else {"between": between}))
    read = ((row, frame, lacp.marker(frame)) for row, frame in index.frames(rows))
    return [MarkerPdu(row + 1, int(index.time_ns[row]), one, frame) for row, frame, one in read if one is not None]


def came_up(case: Case, group: str) -> DistributionAwaited:
    """The event until which the partner waited for all its ports in the group to distribute. Requires that they did: on
    every cable a LACPDU of its own says so."""
    found = case.the(DistributionAwaited, where=group)
    said = [pdus(case, port, ours=True) for port in ports_of(case, group)]
    came = all(any(State.DISTRIBUTING in one.pdu.actor.state for one in listed) for listed in said)
    case.require(came, f"{group}: the partner's ports never came to distribute")
    return found


def pdus(case: Case, port: PortState, *, between: tuple[int, int] | None = None, ours: bool = False) -> list[Pdu]:
    """LACPDUs on a port's cable, in the order of time: of the implementation, or `ours`."""
    index = case.recording.frames
    wanted = {"tap": port.partner, "ethertype": ethertypes.SLOW_PROTOCOLS, "outbound": ours}
    rows = index.select(**wanted, **({} if between is None else {"between": between}))
    found = []
    for row, frame in index.frames(rows):
        pdu = lacp.lacpdu(frame)
        if pdu is not None:
            found.append(Pdu(row + 1, int(index.time_ns[row]), pdu, frame))
    return found


def meant(case: Case, port: PortState) -> list[tuple[int, bytes]]:
    """Number and bytes of every frame that the implementation sent on a port as a LACPDU, whether or not it can be read
    as one: a slow protocol of a subtype that nobody else has."""
    index = case.recording.frames
    rows = index.select(tap=port.partner, ethertype=ethertypes.SLOW_PROTOCOLS, outbound=False)
    return [(row + 1, frame) for row, frame in index.frames(rows) if is_lacp(frame)]


def is_lacp(frame: bytes, link: int = ETHERNET) -> bool:
    """Whether a frame of the slow protocols is a LACPDU or was meant to be one: none of the Marker protocol (IEEE
    802.1AX-2020 §6.5), and none of those that other standards have."""
    kind = lacp.subtype(frame, link)
    return kind != lacp.MARKER and kind not in lacp.OTHER_SUBTYPES


def tardiness(case: Case, ports: Iterable[PortState], between: tuple[int, int], period: float) -> float:
    """Greatest lateness of LACPDUs of these ports in that time, in s, where they are due every `period` s and the
    machine had more to do than it has processors for; at most `limits.BUSY`, and 0 on a machine at rest.

    An implementation with much work for one timer is later than our own timers, which have little.
    """
    record = case.recording.record
    if max(record.load[:2]) <= record.processors:
        return 0.0
    start, end = between[0] - int(period * SECOND), between[1] + SECOND
    gaps = (gap for port in ports for gap in intervals(one.time_ns for one in pdus(case, port, between=(start, end))))
    return min(limits.BUSY, max((gap - period for gap in gaps), default=0.0))
