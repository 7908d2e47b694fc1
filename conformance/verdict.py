"""Verdicts and outcomes: what a check says of one requirement."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """The words of ISO/IEC 9646, with error for a fault of the suite itself."""

    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    UNSUPPORTED = "unsupported"
    NOT_APPLICABLE = "not-applicable"
    ERROR = "error"


SEVERITY = (
    Verdict.NOT_APPLICABLE,
    Verdict.UNSUPPORTED,
    Verdict.PASS,
    Verdict.INCONCLUSIVE,
    Verdict.ERROR,
    Verdict.FAIL,
)
"""From the least to the most severe; a cell of the matrix shows the most severe of its outcomes."""

GATING_LEVELS = frozenset({"MUST", "SUITE"})
"""Levels whose failures end a run with exit code 1."""


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The most severe of `verdicts`; not-applicable if there is none."""
    return max(verdicts, key=SEVERITY.index, default=Verdict.NOT_APPLICABLE)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where to look: frame numbers (from 1, as Wireshark counts) in one pcapng, each deciding frame in one line.

    `times` are those of the lines, in ns since the recording began.
    """

    recording: str
    frames: tuple[int, ...] = ()
    lines: tuple[str, ...] = ()
    times: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a check decided. `expected` and `seen` are one sentence each; `figures` are names with unit and number."""

    verdict: Verdict
    expected: str = ""
    seen: str = ""
    evidence: tuple[Evidence, ...] = ()
    notes: tuple[str, ...] = ()
    figures: tuple[tuple[str, int | float], ...] = ()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One judged attempt of a scenario."""

    number: int
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Outcome:
    """One requirement, with its parameters, judged over all attempts.

    `parameters` is sorted by name. The verdict is the most severe of the attempts; `flaky` tells that they differ.
    """

    requirement: str
    level: str
    parameters: tuple[tuple[str, str], ...]
    attempts: tuple[Attempt, ...]
    informational: bool = False
    extra_notes: tuple[str, ...] = field(default=())

    @property
    def verdict(self) -> Verdict:
        """The most severe verdict of the attempts."""
        return worst(attempt.judgement.verdict for attempt in self.attempts)

    @property
    def flaky(self) -> bool:
        """Whether the attempts differ."""
        return len({attempt.judgement.verdict for attempt in self.attempts}) > 1

    @property
    def deciding(self) -> Judgement:
        """The judgement of the attempt that gave the verdict."""
        return next(a.judgement for a in self.attempts if a.judgement.verdict is self.verdict)
