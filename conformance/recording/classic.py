"""Classic pcap files: their header and their records; microseconds or nanoseconds, either byte order."""

from __future__ import annotations

from struct import Struct, unpack_from
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from conformance.recording.blocks import Order
from conformance.recording.capture import CUT, LARGEST, Columns, Part, Tap, joined, rows_at

HEADER: Final = 24
RECORD: Final = 16
"""Bytes of the file's header, and of that of each record: seconds, fraction, length captured, length on the wire."""
_MAGIC: Final = {0xA1B2_C3D4: 1_000, 0xA1B2_3C4D: 1}
"""Magic number to the nanoseconds of one unit of the fraction."""
_ORDERS: Final[tuple[Order, ...]] = ("<", ">")


class ClassicFormat(NamedTuple):
    """What a file's magic number says: its byte order, and the nanoseconds of one unit of a record's fraction."""

    order: Order
    unit: int


def format_of(data: bytes) -> ClassicFormat | None:
    """The format of a file that starts so, None where it is no classic pcap."""
    if len(data) < 4:
        return None
    for order in _ORDERS:
        unit = _MAGIC.get(unpack_from(f"{order}I", data)[0])
        if unit is not None:
            return ClassicFormat(order, unit)
    return None


def tap_of(data: bytes, order: Order) -> Tap:
    """The one tap of a file with this header, which has no name."""
    return Tap(link_type=unpack_from(f"{order}I", data, 20)[0] & 0xFFFF)


class RecordReader:
    """Reads the records of one file (see `capture.Reader`), as one tap without a name."""

    def __init__(self, found: ClassicFormat) -> None:
        self._format = found
        self._begun = False
        self.taps: list[Tap] = []

    def part(self, data: bytes, *, last: bool) -> Part:
        """The frames in `data`, offsets counted from its start; `last`: nothing follows."""
        begin = 0 if self._begun else HEADER
        if len(data) < begin:
            return Part(joined([]), 0, CUT if last else None)
        if not self._begun:
            self._begun = True
            self.taps.append(tap_of(data, self._format.order))
        at, used, problem = _walk(data, begin, Struct(f"{self._format.order}I"))
        if problem is None and last and used < len(data):
            problem = CUT
        return Part(self._columns(data, np.array(at, dtype=np.int64)), used, problem)

    def _columns(self, data: bytes, starts: NDArray[np.int64]) -> Columns:
        kind = [(name, f"{self._format.order}u4") for name in ("seconds", "fraction", "length", "original")]
        heads = rows_at(data, starts, RECORD).view(np.dtype(kind))
        seconds, fraction = heads["seconds"].astype(np.int64), heads["fraction"].astype(np.int64)
        columns = {
            "tap": np.zeros(len(starts)),
            "time_ns": seconds * 10**9 + fraction * self._format.unit,
            "offset": starts + RECORD,
            "length": heads["length"],
            "original": heads["original"],
            "flags": np.zeros(len(starts)),
        }
        return joined([columns])


def _walk(data: bytes, position: int, length: Struct) -> tuple[list[int], int, str | None]:
    """Where each whole record starts, where the last one ends, and what is wrong with the one after it."""
    found: list[int] = []
    end, unpack = len(data), length.unpack_from
    while position + RECORD <= end:
        size = unpack(data, position + 8)[0]
        following = position + RECORD + size
        if size > LARGEST:
            return found, position, f"a record of {size} bytes"
        if following > end:
            break
        found.append(position)
        position = following
    return found, position, None
