"""A capture that is not what the taps captured is reported, and nothing is judged by it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.recording.damage import damage_of
from conformance.recording.index import FrameIndex
from conformance.recording.model import Record, TapState
from conformance.recording.pcapng import Writer
from conformance.recording.store import FRAMES, Recording

FRAME = bytes.fromhex("00005e00530200005e0053010800") + bytes(46)
Frame = tuple[int, int]
"""Tap and time."""


def made(frames: Sequence[Frame], length: int | None = None) -> FrameIndex:
    stream = io.BytesIO()
    writer = Writer(stream)
    for name in ("h1:eth0", "h2:eth0"):
        writer.interface(name)
    for tap, time in frames:
        writer.frame(tap, time, FRAME, **({} if length is None else {"original": length}))
    return FrameIndex(stream.getvalue())


def taps(frames: Sequence[Frame]) -> list[TapState]:
    return [
        TapState(
            number=number,
            name=f"h{number + 1}:eth0",
            where=f"h{number + 1}",
            interface="eth0",
            role="uplink",
            captured=sum(tap == number for tap, _ in frames),
            dropped=0,
        )
        for number in range(2)
    ]


SORTED = st.lists(
    st.tuples(st.integers(0, 1), st.integers(1, 10**9)), min_size=2, max_size=20, unique_by=lambda f: f[1]
)


@given(SORTED, st.data())
def test_every_loss_addition_and_disorder_is_seen(frames: list[Frame], data: st.DataObject) -> None:
    frames = sorted(frames, key=lambda frame: frame[1])
    known = taps(frames)
    assert damage_of(made(frames), known) is None
    place = data.draw(st.integers(0, len(frames) - 2))
    lost = frames[:place] + frames[place + 1 :]
    assert "captured" in (damage_of(made(lost), known) or "")
    twice = [*frames[: place + 1], *frames[place:]]
    assert "captured" in (damage_of(made(twice), known) or "")
    turned = [*frames[:place], frames[place + 1], frames[place], *frames[place + 2 :]]
    assert f"frame {place + 2} is before" in (damage_of(made(turned), known) or "")


def test_frames_cut_short_and_taps_that_are_gone() -> None:
    frames = [(0, 1), (1, 2)]
    assert "frame 1" in (damage_of(made(frames, length=len(FRAME) + 1), taps(frames)) or "")
    stream = io.BytesIO()
    Writer(stream).interface("h1:eth0")
    assert "1 taps" in (damage_of(FrameIndex(stream.getvalue()), taps(frames)) or "")


@pytest.mark.parametrize("content", [b"", b"not a capture at all"])
def test_what_is_no_capture_is_damage_and_no_crash(content: bytes, tmp_path: Path) -> None:
    (tmp_path / FRAMES).write_bytes(content)
    recording = Recording(tmp_path, cast("Record", SimpleNamespace(taps=())))
    assert FRAMES in (recording.damage or "")
