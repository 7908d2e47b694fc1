"""What joins two implementations that are cabled port to port, and what passed there: from the taps on our ends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from conformance import limits
from conformance.families.lldp.evidence import Sent
from conformance.judging.case import Case
from conformance.judging.groups import Arrival, arrivals
from conformance.judging.timing import SECOND
from conformance.judging.views import R, View
from conformance.judging.views import views as shown
from conformance.pairs.pairing import Side, sides_of
from conformance.protocols import ethertypes
from conformance.protocols.lldp import frames as lldp
from conformance.protocols.stp import frames as stp
from conformance.protocols.stp.frames import Bpdu
from conformance.recording.events.meeting import BridgesJoined, CableJoined
from conformance.recording.model import PortState

DIRECTIONS = ("left-to-right", "right-to-left")
SIDES = ("left", "right")
Finding = tuple[str, tuple[int, ...], bool]
"""What was seen, its frames, and whether it is as it must be."""
IN_FLIGHT = int(limits.PAIR_IN_FLIGHT * SECOND)
"""What was sent so many ns before the end of a time may arrive after it."""


@dataclass(frozen=True, slots=True)
class PatchCable:
    """A cable: its name, and the ports at its ends, the left side's first."""

    name: str
    ends: tuple[PortState, PortState]


def cables(case: Case) -> list[PatchCable]:
    """The cables between the two, in order. Requires that there are some, and that no tap on them lost a frame."""
    known = {port.name: port for port in case.recording.record.ports}
    found = [PatchCable(event.where, (known[event.left], known[event.right])) for event in case.all(CableJoined)]
    case.require(found, "the two were never cabled to each other")
    for cable in found:
        for port in cable.ends:
            case.tap(port.partner)
    return found


def ends(case: Case) -> tuple[int, int]:
    """The end that the case is about and the other one: 0 is the left side's. That of its side, else the one that its
    direction leads to."""
    if "side" in case.parameters:
        mine = 0 if case.parameters["side"] == "left" else 1
    else:
        mine = 1 if case.parameters["direction"] == "left-to-right" else 0
    return mine, 1 - mine


def side(case: Case, end: int) -> Side:
    """The side at that end."""
    return sides_of(case.profile, case.recording.record.testbed)[end]


def blame(case: Case, broken: Iterable[tuple[int, str, Iterable[Finding]]]) -> str:
    """Whose side of a meeting that failed broke which requirement, in words. `broken`: ends, requirements, findings."""
    found = [
        f"{side(case, end).profile.name} ({side(case, end).name}) breaks {requirement}: {seen}"
        for end, requirement, findings in broken
        for seen, _, holds in findings
        if not holds
    ]
    return "; ".join(dict.fromkeys(found)) or "neither side is to blame by what the cables show"


def expect_findings(case: Case, end: int, findings: Iterable[Finding], expected: str) -> None:
    """What was found at one end must be as it must be."""
    name = side(case, end).profile.name
    for seen, frames, holds in findings:
        case.expect(holds, expected=expected, seen=f"{name}: {seen}", frames=frames)


def views(case: Case, end: int, what: str, row: type[R]) -> list[View[R]]:
    """What a side showed of its own view, by what was asked for. Requires that it answered, and was understood."""
    whose = side(case, end)
    return shown(case, whose.host, what, row, whose.profile.name)


def lldpdus(case: Case, port: PortState, *, arrived: bool) -> list[Sent]:
    """LLDPDUs on a port's cable, in order: those that the port sent, or those that `arrived` there."""
    frames = case.recording.frames
    rows = frames.select(tap=case.tap(port.partner).number, ethertype=ethertypes.LLDP, outbound=arrived)
    found = ((row, lldp.parse(frame)) for row, frame in frames.frames(rows))
    return [Sent(row + 1, int(frames.time_ns[row]), pdu) for row, pdu in found if pdu is not None]


def stations(case: Case) -> list[PortState]:
    """The first port of each side, where a station of ours is. Requires that there are two."""
    hosts = {port.host: port for port in reversed(case.recording.record.ports)}
    found = [hosts[one.host] for one in sides_of(case.profile, case.recording.record.testbed) if one.host in hosts]
    case.require(len(found) == len(SIDES), "one of the two has no port for a station")
    for port in found:
        case.tap(port.partner)
    return found


def numbered_frames(case: Case, port: PortState, *, between: tuple[int, int]) -> list[Arrival]:
    """Numbered frames that were sent into a port in that time, in order. Requires that its tap lost none."""
    case.tap(port.partner)
    return arrivals(case, port, between=between, ours=True)


@dataclass(frozen=True, slots=True)
class Heard:
    """A BPDU on one of our ends: its frame's number, its time in ns, and what it says."""

    number: int
    time_ns: int
    bpdu: Bpdu


def bpdus(case: Case, port: PortState, *, between: tuple[int, int], arrived: bool = False) -> list[Heard]:
    """BPDUs on a port's cable in that time, notifications left out: those that the port sent, or that `arrived`."""
    index = case.recording.frames
    rows = index.select(tap=case.tap(port.partner).number, between=between, outbound=arrived)
    found = ((row, stp.parse(frame)) for row, frame in index.frames(rows))
    claims = ((row, told) for row, told in found if told is not None and told.type != stp.TOPOLOGY_CHANGE_NOTIFICATION)
    return [Heard(row + 1, int(index.time_ns[row]), told) for row, told in claims]


@dataclass(frozen=True, slots=True)
class Rooting:
    """One of several meetings in a recording: its name, which end is to be the root, in how many seconds ports that may
    forward do so, the stations and the cables."""

    name: str
    root: int
    converged: float
    stations: tuple[PortState, ...]
    cables: tuple[PatchCable, ...]


def rootings(case: Case) -> list[Rooting]:
    """The meetings of a recording. Requires that there are some."""
    known = {port.name: port for port in case.recording.record.ports}
    patched = {cable.name: cable for cable in cables(case)}
    found = [
        Rooting(
            one.where,
            SIDES.index(one.root),
            one.converged,
            tuple(known[name] for name in one.stations),
            tuple(patched[name] for name in one.cables),
        )
        for one in case.all(BridgesJoined)
    ]
    case.require(found, "the two never met")
    return found
