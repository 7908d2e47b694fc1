"""The checks that ship with the suite."""

from __future__ import annotations

from importlib import import_module
from inspect import getmembers, isfunction

from conformance.judging.register import Check, check_of
from conformance.places import CHECKS


def checks() -> list[Check]:
    """Every check that ships, by requirement id; imports every module of checks."""
    found = []
    for path in sorted(CHECKS.glob("test_*.py")):
        for _, function in getmembers(import_module(f"conformance.checks.{path.stem}"), isfunction):
            check = check_of(function)
            if check is not None:
                found.append(check)
    return sorted(found, key=lambda check: check.requirement.id)
