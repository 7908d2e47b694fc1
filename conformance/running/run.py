"""A run: what was asked for, the implementations that are there, the recordings, the outcomes, and the reports."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from conformance import profile as profiles
from conformance import testbed as testbeds
from conformance.errors import MachineError, UsageError, disk_full
from conformance.family import scenarios
from conformance.judging.plan import Instance, RecordingKey, Selection, recordings, with_control
from conformance.judging.session import Session
from conformance.pairs.pairing import pair_of
from conformance.profile import CONTROL, Profile
from conformance.recording.source import Missing, Source, Stored
from conformance.recording.store import Recording
from conformance.running import memory
from conformance.running.request import Request, check_decided, check_only
from conformance.verdict import Outcome

if TYPE_CHECKING:
    from conformance.adapters.interface import Adapter, Identity, Unavailable
    from conformance.lab.sandbox.jobs import Jobs
    from conformance.report.render.progress import Progress
    from conformance.running.live import Live
    from conformance.running.reporting import Judged

KERNEL_ONLY = ("nat-bridge", "flat-bridge", "macvlan", "routed-64", "vxlan")
"""What runs when no profile is named: needs the kernel and nothing else."""
WAVE = len(KERNEL_ONLY) + 1
"""Implementations, the plain wire among them, whose recordings are begun with those that take longest."""


@dataclass
class Run:
    """One run of several implementations. Raises UsageError when made from a request that cannot be understood."""

    request: Request
    progress: Progress | None = None
    unavailable: dict[str, Unavailable] = field(default_factory=dict)
    identities: dict[str, Identity] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_only(self.request.only)
        if self.request.attempts < 1:
            raise UsageError(f"--repeat {self.request.attempts}: at least 1")
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._live: Live | None = None
        self._pool: Jobs | None = None
        self._adapters: dict[str, Adapter] = {}
        self.refused: UsageError | MachineError | None = None
        self._place = ("", "", "")
        self._planned: list[Instance] = []
        self._written: set[str] = set()
        self._stored: Stored | None = None
        self._memory: memory.Memory | None = None
        self.lacking: dict[str, list[str]] = {}
        if self.request.recordings is not None:
            self._stored = Stored(self.request.recordings, self.request.places)
            self.request = memory.remembered(self.request, self.request.recordings)
        self.profiles = (
            self._load_stored(self._stored, self.request.profiles) if self._stored is not None else self._load()
        )
        self.testbeds = self._load_testbeds()
        attempts = self.request.attempts
        if self._stored is not None:
            attempts = max(recording.record.attempt for recording in self._stored.all)
            assert self.request.recordings is not None
            self.lacking = memory.missing_recordings(self.request.recordings, self.request.profiles or None)
        links = frozenset(name for name, bed in self.testbeds.items() if bed.links)
        self.selection = Selection(
            tuple(self.profiles.values()), tuple(self.testbeds), self.request.only, attempts, links=links
        )
        self.session: Session | None = None
        if self._stored is None:
            self._check_request()

    # --- what is asked for -------------------------------------------------------------------------------------
    @property
    def names(self) -> list[str]:
        """The implementations that were asked for, in that order, without the control."""
        return [name for name in self.profiles if name != CONTROL]

    @property
    def stored(self) -> Mapping[Path, str]:
        """The folders of the stored recordings that are judged, with the profile of each."""
        found = () if self._stored is None else self._stored.all
        return {recording.folder: recording.record.profile.name for recording in found}

    @property
    def handed_over(self) -> frozenset[str]:
        """Those that come from files and not from the suite: nothing that they name is asked or loaded to plan."""
        if all(reference in profiles.available() for reference in self.request.profiles):
            return frozenset()
        if self.request.pairs:
            return frozenset(self.names)
        shipped = {*profiles.available()} & {*self.request.profiles}
        return frozenset(name for name in self.names if name not in shipped)

    @property
    def variant(self) -> Literal["fast", "thorough"]:
        """Which windows are used."""
        return "thorough" if self.request.thorough else "fast"

    def _check_request(self) -> None:
        """Find what is wrong with the request before anything is started or written. Raises UsageError."""
        from conformance.adapters.interface.registry import adapter_for, foreign_modules
        from conformance.lab.sandbox.nics import nic_lines
        from conformance.lab.sandbox.permission import check_sandboxes
        from conformance.running.foreign import foreign_code

        check_decided(self.request.only)
        loaded = foreign_code(self.profiles.values())
        if self.progress is not None and loaded:
            self.progress.note(f"code of others: {', '.join(loaded)}")
        self._adapters = {
            name: adapter_for(profile)
            for name, profile in self.profiles.items()
            if not (self.request.plan and foreign_modules(profile))
        }
        if self.request.out is not None:
            memory.check_unused(self.request.out)
        if not self.request.plan:
            check_sandboxes()
            problems = [line for bed in self.testbeds.values() for line, problem in nic_lines(bed.physical) if problem]
            if problems:
                raise UsageError(f"{problems[0]}; `--plan` lists every NIC")

    def _load(self) -> dict[str, Profile]:
        if self.request.pairs:
            from conformance.running.pairs import load_pairs

            return load_pairs(self.request)
        references = self.request.profiles or KERNEL_ONLY
        if set(references) == {CONTROL}:
            raise UsageError(f"{CONTROL}: it is the control of every run; name a profile that is to be judged")
        if (self.request.rename or self.request.settings) and len(references) != 1:
            raise UsageError("--set and --as: name exactly one profile with them")
        loaded = {CONTROL: profiles.load(CONTROL)}
        for reference in references:
            made = profiles.load(reference, settings=self.request.settings, rename=self.request.rename)
            if made.name in loaded and made.name != CONTROL:
                raise UsageError(f"{reference}: the profile {made.name} is named twice; use --as in a run of its own")
            loaded[made.name] = made
        return loaded

    @staticmethod
    def _load_stored(stored: Stored, wanted: tuple[str, ...]) -> dict[str, Profile]:
        if not len(stored):
            raise UsageError("there is no recording in that folder; name one that `plugfest run --out` wrote")
        found = {recording.record.profile.name: recording.record.profile for recording in stored.all}
        if wanted:
            found = {name: profile for name, profile in found.items() if name in (*wanted, CONTROL)}
        if CONTROL not in found and not all(profile.links for profile in found.values()):
            wire = profiles.load(CONTROL)
            paired = any(profile.paired for profile in found.values())
            found[CONTROL] = pair_of(wire, wire, name=CONTROL) if paired else wire
        return dict(sorted(found.items(), key=lambda item: (item[0] != CONTROL, item[0])))

    def _load_testbeds(self) -> dict[str, testbeds.Testbed]:
        if self._stored is not None:
            return {recording.record.testbed.name: recording.record.testbed for recording in self._stored.all}
        if self.request.pairs:
            from conformance.running.pairs import pair_testbeds

            return {testbed.name: testbed for testbed in pair_testbeds(self.request, self.profiles)}
        loaded = [testbeds.load(reference) for reference in self.request.testbeds or testbeds.available()]
        return {testbed.name: testbed for testbed in loaded}

    # --- recording and judging ----------------------------------------------------------------------------------
    def prepare(self) -> None:
        """Start the recording server, which imports the lab while the checks are collected."""
        if self._stored is None and self._pool is None:
            from conformance.lab.sandbox.jobs import Jobs
            from conformance.running.preload import preload

            self._pool = Jobs(preload())

    def start(self, planned: list[Instance]) -> None:
        """Begin to record what the planned outcomes need (or open what is stored)."""
        control = self.profiles.get(CONTROL)
        self._planned = with_control(planned, control)
        source: Source = self._stored if self._stored is not None else self._record(self._planned)
        self.session = Session(self.selection, source, control)

    def _record(self, planned: list[Instance]) -> Source:
        from conformance.adapters.interface import Unavailable
        from conformance.adapters.interface.registry import identified
        from conformance.running.live import Live, Order

        weights = {name: adapter.weight for name, adapter in self._adapters.items()}
        for name, adapter in self._adapters.items():
            identity = identified(adapter, self.profiles[name])
            if adapter.needs_root and os.geteuid() != 0 and not isinstance(identity, Unavailable):
                identity = Unavailable("it needs root", ())
            if isinstance(identity, Unavailable):
                self.unavailable[name] = identity
            else:
                self.identities[name] = identity
        order = Order(self.profiles, weights, self.testbeds, self.out, self.variant)
        keys = recordings((i for i in planned if i.profile.name not in self.unavailable), self.selection.attempts)
        memory.check_unused(self.out)
        self._memory = memory.Memory(
            only=self.request.only,
            command=self.request.command,
            profiles=tuple(self.names),
            testbeds=tuple(self.testbeds),
            attempts=self.selection.attempts,
            recordings=tuple(map(memory.place_of, keys)),
        )
        memory.write(self._memory, self.out)
        self._live = Live(order, self._tell, self._pool)
        self._live.start(sorted(keys, key=self._turn))
        return self._live

    def _turn(self, key: RecordingKey) -> tuple[int, bool]:
        """When a recording has its turn: wave by wave of implementations, silence first, which takes time and hardly
        any processor."""
        return list(self.profiles).index(key.profile) // WAVE, not scenarios()[key.scenario].silent

    @property
    def out(self) -> Path:
        """Where recordings and reports go: the folder that was named, else a temporary one that goes with the run.

        Raises UsageError where it cannot be made.
        """
        if self.request.out is not None:
            try:
                self.request.out.mkdir(parents=True, exist_ok=True)
            except OSError as problem:
                raise UsageError(f"--out {self.request.out}: cannot be made: {problem.strerror}") from None
            return self.request.out
        if self._temporary is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="plugfest-out-")
        return Path(self._temporary.name)

    def _tell(self, what: str, key: RecordingKey, problem: str | None) -> None:
        if self.progress is not None:
            if what == "planned":
                self.progress.planned(key.profile, key.scenario, key.testbed)
            elif what == "started":
                self.progress.started(key.profile, key.scenario, key.testbed)
            else:
                self.progress.finished(key.profile, key.scenario, key.testbed, problem)

    def judge(self, instance: Instance) -> Outcome | None:
        """The outcome of one planned instance; None where its implementation is not available."""
        assert self.session is not None
        if instance.profile.name in self.unavailable:
            return None
        place = (instance.profile.name, instance.testbed, instance.check.scenario)
        if place != self._place:
            self._go_on(instance.profile.name)
            self._place = place
        return self.session.outcome(instance)

    def _go_on(self, profile: str | None) -> None:
        """Judging goes on to another recording: the frames of the one before take much memory."""
        assert self.session is not None
        judged = self._place[0]
        if judged and judged != profile:
            self._judged(judged)
        for attempt in range(1, self.selection.attempts + 1):
            with contextlib.suppress(Missing):
                self.session.source.get(*self._place, attempt).release()

    def _judged(self, profile: str) -> None:
        """An implementation is judged: its report is written while others are still recorded."""
        assert self.session is not None
        outcomes = self.session.listed(profile)
        if self.progress is not None:
            self.progress.judged(profile, Counter(outcome.verdict for outcome in outcomes))
        if profile != CONTROL and len(outcomes) == sum(one.profile.name == profile for one in self._planned):
            self._write(profile, complete=True)

    def _write(self, profile: str, *, complete: bool) -> None:
        if self.request.out is not None and profile not in self._written:
            from conformance.running.reporting import write_report

            base = self.request.recordings or self.out
            whole = complete and not self.lacking.keys() & {profile, CONTROL}
            write_report(self._judged_so_far(profile), self.out, base, complete=whole)
            self._written.add(profile)

    def _judged_so_far(self, profile: str) -> Judged:
        from conformance.running.reporting import About, Judged

        assert self.session is not None
        planned = [one for one in self._planned if one.profile.name == profile]
        about = About(
            testbeds=tuple(self.selection.beds(self.profiles[profile])),
            scenarios=tuple(sorted({one.check.scenario for one in planned if one.recorded()})),
            only=self.request.only,
            variant=self.variant,
            attempts=self.selection.attempts,
            command=shlex.join(self.request.command),
            kernel=os.uname().release,
        )
        return Judged(
            profile=self.profiles[profile],
            about=about,
            planned=planned,
            outcomes=self.session.listed(profile),
            recordings=self._recorded(profile),
            control_outcomes=self.session.listed(CONTROL),
            control_recordings=self._recorded(CONTROL),
            identity=self.identities.get(profile),
            unavailable=self.unavailable.get(profile),
        )

    def _recorded(self, profile: str) -> list[Recording]:
        """The recordings of one implementation that are there."""
        found: list[Recording] = []
        for key in recordings((i for i in self._planned if i.profile.name == profile), self.selection.attempts):
            try:
                assert self.session is not None
                found.append(self.session.source.get(key.profile, key.testbed, key.scenario, key.attempt))
            except Missing:
                continue
        return found

    # --- the end ------------------------------------------------------------------------------------------------
    def finish(self, *, complete: bool) -> None:
        """Write the reports below `out`, if a folder was named. A run that was cut short records nothing more."""
        if self._live is not None and self._live.disk_full:
            complete, self.refused = False, disk_full(OSError(errno.ENOSPC, "", str(self.out)))
        if self._live is not None and not complete:
            self._live.close()
        if self.session is not None and complete:
            self._go_on(None)
        if self.session is not None:
            for name in self.names:
                self._write(name, complete=complete)
        if self._memory is not None and complete:
            there = {
                f"{each.record.profile.name}/{each.name}" for name in self.profiles for each in self._recorded(name)
            }
            failed = tuple(place for place in self._memory.recordings if place not in there)
            memory.write(self._memory.model_copy(update={"failed": failed, "complete": True}), self.out)

    def close(self) -> None:
        """End what still records, and remove the temporary folder."""
        if self._live is not None:
            self._live.close()
            self._live = None
        if self._pool is not None:
            self._pool.close()
            self._pool = None
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None
