"""Link scenarios: those of one implementation at the same time, against the longest window that a protocol asks for."""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from conformance import profile, testbed
from conformance.adapters.interface import Unavailable
from conformance.adapters.registry import adapter_for
from conformance.judging.plan import Selection
from conformance.judging.shipped import checks
from conformance.lab.pool import Pool
from conformance.recording.store import load
from conformance.running.record import Job
from conformance.scenarios.catalogue import SCENARIOS

BED = "links"
RATIO = 1.3


def scenarios_of(name: str) -> list[str]:
    """The link scenarios that decide something of a profile."""
    selection = Selection((profile.load(name),), (BED,), links=frozenset({BED}))
    return sorted({i.check.scenario for check in checks() for i in selection.instances(check) if i.recorded()})


def window_of(folder: Path) -> float:
    """The longest chain of waits of one recording that protocols ask for, in s: its own figure, or its scenario's."""
    record = load(folder).record
    return record.figures.get("protocol window s", SCENARIOS[record.scenario].waits)


def main() -> int:
    """Print wall time, longest window and their ratio for every profile of link roles; 1 where the ratio is too big."""
    shape = testbed.load(BED).model_dump(mode="json", by_alias=True)
    worst = 0.0
    for name in sys.argv[1:] or [name for name in profile.available() if profile.load(name).links]:
        mine = profile.load(name)
        if isinstance(adapter_for(mine).identify(), Unavailable):
            print(f"{name}: not on this machine")
            continue
        used = scenarios_of(name)
        with tempfile.TemporaryDirectory() as folder, Pool() as pool:
            data = mine.model_dump(mode="json", by_alias=True)
            begin = time.perf_counter()
            jobs = [
                pool.submit(
                    "conformance.running.record:record",
                    asdict(Job(data, shape, scenario, 1, "fast", str(Path(folder, scenario)))),
                )
                for scenario in used
            ]
            for job in jobs:
                job.result()
            wall = time.perf_counter() - begin
            window = max(window_of(Path(folder, scenario)) for scenario in used)
        worst = max(worst, wall / window)
        print(f"{name}: {', '.join(used)} in {wall:.1f} s; longest window {window:.0f} s; ratio {wall / window:.2f}")
    print(f"largest ratio {worst:.2f} (wanted at most {RATIO})")
    return int(worst > RATIO)


if __name__ == "__main__":
    sys.exit(main())
