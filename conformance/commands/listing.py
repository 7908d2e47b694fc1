"""What ``plugfest list`` prints. Reads only what it lists: no adapter, no pydantic, no pytest."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from conformance.extension import modules
from conformance.family import families as families_by_name
from conformance.family import scenarios as scenarios_by_name
from conformance.places import PROFILES, TESTBEDS
from conformance.requirement import catalogue, clause_text

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
    for family in families_by_name():
        for row in catalogue().values():
            if row.family == family:
                mark = "checked" if row.id in decided else "not yet checked"
                alias = f" ({', '.join(row.alias)})" if row.alias else ""
                yield f"{row.id}{alias}  {row.level}  {mark}{'  informational' if row.informational else ''}"
                yield f"    {row.statement}"
                yield f"    {clause_text(row)}"


def families() -> Iterator[str]:
    """Every family of requirements: title, how many requirements, and where it comes from."""
    for family in families_by_name().values():
        count = sum(row.family == family.name for row in catalogue().values())
        yield f"{family.name:10} {family.title:24} {count:3} requirements  {family.package}"


def roles() -> Iterator[str]:
    """Every role of an implementation, with the family that brings it."""
    for family in families_by_name().values():
        for role in family.roles:
            kind = "two implementations" if role.pair else "judged by its ports" if role.links else "attaches workloads"
            yield f"{role.name:22} {family.name:10} {kind}"


def features() -> Iterator[str]:
    """Every feature that a profile can claim, with the family that brings it."""
    for family in families_by_name().values():
        for feature in family.features:
            kind = "a kind of design" if feature.design else ""
            yield f"{feature.name:22} {family.name:10} {kind}".rstrip()


def checked() -> set[str]:
    """The ids of the requirements that a check decides, read from the checks' source without running any."""
    from conformance.judging.checks import check_files

    return {name for path in check_files().values() for name in _DECORATOR.findall(path.read_text())}


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
    for name, module in sorted(modules("conformance.adapters").items()):
        yield f"{name:14} {module}"


def scenarios() -> Iterator[str]:
    """Every scenario."""
    for scenario in scenarios_by_name().values():
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
