"""The plain wire: endpoints are stations on their host's segment, with nothing of any implementation in between.

The control of every run: what does not pass here is not the implementation's doing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from conformance.adapters.interface import Identity
from conformance.adapters.linux.network import INTERFACE, Allocation, Network, refusals
from conformance.adapters.linux.pool import Pool
from conformance.lab.lab import Host, Lab
from conformance.profile import Profile
from conformance.validation import Strict


class Settings(Strict):
    """The table `[adapter]`: there is nothing to set."""


def adapter(profile: Profile) -> WireAdapter:
    """The adapter of the plain wire. Raises UsageError for wrong settings."""
    profile.settings(Settings)
    return WireAdapter()


class Wire(Network):
    """Endpoints are cabled to the top-of-rack as the hosts are."""

    steps = ("per endpoint: a station on its host's segment, addresses of the segment, default routes to its router",)

    def pool(self, host: Host, version: int) -> Pool:
        """Addresses of the segment that are set aside for this host."""
        return Pool.on_segment(host, version)

    def start(self) -> None:
        """Nothing runs on the hosts."""

    def connect(self, allocation: Allocation) -> None:
        """A cable to the top-of-rack."""
        self.lab.plug(
            allocation.namespace, INTERFACE, allocation.host.station.segment, allocation.port, mac=allocation.mac
        )


class WireAdapter:
    """No implementation at all."""

    weight = 1
    needs_root = False

    def identify(self) -> Identity:
        """The running kernel, which is both ends of the wire."""
        return Identity("plain wire", os.uname().release)

    def plan(self) -> tuple[str, ...]:
        """What is cabled."""
        return Wire.steps

    @contextmanager
    def deploy(self, lab: Lab) -> Iterator[Wire]:
        """Nothing runs on the hosts."""
        with refusals("plain-wire"):
            wire = Wire(lab)
        yield wire
