"""Figures of measuring requirements: how stable they are over attempts, and whether one is worse than another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

ENOUGH: Final = 3
"""Runs from which the spread of a figure is taken as its noise: fewer say nothing of it."""
MARGIN: Final = 2.0
"""Spreads by which a figure must change to be worse: three runs show less than their whole noise."""
FLOOR: Final = 0.05
"""Least change that is told, as a part of the value: below it nobody acts."""
_HIGHER: Final = re.compile(r"/s\b|\bper second\b|\bdelivered\b|\bthroughput\b", re.IGNORECASE)

Samples = Mapping[str, Sequence[float]]
"""The values of each figure, by its name with unit, one for each attempt."""


@dataclass(frozen=True)
class Shift:
    """A figure that changed by more than its noise between runs: medians before and after, the noise in that unit."""

    name: str
    old: float
    new: float
    noise: float
    worse: bool


def lower_is_better(name: str) -> bool:
    """Whether less is better: so for times, counts of entries and losses; not for rates and what was delivered."""
    return _HIGHER.search(name) is None


def spread(values: Sequence[float]) -> float:
    """Greatest less smallest of some values, in their unit; 0 without any."""
    return max(values) - min(values) if values else 0.0


def compare(old: Samples, new: Samples) -> Iterator[Shift]:
    """Every figure that both have and whose median changed by more than its noise, by name.

    The noise is measured on `old`: figures of fewer than `ENOUGH` runs are in `unmeasured` instead.
    """
    for name in sorted(old.keys() & new.keys()):
        if len(old[name]) < ENOUGH:
            continue
        before, after = median(old[name]), median(new[name])
        noise = max(MARGIN * spread(old[name]), spread(new[name]), FLOOR * abs(before))
        if abs(after - before) > noise:
            yield Shift(name, before, after, noise, worse=(after > before) is lower_is_better(name))


def unmeasured(old: Samples, new: Samples) -> list[str]:
    """The figures that both have and whose noise is unknown, since `old` has too few runs of them."""
    return sorted(name for name in old.keys() & new.keys() if len(old[name]) < ENOUGH)
