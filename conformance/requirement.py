"""The requirement catalogue: what is demanded, by which clause, of whom; a ``requirements.toml`` in each family."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, StrictBool, field_validator, model_validator

from conformance.errors import UsageError
from conformance.family import FeatureName, RoleName, families
from conformance.validation import Strict, Text, checked, nearest, once, table

NAME: Final = "requirements.toml"
_ID: Final = re.compile(r"[a-z][a-z0-9]*\.[a-z][a-z0-9]*(-[a-z0-9]+)*")
_COUNTER: Final = re.compile(r"[.-][0-9]+$")


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


class CatalogueError(UsageError):
    """A catalogue file is wrong: one line naming the file, the id, the key and the fix."""


class UnknownRequirement(KeyError):  # noqa: N818 - reads as what it says where it is caught
    """No requirement has this id or alias; the text names the nearest one."""

    def __str__(self) -> str:
        return str(self.args[0])


class Requirement(Strict):
    """One row of the catalogue.

    `id` is ``family.what-holds``, `alias` its labels in earlier drafts. `roles` names the kinds of implementation it
    binds (one is enough); `features` what a profile must claim, all of them, for it to apply. `timer` is the longest
    protocol timer behind it, as text with its unit ("-": none). `nightly`: a fast variant runs by default.
    `informational`: explains other verdicts and decides nothing. `source_level` is the source's own level where the
    suite raised it.
    """

    id: str
    level: Level
    statement: Text
    source: Text
    clause_check: ClauseCheck
    stimulus: Text
    expects: Text
    roles: Annotated[tuple[RoleName, ...], AfterValidator(once)]
    features: Annotated[tuple[FeatureName, ...], AfterValidator(once)]
    timer: Text
    alias: tuple[Text, ...] = ()
    source_level: Literal[Level.MUST, Level.SHOULD, Level.MAY] | None = None
    clause_note: str = ""
    nightly: StrictBool = False
    informational: StrictBool = False

    @property
    def family(self) -> str:
        """The part of the id before the dot, which is also the name of its family."""
        return self.id.partition(".")[0]

    @field_validator("id")
    @classmethod
    def _says_what_holds(cls, name: str) -> str:
        if not _ID.fullmatch(name):
            raise ValueError(f"{name!r} is not family.what-holds; write lower-case words joined by '-': move.no-rarp")
        if _COUNTER.search(name):
            raise ValueError(f"{name!r} ends in a counter; say what holds instead")
        return name

    @field_validator("source_level", mode="before")
    @classmethod
    def _level(cls, value: object) -> object:
        """The Level of a word (a Literal of an enumeration takes no text)."""
        return Level(value) if isinstance(value, str) and value in ("MUST", "SHOULD", "MAY") else value

    @field_validator("roles")
    @classmethod
    def _binds_somebody(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("is empty; write it")
        return value

    @model_validator(mode="after")
    def _levels(self) -> Self:
        """A standard's level needs a clause; only what the suite raised has another level in its source."""
        if self.clause_check is ClauseCheck.SUITE and self.level not in (Level.SUITE, Level.MEASURE):
            raise ValueError(f"clause_check: level {self.level} needs a clause; name one, or use level SUITE")
        if self.source_level is not None and self.level is not Level.SUITE:
            raise ValueError(f"source_level: is for level SUITE, not {self.level}; drop it")
        return self


@functools.cache
def catalogue() -> Mapping[str, Requirement]:
    """The requirements of every family that is installed, by id, in the order of the families.

    Raises CatalogueError for the first wrong entry.
    """
    files = {name: family.folder / NAME for name, family in families().items()}
    return load({name: path for name, path in files.items() if path.is_file()})


def find(id_or_alias: str) -> Requirement:
    """The requirement of that id or draft label. Raises UnknownRequirement with the nearest match."""
    requirements = catalogue()
    found = requirements.get(id_or_alias) or _by_alias().get(id_or_alias)
    if found is not None:
        return found
    hint = nearest(id_or_alias, (*requirements, *_by_alias())) or f"families: {', '.join(families())}"
    raise UnknownRequirement(f"no requirement {id_or_alias!r}; {hint}")


@functools.cache
def catalogue_hash() -> str:
    """SHA-256 (hex) of the requirements of every family that is installed."""
    return digest(catalogue().values())


def digest(requirements: Iterable[Requirement]) -> str:
    """SHA-256 (hex) over the canonical JSON of `requirements`: sorted by id, so that files and order do not matter."""
    rows = [row.model_dump(mode="json") for row in sorted(requirements, key=lambda each: each.id)]
    text = json.dumps(rows, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def clause_text(requirement: Requirement) -> str:
    """The source, with a mark where its clause was not read in the standard. Whatever prints a clause prints this."""
    match requirement.clause_check:
        case ClauseCheck.MEMORY:
            return f"{requirement.source} [clause not verified: from memory]"
        case ClauseCheck.QUOTED:
            return f"{requirement.source} [clause quoted, not read in the standard]"
        case _:
            return requirement.source


def load(files: Mapping[str, Path]) -> Mapping[str, Requirement]:
    """Read and check the requirements of families, given the file of each; requirements by id.

    Raises CatalogueError for the first wrong entry.
    """
    requirements: dict[str, Requirement] = {}
    owners: dict[str, str] = {}
    for family, path in files.items():
        source = f"{family}/{path.name}"
        for requirement in _read(family, path, source):
            for name in (requirement.id, *requirement.alias):
                if name in owners:
                    key = "id" if name == requirement.id else "alias"
                    raise CatalogueError(
                        f"{source}: {requirement.id}: {key}: {name!r} is already in {owners[name]}; choose another"
                    )
                owners[name] = source
            requirements[requirement.id] = requirement
    return MappingProxyType(requirements)


@functools.cache
def _by_alias() -> Mapping[str, Requirement]:
    return {alias: requirement for requirement in catalogue().values() for alias in requirement.alias}


def _read(family: str, path: Path, source: str) -> Iterator[Requirement]:
    try:
        data = table(path, source)
    except UsageError as problem:
        raise CatalogueError(str(problem)) from None
    tables = data.pop("requirement", None)
    if data:
        raise CatalogueError(f"{source}: {next(iter(data))}: unknown key; a file holds only [[requirement]] tables")
    if not isinstance(tables, list) or not tables or not all(isinstance(one, dict) for one in tables):
        raise CatalogueError(f"{source}: requirement: write one [[requirement]] table or more")
    for position, row in enumerate(tables, 1):
        yield _requirement(family, source, position, row)


def _requirement(family: str, source: str, position: int, row: dict[str, Any]) -> Requirement:
    """One checked table of the file of `family`."""
    name = row.get("id")
    place = f"{source}: {name if name and isinstance(name, str) else f'requirement {position}'}"
    try:
        made = checked(Requirement, row, place)
    except UsageError as problem:
        raise CatalogueError(str(problem)) from None
    if made.family != family:
        raise CatalogueError(f"{place}: id: {name!r} is not of family {family!r}; move it there or rename it")
    return made
