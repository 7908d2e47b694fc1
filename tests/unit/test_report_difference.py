"""Changes between two reports, and how a gate reads them."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from conformance.commands.runs import Gate
from conformance.commands.schemas import schema_of
from conformance.errors import UsageError
from conformance.report import gate
from conformance.report.assemble import control_of, from_outcomes
from conformance.report.difference import ChangeKind, Difference, difference, exit_code
from conformance.report.figures import compare, lower_is_better
from conformance.report.grid import build
from conformance.report.model import Header, Implementation, Report
from conformance.report.render import job
from conformance.report.render.difference import as_markdown, as_text, to_json
from conformance.report.stability import table
from conformance.report.store import write
from conformance.verdict import Attempt, Judgement, Outcome, Verdict

DAY = datetime.datetime(2026, 11, 21, 9, 30, tzinfo=datetime.UTC)
REACHED, TRANSLATED = "route.from-outside-v4", "nat.tcp-untranslated"
PASS, FAIL, UNDECIDED = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


@dataclass(frozen=True)
class Excuse:
    requirement: str = REACHED
    reason: str = "it is known to be so"
    issue: str = "https://example.org/1"
    owner: str = "network team"
    expires: datetime.date = datetime.date(2026, 11, 21)


def outcome(
    name: str, *verdicts: Verdict, figures: tuple[float, ...] = (), level: str = "SUITE", **changes: Any
) -> Outcome:
    attempts = tuple(
        Attempt(
            number,
            Judgement(
                verdict,
                "it holds",
                f"seen {verdict}",
                figures=(("blackout ms", figures[number - 1]),) if figures else (),
            ),
        )
        for number, verdict in enumerate(verdicts, 1)
    )
    parameters = {"testbed": "routed"} | changes.pop("parameters", {})
    return Outcome(name, level, tuple(sorted(parameters.items())), attempts, **changes)


def report(*outcomes: Outcome, **changes: Any) -> Report:
    header: dict[str, Any] = {
        "version": "0.1.0",
        "catalogue": "c" * 64,
        "profile": "plain",
        "title": "The network",
        "implementation": Implementation(product="thing", version=changes.pop("version", "1.0")),
        "kernel": "6.18",
        "testbeds": ("routed",),
        "scenarios": ("reachability",),
        "date": DAY,
        "command": "plugfest run",
    }
    further = {key: changes.pop(key) for key in ("deviations", "complete") if key in changes}
    whole = control_of([outcome(REACHED, PASS)])
    return from_outcomes(Header(**(header | changes)), outcomes, control=whole, **further)


def kinds(found: Difference) -> list[ChangeKind]:
    return [change.kind for each in found.comparisons for change in each.changes]


@pytest.mark.parametrize(
    ("old", "new", "kind", "code"),
    [
        (PASS, FAIL, ChangeKind.REGRESSED, 1),
        (UNDECIDED, FAIL, ChangeKind.NEWLY_FAILING, 1),
        (Verdict.UNSUPPORTED, FAIL, ChangeKind.NEWLY_FAILING, 1),
        (PASS, Verdict.UNSUPPORTED, ChangeKind.NEWLY_UNSUPPORTED, 1),
        (PASS, Verdict.NOT_APPLICABLE, ChangeKind.INAPPLICABLE, 3),
        (PASS, UNDECIDED, ChangeKind.UNDECIDED, 3),
        (FAIL, Verdict.ERROR, ChangeKind.UNDECIDED, 3),
        (FAIL, PASS, ChangeKind.FIXED, 0),
        (Verdict.UNSUPPORTED, PASS, ChangeKind.NEWLY_PASSING, 0),
    ],
)
def test_verdicts_that_change(old: Verdict, new: Verdict, kind: ChangeKind, code: int) -> None:
    found = difference([report(outcome(REACHED, old))], [report(outcome(REACHED, new))])
    assert kinds(found) == [kind]
    assert exit_code(found) == code


def test_nothing_changed_ends_0_and_failing_as_before_is_no_regression() -> None:
    found = difference([report(outcome(REACHED, FAIL))], [report(outcome(REACHED, FAIL))])
    assert kinds(found) == []
    assert exit_code(found) == 0
    assert "no outcome changed" in as_text(found)


def test_a_new_outcome_that_fails_and_one_that_is_gone() -> None:
    found = difference([report(outcome(REACHED, PASS))], [report(outcome(TRANSLATED, FAIL))])
    assert kinds(found) == [ChangeKind.NEWLY_FAILING, ChangeKind.GONE]
    narrowed = report(outcome(TRANSLATED, PASS), only=("nat",))
    assert ChangeKind.GONE not in kinds(difference([report(outcome(REACHED, PASS))], [narrowed]))


def test_a_live_deviation_is_shown_and_does_not_gate() -> None:
    new = report(outcome(REACHED, FAIL), deviations=[Excuse()])
    found = difference([report(outcome(REACHED, PASS))], [new])
    assert kinds(found) == [ChangeKind.REGRESSED]
    assert exit_code(found) == 0
    assert "does not gate" in as_text(found)
    expired = report(outcome(REACHED, FAIL), deviations=[Excuse(expires=datetime.date(2026, 11, 20))])
    assert exit_code(difference([report(outcome(REACHED, PASS))], [expired])) == 1


def test_newly_flaky_gates_unless_allowed() -> None:
    found = difference([report(outcome(REACHED, PASS, PASS))], [report(outcome(REACHED, PASS, FAIL))])
    assert set(kinds(found)) == {ChangeKind.REGRESSED, ChangeKind.NEWLY_FLAKY}
    assert exit_code(found) == 1
    assert exit_code(found, allow_flaky=True) == 0


def test_figures_beyond_their_noise_gate_only_on_request() -> None:
    old = report(outcome(REACHED, PASS, PASS, PASS, figures=(10, 11, 12)))
    same = report(outcome(REACHED, PASS, PASS, PASS, figures=(13, 14, 15)))
    worse = report(outcome(REACHED, PASS, PASS, PASS, figures=(20, 21, 22)))
    assert kinds(difference([old], [same])) == []
    found = difference([old], [worse])
    assert kinds(found) == [ChangeKind.WORSE]
    assert exit_code(found) == 0, "a figure never fails a gate that did not ask for it"
    assert exit_code(found, figures_gate=True) == 1
    assert kinds(difference([worse], [old])) == [ChangeKind.BETTER]
    assert "blackout ms 11 -> 21 (noise 4)" in as_text(found)
    assert as_text(found, 1).splitlines()[0] == "worse: 1 figure worse (1 implementation compared)"
    assert lower_is_better("blackout ms")
    assert not lower_is_better("delivered packets")


def test_the_noise_of_a_figure_comes_from_several_runs() -> None:
    def run(value: float) -> Report:
        return report(outcome(REACHED, PASS, figures=(value,)))

    assert not list(compare({"blackout ms": [10]}, {"blackout ms": [90]})), "one run says nothing of its noise"
    alone = difference([run(10)], [run(90)])
    assert kinds(alone) == []
    assert "1 figure not compared: the noise between runs is unknown" in as_text(alone)
    baselines = [run(12), run(11)]
    assert kinds(difference([run(10)], [run(14)], baselines)) == []
    assert kinds(difference([run(10)], [run(90)], baselines)) == [ChangeKind.WORSE]


def test_four_figures_are_counted_in_the_plural() -> None:
    rows = [
        outcome(REACHED, PASS, PASS, PASS, figures=(1, 1, 1), parameters={"family": f"ipv{number}"})
        for number in range(4)
    ]
    worse = [
        outcome(REACHED, PASS, PASS, PASS, figures=(9, 9, 9), parameters={"family": f"ipv{number}"})
        for number in range(4)
    ]
    assert "4 figures worse" in as_text(difference([report(*rows)], [report(*worse)]))


def test_versions_and_catalogues_that_differ_are_said() -> None:
    old = report(outcome(REACHED, PASS))
    new = report(outcome(REACHED, PASS), version="2.0", catalogue="d" * 64, profile="plain@2")
    found = difference([old], [new])
    assert found.comparisons[0].catalogue_changed
    text = as_text(found)
    assert "plain -> plain@2" in text
    assert "version: 1.0 -> 2.0" in text
    assert "judge the old recordings again" in text


def test_implementations_without_a_counterpart() -> None:
    old, other = report(outcome(REACHED, PASS)), report(outcome(REACHED, PASS), profile="other")
    found = difference([old, other], [old])
    assert found.only_old == ("other",)
    assert exit_code(found) == 3
    assert exit_code(difference([old], [old, other])) == 0
    assert exit_code(difference([old], [report(outcome(REACHED, PASS), complete=False)])) == 3


def test_every_form_says_the_same() -> None:
    found = difference(
        [report(outcome(REACHED, PASS, parameters={"family": "ipv4"}))],
        [report(outcome(REACHED, FAIL, parameters={"family": "ipv4"}))],
    )
    made = json.loads(to_json(found))
    jsonschema.validate(made, json.loads(schema_of("difference")))
    assert made["comparisons"][0]["changes"][0]["kind"] == "regressed"
    assert "1 case regressed" in as_text(found)
    assert "### Regressed: passed, now fails" in as_markdown(found)
    assert "route.from-outside-v4 SUITE, 1 case (ipv4, routed): pass -> fail: seen fail" in as_text(found)


# --- gates --------------------------------------------------------------------------------------------------------
def test_should_gates_when_asked_for() -> None:
    made = report(outcome(REACHED, FAIL, level="SHOULD"))
    assert gate.report_code(made) == 0
    assert gate.report_code(made, gate.SHOULD) == 1


@pytest.mark.parametrize(
    ("verdicts", "code", "allowed"),
    [((PASS, FAIL), 1, 0), ((PASS, UNDECIDED), 3, 0), ((FAIL, UNDECIDED), 1, 1), ((PASS, Verdict.UNSUPPORTED), 3, 0)],
)
def test_flaky_ends_a_gate_unless_allowed(verdicts: tuple[Verdict, ...], code: int, allowed: int) -> None:
    made = report(outcome(REACHED, *verdicts))
    assert gate.report_code(made) == code
    assert gate.report_code(made, gate.GatePolicy(allow_flaky=True)) == allowed


def gated(wanted: Gate, *reports: Report) -> int:
    return wanted.code(reports, wanted.difference(reports))


def test_a_baseline_gates_only_on_regressions(tmp_path: Path) -> None:
    failing, passing = report(outcome(REACHED, FAIL)), report(outcome(REACHED, PASS))
    write(failing, tmp_path / "old" / "plain")
    assert gated(Gate(baselines=(tmp_path / "old",)), failing) == 0
    assert gated(Gate("must", baselines=(tmp_path / "old",)), failing) == 1
    write(passing, tmp_path / "good" / "plain")
    write(report(outcome(REACHED, PASS), profile="other"), tmp_path / "good" / "other")
    assert gated(Gate(baselines=(tmp_path / "good",)), failing) == 1
    assert gated(Gate(baselines=(tmp_path / "good",)), passing) == 0, "the baseline may hold more than this run"


def test_a_job_is_shown_the_gate_first_and_then_what_changed() -> None:
    old, new = report(outcome(REACHED, PASS)), report(outcome(REACHED, FAIL), outcome(TRANSLATED, FAIL))
    found = difference([old], [new])
    text = job.summary(build([new]), 1, found)
    assert text.splitlines()[0].startswith("## Plugfest failed: worse: 1 case regressed, 1 case newly failing")
    assert text.index("### Regressed") < text.index("### 2 failures")
    data = json.loads(job.gate_json([new], build([new]), 1, found))
    assert (data["result"], data["exit_code"], data["counts"]["fail"]) == ("failed", 1, 2)
    assert {each["requirement"] for each in data["failures"]} == {REACHED, TRANSLATED}
    plain = job.summary(build([new]), 1)
    assert plain.startswith("## Plugfest failed: of 1 implementation, 1 does not conform\n")


def test_a_gate_that_cannot_be_is_refused_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--baseline"):
        Gate("regression").check()
    with pytest.raises(UsageError, match=r"report\.json"):
        Gate(baselines=(tmp_path,)).check()
    write(report(outcome(REACHED, PASS, figures=(1,))), tmp_path / "old" / "plain")
    with pytest.raises(UsageError, match="the noise of plain between runs is unknown"):
        Gate(baselines=(tmp_path / "old",), figures_gate=True).check()


def test_stability_names_what_is_flaky() -> None:
    made = report(
        outcome(REACHED, PASS, FAIL, PASS), outcome(TRANSLATED, PASS, PASS, PASS, figures=(1, 2, 4)), attempts=3
    )
    text = table([made])
    assert "plain: 1 of 2 outcomes the same in 3 attempts" in text
    assert "flaky  route.from-outside-v4 routed: pass 2 of 3, fail 1 of 3" in text
    assert "blackout ms 2, spread 3" in text
