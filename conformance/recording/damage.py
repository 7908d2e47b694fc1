"""Whether the frames of a recording are those that its taps captured: whole, in order, none lost or added since.

Absence is judged from frames that are not there; so a file that lost some must not be judged at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from conformance.recording.matrix import TooLarge, table
from conformance.recording.model import Matrix, TapState

if TYPE_CHECKING:
    from conformance.recording.index import FrameIndex


FIELD: Final = "capture"
"""What the recording of a capture that somebody else made is a recording of, in place of a scenario."""


def damage_of(frames: FrameIndex, taps: Sequence[TapState], *, field: bool = False) -> str | None:
    """What is wrong with the frames in one sentence; None where nothing is.

    Frames of a capture from the `field` may be cut and out of order: the checks that judge one look after that.
    """
    numbers = [tap.number for tap in taps]
    if len(frames.taps) < len(taps) or (numbers and not 0 <= min(numbers) <= max(numbers) < len(frames.taps)):
        return f"the capture has {len(frames.taps)} taps, the record {len(taps)} up to number {max(numbers)}"
    counts = np.bincount(frames.tap, minlength=len(taps))
    for tap in taps:
        found = int(counts[tap.number])
        if found != tap.captured:
            return f"the tap {tap.name} captured {tap.captured} frames, and the capture holds {found}"
    if field:
        return None
    short = np.flatnonzero(frames.captured < frames.length)
    if len(short):
        return f"{len(short)} frames are cut short, the first is frame {int(short[0]) + 1}"
    back = np.flatnonzero(np.diff(frames.time_ns) < 0)
    if len(back):
        return f"the frames are not in the order of their time: frame {int(back[0]) + 2} is before the one above it"
    return None


def damage_of_tables(matrices: Sequence[Matrix]) -> str | None:
    """What is wrong with the tables of verdicts in one sentence; None where nothing is."""
    for matrix in matrices:
        for name in matrix.tables:
            try:
                table(matrix, name)
            except TooLarge as problem:
                return f"the table {name:.40} of {matrix.purpose:.40}: {problem}"
    return None
