"""The rules of ``reports/``, checked: ``python -m conformance.upkeep.published [--from DIR]``.

A report that is published is complete, unedited, of a release, and can be made again by its own command. ``--from``
puts the reports of a run where they belong first, and makes MATRIX.md from all.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from conformance.attest.manifest import NAME as MANIFEST
from conformance.attest.manifest import read as read_manifest
from conformance.attest.manifest import sha256
from conformance.attest.statement import NAME as STATEMENT
from conformance.commands.matrix import as_markdown
from conformance.errors import UsageError
from conformance.family import roles
from conformance.profile import available as shipped_profiles
from conformance.report import store
from conformance.report.atomic import write_atomically
from conformance.report.claims import evaluate
from conformance.report.gate import report_code, waivers
from conformance.report.model import Report, as_json, canonical_outcomes
from conformance.testbed import available, load

ROOT: Final = Path(__file__).parents[2] / "reports"
PAGE: Final = "MATRIX.md"
_BRANCH: Final = re.compile(
    r"\b(git|main|master|devel?|head|snapshot|nightly|latest|dirty|unknown)\b|\+g[0-9a-f]{6}", re.IGNORECASE
)

_HASH: Final = re.compile(r"(sha256:)?[0-9a-f]{7,64}")
_PUBLIC: Final = re.compile(
    r"https://(?!(localhost|127\.|10\.|192\.168\.)|[^/]*\.(local|internal|lan|corp)(/|$))[^/]+\.[^/]+/.+"
)
"""An address that others can open: not of the machine, of a private network or of a company's own."""


def problems(root: Path) -> Iterator[str]:
    """Every breach of the rules below a folder of published reports, a line each."""
    files = sorted(root.glob(f"*/*/{store.NAME}"))
    if not files:
        yield f"{root.name}: there is no IMPLEMENTATION/VERSION/{store.NAME} in it"
    stray = sorted(set(root.rglob(store.NAME)) - set(files))
    yield from (f"{file.relative_to(root)}: lies elsewhere than IMPLEMENTATION/VERSION/" for file in stray)
    reports = []
    for file in files:
        place = file.parent.relative_to(root).as_posix()
        try:
            reports.append(store.read(file))
        except UsageError as problem:
            yield f"{place}: {problem}"
            continue
        yield from (f"{place}: {text}" for text in _breaches(file.parent, reports[-1]))
    page = root / PAGE
    if reports and (not page.is_file() or page.read_text() != as_markdown(reports)):
        yield f"{PAGE}: is not what these reports say; `plugfest matrix reports --markdown reports/{PAGE}`"


def _breaches(folder: Path, report: Report) -> Iterator[str]:
    header = report.header
    if header.implementation is None:
        yield "complete: the implementation was not there to be judged"
        return
    if folder.parent.name != header.profile or folder.name != header.implementation.version:
        yield f"place: belongs in {header.profile}/{header.implementation.version}/"
    yield from _complete(report)
    yield from _unedited(folder, report)
    for name in ("version", "product"):
        if _BRANCH.search(getattr(header.implementation, name)):
            yield f"release: {name} {getattr(header.implementation, name)!r} is that of a branch, not of a release"
    if _HASH.fullmatch(header.implementation.version):
        yield f"release: version {header.implementation.version!r} is a hash; let the profile state a `version`"
    if not header.profile_text and header.profile.partition("@")[0] not in shipped_profiles():
        yield "profile: it does not ship with the suite, and the report does not hold its text"
    for name, issue in _waived(report):
        if not _PUBLIC.match(issue):
            yield f"waiver: {name}: {issue!r} is no public issue"
    words = header.command.split()
    if words[:2] != ["plugfest", "run"] or not {"--all", header.profile} & {Path(word).stem for word in words}:
        yield f"reproducible: {header.command!r} is not a `plugfest run` of this profile"


def _waived(report: Report) -> Iterator[tuple[str, str]]:
    """Each requirement that a waiver excuses, with the issue that the waiver names."""
    excuses = {each.requirement: each.deviation.issue for each in report.outcomes if each.deviation is not None}
    yield from ((name, excuses[name]) for name in waivers(report))


def _complete(report: Report) -> Iterator[str]:
    if report.partial:
        yield "complete: the run was cut short"
    if report.header.only:
        yield f"complete: the run was narrowed to {', '.join(report.header.only)}"
    if not report.header.roles:
        yield "complete: its header names no roles"
    links = bool(report.header.roles) and all(roles()[name].links for name in report.header.roles)
    wanted = {name for name in available() if load(name).links is links}
    missing = sorted(wanted - set(report.header.testbeds))
    if missing:
        yield f"complete: the testbeds {', '.join(missing)} are missing"
    if report.control is None:
        yield "complete: no plain wire was judged"


def _unedited(folder: Path, report: Report) -> Iterator[str]:
    text = (folder / store.NAME).read_bytes()
    if text != as_json(report.model_dump(mode="json", by_alias=True)).encode():
        yield "unedited: is not in the form in which a run writes it"
    if report.footer is not None:
        if report.footer.exit_code != report_code(report):
            yield f"unedited: its exit code is {report.footer.exit_code}, its outcomes amount to {report_code(report)}"
        known = {each.name: each for each in report.footer.classes}
        for each in evaluate(report.header, report.outcomes):
            if each.name in known and known[each.name] != each:
                yield f"unedited: what it says of {each.name} does not follow from its outcomes"
    try:
        manifest = read_manifest(folder)
    except UsageError as problem:
        yield f"unedited: {problem}"
        return
    if manifest.report != sha256(text) or manifest.outcomes != sha256(canonical_outcomes(report)):
        yield "unedited: is not the report that its manifest was written for"
    if not manifest.recordings:
        yield "unedited: its manifest names no recording"


def publish(run: Path, root: Path) -> None:
    """Put the reports of a run's folder in their places, with manifest and statement; make the page from all."""
    for folder in sorted(path.parent for path in run.glob(f"*/{store.NAME}")):
        report = store.read(folder)
        if report.header.implementation is not None:
            version = report.header.implementation.version
            if not version.isprintable() or "/" in version or version.startswith("."):
                raise UsageError(f"{folder.name}: version {version!r:.80} is no name of a folder")
            place = root / report.header.profile / version
            place.mkdir(parents=True, exist_ok=True)
            for name in (store.NAME, MANIFEST, STATEMENT):
                if (folder / name).is_file():
                    shutil.copy2(folder / name, place / name)
    write_atomically(root / PAGE, as_markdown(store.collect([root])))


def main(arguments: list[str] | None = None) -> int:
    """Check, or publish and check; 0 where every rule is kept, else 1."""
    parser = argparse.ArgumentParser(prog="conformance.upkeep.published", description=__doc__)
    parser.add_argument("root", nargs="?", type=Path, default=ROOT, metavar="DIR", help="the published reports")
    parser.add_argument("--from", dest="run", type=Path, metavar="DIR", help="publish the reports of this run first")
    request = parser.parse_args(arguments)
    if request.run is not None:
        publish(request.run, request.root)
    found = list(problems(request.root))
    print("\n".join(found) or "every published report keeps the rules")  # noqa: T201
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
