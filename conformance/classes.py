"""Conformance classes: named, versioned sets of requirements that a product can claim (``catalogue/classes``)."""

from __future__ import annotations

import difflib
import functools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from conformance.requirement import DIRECTORY, ROLES, CatalogueError, Level, UnknownRequirement, find

CLASSES: Final = DIRECTORY / "classes"
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*-[1-9][0-9]*")
_KEYS: Final = frozenset({"title", "statement", "roles", "testbeds", "requirements", "only"})


class UnknownClass(KeyError):  # noqa: N818 - reads as what it says where it is caught
    """No class has this name; the text names the nearest one."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, kw_only=True)
class ConformanceClass:
    """One set of requirements. `name` ends in its version: another set is another version, never an edit.

    It speaks of implementations with one of `roles`, run on all of `testbeds`; `requirements` are MUST or SUITE, so
    that a class that is met never rests on advice. `only` narrows the outcomes that count to these values of a
    parameter.
    """

    name: str
    title: str
    statement: str
    roles: tuple[str, ...]
    testbeds: tuple[str, ...]
    requirements: tuple[str, ...]
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def counts(self, parameters: Mapping[str, str]) -> bool:
        """Whether an outcome with these parameters counts for the class."""
        return all(parameters.get(name, values[0]) in values for name, values in self.only.items())


@functools.cache
def classes() -> Mapping[str, ConformanceClass]:
    """Every class that ships, by name. Raises CatalogueError for the first wrong file."""
    return load(CLASSES)


def find_class(name: str) -> ConformanceClass:
    """The class of that name. Raises UnknownClass with the nearest one."""
    if name in classes():
        return classes()[name]
    near = difflib.get_close_matches(name, classes(), 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(classes())}"
    raise UnknownClass(f"no conformance class {name!r}; {hint}")


def load(directory: Path) -> Mapping[str, ConformanceClass]:
    """Read and check the ``<class>-<version>.toml`` files of a directory. Raises CatalogueError: file, key and fix."""
    return MappingProxyType({path.stem: _read(path) for path in sorted(directory.glob("*.toml"))})


def _read(path: Path) -> ConformanceClass:
    if not _NAME.fullmatch(path.stem):
        raise CatalogueError(f"{path.name}: a class is named words-and-version: routable-endpoint-1.toml")
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise CatalogueError(f"{path.name}: not valid TOML: {problem}") from problem
    wrong = sorted((_KEYS ^ data.keys()) - {"only"})
    if wrong:
        raise CatalogueError(f"{path.name}: {wrong[0]}: {'unknown key' if wrong[0] in data else 'is missing; add it'}")
    for key in ("title", "statement"):
        if not isinstance(data[key], str) or not data[key].strip():
            raise CatalogueError(f"{path.name}: {key}: write a text in quotes")
    roles = _words(path, "roles", data["roles"])
    unknown = [role for role in roles if role not in ROLES]
    if unknown:
        raise CatalogueError(f"{path.name}: roles: {unknown[0]!r} is not known; use some of {', '.join(ROLES)}")
    requirements = _words(path, "requirements", data["requirements"])
    for name in requirements:
        _check(path, name)
    only = data.get("only", {})
    return ConformanceClass(
        name=path.stem,
        title=data["title"],
        statement=data["statement"],
        roles=roles,
        testbeds=_words(path, "testbeds", data["testbeds"]),
        requirements=requirements,
        only={key: _words(path, f"only.{key}", values) for key, values in only.items()},
    )


def _check(path: Path, name: str) -> None:
    try:
        row = find(name)
    except UnknownRequirement as problem:
        raise CatalogueError(f"{path.name}: requirements: {problem}") from None
    if row.id != name:
        raise CatalogueError(f"{path.name}: requirements: write {row.id!r} instead of its label {name!r}")
    if row.level not in (Level.MUST, Level.SUITE) or row.informational:
        raise CatalogueError(f"{path.name}: requirements: {name} is {row.level}; a class holds what decides alone")


def _words(path: Path, key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(word, str) and word for word in value):
        raise CatalogueError(f'{path.name}: {key}: write a list of words, for instance ["a", "b"]')
    if len(set(value)) != len(value):
        raise CatalogueError(f"{path.name}: {key}: name each once")
    return tuple(value)
