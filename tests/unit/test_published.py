"""The rules of published reports; badges; the files that put a run into other people's CI."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance.cli import app
from conformance.report.model import as_json
from conformance.report.render.badge import badge, endpoint, svg
from conformance.report.store import read
from conformance.upkeep.published import main, problems, publish

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "reports"
ONE = "routed-64"


def test_our_own_keep_the_rules() -> None:
    assert list(problems(PUBLISHED)) == []


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """One published report, with the page of it."""
    shutil.copytree(PUBLISHED / ONE, tmp_path / ONE)
    publish(tmp_path / "nothing", tmp_path)
    assert list(problems(tmp_path)) == []
    return tmp_path


def edit(root: Path, change: Callable[[dict[str, Any]], object], form: Callable[[Any], str] = as_json) -> None:
    (file,) = root.glob("*/*/report.json")
    data = json.loads(file.read_text())
    change(data)
    file.write_text(form(data))


BREACHES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "narrowed": (lambda data: data["header"].update(only=["nat"]), "complete: the run was narrowed to nat"),
    "partial": (lambda data: data.update(footer=None), "complete: the run was cut short"),
    "testbed": (lambda data: data["header"].update(testbeds=["routed"]), "testbeds same-subnet are missing"),
    "wire": (lambda data: data.update(control=None), "complete: no plain wire was judged"),
    "branch": (
        lambda data: data["header"]["implementation"].update(version="1.9-git"),
        "release: version '1.9-git' is that of a branch",
    ),
    "place": (lambda data: data["header"].update(profile="another"), "place: belongs in another/"),
    "line": (lambda data: data["header"].update(command="pytest"), "reproducible: 'pytest'"),
    "other": (lambda data: data["header"].update(command="plugfest run vxlan"), "reproducible:"),
    "edited": (lambda data: data["header"].update(kernel="1"), "is not the report that its manifest was written for"),
    "code": (lambda data: data["footer"].update(exit_code=3), "unedited: its exit code is 3"),
    "class": (
        lambda data: data["footer"]["classes"][0].update(met=1),
        "does not follow from its outcomes",
    ),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_is_named(breach: str, copy: Path) -> None:
    change, said = BREACHES[breach]
    edit(copy, change)
    assert said in "\n".join(problems(copy))


def test_form_manifest_place_and_page(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(copy, lambda data: None, json.dumps)
    (copy / "MATRIX.md").write_text("all is well")
    next(copy.glob("*/*/manifest.json")).unlink()
    (copy / "report.json").write_text("{}")
    said = "\n".join(problems(copy))
    for text in ("in the form", "manifest.json: there is no such file", "MATRIX.md: is not", "lies elsewhere"):
        assert text in said
    assert main([str(copy)]) == 1
    assert "lies elsewhere" in capsys.readouterr().out


# --- badges -------------------------------------------------------------------------------------------------------
def test_badges_say_what_the_report_says() -> None:
    report = read(next((PUBLISHED / ONE).glob("*")))
    label, message, colour = badge(report)
    assert label == f"plugfest {ONE}"
    assert message.startswith("conforms ")
    picture = ET.fromstring(svg(label, message, colour))
    assert [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")] == [label, message]
    assert json.loads(endpoint(label, message, colour)) == {
        "schemaVersion": 1,
        "label": label,
        "message": message,
        "color": "brightgreen",
    }
    assert badge(report, "routable-endpoint-1")[1].startswith("conforms ")
    assert badge(report, "lldp-agent-1") == ("lldp-agent-1", "not judged", "lightgrey")
    failing = read(next((PUBLISHED / "nat-bridge").glob("*")))
    assert badge(failing)[2] == badge(failing, "routable-endpoint-1")[2] == "red"
    assert "&amp;" in svg("a & b", '<"', "red")


# --- CI of others -------------------------------------------------------------------------------------------------
def options() -> set[str]:
    """Every long option of every command."""
    import typer

    group = typer.main.get_command(app)
    commands = group.commands.values()  # type: ignore[attr-defined]
    return {name for command in commands for parameter in command.params for name in parameter.opts} | {"--quiet"}


def test_the_action_is_sound() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    assert action["runs"]["using"] == "composite"
    assert all("shell" in step for step in action["runs"]["steps"] if "run" in step)
    text = (ROOT / "action.yml").read_text()
    used = set(re.findall(r"inputs\.([a-z-]+)", text))
    assert used == set(action["inputs"])
    assert all(each.get("description") for each in (*action["inputs"].values(), *action["outputs"].values()))


def test_the_gitlab_template_is_sound() -> None:
    (job,) = yaml.safe_load((ROOT / "ci" / "gitlab.yml").read_text()).values()
    assert job["artifacts"]["reports"]["junit"] == "$OUT/junit.xml"
    used = {name for line in job["script"] for name in re.findall(r"\$\{?([A-Z_]+)", line)}
    assert used <= set(job["variables"])


@pytest.mark.parametrize("file", ["ci/run-in-ci.sh", "ci/gitlab.yml"])
def test_they_call_the_command_as_it_is(file: str) -> None:
    lines = [line for line in (ROOT / file).read_text().splitlines() if "plugfest" in line]
    used = {word for line in lines for word in re.findall(r"(?<![\w-])--[a-z-]+", line) if "pip" not in line}
    assert used <= options()


def test_the_script_of_a_job(tmp_path: Path) -> None:
    """With a stand-in for the command: its exit code stays, and a job sees summary, outputs and failures."""
    (tmp_path / "bin").mkdir()
    stand_in = tmp_path / "bin" / "plugfest"
    gate = {"result": "failed", "counts": {"fail": 2, "pass": 7}, "failures": [
        {"requirement": "nat.x", "level": "MUST", "implementation": "a:b", "seen": "50%\nof it", "where": ""}
    ]}  # fmt: skip
    stand_in.write_text(
        "#!/bin/bash\n"
        f'printf "%s|" "$@" >>"{tmp_path}/calls"\n'
        'mkdir -p "$OUT/x"; echo "# M" >"$OUT/summary.md"\n'
        f"cat >\"$OUT/gate.json\" <<'END'\n{json.dumps(gate)}\nEND\nexit 1\n"
    )
    stand_in.chmod(0o755)
    variables = {
        **os.environ,
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "OUT": str(tmp_path / "out"),
        "PROFILES": "a 'b c.toml'",
        "ARGS": '--set "adapter.x=1 2"',
        "BASELINE": "old",
        "FAIL_ON": "must",
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "GITHUB_OUTPUT": str(tmp_path / "outputs"),
    }
    script = str(ROOT / "ci" / "run-in-ci.sh")
    ended = subprocess.run(["bash", script], env=variables, check=False, capture_output=True, text=True)
    assert ended.returncode == 1, ended.stderr
    words = ["run", "a", "b c.toml", "--out", f"{tmp_path}/out", "--baseline", "old", "--fail-on", "must"]
    assert (tmp_path / "calls").read_text() == "|".join([*words, "--set", "adapter.x=1 2", ""])
    assert (tmp_path / "summary").read_text() == "# M\n"
    outputs = dict(line.split("=", 1) for line in (tmp_path / "outputs").read_text().splitlines())
    assert {
        "exit-code": "1",
        "result": "failed",
        "fail": "2",
        "pass": "7",
        "inconclusive": "0",
    }.items() <= outputs.items()
    assert ended.stdout == "::error title=nat.x (MUST)%2C a%3Ab::50%25%0Aof it\n"


def test_every_command_has_help() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "conformance", "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    for name in ("run", "judge", "diff", "verify", "sign", "selftest", "explain", "new", "badge", "doctor", "matrix"):
        assert name in done.stdout
