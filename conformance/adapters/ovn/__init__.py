"""OVN: logical switches, ACLs and port security over Open vSwitch's userspace datapath, on every host of a lab."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from conformance import limits
from conformance.adapters.interface import Identity, Unavailable
from conformance.adapters.openvswitch import PROGRAMS as SWITCH_PROGRAMS
from conformance.lab.lab import Lab
from conformance.profile import Profile
from conformance.validation import Strict

PACKAGES: Final = ("ovn-central", "ovn-host")
PROGRAMS: Final = (*SWITCH_PROGRAMS, "ovn-northd", "ovn-controller", "ovn-nbctl", "ovn-sbctl")


class Settings(Strict):
    """The table `[adapter]`: none."""


def adapter(profile: Profile) -> OvnAdapter:
    """The adapter of an OVN profile. Raises UsageError for wrong settings."""
    profile.settings(Settings)
    return OvnAdapter()


class OvnAdapter:
    """OVN of the machine's packages."""

    weight = 8
    needs_root = True

    def identify(self) -> Identity | Unavailable:
        """What ovn-controller says of its version, and of Open vSwitch's."""
        missing = [name for name in PROGRAMS if shutil.which(name) is None]
        if missing:
            return Unavailable(f"{', '.join(missing)} not found", PACKAGES)
        command = ["ovn-controller", "--version"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=limits.COMMAND, check=False)
        found = dict(re.findall(r"(?m)^(ovn-controller|Open vSwitch Library) (\S+)$", done.stdout))
        if "ovn-controller" not in found:
            return Unavailable(f"ovn-controller does not tell its version: {done.stderr.strip()}", PACKAGES)
        details = {"datapath": "netdev", "openvswitch": found.get("Open vSwitch Library", "unknown")}
        return Identity("OVN", found["ovn-controller"], details)

    def plan(self) -> tuple[str, ...]:
        """What is started and configured."""
        from conformance.adapters.ovn.network import STEPS

        return STEPS

    @contextmanager
    def deploy(self, lab: Lab) -> Iterator[Any]:
        """The databases on the first host, a controller on each. Raises AdapterError."""
        from conformance.adapters.ovn.network import OvnNetwork

        with ExitStack() as resources, OvnNetwork(lab, resources).running("ovn") as network:
            yield network
