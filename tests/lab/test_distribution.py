"""A distribution of somebody else, as `plugfest new` writes it: beside an installed wheel, installed and taken away."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from command import CHECKOUT, LONGEST

from conformance.report.model import canonical_outcomes
from conformance.report.store import read

pytestmark = pytest.mark.outside

NARROW: Final = ("--testbed", "same-subnet", "--only", "mine")
CLASS: Final = """
title = "The least"
statement = "Datagrams arrive."
roles = ["workload-network"]
testbeds = ["same-subnet"]
requirements = ["mine.datagrams-arrive"]
"""
FURTHER: Final = 'package=__name__,\n    roles=(Role("mine-role"),),\n    features=(Feature("mine-feature"),),'
"""What the family brings beside what a new one does."""


@dataclass(frozen=True)
class Installation:
    """A virtual environment with the suite, from a wheel, and a folder to work in.

    The libraries are those of the interpreter that runs the tests, so that nothing is fetched.
    """

    place: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.place / "venv" / "bin" / "python"

    def run(self, *arguments: str | Path, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run its interpreter with these arguments, in its folder or another one."""
        return _run([self.python, *arguments], folder or self.place)

    def plugfest(self, *arguments: str | Path) -> str:
        """What a command of the suite prints; it must end with 0."""
        ended = self.run("-m", "conformance", *arguments)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def pip(self, *arguments: str | Path) -> None:
        """Install or take away without a network."""
        ended = _run([sys.executable, "-m", "pip", "--python", self.python, "--no-input", *arguments], self.place)
        assert ended.returncode == 0, ended.stdout + ended.stderr


def _run(command: list[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    variables = {**kept, "COLUMNS": "200", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return subprocess.run(
        list(map(str, command)), cwd=folder, env=variables, capture_output=True, text=True, timeout=LONGEST, check=False
    )


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    build: list[str | Path] = ["wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder]
    ended = _run([sys.executable, "-m", "pip", *build, CHECKOUT], folder)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="session")
def installation(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The suite, and a new family, adapter and profile, written by it; the family is installed from its folder."""
    made = Installation(tmp_path_factory.mktemp("installation"))
    _run([sys.executable, "-m", "venv", "--without-pip", made.place / "venv"], made.place)
    (site,) = (made.place / "venv" / "lib").glob("*/site-packages")
    (site / "libraries.pth").write_text("\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}))
    made.pip("install", "-q", "--no-deps", "--ignore-installed", wheel)
    made.plugfest("new", "family", "mine")
    made.plugfest("new", "check", "mine.links-up")
    made.plugfest("new", "adapter", "my-fabric", "--in", "fabric")
    made.plugfest("new", "profile", "my-net", "--in", "net")
    family = made.place / "plugfest-mine" / "plugfest_mine"
    first = family / "__init__.py"
    first.write_text(
        first.read_text()
        .replace("import Family, Scenario", "import Family, Feature, Role, Scenario")
        .replace("package=__name__,", FURTHER)
    )
    (family / "classes").mkdir()
    (family / "classes" / "mine-least-1.toml").write_text(CLASS)
    install(made)
    return made


def install(made: Installation) -> None:
    """Install the family."""
    made.pip("install", "-q", "--no-deps", "--no-build-isolation", made.place / "plugfest-mine")


@pytest.fixture(scope="session")
def run(installation: Installation) -> tuple[Path, str]:
    """A run of what the family demands: its folder, and what it printed, with the whole matrix."""
    printed = installation.plugfest("run", "routed-64", *NARROW, "--out", "out", "-v")
    return installation.place / "out", printed


@pytest.fixture
def taken_away(installation: Installation, run: tuple[Path, str]) -> Iterator[Path]:
    """The same when the family is uninstalled: the folder of the run."""
    installation.pip("uninstall", "-q", "-y", "plugfest-mine")
    yield run[0]
    install(installation)


# --- what is written ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("what", ["plugfest-mine", "fabric", "net"])
def test_what_is_written_is_typed_and_clean(installation: Installation, what: str) -> None:
    """Against the installed wheel, which ships its types."""
    folder = installation.place / what
    typed = _run([sys.executable, "-m", "mypy", "--strict", "--python-executable", installation.python, "."], folder)
    assert typed.returncode == 0, typed.stdout + typed.stderr
    for settings in (["--isolated"], ["--config", str(CHECKOUT / "pyproject.toml")]):
        linted = _run([sys.executable, "-m", "ruff", "check", "--no-cache", *settings, "."], folder)
        assert linted.returncode == 0, linted.stdout


def test_a_wrong_adapter_is_not_typed(installation: Installation, tmp_path: Path) -> None:
    """The types of the suite are seen: without them everything would pass."""
    source = (installation.place / "fabric" / "my_fabric.py").read_text()
    (tmp_path / "wrong.py").write_text(source.replace("host.name, namespace", "namespace, host.name"))
    command = ["mypy", "--strict", "--python-executable", str(installation.python), "wrong.py"]
    typed = _run([sys.executable, "-m", *command], tmp_path)
    assert typed.returncode == 1
    assert 'incompatible type "Namespace"; expected "str"' in typed.stdout


@pytest.mark.parametrize("what", ["plugfest-mine", "fabric", "net"])
def test_what_is_written_passes_its_own_tests(installation: Installation, what: str) -> None:
    ended = installation.run("-m", "pytest", "-q", "-p", "no:cacheprovider", folder=installation.place / what)
    assert ended.returncode == 0, ended.stdout
    assert "passed" in ended.stdout


# --- what is installed is there -----------------------------------------------------------------------------------
LISTED: Final = {
    "families": "mine       Mine                       2 requirements  plugfest_mine",
    "requirements": "mine.datagrams-arrive  SUITE  checked",
    "scenarios": "mine           Endpoints send each other datagrams",
    "classes": "mine-least-1             The least (1 of 1 requirements checked)",
    "roles": "mine-role              mine       attaches workloads",
    "features": "mine-feature           mine",
}


@pytest.mark.parametrize("what", LISTED)
def test_lists_know_it(installation: Installation, what: str) -> None:
    assert LISTED[what] in installation.plugfest("list", what).splitlines()


@pytest.mark.parametrize("name", ["mine", "mine.datagrams-arrive", "mine-least-1"])
def test_it_is_explained(installation: Installation, name: str) -> None:
    assert "mine.datagrams-arrive" in installation.plugfest("explain", name)


def test_the_documentation_lists_it(installation: Installation) -> None:
    program = (
        "from conformance.upkeep.documentation import catalogue\n"
        "print('\\n'.join(text for _, text in catalogue.pages()))"
    )
    text = installation.run("-c", program).stdout
    for word in ("## mine", "mine.datagrams-arrive", "mine-least-1", "mine-datagrams-dropped"):
        assert word in text


def test_it_is_recorded_and_judged(installation: Installation, run: tuple[Path, str]) -> None:
    """A run, judging its recordings again, and plain pytest say the same; the page shows it."""
    out, printed = run
    assert re.search(r"mine\.datagrams-arrive +SUITE +✓", printed)
    report = read(out / "routed-64")
    assert {one.requirement for one in report.outcomes} == {"mine.datagrams-arrive", "mine.links-up"}
    assert {one.verdict.value for one in report.outcomes} == {"pass"}
    assert "mine.datagrams-arrive" in (out / "matrix.html").read_text()
    installation.plugfest("judge", out, "--out", "again")
    plain = ("-p", "conformance.plugin", "-p", "no:cacheprovider", "--recordings", out, "--out", "plain")
    ended = installation.run("-m", "pytest", *plain)
    assert ended.returncode == 0, ended.stdout
    assert f"{2 * len(report.outcomes)} passed" in ended.stdout
    for folder in ("again", "plain"):
        assert canonical_outcomes(read(installation.place / folder / "routed-64")) == canonical_outcomes(report)


def test_its_fault_is_planted(installation: Installation) -> None:
    said = installation.plugfest("selftest", "mine-datagrams-dropped")
    assert "mine-datagrams-dropped" in said


def test_only_what_is_asked_for_is_planned(installation: Installation) -> None:
    said = installation.plugfest("run", "routed-64", "--only", "mine.datagrams-arrive", "--plan")
    recorded = {line for line in said.splitlines() if line.startswith("  record ")}
    assert recorded == {"  record  on routed, same-subnet: mine"}
    assert "reachability" not in said


# --- what is taken away is gone -----------------------------------------------------------------------------------
def test_nothing_of_it_is_left(installation: Installation, taken_away: Path) -> None:
    for what in LISTED:
        assert "mine" not in re.split(r"[\s.]+", installation.plugfest("list", what)), what
    for arguments in (("explain", "mine"), ("run", "routed-64", "--only", "mine"), ("selftest", "mine")):
        ended = installation.run("-m", "conformance", *arguments)
        assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1), ended.stderr


MISSING: Final = (
    "recording.json: scenario: no family that is installed has 'mine'; install the distribution that brings it"
)


def test_a_recording_of_it_says_what_is_missing(installation: Installation, taken_away: Path) -> None:
    recording = next(taken_away.glob("routed-64/recordings/*-mine-1"))
    for command, place in (("judge", taken_away), ("show", recording)):
        ended = installation.run("-m", "conformance", command, place)
        assert ended.returncode == 2, ended.stdout + ended.stderr
        (line,) = ended.stderr.splitlines()
        assert MISSING in line
    verified = installation.run("-m", "conformance", "verify", taken_away)
    assert verified.returncode == 1
    assert "suite: the code of family mine is gone" in verified.stdout
    assert MISSING in verified.stdout
    assert "mine.datagrams-arrive" in installation.plugfest("matrix", taken_away), "a report needs no family"
