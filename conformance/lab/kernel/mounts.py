"""Private mounts of a host: its own /run, and a /sys that shows its own interfaces."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2). Raises OSError naming source and target."""
    if _libc.mount(source.encode(), target.encode(), kind.encode() or None, flags, data.encode() or None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mount {kind or 'bind'} {source} on {target}: {os.strerror(number)}")


def private_mounts() -> None:
    """Give the calling thread's new mount namespace a /run and a /sys of its own.

    The cgroup mounts below the old /sys are carried over: a container engine needs them, and a fresh sysfs hides them.
    """
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    mount("plugfest", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    for folder in ("lock", "netns"):
        Path("/run", folder).mkdir()
    has_cgroups = Path("/sys/fs/cgroup").is_dir() and any(Path("/sys/fs/cgroup").iterdir())
    keep = Path("/run/cgroup.keep")
    if has_cgroups:
        keep.mkdir()
        mount("/sys/fs/cgroup", str(keep), flags=MS_BIND | MS_REC)
    mount("plugfest", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    if has_cgroups:
        mount(str(keep), "/sys/fs/cgroup", flags=MS_BIND | MS_REC)
        if _libc.umount2(str(keep).encode(), MNT_DETACH) == 0:
            keep.rmdir()
