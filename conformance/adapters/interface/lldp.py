"""What an LLDP agent can be asked to do: optional powers of a subject with ports, each a small protocol of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from conformance.adapters.interface.ports import Port


@dataclass(frozen=True, slots=True)
class AgentTimers:
    """The times that the agent was told to keep, or that its maker states: interval in seconds, hold and counts.

    What nobody states has the standard's default (IEEE 802.1AB-2016 §9.2.5). `hold` is None where nobody said: then any
    that the standard allows is right.
    """

    interval: float = 30.0
    hold: int | None = None
    fast_count: int = 4


@dataclass(frozen=True, slots=True)
class LldpNeighbour:
    """A neighbour in the agent's own view: Chassis ID and Port ID as text."""

    chassis: str
    port: str


class Discovering(Protocol):
    """An LLDP agent."""

    def timers(self) -> AgentTimers:
        """The times that it keeps."""


class Beginning(Protocol):
    """Its agent is off until it is asked for: a switch that does other things as well."""

    def discover(self) -> None:
        """Enable LLDP on every port. Raises AdapterError."""


class Neighbouring(Protocol):
    """It shows its neighbours."""

    def neighbours(self, port: Port) -> Sequence[LldpNeighbour]:
        """The neighbours on a port, asked of the implementation itself. Raises AdapterError."""


class Administering(Protocol):
    """A port's agent is disabled and enabled while the rest runs (adminStatus, §9.2.5.1)."""

    def administer(self, port: Port, *, on: bool) -> None:
        """Set it. Raises AdapterError."""


class Renaming(Protocol):
    """What it tells of itself can be changed while it runs."""

    def rename(self, system: str) -> None:
        """Change the System Name that it tells. Raises AdapterError."""


class Leaving(Protocol):
    """It can be ended in order."""

    def leave(self) -> None:
        """End it as its service would be stopped, and wait until it has ended. Raises AdapterError."""
