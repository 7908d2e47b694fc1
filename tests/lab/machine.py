"""The machine around the labs: what must be the same before and after, and the processes that a test started."""

from __future__ import annotations

import fcntl
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Final

from conformance.lab.sandbox import cgroups, rundir

PATIENCE: Final = 60.0
"""Seconds; generous, since machines are shared."""
LOOK_AGAIN: Final = 0.2
"""Seconds."""


@contextmanager
def unchanged(remedy: Callable[[], object] = lambda: None) -> Iterator[None]:
    """The machine is the same after what happens in this context, and no dead run has left anything on it.

    Tests at the side of this one kill runs, too: what they leave for a moment is waited for, and `remedy` is called
    each time before it is looked for.
    """
    before, left = _machine(), _leftovers()
    yield
    changed = {key: (before[key], now) for key, now in _machine().items() if now != before[key]}
    assert not changed, f"before and after: {changed}"
    deadline = time.monotonic() + (PATIENCE if os.environ.get("PYTEST_XDIST_WORKER") else 0)
    remedy()
    while further := _leftovers() - left:
        assert time.monotonic() < deadline, f"left behind: {sorted(further)}"
        Event().wait(LOOK_AGAIN)
        remedy()


def _machine() -> dict[str, object]:
    """Interfaces, addresses, routes, rules and mounts of the machine."""
    from pyroute2 import IPRoute

    with IPRoute() as netlink:
        found: dict[str, object] = {
            "links": sorted((one["index"], one.get_attr("IFLA_IFNAME"), one["flags"]) for one in netlink.get_links()),
            "addresses": sorted((a["index"], a.get_attr("IFA_ADDRESS")) for a in netlink.get_addr()),
            "routes": sorted(str(r.get_attr("RTA_DST")) + str(r.get_attr("RTA_OIF")) for r in netlink.get_routes()),
        }
    if Path("/usr/sbin/nft").exists() and os.geteuid() == 0:
        found["rules"] = subprocess.run(["/usr/sbin/nft", "list", "ruleset"], capture_output=True, check=False).stdout
    return found | {"mounts": Path("/proc/self/mounts").read_text()}


def _leftovers() -> set[str]:
    """Folders and cgroups of runs that have ended, and cgroups that container engines made outside those of their runs.
    What belongs to a run that is alive is left out.

    Cgroups are read first: a run makes its folder before them, and removes it after them.
    """
    groups = [place for root in cgroups.hierarchies() for place in root.glob(f"{rundir.PREFIX}*")]
    folders = list(Path(tempfile.gettempdir()).glob(f"{rundir.PREFIX}*"))
    alive = {folder.name for folder in folders if _held(folder)}
    strays = {str(place) for root in cgroups.hierarchies() for place in root.glob("docker/*/")}
    return strays | {str(place) for place in (*groups, *folders) if place.name not in alive and place.exists()}


def _held(folder: Path) -> bool:
    """Return whether a run holds the folder's lock. A test that asks beside us shares it for a moment; it is no run."""
    try:
        with (folder / rundir.LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return folder.exists() and not (folder / rundir.LOCK).exists()
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
    """Wait until the process of a pidfd has ended, `patience` seconds at most; return whether it has."""
    return bool(select.select([descriptor], [], [], patience)[0])
