"""The product as its users meet it: commands, exit codes, judging elsewhere, interruption and sudden death."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import pytest
from command import (
    CHECKOUT,
    COMMAND,
    INTERRUPTIBLE,
    SMALL,
    SMALL_PROFILES,
    Stranger,
    environment,
    outcomes,
    plain_pytest,
    planned,
    plugfest,
    pytest_line,
)
from machine import children, gone, unchanged

from conformance.lab.sandbox.rundir import sweep
from conformance.recording.store import find, load
from conformance.report.model import canonical_outcomes
from conformance.report.store import read

pytestmark = [pytest.mark.outside]

PROFILES = SMALL_PROFILES


@pytest.fixture(scope="module")
def stranger() -> Iterator[Stranger]:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory(prefix="plugfest-stranger-") as name:
        Path(name).chmod(0o755)
        yield Stranger(Path(name))


@pytest.fixture(autouse=True, scope="module")
def swept() -> None:
    """Remove what a killed run of somebody else has left on this machine, before we look at what we leave."""
    sweep()


# --- what a run says and leaves -----------------------------------------------------------------------------------
def test_a_run_says_what_it_found(small_run: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    out, ended = small_run
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "nat.udp-untranslated" in ended.stdout
    assert str(out.name) in ended.stdout.splitlines()[-1]
    assert len(ended.stdout.splitlines()) < 60
    recordings = [line for line in ended.stderr.splitlines() if "nat-bridge" in line]
    assert len(recordings) >= 2, f"a line for every recording: {ended.stderr}"
    assert {path.name for path in out.iterdir()} >= {"run.json", "matrix.md", "matrix.html", "junit.xml", *PROFILES}
    reports = {name: read(out / name) for name in PROFILES}
    assert not any(report.partial for report in reports.values())
    codes = {name: report.footer.exit_code for name, report in reports.items() if report.footer}
    assert codes == {"routed-64": 0, "nat-bridge": 1}
    assert not list(out.rglob(".*")), "nothing half-written is left"


def test_a_run_can_be_looked_at(small_run: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    """The page links what lies beside it; a recording is shown with the frames that decide, and as a picture."""
    out, _ = small_run
    page = (out / "matrix.html").read_text()
    captures = set(re.findall(r'"capture":"([^"]+)"', page))
    assert captures
    assert all((out / capture).is_file() for capture in captures)
    recording = next(path for path in find(out / "nat-bridge") if load(path).record.scenario == "reachability")
    ended = plugfest(tmp_path, "show", str(recording), "--only", "nat.tcp-untranslated", "--svg", "picture.svg")
    assert ended.returncode == 0, ended.stderr
    assert "nat.tcp-untranslated" in ended.stdout
    assert re.search(r"h1\w > h1 > .*TCP .*; at h1: 192\.0\.2\.", ended.stdout), ended.stdout
    picture = ElementTree.parse(tmp_path / "picture.svg")
    assert any("changed" in (each.get("class") or "").split() for each in picture.iter())
    for wrong in (("--frames", "x"), ("--frames", "999999999"), ("--flow", "987654321"), ("--only", "lldp")):
        refused = plugfest(tmp_path, "show", str(recording), *wrong)
        assert refused.returncode == 2
        assert len(refused.stderr.splitlines()) == 1


def test_conforming_ends_0(small_run: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    out, _ = small_run
    assert plugfest(tmp_path, "matrix", out / "routed-64").returncode == 0
    assert plugfest(tmp_path, "matrix", out).returncode == 1
    assert not list(tmp_path.iterdir())


# --- judging again ------------------------------------------------------------------------------------------------
def same_outcomes(one: Path, other: Path) -> None:
    for name in PROFILES:
        assert canonical_outcomes(read(one / name)) == canonical_outcomes(read(other / name))
        assert json.dumps(outcomes(one / name / "report.json")) == json.dumps(outcomes(other / name / "report.json"))


def test_judging_again_gives_the_same_bytes(
    small_run: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """Into another folder, and in place from a copy that has no reports and lies elsewhere."""
    out, _ = small_run
    assert plugfest(tmp_path, "judge", out, "--out", "again").returncode == 1
    same_outcomes(out, tmp_path / "again")
    shutil.copytree(out, tmp_path / "moved", ignore=shutil.ignore_patterns("report.json", "*.md", "junit.xml"))
    assert plugfest(tmp_path, "judge", "moved").returncode == 1
    same_outcomes(out, tmp_path / "moved")
    shutil.rmtree(tmp_path / "moved" / "nat-bridge")
    ended = plugfest(tmp_path, "judge", "moved", "--out", "half")
    assert ended.returncode == 3, ended.stdout
    assert "moved: incomplete by the run's own plan" in ended.stdout
    assert "nat-bridge: without 2 recordings" in ended.stdout
    half, whole = read(tmp_path / "half" / "routed-64"), read(out / "routed-64")
    assert canonical_outcomes(half) == canonical_outcomes(whole), "what is there is judged as before"


def test_judging_never_imports_the_lab(
    small_run: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(
        "import atexit, pathlib, sys\n"
        f"told = pathlib.Path({str(tmp_path / 'modules')!r})\n"
        "atexit.register(lambda: told.write_text('\\n'.join(sorted(sys.modules))))\n"
    )
    ended = plugfest(tmp_path, "judge", small_run[0], "--out", "again", PYTHONPATH=str(tmp_path / "hook"))
    assert ended.returncode == 1
    modules = (tmp_path / "modules").read_text().splitlines()
    assert "conformance.families.nat.checks" in modules
    rooms = ("conformance.lab", "conformance.provoking.context", "conformance.adapters.", "pyroute2", "docker")
    assert [name for name in modules if name.startswith(rooms) and name != "conformance.adapters.interface"] == []


def test_another_user_judges(small_run: tuple[Path, subprocess.CompletedProcess[str]], stranger: Stranger) -> None:
    """Without root, without the lab: from a copy that only the other user has."""
    shutil.copytree(small_run[0], stranger.home / "theirs", ignore=shutil.ignore_patterns("report.json"))
    ended = stranger.plugfest("judge", "theirs", "--out", "again")
    assert ended.returncode == 1, ended.stderr
    same_outcomes(small_run[0], stranger.home / "again")


# --- plain pytest -------------------------------------------------------------------------------------------------
def test_plain_pytest_does_the_same(small_run: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    arguments = [word for name in PROFILES for word in ("--profile", name)]
    ended = plain_pytest(tmp_path, *arguments, *SMALL, "--recordings", small_run[0], "--out", "judged")
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED, ended.stdout
    same_outcomes(small_run[0], tmp_path / "judged")


def test_plain_pytest_records(tmp_path: Path) -> None:
    with unchanged():
        ended = plain_pytest(tmp_path, "--profile", "routed-64", *SMALL)
    assert ended.returncode == pytest.ExitCode.OK, ended.stdout
    assert "PASSED" in ended.stdout
    assert "conformance.families.nat.checks::test_udp_is_not_translated[routed-64-same-subnet-" in ended.stdout
    assert not list(tmp_path.iterdir())


ONE: Final = "conformance.families.nat.checks::test_client_address_is_seen[routed-64-same-subnet-ipv6-tcp-inbound]"
STRICT: Final = "[pytest]\ntestpaths = tests\npython_files = *.py\naddopts = --strict-markers\nfilterwarnings = error\n"


@pytest.mark.parametrize(
    ("arguments", "tests"),
    [
        ((*SMALL,), None),
        (("--pyargs", "conformance.families", *SMALL), None),
        ((ONE, *SMALL), 1),
        ((f"../{ONE}", *SMALL), 1),
        ((f"{CHECKOUT}/conformance/families/nat/checks.py", *SMALL, "-k", "routed-64 and client_address"), 4),
    ],
    ids=["no-argument", "package", "node-id", "node-id-from-below", "file"],
)
def test_plain_pytest_among_the_tests_of_its_user(
    arguments: tuple[str, ...], tests: int | None, tmp_path: Path
) -> None:
    """From any folder, whatever pytest is set up to do there: each check once, none of the user's own tests, and the
    plain wire is judged where only one test is named. Without a selection there is a test for each outcome that is
    planned, and as many of the plain wire."""
    tests = tests or 2 * planned(tmp_path, "routed-64")
    (tmp_path / "pytest.ini").write_text(STRICT)
    (tmp_path / "conftest.py").write_text(
        "import pytest\n@pytest.fixture(autouse=True)\ndef always():\n    raise ValueError\n"
    )
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_own.py").write_text("def test_own():\n    raise ValueError\n")
    ended = plain_pytest(tmp_path / "tests", "--profile", "routed-64", *arguments)
    assert ended.returncode == pytest.ExitCode.OK, ended.stdout + ended.stderr
    assert re.search(rf"\b{tests} passed\b", ended.stdout), ended.stdout
    assert "test_own" not in ended.stdout


def test_plain_pytest_tells_why(small_run: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    ended = plain_pytest(tmp_path, "--recordings", small_run[0], "-k", "test_udp_is_not_translated and nat-bridge")
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED, ended.stdout
    assert "nat.udp-untranslated (SUITE): fail" in ended.stdout
    assert "expected: source and destination address and port are the same" in ended.stdout
    assert "/frames.pcapng" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--profile", "rooted-64"), "did you mean 'routed-64'"),
        (("--only", "nta"), "no requirement 'nta'"),
        (("--profile", "routed-64", "--set", "adapter.netwrok=1"), "did you mean 'network'"),
    ],
)
def test_plain_pytest_refuses_in_one_line(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    ended = plain_pytest(tmp_path, *arguments)
    assert ended.returncode == pytest.ExitCode.USAGE_ERROR
    assert words in ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
    assert not list(tmp_path.iterdir())


# --- bad usage ----------------------------------------------------------------------------------------------------
WRONG_KEY = 'schema = 1\nname = "mine"\ntitel = "A network of mine"\nkind = "linux"\n'

BAD_USAGE = {
    "profile-name": (("run", "rooted-64"), "did you mean 'routed-64'?"),
    "profile-path": (("run", "./nothing.toml"), "no such profile file"),
    "profile-key": (("run", "./mine.toml"), "mine.toml: titel: unknown key; did you mean 'title'?"),
    "only": (("run", "routed-64", "--only", "nta"), "--only nta: no requirement 'nta'"),
    "only-unchecked": (("run", "routed-64", "--only", "bgp"), "--only bgp: no check decides it yet"),
    "set-form": (("run", "routed-64", "--set", "network"), "write KEY=VALUE"),
    "set-key": (("run", "routed-64", "--set", "adapter.netwrok=vxlan"), "did you mean 'network'?"),
    "set-kind": (("run", "routed-64", "--set", "kind=linus"), "did you mean 'linux'?"),
    "set-module": (("run", "routed-64", "--set", "module=mine.py"), "mine.py: there is no such file"),
    "as": (("run", "routed-64", "--as", "Mine!"), "name: String should match pattern"),
    "two-names": (("run", "routed-64", "vxlan", "--as", "mine"), "name exactly one profile"),
    "twice": (("run", "routed-64", "routed-64"), "routed-64 is named twice"),
    "control": (("run", "plain-wire"), "the control of every run"),
    "testbed": (("run", "routed-64", "--testbed", "same-subent"), "did you mean 'same-subnet'?"),
    "out": (("run", "routed-64", "--only", "addr", "--out", "/proc/nowhere"), "--out /proc/nowhere: cannot be made"),
    "all": (("run", "routed-64", "--all"), "--all: name no profile with it"),
    "plan": (("run", "rooted-64", "--plan"), "did you mean 'routed-64'?"),
    "judge": (("judge", "."), "there is no recording in that folder"),
    "matrix": (("matrix", "."), "there is no report.json in it"),
}


@pytest.mark.parametrize(("arguments", "words"), BAD_USAGE.values(), ids=BAD_USAGE)
def test_bad_usage_ends_2_with_one_line(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(WRONG_KEY)
    ended = plugfest(tmp_path, *arguments)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert ended.stdout == ""
    lines = ended.stderr.splitlines()
    assert len(lines) == 1, ended.stderr
    assert lines[0].startswith("plugfest: ")
    assert words in lines[0]
    assert [path.name for path in tmp_path.iterdir()] == ["mine.toml"]


def test_a_run_is_not_mixed_with_an_earlier_one(
    small_run: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    ended = plugfest(tmp_path, "run", "vxlan", "--only", "addr", "--out", small_run[0])
    assert ended.returncode == 2
    assert "holds an earlier run" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


# --- what is not there --------------------------------------------------------------------------------------------
def test_an_unavailable_implementation_ends_3(tmp_path: Path) -> None:
    narrow = ("--testbed", "same-subnet", "--only", "addr.mac-valid")
    ended = plugfest(tmp_path, "run", "docker-bridge", "--set", "adapter.dockerd=/nonexistent", *narrow, "--out", "out")
    assert ended.returncode == 3, ended.stderr
    assert "unavailable: /nonexistent is not installed" in ended.stdout
    assert "docker.io" in ended.stdout
    report = read(tmp_path / "out" / "docker-bridge")
    assert report.header.unavailable is not None
    assert "docker.io" in report.header.unavailable.packages
    assert not report.outcomes
    assert "unavailable" in (tmp_path / "out" / "matrix.md").read_text()


def test_a_run_outlives_who_reads_its_progress(tmp_path: Path) -> None:
    command = [sys.executable, "-c", COMMAND, "run", "routed-64", *SMALL, "--out", "out"]
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run(
            command, cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL, stderr=writer, timeout=540, check=False
        )
    finally:
        os.close(writer)
    assert ended.returncode == 0
    assert not read(tmp_path / "out" / "routed-64").partial


def test_matrix_ends_0_where_it_is_complete(tmp_path: Path) -> None:
    narrow = ("--testbed", "same-subnet", "--only", "route.from-host", "--matrix")
    assert plugfest(tmp_path, "run", "macvlan", *narrow, "--out", "out").returncode == 0
    assert {outcome["verdict"] for outcome in outcomes(tmp_path / "out" / "macvlan" / "report.json")} == {"fail"}


# --- versions side by side ----------------------------------------------------------------------------------------
@pytest.mark.peers
def test_old_and_new_stand_side_by_side(tmp_path: Path) -> None:
    plugins = Path("/usr/lib/cni")
    if not (plugins / "bridge").exists():
        pytest.skip("needs the package containernetworking-plugins")
    shutil.copytree(plugins, tmp_path / "old")
    narrow = ("--testbed", "same-subnet", "--only", "addr")
    renamed = ("--set", f"adapter.plugin_dir={tmp_path / 'old'}", "--as", "cni-bridge@1.9")
    assert plugfest(tmp_path, "run", "cni-bridge", *narrow, "--out", "new-run").returncode == 0
    assert plugfest(tmp_path, "run", "cni-bridge", *renamed, *narrow, "--out", "old-run").returncode == 0
    assert (tmp_path / "old-run" / "cni-bridge@1.9" / "report.json").is_file()
    recorded = find(tmp_path / "old-run" / "cni-bridge@1.9")
    assert load(recorded[0]).record.profile.adapter["plugin_dir"] == str(tmp_path / "old")
    ended = plugfest(tmp_path, "matrix", "new-run", "old-run")
    assert ended.returncode == 0, ended.stdout
    heading = next(line for line in ended.stdout.splitlines() if "cni-bridge@1.9" in line)
    assert heading.count("cni-bridge") == 2


# --- doing nothing ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("profile", ["routed-64", "cni-bridge", "docker-overlay"])
def test_a_plan_does_nothing(profile: str, tmp_path: Path) -> None:
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(
        "import sys\n"
        "def refuse(event, arguments):\n"
        "    assert event not in ('os.fork', 'os.mkdir', 'socket.bind'), (event, arguments)\n"
        "    written = event == 'open' and isinstance(arguments[0], str) and arguments[2] & 0o101\n"
        "    assert not written or arguments[0] == '/dev/null', arguments\n"
        "sys.addaudithook(refuse)\n"
    )
    (tmp_path / "empty").mkdir()
    further = {"PYTHONPATH": str(tmp_path / "hook"), "PYTHONDONTWRITEBYTECODE": "1"}
    ended = plugfest(tmp_path / "empty", "run", profile, "--plan", "--out", "out", **further)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    words = [line.split()[0] for line in ended.stdout.splitlines() if line.startswith("  ")]
    assert {"start", "record", "judge"} == set(words)
    assert len(ended.stdout.splitlines()) < 40
    assert profile in ended.stdout
    assert "plain-wire" in ended.stdout
    assert not list((tmp_path / "empty").iterdir())


def test_doctor(tmp_path: Path, stranger: Stranger) -> None:
    for ended, who in ((plugfest(tmp_path, "doctor"), "as root"), (stranger.plugfest("doctor"), "without root")):
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert who in ended.stdout
        assert "implementations are here: " in ended.stdout
        assert "net.ipv4.ip_forward" in ended.stdout
        assert len(ended.stdout.splitlines()) < 25
    named = plugfest(tmp_path, "doctor", "routed-64")
    assert (named.returncode, "ok    routed-64: Linux kernel" in named.stdout) == (0, True)
    assert not list(tmp_path.iterdir())


# --- interruption and sudden death --------------------------------------------------------------------------------
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
