"""Every lab test runs in a sandbox of its own: what it makes dies with it, and the machine is never touched."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
from command import EMULATED, NIGHTLY, OUTSIDE, SMALL, SMALL_PROFILES, plugfest
from machine import unchanged

from conformance.lab.sandbox import sandbox
from conformance.lab.sandbox.rundir import RunDir
from conformance.profile import CONTROL, available

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.lab)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Call the test function in a sandbox, unless it brings its own (marker ``outside``)."""
    if HERE not in pyfuncitem.path.parents or pyfuncitem.get_closest_marker("outside"):
        return None
    if pyfuncitem.get_closest_marker("peers") and os.geteuid() != 0:
        pytest.skip("real peers need root")
    if SCRATCH not in pyfuncitem.config.stash:
        pyfuncitem.config.stash[SCRATCH] = RunDir()
    run = pyfuncitem.config.stash[SCRATCH]
    place = run.folder / f"{abs(hash(pyfuncitem.nodeid)):x}"
    group = f"{run.group}/{place.name}"
    (place / "scratch").mkdir(parents=True)
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    try:
        pid = sandbox.spawn(
            lambda: _inside(pyfuncitem.obj, arguments, place / "said.json"), scratch=place / "scratch", group=group
        )
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        said = json.loads((place / "said.json").read_text()) if (place / "said.json").exists() else {}
    finally:
        (place / "said.json").unlink(missing_ok=True)
        (place / "scratch").rmdir()
        place.rmdir()
        _remove_group(group)
    if "skip" in said:
        pytest.skip(said["skip"])
    if code != 0:
        pytest.fail(said.get("text", f"the sandbox ended with exit code {code}"), pytrace=False)
    return True


SCRATCH = pytest.StashKey[RunDir]()
"""The folder and cgroup of this test run; what a killed run left is swept up by the next one."""


def pytest_unconfigure(config: pytest.Config) -> None:
    if SCRATCH in config.stash:
        config.stash[SCRATCH].close()


def _remove_group(name: str) -> None:
    if os.geteuid() == 0:
        from conformance.lab.sandbox import cgroups

        cgroups.remove(name)


def _inside(function: Any, arguments: dict[str, Any], said: Path) -> int:
    left: list[str] = []
    sys.unraisablehook = lambda problem: left.append(f"unraisable: {problem.exc_value!r} in {problem.object!r}")
    try:
        function(**arguments)
        gc.collect()
    except pytest.skip.Exception as reason:
        said.write_text(json.dumps({"skip": str(reason)}))
        return 0
    except BaseException as problem:
        said.write_text(json.dumps({"text": "".join(traceback.format_exception(problem))}))
        return 1
    if left:
        said.write_text(json.dumps({"text": "\n".join(left)}))
    return 1 if left else 0


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every profile but virtual machines, every testbed and scenario; the machine is the same before and after."""
    if os.geteuid() != 0:
        pytest.skip("real peers need root")
    folder = tmp_path_factory.mktemp("whole")
    with unchanged():
        ended = plugfest(
            folder, "run", *sorted({*available()} - {CONTROL, *EMULATED, *NIGHTLY, *OUTSIDE}), "--out", "out"
        )
    assert "Traceback" not in ended.stderr, ended.stderr
    assert ended.returncode == 1, ended.stderr
    return folder / "out"


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """One run of an implementation that conforms and of one that does not, on one testbed, judged for one family."""
    folder = tmp_path_factory.mktemp("small")
    with unchanged():
        ended = plugfest(folder, "run", *SMALL_PROFILES, *SMALL, "--out", "out")
    return folder / "out", ended
