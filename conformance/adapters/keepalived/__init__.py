"""The adapter for keepalived: virtual addresses that VRRP moves from one host to another, IPv4 and IPv6."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from conformance import limits
from conformance.adapters.interface import Identity, Unavailable
from conformance.adapters.keepalived.configuration import Settings
from conformance.profile import Profile

if TYPE_CHECKING:
    from conformance.adapters.keepalived.subject import Keepalived
    from conformance.lab.lab import Lab


def adapter(profile: Profile) -> KeepalivedAdapter:
    """The adapter of a profile of kind ``keepalived``. Raises UsageError for a wrong setting."""
    return KeepalivedAdapter(profile, profile.settings(Settings))


class KeepalivedAdapter:
    """keepalived, one for each node of each endpoint."""

    weight = 2
    needs_root = True

    def __init__(self, profile: Profile, settings: Settings) -> None:
        self._packages = profile.packages
        self._settings = settings

    def _program(self) -> str | None:
        return shutil.which(self._settings.keepalived, path="/usr/sbin:/sbin:/usr/local/sbin:/usr/bin")

    def identify(self) -> Identity | Unavailable:
        """What ``keepalived --version`` says."""
        program = self._program()
        if program is None:
            return Unavailable(f"{self._settings.keepalived} is not installed", self._packages)
        asked = [program, "--version"]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=limits.COMMAND, check=False)
        found = re.search(r"Keepalived v(\S+)", done.stdout + done.stderr)
        if found is None:
            return Unavailable(f"{self._settings.keepalived} does not tell its version", self._packages)
        return Identity("keepalived", found[1])

    @contextmanager
    def deploy(self, lab: Lab) -> Iterator[Keepalived]:
        """A bridge on every host for the nodes, which come with the endpoints. Raises AdapterError."""
        from conformance.adapters.keepalived.subject import Keepalived

        program = self._program()
        assert program is not None
        with Keepalived(lab, program, self._settings).running() as network:
            yield network

    def plan(self) -> tuple[str, ...]:
        """What is started and configured, one step a line."""
        return (
            "on every host: bridge br0 takes over the uplink's MAC, addresses and routes; the uplink is its port",
            "per endpoint: a node on each host of the segment, a veth from br0 to its eth0, an address of its own",
            f"per node: {self._settings.keepalived} in the foreground, VRRP version 3, a router for each family",
            "per move: keepalived ends on the master's node; in a crash the node loses its cable first",
        )
