"""The suite's own link aggregation in the place of an implementation: what a conforming one looks like, or a faulty.

It shows that the lab carries LACP and that the checks let a conforming participant pass; planted faults are made of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import conformance
from conformance.adapters.interface import Identity
from conformance.adapters.reference_lacp.switch import Misconduct, RunningSwitch
from conformance.lab.lab import Lab
from conformance.profile import Profile
from conformance.validation import Strict


class Settings(Strict):
    """The table `[adapter]`: there is nothing to set."""


def adapter(profile: Profile, conduct: Misconduct | None = None) -> AggregatorAdapter:
    """The adapter of the reference switch, which behaves as `conduct` says. Raises UsageError for wrong settings."""
    profile.settings(Settings)
    return AggregatorAdapter(conduct or Misconduct())


class AggregatorAdapter:
    """The suite's switch on every cable of the first host."""

    weight = 1
    needs_root = False

    def __init__(self, conduct: Misconduct) -> None:
        self._conduct = conduct

    def identify(self) -> Identity:
        """The suite itself."""
        return Identity("reference link aggregation", conformance.__version__)

    def plan(self) -> tuple[str, ...]:
        """What runs."""
        return ("the suite's own LACP participant on every group, and a switch that hashes by source address",)

    @contextmanager
    def deploy(self, lab: Lab) -> Iterator[Any]:
        """The switch, running; its groups are made when the scenario asks for them."""
        with RunningSwitch(lab, self._conduct) as running:
            yield running
