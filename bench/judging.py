"""Judging: one recording of more than 100,000 frames, indexed and judged by all checks, in one process."""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from conformance import profile, testbed
from conformance.judging.case import Case, judge
from conformance.judging.checks import checks
from conformance.judging.packets import crossings
from conformance.judging.quotes import quotes
from conformance.judging.register import Check
from conformance.lab.sandbox.jobs import Jobs
from conformance.recording.store import Recording, load
from conformance.running.record import Job

FRAMES = 100_000


def main() -> int:
    """Print frames, outcomes and seconds."""
    every = checks()
    with tempfile.TemporaryDirectory() as folder, Jobs() as pool:
        shape = testbed.load("routed").model_dump(mode="json", by_alias=True)
        mine = profile.load("nat-bridge").model_dump(mode="json", by_alias=True)
        jobs = [
            pool.submit(
                "conformance.running.record:record",
                asdict(Job(mine, shape, scenario, 1, "fast", f"{folder}/{scenario}")),
            )
            for scenario in ("reachability", "mtu", "discovery", "idle")
        ]
        for job in jobs:
            job.result()
        _compare(load(Path(folder, "reachability")))
        begin = time.perf_counter()
        frames = outcomes = 0
        while frames < FRAMES:
            for place in sorted(Path(folder).iterdir()):
                recording = load(place)
                frames += len(recording.frames)
                outcomes += _judge(recording, every)
        taken = time.perf_counter() - begin
    print(f"judging: {frames} frames indexed and judged, {outcomes} outcomes, {taken:.2f} s")
    print(f"per 100,000 frames: {taken * FRAMES / frames:.2f} s (wanted under 2 s)")
    return 0


def _compare(recording: Recording) -> None:
    """Print the processor time of pairing and comparing all packets of all flows, and the quotes of errors."""
    frames, flows = len(recording.frames), len(recording.record.flows)
    begin = time.process_time()
    packets = sum(len(crossing.sent) for crossing in crossings(recording).values())
    quotes(recording)
    taken = time.process_time() - begin
    print(f"packets: {packets} of {flows} flows ({frames} frames) compared in {taken:.2f} s (wanted under 1 s)")


def _judge(recording: Recording, every: list[Check]) -> int:
    done = 0
    for check in every:
        if check.scenario == recording.record.scenario:
            for parameters in check.instances(recording.record.profile):
                judge(check.function, Case(recording, parameters))
                done += 1
    return done


if __name__ == "__main__":
    sys.exit(main())
