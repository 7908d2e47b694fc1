"""What ``plugfest list`` prints. Reads only what it lists: no adapter, no pydantic, no pytest."""

from __future__ import annotations

import importlib
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

from conformance.places import PROFILES, TESTBEDS
from conformance.requirement import catalogue, clause_text, families

_DECORATOR: Final = re.compile(r"^@check\(\s*\"([^\"]+)\"", re.MULTILINE)


def profiles() -> Iterator[str]:
    """Name, kind and title of every profile that ships, with the packages that provide it."""
    for path in sorted(PROFILES.glob("*.toml")):
        data = tomllib.loads(path.read_text())
        packages = f"  [{', '.join(data['packages'])}]" if data.get("packages") else ""
        yield f"{path.stem:22} {data['kind']:8} {data['title']}{packages}"


def requirements() -> Iterator[str]:
    """Every requirement: id, level, whether a check decides it, statement and source."""
    decided = checked()
    for family in families():
        for row in catalogue().values():
            if row.family == family:
                mark = "checked" if row.id in decided else "not yet checked"
                alias = f" ({', '.join(row.alias)})" if row.alias else ""
                yield f"{row.id}{alias}  {row.level}  {mark}{'  informational' if row.informational else ''}"
                yield f"    {row.statement}"
                yield f"    {clause_text(row)}"


def checked() -> set[str]:
    """The ids of the requirements that a check decides, read from the checks' source without running any."""
    from conformance.places import CHECKS

    return {name for path in CHECKS.glob("test_*.py") for name in _DECORATOR.findall(path.read_text())}


def classes() -> Iterator[str]:
    """Every conformance class: title, how many of its requirements are checked, and what it says."""
    from conformance.classes import classes as known

    decided = checked()
    for each in known().values():
        count = sum(name in decided for name in each.requirements)
        yield f"{each.name:24} {each.title} ({count} of {len(each.requirements)} requirements checked)"
        yield f"    {each.statement}"


def adapters() -> Iterator[str]:
    """Every kind of implementation that can be driven, with its module."""
    for entry in sorted(entry_points(group="conformance.adapters")):
        yield f"{entry.name:12} {entry.value}"


def scenarios() -> Iterator[str]:
    """Every scenario."""
    known: dict[str, Any] = importlib.import_module("conformance.provoking.catalogue").SCENARIOS
    for scenario in known.values():
        yield f"{scenario.name:14} {scenario.title}"


def dialects() -> Iterator[str]:
    """Every dialect of switches: on what it was tried, what it is of, and what can be said in it."""
    for path in sorted((Path(__file__).parents[1] / "adapters" / "switch" / "dialects").glob("*.toml")):
        data = tomllib.loads(path.read_text())
        yield f"{path.stem:14} {data['tried']:15} {data['title']}: {', '.join(data['intent'])}"


def testbeds() -> Iterator[str]:
    """Every testbed that ships."""
    for path in sorted(TESTBEDS.glob("*.toml")):
        yield f"{path.stem:14} {tomllib.loads(path.read_text())['title']}"
