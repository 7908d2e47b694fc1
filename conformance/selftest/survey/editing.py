"""A recording with some of its frames altered: still whole, in order, and with the counts that its taps then have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from conformance.recording.capture import Capture
from conformance.recording.model import Record
from conformance.recording.store import Recording


class Copied(NamedTuple):
    """A frame that is there once more: the row that it is a copy of, its time (ns), its tap's number and its bytes."""

    row: int
    time_ns: int
    tap: int
    frame: bytes


@dataclass(frozen=True)
class Edit:
    """What becomes of frames: other bytes, other times, gone, or there once more; and the record that goes with it."""

    frames: Mapping[int, bytes] = field(default_factory=dict)
    times: Mapping[int, int] = field(default_factory=dict)
    gone: Sequence[int] = ()
    added: Sequence[Copied] = ()
    record: Record | None = None

    @property
    def only_record(self) -> bool:
        """Nothing is done to frames."""
        return not (self.frames or self.times or self.gone or self.added)


def joined(edits: Sequence[Edit], record: Record) -> Edit | None:
    """Several edits of different frames at once; None where there is none."""
    if not edits:
        return None
    return Edit(
        frames={row: frame for edit in edits for row, frame in edit.frames.items()},
        times={row: time_ns for edit in edits for row, time_ns in edit.times.items()},
        gone=tuple(dict.fromkeys(row for edit in edits for row in edit.gone)),
        added=tuple(one for edit in edits for one in edit.added),
        record=record,
    )


def edited(recording: Recording, edit: Edit) -> Recording:
    """The recording as it would be had that happened. It lies in no folder."""
    record = edit.record or recording.record
    if edit.only_record:
        return recording.with_record(record)
    whole = recording.frames.capture
    lengths_kept = all(len(frame) == int(whole.length[row]) for row, frame in edit.frames.items())
    if lengths_kept and not (edit.times or edit.gone or edit.added):
        return recording.with_frames(_spliced(whole, edit.frames), record)
    capture = _rebuilt(whole, edit)
    counts = np.bincount(capture.tap, minlength=len(record.taps))
    taps = tuple(tap.model_copy(update={"captured": int(counts[tap.number])}) for tap in record.taps)
    return recording.with_frames(capture, record.model_copy(update={"taps": taps}))


def _spliced(whole: Capture, frames: Mapping[int, bytes]) -> Capture:
    """The capture with other bytes in the place of some frames, none of them longer or shorter."""
    data = bytearray(whole.data)
    for row, frame in frames.items():
        start = int(whole.offset[row])
        data[start : start + len(frame)] = frame
    return replace(whole, data=bytes(data))


def _rebuilt(whole: Capture, edit: Edit) -> Capture:
    """The capture with frames of other lengths and times, with more or fewer of them: ordered by time again."""
    kept = np.setdiff1d(np.arange(len(whole)), np.array(edit.gone, dtype=np.int64))
    rows = np.concatenate((kept, np.array([one.row for one in edit.added], dtype=np.int64)))
    times, taps = whole.time_ns[rows].copy(), whole.tap[rows].copy()
    frames = [edit.frames.get(row) or whole.frame(row) for row in kept.tolist()] + [one.frame for one in edit.added]
    for place, one in enumerate(edit.added, len(kept)):
        times[place], taps[place] = one.time_ns, one.tap
    place_of = {row: place for place, row in enumerate(kept.tolist())}
    for row, time_ns in edit.times.items():
        times[place_of[row]] = time_ns
    order = np.argsort(times, kind="stable")
    lengths = np.array([len(frame) for frame in frames], dtype=np.int64)[order]
    return Capture(
        data=b"".join(frames[place] for place in order.tolist()),
        taps=whole.taps,
        tap=taps[order],
        time_ns=times[order],
        offset=np.cumsum(lengths) - lengths,
        length=lengths,
        original=lengths + (whole.original - whole.length)[rows][order],
        flags=whole.flags[rows][order],
    )
