"""Time in verdicts: how late the machine's own timers were, what that excuses, and intervals between moments."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable
from typing import Final

from conformance.judging.case import Case
from conformance.limits import BUSY, MENTIONED, STANDSTILL
from conformance.recording.events import events_in
from conformance.recording.events.links import TimerLate
from conformance.recording.model import Record

SECOND: Final = 1_000_000_000


def lateness(record: Record, between: tuple[int, int] | None = None) -> float:
    """Greatest lateness of our own timers about that time (in ns; None: at any time), in s."""
    start, end = (0, 2**62) if between is None else between
    near = (one.seconds for one in events_in(record, TimerLate) if start - SECOND <= one.time_ns <= end + SECOND)
    return max(near, default=0.0)


def slack(case: Case, between: tuple[int, int] | None = None) -> float:
    """Time allowed on top of a timer, in s: how late our own timers were at most meanwhile (or at any time).

    On a busy machine the implementation's timers are as late as ours. Requires that there was no standstill.
    """
    worst = lateness(case.recording.record, between)
    case.require(worst < STANDSTILL, f"the machine stood still for {worst:.1f} s, so that no timer can be judged")
    if worst > MENTIONED:
        case.note(f"the machine was busy: our own timers were up to {worst:.1f} s late, which is allowed for")
    return worst


def unhurried(case: Case, holds: object, between: tuple[int, int] | None = None) -> None:
    """Require that the machine was not busy where something does not hold that had to be done in time."""
    late = lateness(case.recording.record, between)
    case.require(holds or late < BUSY, f"the machine was busy: our own timers were {late:.1f} s late")


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
