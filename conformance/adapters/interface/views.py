"""What a switch can be asked of its own view: optional powers of a subject, held against what the wire shows.

Every method asks the implementation itself. One that does not answer, or in words that are not understood, raises
AdapterError with what it said: that ends inconclusive, and is no verdict on the device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from conformance.lab.lab import Host
from conformance.recording.events.tables import Counters, FdbEntry, LagMember, NeighbourEntry

__all__ = [
    "Counters",
    "FdbEntry",
    "LagMember",
    "NeighbourEntry",
    "ShowingBindings",
    "ShowingCounters",
    "ShowingMembers",
    "ShowingRows",
    "ShowingStations",
]


class ShowingMembers(Protocol):
    """It shows the state of its link aggregation groups."""

    def members(self, host: Host, bundle: str) -> Sequence[LagMember]:
        """The ports of a group. Raises AdapterError."""


class ShowingStations(Protocol):
    """It shows the table of stations of its bridges."""

    def stations(self, host: Host, bridge: str) -> Sequence[FdbEntry]:
        """The learned entries of a bridge. Raises AdapterError."""


class ShowingBindings(Protocol):
    """It shows which stations it has resolved."""

    def bindings(self, host: Host) -> Sequence[NeighbourEntry]:
        """Its table of ARP and of IPv6 neighbours. Raises AdapterError."""


class ShowingCounters(Protocol):
    """It shows how many frames it has counted."""

    def counters(self, host: Host, bridge: str) -> Sequence[Counters]:
        """The counters of the ports of a bridge, others perhaps among them. Raises AdapterError."""


class ShowingRows(Protocol):
    """It shows further tables of its own, which a family asks for by name (`conformance.family.Facts`)."""

    def rows(self, host: Host, name: str) -> Sequence[Mapping[str, str]]:
        """The rows of the table `name`. Raises AdapterError, also where it has no such table."""
