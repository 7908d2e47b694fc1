"""Every planted fault fails exactly what its entry names; sound networks fail nothing but what their design does.

A trial that a busy machine disturbed, as the lab's own timers say, has been recorded once more
(conformance.selftest). At night every fault is recorded in every scenario, as `plugfest selftest` does. By day one of
each family is recorded, in the scenarios that tell of it: that proves the way from a lab to a verdict. The golden
recordings of all others are judged by `tests/unit/test_golden.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from command import OVERNIGHT

from conformance.family import families, scenarios
from conformance.selftest.fault import Fault
from conformance.selftest.faults import faults, faults_of
from conformance.selftest.trial import Sound, Trials, sound_networks, telling, trials

pytestmark = [pytest.mark.outside, pytest.mark.lab, pytest.mark.timeout(1200)]


def sample() -> list[Fault]:
    """One fault of each family: the one whose scenarios wait shortest, the first of these by name."""
    planted = [faults_of(family) for family in families().values()]
    return [min(each, key=lambda fault: (_waits(fault), fault.name)) for each in planted if each]


def _waits(fault: Fault) -> float:
    return max(scenarios()[name].waits for name in telling(fault))


RECORDED = {fault.name: fault for fault in (faults().values() if OVERNIGHT else sample())}
SOUND = sound_networks(RECORDED.values())


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


@pytest.mark.parametrize("name", RECORDED)
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
