"""Captures from the field: the frames of the one sender that is judged."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.judging.case import Case


def sent_frames(case: Case) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of every frame that the sender sent, in the order of the taps."""
    index = case.recording.frames
    for port in case.recording.record.ports:
        tap = case.tap(port.partner)
        for row, frame in index.frames(index.select(tap=tap.number, source_mac=port.mac)):
            yield row + 1, frame
