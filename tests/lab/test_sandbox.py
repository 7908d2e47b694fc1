"""The sandbox: isolated, cleaned up by the kernel whatever dies, and the machine's own network never touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from machine import children, gone, unchanged

from conformance.lab.sandbox import rundir
from conformance.lab.sandbox.jobs import JobError, Jobs

pytestmark = pytest.mark.outside

HERE = Path(__file__).parent


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    monkeypatch.setenv("PYTHONPATH", f"{HERE}:{HERE.parents[1]}")
    with Jobs() as made:
        yield made


def test_a_job_sees_only_its_own_sandbox(jobs: Jobs) -> None:
    seen = jobs.submit("jobs:look", {}).result(60)
    assert seen["pid"] == 2
    assert seen["uid"] == 0
    assert "lo" in seen["interfaces"]
    assert "eth0" not in seen["interfaces"]
    assert seen["scratch_is_mount"]
    assert seen["processes"] <= 3


def test_an_exception_comes_back_with_its_trace(jobs: Jobs) -> None:
    with pytest.raises(JobError, match="ValueError: no") as caught:
        jobs.submit("jobs:refuse", {}).result(60)
    assert "refuse" in caught.value.trace


@pytest.mark.parametrize("victim", ["parent", "server", "sandbox"])
def test_kill_leaves_nothing(victim: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """SIGKILL of the command, of the recording server or of a sandbox, in the middle of a lab."""
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    program = (
        "from conformance.lab.sandbox.jobs import JobError, Jobs\n"
        "made = Jobs()\n"
        f"future = made.submit('jobs:settle', {{'ready': {str(ready)!r}}})\n"
        "try: future.result()\n"
        "except JobError: pass\n"
        "made.close()\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{HERE}:{HERE.parents[1]}"}
    with unchanged(*[rundir.sweep] * (victim == "server")):  # which cannot clean up any more: the next run does
        _kill(victim, ready, subprocess.Popen([sys.executable, "-c", program], env=environment), request)


def _kill(victim: str, ready: Path, parent: subprocess.Popen[bytes], request: pytest.FixtureRequest) -> None:
    request.addfinalizer(parent.wait)
    request.addfinalizer(parent.kill)
    assert ready.read_text() == "ready"
    family = children(parent.pid)
    assert len(family) >= 5
    watched = {pid: os.pidfd_open(pid) for pid in [*family, parent.pid]}
    target = {"parent": parent.pid, "server": family[0], "sandbox": family[1]}[victim]
    signal.pidfd_send_signal(watched[target], signal.SIGKILL)
    parent.wait()
    for pid, descriptor in watched.items():
        assert gone(descriptor), f"process {pid} outlived the kill of the {victim}"
        os.close(descriptor)


def test_a_run_without_root(tmp_path_factory: pytest.TempPathFactory) -> None:
    """As a real other user: the same sandbox in a user namespace."""
    if os.geteuid() != 0:
        pytest.skip("already without root")
    program = (
        "import sys; sys.path[:0] = sys.argv[1].split(':')\n"
        "import os; os.environ['PYTHONPATH'] = sys.argv[1]\n"
        "from conformance.lab.sandbox.jobs import Jobs\n"
        "with Jobs() as made: print(made.submit('jobs:look', {}).result())\n"
    )
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    places = f"{HERE}:{HERE.parents[1]}:{packages}"
    readable = "/usr/bin/python3"
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", readable, "-c", program, places]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd="/", env={"PATH": os.environ["PATH"]}
    )
    if "Permission denied" in done.stderr or "No module named" in done.stderr:
        pytest.skip(f"this checkout cannot be read by another user: {done.stderr.splitlines()[-1]}")
    assert "'uid': 0" in done.stdout, done.stderr
    assert "eth0" not in done.stdout
