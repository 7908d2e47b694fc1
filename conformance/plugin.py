"""The pytest plugin: checks become tests, repeated over profiles, testbeds and parameters; verdicts become outcomes.

The only module that knows both sides of the arrow. Loaded by ``-p conformance.plugin``; it imports the lab only when
something is to be recorded, so that judging stored recordings never does.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from conformance.errors import MachineError, UsageError, disk_full
from conformance.judging.checks import check_files
from conformance.judging.plan import Instance
from conformance.judging.register import check_of
from conformance.profile import CONTROL
from conformance.report.render.text import printable
from conformance.running import run
from conformance.running.driver import PytestDriver
from conformance.running.request import Request
from conformance.verdict import Outcome, Verdict

RUN = pytest.StashKey[run.Run]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of a run, the same as those of ``plugfest run``."""
    group = parser.getgroup("plugfest", "network interoperability conformance")
    group.addoption(
        "--profile", action="append", default=[], metavar="NAME", help="profile by name or path; repeatable"
    )
    group.addoption("--testbed", action="append", default=[], metavar="NAME", help="testbed by name or path (all)")
    group.addoption("--only", action="append", default=[], metavar="ID", help="requirement ids or families; repeatable")
    group.addoption("--set", action="append", default=[], metavar="KEY=VALUE", dest="settings", help="profile override")
    group.addoption("--as", default=None, metavar="NAME", dest="rename", help="name of the one profile in the report")
    group.addoption("--repeat", type=int, dest="attempts", default=1, metavar="N", help="record every scenario N times")
    group.addoption("--thorough", action="store_true", help="the long windows: nightly variants of the requirements")
    group.addoption("--out", default=None, metavar="DIR", help="folder for recordings and reports (a temporary one)")
    group.addoption("--recordings", default=None, metavar="DIR", help="judge the recordings of this folder; no lab")


def pytest_configure(config: pytest.Config) -> None:
    """Take the run of the command that drives pytest, or make one of the options; bad input ends with one line."""
    drivers = [plugin for plugin in config.pluginmanager.get_plugins() if isinstance(plugin, PytestDriver)]
    config.stash[RUN] = drivers[0].run if drivers else _run_of(config)
    config.args = _collected(config)
    config.args_source = pytest.Config.ArgsSource.ARGS
    if not config.option.collectonly:
        config.stash[RUN].prepare()


def _collected(config: pytest.Config) -> list[str]:
    """What pytest collects: the checks of every family where no argument names anything, whatever ``testpaths`` says.

    A module of checks is named by its file, as pytest does, or as its tests are (`Checks`).
    """
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        return [str(path) for path in check_files().values()]
    return [_located(argument) for argument in config.args]


def _located(argument: str) -> str:
    """A node id that begins with the name of a module of checks, by its file; any other argument as it is.

    pytest prints names as if they were files of its root folder: seen from another one there are folders in front.
    """
    place, separator, test = argument.partition("::")
    found = check_files().get(place.rpartition("/")[2])
    return argument if found is None else f"{found}{separator}{test}"


def _run_of(config: pytest.Config) -> run.Run:
    get = config.getoption
    try:
        request = Request(
            profiles=tuple(get("--profile")),
            testbeds=tuple(get("--testbed")),
            only=tuple(get("--only")),
            settings=tuple(get("settings")),
            rename=get("rename"),
            attempts=get("attempts"),
            thorough=get("--thorough"),
            out=None if get("--out") is None else Path(get("--out")),
            recordings=None if get("--recordings") is None else Path(get("--recordings")),
            command=("pytest", *map(str, config.invocation_params.args)),
        )
        return run.Run(request)
    except (UsageError, MachineError) as problem:
        raise pytest.UsageError(str(problem)) from None


class Owed(pytest.Item):
    """The test of one outcome that a check owes. It has no fixtures: of a check there is nothing to set up."""

    def __init__(self, *, instance: Instance, **rest: Any) -> None:
        super().__init__(**rest)
        self.instance = instance
        self.outcome: Outcome | None = None

    def runtest(self) -> None:
        """Judge; the verdict becomes the result of the test."""
        self.outcome = self.config.stash[RUN].judge(self.instance)
        if self.outcome is None:
            pytest.skip(f"{self.instance.profile.name} is not available here")
        if self.outcome.verdict in (Verdict.UNSUPPORTED, Verdict.NOT_APPLICABLE):
            pytest.skip(f"{self.outcome.verdict}: {self.outcome.deciding.seen}")
        if self.outcome.verdict is not Verdict.PASS:
            pytest.fail("\n".join(map(printable, _text(self.outcome))), pytrace=False)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the check stands."""
        return self.path, None, self.name


class Checks(pytest.Module):
    """A module of checks. Its tests are named by the module, which is the same on every machine and from every folder:
    pytest would call them by a path that it could not find again, where the suite is installed elsewhere."""


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """A file of checks of a family, wherever the family comes from; pytest collects other files as it does always."""
    others = yield
    for name, path in check_files().items():
        if path == file_path:
            return [Checks.from_parent(parent, path=file_path, nodeid=name)]
    return others


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, name: str, obj: object) -> list[Owed] | None:
    """One test for every outcome that a check owes."""
    check = check_of(obj)
    if check is None or check.function.__module__ != collector.obj.__name__:
        return None
    return [
        Owed.from_parent(collector, name=f"{name}[{instance.id}]", instance=instance)
        for instance in collector.config.stash[RUN].selection.instances(check)
    ]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The plain wire first, then profile by profile; what was not selected is not there at all."""
    rank = {name: number for number, name in enumerate([CONTROL, *config.stash[RUN].names])}

    def place(item: Owed) -> tuple[int, str, str]:
        return rank[item.instance.profile.name], item.instance.check.scenario, item.instance.testbed

    owed = sorted((item for item in items if isinstance(item, Owed)), key=place)
    items[:] = [*(item for item in items if not isinstance(item, Owed)), *owed]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Everything is known: begin to record."""
    if not session.config.option.collectonly:
        wanted = session.config.stash[RUN]
        try:
            wanted.start([item.instance for item in session.items if isinstance(item, Owed)])
        except UsageError as problem:
            wanted.refused = problem
            pytest.exit(str(problem), returncode=pytest.ExitCode.USAGE_ERROR)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """Judge without the phases of fixtures around it, which cost more than judging; listeners hear of them anyway."""
    if not isinstance(item, Owed):
        return None
    hook = item.ihook
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    call = pytest.CallInfo.from_call(item.runtest, "call", reraise=(pytest.exit.Exception, KeyboardInterrupt))
    for report in (_phase(item, "setup"), _report(item, call), _phase(item, "teardown")):
        hook.pytest_runtest_logreport(report=report)
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _phase(item: Owed, when: Literal["setup", "teardown"]) -> pytest.TestReport:
    """The report of a phase in which there is nothing to do."""
    return pytest.TestReport(item.nodeid, item.location, {}, "passed", None, when)


def _report(item: Owed, call: pytest.CallInfo[None]) -> pytest.TestReport:
    """A report without a picture of the traceback where nobody prints it: drawing it costs more than judging."""
    problem = None if call.excinfo is None else call.excinfo.value
    if item.outcome is None or item.config.pluginmanager.has_plugin("terminalreporter"):
        made: pytest.TestReport = item.ihook.pytest_runtest_makereport(item=item, call=call)
        return made
    failed = isinstance(problem, pytest.fail.Exception)
    result: Literal["passed", "failed", "skipped"] = "failed" if failed else "passed" if problem is None else "skipped"
    said = None if problem is None else str(problem)
    return pytest.TestReport(item.nodeid, item.location, {}, result, said, "call", duration=call.duration)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the reports; a run that was cut short leaves partial ones."""
    ended = session.config.stash.get(RUN, None)
    if ended is not None and not session.config.option.collectonly:
        try:
            ended.finish(complete=exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED))
        except OSError as problem:
            ended.refused = disk_full(problem)
            if ended.refused is None:
                raise


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what still records."""
    ended = config.stash.get(RUN, None)
    if ended is not None:
        ended.close()


def _text(outcome: Outcome) -> Iterator[str]:
    """The text of a verdict: what is expected, what was seen, the deciding frames, and where to look."""
    said = outcome.deciding
    yield f"{outcome.requirement} ({outcome.level}): {outcome.verdict}"
    if said.expected:
        yield f"expected: {said.expected}"
    yield f"seen:     {said.seen}"
    for evidence in said.evidence:
        yield f"frames:   {evidence.recording}/frames.pcapng {', '.join(map(str, evidence.frames))}"
        yield from (f"          {line}" for line in evidence.lines)
