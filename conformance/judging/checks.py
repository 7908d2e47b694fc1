"""The checks that there are: those of every family that is installed."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from inspect import getmembers, isfunction
from pathlib import Path
from types import ModuleType

from conformance.extension import imported
from conformance.family import families
from conformance.judging.register import Check, check_of


@functools.cache
def check_modules() -> tuple[ModuleType, ...]:
    """Every module of checks, family by family. Raises UsageError for one that cannot be imported."""
    return tuple(
        imported(name, f"family {family.name}") for family in families().values() for name in family.parts("checks")
    )


def check_files() -> Mapping[str, Path]:
    """The files of checks of every family, by the name of the module, without importing any."""
    names = ((family, name) for family in families().values() for name in family.parts("checks"))
    return {name: family.folder / f"{name.rpartition('.')[2]}.py" for family, name in names}


def checks_in(module: ModuleType) -> list[Check]:
    """The checks that a module defines itself."""
    found = [check_of(function) for _, function in getmembers(module, isfunction)]
    return [check for check in found if check is not None and check.function.__module__ == module.__name__]


def checks() -> list[Check]:
    """Every check, by requirement id; imports every module of checks."""
    found = [check for module in check_modules() for check in checks_in(module)]
    return sorted(found, key=lambda check: check.requirement.id)
