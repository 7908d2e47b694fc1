"""Failures of one report in the order in which to look at them: causes first, and what may follow from them counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from conformance.family import families
from conformance.report.findings import Finding, Kind
from conformance.report.grid import Matrix


@dataclass(frozen=True)
class Cause:
    """One requirement that an implementation fails: what was seen, told by `finding`, in `cases` cases.

    `follows` are further requirements that it fails and whose families rest on this one's: they may follow from it.
    """

    finding: Finding
    cases: int
    follows: tuple[str, ...] = ()


def causes(matrix: Matrix, label: str) -> list[Cause]:
    """The failures of one implementation that gate, causes first; consequences are in their `follows`."""
    failed = {
        name: mine
        for name, found in matrix.of_kind(Kind.FAILURE).items()
        if (mine := [each for each in found if each.label == label])
    }
    basis = {name for name in failed if not _rests_on_failed(name, failed)}
    found = []
    for name, mine in failed.items():
        if name in basis:
            follows = tuple(each for each in failed if each not in basis and _family(name) in _basis(each))
            first = max(mine, key=lambda each: each.cases)
            found.append(Cause(first, sum(each.cases for each in mine), follows))
    return sorted(found, key=lambda cause: (not cause.follows, -len(cause.follows)))


def _rests_on_failed(name: str, failed: Mapping[str, Sequence[Finding]]) -> bool:
    return bool(_basis(name) & {_family(each) for each in failed})


def _basis(name: str) -> frozenset[str]:
    known = families().get(_family(name))
    return frozenset(known.rests_on if known is not None else ())


def _family(name: str) -> str:
    return name.partition(".")[0]
