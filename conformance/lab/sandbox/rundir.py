"""The run folder and the cgroup of one run, and the look for those of runs that were killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final, Self

from conformance.lab.sandbox import cgroups

PREFIX: Final = "plugfest-run-"
LOCK: Final = "lock"


def partial_of(destination: Path) -> Path:
    """The folder in which a job writes before it moves the whole to its destination."""
    return destination.with_name(f".partial-{destination.name}")


class RunDir:
    """A folder with a lock that is held as long as the run lives, and a cgroup name that belongs to it."""

    def __init__(self) -> None:
        sweep()
        self.folder, self._lock = _made()
        while not self.folder.exists():  # somebody else's sweep was faster than our lock
            self._lock.close()
            self.folder, self._lock = _made()
        self.group = self.folder.name

    def close(self) -> None:
        """Remove the folder and the cgroup, whose processes have ended, and may yet have to leave it."""
        _remove(self.folder, cgroups.await_removal)
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _made() -> tuple[Path, IO[str]]:
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    folder.chmod(0o755)
    lock = (folder / LOCK).open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return folder, lock


def sweep() -> list[str]:
    """Remove what killed runs of this user left: folders whose lock nobody holds any more. Returns their names."""
    removed = []
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            if folder.stat().st_uid != os.geteuid():
                continue
            with (folder / LOCK).open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _remove(folder, cgroups.remove):
                    removed.append(folder.name)
        except OSError:
            continue
    return removed


def _remove(folder: Path, remove: Callable[[str], list[Path]]) -> bool:
    """Cgroups first, by `remove`: while one is busy the folder stays, so that the next sweep knows of it."""
    if os.geteuid() == 0 and remove(folder.name):
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return True
