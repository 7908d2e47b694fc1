"""Who may import whom: the whitelist, by the role of a file. ARCHITECTURE.md prints it, and a test enforces it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).parents[1]
FAMILY: Final = "families/*/"
OWN: Final = "{family}"
"""Stands for the family that a file belongs to."""


@dataclass(frozen=True)
class Row:
    """One row: the files of `role`, by patterns of their paths below the package (the first row that fits decides).

    `may` are modules or packages, dotted, below the package; what lies below one of them is meant, too. Every file may
    import its own package, if `within` says so, and the words of every file: `WORDS`.
    """

    role: str
    files: tuple[str, ...]
    what: str
    may: tuple[str, ...]
    within: bool = True


WORDS: Final = ("errors", "limits", "verdict", "places", "files", "validation", "extension", "family")
"""What every file may import: errors, deadlines, the words of outcomes, where data lies, checked data, and what
families declare."""
DATA: Final = ("requirement", "classes", "profile", "testbed", "policy", "pairs")
RECORD: Final = ("recording", "protocols")
INTERFACE: Final = ("adapters.interface",)

RULES: Final = (
    Row(
        "words",
        ("errors.py", "limits.py", "verdict.py", "places.py", "__init__.py"),
        "errors, deadlines, the words of outcomes, where data lies",
        (),
        within=False,
    ),
    Row(
        "checked data",
        ("files.py", "validation.py", "extension.py", "family.py"),
        "files of others; TOML as checked data; families and adapters that there are",
        (),
        within=False,
    ),
    Row(
        "data",
        ("requirement.py", "classes.py", "profile.py", "testbed.py", "policy/*", "pairs/*"),
        "what is demanded and claimed, the shape of a lab, policies, pairs",
        DATA,
    ),
    Row("protocols", ("protocols/*",), "frames, and state machines without I/O", ("protocols",)),
    Row(
        "recording",
        ("recording/*",),
        "the recording: its model, pcapng, the index over its frames",
        (*DATA, "protocols"),
    ),
    Row(
        "judging",
        ("judging/*",),
        "case, register and plan of checks, session, packet evidence that belongs to no family",
        (*DATA, *RECORD),
    ),
    Row(
        "golden",
        ("golden/*",),
        "golden recordings: where they lie, the verdicts that are expected of each, what is older than its making",
        (*DATA, *RECORD, "judging"),
    ),
    Row(
        "family",
        (FAMILY + "__init__.py", "families/__init__.py"),
        "what a family is: roles, features, scenarios",
        ("protocols",),
        within=False,
    ),
    Row(
        "evidence",
        (FAMILY + "evidence*.py",),
        "what the frames of a recording show about a family",
        ("policy", "pairs", *RECORD, "judging", f"families.{OWN}.evidence*"),
        within=False,
    ),
    Row(
        "checks",
        (FAMILY + "checks*.py",),
        "pure functions of a recording, one for each requirement",
        ("policy", "pairs", *RECORD, "judging", f"families.{OWN}.evidence*", f"families.{OWN}.checks*"),
        within=False,
    ),
    Row(
        "scenario",
        (FAMILY + "scenario*.py",),
        "what is done to provoke an implementation",
        (*DATA, *RECORD, *INTERFACE, "lab", "provoking", f"families.{OWN}.scenario*"),
        within=False,
    ),
    Row(
        "faults",
        (FAMILY + "faults*.py",),
        "networks that misbehave, and what fails with each",
        (
            *DATA,
            *RECORD,
            "adapters",
            "lab",
            "provoking",
            "selftest",
            f"families.{OWN}.scenario*",
            f"families.{OWN}.faults*",
        ),
        within=False,
    ),
    Row(
        "lab",
        ("lab/*",),
        "namespaces and their kernel, sandbox, taps, flows, streams, rules, partners' wires",
        ("testbed", *RECORD),
    ),
    Row(
        "adapters",
        ("adapters/*",),
        "one package per kind of implementation, behind the interface",
        (*DATA, "protocols", "lab", "recording.events.tables"),
    ),
    Row(
        "provoking",
        ("provoking/*",),
        "what scenarios work with: context, paths, ports, traffic, patched links",
        (*DATA, *RECORD, *INTERFACE, "lab"),
    ),
    Row("report", ("report/*",), "report, gate, matrix; `report/render` shows them", ("requirement", "classes")),
    Row(
        "attest",
        ("attest/*",),
        "manifest of a report, comparison with it, signed statement",
        (*DATA, "recording", "report"),
    ),
    Row(
        "running",
        ("running/*",),
        "one run: request, recordings in sandboxes, pytest driven, reports",
        (*DATA, *RECORD, "judging", "adapters", "lab", "provoking", "report", "attest"),
    ),
    Row(
        "selftest",
        ("selftest/*",),
        "the suite judged by itself: planted faults, and altered recordings, against checks",
        (*DATA, *RECORD, "judging", "golden", "adapters", "lab", "provoking", "running"),
    ),
    Row(
        "testing",
        ("testing/*",),
        "what tests of a family's or an adapter's own are written with",
        (*DATA, *RECORD, "judging", "golden"),
    ),
    Row(
        "showing",
        ("showing/*",),
        "recordings for people: attachments of a report, the trace of a recording",
        (*DATA, *RECORD, "judging", "report"),
    ),
    Row(
        "plugin",
        ("plugin.py",),
        "the pytest plugin: checks become tests, verdicts their results",
        ("profile", "judging", "running", "report.render.text"),
    ),
    Row(
        "commands",
        ("commands/*",),
        "what each command does",
        (
            *DATA,
            *RECORD,
            "judging",
            "golden",
            "adapters",
            "lab",
            "provoking",
            "report",
            "attest",
            "running",
            "selftest",
            "showing",
        ),
    ),
    Row(
        "upkeep",
        ("upkeep/*",),
        "generated documentation, this whitelist, the peers' packages",
        (*DATA, "recording", "judging", "golden", "adapters", "report", "attest", "selftest", "commands"),
    ),
    Row(
        "command line",
        ("cli.py", "__main__.py"),
        "parses, and calls a command when it is needed",
        ("commands", "running.request", "cli"),
    ),
)

ACROSS: Final[Mapping[str, tuple[str, ...]]] = {
    "families.pair.evidence": ("families.lldp.evidence",),
    "families.pair.checks": ("families.lldp.evidence", "families.lacp.evidence"),
    "families.tenant.checks": ("families.acl.evidence", "families.acl.evidence_crafted"),
    "families.pair.faults": ("families.bridge.faults", "families.stp.faults"),
    "families.stp.faults": ("families.bridge.faults", "families.move.faults"),
}
"""What the files of a family with that role may import of another family besides."""


def rule_of(path: Path) -> Row:
    """The row that decides for a file of the package. Raises LookupError where none fits."""
    name = path.relative_to(PACKAGE).as_posix()
    for rule in RULES:
        if any(fnmatch(name, pattern) for pattern in rule.files if _deep_enough(name, pattern)):
            return rule
    raise LookupError(f"{name}: no row of the whitelist speaks of it")


def _deep_enough(name: str, pattern: str) -> bool:
    """A pattern without a wildcard at its end is one file; `*` of a family's own files goes no deeper."""
    return pattern.endswith("/*") or name.count("/") == pattern.count("/")


def imports(path: Path) -> Iterator[str]:
    """The modules of the package that a file imports anywhere, dotted, below the package; for types as well."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{one.name}" for one in node.names]
            yield from (_module(name) for name in names if name.startswith(f"{PACKAGE.name}."))
        elif isinstance(node, ast.Import):
            yield from (_module(one.name) for one in node.names if one.name.startswith(f"{PACKAGE.name}."))


def _module(name: str) -> str:
    """The module that a dotted name is, or lies in, without the package's own name."""
    parts = name.split(".")[1:]
    while parts and not (PACKAGE.joinpath(*parts).is_dir() or PACKAGE.joinpath(*parts).with_suffix(".py").exists()):
        parts.pop()
    return ".".join(parts)


def wrong(path: Path) -> list[str]:
    """What a file imports and may not."""
    rule = rule_of(path)
    own = path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".")
    family = own.split(".")[1] if own.startswith("families.") and own.count(".") > 1 else ""
    may = [*WORDS, *(one.replace(OWN, family) for one in rule.may)] if rule.role != "words" else []
    if rule.within:
        may.append(own.partition(".")[0])
    if rule.role == "checked data":
        may = ["errors", "files", "validation", "extension"]
    may += [one for place, others in ACROSS.items() if own.startswith(place) for one in others]
    return sorted({name for name in imports(path) if name and not any(_covers(one, name) for one in may)})


def _covers(allowed: str, name: str) -> bool:
    if allowed.endswith("*"):
        return name.startswith(allowed[:-1])
    return (
        name == allowed
        or name.startswith(f"{allowed}.")
        or (allowed.startswith("families.") and name.startswith(allowed))
    )


def table() -> Iterator[str]:
    """The whitelist as Markdown, for ARCHITECTURE.md."""
    yield "| role | files | is | may import |"
    yield "|---|---|---|---|"
    for rule in RULES:
        files = ", ".join(f"`{pattern}`" for pattern in rule.files)
        yield f"| {rule.role} | {files} | {rule.what} | {_may(rule)} |"


def _may(rule: Row) -> str:
    """The modules that a row allows; those of the row `data` by its name."""
    whole = set(DATA) <= set(rule.may)
    named = [one for one in rule.may if not (whole and one in DATA)]
    listed = [f"`{one.replace('families.{family}.', '')}`{' of its family' * (OWN in one)}" for one in named]
    return ", ".join([*["all of data"] * whole, *listed]) or "nothing"


def exceptions() -> Iterator[str]:
    """The imports from one family to another that are allowed besides, as Markdown, for ARCHITECTURE.md."""
    yield "| files | may also import |"
    yield "|---|---|"
    for place, others in ACROSS.items():
        yield f"| `{place}*` | {', '.join(f'`{other}`' for other in others)} |"
