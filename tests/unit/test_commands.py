"""Explaining, starting something new, and what the doctor advises."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.commands import listing
from conformance.commands.doctor import Diagnosis, next_steps
from conformance.commands.explain import explain
from conformance.commands.scaffold import new_adapter, new_check, new_family, new_profile
from conformance.errors import UsageError
from conformance.family import families, features, roles
from conformance.judging.checks import checks
from conformance.profile import load
from conformance.requirement import catalogue
from conformance.running.request import Request

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
    assert said[0] == f"plugfest run {tmp_path / 'my-net.toml'} --plan"
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
    assert "6 passed" in done.stdout
    linted = command(
        "-m", "ruff", "check", "--config", str(ROOT / "pyproject.toml"), "conformance", "tests", cwd=tmp_path
    )
    assert linted.returncode == 0, linted.stdout


def test_a_check_needs_a_family(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"FAMILY\.what-holds"):
        new_check("nosuchfamily", tmp_path)
    with pytest.raises(UsageError, match=r"nosuchfamily: no package of this family lies in .* with --in"):
        new_check("nosuchfamily.it-works", tmp_path)


def package(folder: Path, family: str, checks: str = "") -> Path:
    """The package of a family in a folder."""
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(
        f'FAMILY = Family(\n    name="{family}",\n    scenarios=(Scenario(name="x"),),\n)\n'
    )
    if checks:
        (folder / "checks.py").write_text(checks)
    return folder


IMPORTS = "from conformance.judging.case import Case\nfrom conformance.judging.register import check\n"


@pytest.mark.parametrize("below", ["", "mine", "mine/src"])
def test_a_new_check_goes_where_its_family_lies(below: str, tmp_path: Path) -> None:
    """In the folder that is named or below it; the test goes beside the package, or beside ``src``."""
    there = package(tmp_path / "mine" / "src" / "my_family", "own", IMPORTS)
    package(tmp_path / "mine" / "src" / "other_family", "other")
    said = new_check("own.it-works", tmp_path / below if below else there)
    assert (there / "requirements.toml").read_text().startswith('[[requirement]]\nid = "own.it-works"')
    assert "def test_it_works(case: Case)" in (there / "checks.py").read_text()
    test = tmp_path / "mine" / "tests" / "test_check_own_it_works.py"
    assert "\n\nfrom my_family.checks import test_it_works as check\n" in test.read_text()
    assert said[:2] == [f"pip install -e {tmp_path / 'mine'}", "plugfest explain own.it-works"]
    with pytest.raises(UsageError, match=r"is in .* already"):
        new_check("own.it-works", tmp_path)
    with pytest.raises(UsageError, match="no package of this family"):
        new_check("x.it-works", tmp_path)


@pytest.mark.parametrize("full", ["from other import thing\n", IMPORTS + "\n" * 380], ids=["other", "long"])
def test_a_new_check_has_a_module_of_its_own_where_there_is_no_room(full: str, tmp_path: Path) -> None:
    there = package(tmp_path / "my_family", "own", full)
    new_check("own.it-works", tmp_path)
    assert (there / "checks.py").read_text() == full
    assert (there / "checks_it_works.py").read_text().startswith('"""own: it works."""\n\nfrom __future__')


def test_a_family_that_lies_twice_in_a_folder_is_named(tmp_path: Path) -> None:
    package(tmp_path / "one", "own")
    package(tmp_path / "two", "own")
    with pytest.raises(UsageError, match="both bring it; name one with --in"):
        new_check("own.it-works", tmp_path)


def test_a_new_family_has_a_name_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one word"):
        new_family("my-own", tmp_path)
    with pytest.raises(UsageError, match="is installed"):
        new_family("nat", tmp_path)
    assert new_family("own", tmp_path)[0] == f"cd {tmp_path / 'plugfest-own'}"
    with pytest.raises(UsageError, match="there already"):
        new_family("own", tmp_path)


def test_the_lists_know_every_family() -> None:
    for lines in (listing.families(), listing.roles(), listing.features()):
        assert all(len(line.split()) > 1 for line in lines)
    assert [line.split()[0] for line in listing.families()] == list(families())
    assert len([*listing.roles()]) == len(roles())
    assert len([*listing.features()]) == len(features())


def test_the_doctor_names_the_next_command() -> None:
    there = [Diagnosis(True, "routed-64: Linux"), Diagnosis(None, "x: unavailable", "", ("lldpd",))]
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


@pytest.mark.parametrize("only", [("nat", "route"), ("nat,route",), (" nat , route,",)])
def test_what_is_judged_may_be_named_with_commas(only: tuple[str, ...]) -> None:
    assert Request(only=only).only == ("nat", "route")


def test_a_plan_lists_the_nics_and_refuses_those_that_are_not_there() -> None:
    bed = ROOT / "fixtures" / "testbeds" / "physical-example.toml"
    done = command("-m", "conformance", "run", "reference-lldp", "--testbed", str(bed), "--plan", cwd=ROOT)
    assert done.returncode == 2
    nics = [line for line in done.stdout.splitlines() if line.startswith("  NIC ")]
    assert len(nics) == 4
    assert "enp1s0f0 leaves this machine and becomes h1.1: this machine has no such NIC; it has " in nics[0]
    assert done.stderr.startswith("plugfest: physical-example: enp1s0f0")
    assert len(done.stderr.splitlines()) == 1
