"""Captures from the field: the frames of the one sender that is judged, and what a capture can say at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from conformance import limits
from conformance.judging.case import Case
from conformance.judging.timing import SECOND
from conformance.recording.damage import FIELD


class FieldFrame(NamedTuple):
    """A frame of a capture: its number in the recording, its time in ns, its bytes, and the link type of its header."""

    number: int
    time_ns: int
    data: bytes
    link: int


def from_the_field(case: Case) -> bool:
    """Whether the recording is a capture that somebody else made: nothing provoked it, and it may lack frames."""
    return case.recording.record.scenario == FIELD


def sent_frames(case: Case) -> list[FieldFrame]:
    """Every whole frame that the sender sent, in the order of time. Notes how many are cut, which nobody can judge."""
    index = case.recording.frames
    found = []
    for port in case.recording.record.ports:
        tap = case.tap(port.partner)
        rows = index.select(tap=tap.number, source_mac=port.mac)
        cut = [row for row in rows.tolist() if not index.whole(row)]
        if cut:
            case.note(f"{len(cut)} frames of {port.mac} are cut, and are not judged")
        found += [row for row in rows.tolist() if index.whole(row)]
    return list(_frames(case, found))


def all_frames(case: Case) -> list[FieldFrame]:
    """Every whole frame on the sender's taps, of whom ever, in the order of time."""
    index = case.recording.frames
    taps = [case.tap(port.partner).number for port in case.recording.record.ports]
    return list(_frames(case, [row for row in index.select(tap=taps).tolist() if index.whole(row)]))


def _frames(case: Case, rows: list[int]) -> Iterator[FieldFrame]:
    index = case.recording.frames
    for row in sorted(rows, key=lambda one: (int(index.time_ns[one]), one)):
        yield FieldFrame(row + 1, int(index.time_ns[row]), index.frame(row), index.link_type(row))


def require_times(case: Case) -> None:
    """Require that the times of the capture can be believed: its records are in their order, but for the queues."""
    index = case.recording.frames
    latest = np.maximum.accumulate(index.time_ns) if len(index) else index.time_ns
    back = int((latest - index.time_ns).max()) if len(index) else 0
    case.require(
        back <= limits.DISORDER * SECOND,
        f"records of the capture are {back / SECOND:.1f} s out of order: no time is believed",
    )


def without_copies(frames: list[FieldFrame], within: int) -> list[FieldFrame]:
    """The frames without those that repeat an earlier one byte for byte within so many ns: a mirror that copies both
    directions of several ports shows one frame more than once."""
    last: dict[bytes, int] = {}
    kept = []
    for one in frames:
        if one.time_ns - last.get(one.data, -(1 << 62)) > within:
            kept.append(one)
        last[one.data] = one.time_ns
    return kept
