"""What an LLDP agent sent, as the partners' taps saw it, and what it showed of its neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from conformance import limits
from conformance.judging.case import Case
from conformance.judging.timing import SECOND
from conformance.protocols import ethertypes
from conformance.protocols.lldp import frames as lldp
from conformance.protocols.lldp.frames import Lldpdu
from conformance.protocols.mac import mac_text
from conformance.recording.events import Event
from conformance.recording.events.base import E
from conformance.recording.events.discovery import (
    Advertised,
    AgentEndAsked,
    AgentSwitched,
    AgentTimersKnown,
    Moment,
    NeighboursShown,
)
from conformance.recording.events.links import Carrier
from conformance.recording.events.tables import TableNotShown
from conformance.recording.model import PortState


@dataclass(frozen=True)
class Sent:
    """One LLDPDU that the implementation sent on a port: its frame number and time in ns."""

    number: int
    time_ns: int
    pdu: Lldpdu


class Speaker(NamedTuple):
    """An agent of a port: each destination address has one of its own (§7.1), with its own timers and credit."""

    port: PortState
    destination: bytes | None

    @property
    def words(self) -> str:
        """Which one it is, for texts."""
        if self.destination in (None, lldp.NEAREST_BRIDGE):
            return self.port.name
        return f"{self.port.name} to {mac_text(self.destination or b'')}"


def sent(case: Case, port: PortState) -> list[Sent]:
    """Every LLDPDU that the port sent, in order: what arrived at the partner's end of its cable. Where the port is
    known by its MAC address alone (a capture), those from that address, without those that are cut."""
    frames = case.recording.frames
    tap = case.tap(port.partner)
    wanted: dict[str, object] = {"source_mac": port.mac} if port.mac and not port.tap else {"outbound": False}
    rows = frames.select(tap=tap.number, ethertype=ethertypes.LLDP, **wanted)
    cut = [row for row in rows.tolist() if not frames.whole(row)]
    if cut:
        case.note(f"{len(cut)} LLDPDUs of {port.name} are cut, and are not judged")
    found = ((row, lldp.parse(frame, frames.link_type(row))) for row, frame in frames.frames(rows) if row not in cut)
    said = [Sent(row + 1, int(frames.time_ns[row]), pdu) for row, pdu in found if pdu is not None]
    return sorted(said, key=lambda one: (one.time_ns, one.number))


def by_speaker(port: PortState, listed: Sequence[Sent]) -> dict[Speaker, list[Sent]]:
    """The LLDPDUs of a port by the agent that sent them. A destination that is none of LLDP's has none, nor has one to
    which nothing but shutdowns went while others told something."""
    found: dict[Speaker, list[Sent]] = {}
    for one in listed:
        if one.pdu.destination is None or one.pdu.destination in lldp.GROUPS:
            found.setdefault(Speaker(port, one.pdu.destination), []).append(one)
    telling = {speaker: said for speaker, said in found.items() if not all(one.pdu.shutdown for one in said)}
    return telling or found


def changes(listed: Sequence[Sent]) -> list[Sent]:
    """The LLDPDUs of an agent that say something else than the one before: a local change, which is sent at once
    (§9.2.5.3, localChange) and without regard to the interval."""
    return [other for one, other in pairwise(listed) if other.pdu.tlvs != one.pdu.tlvs and not other.pdu.shutdown]


def by_port(case: Case) -> dict[PortState, list[Sent]]:
    """What every port sent. Requires that there are ports."""
    ports = case.recording.record.ports
    case.require(ports, "the implementation showed no port")
    return {port: sent(case, port) for port in ports}


def everything(case: Case) -> list[tuple[PortState, Sent]]:
    """Every LLDPDU with its port. Requires that there is one: else there is nothing to look at."""
    found = [(port, one) for port, listed in by_port(case).items() for one in listed]
    case.require(found, "it sent no LLDPDU")
    return found


def times(case: Case) -> AgentTimersKnown | None:
    """What the agent was told of its timers; None in a capture, where nobody says."""
    return next(iter(case.all(AgentTimersKnown)), None)


def stimulus(case: Case, kind: type[E]) -> E:
    """The first event of a kind, which provokes what is judged. Requires that there is one."""
    return case.the(kind, otherwise=f"nothing provoked it: the recording has no event {kind.kind!r}")


def port_of(case: Case, event: Event) -> PortState:
    """The port that an event is about."""
    return next(port for port in case.recording.record.ports if port.name == event.where)


def silenced(case: Case, port: PortState) -> list[int]:
    """When the port's agent was disabled or ended, in ns: a shutdown LLDPDU belongs there."""
    off = [event.time_ns for event in case.all(AgentSwitched, where=port.name) if not event.on]
    down = [event.time_ns for event in case.all(Carrier, where=port.name) if not event.up]
    return [*off, *down, *(event.time_ns for event in case.all(AgentEndAsked))]


def steady(listed: Sequence[Sent], fast_count: int) -> list[Sent]:
    """The LLDPDUs of a port from the last one of its fast start on: as many as that has are left out at most."""
    skipped = 0
    for one, other in pairwise(listed):
        if other.time_ns - one.time_ns >= limits.LLDP_QUICK * SECOND or skipped >= fast_count:
            break
        skipped += 1
    return list(listed[skipped:])


def view(case: Case, moment: Moment) -> NeighboursShown:
    """The agent's own view of a port's neighbours at a moment. Requires that it was asked, and understood."""
    for problem in case.all(TableNotShown):
        case.require(problem.moment != moment, f"it was not told: {problem.problem}")
    found = [event for event in case.all(NeighboursShown) if event.moment == moment]
    case.require(found, f"the implementation was not asked for its neighbours ({moment})")
    return found[0]


def advertisement(case: Case, chassis: str, *, goodbye: bool = False) -> Advertised:
    """The moment when our partner told of `chassis`, or took leave. Requires that it did."""
    told = [event for event in case.all(Advertised) if event.chassis == chassis]
    found = [event for event in told if (event.ttl == 0) is goodbye]
    case.require(found, f"our partner did not tell of {chassis}")
    return found[0]


def gaps(listed: Sequence[Sent]) -> Iterator[tuple[Sent, Sent, float]]:
    """Neighbouring LLDPDUs, with the seconds between them."""
    for one, other in pairwise(listed):
        yield one, other, (other.time_ns - one.time_ns) / SECOND
