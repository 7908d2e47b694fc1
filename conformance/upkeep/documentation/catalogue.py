"""Pages of the catalogue: requirements, conformance classes, profiles, planted faults."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

from conformance.classes import classes
from conformance.commands.listing import checked
from conformance.family import families
from conformance.places import PROFILES
from conformance.requirement import ClauseCheck, Requirement, catalogue, clause_text
from conformance.selftest.faults import faults
from conformance.upkeep.documentation.place import DOCS, HEAD, row


def pages() -> Iterator[tuple[Path, str]]:
    """Yield the four pages of the catalogue."""
    yield DOCS / "requirements.md", "\n".join(_requirements())
    yield DOCS / "classes.md", "\n".join(_classes())
    yield DOCS / "profiles.md", "\n".join(_profiles())
    yield DOCS / "faults.md", "\n".join(_faults())


def _requirements() -> Iterator[str]:
    decided = checked()
    rows = catalogue().values()
    read = sum(one.clause_check is ClauseCheck.VERIFIED for one in rows)
    yield HEAD
    yield "# Requirements\n"
    yield f"{len(rows)} requirements, {len(decided)} of them decided by a check, {read} with a clause that was read in"
    yield "the standard itself. Those not yet checked take part in no gate.\n"
    for family in families():
        mine = [one for one in rows if one.family == family]
        if mine:
            yield f"## {family}\n"
            for one in mine:
                yield from _requirement(one, checked_=one.id in decided)


def _requirement(one: Requirement, *, checked_: bool) -> Iterator[str]:
    alias = f" ({', '.join(one.alias)})" if one.alias else ""
    state = "" if checked_ else " · not yet checked"
    extra = " · informational" if one.informational else ""
    yield f"### {one.id}{alias}\n"
    yield f"**{one.level}**{extra}{state} · {clause_text(one)}\n"
    yield f"{one.statement}\n"
    if checked_:
        yield f"- stimulus: {one.stimulus}\n- passes when: {one.expects}\n"


def _classes() -> Iterator[str]:
    decided = checked()
    yield HEAD
    yield "# Conformance classes\n"
    yield "A class is a named and versioned set of requirements that a product can claim (`claims` of its profile)."
    yield "It is met when every requirement of it that is checked passes; another set is another version.\n"
    for each in classes().values():
        count = sum(name in decided for name in each.requirements)
        yield f"## {each.name}\n"
        only = "; ".join(f"{name} {' or '.join(values)}" for name, values in each.only.items())
        yield f"{each.title}. {each.statement}\n"
        yield f"- for: {', '.join(each.roles)}; on: {', '.join(each.testbeds)}{f'; only {only}' if only else ''}"
        yield f"- checked: {count} of {len(each.requirements)}\n"
        yield from (f"- {name}{'' if name in decided else ' (not yet checked)'}" for name in each.requirements)
        yield ""


def _profiles() -> Iterator[str]:
    yield HEAD
    yield "# Profiles\n"
    for path in sorted(PROFILES.glob("*.toml")):
        data = tomllib.loads(path.read_text())
        packages = ", ".join(data.get("packages", [])) or "none"
        yield f"## {data['name']}\n"
        claims = ", ".join(data["features"])
        yield f"{data['title']}. Kind `{data['kind']}`; claims {claims}; Debian packages: {packages}.\n"
        yield data["description"].strip() + "\n"


def _faults() -> Iterator[str]:
    yield HEAD
    yield "# Planted faults\n"
    yield "Each is a reference network that really misbehaves, recorded on taps; exactly the named requirements fail.\n"
    yield "| fault | what misbehaves | network | fails |\n|---|---|---|---|"
    for fault in sorted(faults().values(), key=lambda fault: fault.name):
        yield row((fault.name, fault.title, fault.reference, ", ".join(sorted(fault.fails))))
    yield ""
