"""Captures with frames lost, doubled, swapped or cut, as files that are read again, and records that hide it."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.recording.capture import Capture
from conformance.recording.index import FrameIndex
from conformance.recording.pcapng import Writer
from conformance.recording.store import Recording

Rows = NDArray[np.int64]


def chosen(capture: Capture, rows: Rows, lengths: NDArray[np.int64] | None = None) -> FrameIndex:
    """The capture of these rows, in this order, each at most that long, written and read again."""
    columns = ("tap", "time_ns", "offset", "length", "original", "flags")
    taken: dict[str, Any] = {name: getattr(capture, name)[rows] for name in columns}
    if lengths is not None:
        taken["length"] = np.minimum(taken["length"], lengths)
    stream = io.BytesIO()
    writer = Writer(stream)
    for tap in capture.taps:
        writer.interface(tap.name, link_type=tap.link_type)
    writer.frames(dataclasses.replace(capture, **taken), np.zeros(len(rows), dtype=np.uint32))
    return FrameIndex(stream.getvalue())


def with_frames(recording: Recording, frames: FrameIndex, *, hidden: bool) -> Recording:
    """The recording with other frames; `hidden`: its record says that the taps captured just these."""
    record = recording.record
    if hidden:
        counts = np.bincount(frames.tap, minlength=len(record.taps))
        taps = tuple(tap.model_copy(update={"captured": int(counts[tap.number])}) for tap in record.taps)
        record = record.model_copy(update={"taps": taps})
    made = Recording(recording.folder, record)
    made.__dict__["frames"] = frames
    return made


def lost(frames: FrameIndex, share: float, kept: Sequence[int], seed: int) -> Rows:
    """Rows without a random share of the frames; the numbers in `kept` stay."""
    stays = np.random.default_rng(seed).random(len(frames)) >= share
    stays[np.array(kept, dtype=np.int64) - 1] = True
    return np.flatnonzero(stays)


def doubled(frames: FrameIndex, share: float, seed: int) -> Rows:
    """Rows with a random share of the frames twice."""
    return np.repeat(np.arange(len(frames)), 1 + (np.random.default_rng(seed).random(len(frames)) < share))


def swapped(frames: FrameIndex, share: float, seed: int) -> Rows:
    """Rows in which a random share of neighbours changed places."""
    rows = np.arange(len(frames), dtype=np.int64)
    for row in np.flatnonzero(np.random.default_rng(seed).random(max(len(frames) - 1, 0)) < share):
        rows[row], rows[row + 1] = rows[row + 1], rows[row]
    return rows


def cut(frames: FrameIndex, share: float, seed: int) -> NDArray[np.int64]:
    """Greatest length of each frame: a random share are cut anywhere, down to nothing."""
    random = np.random.default_rng(seed)
    short = random.random(len(frames)) < share
    return np.where(short, random.integers(0, 120, len(frames)), 1 << 20)
