"""The adapter for QEMU: virtual machines as endpoints, on a bridge of their host, that move by live migration.

Or one virtual machine whose kernel bundles its network cards, where link aggregation is judged.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from conformance import limits
from conformance.adapters.interface import Identity, Unavailable
from conformance.adapters.qemu.settings import (
    TEAMD,
    Aggregation,
    Settings,
    find_kernel,
    find_program,
    settings_of,
)
from conformance.profile import Profile

if TYPE_CHECKING:
    from conformance.adapters.qemu.aggregation import GuestLinks
    from conformance.adapters.qemu.subject import VirtualMachines
    from conformance.lab.lab import Lab


def adapter(profile: Profile) -> QemuAdapter:
    """The adapter of a profile of kind ``qemu``. Raises UsageError for a wrong setting."""
    settings = settings_of(profile)
    return QemuAdapter(profile, settings) if settings.aggregation == "none" else AggregatingAdapter(profile, settings)


class QemuAdapter:
    """QEMU with one guest for each endpoint."""

    weight = 10
    needs_root = True

    def __init__(self, profile: Profile, settings: Settings) -> None:
        self._packages = profile.packages
        self._settings = settings

    def identify(self) -> Identity | Unavailable:
        """What ``qemu --version`` says; the guest's kernel and the network card belong to what is judged."""
        from conformance.adapters.qemu.tap import DEVICE

        program, compiler = find_program(self._settings.qemu), find_program(self._settings.compiler)
        kernel = find_kernel(self._settings)
        if program is None:
            return self._unavailable(f"{self._settings.qemu} is not installed")
        if compiler is None:
            return self._unavailable(f"{self._settings.compiler} is not installed, which makes the guest's agent")
        if kernel is None:
            return self._unavailable(f"there is no kernel in /boot with a driver for {self._settings.nic}")
        if not os.access(DEVICE, os.R_OK | os.W_OK):
            return self._unavailable(f"{DEVICE} cannot be opened")
        version = _version(program)
        if version is None:
            return self._unavailable(f"{self._settings.qemu} does not tell its version")
        details = {"guest kernel": kernel.release, "nic": self._settings.nic, "accelerator": self._settings.accelerator}
        return Identity("QEMU", version, details)

    def _unavailable(self, reason: str) -> Unavailable:
        return Unavailable(reason, self._packages)

    @contextmanager
    def deploy(self, lab: Lab) -> Iterator[VirtualMachines | GuestLinks]:
        """A bridge on every host, and a frozen guest that endpoints are woken from. Raises AdapterError."""
        from conformance.adapters.qemu.image import frozen_guest
        from conformance.adapters.qemu.subject import VirtualMachines

        kernel = find_kernel(self._settings)
        assert kernel is not None
        frozen = frozen_guest(lab, kernel, self._settings)
        with VirtualMachines(lab, self._settings, frozen).running() as network:
            yield network

    def plan(self) -> tuple[str, ...]:
        """What is started and configured, one step a line."""
        return (
            "on every host: bridge br0 takes over the uplink's MAC, addresses and routes; the uplink is its port",
            f"once for a run: boot a guest ({self._settings.memory} MiB, {self._settings.accelerator}), freeze it",
            f"per endpoint: {self._settings.qemu} goes on from the frozen guest; a {self._settings.nic} is plugged in,"
            " on a tap that is a port of br0; addresses of the segment, default routes to its router, if any",
            "per move: a second QEMU on the other host, live migration, the first one ends",
        )


GROUPS: Final[dict[Aggregation, str]] = {
    "none": "",
    "bonding": "a bond of mode 802.3ad for each group (lacp_rate fast, miimon 100 ms)",
    "team": "a team for each group, and a teamd with the runner lacp (fast_rate, link_watch ethtool)",
}


class AggregatingAdapter(QemuAdapter):
    """One guest, with a network card for each port, whose kernel is what is judged."""

    weight = 6

    def identify(self) -> Identity | Unavailable:
        """The guest's kernel, which is the product, in a QEMU."""
        found = super().identify()
        if isinstance(found, Unavailable):
            return found
        if self._settings.aggregation == "team" and find_program(TEAMD) is None:
            return self._unavailable(f"{TEAMD} is not installed")
        details = {"QEMU": found.version, "nic": self._settings.nic, "accelerator": self._settings.accelerator}
        return Identity(f"Linux {self._settings.aggregation}", found.details["guest kernel"], details)

    @contextmanager
    def deploy(self, lab: Lab) -> Iterator[GuestLinks]:
        """The guest, booted with all its cards. Raises AdapterError."""
        from conformance.adapters.qemu.aggregation import guest_links

        kernel = find_kernel(self._settings)
        assert kernel is not None
        with guest_links(lab, kernel, self._settings) as links:
            yield links

    def plan(self) -> tuple[str, ...]:
        """What is started and configured, one step a line."""
        return (
            f"boot a guest ({self._settings.memory} MiB, {self._settings.accelerator}) with a {self._settings.nic} for"
            " each port, on a tap that is the partner's end of its cable",
            f"in the guest: {GROUPS[self._settings.aggregation]}, all of them and the access port on one bridge",
        )


def _version(program: str) -> str | None:
    """The version number that ``PROGRAM --version`` prints, None where it fails."""
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=limits.COMMAND, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"version (\S+(?: \([^)]*\))?)", done.stdout)
    return found[1] if found and done.returncode == 0 else None
