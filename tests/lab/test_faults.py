"""Every planted fault fails exactly what its entry names; sound networks fail nothing but what their design does.

A trial that a busy machine disturbed, as the lab's own timers say, has been recorded once more
(conformance.selftest). At night a fault is recorded in every scenario, as `plugfest selftest` does; by day in those
that tell of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from command import OVERNIGHT

from conformance.selftest.fault import Fault
from conformance.selftest.faults import faults
from conformance.selftest.trial import Sound, Trials, sound_networks, trials, undetectable

pytestmark = [pytest.mark.outside, pytest.mark.lab, pytest.mark.timeout(1200)]

HANDED_OVER = frozenset({
    "hop-limit-of-tcp-reset", "ipv6-alone-refused", "names-resolved-by-host", "port-listened-at-beside",
    "port-rewritten-by-bridge", "requests-refused", "tunnel-hop-counted-twice", "web-proxied",
})  # fmt: skip
"""Faults that were first planted from outside this package, and passed: `pytest tests -k handed_over`."""
SOUND = sound_networks(faults().values())


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trials]:
    """All networks that this session asks for, recorded at the same time and in the order of its tests."""
    cases: list[dict[str, Any]] = [
        item.callspec.params
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path and hasattr(item, "callspec")
    ]
    wanted: list[Fault | Sound] = [faults()[case["name"]] if "name" in case else case["cell"] for case in cases]
    with trials(wanted, tmp_path_factory.mktemp("faults"), narrow=not OVERNIGHT) as made:
        yield made


@pytest.mark.parametrize("name", faults(), ids=lambda name: f"handed_over-{name}" if name in HANDED_OVER else name)
def test_a_fault_fails_exactly_what_it_names(name: str, running: Trials) -> None:
    trial = running.of_fault(faults()[name])
    assert not trial.broken
    assert trial.witness is not None, "the fault was not there, or had no effect"
    assert not trial.missed, trial.undecided
    assert not trial.extra, trial.failed
    assert faults()[name].notes <= trial.noted


@pytest.mark.parametrize("cell", SOUND, ids=" on ".join)
def test_a_sound_network_fails_nothing_but_by_design(cell: tuple[str, str], running: Trials) -> None:
    trial = running.of_sound(cell)
    assert not trial.broken
    assert not trial.extra, trial.failed
    assert not trial.missed, trial.undecided
    planted = [fault for fault in faults().values() if (fault.reference, fault.testbed) == cell]
    assert not trial.noted & frozenset().union(*(fault.notes for fault in planted))


def test_every_checked_requirement_has_a_fault() -> None:
    missing = undetectable(faults().values())
    assert not missing, f"no planted fault fails {', '.join(missing)}"


def test_every_fault_has_a_witness() -> None:
    assert not [fault.name for fault in faults().values() if fault.witness is None]
