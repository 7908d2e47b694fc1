"""Reading classic pcap files: microseconds or nanoseconds, either byte order."""

from __future__ import annotations

from struct import Struct, unpack_from
from typing import Final

import numpy as np

from conformance.recording.capture import Capture, NotACapture, Tap, TruncatedCapture, rows_at

_HEADER: Final = 24
_RECORD: Final = 16
_MAGIC: Final = {0xA1B2_C3D4: 1_000, 0xA1B2_3C4D: 1}
"""Magic number to the nanoseconds of one unit of the fraction."""


def _format(data: bytes) -> tuple[str, int] | None:
    if len(data) < 4:
        return None
    for order in "<>":
        unit = _MAGIC.get(unpack_from(f"{order}I", data)[0])
        if unit is not None:
            return order, unit
    return None


def is_pcap(data: bytes) -> bool:
    """Whether `data` starts with a magic number of classic pcap."""
    return _format(data) is not None


def read(data: bytes) -> Capture:
    """All records of a classic pcap file, as one tap without a name. Raises NotACapture, TruncatedCapture."""
    found = _format(data)
    if found is None:
        raise NotACapture("no pcap magic number")
    order, unit = found
    link_type = unpack_from(f"{order}I", data, 20)[0] & 0xFFFF if len(data) >= _HEADER else 1
    at, whole = _walk(data, Struct(f"{order}I")) if len(data) >= _HEADER else ([], False)
    starts = np.array(at, dtype=np.int64)
    kind = np.dtype([(name, f"{order}u4") for name in ("seconds", "fraction", "length", "original")])
    heads = rows_at(data, starts, _RECORD).view(kind)
    capture = Capture(
        data=data,
        taps=(Tap(link_type=link_type),),
        tap=np.zeros(len(starts), dtype=np.int32),
        time_ns=heads["seconds"].astype(np.int64) * 10**9 + heads["fraction"].astype(np.int64) * unit,
        offset=starts + _RECORD,
        length=heads["length"].astype(np.int64),
        original=heads["original"].astype(np.int64),
        flags=np.zeros(len(starts), dtype=np.uint32),
    )
    if not whole:
        raise TruncatedCapture("the file ends within a record", capture)
    return capture


def _walk(data: bytes, length: Struct) -> tuple[list[int], bool]:
    found: list[int] = []
    position, end = _HEADER, len(data)
    while position + _RECORD <= end:
        following = position + _RECORD + length.unpack_from(data, position + 8)[0]
        if following > end:
            return found, False
        found.append(position)
        position = following
    return found, position == end
