"""Explaining, starting something new, and what the doctor advises."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.commands import listing
from conformance.commands.doctor import Finding, next_steps
from conformance.commands.explain import explain
from conformance.commands.scaffold import new_adapter, new_check, new_profile
from conformance.errors import UsageError
from conformance.judging.checks import checks
from conformance.profile import load
from conformance.requirement import catalogue

ROOT = Path(__file__).parents[2]


def command(*arguments: str, cwd: Path, **further: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "PYTHONPATH": str(cwd), **further}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=variables, capture_output=True, text=True, check=False
    )


def test_a_requirement_is_explained_with_its_faults() -> None:
    text = explain("NAT-01")
    assert text.startswith("nat.tcp-untranslated (NAT-01): SUITE")
    for word in ("clause", "stimulus", "passes when", "binds", "classes", "reads the scenario", "faults"):
        assert word in text
    assert all(len(line) <= 100 for line in text.splitlines())


def test_whatever_has_a_name_is_explained() -> None:
    for name in catalogue():
        assert explain(name).startswith(name)
    assert "not yet checked: it takes part in no gate" in explain("bgp.churn")
    assert explain("nat").count("nat.") > 8
    assert "nat.tcp-untranslated" in explain("routable-endpoint-1")
    with pytest.raises(UsageError, match=r"did you mean 'nat\.tcp-untranslated'"):
        explain("nat.tcp-untranslatd")


def test_a_new_profile_is_valid_and_refuses_to_overwrite(tmp_path: Path) -> None:
    said = new_profile("my-net", tmp_path)
    assert said[0] == "plugfest run ./my-net.toml --plan"
    assert load(str(tmp_path / "my-net.toml")).kind == "linux"
    compile((tmp_path / "test_my_net.py").read_text(), "test_my_net.py", "exec")
    with pytest.raises(UsageError, match="there already"):
        new_profile("my-net", tmp_path)
    with pytest.raises(UsageError, match="lower case"):
        new_profile("My Net", tmp_path)


def test_a_new_adapter_plans(tmp_path: Path) -> None:
    new_adapter("my-fabric", tmp_path)
    done = command("-m", "conformance", "run", str(tmp_path / "my-fabric.toml"), "--plan", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "start   per endpoint: a station on its host's segment" in done.stdout


def test_a_new_check_passes_its_test_in_a_copy_of_the_checkout(tmp_path: Path) -> None:
    for name in ("conformance", "profiles", "fixtures"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "recordings"))
    (tmp_path / "tests" / "unit").mkdir(parents=True)
    for name in ("route.links-up", "bgp.links-up"):
        made = command("-m", "conformance", "new", "check", name, cwd=tmp_path)
        assert made.returncode == 0, made.stderr
        assert f"plugfest explain {name}" in made.stdout
        told = command("-m", "conformance", "explain", name, cwd=tmp_path)
        assert "none is planted that it catches" in told.stdout, told.stderr
    again = command("-m", "conformance", "new", "check", "route.links-up", cwd=tmp_path)
    assert (again.returncode, len(again.stderr.splitlines())) == (2, 1)
    quiet = ["-q", "-p", "no:randomly", "-p", "no:cacheprovider", "tests/unit"]
    done = command("-m", "pytest", *quiet, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout


def test_a_check_needs_a_family() -> None:
    with pytest.raises(UsageError, match=r"FAMILY\.what-holds"):
        new_check("nosuchfamily.it-works")


def test_the_doctor_names_the_next_command() -> None:
    there = [Finding(True, "routed-64: Linux"), Finding(None, "x: unavailable", "", ("lldpd",))]
    text = "\n".join(next_steps(True, there))
    assert "next: plugfest run" in text
    assert "all 1 implementations" in text
    assert "more: apt-get install lldpd" in text
    assert "plugfest judge DIR" in "\n".join(next_steps(False, there))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("plugfest run routed-", "routed-64"),
        ("plugfest explain nat.tcp", "nat.tcp-untranslated"),
        ("plugfest sel", "selftest"),
    ],
)
def test_the_shell_completes(line: str, expected: str) -> None:
    program = "from conformance.cli import app; app(prog_name='plugfest')"
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1), "_PLUGFEST_COMPLETE": "complete_bash"}
    done = command("-c", program, cwd=ROOT, **words)
    assert expected in done.stdout.split(), done.stderr


def test_the_list_knows_every_check_without_importing_one() -> None:
    assert listing.checked() == {check.requirement.id for check in checks()}
