"""The areas of code that decide a verdict, and the files of each: what is mutated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from conformance.upkeep.architecture import PACKAGE

AREAS: Final[Mapping[str, tuple[str, ...]]] = {
    "checks": ("families/*/checks*.py",),
    "evidence": ("families/*/evidence*.py",),
    "judging": ("judging/*.py",),
    "verdict": ("verdict.py",),
    "gate": ("report/gate.py", "report/difference.py", "report/stability.py", "report/claims.py"),
    "manifest": ("attest/*.py",),
    "limits": ("limits.py",),
}
"""Patterns of paths below the package, by area. Of `limits` only what a file of another area reads is mutated."""


def files(area: str) -> list[Path]:
    """The files of an area, sorted."""
    return sorted({path for pattern in AREAS[area] for path in PACKAGE.glob(pattern) if path.name != "__init__.py"})


def all_files() -> Iterator[tuple[str, Path]]:
    """Yield every file of every area, after the name of its area."""
    for area in AREAS:
        for path in files(area):
            yield area, path


def module_name(path: Path) -> str:
    """The dotted name of the module in a file of the package."""
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


def shown(path: Path) -> str:
    """A file's path below the checkout."""
    return path.relative_to(PACKAGE.parent).as_posix()
