"""A cgroup of its own for a sandbox, so that what a container engine makes there can be found and removed."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from conformance import limits

ROOT: Final = Path("/sys/fs/cgroup")


def hierarchies() -> Iterator[Path]:
    """The mount points of every cgroup hierarchy: the unified one (v2), or one for each controller (v1)."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind in ("cgroup", "cgroup2"):
            yield Path(place)


def enter(group: str) -> bool:
    """Make the cgroup `group` in every hierarchy and move this process into it. False where that cannot be done."""
    entered = False
    for hierarchy in hierarchies():
        place = hierarchy
        with contextlib.suppress(OSError):
            for name in Path(group).parts:
                place /= name
                place.mkdir(exist_ok=True)
                _inherit_cpuset(place)
            (place / "cgroup.procs").write_text(str(os.getpid()))
            entered = True
    return entered


def _inherit_cpuset(place: Path) -> None:
    """A new v1 cpuset is empty, and takes no process (nor has anything for its own) before it has processors and memory
    nodes."""
    for key in ("cpuset.cpus", "cpuset.mems"):
        own = place / key
        if own.exists() and not own.read_text().strip() and (place.parent / key).exists():
            own.write_text((place.parent / key).read_text())


def await_removal(group: str) -> list[Path]:
    """Remove the cgroup `group`, whose processes have ended and may yet have to leave it. Returns what stays busy."""
    until = time.monotonic() + limits.CGROUP_LEFT
    while (left := remove(group)) and time.monotonic() < until:
        select.select([], [], [], limits.CGROUP_RETRY)
    return left


def remove(group: str) -> list[Path]:
    """Remove the cgroup `group` and all below it, in every hierarchy. Returns what could not be removed (busy)."""
    left = []
    for hierarchy in hierarchies():
        place = hierarchy / group
        if not place.is_dir():
            continue
        folders = sorted((path for path in place.rglob("*") if path.is_dir()), reverse=True)
        for folder in [*folders, place]:
            try:
                folder.rmdir()
            except FileNotFoundError:
                continue
            except OSError:
                left.append(folder)
    return left
