"""The suite's own LLDP agent in the place of an implementation: what a conforming one looks like, or with a fault.

It shows that the lab carries LLDP and that the checks let a conforming agent pass; planted faults are made of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import conformance
from conformance.adapters.interface import Identity
from conformance.adapters.reference.agent import RunningAgent
from conformance.lab.lab import Lab
from conformance.profile import Profile
from conformance.protocols.lldp.agent import AgentConduct, Timers
from conformance.validation import Strict


class Settings(Strict):
    """The table `[adapter]`: the interval in seconds and how many of them what was told holds."""

    interval: float = 30.0
    hold: int = 4


def adapter(profile: Profile, conduct: AgentConduct | None = None) -> ReferenceAdapter:
    """The adapter of the reference agent, which behaves as `conduct` says. Raises UsageError for wrong settings."""
    settings = profile.settings(Settings)
    return ReferenceAdapter(Timers(interval=settings.interval, hold=settings.hold), conduct or AgentConduct())


class ReferenceAdapter:
    """The suite's agent on every cable of the first host."""

    weight = 1
    needs_root = False

    def __init__(self, timers: Timers, conduct: AgentConduct) -> None:
        self._timers = timers
        self._conduct = conduct

    def identify(self) -> Identity:
        """The suite itself."""
        return Identity("reference LLDP agent", conformance.__version__)

    def plan(self) -> tuple[str, ...]:
        """What runs."""
        return (f"the suite's own LLDP agent on every port, interval {self._timers.interval:g} s",)

    @contextmanager
    def deploy(self, lab: Lab) -> Iterator[RunningAgent]:
        """The agent, running."""
        with RunningAgent(lab, self._timers, self._conduct) as running:
            yield running
