"""Every planted fault, by name: those of every family that is installed."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType

from conformance.errors import UsageError
from conformance.extension import imported
from conformance.family import Family, families
from conformance.selftest.fault import Fault


@functools.cache
def faults() -> Mapping[str, Fault]:
    """Every planted fault, by name, family by family. Raises UsageError where two have one name."""
    found: dict[str, Fault] = {}
    for family in families().values():
        for fault in faults_of(family):
            if found.setdefault(fault.name, fault) is not fault:
                raise UsageError(f"family {family.name}: FAULTS: {fault.name}: another fault has this name; rename one")
    return MappingProxyType(found)


def faults_of(family: Family) -> list[Fault]:
    """The faults that a family plants, in the order of its modules. Raises UsageError where one cannot be imported."""
    found: list[Fault] = []
    for name in family.parts("faults"):
        found += getattr(imported(name, f"family {family.name}"), "FAULTS", ())
    return found
