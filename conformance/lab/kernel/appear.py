"""Waiting for a file to appear in a host's own mounts, by inotify(7): daemons make a socket when they are ready."""

from __future__ import annotations

import ctypes
import os
import select
import time
from pathlib import Path
from typing import Final

from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.process import Daemon

_CREATE: Final = 0x0000_0100
_MOVED_TO: Final = 0x0000_0080

_libc = ctypes.CDLL(None, use_errno=True)


def await_path(namespace: Namespace, path: str, daemon: Daemon, deadline: float) -> None:
    """Wait until `path` is there; its folder must be. `deadline` in seconds.

    Raises TimeoutError, also when `daemon`, which should make it, has ended; the text has its last words.
    """
    place = Path(path)
    notices = namespace.call(_watch, place.parent)
    ended = os.pidfd_open(daemon.pid) if daemon.alive() else -1
    try:
        until = time.monotonic() + deadline
        while not namespace.call(place.exists):
            left = until - time.monotonic()
            ready = select.select([notices, *([ended] if ended >= 0 else [])], [], [], max(0.0, left))[0]
            if not ready or not daemon.alive():
                raise TimeoutError(f"{namespace.name}: {path} has not appeared; {daemon.tail(3)}")
            if notices in ready:
                os.read(notices, 1 << 16)
    finally:
        os.close(notices)
        if ended >= 0:
            os.close(ended)


def _watch(folder: Path) -> int:
    descriptor: int = _libc.inotify_init1(os.O_CLOEXEC)
    if descriptor < 0 or _libc.inotify_add_watch(descriptor, os.fsencode(folder), _CREATE | _MOVED_TO) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"inotify on {folder}: {os.strerror(number)}")
    return descriptor
