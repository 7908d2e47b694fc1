"""A container image made on the spot from a statically linked busybox; no registry is asked."""

from __future__ import annotations

import io
import struct
import tarfile
from pathlib import Path
from typing import Final

from conformance.adapters.docker.settings import find_program
from conformance.adapters.interface import AdapterError

REPOSITORY: Final = "plugfest/idle"
TAG: Final = "1"
IMAGE: Final = f"{REPOSITORY}:{TAG}"
IDLE: Final = ("/bin/busybox", "sleep", "2147483647")
"""A program that does nothing, in the foreground, for longer than any recording."""

_PT_INTERP: Final = 3


def is_static(program: Path) -> bool:
    """Whether `program` is an ELF file that names no dynamic loader (no PT_INTERP; gABI chapter 5, Program Header)."""
    with program.open("rb") as file:
        head = file.read(64)
        if head[:4] != b"\x7fELF" or len(head) < 64:
            return False
        order = "<" if head[5] == 1 else ">"
        wide = head[4] == 2
        offset = struct.unpack_from(order + ("Q" if wide else "I"), head, 32 if wide else 28)[0]
        size, count = struct.unpack_from(order + "HH", head, 54 if wide else 42)
        file.seek(offset)
        headers = file.read(size * count)
    return all(struct.unpack_from(order + "I", headers, size * n)[0] != _PT_INTERP for n in range(count))


def image_archive(busybox: str) -> bytes:
    """A tar of a root file system with nothing in it but busybox. Raises AdapterError where there is none."""
    found = find_program(busybox)
    if found is None:
        raise AdapterError(f"{busybox} is not installed: no image can be made")
    content = Path(found).read_bytes()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for folder in ("bin", "dev", "etc", "proc", "sys", "tmp"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        entry = tarfile.TarInfo(IDLE[0].lstrip("/"))
        entry.size, entry.mode = len(content), 0o755
        tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()
