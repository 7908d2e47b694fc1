"""The product as its users meet it: commands, exit codes, judging elsewhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import pytest
from command import (
    CHECKOUT,
    COMMAND,
    SMALL,
    SMALL_PROFILES,
    Stranger,
    environment,
    outcomes,
    plain_pytest,
    planned,
    plugfest,
)
from machine import unchanged

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
