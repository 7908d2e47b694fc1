"""JUnit: parseable, names unique, and nothing that did not pass looks as if it had."""

from __future__ import annotations

import datetime
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.report import junit
from conformance.report.assemble import from_outcomes
from conformance.report.model import Absence, Header, Implementation, KnownDeviation, Report
from conformance.verdict import Attempt, Evidence, Judgement, Outcome, Verdict

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
    case = cases(report(outcome("nat.tcp-untranslated", Verdict.FAIL, path="outbound", family="ipv4")))[
        "nat.tcp-untranslated[family=ipv4, path=outbound]"
    ]
    assert case.get("classname") == "nat-bridge.nat"
    output = case.findtext("system-out") or ""
    for line in ("level: SUITE", "clause: ", "note: a note", "figure: load = 0.5"):
        assert line in output
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("message") == "as seen"
    assert (failure.text or "").splitlines() == [
        "expected: as expected",
        "seen: as seen",
        "frames: routed-reachability-1/frames.pcapng 3, 5",
        "  3 h1:eth0 IP 10.1.0.2 > 10.2.0.2",
    ]


def test_suites_are_per_implementation_and_family_with_properties() -> None:
    tree = ET.fromstring(
        junit.render([report(outcome("route.hairpin", Verdict.PASS), outcome("mtu.usable", Verdict.FAIL)),
                      report(outcome("route.hairpin", Verdict.PASS), profile="other")])
    )  # fmt: skip
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


def test_a_known_deviation_is_shown_as_a_failure_of_that_type() -> None:
    made = report(outcome("route.hairpin", Verdict.FAIL))
    deviation = KnownDeviation(reason="known", issue="https://example.org/1", owner="us", expires=DAY.date())
    excused = made.model_copy(update={"outcomes": (made.outcomes[0].model_copy(update={"deviation": deviation}),)})
    case = cases(excused)["route.hairpin"]
    assert children(case) == {"failure": "known-deviation"}
    assert "known deviation: known (https://example.org/1, until 2026-11-21)" in (case.findtext("system-out") or "")


@given(st.text(alphabet=st.characters(codec=None), max_size=60), st.sampled_from(Verdict))
def test_any_text_becomes_xml(text: str, verdict: Verdict) -> None:
    for case in cases(report(outcome("route.hairpin", verdict, text, path="inbound"))).values():
        assert verdict is Verdict.PASS or children(case)


def test_the_file_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "junit.xml"
    junit.write([report(outcome("route.hairpin", Verdict.PASS))], path)
    assert ET.parse(path).getroot().tag == "testsuites"
    assert [each.name for each in path.parent.iterdir()] == ["junit.xml"]
