"""``plugfest selftest --survey``: recordings of sound implementations with one thing altered, and who notices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from conformance.places import FIXTURES
from conformance.selftest.survey.survey import SAMPLE, survey
from conformance.selftest.survey.table import lines, summary

RECORDINGS = FIXTURES / "recordings"


def survey_families(
    families: Sequence[str], *, recordings: Path | None, sample: int | None, seed: int, verbose: bool
) -> int:
    """Survey each family and print its table, the survivors by field; at the end every family's score again. 0.

    Raises UsageError for a family that there is not or that has no allowances, and where there is no recording of it.
    """
    scores = []
    for family in families:
        made = survey(family, recordings or RECORDINGS, sample=sample or SAMPLE, seed=seed)
        print("\n".join(lines(made, verbose=verbose)), flush=True)  # noqa: T201 - what was asked for
        scores.append(summary(made))
    if len(scores) > 1:
        print("\n" + "\n".join(scores))  # noqa: T201
    return 0
