"""The trial: unit tests collected once, their reach measured, and each mutant run against those that reach it."""

from __future__ import annotations

import gc
import importlib
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal

import pytest

from conformance.errors import UsageError
from conformance.upkeep.mutation.areas import all_files
from conformance.upkeep.mutation.mutants import Mutant
from conformance.upkeep.mutation.reach import Lines, Reach
from conformance.upkeep.mutation.swap import Live
from conformance.upkeep.mutation.workers import Ended, forked

TESTS: Final = "not lab and not peers and not browser"
ARGUMENTS: Final = (
    "-qq",
    "--capture=sys",
    "-p",
    "no:randomly",
    "-p",
    "no:xdist",
    "-p",
    "no:cacheprovider",
    "-m",
    TESTS,
)
LONGEST: Final = 5.0
FACTOR: Final = 4
"""A test hangs when it has used this much processor time, in s, and so many times as much as without a mutant."""
PATIENCE: Final = 10
"""It hangs as well when so many times that time has passed: it waits, or the machine is busy."""
Fate = Literal["killed", "hung", "survived", "not run", "broken"]


@dataclass(frozen=True)
class Tried:
    """What became of a mutant, and of which test it died."""

    mutant: Mutant
    fate: Fate
    by: str = ""


@dataclass(eq=False)
class Suite:
    """The unit tests, collected and not yet run: a pytest plugin that runs none itself."""

    work: Callable[[Suite], None]
    items: list[pytest.Item] = field(default_factory=list)
    failed: bool = False
    problem: UsageError | None = None

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Do the work in place of the tests."""
        self.items = session.items
        try:
            self.work(self)
        except UsageError as problem:
            self.problem = problem
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember that a test failed, in whichever of its phases."""
        self.failed = self.failed or report.failed

    def passes(self, place: int, following: int | None) -> bool:
        """Run one test; `following` is the one that comes next, for which fixtures are kept."""
        self.failed = False
        item = self.items[place]
        then = None if following is None else self.items[following]
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=then)
        return not self.failed


def collected(tests: Sequence[str], work: Callable[[Suite], None]) -> None:
    """Collect the unit tests of files or folders and do the work. Raises UsageError where they cannot be collected, or
    where the work does."""
    suite = Suite(work)
    code = pytest.main([*ARGUMENTS, "-W", "ignore::pytest.PytestAssertRewriteWarning", *tests], plugins=[suite])
    if suite.problem is not None:
        raise suite.problem
    if not suite.items:
        raise UsageError(f"pytest cannot collect the unit tests (it ends {int(code)}); run it to see why")


def measured(suite: Suite, jobs: int) -> Reach:
    """The reach of every test. Raises UsageError where a test fails without any mutant."""
    files: dict[str, list[int]] = {}
    for place, item in enumerate(suite.items):
        files.setdefault(item.nodeid.partition("::")[0], []).append(place)
    groups = list(files.values())
    whole = Reach()
    for end in forked([partial(_measure, suite, group) for group in groups], jobs):
        if end.answer is None:
            raise UsageError(f"{suite.items[groups[end.place][0]].nodeid} and beside: {end.problem or end.signal}")
        _join(whole, end.answer)
    if whole.failed:
        raise UsageError(f"{len(whole.failed)} tests fail without a mutant: {', '.join(whole.failed)}")
    return whole


def _measure(suite: Suite, places: Sequence[int]) -> dict[str, Any]:
    """Run tests one after another; what each reached. Caches of the areas are emptied before each."""
    files = frozenset(str(path) for _, path in all_files())
    found, live = Reach(), Live()
    for place, following in _with_next(places):
        lines, began = Lines(files), time.process_time()
        live.forget()
        with lines.watching():
            passed = suite.passes(place, following)
        found.add(place, time.process_time() - began, lines)
        if not passed:
            found.failed.append(suite.items[place].nodeid)
    found.modules = [name for name, module in sys.modules.items() if getattr(module, "__spec__", None)]
    return vars(found)


def _join(whole: Reach, part: dict[str, Any]) -> None:
    """Add what one worker measured, which JSON gave back with text for numbers."""
    for path, lines in part["lines"].items():
        for line, tests in lines.items():
            whole.lines.setdefault(path, {}).setdefault(int(line), []).extend(tests)
    whole.seconds |= {int(test): seconds for test, seconds in part["seconds"].items()}
    whole.failed += part["failed"]
    whole.modules += part["modules"]


def tried(suite: Suite, reach: Reach, chosen: Sequence[Mutant], jobs: int) -> Iterator[Tried]:
    """Yield what became of each mutant, as it is known."""
    _import(reach.modules)
    live = Live()
    tests = [reach.tests(mutant) for mutant in chosen]
    reached = [place for place, known in enumerate(tests) if known]
    yield from (Tried(mutant, "not run") for mutant, known in zip(chosen, tests, strict=True) if not known)
    gc.collect()
    gc.freeze()
    works = (partial(_try, suite, live, chosen[place], tests[place], reach) for place in reached)
    for end in forked(works, jobs):
        yield _fate(chosen[reached[end.place]], end)


def _import(modules: Sequence[str]) -> None:
    """Import what tests import late, so that no worker has to."""
    for name in dict.fromkeys(modules):
        if name.partition(".")[0] in ("conformance", "numpy", "scapy", "pyroute2", "docker", "rich", "jinja2", "typer"):
            importlib.import_module(name)


def _try(suite: Suite, live: Live, mutant: Mutant, tests: Sequence[int], reach: Reach) -> dict[str, str]:
    """Put a mutant in force and run tests until one fails. A test that hangs ends the worker by a timer's signal."""
    try:
        live.put(mutant)
    except (LookupError, ValueError, SyntaxError) as problem:
        return {"fate": "broken", "by": str(problem)}
    except Exception as problem:  # a constant whose evaluation fails: the import would have failed, too
        return {"fate": "killed", "by": f"{type(problem).__name__} at import"}
    for place, following in _with_next(tests):
        bound = LONGEST + FACTOR * reach.seconds[place]
        signal.setitimer(signal.ITIMER_VIRTUAL, bound)
        signal.setitimer(signal.ITIMER_REAL, PATIENCE * bound)
        if not suite.passes(place, following):
            return {"fate": "killed", "by": suite.items[place].nodeid}
    return {"fate": "survived", "by": ""}


def _fate(mutant: Mutant, end: Ended) -> Tried:
    if end.answer is not None:
        return Tried(mutant, end.answer["fate"], end.answer["by"])
    if end.problem:
        return Tried(mutant, "broken", end.problem)
    return Tried(
        mutant, "hung" if end.signal in (signal.SIGALRM, signal.SIGVTALRM) else "killed", f"signal {end.signal}"
    )


def _with_next(places: Sequence[int]) -> Iterator[tuple[int, int | None]]:
    yield from zip(places, [*places[1:], None], strict=True)
