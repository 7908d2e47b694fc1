"""Runs that end early: interruption, sudden death and a full disk leave a readable report, and nothing else."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from command import (
    COMMAND,
    INTERRUPTIBLE,
    environment,
    plugfest,
    pytest_line,
)
from machine import children, gone, unchanged

from conformance.lab.sandbox.rundir import sweep
from conformance.recording.store import find, load
from conformance.report.store import read

pytestmark = [pytest.mark.outside]


@pytest.fixture(autouse=True, scope="module")
def swept() -> None:
    """Remove what a killed run of somebody else has left on this machine, before we look at what we leave."""
    sweep()


STUCK = '''
"""A network that is never there: its deployment says so, and goes on for ever in the middle of a lab."""

from contextlib import contextmanager
from pathlib import Path

from conformance.adapters.interface import Identity


class Adapter:
    weight = 1
    needs_root = False

    def __init__(self, profile):
        del profile

    def identify(self):
        return Identity("Stuck", "1")

    def plan(self):
        return ()

    @contextmanager
    def deploy(self, lab):
        host = lab.hosts["h1"]
        host.start(["sleep", "100000"], log="sleeper")
        Path(__file__).with_name("ready").write_text("ready")
        host.run(["sleep", "100000"], timeout=100000)
        yield


def adapter(profile):
    return Adapter(profile)
'''


ENGINES = '''
"""Container engines, each with a container, of which nobody says anything for ever."""

from contextlib import contextmanager
from pathlib import Path

from conformance.adapters.docker import DockerAdapter
from conformance.adapters.docker.settings import settings_of
from conformance.adapters.interface import Attachment


class Adapter(DockerAdapter):
    @contextmanager
    def deploy(self, lab):
        with super().deploy(lab) as subject:
            for host in lab.hosts.values():
                subject.attach(host, Attachment(f"{host.name}-a"))
            Path(__file__).with_name("ready").write_text("ready")
            lab.hosts["h1"].run(["sleep", "100000"], timeout=100000)
            yield subject


def adapter(profile):
    return Adapter(profile, settings_of(profile))
'''


def stuck(folder: Path, module: str = STUCK, settings: str = "") -> Path:
    """A profile whose recordings never end; returns the FIFO that says that one is in the middle of its lab."""
    (folder / "stuck.py").write_text(module)
    ready = folder / "ready"
    os.mkfifo(ready)
    (folder / "stuck.toml").write_text(
        'schema = 1\nname = "stuck"\ntitle = "A network that is never there"\nkind = "stuck"\nmodule = "stuck.py"\n'
        f'roles = ["workload-network"]\nfeatures = ["ipv4"]\n[adapter]\n{settings}\n'
    )
    return ready


class Started:
    """A command in the middle of its work, with everything that it has started."""

    def __init__(self, command: list[str], folder: Path, resources: ExitStack) -> None:
        self.process = resources.enter_context(
            subprocess.Popen(
                [*INTERRUPTIBLE, *command],
                cwd=folder,
                env=environment(PLUGFEST_LABS="24"),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        resources.callback(self.process.kill)
        assert self.process.stdout is not None
        self._output = self.process.stdout
        self._resources = resources
        self.family: dict[int, int] = {}

    def await_line(self, word: str) -> None:
        """Wait until it says a line with this word."""
        assert any(word in line for line in self._output), f"it ended before it said {word!r}"

    def end(self, number: int) -> str:
        """Send a signal to it only, wait until it and all that it has started are gone; returns its last words."""
        for pid in children(self.process.pid):
            with suppress(ProcessLookupError):
                self.family[pid] = os.pidfd_open(pid)
                self._resources.callback(os.close, self.family[pid])
        assert len(self.family) >= 4, "the recording server, a sandbox, its init and the scenario"
        self.process.send_signal(number)
        words = self._output.read()
        self.process.wait()
        for pid, descriptor in self.family.items():
            assert gone(descriptor), f"process {pid} outlived its run"
        return words


def whole(out: Path) -> None:
    """Every recording that can be found is whole, and can be judged."""
    for folder in find(out):
        assert len(load(folder).frames)
    ended = plugfest(out.parent, "judge", out, "--out", out.parent / "judged")
    assert ended.returncode in (0, 1, 3), ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr


ARGUMENTS = ("--testbed", "same-subnet", "--only", "nat", "--out", "out")
RUNS = {
    "plugfest": [sys.executable, "-c", COMMAND, "run", "./stuck.toml", *ARGUMENTS],
    "pytest": pytest_line("--profile", "./stuck.toml", *ARGUMENTS),
}


@pytest.mark.parametrize(
    ("runner", "number", "code"),
    [
        ("plugfest", signal.SIGINT, 130),
        ("plugfest", signal.SIGTERM, 143),
        ("pytest", signal.SIGINT, pytest.ExitCode.INTERRUPTED),
    ],
)
def test_interruption_leaves_a_partial_report(runner: str, number: int, code: int, tmp_path: Path) -> None:
    ready = stuck(tmp_path)
    with unchanged(), ExitStack() as resources:
        started = Started(RUNS[runner], tmp_path, resources)
        assert ready.read_text()
        words = started.end(number)
        assert started.process.returncode == code, words
    assert "Traceback" not in words
    assert not list((tmp_path / "out").rglob(".partial-*"))
    assert read(tmp_path / "out" / "stuck").partial
    ended = plugfest(tmp_path, "matrix", "out")
    assert ended.returncode == 3
    assert "partial" in ended.stdout
    if runner == "plugfest":
        assert "partial" in (tmp_path / "out" / "matrix.md").read_text()


def test_interruption_keeps_what_was_recorded(tmp_path: Path) -> None:
    command = [sys.executable, "-c", COMMAND, "run", "routed-64", "--out", "out"]
    with unchanged(), ExitStack() as resources:
        started = Started(command, tmp_path, resources)
        started.await_line("plain-wire  4/8")
        words = started.end(signal.SIGINT)
        assert started.process.returncode == 130, words
    report = read(tmp_path / "out" / "routed-64")
    assert report.partial
    assert "partial" in words
    assert find(tmp_path / "out" / "plain-wire")
    whole(tmp_path / "out")


@pytest.mark.parametrize("runner", RUNS)
def test_sudden_death_leaves_nothing(runner: str, tmp_path: Path) -> None:
    ready = stuck(tmp_path)
    with unchanged(), ExitStack() as resources:
        started = Started(RUNS[runner], tmp_path, resources)
        assert ready.read_text()
        started.end(signal.SIGKILL)
    assert not list((tmp_path / "out").rglob("report.json"))
    assert not list((tmp_path / "out").rglob(".partial-*"))
    assert not find(tmp_path / "out" / "stuck")
    for command in ("matrix", "judge", "verify"):
        ended = plugfest(tmp_path, command, "out")
        assert ended.returncode == 3, ended.stdout + ended.stderr
        assert "incomplete by the run's own plan (1 profile, 1 testbed, " in ended.stdout


def test_interruption_of_the_start_ends_130(tmp_path: Path) -> None:
    """Checks are collected, and nothing is recorded yet."""
    say = "def main(*a, **k): print('ready', flush=True); return pytest_main(*a, **k)"
    lines = (
        "import pytest",
        "pytest_main = pytest.main",
        say,
        "pytest.main = main",
        COMMAND.replace("main()", "start()"),
    )
    command = [*INTERRUPTIBLE, sys.executable, "-c", "\n".join(lines).replace("import main;", "import main as start;")]
    process = subprocess.Popen(
        [*command, "run", "routed-64", "--out", "out"], cwd=tmp_path, env=environment(), stdout=-1, stderr=-2, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        words = process.stdout.read()
    assert process.returncode == 130, words
    assert "Traceback" not in words


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root mounts a small disk")
    (tmp_path / "small").mkdir()
    run = [sys.executable, "-c", COMMAND, "run", "routed-64", "--testbed", "same-subnet", "--out", "small/out"]
    line = f"mount -t tmpfs -o size=512k none small && exec {shlex.join(run)}"
    ended = subprocess.run(
        ["unshare", "-m", "sh", "-c", line],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("plugfest: no space left on the disk")


@pytest.mark.peers
@pytest.mark.skipif(shutil.which("dockerd", path="/usr/sbin:/usr/bin") is None, reason="needs the package docker.io")
def test_sudden_death_amid_container_engines(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("real peers need root")
    ready = stuck(tmp_path, ENGINES, 'network = "macvlan"')
    with unchanged(), ExitStack() as resources:
        started = Started(RUNS["plugfest"], tmp_path, resources)
        assert ready.read_text()
        programs = {name_of(pid) for pid in children(started.process.pid)}
        assert {"dockerd", "containerd", "containerd-shim"} <= programs
        started.end(signal.SIGKILL)
    assert not find(tmp_path / "out" / "stuck")


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
