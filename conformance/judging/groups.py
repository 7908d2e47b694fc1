"""Groups of ports: which ones a scenario made, what happened to them, and the numbered frames on their cables."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.judging.case import Case
from conformance.protocols import numbered
from conformance.protocols.numbered import Numbered
from conformance.recording.events.links import GroupMade
from conformance.recording.model import PortState


@dataclass(frozen=True, slots=True)
class Arrival:
    """A numbered frame on a partner's tap: its frame's number, its time in ns, and which one it is."""

    number: int
    time_ns: int
    what: Numbered


def ports_of(case: Case, group: str) -> list[PortState]:
    """The ports of a group, in their order. Requires that the scenario made it and that no tap lost a frame."""
    names = case.the(GroupMade, where=group, otherwise=f"the scenario has no group {group}").ports
    known = {port.name: port for port in case.recording.record.ports}
    ports = [known[name] for name in names if name in known]
    case.require(len(ports) == len(names), f"ports of the group {group} are not in the record")
    for port in ports:
        case.tap(port.partner)
    return ports


def arrivals(
    case: Case, port: PortState, *, between: tuple[int, int] | None = None, ours: bool = False
) -> list[Arrival]:
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
