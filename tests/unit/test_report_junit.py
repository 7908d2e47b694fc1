"""JUnit: parseable, names unique, and nothing that did not pass looks as if it had."""

from __future__ import annotations

import datetime
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.report import gate
from conformance.report.assemble import from_outcomes
from conformance.report.model import Absence, Header, Implementation, KnownDeviation, Repeated, Report
from conformance.report.render import junit
from conformance.report.store import collect
from conformance.verdict import Attempt, Evidence, Judgement, Outcome, Verdict

REACHED = "route.from-outside-v4"
DAY = datetime.datetime(2026, 11, 21, 9, 30, tzinfo=datetime.UTC)


def report(*outcomes: Outcome, profile: str = "nat-bridge", **changes: Any) -> Report:
    absent = changes.pop("unavailable", None)
    header = Header(
        version="0.1.0",
        catalogue="c" * 64,
        profile=profile,
        title="The network",
        implementation=None if absent else Implementation(product="thing", version="1\x00", details={"runc": "1.1"}),
        unavailable=absent,
        kernel="6.18",
        testbeds=("routed",),
        scenarios=("reachability",),
        date=DAY,
        command="plugfest run",
    )
    return from_outcomes(header, outcomes, **changes)


def outcome(name: str, verdict: Verdict, seen: str = "as seen", **parameters: str) -> Outcome:
    evidence = (Evidence("routed-reachability-1", (3, 5), ("3 h1:eth0 IP 10.1.0.2 > 10.2.0.2",)),)
    judgement = Judgement(verdict, "as expected", seen, evidence, notes=("a note",), figures=(("load", 0.5),))
    return Outcome(name, "SUITE", tuple(sorted(parameters.items())), (Attempt(1, judgement),))


def cases(*reports: Report) -> dict[str, ET.Element]:
    tree = ET.fromstring(junit.render(reports))
    found = {(case.get("classname"), case.get("name")): case for case in tree.iter("testcase")}
    assert len(found) == len(list(tree.iter("testcase")))
    return {f"{name}": case for (_, name), case in found.items()}


def children(case: ET.Element) -> dict[str, str | None]:
    return {child.tag: child.get("type") for child in case if child.tag != "system-out"}


@pytest.mark.parametrize(
    ("verdict", "shown"),
    [
        (Verdict.PASS, {}),
        (Verdict.FAIL, {"failure": "SUITE"}),
        (Verdict.ERROR, {"error": "error"}),
        (Verdict.INCONCLUSIVE, {"error": "inconclusive"}),
        (Verdict.UNSUPPORTED, {"skipped": None}),
        (Verdict.NOT_APPLICABLE, {"skipped": None}),
    ],
)
@pytest.mark.parametrize("seen", ["as seen", ""])
def test_verdicts(verdict: Verdict, shown: dict[str, str | None], seen: str) -> None:
    case = cases(report(outcome("route.hairpin", verdict, seen)))["route.hairpin"]
    assert {tag: kind if tag != "skipped" else None for tag, kind in children(case).items()} == shown


def test_a_case_says_its_level_clause_evidence_and_figures() -> None:
    made = report(outcome("nat.tcp-untranslated", Verdict.FAIL, path="outbound", family="ipv4"))
    case = cases(made)["nat.tcp-untranslated"]
    assert case.get("classname") == "nat-bridge.nat"
    output = case.findtext("system-out") or ""
    for line in ("level: SUITE", "clause: ", "note: a note", "figure: load = 0.5"):
        assert line in output
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("message") == "as seen"
    assert (failure.text or "").splitlines() == [
        "case: nat.tcp-untranslated[family=ipv4, path=outbound]",
        "expected: as expected",
        "seen: as seen",
        "frames: routed-reachability-1/frames.pcapng 3, 5",
        "  3 h1:eth0 IP 10.1.0.2 > 10.2.0.2",
    ]


def test_suites_are_per_implementation_and_family_with_properties() -> None:
    tree = ET.fromstring(
        junit.render(
            [
                report(outcome("route.hairpin", Verdict.PASS), outcome("mtu.usable", Verdict.FAIL)),
                report(outcome("route.hairpin", Verdict.PASS), profile="other"),
            ]
        )
    )
    assert [suite.get("name") for suite in tree] == ["nat-bridge.route", "nat-bridge.mtu", "other.route"]
    properties = {each.get("name"): each.get("value") for each in tree[0].iter("property")}
    assert properties["implementation"] == "thing"
    assert properties["version"] == r"1\x00"
    assert properties["version.runc"] == "1.1"
    assert properties["suite"] == "plugfest 0.1.0"
    assert properties["catalogue"] == "c" * 64
    assert tree.get("failures") == "1"


def test_one_profile_twice_has_cases_of_its_own() -> None:
    tree = ET.fromstring(junit.render([report(outcome("route.hairpin", Verdict.PASS))] * 2))
    names = Counter((case.get("classname"), case.get("name")) for case in tree.iter("testcase"))
    assert len(names) == 2


def test_what_is_not_whole_is_an_error() -> None:
    partial = cases(report(outcome("route.hairpin", Verdict.PASS), complete=False))
    assert children(partial["report is complete"]) == {"error": "partial"}
    absent = cases(report(unavailable=Absence(reason="no dockerd", packages=("docker.io",))))
    assert children(absent["implementation is available"]) == {"error": "unavailable"}


def skipped(case: ET.Element) -> str:
    found = case.find("skipped")
    assert found is not None, ET.tostring(case)
    return found.get("message") or ""


def test_a_waived_failure_is_skipped_with_its_reason() -> None:
    made = report(outcome("route.hairpin", Verdict.FAIL))
    deviation = KnownDeviation(reason="known", issue="https://example.org/1", owner="us", expires=DAY.date())
    waived = made.model_copy(update={"outcomes": (made.outcomes[0].model_copy(update={"deviation": deviation}),)})
    case = cases(waived)["route.hairpin"]
    assert skipped(case) == "fail, waived: known (https://example.org/1, us, until 2026-11-21): as seen"
    assert "known deviation: known (https://example.org/1, until 2026-11-21)" in (case.findtext("system-out") or "")


def test_each_cause_is_one_case_and_counts_its_cases() -> None:
    rows = [outcome("route.hairpin", Verdict.FAIL, f"{number} lost", number=str(number)) for number in range(5)]
    rows += [outcome("route.hairpin", Verdict.FAIL, "the answer came from elsewhere", number="9")]
    rows += [outcome("route.hairpin", Verdict.PASS, number="10")]
    found = cases(report(*rows))
    assert set(found) == {"route.hairpin", "route.hairpin (cause 2)"}
    first, second = (case.find("failure") for case in found.values())
    assert first is not None
    assert second is not None
    assert (first.get("message") or "").startswith("0 lost (5 of 7 cases")
    assert (second.get("message") or "").startswith("the answer came from elsewhere (1 of 7 cases")


def test_what_was_no_better_in_the_baseline_is_skipped() -> None:
    old = [report(outcome("route.hairpin", Verdict.FAIL, family="ipv4"))]
    new = report(
        outcome("route.hairpin", Verdict.FAIL, family="ipv4"), outcome("route.hairpin", Verdict.FAIL, family="ipv6")
    )
    found = {
        case.get("name"): case
        for case in ET.fromstring(junit.render([new], junit.Rules(baseline=junit.baseline(old)))).iter("testcase")
    }
    assert children(found["route.hairpin"]) == {"failure": "SUITE"}
    assert skipped(found["route.hairpin (cause 2)"]).startswith("fail, known: fail in the baseline, too: as seen")


def test_what_does_not_gate_is_not_red() -> None:
    advice = replace(outcome("route.hairpin", Verdict.FAIL), level="SHOULD")
    assert skipped(cases(report(advice))["route.hairpin"]) == "fail, does not gate: SHOULD: as seen"
    strict = ET.fromstring(junit.render([report(advice)], junit.Rules(gate.SHOULD)))
    assert strict.get("failures") == "1"


def test_times_are_those_of_the_recordings() -> None:
    made = report(outcome("route.hairpin", Verdict.PASS))
    header = made.header.model_copy(
        update={
            "recorded": {"routed-reachability-1": 2.5},
            "repeated": (Repeated(recording="routed-reachability-1", reasons=("the machine was busy",)),),
        }
    )
    case = cases(made.model_copy(update={"header": header}))["routed-reachability-1"]
    assert case.get("time") == "2.500000"
    assert "recorded again: the machine was busy" in (case.findtext("system-out") or "")


@given(st.text(alphabet=st.characters(codec=None), max_size=60), st.sampled_from(Verdict))
def test_any_text_becomes_xml(text: str, verdict: Verdict) -> None:
    for case in cases(report(outcome("route.hairpin", verdict, text, path="inbound"))).values():
        assert verdict is Verdict.PASS or children(case)


def test_the_file_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "junit.xml"
    junit.write([report(outcome("route.hairpin", Verdict.PASS))], path)
    assert ET.parse(path).getroot().tag == "testsuites"
    assert [each.name for each in path.parent.iterdir()] == ["junit.xml"]


# --- what the readers of others take --------------------------------------------------------------------------------
READERS: dict[str, tuple[set[str], set[str], list[str]]] = {
    # element: attributes that must be there, further ones that may be, children in any number
    "testsuites": (set(), {"name", "time", "tests", "failures", "errors"}, ["testsuite"]),
    "testsuite": (
        {"name", "tests", "failures", "errors"},
        {"group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"},
        ["testsuite", "properties", "testcase", "system-out", "system-err"],
    ),
    "properties": (set(), set(), ["property"]),
    "property": ({"name", "value"}, set(), []),
    "testcase": (
        {"name"},
        {"time", "classname", "group"},
        ["skipped", "error", "failure", "system-out", "system-err"],
    ),
    **{name: (set(), {"type", "message"}, []) for name in ("failure", "error", "skipped")},
    "system-out": (set(), set(), []),
}
"""Jenkins' xunit-plugin (types/model/xsd/junit-10.xsd) in our own words, without what is for reruns only."""
TIME = re.compile(r"[0-9]+(\.[0-9]+)?")
GITLAB_LARGEST = 30 * 10**6
"""Bytes of one file (docs.gitlab.com, unit test reports); of cases with the same class and name it takes one."""


def breaches(text: str) -> Iterator[str]:
    tree = ET.fromstring(text)
    for element in tree.iter():
        needed, further, children = READERS[element.tag]
        there = set(element.keys())
        if not needed <= there or there - needed - further:
            yield f"{element.tag}: attributes {sorted(element.keys())}"
        wrong = {child.tag for child in element} - set(children)
        if wrong or not TIME.fullmatch(element.get("time", "0")):
            yield f"{element.tag}: {wrong or element.get('time')}"
    names = Counter((case.get("classname"), case.get("name")) for case in tree.iter("testcase"))
    yield from (f"{name}: {count} cases" for name, count in names.items() if count > 1)
    for suite in tree.iter("testsuite"):
        for key, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            if int(suite.get(key, "0")) != len(list(suite.iter(tag))):
                yield f"{suite.get('name')}: {key}"


def test_the_readers_of_jenkins_and_gitlab_take_it() -> None:
    every = [outcome(REACHED, verdict, number=str(number)) for number, verdict in enumerate(Verdict)]
    made = [report(*every), report(*every, complete=False), report(unavailable=Absence(reason="not here"))]
    assert list(breaches(junit.render(made))) == []
    assert list(breaches(junit.render([report(*every)]).replace("<testsuite ", '<testsuite disabled="0" ')))


def test_they_take_what_is_published() -> None:
    text = junit.render(collect([Path(__file__).parents[2] / "reports"]))
    assert list(breaches(text)) == []
    assert len(text.encode()) < GITLAB_LARGEST
