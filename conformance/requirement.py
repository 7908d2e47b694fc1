"""The requirement catalogue: what is demanded, by which clause, of whom; TOML in ``catalogue/``, checked on loading."""

from __future__ import annotations

import difflib
import functools
import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NoReturn

DIRECTORY: Final = Path(__file__).parent / "catalogue"

FAMILIES: Final = (
    "route", "nat", "addr", "nd", "mtu", "underlay", "move", "lldp", "lacp", "stp", "bridge", "acl", "tenant", "spoof",
    "vxlan", "ipam", "v6", "cni", "cnm", "bgp", "growth", "churn", "leak",
    "pair",
)  # fmt: skip
ROLES: Final = (
    "workload-network", "ipam", "bridge", "overlay", "migration", "address-mover", "switch", "lldp-agent",
    "lacp-partner", "packet-filter", "workload-pair", "lldp-pair", "lacp-pair", "bridge-pair",
)  # fmt: skip
FEATURES: Final = (
    "ipv4", "ipv6", "multi-host", "ipv6-prefix-per-host", "duplicate-detection", "publish", "encapsulation",
    "conflict-detection", "multi-address", "policy", "restart", "tenants", "source-validation",
    "overlapping-addresses",
    "lldp", "lldp-receive", "lldp-admin", "lldp-changes", "lacp", "stp", "rstp", "own-view",
    "move", "routed-move", "vrrp",
)  # fmt: skip

_ID: Final = re.compile(r"[a-z][a-z0-9]*\.[a-z][a-z0-9]*(-[a-z0-9]+)*")
_COUNTER: Final = re.compile(r"[.-][0-9]+$")
_TEXTS: Final = ("statement", "source", "stimulus", "expects", "timer")
_LISTS: Final = ("alias", "roles", "features")
_FLAGS: Final = ("nightly", "informational")


class Level(StrEnum):
    """How strongly it is demanded: as the source says, or SUITE (this suite's own demand), or MEASURE (a figure)."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"
    SUITE = "SUITE"
    MEASURE = "MEASURE"


class ClauseCheck(StrEnum):
    """How the clause was checked: read in the source, quoted elsewhere, from memory, or no clause (suite)."""

    VERIFIED = "verified"
    QUOTED = "quoted"
    MEMORY = "memory"
    SUITE = "suite"


class CatalogueError(ValueError):
    """A catalogue file is wrong: one line naming the file, the id, the key and the fix."""


class UnknownRequirement(KeyError):  # noqa: N818 - reads as what it says where it is caught
    """No requirement has this id or alias; the text names the nearest one."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One row of the catalogue.

    `id` is ``family.what-holds``, `alias` its labels in earlier drafts. `roles` names the kinds of implementation it
    binds (one is enough); `features` what a profile must claim, all of them, for it to apply. `timer` is the longest
    protocol timer behind it, as text with its unit ("-": none). `nightly`: a fast variant runs by default.
    `informational`: explains other verdicts and decides nothing. `source_level` is the source's own level where the
    suite raised it.
    """

    id: str
    level: Level
    statement: str
    source: str
    clause_check: ClauseCheck
    stimulus: str
    expects: str
    roles: tuple[str, ...]
    features: tuple[str, ...]
    timer: str
    alias: tuple[str, ...] = ()
    source_level: Level | None = None
    clause_note: str = ""
    nightly: bool = False
    informational: bool = False

    @property
    def family(self) -> str:
        """The part of the id before the dot, which is also the name of its file."""
        return self.id.partition(".")[0]


_KEYS: Final = tuple(field.name for field in fields(Requirement))


@functools.cache
def catalogue() -> Mapping[str, Requirement]:
    """The shipped requirements by id, in the order of `families`. Raises CatalogueError for the first wrong entry."""
    return load(DIRECTORY)


def families() -> tuple[str, ...]:
    """The families in the order in which a report shows them; a family may have no requirement yet."""
    return FAMILIES


def find(id_or_alias: str) -> Requirement:
    """The requirement of that id or draft label. Raises UnknownRequirement with the nearest match."""
    requirements = catalogue()
    known = requirements.get(id_or_alias) or _by_alias().get(id_or_alias)
    if known is not None:
        return known
    names = (*requirements, *_by_alias())
    hint = _nearest(id_or_alias, names) or f"families: {', '.join(FAMILIES)}"
    raise UnknownRequirement(f"no requirement {id_or_alias!r}; {hint}")


@functools.cache
def catalogue_hash() -> str:
    """SHA-256 (hex) of the shipped requirements."""
    return digest(catalogue().values())


def digest(requirements: Iterable[Requirement]) -> str:
    """SHA-256 (hex) over the canonical JSON of `requirements`: sorted by id, so that files and order do not matter."""
    rows = [asdict(requirement) for requirement in sorted(requirements, key=lambda each: each.id)]
    text = json.dumps(rows, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def clause_text(requirement: Requirement) -> str:
    """The source, with a mark where its clause was not read in the standard. Whoever prints a clause prints this."""
    match requirement.clause_check:
        case ClauseCheck.MEMORY:
            return f"{requirement.source} [clause not verified: from memory]"
        case ClauseCheck.QUOTED:
            return f"{requirement.source} [clause quoted, not read in the standard]"
        case _:
            return requirement.source


def load(directory: Path) -> Mapping[str, Requirement]:
    """Read and check the ``<family>.toml`` files of a directory; requirements by id, in the order of `families`.

    Raises CatalogueError for the first wrong entry.
    """
    requirements: dict[str, Requirement] = {}
    owners: dict[str, str] = {}
    for path in _files(directory):
        for requirement in _read(path):
            for name in (requirement.id, *requirement.alias):
                if name in owners:
                    key = "id" if name == requirement.id else "alias"
                    _fail(
                        f"{path.name}: {requirement.id}", key, f"{name!r} is already in {owners[name]}; choose another"
                    )
                owners[name] = path.name
            requirements[requirement.id] = requirement
    return MappingProxyType(requirements)


@functools.cache
def _by_alias() -> Mapping[str, Requirement]:
    return {alias: requirement for requirement in catalogue().values() for alias in requirement.alias}


def _files(directory: Path) -> list[Path]:
    paths = list(directory.glob("*.toml"))
    if not paths:
        raise CatalogueError(f"{directory.name}: the catalogue has no <family>.toml file; reinstall or add one")
    for path in paths:
        if path.stem not in FAMILIES:
            hint = _nearest(path.stem, FAMILIES) or f"families: {', '.join(FAMILIES)}"
            raise CatalogueError(f"{path.name}: {path.stem!r} is not a family; {hint}")
    return sorted(paths, key=lambda path: FAMILIES.index(path.stem))


def _read(path: Path) -> Iterator[Requirement]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise CatalogueError(f"{path.name}: not valid TOML: {problem}") from problem
    tables = data.pop("requirement", None)
    if data:
        raise CatalogueError(f"{path.name}: {next(iter(data))}: unknown key; a file holds only [[requirement]] tables")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise CatalogueError(f"{path.name}: requirement: write one [[requirement]] table or more")
    for position, table in enumerate(tables, 1):
        name = table.get("id")
        place = f"{path.name}: {name if name and isinstance(name, str) else f'requirement {position}'}"
        yield _requirement(place, path.stem, table)


def _requirement(place: str, family: str, table: dict[str, Any]) -> Requirement:
    """One checked table of the file of `family`; `place` is the file and the id, for an error's text."""
    _check_keys(place, table)
    _check_id(place, family, table["id"])
    for key in (*_TEXTS, "roles"):
        if not table[key] or (isinstance(table[key], str) and not table[key].strip()):
            _fail(place, key, "is empty; write it")
    values = table | {
        "level": Level(_word(place, "level", table["level"], Level)),
        "clause_check": ClauseCheck(_word(place, "clause_check", table["clause_check"], ClauseCheck)),
        "alias": tuple(table.get("alias", ())),
        "roles": _words(place, "roles", table["roles"], ROLES),
        "features": _words(place, "features", table["features"], FEATURES),
    }
    if "source_level" in table:
        values["source_level"] = Level(_word(place, "source_level", table["source_level"], ("MUST", "SHOULD", "MAY")))
    requirement = Requirement(**values)
    _check_levels(place, requirement)
    return requirement


def _check_keys(place: str, table: dict[str, Any]) -> None:
    """Every key known, every required key there, every value of its type."""
    for key, value in table.items():
        if key not in _KEYS:
            _fail(place, key, "unknown key; " + (_nearest(key, _KEYS) or f"keys: {', '.join(_KEYS)}"))
        if key in _LISTS:
            if not isinstance(value, list) or not all(isinstance(word, str) and word for word in value):
                _fail(place, key, 'write a list of words, for instance ["a", "b"]')
        elif key in _FLAGS:
            if not isinstance(value, bool):
                _fail(place, key, "write true or false")
        elif not isinstance(value, str):
            _fail(place, key, "write a text in quotes")
    for key in ("id", "level", "clause_check", *_TEXTS, "roles", "features"):
        if key not in table:
            _fail(place, key, "is missing; add it")


def _check_id(place: str, family: str, name: str) -> None:
    if not _ID.fullmatch(name):
        _fail(place, "id", f"{name!r} is not family.what-holds; write lower-case words joined by '-': move.no-rarp")
    if _COUNTER.search(name):
        _fail(place, "id", f"{name!r} ends in a counter; say what holds instead")
    own = name.partition(".")[0]
    if own != family:
        _fail(place, "id", f"{name!r} is not of family {family!r}; move it to {own}.toml or rename it")


def _check_levels(place: str, requirement: Requirement) -> None:
    """A standard's level needs a clause; only what the suite raised has another level in its source."""
    level = requirement.level
    if requirement.clause_check is ClauseCheck.SUITE and level not in (Level.SUITE, Level.MEASURE):
        _fail(place, "clause_check", f"level {level} needs a clause; name one, or use level SUITE")
    if requirement.source_level is not None and level is not Level.SUITE:
        _fail(place, "source_level", f"is for level SUITE, not {level}; drop it")


def _word(place: str, key: str, word: str, known: Iterable[str]) -> str:
    if word not in tuple(known):
        _fail(place, key, f"{word!r} is not known; use one of {', '.join(known)}")
    return word


def _words(place: str, key: str, words: list[str], known: tuple[str, ...]) -> tuple[str, ...]:
    """`words`, each known, each once, in the order of `known`."""
    for word in words:
        if word not in known:
            _fail(place, key, f"{word!r} is not known; " + (_nearest(word, known) or f"use some of {', '.join(known)}"))
    right = [word for word in known if word in words]
    if words != right:
        _fail(place, key, f"name each once, in the usual order; write {json.dumps(right)}")
    return tuple(words)


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, known, 1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else ""


def _fail(place: str, key: str, text: str) -> NoReturn:
    raise CatalogueError(f"{place}: {key}: {text}")
