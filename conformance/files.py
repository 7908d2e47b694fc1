"""Files of others: read only where they may be. Below their folder, ordinary, and no larger than what they are for."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from conformance.errors import UsageError

MIB: Final = 1 << 20
SETTINGS: Final = MIB
"""The largest profile, testbed, dialect or request, in bytes."""
DOCUMENT: Final = 64 * MIB
"""The largest report, manifest, statement or record, in bytes: twenty times what runs have written."""
CAPTURE: Final = 4096 * MIB
"""The largest capture of a recording, in bytes."""
LOG: Final = 4 * MIB
"""How much of the end of a log is looked at, in bytes."""
MOST: Final = 1000
"""Files of one recording."""


def ordinary(file: Path, root: Path, largest: int) -> Path:
    """The place of an ordinary file below `root`, which must not lead out of it by a link.

    Raises FileNotFoundError where nothing is there, and UsageError in one line for anything else.
    """
    place, shown = Path(os.path.realpath(file)), f"{file.parent.name}/{file.name}"
    if not place.is_relative_to(os.path.realpath(root)):
        raise UsageError(f"{shown}: leads out of its folder; put the file itself there")
    try:
        found = place.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(str(file)) from None
    except OSError as problem:
        raise UsageError(f"{shown}: cannot be read: {problem.strerror}") from None
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(f"{shown}: is no ordinary file")
    if found.st_size > largest:
        raise UsageError(f"{shown}: has {found.st_size} bytes, and at most {largest} are read")
    return place


def content(file: Path, root: Path, largest: int) -> bytes:
    """What is in an ordinary file below `root`. Raises as `ordinary` does."""
    place = ordinary(file, root, largest)
    try:
        with os.fdopen(os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW), "rb") as stream:
            return stream.read(min(largest, os.fstat(stream.fileno()).st_size))
    except OSError as problem:
        raise UsageError(f"{file.parent.name}/{file.name}: cannot be read: {problem.strerror}") from None


def end(file: Path, root: Path, size: int = LOG) -> bytes:
    """The last bytes of an ordinary file below `root`, which may be as large as it likes. Raises as `ordinary` does."""
    place = ordinary(file, root, 1 << 62)
    with place.open("rb") as stream:
        stream.seek(max(0, place.stat().st_size - size))
        return stream.read(size)


def all_ordinary(folder: Path) -> list[Path]:
    """Every file at or below a folder, sorted. Raises UsageError where something else is there, or too much."""
    found = sorted(_below(folder))
    for file in found:
        ordinary(file, folder, CAPTURE)
    return found


def _below(folder: Path) -> Iterator[Path]:
    count = 0
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if Path(place, name).is_symlink()]
        for name in (*files, *links):
            count += 1
            if count > MOST:
                raise UsageError(f"{folder.name}: more than {MOST} files are in it")
            yield Path(place, name)


def below(path: str) -> str:
    """A path of a file below some folder, as it is. Raises ValueError for one that may lead elsewhere."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\0" in path or "\\" in path:
        raise ValueError(f"{path!r:.80} is no path below the run's folder")
    return path


def reached(files: Iterable[Path], root: Path) -> list[Path]:
    """Those files, none of which lies elsewhere than below `root` by a link. Raises UsageError."""
    found = list(files)
    base = os.path.realpath(root)
    for file in found:
        if not Path(os.path.realpath(file)).is_relative_to(base):
            raise UsageError(f"{file.parent.name}/{file.name}: leads out of {root.name or root}; name its own folder")
    return found
