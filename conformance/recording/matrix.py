"""Tables of bits, as a recording keeps them."""

from __future__ import annotations

import base64
import zlib

import numpy as np
from numpy.typing import NDArray

from conformance.recording.model import Matrix

Bits = NDArray[np.bool_]


def packed(table: Bits) -> str:
    """A table of any shape as text."""
    return base64.b64encode(zlib.compress(np.packbits(table).tobytes(), 6)).decode()


def table(matrix: Matrix, name: str) -> Bits:
    """One table of a matrix, shape (protocols, ports, sources, targets). Raises KeyError for one that there is not."""
    size = len(matrix.names)
    shape = (len(matrix.protocols), len(matrix.ports), size, size)
    raw = np.frombuffer(zlib.decompress(base64.b64decode(matrix.tables[name])), dtype=np.uint8)
    cells = shape[0] * shape[1] * size * size
    return np.unpackbits(raw, count=cells).astype(np.bool_).reshape(shape)
