"""The plain wire: endpoints are stations on their host's segment, with nothing of any implementation in between.

The control of every run: what does not pass here is not the implementation's doing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from conformance.adapters.interface import Identity
from conformance.adapters.linux.network import INTERFACE, Allocation, Design, Network, refusals
from conformance.adapters.linux.pool import on_segments
from conformance.lab.lab import Lab
from conformance.profile import Profile
from conformance.validation import Strict


class Settings(Strict):
    """The table `[adapter]`: there is nothing to set."""


def adapter(profile: Profile) -> WireAdapter:
    """The adapter of the plain wire. Raises UsageError for wrong settings."""
    profile.settings(Settings)
    return WireAdapter()


STEPS: Final = (
    "per endpoint: a station on its host's segment, addresses of the segment, default routes to its router",
)


def wire(lab: Lab) -> Design:
    """Endpoints are cabled to the top-of-rack as the hosts are; nothing runs on the hosts."""

    def connect(allocation: Allocation) -> None:
        segment = allocation.host.station.segment
        lab.plug(allocation.namespace, INTERFACE, segment, allocation.port, mac=allocation.mac)

    return Design(allocations=on_segments(lab), connect=connect)


class WireAdapter:
    """No implementation at all."""

    weight = 1
    needs_root = False

    def identify(self) -> Identity:
        """The running kernel, which is both ends of the wire."""
        return Identity("plain wire", os.uname().release)

    def plan(self) -> tuple[str, ...]:
        """What is cabled."""
        return STEPS

    @contextmanager
    def deploy(self, lab: Lab) -> Iterator[Network]:
        """Nothing runs on the hosts."""
        with refusals("plain-wire"):
            network = Network(lab, wire(lab))
        yield network
