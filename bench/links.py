"""Link scenarios: those of one implementation at the same time, against the longest window that a protocol asks for."""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from conformance import profile, testbed
from conformance.adapters.interface import Unavailable
from conformance.adapters.interface.registry import adapter_for
from conformance.family import scenarios
from conformance.judging.checks import checks
from conformance.judging.plan import Selection
from conformance.lab.sandbox.jobs import Jobs
from conformance.profile import Profile
from conformance.recording.events import events_in
from conformance.recording.events.links import Configured
from conformance.recording.model import Record
from conformance.recording.store import load
from conformance.running.record import BROUGHT_UP, Job

BED = "links"
RATIO = 1.3
GUEST = "qemu"
"""The kind of implementation that is in a guest, which boots first."""


def scenarios_of(name: str) -> list[str]:
    """The link scenarios that decide something of a profile."""
    selection = Selection((profile.load(name),), (BED,), links=frozenset({BED}))
    return sorted({i.check.scenario for check in checks() for i in selection.instances(check) if i.recorded()})


def window_of(record: Record) -> float:
    """The longest chain of waits of one recording that protocols ask for, in s: its own figure, or its scenario's."""
    return record.figures.get("protocol window s", scenarios()[record.scenario].waits)


def start_of(record: Record) -> float:
    """Seconds until the implementation of one recording was up; where it is configured first, until it was ready."""
    ready = [event.time_ns for event in events_in(record, Configured)]
    return (ready[0] - record.started_ns) / 1e9 if ready else record.figures[BROUGHT_UP]


@dataclass(frozen=True)
class Measured:
    """All link scenarios of one implementation, recorded at the same time. Seconds.

    `wall` is from asking for them to having them, `window` the longest that a protocol asks for in one of them. `start`
    is how long lab and implementation took before all was ready, where they took longest: a guest boots then.
    """

    records: tuple[Record, ...]
    wall: float

    @property
    def window(self) -> float:
        """The longest that protocols ask for."""
        return max(map(window_of, self.records))

    @property
    def start(self) -> float:
        """Seconds until the last one was up and had its groups or bridges configured."""
        return max(map(start_of, self.records))

    @property
    def longest(self) -> Record:
        """The recording that took longest."""
        return max(self.records, key=lambda record: record.finished_ns - record.started_ns)

    def ratio(self, *, start: bool) -> float:
        """Wall time over window, with the start or without."""
        return (self.wall - (0.0 if start else self.start)) / self.window


def measure(mine: Profile, pool: Jobs) -> Measured:
    """Record them."""
    shape = testbed.load(BED).model_dump(mode="json", by_alias=True)
    data = mine.model_dump(mode="json", by_alias=True)
    used = scenarios_of(mine.name)
    with tempfile.TemporaryDirectory() as folder:
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
        return Measured(tuple(load(Path(folder, scenario)).record for scenario in used), wall)


def main() -> int:
    """Print wall time, longest window and their ratio for every profile of link roles; 1 where a ratio is too big.

    What boots a guest is judged without its start, which is printed: it is emulation, not protocol.
    """
    worst = 0.0
    for name in sys.argv[1:] or [name for name in profile.available() if profile.load(name).links]:
        mine = profile.load(name)
        if isinstance(adapter_for(mine).identify(), Unavailable):
            print(f"{name}: not on this machine")
            continue
        with Jobs() as pool:
            made = measure(mine, pool)
        whole, rest = made.ratio(start=True), made.ratio(start=False)
        worst = max(worst, rest if mine.kind == GUEST else whole)
        print(
            f"{name}: {', '.join(record.scenario for record in made.records)} in {made.wall:.1f} s"
            f" (first {made.start:.1f} s until it was up; longest: {made.longest.scenario});"
            f" longest window {made.window:.0f} s; ratio {whole:.2f}, without the start {rest:.2f}"
        )
    print(f"largest ratio {worst:.2f} (wanted at most {RATIO}; of guests without their start)")
    return int(worst > RATIO)


if __name__ == "__main__":
    sys.exit(main())
