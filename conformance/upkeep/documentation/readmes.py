"""The README of each family of this suite: requirements, stimuli, planted faults, classes, coverage, files."""

from __future__ import annotations

import ast
import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from conformance.classes import FOLDER, classes
from conformance.family import Family, Scenario, families
from conformance.golden.expected import NAME as EXPECTED
from conformance.golden.store import goldens
from conformance.judging.checks import checks
from conformance.requirement import NAME, Requirement, catalogue, clause_text
from conformance.selftest.faults import faults, faults_of
from conformance.selftest.trial import undetectable
from conformance.upkeep.documentation.place import HEAD, ROOT, row, text_of
from conformance.verdict import Verdict

FAMILIES: Final = ROOT / "conformance" / "families"


def pages() -> Iterator[tuple[Path, str]]:
    """Yield the README of every family whose package lies in this repository."""
    for family in families().values():
        if family.folder.parent == FAMILIES:
            yield family.folder / "README.md", text_of(_readme(family))


def _readme(family: Family) -> Iterator[str]:
    plain = family.title.lower() == family.name
    yield HEAD
    yield f"# {family.name}{'' if plain else f': {family.title}'}\n"
    yield f"{_first_paragraph(family.folder / '__init__.py')}\n"
    yield f"{_coverage(family)} `plugfest explain {family.name}` prints each requirement in full.\n"
    yield from _requirements(family)
    yield from _stimuli(family)
    yield from _faults(family)
    yield from _goldens(family)
    yield from _classes(family)
    yield from _files(family)


def _mine(family: Family) -> list[Requirement]:
    return [one for one in catalogue().values() if one.family == family.name]


def _coverage(family: Family) -> str:
    mine = _mine(family)
    known = _count(len(mine), "requirement")
    read = {check.requirement.id for check in checks()} & {one.id for one in mine}
    if not read:
        return f"{known}, none of them checked yet."
    caught = read & frozenset().union(*(fault.fails | fault.notes for fault in faults().values()))
    untested = ", ".join(sorted(set(undetectable(faults().values())) & read))
    rest = f"; no fault fails {untested}" if untested else ""
    return f"{known}: {len(read)} checked; planted faults show in {len(caught)} of these{rest}."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _requirements(family: Family) -> Iterator[str]:
    read = {check.requirement.id: check.scenario for check in checks()}
    yield "## Requirements\n"
    yield "| requirement | level | clause | checked on |\n|---|---|---|---|"
    for one in _mine(family):
        level = f"{one.level}, informational" if one.informational else str(one.level)
        yield row((one.id, level, clause_text(one), read.get(one.id, "not yet checked")))
    yield ""


def _stimuli(family: Family) -> Iterator[str]:
    """Its own scenarios, then those of other families that its checks read."""
    owners = {one.name: (each, one) for each in families().values() for one in each.scenarios}
    read = sorted({check.scenario for check in checks() if check.requirement.family == family.name})
    others = [owners[name] for name in read if owners[name][0] is not family]
    if not family.scenarios and not others:
        return
    yield "## Stimuli\n"
    if family.scenarios:
        yield "| scenario | what is done | waits of protocols | read by |\n|---|---|---|---|"
        for one in family.scenarios:
            yield row((one.name, one.title, f"{one.waits:g} s", _readers(one)))
        yield ""
    for owner, one in others:
        yield f"- also reads `{one.name}` of [{owner.name}](../{owner.name}/README.md): {one.title}"
    if others:
        yield ""


def _readers(scenario: Scenario) -> str:
    """The requirements that read a scenario, those of one family together: ``nat.a, b; route.c``."""
    ids = sorted({check.requirement.id for check in checks() if check.scenario == scenario.name})
    groups = itertools.groupby(ids, key=lambda name: name.partition(".")[0])
    return "; ".join(f"{name}.{', '.join(one.partition('.')[2] for one in group)}" for name, group in groups)


def _faults(family: Family) -> Iterator[str]:
    planted = sorted(faults_of(family), key=lambda fault: fault.name)
    if not planted:
        return
    yield "## Planted faults\n"
    yield "| fault | what misbehaves | network | fails |\n|---|---|---|---|"
    for fault in planted:
        fails = [*sorted(fault.fails), *(f"{name} (note)" for name in sorted(fault.notes))]
        yield row((fault.name, fault.title, fault.reference, ", ".join(fails)))
    yield ""


def _goldens(family: Family) -> Iterator[str]:
    """Those of its faults, and of sound networks in its scenarios."""
    planted = {fault.name for fault in faults_of(family)}
    own = {one.name for one in family.scenarios}
    mine = [
        one
        for one in goldens().values()
        if one.expected.fault in planted or (not one.expected.fault and one.expected.scenario in own)
    ]
    if not mine:
        return
    yield "## Golden recordings\n"
    yield f"{_count(len(mine), 'recording')}, each with every verdict that it gives: `plugfest golden list NAME`.\n"
    yield "| recording | of | fails |\n|---|---|---|"
    for one in mine:
        failed = sorted(one.expected.having(Verdict.FAIL))
        path = os.path.relpath(one.folder / EXPECTED, family.folder)
        yield row((f"[{one.name}]({path})", one.expected.of, ", ".join(failed) or "nothing"))
    yield ""


def _classes(family: Family) -> Iterator[str]:
    names = sorted(path.stem for path in (family.folder / FOLDER).glob("*.toml"))
    if not names:
        return
    decided = {check.requirement.id for check in checks()}
    yield "## Conformance classes\n"
    for each in (classes()[name] for name in names):
        count = sum(name in decided for name in each.requirements)
        link = f"[{each.name}]({FOLDER}/{each.name}.toml)"
        yield f"- {link}: {each.title}; {count} of {_count(len(each.requirements), 'requirement')} checked"
    yield ""


def _files(family: Family) -> Iterator[str]:
    yield "## Files\n"
    for path in _paths(family):
        holds = "Requirements, each with its clause." if path.name == NAME else _first_paragraph(path)
        yield f"- [{path.name}]({path.name}): {holds}"


def _paths(family: Family) -> Iterable[Path]:
    parts = ("checks", "evidence", "scenario", "faults")
    names = [f"{module.rpartition('.')[2]}.py" for part in parts for module in family.parts(part)]
    return [family.folder / name for name in (NAME, *names) if (family.folder / name).is_file()]


def _first_paragraph(path: Path) -> str:
    """The first paragraph of a module's docstring, on one line."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return " ".join(text.partition("\n\n")[0].split())
