"""The machine around the labs: what must be the same before and after, and the processes that a test started."""

from __future__ import annotations

import fcntl
import os
import select
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from conformance.lab import cgroups, scratch

PATIENCE: Final = 60.0
"""Seconds; generous, since machines are shared."""


def state() -> dict[str, object]:
    """Interfaces, addresses, routes, rules and mounts of the machine, and what dead runs left on it."""
    from pyroute2 import IPRoute

    with IPRoute() as netlink:
        found: dict[str, object] = {
            "links": sorted((one["index"], one.get_attr("IFLA_IFNAME"), one["flags"]) for one in netlink.get_links()),
            "addresses": sorted((a["index"], a.get_attr("IFA_ADDRESS")) for a in netlink.get_addr()),
            "routes": sorted(str(r.get_attr("RTA_DST")) + str(r.get_attr("RTA_OIF")) for r in netlink.get_routes()),
        }
    if Path("/usr/sbin/nft").exists() and os.geteuid() == 0:
        found["rules"] = subprocess.run(["/usr/sbin/nft", "list", "ruleset"], capture_output=True, check=False).stdout
    found["mounts"] = Path("/proc/self/mounts").read_text()
    return found | leftovers()


def leftovers() -> dict[str, object]:
    """Scratch folders and cgroups of runs that do not live any more; those of others that run now are not ours."""
    folders = list(Path(tempfile.gettempdir()).glob(f"{scratch.PREFIX}*"))
    alive = {folder.name for folder in folders if _held(folder)}
    groups = [place for root in cgroups.hierarchies() for place in root.glob(f"{scratch.PREFIX}*")]
    return {
        "folders": sorted(str(folder) for folder in folders if folder.name not in alive),
        "cgroups": sorted(str(place) for place in groups if place.name not in alive),
    }


def _held(folder: Path) -> bool:
    try:
        with (folder / scratch.LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return folder.exists() and not (folder / scratch.LOCK).exists()
    return False


def children(pid: int) -> list[int]:
    """Every descendant of a process, those of its threads included."""
    found = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return found
    return found + [grandchild for child in found for grandchild in children(child)]


def gone(descriptor: int, patience: float = PATIENCE) -> bool:
    """Whether the process of a pidfd has ended, or ends within `patience` seconds."""
    return bool(select.select([descriptor], [], [], patience)[0])
