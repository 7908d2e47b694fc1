"""The end of a run on a terminal: short, causes first, as wide and as colourful as the terminal."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from conformance.report.assemble import control_of, from_outcomes
from conformance.report.causes import causes
from conformance.report.grid import build
from conformance.report.model import Header, Implementation, Report
from conformance.report.render.brief import render_brief
from conformance.report.store import collect
from conformance.requirement import catalogue
from conformance.verdict import Attempt, Judgement, Outcome, Verdict

ROOT = Path(__file__).parents[2]


def report(*outcomes: Outcome, profile: str = "mine") -> Report:
    import datetime

    header = Header(
        version="0.1.0",
        catalogue="c" * 64,
        profile=profile,
        title="The network",
        implementation=Implementation(product="thing", version="1"),
        kernel="6.18",
        testbeds=("routed",),
        scenarios=("reachability",),
        date=datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC),
        command="plugfest run",
    )
    return from_outcomes(header, outcomes, control=control_of([outcome("addr.unique", Verdict.PASS)]))


def outcome(name: str, verdict: Verdict, seen: str = "as seen") -> Outcome:
    return Outcome(name, "MUST", (), (Attempt(1, Judgement(verdict, "expected", seen)),))


def shown(*reports: Report, width: int = 100, terminal: bool = False) -> list[str]:
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=terminal, color_system=None, highlight=False)
    render_brief(build(list(reports)), console, "out")
    return stream.getvalue().splitlines()


def test_one_implementation_takes_40_lines_whatever_fails() -> None:
    rows = [outcome(row, Verdict.FAIL, "it " + "very " * 80 + "wrong") for row in catalogue()]
    for terminal in (False, True):
        assert len(shown(report(*rows), terminal=terminal)) <= 40
    assert max(map(len, shown(report(*rows), width=80, terminal=True))) <= 80


def test_several_take_60_lines() -> None:
    published = collect([ROOT / "reports"])
    five = [each for each in published if each.header.profile in
            ("nat-bridge", "flat-bridge", "macvlan", "routed-64", "vxlan")]  # fmt: skip
    assert len(shown(*five, terminal=True)) < 60


def test_every_published_report_is_short() -> None:
    for each in collect([ROOT / "reports"]):
        lines = shown(each, terminal=True)
        assert len(lines) <= 40, each.header.profile
        assert not [line for line in lines if len(line) > 100]


def test_causes_come_first_and_count_what_may_follow() -> None:
    rows = [outcome("route.hairpin", Verdict.FAIL), outcome("nat.tcp-untranslated", Verdict.FAIL)]
    rows += [outcome("addr.unique", Verdict.FAIL, "two have 10.1.0.2"), outcome("lldp.interval", Verdict.FAIL)]
    made = report(*rows)
    found = causes(build([made]), "mine")
    assert [cause.finding.requirement for cause in found] == ["addr.unique", "lldp.interval"]
    assert set(found[0].follows) == {"route.hairpin", "nat.tcp-untranslated"}
    lines = shown(made)
    first = next(number for number, line in enumerate(lines) if "addr.unique MUST: two have 10.1.0.2" in line)
    assert lines[first + 1].strip().startswith("2 failures may follow from it: ")


def test_undecided_requirements_are_one_line_by_reason() -> None:
    rows = [outcome(name, Verdict.INCONCLUSIVE, "the wire was silent") for name in ("nat.idle-flow", "route.hairpin")]
    (line,) = [line for line in shown(report(*rows)) if "undecided" in line]
    assert line == "? undecided: 2 requirements: 2 the wire was silent"


@pytest.mark.parametrize(("arguments", "variables", "coloured"), [
    ((), {}, False), (("--color", "always"), {}, True), (("--color", "never"), {"FORCE_COLOR": "1"}, False),
    ((), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
])  # fmt: skip
def test_colours(arguments: tuple[str, ...], variables: dict[str, str], coloured: bool) -> None:
    place = next((ROOT / "reports" / "nat-bridge").glob("*"))
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    done = subprocess.run(
        [sys.executable, "-m", "conformance", *arguments, "matrix", str(place)],
        env={**clean, **variables}, capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert bool(re.search(r"\x1b\[[0-9;]*3[0-9]m", done.stdout)) is coloured


def test_the_matrix_has_no_row_that_says_nothing() -> None:
    rows = [outcome("route.hairpin", Verdict.NOT_APPLICABLE), outcome("nat.tcp-untranslated", Verdict.PASS)]
    stream = io.StringIO()
    from conformance.report.render.terminal import render_terminal

    render_terminal(build([report(*rows)]), Console(file=stream, width=100))
    assert "nat.tcp-untranslated  MUST" in stream.getvalue()
    assert "route.hairpin  " not in stream.getvalue()


def test_help_is_a_whole_sentence_for_each_command_at_80_columns() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "conformance", "--help"],
        capture_output=True, text=True, check=True, cwd=ROOT, env={**os.environ, "COLUMNS": "80"},
    )  # fmt: skip
    lines = done.stdout.partition("Commands:")[2].strip("\n").splitlines()
    assert len(lines) >= 15
    assert not [line for line in lines if not line.endswith(".") or line.endswith("...") or len(line) > 80]
