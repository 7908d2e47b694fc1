"""Pairs of bridges with two cables between them: one root, one way, and whose side it is where not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from conformance.judging.case import Case
from conformance.judging.links import SECOND, arrivals, slack
from conformance.judging.meetings import (
    DIRECTIONS,
    SIDES,
    Finding,
    Room,
    bpdus,
    ends,
    events,
    numbered_frames,
    rooms,
    side,
)
from conformance.judging.register import check
from conformance.recording.model import Window

IN_FLIGHT = SECOND // 5
"""What was sent so shortly before the end of a window may arrive after it."""


def _blame(case: Case, room: Room) -> str:
    found = [
        f"{side(case, end).profile.name} ({side(case, end).name}) breaks {requirement}: {seen}"
        for end in (0, 1)
        for requirement, findings in (("pair.stp-root", _roots), ("pair.stp-one-way", _ways))
        for seen, _, holds in findings(case, room, end)
        if not holds
    ]
    return "; ".join(dict.fromkeys(found)) or "neither side is to blame by what the cables show"


def _expect_once(case: Case, room: Room, window: Window) -> None:
    there, here = ends(case)
    span = window.start_ns, window.end_ns - IN_FLIGHT
    sent = numbered_frames(case, room.stations[here], between=span)
    case.require(sent, f"{room.name}: no broadcast was sent")
    came = Counter(one.what for one in arrivals(case, room.stations[there]))
    lost = [one.number for one in sent if not came[one.what]]
    twice = [one.number for one in sent if came[one.what] > 1]
    cut = [event for cable in room.cables for event in events(case, "loop-cut", cable.name)]
    blame = f"; {_blame(case, room)}" if lost or twice or cut else ""
    place = f"{window.name}, {room.stations[here].name} to {room.stations[there].name}"
    seen = f"{place}: {len(lost)} of {len(sent)} broadcasts were lost, {len(twice)} came more than once{blame}"
    if cut:
        seen = f"{place}: a loop, cut when one broadcast had passed a cable {cut[0].detail['copies']} times{blame}"
    expected = "every broadcast of the one station arrives once at the other"
    case.expect(not (lost or twice or cut), expected=expected, seen=seen, frames=(*lost[:4], *twice[:4]))


@check("pair.stp-once", scenario="pair_stp", direction=DIRECTIONS)
def test_once(case: Case) -> None:
    """Two bridges with two cables between them: a broadcast is not multiplied, and not lost."""
    for room in rooms(case):
        _expect_once(case, room, case.window(f"steady {room.name}"))


@check("pair.stp-heals", scenario="pair_stp", direction=DIRECTIONS)
def test_heals(case: Case) -> None:
    """When the cable in use is lost the other one takes over."""
    for room in rooms(case):
        looped = [event for cable in room.cables for event in events(case, "loop-cut", cable.name)]
        case.require(not looped, f"{room.name}: there was a loop, so that no way could be lost")
        _expect_once(case, room, case.window(f"healed {room.name}"))


def _roots(case: Case, room: Room, end: int) -> Iterator[Finding]:
    """Whether what a side says of the root is the best that it knows; the one that is to be the root says it on every
    cable."""
    window = case.window(f"steady {room.name}")
    between = window.start_ns, window.end_ns
    for cable in room.cables:
        port = cable.ends[end]
        own = bpdus(case, port, between=between)
        heard = [one.bpdu.root for one in bpdus(case, port, between=between, arrived=True)]
        if room.root == end and not own:
            yield f"{room.name}: {port.name} is the root's, and told nobody so", (), False
        for one in own:
            best = min([one.bpdu.bridge, *heard])
            words = (
                f"{room.name}: {port.name} names the root {one.bpdu.root.hex()}, the best that it knows is {best.hex()}"
            )
            yield words, (one.number,), one.bpdu.root == best


@check("pair.stp-root", scenario="pair_stp", side=SIDES)
def test_root(case: Case) -> None:
    """A bridge names the best root that it knows of, and says on every cable if it is that itself."""
    slack(case)
    mine, _ = ends(case)
    for room in rooms(case):
        for seen, frames, holds in _roots(case, room, mine):
            told = f"{side(case, mine).profile.name}: {seen}"
            expected = "the root that is named is the best of the bridge's own identifier and those that it heard"
            case.expect(holds, expected=expected, seen=told, frames=frames)


def _ways(case: Case, room: Room, end: int) -> Iterator[Finding]:
    """Of the side that is not the root: by how many of its cables it sends what is broadcast."""
    if room.root == end:
        return
    for name in ("steady", "healed"):
        if not [window for window in case.recording.record.windows if window.name == f"{name} {room.name}"]:
            continue
        window = case.window(f"{name} {room.name}")
        between = window.start_ns, window.end_ns
        if not all(bpdus(case, cable.ends[end], between=between, arrived=True) for cable in room.cables[:1]):
            continue
        frames = {cable.name: arrivals(case, cable.ends[end], between=between) for cable in room.cables}
        used = [cable for cable, listed in frames.items() if listed]
        shown = tuple(listed[0].number for listed in frames.values() if listed)
        words = f"{window.name}: what is broadcast leaves by {len(used)} of the cables ({', '.join(used) or 'none'})"
        yield words, shown, len(used) == 1


@check("pair.stp-one-way", scenario="pair_stp", side=SIDES)
def test_one_way(case: Case) -> None:
    """A bridge that is not the root sends by one of two cables to it alone, and by the other one when that is lost."""
    mine, _ = ends(case)
    found = [finding for room in rooms(case) for finding in _ways(case, room, mine)]
    case.require(found, "the other bridge never said that it is the root")
    for seen, frames, holds in found:
        expected = "a bridge that is not the root sends what is broadcast by exactly one of its cables to the root"
        case.expect(holds, expected=expected, seen=f"{side(case, mine).profile.name}: {seen}", frames=frames)
