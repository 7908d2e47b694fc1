"""Live progress of a run: a bar for each implementation on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from conformance.report.render.text import one_line
from conformance.verdict import Verdict

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


@dataclass
class Tally:
    """How far one implementation is: recordings planned, ended, and those under way in the order of their start."""

    planned: int = 0
    ended: int = 0
    running: list[str] = field(default_factory=list)
    verdicts: str = ""
    task: TaskID | None = None

    @property
    def text(self) -> str:
        """What is going on."""
        return self.verdicts or ", ".join(self.running[:2]) + (" …" if len(self.running) > 2 else "")


class Progress:
    """Shows what a run does; every method may be called from any thread, before, in or after the context.

    `terminal` says whether `stream` (standard error) is one; asked of the stream when None.
    """

    def __init__(self, stream: TextIO | None = None, *, terminal: bool | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._terminal = self._stream.isatty() if terminal is None else terminal
        self._lock = threading.RLock()
        self._tallies: dict[str, Tally] = {}
        self._bars: Bars | None = None
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        if self._terminal:
            self._bars = _bars(self._stream)
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            bars, self._bars = self._bars, None
        if bars is not None:
            bars.stop()

    # --- what happens -----------------------------------------------------------------------------------------------
    def planned(self, profile: str, scenario: str, testbed: str) -> None:  # noqa: ARG002 - as its fellows
        """A recording will be made."""
        with self._lock:
            tally = self._tallies.setdefault(profile, Tally())
            tally.planned += 1
            self._show(profile, tally)

    def note(self, text: str) -> None:
        """Something about the run as a whole."""
        with self._lock:
            self._line(one_line(text), False)

    def started(self, profile: str, scenario: str, testbed: str) -> None:
        """A recording began."""
        with self._lock:
            tally = self._tallies.setdefault(profile, Tally())
            tally.running.append(_what(scenario, testbed))
            self._show(profile, tally)

    def finished(self, profile: str, scenario: str, testbed: str, problem: str | None = None) -> None:
        """A recording ended; `problem` is why it is of no use, or of little."""
        what = _what(scenario, testbed)
        with self._lock:
            tally = self._tallies.setdefault(profile, Tally())
            tally.ended += 1
            if what in tally.running:
                tally.running.remove(what)
            told = f"{what}: {one_line(problem)}" if problem else what
            if self._bars is None or problem:
                self._line(f"{profile}  {tally.ended}/{max(tally.planned, tally.ended)}  {told}", bool(problem))
            self._show(profile, tally)

    def judged(self, profile: str, counts: Mapping[Verdict, int]) -> None:
        """An implementation was judged: its outcomes by verdict."""
        with self._lock:
            tally = self._tallies.setdefault(profile, Tally())
            tally.verdicts = (
                ", ".join(f"{counts[each]} {each.value}" for each in Verdict if counts.get(each)) or "nothing"
            )
            if self._bars is None:
                self._line(f"{profile}  judged: {tally.verdicts}", False)
            self._show(profile, tally)

    def recording(self, what: str, profile: str, scenario: str, testbed: str, problem: str | None = None) -> None:
        """The same by the word: ``planned``, ``started`` or ``finished``. Raises ValueError for another one."""
        if what == "finished":
            self.finished(profile, scenario, testbed, problem)
        elif what in ("planned", "started"):
            (self.planned if what == "planned" else self.started)(profile, scenario, testbed)
        else:
            raise ValueError(f"{what!r} is not planned, started or finished")

    # --- how it is shown --------------------------------------------------------------------------------------------
    def _show(self, profile: str, tally: Tally) -> None:
        if self._bars is None:
            return
        values: dict[str, Any] = {
            "total": max(tally.planned, tally.ended, 1),
            "completed": tally.ended,
            "doing": one_line(tally.text),
        }
        if tally.task is None:
            tally.task = self._bars.add_task(profile, **values)
        else:
            self._bars.update(tally.task, **values)

    def _line(self, text: str, problem: bool) -> None:
        text = f"[{time.monotonic() - self._began:6.1f} s]  {text}"
        if self._bars is not None:
            self._bars.console.print(text, style="yellow" if problem else "", markup=False, highlight=False)
            return
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        with contextlib.suppress(OSError):  # whoever read it has gone; the run goes on
            print(text.encode(encoding, "replace").decode(encoding), file=self._stream, flush=True)


def _what(scenario: str, testbed: str) -> str:
    return f"{scenario} on {testbed}"


def _bars(stream: TextIO) -> Bars:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    return RichProgress(
        TextColumn("{task.description}", markup=False),
        BarColumn(20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[doing]}", markup=False),
        console=Console(file=stream, force_terminal=True),
        refresh_per_second=8,
    )
