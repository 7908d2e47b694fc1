"""Many frames at once as pcapng packet blocks: frames of one length are moved together, none is touched by itself."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from conformance.recording.blocks import PACKET
from conformance.recording.capture import Capture, rows_at

_HEAD: Final = np.dtype([(name, "<u4") for name in ("kind", "size", "tap", "high", "low", "length", "original")])
_TAIL: Final = np.dtype([("code", "<u2"), ("width", "<u2"), ("flags", "<u4"), ("end", "<u4"), ("size", "<u4")])


def packets(frames: Capture, tag: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """Enhanced packet blocks of all `frames`, little-endian, times in ns.

    `tag` has for each frame the four bytes of a VLAN tag to be put in behind the addresses (type in the upper half),
    0 for none. Lengths in `frames` are those without it.
    """
    extra = np.where((tag > 0) & (frames.length >= 12), 4, 0)
    length = frames.length + extra
    size = _HEAD.itemsize + (length + 3 & ~3) + _TAIL.itemsize
    end = np.cumsum(size)
    begin = end - size
    out = np.zeros(int(end[-1]) if len(end) else 0, dtype=np.uint8)
    head = np.empty(len(size), dtype=_HEAD)
    stamp = frames.time_ns.astype(np.uint64)
    for name, column in (
        ("kind", PACKET),
        ("size", size),
        ("tap", frames.tap),
        ("high", stamp >> np.uint64(32)),
        ("low", stamp & np.uint64(0xFFFF_FFFF)),
        ("length", length),
        ("original", frames.original + extra),
    ):
        head[name] = column
    tail = np.zeros(len(size), dtype=_TAIL)
    tail["code"], tail["width"], tail["flags"], tail["size"] = 2, 4, frames.flags, size
    _put(out, begin, head)
    _put(out, end - _TAIL.itemsize, tail)
    at = begin + _HEAD.itemsize
    plain = extra == 0
    _move(out, at[plain], frames.data, frames.offset[plain], frames.length[plain])
    if not plain.all():
        tagged = ~plain
        at, offset = at[tagged], frames.offset[tagged]
        _move(out, at, frames.data, offset, np.full(len(at), 12))
        _put(out, at + 12, tag[tagged].astype(">u4"))
        _move(out, at + 16, frames.data, offset + 12, frames.length[tagged] - 12)
    return out


def _put(out: NDArray[np.uint8], at: NDArray[np.int64], values: NDArray[Any]) -> None:
    """Write each element's bytes of `values` at its place in `out`."""
    width = values.dtype.itemsize
    if len(at):
        windows: NDArray[np.void] = np.ndarray((len(out) - width + 1,), f"V{width}", buffer=out.data, strides=(1,))
        windows[at] = values.view(f"V{width}")


def _move(
    out: NDArray[np.uint8], at: NDArray[np.int64], data: bytes, offset: NDArray[np.int64], length: NDArray[np.int64]
) -> None:
    """Copy `length` bytes from each `offset` of `data` to each place of `out`."""
    order = np.argsort(length, kind="stable")
    widths, first = np.unique(length[order], return_index=True)
    for width, rows in zip(widths.tolist(), np.split(order, first[1:]), strict=False):
        if width:
            _put(out, at[rows], rows_at(data, offset[rows], width))
