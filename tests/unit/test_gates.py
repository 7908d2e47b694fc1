"""Gates that can be trusted: waivers, claims, limits and the run's own choices are seen wherever a result is."""

from __future__ import annotations

import datetime
import tomllib
from typing import Any

import pytest

from conformance import profile as profiles
from conformance.profile import Profile, load
from conformance.report.assemble import control_of, from_outcomes
from conformance.report.columns import column
from conformance.report.gate import Standing, limit_results, report_code, standing, standing_text, waivers
from conformance.report.grid import build
from conformance.report.model import ClassResult, FigureLimit, Header, Implementation, KnownDeviation, Report
from conformance.report.render.badge import badge
from conformance.report.render.markdown import render_markdown
from conformance.running.choices import left_out, profile_text, switched_off
from conformance.verdict import Attempt, Judgement, Outcome, Verdict

DAY = datetime.datetime(2026, 11, 21, 9, 30, tzinfo=datetime.UTC)
NAT, BLACKOUT = "nat.tcp-untranslated", "move.blackout"


class Excuse(KnownDeviation):
    requirement: str = NAT
    reason: str = "it is known to be so"
    issue: str = "https://example.org/1"
    owner: str = "network team"
    expires: datetime.date = DAY.date()


def outcome(name: str, verdict: Verdict, level: str = "SUITE", **figures: float) -> Outcome:
    said = Judgement(verdict, "it holds", f"seen {verdict}", figures=tuple(figures.items()))
    return Outcome(name, level, (("testbed", "routed"),), (Attempt(1, said),))


def report(*outcomes: Outcome, deviations: tuple[Excuse, ...] = (), **changes: Any) -> Report:
    header: dict[str, Any] = {
        "version": "0.1.0",
        "catalogue": "c" * 64,
        "profile": "plain",
        "title": "The network",
        "implementation": Implementation(product="thing", version="1.0"),
        "kernel": "6.18",
        "testbeds": ("routed",),
        "scenarios": ("reachability",),
        "date": DAY,
        "command": "plugfest run",
    }
    control = control_of([outcome(NAT, Verdict.PASS)])
    return from_outcomes(Header(**(header | changes)), outcomes, deviations, control=control)


def test_a_waiver_is_in_every_result() -> None:
    made = report(outcome(NAT, Verdict.FAIL), outcome("route.hairpin", Verdict.PASS), deviations=(Excuse(),))
    assert waivers(made) == (NAT,)
    assert report_code(made) == 0
    _, message, colour = badge(made)
    assert message.startswith("conforms with 1 waiver ")
    assert colour == "yellowgreen"
    assert "**conforms with 1 waiver**" in render_markdown(build([made]))
    assert standing_text(Standing.CONFORMS, 8) == "conforms with 8 waivers"
    assert standing_text(Standing.FAILS, 1) == "does not conform, 1 waiver"


@pytest.mark.parametrize(("changes", "code"), [({"failing": (NAT,)}, 1), ({"undecided": (NAT,)}, 3), ({"met": 1}, 0)])
def test_a_claimed_class_that_is_not_met_fails_though_waived(changes: dict[str, Any], code: int) -> None:
    failing = "failing" in changes
    made = report(outcome(NAT, Verdict.FAIL if failing else Verdict.PASS), deviations=(Excuse(),))
    assert made.footer is not None
    result = ClassResult(**({"name": "routable-endpoint-1", "claimed": True, "met": 0, "total": 1} | changes))
    claimed = made.model_copy(update={"footer": made.footer.model_copy(update={"classes": (result,)})})
    assert report_code(claimed) == code
    unclaimed = result.model_copy(update={"claimed": False})
    loose = made.model_copy(update={"footer": made.footer.model_copy(update={"classes": (unclaimed,)})})
    assert report_code(loose) == 0


@pytest.mark.parametrize(
    ("bound", "code"), [({"at_most": 800}, 0), ({"at_most": 500}, 1), ({"at_least": 700}, 1), ({"at_least": 100}, 0)]
)
def test_a_limit_of_the_profile_gates_a_figure_and_not_conformance(bound: dict[str, float], code: int) -> None:
    limit = FigureLimit(requirement=BLACKOUT, figure="worst_ms", **bound)
    made = report(outcome(NAT, Verdict.PASS), outcome(BLACKOUT, Verdict.PASS, "MEASURE", worst_ms=612), limits=(limit,))
    assert report_code(made) == code
    assert standing(made) is Standing.CONFORMS
    remarks = column(made, "plain", {}, ()).remarks
    assert any("move.blackout worst_ms is 612" in remark for remark in remarks) is (code == 1)


def test_a_limit_whose_figure_was_not_measured_says_so() -> None:
    limit = FigureLimit(requirement=BLACKOUT, figure="worst_ms", at_most=1)
    made = report(outcome(NAT, Verdict.PASS), limits=(limit,))
    assert report_code(made) == 3
    assert "limit: move.blackout worst_ms was not measured" in column(made, "plain", {}, ()).remarks
    assert limit_results(report(outcome(NAT, Verdict.PASS), limits=(limit,), only=("nat",))) == ()


def test_what_a_run_left_out_is_a_remark() -> None:
    made = report(outcome(NAT, Verdict.PASS), only=("nat",), left_out=("same-subnet",), switched_off=("ipv6",))
    remarks = column(made, "plain", {}, ()).remarks
    assert remarks == ("only nat", "without the testbed same-subnet", "switched off: ipv6")


def test_a_profile_in_the_report_is_the_profile() -> None:
    for name in profiles.available():
        text = profile_text(load(name))
        data = tomllib.loads(text)
        if "module" not in data:
            assert profiles.parse(data, name) == load(name), text


def test_a_profile_may_limit_figures_and_state_its_version() -> None:
    made = load("linux-mover", settings=['version="4.2"'])
    data = made.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    data["limits"] = [{"requirement": BLACKOUT, "figure": "worst_ms", "at_most": 3}]
    limited = profiles.parse(data, "x")
    assert limited.version == "4.2"
    assert limited.limits[0].at_most == 3
    with pytest.raises(Exception, match="either at_most or at_least"):
        profiles.parse(data | {"limits": [{"requirement": BLACKOUT, "figure": "worst_ms"}]}, "x")


def test_testbeds_and_features_that_a_run_left_out() -> None:
    cni: Profile = load("cni-bridge")
    assert left_out(cni, ("routed", "same-subnet")) == ()
    assert left_out(cni, ("routed",)) == ("same-subnet",)
    assert switched_off(cni) == ()
    fewer = cni.model_copy(update={"features": tuple(name for name in cni.features if name != "ipv6")})
    assert switched_off(fewer) == ("ipv6",)
