"""Carrying out a scenario: its module is imported when it is needed, wherever its family comes from."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from conformance.family import Scenario
from conformance.provoking.context import Context
from conformance.testbed import Testbed


def shape(scenario: Scenario, testbed: Testbed) -> Testbed:
    """The testbed as the scenario wants it: what its module's ``shape(testbed)`` makes of it, if it has one."""
    function: Callable[[Testbed], Testbed] | None = getattr(importlib.import_module(scenario.module), "shape", None)
    return testbed if function is None else function(testbed)


def run(scenario: Scenario, context: Context) -> None:
    """Carry it out: ``run(context)`` of its module. Raises AdapterError where the implementation refuses what the
    scenario rests on."""
    importlib.import_module(scenario.module).run(context)
