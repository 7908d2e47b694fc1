"""Tables of bits, as a recording keeps them."""

from __future__ import annotations

import base64
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from conformance.recording.model import Matrix

Bits = NDArray[np.bool_]
MOST_CELLS: Final = 1 << 24
"""Cells of a table: a mesh of a thousand ends over eight ports and two protocols."""


def packed(table: Bits) -> str:
    """A table of any shape as text."""
    return base64.b64encode(zlib.compress(np.packbits(table).tobytes(), 6)).decode()


class TooLarge(Exception):  # noqa: N818 - a finding about a recording
    """A table is not what a mesh of these names writes; the text says why."""


def table(matrix: Matrix, name: str) -> Bits:
    """One table of a matrix, shape (protocols, ports, sources, targets). Raises KeyError for one that there is not, and
    TooLarge for one that is not as large as its names say, which is not unpacked any further."""
    size = len(matrix.names)
    shape = (len(matrix.protocols), len(matrix.ports), size, size)
    cells = shape[0] * shape[1] * size * size
    if cells > MOST_CELLS:
        raise TooLarge(f"it has {cells} cells, and at most {MOST_CELLS} are read")
    wanted = -(-cells // 8)
    try:
        raw = zlib.decompressobj().decompress(base64.b64decode(matrix.tables[name]), wanted + 1)
    except (ValueError, zlib.error) as problem:
        raise TooLarge(f"it cannot be unpacked: {problem}") from None
    if len(raw) != wanted:
        raise TooLarge(f"it does not have the {wanted} bytes of {cells} cells")
    return np.unpackbits(np.frombuffer(raw, dtype=np.uint8), count=cells).astype(np.bool_).reshape(shape)
