"""Conformance classes: named, versioned sets of requirements that a product can claim (``classes/`` of a family)."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import AfterValidator, Field, field_validator

from conformance.errors import UsageError
from conformance.family import RoleName, families
from conformance.requirement import CatalogueError, Level, UnknownRequirement, find
from conformance.validation import Strict, Text, checked, nearest, once, table

FOLDER: Final = "classes"
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*-[1-9][0-9]*")
Words = Annotated[tuple[Text, ...], Field(min_length=1), AfterValidator(once)]


class UnknownClass(KeyError):  # noqa: N818 - reads as what it says where it is caught
    """No class has this name; the text names the nearest one."""

    def __str__(self) -> str:
        return str(self.args[0])


class ConformanceClass(Strict):
    """One set of requirements. `name` ends in its version: another set is another version, never an edit.

    It speaks of implementations with one of `roles`, run on all of `testbeds`; `requirements` are MUST or SUITE, so
    that a class that is met never rests on advice. `only` narrows the outcomes that count to these values of a
    parameter.
    """

    name: str
    title: Text
    statement: Text
    roles: Annotated[tuple[RoleName, ...], Field(min_length=1), AfterValidator(once)]
    testbeds: Words
    requirements: Words
    only: Mapping[str, Words] = {}

    def counts(self, parameters: Mapping[str, str]) -> bool:
        """Whether an outcome with these parameters counts for the class."""
        return all(parameters.get(name, values[0]) in values for name, values in self.only.items())

    @field_validator("requirements")
    @classmethod
    def _decide(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            try:
                row = find(name)
            except UnknownRequirement as problem:
                raise ValueError(str(problem)) from None
            if row.id != name:
                raise ValueError(f"write {row.id!r} instead of its label {name!r}")
            if row.level not in (Level.MUST, Level.SUITE) or row.informational:
                raise ValueError(f"{name} is {row.level}; a class holds only what decides")
        return names


@functools.cache
def classes() -> Mapping[str, ConformanceClass]:
    """Every class of every family that is installed, by name. Raises CatalogueError for the first wrong file."""
    return load(path for family in families().values() for path in (family.folder / FOLDER).glob("*.toml"))


def find_class(name: str) -> ConformanceClass:
    """The class of that name. Raises UnknownClass with the nearest one."""
    if name in classes():
        return classes()[name]
    hint = nearest(name, classes()) or f"there are: {', '.join(classes())}"
    raise UnknownClass(f"no conformance class {name!r}; {hint}")


def load(paths: Iterable[Path]) -> Mapping[str, ConformanceClass]:
    """Read and check ``<class>-<version>.toml`` files; sorted by name. Raises CatalogueError: file, key and fix."""
    found: dict[str, ConformanceClass] = {}
    for path in sorted(paths, key=lambda path: path.stem):
        if path.stem in found:
            raise CatalogueError(f"{path.name}: two families have a class of this name; rename one")
        found[path.stem] = _read(path)
    return MappingProxyType(found)


def _read(path: Path) -> ConformanceClass:
    if not _NAME.fullmatch(path.stem):
        raise CatalogueError(f"{path.name}: a class is named words-and-version: routable-endpoint-1.toml")
    try:
        data = table(path)
        if "name" in data:
            raise UsageError(f"{path.name}: name: unknown key; the file's name is the name of the class")
        return checked(ConformanceClass, {**data, "name": path.stem}, path.name)
    except UsageError as problem:
        raise CatalogueError(str(problem)) from None
