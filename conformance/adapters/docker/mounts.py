"""What a container engine needs of its host's private mounts, beyond the lab's own.

Called inside the host's mount namespace. Afterwards nothing that the engine writes reaches the machine's disk: its data
lies on the host's own /run, and the folders below which it keeps further files are copies on write.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Final

from conformance.lab.kernel.mounts import MNT_DETACH, MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_REC, mount

STATE: Final = Path("/run/engine")
"""Where everything of the engine lies, in the host's own /run."""
SHADOWED: Final = (Path("/etc"), Path("/opt"), Path("/var/lib"))
"""Engines write there whatever their options: /etc/docker/key.json, /opt/containerd, /var/lib/docker/network."""
CGROUPS: Final = "/sys/fs/cgroup"

_libc = ctypes.CDLL(None, use_errno=True)


def prepare_mounts(shared: Path) -> None:
    """Make the engine's folders, hide the machine's own engine settings, mount the cgroups afresh. Raises OSError.

    `shared` is a folder that stays the machine's, wherever it lies: logs are written there.
    """
    kept = STATE / "shared"
    for folder in (STATE / "data", STATE / "exec", kept):
        folder.mkdir(parents=True)
    (STATE / "daemon.json").write_text("{}\n")
    mount(str(shared), str(kept), flags=MS_BIND | MS_REC)
    for folder in SHADOWED:
        if folder.is_dir():
            _shadow(folder)
    shared.mkdir(parents=True, exist_ok=True)
    mount(str(kept), str(shared), flags=MS_BIND | MS_REC)
    settings = Path("/etc/docker")
    settings.mkdir(exist_ok=True)
    mount("plugfest", str(settings), "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    for place, kind, options in cgroup_mounts(Path("/proc/thread-self/mountinfo").read_text()):
        _libc.umount2(place.encode(), MNT_DETACH)
        mount("plugfest", place, kind, MS_NOSUID | MS_NODEV | MS_NOEXEC, options)


def _shadow(folder: Path) -> None:
    """Lay a copy on write over `folder`, in memory."""
    upper, work = (STATE / "shadow" / folder.name / part for part in ("upper", "work"))
    upper.mkdir(parents=True)
    work.mkdir()
    upper.chmod(folder.stat().st_mode & 0o7777)
    mount("plugfest", str(folder), "overlay", data=f"lowerdir={folder},upperdir={upper},workdir={work}")


def cgroup_mounts(mountinfo: str) -> list[tuple[str, str, str]]:
    """The cgroup mounts below /sys/fs/cgroup in a text of proc_pid_mountinfo(5): place, file system and its options.

    A fresh mount shows the cgroup namespace of its maker from its root; one that was carried over shows the machine's,
    and an engine would make its cgroups outside the run's own.
    """
    found: dict[str, tuple[str, str, str]] = {}
    for line in mountinfo.splitlines():
        mounted, _, source = line.partition(" - ")
        place, (kind, _, options) = mounted.split()[4], source.split(maxsplit=2)
        if kind in ("cgroup", "cgroup2") and os.path.commonpath((place, CGROUPS)) == CGROUPS:
            kept = [o for o in options.split(",") if o not in ("rw", "ro") and not o.startswith("release_agent=")]
            found[place] = (place, kind, ",".join(kept))
    return list(found.values())
