"""A run: what was wished for, the implementations that are there, the recordings, the outcomes, and the reports."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from conformance import profile as profiles
from conformance import testbed as testbeds
from conformance.errors import UsageError
from conformance.judging.plan import CONTROL, Instance, RecordingKey, Selection, recordings
from conformance.judging.session import Session
from conformance.profile import Profile
from conformance.recording.source import Missing, Source, Stored
from conformance.recording.store import Recording
from conformance.requirement import UnknownRequirement, families, find
from conformance.verdict import Outcome

if TYPE_CHECKING:
    from conformance.adapters.interface import Adapter, Identity, Unavailable
    from conformance.lab.live import Live
    from conformance.report.progress import Progress

KERNEL_ONLY = ("nat-bridge", "flat-bridge", "macvlan", "routed-64", "vxlan")
"""What runs when no profile is named: needs the kernel and nothing else."""


@dataclass(frozen=True)
class Wish:
    """What a command or pytest was asked for; everything as the user wrote it."""

    profiles: tuple[str, ...] = ()
    testbeds: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    rename: str | None = None
    attempts: int = 1
    thorough: bool = False
    out: Path | None = None
    recordings: Path | None = None
    command: tuple[str, ...] = ()
    pairs: bool = False
    """The profiles meet each other, two at a time, instead of being judged one by one; where none is named, those of
    `circles` do, or of every circle."""
    circles: tuple[str, ...] = ()


@dataclass(frozen=True)
class About:
    """What a report says of the run that it comes from."""

    testbeds: tuple[str, ...]
    scenarios: tuple[str, ...]
    variant: Literal["fast", "thorough"]
    attempts: int
    command: str
    kernel: str


@dataclass
class Run:
    """One run of several implementations. Raises UsageError when made from a wish that cannot be understood."""

    wish: Wish
    progress: Progress | None = None
    unavailable: dict[str, Unavailable] = field(default_factory=dict)
    identities: dict[str, Identity] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_only(self.wish.only)
        if self.wish.attempts < 1:
            raise UsageError(f"--repeat {self.wish.attempts}: at least 1")
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._live: Live | None = None
        self._adapters: dict[str, Adapter] = {}
        self.refused: UsageError | None = None
        self._place = ("", "", "")
        self._planned: list[Instance] = []
        self._stored = None if self.wish.recordings is None else Stored(self.wish.recordings)
        if self.wish.recordings is not None:
            self.wish = remembered(self.wish, self.wish.recordings)
        self.profiles = (
            self._load_stored(self._stored, self.wish.profiles) if self._stored is not None else self._load()
        )
        self._testbeds = self._load_testbeds()
        attempts = self.wish.attempts
        if self._stored is not None:
            attempts = max(recording.record.attempt for recording in self._stored.all)
        links = frozenset(name for name, bed in self._testbeds.items() if bed.links)
        self.selection = Selection(
            tuple(self.profiles.values()), tuple(self._testbeds), self.wish.only, attempts, links=links
        )
        self.session: Session | None = None
        if self._stored is None:
            self._check_wish()

    # --- what is wished for -------------------------------------------------------------------------------------
    @property
    def names(self) -> list[str]:
        """The implementations that were asked for, in that order, without the control."""
        return [name for name in self.profiles if name != CONTROL]

    @property
    def variant(self) -> Literal["fast", "thorough"]:
        """Which windows are used."""
        return "thorough" if self.wish.thorough else "fast"

    def _check_wish(self) -> None:
        """Find what is wrong with the wish before anything is started or written. Raises UsageError."""
        from conformance.adapters.registry import adapter_for

        _check_decided(self.wish.only)
        self._adapters = {name: adapter_for(profile) for name, profile in self.profiles.items()}
        if self.wish.out is not None:
            _check_unused(self.wish.out)

    def _load(self) -> dict[str, Profile]:
        if self.wish.pairs:
            from conformance.running.pairs import load_pairs

            return load_pairs(self.wish)
        references = self.wish.profiles or KERNEL_ONLY
        if set(references) == {CONTROL}:
            raise UsageError(f"{CONTROL}: it is the control of every run; name a profile that is to be judged")
        if (self.wish.rename or self.wish.settings) and len(references) != 1:
            raise UsageError("--set and --as: name exactly one profile with them")
        loaded = {CONTROL: profiles.load(CONTROL)}
        for reference in references:
            made = profiles.load(reference, settings=self.wish.settings, rename=self.wish.rename)
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
        return dict(sorted(found.items(), key=lambda item: (item[0] != CONTROL, item[0])))

    def _load_testbeds(self) -> dict[str, testbeds.Testbed]:
        if self._stored is not None:
            return {recording.record.testbed.name: recording.record.testbed for recording in self._stored.all}
        if self.wish.pairs:
            from conformance.running.pairs import pair_testbeds

            return {testbed.name: testbed for testbed in pair_testbeds(self.wish, self.profiles)}
        loaded = [testbeds.load(reference) for reference in self.wish.testbeds or testbeds.available()]
        return {testbed.name: testbed for testbed in loaded}

    # --- recording and judging ----------------------------------------------------------------------------------
    def start(self, planned: list[Instance]) -> None:
        """Begin to record what the planned outcomes need (or open what is stored)."""
        self._planned = planned
        source: Source = self._stored if self._stored is not None else self._record(planned)
        self.session = Session(self.selection, source, self.profiles.get(CONTROL))

    def _record(self, planned: list[Instance]) -> Source:
        from conformance.adapters.interface import Unavailable
        from conformance.lab.live import Live, Order

        weights = {name: adapter.weight for name, adapter in self._adapters.items()}
        for name, adapter in self._adapters.items():
            identity = adapter.identify()
            if adapter.needs_root and os.geteuid() != 0 and not isinstance(identity, Unavailable):
                identity = Unavailable("it needs root", ())
            if isinstance(identity, Unavailable):
                self.unavailable[name] = identity
            else:
                self.identities[name] = identity
        remember(self.wish, self.out)
        order = Order(self.profiles, weights, self._testbeds, self.out, self.variant)
        keys = recordings((i for i in planned if i.profile.name not in self.unavailable), self.selection.attempts)
        self._live = Live(order, self._tell)
        self._live.start(keys)
        return self._live

    @property
    def out(self) -> Path:
        """Where recordings and reports go: the folder that was named, else a temporary one that goes with the run.

        Raises UsageError where it cannot be made.
        """
        if self.wish.out is not None:
            try:
                self.wish.out.mkdir(parents=True, exist_ok=True)
            except OSError as problem:
                raise UsageError(f"--out {self.wish.out}: cannot be made: {problem.strerror}") from None
            return self.wish.out
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
        if judged and judged != profile and self.progress is not None:
            self.progress.judged(judged, Counter(outcome.verdict for outcome in self.session.listed(judged)))
        for attempt in range(1, self.selection.attempts + 1):
            with contextlib.suppress(Missing):
                self.session.source.get(*self._place, attempt).release()

    # --- the end ------------------------------------------------------------------------------------------------
    def finish(self, *, complete: bool) -> None:
        """Write the reports below `out`, if a folder was named. A run that was cut short records nothing more."""
        if self._live is not None and not complete:
            self._live.close()
        if self.session is not None and complete:
            self._go_on(None)
        if self.wish.out is not None and self.session is not None:
            from conformance.running.reporting import write_reports

            write_reports(self, self._planned, complete=complete)

    def about(self, profile: str) -> About:
        """What the header of a profile's report says of this run."""
        mine = [one for one in self._planned if one.profile.name == profile and one.recorded()]
        return About(
            testbeds=tuple(self.selection.beds(self.profiles[profile])),
            scenarios=tuple(sorted({instance.check.scenario for instance in mine})),
            variant=self.variant,
            attempts=self.selection.attempts,
            command=" ".join(self.wish.command),
            kernel=os.uname().release,
        )

    def recorded(self, profile: str) -> list[Recording]:
        """The recordings of one implementation that are there."""
        found = []
        for key in recordings((i for i in self._planned if i.profile.name == profile), self.selection.attempts):
            try:
                assert self.session is not None
                found.append(self.session.source.get(key.profile, key.testbed, key.scenario, key.attempt))
            except Missing:
                continue
        return found

    def close(self) -> None:
        """End what still records, and remove the temporary folder."""
        if self._live is not None:
            self._live.close()
            self._live = None
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None


MEMORY = "run.json"
"""What a run's folder remembers of the wish: what it covered, so that judging it again covers the same."""


def remember(wish: Wish, folder: Path) -> None:
    """Write down what the run covers. Raises UsageError where the folder holds an earlier run: nothing is mixed."""
    _check_unused(folder)
    text = json.dumps({"schema": 1, "only": wish.only, "command": wish.command}, indent=1)
    try:
        (folder / MEMORY).write_text(text + "\n")
    except OSError as problem:
        raise UsageError(f"--out {folder}: cannot be written: {problem.strerror}") from None


def _check_unused(folder: Path) -> None:
    if (folder / MEMORY).exists():
        raise UsageError(f"--out {folder}: holds an earlier run; name a new folder (`plugfest matrix` joins several)")


def remembered(wish: Wish, folder: Path) -> Wish:
    """The wish with what the run of that folder covered; unchanged where it says nothing."""
    try:
        memory = json.loads((folder / MEMORY).read_text())
        return replace(wish, only=wish.only or tuple(memory["only"]), command=wish.command or tuple(memory["command"]))
    except FileNotFoundError:
        return wish
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{MEMORY}: not what `plugfest run` writes; remove it to judge everything") from None


def _check_only(only: tuple[str, ...]) -> None:
    for word in only:
        if word in families():
            continue
        try:
            find(word)
        except UnknownRequirement as problem:
            raise UsageError(f"--only {word}: {problem}") from None


def _check_decided(only: tuple[str, ...]) -> None:
    if not only:
        return
    from conformance.judging.shipped import checks

    rows = [check.requirement for check in checks()]
    decided = {word for row in rows for word in (row.id, row.family, *row.alias)}
    for word in only:
        if word not in decided:
            raise UsageError(f"--only {word}: no check decides it yet; see `plugfest list requirements`")
