"""Pairs of LLDP agents: each shows the other and forgets it in time, and whose side it is where one does not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from conformance import limits
from conformance.families.lldp.evidence import Sent
from conformance.families.pair.evidence_ports import (
    DIRECTIONS,
    SIDES,
    Finding,
    PatchCable,
    blame,
    cables,
    ends,
    expect_findings,
    lldpdus,
)
from conformance.judging.case import Case
from conformance.judging.register import check
from conformance.judging.timing import SECOND, slack
from conformance.protocols.lldp import frames as lldp
from conformance.recording.events.discovery import NotOutlived, PairMoment, PairNeighboursShown
from conformance.recording.events.tables import TableNotShown
from conformance.recording.model import PortState

Name = tuple[str, str]
"""A neighbour: Chassis ID and Port ID, as text."""


def _expect_understood(case: Case, port: PortState, *moments: PairMoment) -> None:
    """Requires that what the agent showed then (or ever) was understood."""
    for problem in case.all(TableNotShown, where=port.name):
        wanted = not moments or problem.moment in moments
        case.require(not wanted, f"{port.name}: it was not told: {problem.problem}")


def _views(case: Case, port: PortState, *moments: PairMoment) -> list[PairNeighboursShown]:
    _expect_understood(case, port, *moments)
    found = [one for one in case.all(PairNeighboursShown, where=port.name) if one.moment in moments]
    case.require(found, f"{port.name}: the agent was not asked for its neighbours ({', '.join(moments)})")
    return found


def _shown(view: PairNeighboursShown) -> set[Name]:
    return {(_plain(chassis), _plain(port)) for chassis, port in view.shown}


def _plain(identifier: str) -> str:
    """An identifier without what a display may do to it: case of MAC addresses, and padding."""
    return identifier.strip("\0 ").lower()


def _name(one: Sent) -> Name:
    return _plain(one.pdu.chassis), _plain(one.pdu.port)


def _words(names: set[Name]) -> str:
    return ", ".join(f"{port} of {chassis}" for chassis, port in sorted(names)) or "nobody"


def _broken(case: Case, cable: PatchCable, listener: int) -> str:
    """Whose side of a failed meeting broke which requirement, in words."""
    speaker = 1 - listener
    told = speaker, "pair.lldp-speaks", _speech(case, cable.ends[speaker])
    heard = listener, "pair.lldp-hears", _hearing(case, cable.ends[listener])
    return blame(case, (told, heard))


@check("pair.lldp-shown", scenario="pair_lldp", direction=DIRECTIONS)
def test_shown(case: Case) -> None:
    """Two agents on the ends of one cable find each other."""
    listener, speaker = ends(case)
    for cable in cables(case):
        own = cable.ends[listener]
        view = _views(case, own, "early", "met")[-1]
        asked = view.asked_ns - limits.PAIR_LLDP_SHOWN * SECOND
        told = [one for one in lldpdus(case, cable.ends[speaker], arrived=False) if one.time_ns < asked]
        _idle(case, view)
        wanted = {_name(one) for one in told[-1:]}
        right = bool(wanted) and wanted <= _shown(view)
        case.expect(
            right,
            expected="each agent shows the chassis and the port that the other told",
            seen=f"{own.name} shows {_words(_shown(view))}, told was {_words(wanted)}"
            + ("" if right else f"; {_broken(case, cable, listener)}"),
            frames=[one.number for one in told[-1:]],
        )


@check("pair.lldp-aged", scenario="pair_lldp", direction=DIRECTIONS)
def test_aged(case: Case) -> None:
    """Who fell silent is shown as long as what it told is valid, and no longer."""
    listener, _ = ends(case)
    silent, *_ = cables(case)
    own = silent.ends[listener]
    for event in case.all(NotOutlived, where=own.name):
        case.require(False, f"{own.name}: a TTL of {event.ttl} s was not waited for")
    met = _views(case, own, "early", "met")[-1]
    case.require(_shown(met), f"{own.name}: it showed nobody, so that nothing can be forgotten")
    valid, aged = (_views(case, own, moment)[0] for moment in ("valid", "aged"))
    _idle(case, met, valid, aged)
    arrived = [one for one in lldpdus(case, own, arrived=True) if not one.pdu.shutdown]
    case.require(arrived, f"nothing was told to {own.name}")
    case.require(_in_time(arrived[-1], valid, aged), "the machine was too busy to ask in time")
    expected = "a neighbour that fell silent is shown until its TTL is over, give or take 1.5 s, and no longer"
    frames = [one.number for one in arrived[-1:]]
    wanted = {_name(arrived[-1])}
    for view, right in ((valid, wanted <= _shown(valid)), (aged, not _shown(aged))):
        age = (view.asked_ns - arrived[-1].time_ns) / SECOND
        seen = f"{own.name} shows {_words(_shown(view))} {age:.1f} s after it was told for {arrived[-1].pdu.ttl} s"
        blame = "" if right else f"; {_broken(case, silent, listener)}"
        case.expect(right, expected=expected, seen=seen + blame, frames=frames)


def _idle(case: Case, *views: PairNeighboursShown) -> None:
    """Requires that the machine had time for its agents shortly before they were asked."""
    for view in views:
        asked = view.asked_ns
        late = slack(case, (asked - int(limits.PAIR_LLDP_SHOWN * SECOND), asked))
        case.require(late < limits.LLDP_BUSY, f"the machine was busy when the agent was asked ({late:.1f} s late)")


def _in_time(last: Sent, valid: PairNeighboursShown, aged: PairNeighboursShown) -> bool:
    """Whether the views were taken when they had to be."""
    until = last.time_ns + (last.pdu.ttl or 0) * SECOND
    return bool(valid.answered_ns < until < aged.asked_ns)


def _speech(case: Case, port: PortState) -> Iterator[Finding]:
    listed = lldpdus(case, port, arrived=False)
    if not listed:
        yield f"{port.name} sent no LLDPDU", (), False
    for one in listed:
        wrong = lldp.problem(one.pdu)
        yield f"{port.name}: {wrong or 'an LLDPDU in order'}", (one.number,), wrong is None
    for one, other in pairwise(listed):
        gap, ttl = (other.time_ns - one.time_ns) / SECOND, one.pdu.ttl or 0
        holds = one.pdu.shutdown or gap <= max(ttl, 1)
        yield f"{port.name}: {gap:.1f} s after one that was valid for {ttl} s", (one.number, other.number), holds


@check("pair.lldp-speaks", scenario="pair_lldp", side=SIDES)
def test_speaks(case: Case) -> None:
    """An agent sends well-formed LLDPDUs on every port, each before what it told is over."""
    mine, _ = ends(case)
    for cable in cables(case):
        expected = "well-formed LLDPDUs on every port, each before what the one before told is over"
        expect_findings(case, mine, _speech(case, cable.ends[mine]), expected)


def _hearing(case: Case, port: PortState) -> Iterator[Finding]:
    arrived = [one for one in lldpdus(case, port, arrived=True) if lldp.problem(one.pdu) is None]
    views = case.all(PairNeighboursShown, where=port.name)
    for view in views[1:] if len(views) > 1 and not _shown(views[0]) else views:
        asked, answered = view.asked_ns, view.answered_ns
        last = {_name(one): one for one in arrived if one.time_ns < answered}
        must, may = set(), set()
        for name, one in last.items():
            ttl = one.pdu.ttl or 0
            settled = one.time_ns + limits.PAIR_LLDP_SHOWN * SECOND <= asked or _was_there(arrived, one)
            must |= {name} if settled and answered < one.time_ns + (ttl - limits.LLDP_AGEING) * SECOND else set()
            may |= {name} if asked <= one.time_ns + (ttl + limits.LLDP_AGEING) * SECOND else set()
        shown = _shown(view)
        frames = tuple(one.number for name, one in last.items() if name in (must ^ shown))
        moment = view.moment
        yield f"{port.name} ({moment}) does not show {_words(must - shown)}", frames, must <= shown
        yield f"{port.name} ({moment}) shows {_words(shown - may)}, which nobody tells", frames, shown <= may


def _was_there(arrived: list[Sent], one: Sent) -> bool:
    """Whether the same was told before, and is still valid when it is told again."""
    earlier = [each for each in arrived if each.time_ns < one.time_ns and _name(each) == _name(one)]
    return bool(earlier) and one.time_ns < earlier[-1].time_ns + (earlier[-1].pdu.ttl or 0) * SECOND


@check("pair.lldp-hears", scenario="pair_lldp", side=SIDES)
def test_hears(case: Case) -> None:
    """An agent shows what the valid LLDPDUs say that reached its port, and nothing else."""
    mine, _ = ends(case)
    for cable in cables(case):
        _expect_understood(case, cable.ends[mine])
        _idle(case, *case.all(PairNeighboursShown, where=cable.ends[mine].name))
        expected = "the view of every port is what valid LLDPDUs told there, and nothing else"
        expect_findings(case, mine, _hearing(case, cable.ends[mine]), expected)
