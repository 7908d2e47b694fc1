"""Every planted fault, by name: those of every family that is installed."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from conformance.errors import UsageError
from conformance.extension import imported
from conformance.family import families
from conformance.selftest.fault import Fault


@functools.cache
def faults() -> Mapping[str, Fault]:
    """Every planted fault, by name, family by family. Raises UsageError where two have one name."""
    found: dict[str, Fault] = {}
    for place, fault in _all():
        if found.setdefault(fault.name, fault) is not fault:
            raise UsageError(f"{place}: FAULTS: {fault.name}: another fault has this name; rename one")
    return MappingProxyType(found)


def _all() -> Iterator[tuple[str, Fault]]:
    for family in families().values():
        for name in family.parts("faults"):
            for fault in getattr(imported(name, f"family {family.name}"), "FAULTS", ()):
                yield name, fault
