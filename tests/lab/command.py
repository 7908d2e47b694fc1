"""The command ``plugfest`` and plain pytest as a user runs them: processes of their own, anywhere, as anybody."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.requirements import Requirement

CHECKOUT: Final = Path(__file__).parents[2]
COMMAND: Final = "from conformance.cli import main; main()"
INTERRUPTIBLE: Final = ("env", "--default-signal=INT")
"""Before a command that is to be interrupted: a shell's background jobs ignore SIGINT, and so does what they start."""
LONGEST: Final = 1740
"""Seconds after which a command is given up: the run of every implementation, on a machine that others use too."""
NOBODY: Final = 65534
OUTSIDE: Final = frozenset(
    f"{vendor}{bundled}" for vendor in ("arista-eos", "cisco-ios", "juniper-junos") for bundled in ("", "-lag")
)
"""Devices that are not here, asked on a server that plays transcripts (tests/unit/test_transcripts.py)."""
EMULATED: Final = frozenset({"linux-bonding", "linux-team", "qemu-migration-e1000", "qemu-migration-virtio"})
"""In software emulation a recording takes as much of the machine as ten others: these have runs of their own."""
OVERNIGHT: Final = bool(os.environ.get("PLUGFEST_NIGHTLY"))
NIGHTLY: Final = frozenset(
    ()
    if OVERNIGHT
    else {
        "docker-bridge",
        "docker-internal",
        "docker-macvlan-tenants",
        "docker-user",
        "frr-switch-acl",
        "frr-switch-ports",
        "ovn",
        "ovs-flows-standalone",
        "routed-64-acl-ingress-only",
    }
)
"""Variants of others that cost CI minutes: part of the whole run with PLUGFEST_NIGHTLY=1."""
SMALL: Final = ("--testbed", "same-subnet", "--only", "nat")
SMALL_PROFILES: Final = ("routed-64", "nat-bridge")


def environment(**further: str) -> dict[str, str]:
    """The environment of a command: the checkout is found, and nothing is buffered."""
    places = [further.pop("PYTHONPATH", ""), str(CHECKOUT), os.environ.get("PYTHONPATH", "")]
    path = os.pathsep.join(place for place in places if place)
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "COLUMNS": "200", **further}


def plugfest(folder: Path, *arguments: str | Path, **further: str) -> subprocess.CompletedProcess[str]:
    """Run ``plugfest ARGUMENTS`` in `folder` to its end; `further` are environment variables."""
    return _run([sys.executable, "-c", COMMAND, *map(str, arguments)], folder, environment(**further))


def plain_pytest(folder: Path, *arguments: str | Path, **further: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on the checks as its users do, in `folder`; `further` are environment variables."""
    return _run(pytest_line(*arguments), folder, environment(**further))


def pytest_line(*arguments: str | Path) -> list[str]:
    """The command of plain pytest on the checks."""
    fixed = ["-p", "conformance.plugin", "-p", "no:cacheprovider", "-p", "no:randomly", "-v"]
    return [sys.executable, "-m", "pytest", *fixed, *map(str, arguments)]


def _run(command: Sequence[str], folder: Path, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, timeout=LONGEST, check=False
    )


def planned(folder: Path, profile: str) -> int:
    """How many outcomes of this profile the plan of a small run announces."""
    ended = plugfest(folder, "run", profile, *SMALL, "--plan")
    assert ended.returncode == 0, ended.stderr
    (line,) = (line for line in ended.stdout.splitlines() if line.startswith("  judge   nat: "))
    found = re.search(r", (\d+) outcomes$", line)
    assert found is not None, line
    return int(found[1])


def outcomes(report: Path) -> list[dict[str, Any]]:
    """The outcomes of a ``report.json``, as JSON."""
    found: list[dict[str, Any]] = json.loads(report.read_text())["outcomes"]
    return found


class Stranger:
    """Another user of this machine, who has an interpreter and a copy of the suite that everybody may read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()
        os.chown(self.home, NOBODY, NOBODY)
        self._python = _interpreter()
        packages = folder / "packages"
        packages.mkdir()
        for one in _closure("plugfest"):
            _copy(one, packages)
        unwanted = shutil.ignore_patterns("__pycache__", "recordings")
        for name in ("conformance", "profiles", "fixtures"):
            shutil.copytree(CHECKOUT / name, packages / name, ignore=unwanted)
        self._packages = packages

    def plugfest(self, *arguments: str | Path, **further: str) -> subprocess.CompletedProcess[str]:
        """Run ``plugfest ARGUMENTS`` as this user, in its home."""
        switch = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        path = os.pathsep.join((further.pop("PYTHONPATH", ""), str(self._packages))).lstrip(os.pathsep)
        variables = {"PATH": os.environ["PATH"], "HOME": str(self.home), "COLUMNS": "200", "PYTHONPATH": path}
        command = [*switch, self._python, "-c", COMMAND, *map(str, arguments)]
        return _run(command, self.home, {**variables, **further})


def _interpreter() -> str:
    """An interpreter of this version that another user may run; skips the test where there is none.

    A shell in between starts it: setpriv itself still has root's capabilities when it looks for the program.
    """
    ask = "import sys; print(*sys.version_info[:2])"
    for candidate in (sys.executable, "/usr/bin/python3"):
        switch = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        command = [*switch, "/bin/sh", "-c", 'exec "$0" -c "$1"', candidate, ask]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
        if done.stdout.split() == [str(part) for part in sys.version_info[:2]]:
            return candidate
    pytest.skip("no interpreter of this version that another user may run; the package python3 has one")


def _closure(name: str) -> list[Distribution]:
    """A distribution and everything that it needs."""
    found: dict[str, Distribution] = {}
    todo = [name]
    while todo:
        one = todo.pop()
        if one in found:
            continue
        found[one] = distribution(one)
        needed = map(Requirement, found[one].requires or [])
        todo += [each.name for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})]
    return list(found.values())


def _copy(one: Distribution, target: Path) -> None:
    """Copy what a distribution installed; hard links where that is possible, since nobody writes there."""
    for file in one.files or []:
        source = Path(str(file.locate()))
        if file.parts[0] in ("..", "conformance") or file.suffix in (".pyc", ".pth") or not source.is_file():
            continue
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target / file)
        except OSError:
            shutil.copy2(source, target / file)
