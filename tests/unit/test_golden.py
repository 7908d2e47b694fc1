"""Every golden recording gives the verdicts that are expected of it; a planted fault's fail what its entry names."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Final

import pytest

from conformance.golden.store import golden, goldens
from conformance.golden.verdicts import differences, verdicts_of
from conformance.judging.checks import checks
from conformance.selftest.faults import faults
from conformance.selftest.goldens import Judged, judged, recordings_of, trial
from conformance.selftest.trial import undetectable
from conformance.verdict import Verdict

FIGURE: Final = "it gives a figure, and has no limit to fail"
WITHOUT: Final[Mapping[Verdict, Mapping[str, str]]] = {
    Verdict.PASS: {},
    Verdict.FAIL: {
        "acl.change-effect": FIGURE,
        "acl.entries": FIGURE,
        "lacp.link-loss": FIGURE,
        "move.announcement-figures": FIGURE,
        "move.blackout": FIGURE,
        "stp.convergence": FIGURE,
    },
}
"""Requirements that no golden recording passes, or fails, each with the reason."""

HANDED_OVER: Final = frozenset({
    "hop-limit-of-tcp-reset", "ipv6-alone-refused", "names-resolved-by-host", "port-listened-at-beside",
    "port-rewritten-by-bridge", "requests-refused", "tunnel-hop-counted-twice", "web-proxied",
})  # fmt: skip
"""Faults that were first planted from outside this package, and passed: `pytest tests -k handed_over`."""

once = functools.cache(judged)
"""A recording is judged once for all tests of a process."""


def known(name: str) -> Judged:
    return once(golden(name))


@pytest.mark.parametrize("name", goldens())
def test_a_recording_gives_the_verdicts_that_are_expected(name: str) -> None:
    changed = differences(golden(name).expected.decided, verdicts_of(known(name).outcomes))
    assert not changed, f"plugfest golden accept {name}, if these are right: {changed}"


@pytest.mark.parametrize("name", faults(), ids=lambda name: f"handed_over-{name}" if name in HANDED_OVER else name)
def test_a_fault_fails_exactly_what_it_names(name: str) -> None:
    fault = faults()[name]
    found = trial(fault, [known(one.name) for one in recordings_of(fault)])
    assert not found.broken
    assert found.witness is not None, "the fault was not there, or had no effect"
    assert not found.missed, found.undecided
    assert not found.extra, found.failed
    assert fault.notes <= found.noted


def checked() -> set[tuple[str, str]]:
    """Each check: its requirement, and the scenario whose recordings it reads."""
    return {(check.requirement.id, check.scenario) for check in checks()}


def having(verdict: Verdict) -> set[tuple[str, str]]:
    """The checks that reach a verdict in a golden recording."""
    said = [one.expected for one in goldens().values()]
    return {(requirement, each.scenario) for each in said for requirement in each.having(verdict)}


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.FAIL])
def test_every_check_passes_and_fails_in_a_recording(verdict: Verdict) -> None:
    without = {requirement for requirement, _ in checked() - having(verdict)}
    assert without == set(WITHOUT[verdict]), "WITHOUT names the exceptions, and those only that are still needed"


def test_every_checked_requirement_has_a_fault() -> None:
    missing = undetectable(faults().values())
    assert not missing, f"no planted fault fails {', '.join(missing)}"


def test_every_fault_has_a_witness() -> None:
    assert not [fault.name for fault in faults().values() if fault.witness is None]
