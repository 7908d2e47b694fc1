"""The pytest plugin: checks become tests, repeated over profiles, testbeds and parameters; verdicts become outcomes.

The only module that knows both sides of the arrow. Loaded by ``-p conformance.plugin``; it imports the lab only when
something is to be recorded, so that judging stored recordings never does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.errors import UsageError
from conformance.judging.plan import CONTROL, Instance
from conformance.judging.register import check_of
from conformance.running import run
from conformance.running.driver import Driver
from conformance.verdict import Outcome, Verdict

RUN = pytest.StashKey[run.Run]()
OUTCOME = pytest.StashKey[Outcome]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of a run, the same as those of ``plugfest run``."""
    group = parser.getgroup("plugfest", "network interoperability conformance")
    group.addoption(
        "--profile", action="append", default=[], metavar="NAME", help="profile by name or path; repeatable"
    )
    group.addoption("--testbed", action="append", default=[], metavar="NAME", help="testbed by name or path (all)")
    group.addoption("--only", action="append", default=[], metavar="ID", help="requirement id or family; repeatable")
    group.addoption("--set", action="append", default=[], metavar="KEY=VALUE", dest="settings", help="profile override")
    group.addoption("--as", default=None, metavar="NAME", dest="rename", help="name of the one profile in the report")
    group.addoption("--repeat", type=int, dest="attempts", default=1, metavar="N", help="record every scenario N times")
    group.addoption("--thorough", action="store_true", help="the long windows: nightly variants of the requirements")
    group.addoption("--out", default=None, metavar="DIR", help="folder for recordings and reports (a temporary one)")
    group.addoption("--recordings", default=None, metavar="DIR", help="judge the recordings of this folder; no lab")


def pytest_configure(config: pytest.Config) -> None:
    """Take the run of the command that drives pytest, or make one of the options; bad input ends with one line."""
    drivers = [plugin for plugin in config.pluginmanager.get_plugins() if isinstance(plugin, Driver)]
    if drivers:
        config.stash[RUN] = drivers[0].run
        return
    get = config.getoption
    try:
        wish = run.Wish(
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
        config.stash[RUN] = run.Run(wish)
    except UsageError as problem:
        raise pytest.UsageError(str(problem)) from None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for every outcome that a check owes."""
    check = check_of(metafunc.function)
    if check is None:
        return
    instances = list(metafunc.config.stash[RUN].selection.instances(check))
    metafunc.parametrize("case", instances, ids=[instance.id for instance in instances])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The plain wire first, then profile by profile; what was not selected is not there at all."""
    owed = [(item, instance) for item in items if (instance := _instance(item)) is not None]
    others = [item for item in items if check_of(getattr(item, "function", None)) is None]
    unwanted = len(items) - len(owed) - len(others)
    rank = {name: number for number, name in enumerate([CONTROL, *config.stash[RUN].names])}
    owed.sort(key=lambda pair: (rank[pair[1].profile.name], pair[1].check.scenario, pair[1].testbed))
    items[:] = [*others, *(item for item, _ in owed)]
    if unwanted:
        config.pluginmanager.hook.pytest_deselected(items=[])


def pytest_collection_finish(session: pytest.Session) -> None:
    """Everything is known: begin to record."""
    if not session.config.option.collectonly:
        planned = [instance for item in session.items if (instance := _instance(item)) is not None]
        wanted = session.config.stash[RUN]
        try:
            wanted.start(planned)
        except UsageError as problem:
            wanted.refused = problem
            pytest.exit(str(problem), returncode=pytest.ExitCode.USAGE_ERROR)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Judge instead of call: the verdict becomes the result of the test."""
    instance = _instance(pyfuncitem)
    if instance is None:
        return None
    outcome = pyfuncitem.config.stash[RUN].judge(instance)
    if outcome is None:
        pytest.skip(f"{instance.profile.name} is not available here")
    pyfuncitem.stash[OUTCOME] = outcome
    said = outcome.deciding
    text = "\n".join(_text(outcome))
    if outcome.verdict in (Verdict.UNSUPPORTED, Verdict.NOT_APPLICABLE):
        pytest.skip(f"{outcome.verdict}: {said.seen}")
    if outcome.verdict is not Verdict.PASS:
        pytest.fail(text, pytrace=False)
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> pytest.TestReport | None:
    """A report without a picture of the traceback where nobody prints it: drawing it costs more than judging."""
    problem = None if call.excinfo is None else call.excinfo.value
    if OUTCOME not in item.stash or not isinstance(problem, pytest.fail.Exception):
        return None
    if item.config.pluginmanager.has_plugin("terminalreporter"):
        return None
    return pytest.TestReport(item.nodeid, item.location, {}, "failed", problem.msg, "call", duration=call.duration)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the reports; a run that was cut short leaves partial ones."""
    ended = session.config.stash.get(RUN, None)
    if ended is not None and not session.config.option.collectonly:
        ended.finish(complete=exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED))


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what still records."""
    ended = config.stash.get(RUN, None)
    if ended is not None:
        ended.close()


def _instance(item: Any) -> Instance | None:
    specification = getattr(item, "callspec", None)
    found = specification.params.get("case") if specification else None
    return found if isinstance(found, Instance) else None


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
