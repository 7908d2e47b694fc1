"""Conformance classes: their data, what a report says of them, and what a claim is worth."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from conformance import profile
from conformance.classes import classes, find_class, load
from conformance.errors import UsageError
from conformance.report import gate
from conformance.report.assemble import control_of, from_outcomes
from conformance.report.grid import build
from conformance.report.model import Answer, ClassResult, Header, Implementation, Report
from conformance.report.render.markdown import render_markdown
from conformance.requirement import CatalogueError
from conformance.verdict import Attempt, Judgement, Outcome, Verdict

NAME = "routable-endpoint-v4-1"
IDS = classes()[NAME].requirements


def outcome(name: str, verdict: Verdict = Verdict.PASS, **parameters: str) -> Outcome:
    return Outcome(name, "SUITE", tuple(sorted(parameters.items())), (Attempt(1, Judgement(verdict, seen="so")),))


def report(*outcomes: Outcome, **changes: Any) -> Report:
    header: dict[str, Any] = {
        "version": "0.1.0",
        "catalogue": "c" * 64,
        "profile": "plain",
        "title": "The network",
        "roles": ("workload-network",),
        "implementation": Implementation(product="thing", version="1"),
        "kernel": "6.18",
        "testbeds": ("routed", "same-subnet"),
        "scenarios": (),
        "date": datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC),
        "command": "plugfest run",
    }
    return from_outcomes(Header(**(header | changes)), outcomes, control=control_of([outcome(IDS[0])]))


def result(made: Report, name: str = NAME) -> ClassResult:
    assert made.footer is not None
    return next(each for each in made.footer.classes if each.name == name)


def test_every_class_that_ships_holds_only_what_decides() -> None:
    assert {"routable-endpoint-1", "polite-mover-1", "l2-switch-1", "isolated-tenant-1"} <= classes().keys()
    assert all(len(each.requirements) > 3 for each in classes().values())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("roles = 3", "is missing"),
        (
            'title = "t"\nstatement = "s"\nroles = ["switch"]\ntestbeds = ["links"]\nrequirements = ["nat.tcp"]',
            "did you",
        ),
        (
            'title = "t"\nstatement = "s"\nroles = ["switch"]\ntestbeds = ["a"]\nrequirements = ["route.reply-source"]',
            "is SHOULD",
        ),
        ('title = "t"\nstatement = "s"\nroles = ["toaster"]\ntestbeds = ["a"]\nrequirements = []', "toaster"),
        ("title = ", "not valid TOML"),
    ],
)
def test_a_wrong_class_is_told_in_one_line(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "wrong-1.toml").write_text(text)
    with pytest.raises(CatalogueError, match=said) as problem:
        load(tmp_path.glob("*.toml"))
    assert str(problem.value).startswith("wrong-1.toml: ")
    assert "\n" not in str(problem.value)


def test_a_class_has_a_version(tmp_path: Path) -> None:
    (tmp_path / "routable.toml").write_text("")
    with pytest.raises(CatalogueError, match="words-and-version"):
        load(tmp_path.glob("*.toml"))


def test_all_that_is_checked_passes() -> None:
    made = result(report(*map(outcome, IDS)))
    assert made.answer is Answer.CONFORMS
    assert made.text == f"conforms to {NAME}, {len(IDS)} of {len(IDS)}"
    some = result(report(*map(outcome, IDS[3:])))
    assert some.text == f"conforms to {NAME}, {len(IDS) - 3} of {len(IDS) - 3} (3 not yet checked)"


def test_one_that_fails_is_named() -> None:
    made = report(outcome(IDS[0], Verdict.FAIL), *map(outcome, IDS[1:]))
    assert result(made).text == f"does not conform to {NAME}, {len(IDS) - 1} of {len(IDS)}: {IDS[0]}"
    page = render_markdown(build([made]))
    assert f"- plain does not conform to {NAME}" in page


def test_only_the_parameters_of_the_class_count() -> None:
    made = report(outcome(IDS[1], Verdict.FAIL, family="ipv6"), *(outcome(name, family="ipv4") for name in IDS))
    assert result(made).answer is Answer.CONFORMS
    assert result(made, "routable-endpoint-1").answer is Answer.FAILS


def test_what_is_undecided_or_missing_is_no_pass() -> None:
    assert result(report(outcome(IDS[0], Verdict.ERROR), *map(outcome, IDS[1:]))).answer is Answer.UNDECIDED
    assert result(report(*map(outcome, IDS[:3]))).answer is Answer.NOT_CLAIMED
    partly = report(outcome(IDS[0], Verdict.UNSUPPORTED, path="a"), *(outcome(name, path="b") for name in IDS))
    assert result(partly).answer is Answer.NOT_CLAIMED


def test_nothing_is_said_of_a_narrowed_run_or_another_kind() -> None:
    for changes in ({"only": ("nat",)}, {"testbeds": ("routed",)}, {"roles": ("lldp-agent",)}):
        made = report(*map(outcome, IDS), **changes)
        assert made.footer is not None
        assert NAME not in {each.name for each in made.footer.classes}


def test_a_claim_that_the_profile_itself_takes_back_ends_a_gate() -> None:
    made = report(outcome(IDS[0], Verdict.UNSUPPORTED), *map(outcome, IDS[1:]), claims=(NAME,))
    assert result(made).answer is Answer.FAILS
    assert gate.report_code(made) == 1
    assert gate.report_code(report(outcome(IDS[0], Verdict.UNSUPPORTED), *map(outcome, IDS[1:]))) == 0


def test_claims_of_a_profile_are_checked() -> None:
    data = profile.load("routed-64").model_dump(by_alias=True)
    assert profile.parse(data | {"claims": [NAME]}, "x.toml").claims == (NAME,)
    with pytest.raises(UsageError, match=r"claims\.0: .*did you mean 'routable-endpoint-1'"):
        profile.parse(data | {"claims": ["routable-endpoints-1"]}, "x.toml")
    with pytest.raises(UsageError, match="is for the roles"):
        profile.parse(data | {"claims": ["lldp-agent-1"]}, "x.toml")
    assert find_class(NAME).title
