"""Recordings of real implementations, mutilated: no check crashes, and no fail becomes a pass."""

from __future__ import annotations

import functools
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import mutilate
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.judging.case import Case, judge
from conformance.judging.checks import checks
from conformance.judging.plan import Instance, Selection
from conformance.profile import CONTROL
from conformance.recording.index import FrameIndex
from conformance.recording.store import Recording, find, load
from conformance.verdict import Judgement, Verdict

pytestmark = [pytest.mark.outside, pytest.mark.peers]

few = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
SHARES = st.sampled_from([0.001, 0.05, 0.5, 1.0])
SEEDS = st.integers(0, 2**32 - 1)


@dataclass(frozen=True)
class Judged:
    """A recording with the judgement of every check that reads it."""

    recording: Recording
    said: dict[int, tuple[Instance, Judgement]]

    def again(self, frames: FrameIndex, *, hidden: bool) -> list[tuple[Instance, Judgement, Judgement]]:
        """Every instance with its judgement before and after the frames were exchanged."""
        other = mutilate.with_frames(self.recording, frames, hidden=hidden)
        return [(one, before, judgement(one, other)) for one, before in self.said.values()]

    @property
    def deciding(self) -> list[int]:
        """Numbers of the frames that the failures rest on."""
        return sorted({n for _, said in self.said.values() for shown in said.evidence for n in shown.frames})


def judgement(instance: Instance, recording: Recording) -> Judgement:
    return judge(instance.check.function, Case(recording, instance.parameters))


def judged(recording: Recording) -> Judged:
    record = recording.record
    selection = Selection((record.profile,), (record.testbed.name,))
    said: dict[int, tuple[Instance, Judgement]] = {}
    for check in checks():
        if check.scenario == record.scenario:
            for instance in selection.instances(check):
                if instance.recorded():
                    said[len(said)] = (instance, judgement(instance, recording))
    return Judged(recording, said)


ENOUGH = 500
"""Frames in a recording of which one in a hundred can be damaged."""


@functools.cache
def worst_of(run: Path) -> list[Judged]:
    """Of every scenario the recording in which most fails."""
    failing: dict[str, list[tuple[int, Path]]] = defaultdict(list)
    for report in sorted(run.glob("*/report.json")):
        if report.parent.name != CONTROL:
            for folder in find(report.parent):
                record = load(folder).record
                if sum(tap.captured for tap in record.taps) >= ENOUGH:
                    failing[record.scenario].append(((folder / "frames.pcapng").stat().st_size, folder))
    found = []
    for folders in failing.values():
        # reading them all would take longer than it tells
        candidates = [judged(load(folder)) for _, folder in sorted(folders)[:4]]
        found.append(
            max(candidates, key=lambda each: sum(said.verdict is Verdict.FAIL for _, said in each.said.values()))
        )
    return found


def words(instance: Instance, judgement: Judgement) -> str:
    return f"{instance.check.requirement.id} {dict(instance.parameters)}: {judgement.verdict} {judgement.seen}"


def test_damage_is_never_judged(whole_run: Path) -> None:
    """The record says what the taps captured: a frame lost, doubled, swapped or cut makes it inconclusive."""
    for each in worst_of(whole_run):
        frames = each.recording.frames
        capture = frames.capture
        for damaged in (
            mutilate.chosen(capture, mutilate.lost(frames, 0.001, [], 1)[:-1]),
            mutilate.chosen(capture, mutilate.doubled(frames, 0.01, 2)),
            mutilate.chosen(capture, mutilate.swapped(frames, 0.01, 3)),
            mutilate.chosen(capture, mutilate.lost(frames, 0, [], 4), mutilate.cut(frames, 0.01, 4)),
        ):
            for instance, _, after in each.again(damaged, hidden=False):
                assert after.verdict is Verdict.INCONCLUSIVE, words(instance, after)


@few
@given(share=SHARES, seed=SEEDS)
def test_frames_that_nobody_missed(share: float, seed: int, whole_run: Path) -> None:
    """Frames lost in secret: nothing crashes, and what fails on frames that are still there does not pass."""
    for each in worst_of(whole_run):
        frames = each.recording.frames
        rows = mutilate.lost(frames, share, each.deciding, seed)
        for instance, before, after in each.again(mutilate.chosen(frames.capture, rows), hidden=True):
            assert after.verdict is not Verdict.ERROR, words(instance, after)
            if before.verdict is Verdict.FAIL:
                assert after.verdict is not Verdict.PASS, words(instance, before)


@few
@given(share=SHARES, seed=SEEDS)
def test_frames_doubled_in_secret_crash_nothing(share: float, seed: int, whole_run: Path) -> None:
    for each in worst_of(whole_run):
        frames = each.recording.frames
        made = mutilate.chosen(frames.capture, mutilate.doubled(frames, share, seed))
        for instance, _, after in each.again(made, hidden=True):
            assert after.verdict is not Verdict.ERROR, words(instance, after)
