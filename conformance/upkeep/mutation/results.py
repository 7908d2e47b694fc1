"""The results of a mutation run: a score for each area, and every survivor, as text and as the page's table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from conformance.upkeep.mutation.areas import AREAS, shown
from conformance.upkeep.mutation.trial import Tried

COLUMNS = ("area", "mutants", "tried", "killed", "hung", "survived", "not run", "score")


@dataclass(frozen=True)
class Results:
    """What became of the mutants of a sample. `every` says how many mutants each area has; `seconds` is the time."""

    tried: Sequence[Tried]
    every: Counter[str]
    seed: int
    seconds: float

    @property
    def score(self) -> float:
        """The share in percent that tests noticed: a test failed, or did not end."""
        return _score(self.tried)

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Yield the cells of a row for each area, and of one for all."""
        for area in AREAS:
            mine = [one for one in self.tried if one.mutant.area == area]
            if mine:
                yield _row(area, self.every[area], mine)
        yield _row("all", self.every.total(), self.tried)

    def lines(self) -> Iterator[str]:
        """Yield the survivors by file and line, then the table."""
        unnoticed = [one for one in self.tried if one.fate in ("survived", "not run", "broken")]
        for one in sorted(unnoticed, key=lambda one: (shown(one.mutant.path), one.mutant.place)):
            yield f"{one.mutant} ({'no test runs it' if one.fate == 'not run' else f'{one.fate} {one.by}'.strip()})"
        yield ""
        table = [COLUMNS, *self.rows()]
        widths = [max(len(row[column]) for row in table) for column in range(len(COLUMNS))]
        for row in table:
            first, *others = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            yield "  ".join([first, *(cell.strip().rjust(len(cell)) for cell in others)])
        yield f"seed {self.seed}, {self.seconds / 60:.1f} min"


def _row(name: str, every: int, tried: Sequence[Tried]) -> tuple[str, ...]:
    fates = Counter(one.fate for one in tried)
    counts = (every, len(tried), fates["killed"], fates["hung"], fates["survived"] + fates["broken"], fates["not run"])
    return name, *map(str, counts), f"{_score(tried):.1f} %"


def _score(tried: Sequence[Tried]) -> float:
    return 100 * sum(one.fate in ("killed", "hung") for one in tried) / len(tried) if tried else 0.0
