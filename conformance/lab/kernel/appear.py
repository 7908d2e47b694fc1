"""Waiting for a file to appear in a host's own mounts, by inotify(7): daemons make a socket when they are ready."""

from __future__ import annotations

import ctypes
import os
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

    def appeared() -> bool:
        os.read(notices, 1 << 16)
        return namespace.call(place.exists) and daemon.alive()

    try:
        if not namespace.call(place.exists):
            daemon.await_sign(notices, appeared, deadline)
    except TimeoutError as problem:
        raise TimeoutError(f"{namespace.name}: {path} has not appeared, it {problem}; {daemon.tail(3)}") from None
    finally:
        os.close(notices)


def _watch(folder: Path) -> int:
    descriptor: int = _libc.inotify_init1(os.O_CLOEXEC)
    if descriptor < 0 or _libc.inotify_add_watch(descriptor, os.fsencode(folder), _CREATE | _MOVED_TO) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"inotify on {folder}: {os.strerror(number)}")
    return descriptor
