"""What the partners' taps show of a group of ports: LACPDUs both ways, and the numbered frames that came out."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from conformance.judging.case import Case
from conformance.protocols import numbered
from conformance.protocols.lacp import frames as lacp
from conformance.protocols.lacp.frames import Lacpdu
from conformance.protocols.numbered import Numbered
from conformance.recording.model import Event, PortState, Record

SECOND = 1_000_000_000
STANDSTILL = 3.0
BUSY = 1.0
TOLD = 0.2
"""How late our own timers may be, in s, before nothing can be said of others, before nothing that others were late for
is held against them, and before it is mentioned."""


@dataclass(frozen=True, slots=True)
class Pdu:
    """A LACPDU on a partner's tap: its frame's number, its time in ns, and what it says."""

    number: int
    time_ns: int
    pdu: Lacpdu
    frame: bytes


@dataclass(frozen=True, slots=True)
class Arrival:
    """A numbered frame on a partner's tap: its frame's number, its time in ns, and which one it is."""

    number: int
    time_ns: int
    what: Numbered


def ports_of(case: Case, group: str) -> list[PortState]:
    """The ports of a group, in their order. Requires that the scenario made it and that no tap lost a frame."""
    made = [event for event in case.recording.record.events if event.kind == "group" and event.where == group]
    case.require(made, f"the scenario has no group {group}")
    names = made[0].detail["ports"]
    known = {port.name: port for port in case.recording.record.ports}
    ports = [known[name] for name in names if name in known]
    case.require(len(ports) == len(names), f"ports of the group {group} are not in the record")
    for port in ports:
        case.tap(port.partner)
    return ports


def event(case: Case, kind: str, where: str, *, otherwise: str = "") -> Event:
    """The first event of that kind and place. Requires that there is one."""
    found = [one for one in case.recording.record.events if (one.kind, one.where) == (kind, where)]
    case.require(found, otherwise or f"{where}: the scenario did not come to {kind}")
    return found[0]


def came_up(case: Case, group: str) -> Event:
    """When all ports of the group distributed, as the partner saw it. Requires that they did."""
    found = event(case, "up", group)
    case.require(found.detail.get("came"), f"{group}: the partner's ports never came to distribute")
    return found


def pdus(
    case: Case, port: PortState, *, between: tuple[int, int] | None = None, ours: bool = False
) -> list[Pdu]:  # fmt: skip
    """LACPDUs on a port's cable, in the order of time: of the implementation, or `ours`."""
    index = case.recording.frames
    wanted = {"tap": port.partner, "ethertype": lacp.ETHERTYPE, "outbound": ours}
    rows = index.select(**wanted, **({} if between is None else {"between": between}))
    found = []
    for row, frame in index.frames(rows):
        pdu = lacp.lacpdu(frame)
        if pdu is not None:
            found.append(Pdu(row + 1, int(index.time_ns[row]), pdu, frame))
    return found


def arrivals(
    case: Case, port: PortState, *, between: tuple[int, int] | None = None, ours: bool = False
) -> list[Arrival]:  # fmt: skip
    """Numbered frames on a port's cable, in the order of time: what the implementation sent, or `ours` into it."""
    index = case.recording.frames
    wanted = {"tap": port.partner, "ip_version": 4, "destination_port": numbered.DISCARD, "outbound": ours}
    rows = index.select(**wanted, **({} if between is None else {"between": between}))
    found = []
    for row, frame in index.frames(rows):
        what = numbered.parse(frame)
        if what is not None:
            found.append(Arrival(row + 1, int(index.time_ns[row]), what))
    return found


def lateness(record: Record, between: tuple[int, int] | None = None) -> float:
    """How late our own timers were at most about that time (in ns; None: at any time), in s."""
    start, end = (0, 2**62) if between is None else between
    near = (
        float(one.detail["seconds"])
        for one in record.events
        if one.kind == "late" and start - SECOND <= one.time_ns <= end + SECOND
    )
    return max(near, default=0.0)


def slack(case: Case, between: tuple[int, int] | None = None) -> float:
    """What is allowed on top of a timer, in s: how late our own timers were at most meanwhile (or at any time).

    On a busy machine the implementation's timers are as late as ours. Requires that there was no standstill.
    """
    worst = lateness(case.recording.record, between)
    case.require(worst < STANDSTILL, f"the machine stood still for {worst:.1f} s, so that no timer can be judged")
    if worst > TOLD:
        case.note(f"the machine was busy: our own timers were up to {worst:.1f} s late, which is allowed for")
    return worst


def unhurried(case: Case, holds: object, between: tuple[int, int] | None = None) -> None:
    """Where something does not hold that somebody had to do in time, requires that the machine gave them the time."""
    late = lateness(case.recording.record, between)
    case.require(holds or late < BUSY, f"the machine was busy: our own timers were {late:.1f} s late")


def tardiness(case: Case, ports: Iterable[PortState], between: tuple[int, int], period: float) -> float:
    """How late LACPDUs of these ports were at most in that time, in s, where they are due every `period` s and the
    machine had more to do than it has processors for; at most `BUSY`, and 0 on a machine at rest.

    Whoever has much work for one timer is later than our own, which have little.
    """
    record = case.recording.record
    if max(record.load[:2]) <= record.processors:
        return 0.0
    start, end = between[0] - int(period * SECOND), between[1] + SECOND
    gaps = (gap for port in ports for gap in intervals(one.time_ns for one in pdus(case, port, between=(start, end))))
    return min(BUSY, max((gap - period for gap in gaps), default=0.0))


def intervals(times: Iterable[int]) -> list[float]:
    """Seconds between each time and the next."""
    listed = sorted(times)
    return [(later - earlier) / SECOND for earlier, later in itertools.pairwise(listed)]


def median(values: Iterable[float]) -> float:
    """The middle value (the upper one of two). Raises IndexError where there is none."""
    listed = sorted(values)
    return listed[len(listed) // 2]


def busiest(times: Iterable[int], span: float) -> int:
    """The most of `times` (ns) that lie within any `span` seconds."""
    listed = sorted(times)
    width = int(span * SECOND)
    return max((bisect.bisect_left(listed, one + width) - place for place, one in enumerate(listed)), default=0)
