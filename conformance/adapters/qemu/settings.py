"""The settings of a QEMU profile, and the kernel that its guests boot."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from conformance.profile import Profile
from conformance.validation import Strict

Nic = Literal["virtio-net-pci", "e1000", "vmxnet3"]
Aggregation = Literal["none", "bonding", "team"]
DRIVERS: Final[dict[Nic, str]] = {"virtio-net-pci": "virtio_net", "e1000": "e1000", "vmxnet3": "vmxnet3"}
"""The guest kernel's module for each NIC."""
ALWAYS: Final = ("virtio_pci", "virtio_console", "inet_diag", "tcp_diag", "udp_diag")
"""Modules that every guest loads: the agent's port, and the tables of sockets for snapshots."""
BOOT: Final = Path("/boot")
MODULES: Final = Path("/lib/modules")
NEEDED: Final[dict[Aggregation, tuple[str, ...]]] = {
    "none": (), "bonding": ("bonding", "bridge"), "team": ("team", "team_mode_loadbalance", "bridge")
}  # fmt: skip
"""Further modules of a guest that aggregates links."""
TEAMD: Final = "teamd"
"""The daemon that speaks LACP for a team, from the package libteam-utils."""


class Settings(Strict):
    """The table `[adapter]` of a QEMU profile.

    `nic` is the model of the guest's network card. `accelerator` is ``tcg`` (software emulation) by default, since
    hardware acceleration hangs on some machines. `memory` is in MiB. `qemu` and `compiler` name programs, by name or
    path; `kernel` is a release that is installed, for instance ``6.1.0-18-amd64`` (empty: the newest that has drivers).
    `aggregation` is what the guest bundles its network cards with, where that is judged and not workloads.
    """

    nic: Nic = "virtio-net-pci"
    accelerator: Literal["tcg", "kvm"] = "tcg"
    memory: Annotated[int, Field(ge=80, le=4096)] = 96
    qemu: Annotated[str, Field(min_length=1)] = "qemu-system-x86_64"
    compiler: Annotated[str, Field(min_length=1)] = "tcc"
    kernel: str = ""
    aggregation: Aggregation = "none"


def settings_of(profile: Profile) -> Settings:
    """The checked settings of a profile. Raises UsageError: one line naming profile, key and fix."""
    return profile.settings(Settings)


def find_program(name: str) -> str | None:
    """The path of a program by name or path, None where it is not installed."""
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin")))


@dataclass(frozen=True, slots=True)
class GuestKernelFiles:
    """An installed kernel: its release, its image, and the modules that a guest loads, in the order of loading."""

    release: str
    image: Path
    modules: tuple[Path, ...]


def find_kernel(settings: Settings) -> GuestKernelFiles | None:
    """The kernel that is asked for, or that with the most drivers, the newest of them; None where none will do.

    So profiles of different network cards boot the same guest, where one kernel has drivers for all.
    """
    images = {path.name.removeprefix("vmlinuz-"): path for path in BOOT.glob("vmlinuz-*")}
    found = []
    for release, image in images.items():
        further = NEEDED[settings.aggregation]
        modules = _modules(release, (*ALWAYS, *further, *DRIVERS.values()))
        drivers = {path.name.split(".")[0].replace("-", "_") for path in modules}
        usable = {"virtio_console", DRIVERS[settings.nic], *further} <= drivers and os.access(image, os.R_OK)
        if usable and settings.kernel in ("", release):
            found.append(
                (len(drivers & set(DRIVERS.values())), _age(release), GuestKernelFiles(release, image, modules))
            )
    return max(found, key=lambda one: one[:2])[2] if found else None


def _age(release: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"[.-]", release)]


def _modules(release: str, names: tuple[str, ...]) -> tuple[Path, ...]:
    """The files of the named modules and of all that they need, each behind what it needs."""
    folder = MODULES / release
    try:
        lines = (folder / "modules.dep").read_text().splitlines()
    except OSError:
        return ()
    needs = {place: needed.split() for place, _, needed in (line.partition(":") for line in lines)}
    by_name = {Path(place).name.split(".")[0].replace("-", "_"): place for place in needs}
    ordered: dict[str, None] = {}

    def add(place: str) -> None:
        for needed in reversed(needs[place]):  # depmod lists what must be loaded first last
            if needed not in ordered:
                add(needed)
        ordered.setdefault(place)

    for name in names:
        if name in by_name:
            add(by_name[name])
    return tuple(folder / place for place in ordered)
