"""The documentation that lists things, made from the code: ``python -m conformance.upkeep.documentation [--check]``."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from conformance.commands.listing import checked
from conformance.family import families
from conformance.places import PROFILES
from conformance.requirement import ClauseCheck, Requirement, catalogue, clause_text

DOCS: Final = Path(__file__).parents[2] / "docs"
HEAD: Final = "<!-- Made by `python -m conformance.upkeep.documentation`; do not edit. -->\n"
SCHEMAS: Final = ("profile", "testbed", "recording", "report", "difference")


def pages() -> Iterator[tuple[Path, str]]:
    """Every generated file with its content."""
    from conformance.commands.schemas import schema_of

    yield DOCS / "requirements.md", "\n".join(_requirements())
    yield DOCS / "classes.md", "\n".join(_classes())
    yield DOCS / "profiles.md", "\n".join(_profiles())
    yield DOCS / "faults.md", "\n".join(_faults())
    yield from _published()
    for name in SCHEMAS:
        yield DOCS / "schemas" / f"{name}.schema.json", schema_of(name) + "\n"


def _published() -> Iterator[tuple[Path, str]]:
    """The matrix of the published reports, and its picture for the README."""
    from conformance.commands.matrix import as_markdown
    from conformance.report import store
    from conformance.report.render.matrix import build
    from conformance.report.render.overview import render_overview

    reports = store.collect([DOCS.parent / "reports"])
    yield DOCS.parent / "reports" / "MATRIX.md", as_markdown(reports)
    yield DOCS / "images" / "matrix.svg", render_overview(build(reports))


def _requirements() -> Iterator[str]:
    decided = checked()
    rows = catalogue().values()
    read = sum(row.clause_check is ClauseCheck.VERIFIED for row in rows)
    yield HEAD
    yield "# Requirements\n"
    yield f"{len(rows)} requirements, {len(decided)} of them decided by a check, {read} with a clause that was read in"
    yield "the standard itself. Those not yet checked take part in no gate.\n"
    for family in families():
        mine = [row for row in rows if row.family == family]
        if mine:
            yield f"## {family}\n"
            for row in mine:
                yield from _requirement(row, checked_=row.id in decided)


def _requirement(row: Requirement, *, checked_: bool) -> Iterator[str]:
    alias = f" ({', '.join(row.alias)})" if row.alias else ""
    state = "" if checked_ else " · not yet checked"
    extra = " · informational" if row.informational else ""
    yield f"### {row.id}{alias}\n"
    yield f"**{row.level}**{extra}{state} · {clause_text(row)}\n"
    yield f"{row.statement}\n"
    if checked_:
        yield f"- stimulus: {row.stimulus}\n- passes when: {row.expects}\n"


def _classes() -> Iterator[str]:
    from conformance.classes import classes

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
    from conformance.selftest.faults import faults

    yield HEAD
    yield "# Planted faults\n"
    yield "Each is a reference network that really misbehaves, recorded on taps; exactly the named requirements fail.\n"
    yield "| fault | what misbehaves | network | fails |\n|---|---|---|---|"
    for fault in sorted(faults().values(), key=lambda fault: fault.name):
        yield f"| {fault.name} | {fault.title} | {fault.reference} | {', '.join(sorted(fault.fails))} |"
    yield ""


def main() -> int:
    """Write every page, or with ``--check`` name those that are not as the code says."""
    stale = []
    for path, text in pages():
        if not path.exists() or path.read_text() != text:
            stale.append(path.name)
            if "--check" not in sys.argv[1:]:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
    if stale and "--check" in sys.argv[1:]:
        print(f"not as the code says: {', '.join(stale)}; run python -m conformance.upkeep.documentation")  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
