"""Workers: forked processes that each do one piece of work on what this process holds, a few at a time."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

MEMORY: Final = 3 << 30
"""Bytes that a worker may ask for on top of what it began with: a mutant may collect without an end."""


@dataclass(frozen=True)
class Ended:
    """How a worker ended: its piece of work, its answer (None where there is none), the exception that ended it in a
    line, the signal that it died of (0: none)."""

    place: int
    answer: Any
    problem: str
    signal: int


def forked(works: Iterable[Callable[[], Any]], jobs: int) -> Iterator[Ended]:
    """Do each piece of work in a process of its own, `jobs` at a time; yield each one's end as it comes.

    What a piece of work returns must be writable as JSON. Every worker has a folder for temporary files of its own.
    """
    running: dict[int, tuple[int, Path]] = {}
    before = signal.signal(signal.SIGTERM, _interrupted)
    try:
        for place, work in enumerate(works):
            folder = Path(tempfile.mkdtemp(prefix="mutant-"))
            running[_start(work, folder)] = place, folder
            if len(running) >= jobs:
                yield _end(running)
        while running:
            yield _end(running)
    finally:
        signal.signal(signal.SIGTERM, before)
        for worker, (_, folder) in running.items():
            os.killpg(worker, signal.SIGKILL)
            os.waitpid(worker, 0)
            shutil.rmtree(folder, ignore_errors=True)


def _interrupted(*_: object) -> None:
    """End the workers, too, where this process is asked to end."""
    raise SystemExit(1)


def _start(work: Callable[[], Any], folder: Path) -> int:
    worker = os.fork()
    if worker:
        return worker
    try:
        os.setpgid(0, 0)
        _apart(folder)
        answer = work()
        (folder / "answer").write_text(json.dumps(answer))
    except BaseException as problem:  # nothing may return into the caller, in a second process
        (folder / "problem").write_text(f"{type(problem).__name__}: {problem}")
    finally:
        os._exit(0)


def _apart(folder: Path) -> None:
    """Give this worker its own temporary files, no output, and a bound on its memory."""
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    bound = held + MEMORY if most == resource.RLIM_INFINITY else min(held + MEMORY, most)
    resource.setrlimit(resource.RLIMIT_AS, (bound, most))
    for one in (signal.SIGALRM, signal.SIGVTALRM, signal.SIGTERM):
        signal.signal(one, signal.SIG_DFL)


def _end(running: dict[int, tuple[int, Path]]) -> Ended:
    """Wait for a worker to end, and end what it has left."""
    worker, status = os.waitpid(-1, 0)
    while worker not in running:
        worker, status = os.waitpid(-1, 0)
    place, folder = running.pop(worker)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(worker, signal.SIGKILL)
    answer, problem = folder / "answer", folder / "problem"
    said = json.loads(answer.read_text()) if answer.is_file() else None
    why = problem.read_text() if problem.is_file() else ""
    shutil.rmtree(folder, ignore_errors=True)
    return Ended(place, said, why, os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0)
