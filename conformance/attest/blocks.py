"""A checksum for every block of a capture, beside it, so that a change is told by its frames and not by its file.

The manifest's SHA-256 proves that nothing changed; these checksums only say where it did.
"""

from __future__ import annotations

import zlib
from array import array
from pathlib import Path
from typing import Final

SIZE: Final = 256
"""Bytes of a block: one to three frames of ordinary traffic."""
NAME: Final = "frames.blocks"


def checksums(data: bytes) -> bytes:
    """CRC-32 of each block of `data`, four bytes each, little-endian."""
    view = memoryview(data)
    return array("I", (zlib.crc32(view[start : start + SIZE]) for start in range(0, len(data), SIZE))).tobytes()


def write(folder: Path, capture: bytes) -> None:
    """Write the checksums of a recording's capture into its folder."""
    (folder / NAME).write_bytes(checksums(capture))


def changed(known: bytes, data: bytes) -> list[int]:
    """Numbers (from 0) of the blocks of `data` that are not as `known` says; those that are missing come last."""
    now = checksums(data)
    count = max(len(known), len(now)) // 4
    return [number for number in range(count) if known[4 * number : 4 * number + 4] != now[4 * number : 4 * number + 4]]
