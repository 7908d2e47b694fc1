"""Classic pcap files: their header, and reading one whole; microseconds or nanoseconds, either byte order."""

from __future__ import annotations

from struct import Struct, unpack_from
from typing import Final, NamedTuple

import numpy as np

from conformance.recording.blocks import Order
from conformance.recording.capture import Capture, NotACapture, Tap, TruncatedCapture, rows_at

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
    """The one tap of a file, which has no name; of Ethernet, where the header is cut."""
    if len(data) < HEADER:
        return Tap()
    return Tap(link_type=unpack_from(f"{order}I", data, 20)[0] & 0xFFFF)


def read(data: bytes) -> Capture:
    """All records of a classic pcap file, as one tap without a name. Raises NotACapture, TruncatedCapture."""
    found = format_of(data)
    if found is None:
        raise NotACapture("no pcap magic number")
    order, unit = found
    at, whole = _walk(data, Struct(f"{order}I")) if len(data) >= HEADER else ([], False)
    starts = np.array(at, dtype=np.int64)
    kind = np.dtype([(name, f"{order}u4") for name in ("seconds", "fraction", "length", "original")])
    heads = rows_at(data, starts, RECORD).view(kind)
    capture = Capture(
        data=data,
        taps=(tap_of(data, order),),
        tap=np.zeros(len(starts), dtype=np.int32),
        time_ns=heads["seconds"].astype(np.int64) * 10**9 + heads["fraction"].astype(np.int64) * unit,
        offset=starts + RECORD,
        length=heads["length"].astype(np.int64),
        original=heads["original"].astype(np.int64),
        flags=np.zeros(len(starts), dtype=np.uint32),
    )
    if not whole:
        raise TruncatedCapture("the file ends within a record", capture)
    return capture


def _walk(data: bytes, length: Struct) -> tuple[list[int], bool]:
    found: list[int] = []
    position, end = HEADER, len(data)
    while position + RECORD <= end:
        following = position + RECORD + length.unpack_from(data, position + 8)[0]
        if following > end:
            return found, False
        found.append(position)
        position = following
    return found, position == end
