"""Recordings made now: every job in a sandbox of its own, as many at the same time as the machine bears."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from conformance import limits
from conformance.errors import UsageError
from conformance.family import scenarios
from conformance.judging.plan import RecordingKey
from conformance.judging.timing import lateness
from conformance.lab.sandbox.jobs import JobError, Jobs
from conformance.profile import Profile
from conformance.recording.model import Record
from conformance.recording.source import Missing
from conformance.recording.store import Recording, folder_name, load
from conformance.running.preload import preload
from conformance.running.record import Job
from conformance.testbed import Testbed


def _capacity() -> int:
    said = os.environ.get("PLUGFEST_LABS", "24")
    if not said.isdecimal() or not int(said):
        raise UsageError(f"PLUGFEST_LABS: {said!r}: how many labs run at the same time, a number from 1")
    return int(said)


LABS = _capacity()
"""Weight of the labs that run at the same time; one kernel-only lab weighs 1, and is mostly waiting. Who shares the
machine with other runs asks for less by the environment variable PLUGFEST_LABS: the neighbour tables are shared, too.
"""
DISTURBANCES_BORNE = 2
"""How often a recording is made again because the machine's neighbour tables were full meanwhile, or its processors so
busy that our own timers were late by `LATE`, or that taps lost frames."""
LATE = limits.LACP_LOSS / 2
FULL = "the machine's neighbour tables were full"
OVERLOADED = 2.0
"""Load for each processor beyond which frames that a tap lost are the machine's doing; below, they are a storm."""


class Capacity:
    """What the machine bears, shared by every session of this process: the neighbour tables are, too."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._used = 0
        self._changed = threading.Condition()

    def take(self, weight: int, unless: Callable[[], bool]) -> bool:
        """Wait for that much room and take it; False, and nothing taken, as soon as `unless` says so."""
        with self._changed:
            self._changed.wait_for(lambda: unless() or self._used + weight <= self.capacity)
            if unless():
                return False
            self._used += weight
            return True

    def give_back(self, weight: int) -> None:
        """The lab is gone."""
        with self._changed:
            self._used -= weight
            self._changed.notify_all()

    def look(self) -> None:
        """Have everybody who waits ask `unless` again."""
        with self._changed:
            self._changed.notify_all()


SHARED = Capacity(LABS)
CUT_SHORT = "the run was cut short before it was recorded"
NEIGHBOUR_TABLES = (Path("/proc/net/stat/arp_cache"), Path("/proc/net/stat/ndisc_cache"))
"""Counters of the neighbour tables, which are limited over all namespaces of the machine together."""


def neighbour_overflows() -> int:
    """How often a neighbour table of this machine had no room, since it was started (0 where that is not told)."""
    total = 0
    for table in NEIGHBOUR_TABLES:
        try:
            names, *rows = (line.split() for line in table.read_text().splitlines())
        except (OSError, ValueError):
            continue
        column = names.index("table_fulls")
        total += sum(int(row[column], 16) for row in rows)
    return total


def _disturbance(found: Recording | UsageError) -> str:
    """In which way the machine was too busy: our own timers were late, then those of others may have been, or taps lost
    frames while many waited for a processor. Empty where it was not."""
    if isinstance(found, UsageError):
        return ""
    if lateness(found.record) >= LATE:
        return f"the machine was busy, timers were {lateness(found.record):.1f} s late"
    lost = sum(tap.dropped for tap in found.record.taps)
    return f"the machine was busy, taps lost {lost} frames" if lost and overloaded(found.record) else ""


def overloaded(record: Record) -> bool:
    """Whether so many waited for a processor that an implementation had not the time that it needs."""
    return record.load[0] > OVERLOADED * record.processors


def _found(folder: Path) -> Recording | UsageError:
    """The recording in `folder`, or why it cannot be read."""
    try:
        return load(folder)
    except UsageError as unreadable:
        return unreadable


@dataclass(frozen=True)
class Order:
    """What can be recorded: the profiles with their weights, the testbeds, and where the recordings go."""

    profiles: Mapping[str, Profile]
    weights: Mapping[str, int]
    testbeds: Mapping[str, Testbed]
    out: Path
    variant: Literal["fast", "thorough"] = "fast"


class Live:
    """Records what is asked for in `start`, and hands it out as it comes in."""

    def __init__(
        self, order: Order, progress: Callable[[str, RecordingKey, str | None], None], pool: Jobs | None = None
    ) -> None:
        self._order = order
        self._progress = progress
        self._futures: dict[RecordingKey, Future[Recording]] = {}
        self._closing = False
        self.disk_full = False
        self._pool = pool or Jobs(preload())
        self._feeders: list[threading.Thread] = []

    def start(self, keys: list[RecordingKey]) -> None:
        """Begin to record, in this order; what was recorded before is recorded anew."""
        for key in keys:
            self._futures[key] = Future()
            self._progress("planned", key, None)
        feeder = threading.Thread(target=self._feed, args=(keys,), name="recording-feeder", daemon=True)
        self._feeders.append(feeder)
        feeder.start()

    def _feed(self, keys: list[RecordingKey]) -> None:
        for number, key in enumerate(keys):
            weight = min(self._weight(key), LABS)
            if not SHARED.take(weight, lambda: self._closing or self.disk_full):
                for rest in keys[number:] if self.disk_full else ():
                    self._futures[rest].set_exception(Missing(CUT_SHORT))
                return
            try:
                self._submit(key, weight)
            except Exception as problem:
                SHARED.give_back(weight)
                self._futures[key].set_exception(Missing(f"the recording could not be begun: {problem}"))

    def _weight(self, key: RecordingKey) -> int:
        """How much room it takes: what is silent takes none beyond what its implementation needs."""
        if self._order.testbeds[key.testbed].physical:  # its NICs are there once
            return LABS
        weight, scenario = self._order.weights[key.profile], scenarios()[key.scenario]
        if scenario.many:
            return max(weight, self._order.profiles[key.profile].crowd)
        return weight - 1 if scenario.silent else weight

    def _submit(self, key: RecordingKey, weight: int, reasons: tuple[str, ...] = ()) -> None:
        self._progress("started", key, None)
        overflows = neighbour_overflows()
        destination = self._order.out / key.profile / folder_name(key.testbed, key.scenario, key.attempt)
        destination.parent.mkdir(parents=True, exist_ok=True)
        job = Job(
            profile=self._order.profiles[key.profile].model_dump(mode="json", by_alias=True),
            testbed=self._order.testbeds[key.testbed].model_dump(mode="json", by_alias=True),
            scenario=key.scenario,
            attempt=key.attempt,
            variant=self._order.variant,
            destination=str(destination.resolve()),
            made_again=reasons,
        )
        future = self._pool.submit("conformance.running.record:record", asdict(job))

        def done(job: Future[Any]) -> None:
            result = self._futures[key]
            try:
                found = _found(destination)
                reason = FULL if neighbour_overflows() > overflows else _disturbance(found)
                if reason and len(reasons) < DISTURBANCES_BORNE and not self._closing:
                    shutil.rmtree(destination, ignore_errors=True)
                    self._submit(key, weight, (*reasons, reason))
                    return
                made = self._made(key, job, found, overflows)
            except Exception as problem:  # whoever waits for it must hear of it, whatever it is
                SHARED.give_back(weight)
                missing = problem if isinstance(problem, Missing) else Missing(f"the recording is of no use: {problem}")
                result.set_exception(missing)
            else:
                SHARED.give_back(weight)
                result.set_result(made)

        future.add_done_callback(done)

    def _made(self, key: RecordingKey, job: Future[Any], found: Recording | UsageError, overflows: int) -> Recording:
        """What a job that has ended has recorded. Raises Missing."""
        problem = job.exception()
        if self._closing:
            raise Missing(CUT_SHORT)
        if neighbour_overflows() > overflows:
            problem = JobError(f"{FULL} (raise net.ipv4.neigh.default.gc_thresh3)")
        if problem is not None and os.strerror(errno.ENOSPC) in str(problem):
            first, self.disk_full = not self.disk_full, True
            SHARED.look()
            if not first:
                raise Missing(CUT_SHORT)
        self._progress("finished", key, str(problem) if problem is not None else job.result())
        if problem is not None:
            raise Missing(f"recording failed: {problem}", problem.trace if isinstance(problem, JobError) else "")
        if isinstance(found, UsageError):
            raise Missing(f"the recording cannot be read: {found}")
        return found

    def get(self, profile: str, testbed: str, scenario: str, attempt: int) -> Recording:
        """The recording, when it is there. Raises Missing."""
        key = RecordingKey(profile, testbed, scenario, attempt)
        if key not in self._futures:
            raise Missing(f"{scenario} on {testbed} was not planned")
        patience = limits.RUN_FAST if self._order.variant == "fast" else limits.RUN
        try:
            return self._futures[key].result(patience)
        except TimeoutError:
            raise Missing(f"the recording did not end within {patience:.0f} s") from None

    def forget(self, profile: str, testbed: str, scenario: str, attempt: int) -> None:
        """Let go of a recording that is not needed any more: its frames are large."""
        self._futures.pop(RecordingKey(profile, testbed, scenario, attempt), None)

    def close(self) -> None:
        """Stop recording: what runs is killed with its sandbox, and what is not there by then is missing."""
        self._closing = True
        SHARED.look()
        self._pool.close()
        for feeder in self._feeders:
            feeder.join()
        for future in self._futures.values():
            if not future.done():
                future.set_exception(Missing(CUT_SHORT))
