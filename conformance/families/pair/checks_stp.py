"""Pairs of bridges with two cables between them: one root, one way, and whose side it is where not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from conformance import limits
from conformance.families.pair.evidence_ports import (
    DIRECTIONS,
    IN_FLIGHT,
    SIDES,
    Finding,
    Heard,
    PatchCable,
    Rooting,
    blame,
    bpdus,
    ends,
    expect_findings,
    numbered_frames,
    rootings,
    side,
)
from conformance.judging.case import Case
from conformance.judging.groups import arrivals
from conformance.judging.register import check
from conformance.judging.timing import SECOND, slack
from conformance.protocols.stp import frames as stp
from conformance.recording.events.bridging import LoopCut
from conformance.recording.events.meeting import CarrierTaken
from conformance.recording.model import Window


def _blame(case: Case, rooting: Rooting) -> str:
    looked = (("pair.stp-root", _roots), ("pair.stp-one-way", _ways))
    return blame(case, ((end, requirement, find(case, rooting, end)) for end in (0, 1) for requirement, find in looked))


def _expect_once(case: Case, rooting: Rooting, window: Window) -> None:
    there, here = ends(case)
    span = window.start_ns, window.end_ns - IN_FLIGHT
    sent = numbered_frames(case, rooting.stations[here], between=span)
    case.require(sent, f"{rooting.name}: no broadcast was sent")
    came = Counter(one.what for one in arrivals(case, rooting.stations[there]))
    lost = [one.number for one in sent if not came[one.what]]
    twice = [one.number for one in sent if came[one.what] > 1]
    cut = _cut(case, rooting)
    blame = f"; {_blame(case, rooting)}" if lost or twice or cut else ""
    place = f"{window.name}, {rooting.stations[here].name} to {rooting.stations[there].name}"
    seen = f"{place}: {len(lost)} of {len(sent)} broadcasts were lost, {len(twice)} came more than once{blame}"
    if cut:
        seen = f"{place}: a loop, cut when one broadcast had passed a cable {cut[0].copies} times{blame}"
    expected = "every broadcast of the one station arrives once at the other"
    case.expect(not (lost or twice or cut), expected=expected, seen=seen, frames=(*lost[:4], *twice[:4]))


@check("pair.stp-once", scenario="pair_stp", direction=DIRECTIONS)
def test_once(case: Case) -> None:
    """Two bridges with two cables between them: a broadcast is not multiplied, and not lost."""
    for rooting in rootings(case):
        _expect_once(case, rooting, case.window(f"steady {rooting.name}"))


@check("pair.stp-heals", scenario="pair_stp", direction=DIRECTIONS)
def test_heals(case: Case) -> None:
    """When the cable in use is lost the other one takes over."""
    for rooting in rootings(case):
        case.require(not _cut(case, rooting), f"{rooting.name}: there was a loop, so that no way could be lost")
        healed = case.window(f"healed {rooting.name}")
        _expect_prompt(case, rooting, healed)
        _expect_once(case, rooting, healed)


def _expect_prompt(case: Case, rooting: Rooting, healed: Window) -> None:
    """The other way is open in time: twice the forward delay, a hello time, and what timers of ours were late."""
    taken = [event.time_ns for cable in rooting.cables for event in case.all(CarrierTaken, where=cable.name)]
    case.require(taken, f"{rooting.name}: no cable was lost")
    (lost,) = taken
    late = slack(case, (lost, healed.start_ns))
    since = [_unbroken_since(case, rooting, end, (lost, healed.start_ns)) for end in (0, 1)]
    passes = max(filter(None, since), default=0) if all(since) else None
    took = None if passes is None else (passes - lost) / SECOND
    case.require(
        took is None or took < rooting.converged or late < limits.BUSY,
        f"the machine was busy: timers {late:.1f} s late",
    )
    allowed = rooting.converged + 2 * late
    in_time = took is not None and took <= allowed
    words = f"{rooting.name}: {'never again' if took is None else f'after {took:.1f} s'}"
    case.expect(
        in_time,
        expected=f"broadcasts pass again {allowed:.0f} s after the loss of a cable",
        seen=words if in_time else f"{words}; {_blame(case, rooting)}",
    )
    if took is not None:
        case.figures[f"{rooting.name} healed s"] = round(took, 2)


def _unbroken_since(case: Case, rooting: Rooting, end: int, between: tuple[int, int]) -> int | None:
    """Since when (ns) in that time the station at one end hears every broadcast of the other one; None where it hears
    none."""
    other = {one.what.conversation for one in numbered_frames(case, rooting.stations[1 - end], between=between)}
    since, last = None, -1
    for one in arrivals(case, rooting.stations[end], between=between):
        if one.what.conversation in other:
            if since is None or one.what.number > last + 1:
                since = one.time_ns
            last = one.what.number
    return since


def _roots(case: Case, rooting: Rooting, end: int) -> Iterator[Finding]:
    """Whether what a side says of the root is the best that it was told lately; the one that is to be the root says so
    on every cable."""
    window = case.window(f"steady {rooting.name}")
    heard = [one for cable in rooting.cables for one in _heard(case, cable, end, window.end_ns)]
    digested = int((1 + 2 * slack(case)) * SECOND)
    for cable in rooting.cables:
        port = cable.ends[end]
        own = bpdus(case, port, between=(0, window.end_ns))
        if rooting.root == end and not any(one.time_ns >= window.start_ns for one in own) and not _cut(case, rooting):
            yield f"{rooting.name}: {port.name} is the root's, and told nobody so", (), False
        for one in own:
            oldest = one.time_ns - limits.STP_FORGOTTEN * SECOND
            known = [each for each in heard if oldest < each.time_ns < one.time_ns - digested]
            best = min(known, key=lambda each: each.bpdu.root, default=one)
            named, known_root = one.bpdu.root.hex(), best.bpdu.root.hex()
            words = f"{rooting.name}: {port.name} names the root {named}, and was told of {known_root}"
            yield words, (one.number, best.number), one.bpdu.root <= best.bpdu.root


def _heard(case: Case, cable: PatchCable, end: int, until: int) -> list[Heard]:
    """What a side was told on a cable in a version that it knows: a bridge without RSTP passes over RST BPDUs."""
    latest = stp.RSTP if "rstp" in side(case, end).profile.features else stp.STP
    arrived = bpdus(case, cable.ends[end], between=(0, until), arrived=True)
    return [one for one in arrived if one.bpdu.version <= latest]


@check("pair.stp-root", scenario="pair_stp", side=SIDES)
def test_root(case: Case) -> None:
    """A bridge names the best root that it knows of, and says on every cable if it is that itself."""
    mine, _ = ends(case)
    for rooting in rootings(case):
        expected = "no BPDU names a worse root than what the bridge was told a second before"
        expect_findings(case, mine, _roots(case, rooting, mine), expected)


def _ways(case: Case, rooting: Rooting, end: int) -> Iterator[Finding]:
    """Of the side that is not the root: by how many of its cables it sends what is broadcast."""
    if rooting.root == end:
        return
    steady = case.window(f"steady {rooting.name}")
    told = [_heard(case, cable, end, steady.end_ns) for cable in rooting.cables]
    if not all(told):
        return
    since = max(listed[0].time_ns for listed in told) + int((1 + 2 * slack(case)) * SECOND)
    left = [arrivals(case, cable.ends[end], between=(since, steady.end_ns)) for cable in rooting.cables]
    first, second = ({one.what: one.number for one in listed} for listed in left)
    doubled = [number for what, one in first.items() if what in second for number in (one, second[what])]
    words = f"{rooting.name}: {len(doubled) // 2} broadcasts left by both cables, on which it had been told of the root"
    yield words, tuple(doubled[:4]), not doubled
    yield from _silent(case, rooting, end)
    lost = {event.where for cable in rooting.cables for event in case.all(CarrierTaken, where=cable.name)}
    windows = [(steady, rooting.cables), *((one, rooting.cables) for one in _healed(case, rooting))]
    for window, cables in windows:
        there = [cable for cable in cables if window is steady or cable.name not in lost]
        between = window.start_ns, window.end_ns
        if not all(bpdus(case, cable.ends[end], between=between, arrived=True) for cable in there):
            continue
        sent = numbered_frames(case, rooting.stations[end], between=(window.start_ns, window.end_ns - IN_FLIGHT))
        by = Counter(one.what for cable in there for one in arrivals(case, cable.ends[end], between=between))
        wrong = [one.number for one in sent if by[one.what] != 1]
        words = f"{window.name}: {len(wrong)} of {len(sent)} broadcasts did not leave by exactly one of its cables"
        yield words, tuple(wrong[:4]), not wrong


def _silent(case: Case, rooting: Rooting, end: int) -> Iterator[Finding]:
    """Whether the cable that is left is used in time."""
    lost = [event for cable in rooting.cables for event in case.all(CarrierTaken, where=cable.name)]
    left = [cable for cable in rooting.cables if lost and cable.name != lost[0].where]
    if not left or not _healed(case, rooting):
        return
    begin = lost[0].time_ns
    late = slack(case, (begin, _healed(case, rooting)[0].start_ns))
    until = begin + int((rooting.converged + 2 * late) * SECOND)
    gone = arrivals(case, left[0].ends[end], between=(begin, until))
    holds = bool(gone) or late >= limits.BUSY
    yield (
        f"{rooting.name}: nothing left by {left[0].name} for {rooting.converged:.0f} s after the other was lost",
        (),
        holds,
    )


def _healed(case: Case, rooting: Rooting) -> list[Window]:
    name = f"healed {rooting.name}"
    return [case.window(name)] if any(one.name == name for one in case.recording.record.windows) else []


def _cut(case: Case, rooting: Rooting) -> list[LoopCut]:
    """The cable that was cut since it carried a loop, if one was."""
    return [event for cable in rooting.cables for event in case.all(LoopCut, where=cable.name)]


@check("pair.stp-one-way", scenario="pair_stp", side=SIDES)
def test_one_way(case: Case) -> None:
    """A bridge that is not the root sends by one of two cables to it alone, and by the other one when that is lost."""
    mine, _ = ends(case)
    found = [finding for rooting in rootings(case) for finding in _ways(case, rooting, mine)]
    case.require(found, "the other bridge never said that it is the root")
    expected = "a bridge that is not the root sends what is broadcast by exactly one of its cables to the root"
    expect_findings(case, mine, found, expected)
