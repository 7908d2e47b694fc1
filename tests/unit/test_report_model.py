"""Reports: canonical outcomes, what makes them partial, the gate, and files that are whole or explained."""

from __future__ import annotations

import datetime
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from conformance.errors import UsageError
from conformance.report import gate, store
from conformance.report.assemble import control_of, from_outcomes, plan_missing
from conformance.report.gate import Standing
from conformance.report.model import (
    Absence,
    Control,
    Header,
    Implementation,
    Report,
    ReportedOutcome,
    canonical_outcomes,
)
from conformance.requirement import UnknownRequirement
from conformance.verdict import Attempt, Evidence, Judgement, Outcome, Verdict

DAY = datetime.datetime(2026, 11, 21, 9, 30, tzinfo=datetime.UTC)
REACHED = "route.from-outside-v4"
TRANSLATED = "nat.tcp-untranslated"


@dataclass(frozen=True)
class Excuse:
    requirement: str = TRANSLATED
    reason: str = "masquerading is wanted"
    issue: str = "https://example.org/1"
    owner: str = "network team"
    expires: datetime.date = datetime.date(2026, 11, 21)


def header(**changes: Any) -> Header:
    given: dict[str, Any] = {
        "version": "0.1.0",
        "catalogue": "c" * 64,
        "profile": "nat-bridge",
        "title": "NAT bridge",
        "implementation": Implementation(product="linux", version="6.18"),
        "kernel": "6.18",
        "testbeds": ["routed"],
        "scenarios": ["reachability"],
        "date": DAY,
        "command": "plugfest run nat-bridge",
    }
    return Header(**(given | changes))


def outcome(
    requirement: str = REACHED,
    *verdicts: Verdict,
    level: str = "SUITE",
    informational: bool = False,
    seen: str = "as seen",
    **parameters: str,
) -> Outcome:
    attempts = tuple(
        Attempt(number, Judgement(verdict, "as expected", seen, (Evidence("routed-reachability-1", (3, 5), ("3 x",)),)))
        for number, verdict in enumerate(verdicts or (Verdict.PASS,), 1)
    )
    return Outcome(requirement, level, tuple(sorted(parameters.items())), attempts, informational=informational)


def sound() -> Control:
    return control_of([outcome()])


def report(*outcomes: Outcome, **changes: Any) -> Report:
    return from_outcomes(header(), outcomes, control=changes.pop("control", sound()), **changes)


# Outcomes

outcomes_in_any_number = st.lists(
    st.builds(
        lambda name, verdicts, family, path: outcome(name, *verdicts, family=family, path=path),
        st.sampled_from([REACHED, TRANSLATED, "mtu.usable", "zz.unknown-family", "route.hairpin"]),
        st.lists(st.sampled_from(Verdict), min_size=1, max_size=3),
        st.sampled_from(["ipv4", "ipv6"]),
        st.sampled_from(["inbound", "outbound"]),
    ),
    unique_by=lambda each: (each.requirement, each.parameters),
)


@given(outcomes_in_any_number, st.randoms())
def test_canonical_outcomes_do_not_depend_on_order_day_or_command(outcomes: list[Outcome], random: Any) -> None:
    first = from_outcomes(header(), outcomes)
    shuffled = [
        Outcome(each.requirement, each.level, each.parameters, tuple(random.sample(each.attempts, len(each.attempts))))
        for each in random.sample(outcomes, len(outcomes))
    ]
    other = from_outcomes(header(date=DAY + datetime.timedelta(days=400), command="plugfest judge x"), shuffled)
    assert canonical_outcomes(first) == canonical_outcomes(other)
    assert [o.verdict for o in first.outcomes] == [o.verdict for o in other.outcomes]


def test_outcomes_are_in_the_order_of_families_then_ids_then_parameters() -> None:
    made = report(
        outcome("mtu.usable"),
        outcome(TRANSLATED, path="outbound"),
        outcome(TRANSLATED, path="inbound"),
        outcome(REACHED),
    )
    assert [(o.requirement, *o.parameters.values()) for o in made.outcomes] == [
        (REACHED,),
        (TRANSLATED, "inbound"),
        (TRANSLATED, "outbound"),
        ("mtu.usable",),
    ]


def test_attempts_that_differ_make_an_outcome_flaky_and_the_worst_decides() -> None:
    made = report(outcome(REACHED, Verdict.PASS, Verdict.FAIL)).outcomes[0]
    assert (made.verdict, made.flaky, [a.verdict for a in made.attempts]) == (
        Verdict.FAIL,
        True,
        [Verdict.PASS, Verdict.FAIL],
    )


def test_two_outcomes_for_the_same_are_refused() -> None:
    with pytest.raises(ValueError, match=r"two outcomes for route\.from-outside-v4"):
        report(outcome(path="inbound"), outcome(path="inbound"))


def test_an_outcome_cannot_say_other_than_its_attempts() -> None:
    data = report(outcome(REACHED, Verdict.FAIL)).outcomes[0].model_dump()
    with pytest.raises(ValidationError, match="do not follow from the attempts"):
        ReportedOutcome.model_validate(data | {"verdict": Verdict.PASS})


def test_figures_are_plain_numbers_and_odd_ones_are_noted() -> None:
    figures = (("blackout [ms]", 12), ("load", 0.5), ("ratio", math.nan))
    judged = Outcome("growth.linear", "MEASURE", (), (Attempt(1, Judgement(Verdict.PASS, figures=figures)),))
    made = report(judged).outcomes[0]
    assert dict(made.figures) == {"blackout [ms]": 12, "load": 0.5}
    assert made.notes == ("the figure ratio was nan",)


def test_undecodable_bytes_of_a_log_can_be_written(tmp_path: Path) -> None:
    store.write(report(outcome(REACHED, Verdict.FAIL, seen="bad \udc80 byte")), tmp_path)
    assert store.read(tmp_path).outcomes[0].seen == "bad \\udc80 byte"


# Plans


def test_what_was_planned_and_is_missing_is_an_error() -> None:
    planned = [(REACHED, (("path", "inbound"),)), (TRANSLATED, ())]
    made = report(outcome(REACHED, path="inbound"), planned=planned)
    assert [(o.requirement, o.verdict) for o in made.outcomes] == [(REACHED, Verdict.PASS), (TRANSLATED, Verdict.ERROR)]
    assert gate.report_code(made) == 3
    assert not plan_missing(planned[:1], [outcome(REACHED, path="inbound")])


def test_a_plan_of_unknown_requirements_is_refused() -> None:
    with pytest.raises(UnknownRequirement):
        plan_missing([("route.no-such", ())], [])


def test_a_partial_report_invents_no_errors() -> None:
    assert not report(planned=[(REACHED, ())], complete=False).outcomes


# Gate


@pytest.mark.parametrize(
    ("made", "code"),
    [
        ([outcome(REACHED, Verdict.PASS)], 0),
        ([outcome(REACHED, Verdict.FAIL)], 1),
        ([outcome(REACHED, Verdict.FAIL), outcome(TRANSLATED, Verdict.ERROR)], 1),
        ([outcome(REACHED, Verdict.INCONCLUSIVE)], 3),
        ([outcome(REACHED, Verdict.UNSUPPORTED), outcome(TRANSLATED, Verdict.NOT_APPLICABLE)], 3),
        ([outcome(REACHED, Verdict.FAIL, level="SHOULD")], 0),
        ([outcome(REACHED, Verdict.INCONCLUSIVE, level="MAY")], 0),
        ([outcome(REACHED, Verdict.ERROR, level="MEASURE")], 3),
        ([outcome("nat.no-state", Verdict.FAIL, informational=True)], 0),
        ([], 3),
    ],
)
def test_gate(made: list[Outcome], code: int) -> None:
    whole = report(*made)
    assert gate.report_code(whole) == code
    assert whole.footer is not None
    assert whole.footer.exit_code == code
    assert gate.exit_code([whole]) == code


@pytest.mark.parametrize(("expires", "code"), [(DAY.date(), 0), (DAY.date() - datetime.timedelta(1), 1)])
def test_a_deviation_excuses_until_the_day_it_expires(expires: datetime.date, code: int) -> None:
    made = report(outcome(TRANSLATED, Verdict.FAIL), deviations=[Excuse(expires=expires)])
    assert gate.report_code(made) == code
    assert made.outcomes[0].deviation is not None


def test_a_deviation_may_name_a_draft_label_and_does_not_change_the_outcomes_gate() -> None:
    made = report(outcome(TRANSLATED, Verdict.FAIL), deviations=[Excuse(requirement="NAT-01")])
    assert made.outcomes[0].deviation is not None
    assert made.outcomes[0].gates


@pytest.mark.parametrize(
    ("made", "word", "code"),
    [
        ([(Verdict.PASS, "SUITE"), (Verdict.UNSUPPORTED, "MUST")], "conforms", 0),
        ([(Verdict.PASS, "SUITE"), (Verdict.INCONCLUSIVE, "MUST")], "inconclusive", 3),
        ([(Verdict.PASS, "MEASURE"), (Verdict.UNSUPPORTED, "MUST")], "figures only", 0),
        ([(Verdict.FAIL, "SHOULD")], "figures only", 0),
        ([(Verdict.UNSUPPORTED, "MUST"), (Verdict.NOT_APPLICABLE, "SHOULD")], "nothing judged", 3),
        ([], "nothing judged", 3),
    ],
)
def test_what_conforms_has_passed_something(made: list[tuple[Verdict, str]], word: str, code: int) -> None:
    names = (REACHED, TRANSLATED)
    rows = [outcome(name, verdict, level=level) for name, (verdict, level) in zip(names, made, strict=False)]
    whole = report(*rows)
    assert (gate.standing(whole).value, gate.report_code(whole)) == (word, code)


def test_nothing_that_is_not_whole_conforms() -> None:
    partial = report(outcome(), complete=False)
    absent = from_outcomes(header(implementation=None, unavailable=Absence(reason="no dockerd")), [], control=sound())
    unproved = report(outcome(), control=None)
    broken = report(outcome(), control=control_of([outcome(REACHED, Verdict.FAIL)]))
    for each in (partial, absent, unproved, broken):
        assert gate.standing(each) is Standing.INCONCLUSIVE
        assert gate.exit_code([report(outcome()), each]) == 3
    assert gate.exit_code([partial, report(outcome(REACHED, Verdict.FAIL))]) == 1
    assert gate.report_code(report(outcome(REACHED, Verdict.FAIL), complete=False)) == 1
    assert gate.exit_code([]) == 3


def test_the_matrix_is_complete_whatever_its_verdicts() -> None:
    failing = report(outcome(REACHED, Verdict.FAIL))
    assert gate.matrix_code([failing, report(outcome())]) == 0
    assert gate.matrix_code([failing, report(outcome(), complete=False)]) == 3
    assert gate.matrix_code([report(outcome(REACHED, Verdict.ERROR))]) == 3
    assert gate.matrix_code([]) == 3


def test_the_plain_wire_is_summed_up() -> None:
    control = control_of([outcome(REACHED, Verdict.PASS), outcome(TRANSLATED, Verdict.FAIL, path="inbound")])
    assert control.counts[Verdict.FAIL] == 1
    assert [(p.requirement, p.parameters) for p in control.problems] == [(TRANSLATED, {"path": "inbound"})]


# Files


def test_a_report_survives_the_disk_byte_for_byte(tmp_path: Path) -> None:
    figures = (("whole [ms]", 12), ("round [ms]", 12.0))
    measured = Outcome("growth.linear", "MEASURE", (), (Attempt(1, Judgement(Verdict.PASS, figures=figures)),))
    made = report(outcome(REACHED, Verdict.FAIL, path="inbound"), measured, deviations=[Excuse()])
    path = store.write(made, tmp_path / "nat-bridge")
    again = store.read(path)
    assert again == made
    assert canonical_outcomes(again) == canonical_outcomes(made)
    assert [file.name for file in path.parent.iterdir()] == ["report.json"]
    assert store.write(again, tmp_path / "other").read_bytes() == path.read_bytes()


def test_reports_fit_their_published_schema(tmp_path: Path) -> None:
    path = store.write(report(outcome(TRANSLATED, Verdict.FAIL), deviations=[Excuse()]), tmp_path)
    schema = Report.model_json_schema(by_alias=True)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(path.read_text()), schema)


def test_a_run_leaves_partial_reports_on_its_way(tmp_path: Path) -> None:
    store.write_partial(report(outcome()), tmp_path)
    assert store.read(tmp_path).partial
    with pytest.raises(ValueError, match="no footer"):
        store.write(store.read(tmp_path), tmp_path)
    store.write(report(outcome()), tmp_path)
    assert not store.read(tmp_path).partial


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = store.write(report(outcome()), tmp_path)
    before = path.read_bytes()

    def refuse(self: Path, target: Path) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="no space"):
        store.write_partial(report(), tmp_path)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [before]


def garbled(change: Any) -> str:
    data = report(outcome(REACHED, Verdict.FAIL)).model_dump(mode="json", by_alias=True)
    change(data)
    return json.dumps(data)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("{}", "header.schema: this key is missing"),
        ("[]", "header.schema: this key is missing"),
        ('{"header": {"schema": 2}}', "header.schema: 2 is not 1"),
        (garbled(lambda d: d["header"].pop("kernel")), "header.kernel: this key is missing"),
        (garbled(lambda d: d["outcomes"][0].update(colour="red")), "outcomes.0.colour: unknown key"),
        (garbled(lambda d: d["outcomes"][0].update(verdict="passed")), "outcomes.0.verdict: Input should be 'pass'"),
        (garbled(lambda d: d["outcomes"][0].update(verdict="pass")), "outcomes.0: Value error, verdict and flaky"),
        (garbled(lambda d: d.update(outcomes=[])), "report: Value error, the footer's counts"),
        (garbled(lambda d: d["footer"].update(complete="true")), "footer.complete: Input should be True"),
        (garbled(lambda d: d["header"].update(attempts="1")), "header.attempts: Input should be a valid integer"),
    ],
)
def test_garbage_is_explained_in_one_line(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(UsageError) as caught:
        store.read(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path.name}/report.json: {told}")
    assert "\n" not in str(caught.value)


def test_reports_are_found_below_a_run(tmp_path: Path) -> None:
    for name in ("b", "a"):
        store.write(from_outcomes(header(profile=name), [outcome()], control=sound()), tmp_path / name)
    assert [each.header.profile for each in store.collect([tmp_path])] == ["a", "b"]
    assert [each.header.profile for each in store.collect([tmp_path / "b", tmp_path / "a"])] == ["b", "a"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"empty: there is no report\.json"):
        store.collect([tmp_path / "empty"])
    with pytest.raises(UsageError, match="there is no such report"):
        store.read(tmp_path / "empty")
