"""Pairs: two profiles as one, and the matrix of implementation against implementation."""

from __future__ import annotations

import datetime
import io
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from conformance.adapters.interface import AdapterError
from conformance.adapters.interface.cables import cabled_ports
from conformance.adapters.interface.lldp import AgentTimers
from conformance.adapters.switch.outside import OutsideDevice
from conformance.errors import UsageError
from conformance.judging.checks import checks
from conformance.lab.lab import Cable
from conformance.pairs.pairing import add_host, couples, members, pair_of, sides_of
from conformance.places import TESTBEDS
from conformance.profile import load
from conformance.report.assemble import from_outcomes
from conformance.report.model import Absence, Header, Implementation, Report
from conformance.report.render import pairs
from conformance.report.render.glyphs import UNICODE
from conformance.running.request import Request
from conformance.running.run import Run
from conformance.testbed import Testbed
from conformance.testbed import load as load_testbed
from conformance.verdict import Attempt, Judgement, Outcome, Verdict


def outcome(name: str, verdict: Verdict, **parameters: str) -> Outcome:
    judgement = Judgement(verdict, "it holds", "what was seen")
    return Outcome(name, "SUITE", tuple(sorted(parameters.items())), (Attempt(1, judgement),))


def report(left: str, right: str, *outcomes: Outcome, absent: bool = False) -> Report:
    header = Header(
        version="0",
        catalogue="0" * 64,
        profile=f"{left}_x_{right}",
        title="A pair",
        roles=("workload-pair",),
        pair=(left, right),
        implementation=None if absent else Implementation(product="two", version="1"),
        unavailable=Absence(reason="it is not here") if absent else None,
        kernel="6",
        testbeds=("routed",),
        scenarios=("pair",),
        date=datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC),
        command="plugfest run",
    )
    return from_outcomes(header, outcomes)


def met(left: str, right: str) -> Report:
    """A pair in which the right one drops what it is sent."""
    return report(
        left,
        right,
        outcome("pair.reach", Verdict.FAIL, direction="left-to-right"),
        outcome("pair.reach", Verdict.PASS, direction="right-to-left"),
        outcome("pair.addresses-kept", Verdict.INCONCLUSIVE, direction="left-to-right"),
        outcome("pair.addresses-kept", Verdict.PASS, direction="right-to-left"),
        outcome("pair.sends", Verdict.PASS, side="left"),
        outcome("pair.delivers", Verdict.PASS, side="left"),
        outcome("pair.sends", Verdict.PASS, side="right"),
        outcome("pair.delivers", Verdict.FAIL, side="right"),
    )


def test_a_pair_claims_what_both_claim() -> None:
    pair = pair_of(load("routed-64"), load("docker-bridge"))
    assert pair.name == "routed-64_x_docker-bridge"
    assert pair.paired
    assert not pair.links
    assert "ipv6" not in pair.features
    assert {"ipv4", "multi-host"} <= set(pair.features)
    assert members(pair) == ("routed-64", "docker-bridge")
    assert members(load("routed-64")) == ()
    left, right = sides_of(pair, load_testbed("routed"))
    assert (left.host, right.host) == ("h1", "h2")
    assert right.profile == load("docker-bridge")


def test_a_pair_needs_two_hosts_and_a_router() -> None:
    pair = pair_of(load("routed-64"), load("cni-ptp"))
    for name in ("same-subnet", "links"):
        with pytest.raises(UsageError, match="a router between"):
            sides_of(pair, load_testbed(name))


def test_everyone_meets_everyone_once() -> None:
    names = [load(name) for name in ("routed-64", "cni-ptp", "nat-bridge")]
    met_ = [(one.name, other.name) for one, other in couples(names)]
    assert met_ == [("routed-64", "cni-ptp"), ("routed-64", "nat-bridge"), ("cni-ptp", "nat-bridge")]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Request(profiles=("routed-64",), pairs=True), "at least two"),
        (Request(profiles=("routed-64", "cni-ptp"), pairs=True, rename="x"), "not with --pair"),
        (Request(profiles=("routed-64", "cni-ptp"), pairs=True, testbeds=("same-subnet",)), "a router between"),
        (Request(profiles=("routed-64", "routed-65"), pairs=True), "did you mean 'routed-64'"),
    ],
)
def test_a_request_for_pairs_that_cannot_be(asked: Request, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Run(asked)


def test_a_run_of_pairs_has_two_plain_wires_as_its_control() -> None:
    run = Run(Request(profiles=("routed-64", "cni-ptp"), pairs=True))
    assert list(run.profiles) == ["plain-wire", "routed-64_x_cni-ptp"]
    assert members(run.profiles["plain-wire"]) == ("plain-wire", "plain-wire")
    assert run.selection.testbeds == ("routed",)


def test_the_cell_says_what_was_carried_and_whose_side_broke_a_clause() -> None:
    (meetings,) = pairs.tables([met("one", "other"), report("one", "third", absent=True)]).values()
    first = meetings[0]
    assert first.carried == {("one", "other"): Verdict.FAIL, ("other", "one"): Verdict.PASS}
    assert first.verdict is Verdict.FAIL
    assert first.sides == (Verdict.PASS, Verdict.FAIL)
    assert first.broken == ((), ("pair.delivers",))
    assert pairs.cell(meetings, "one", "other", UNICODE) == ("✗ c", Verdict.FAIL)
    assert pairs.cell(meetings, "other", "one", UNICODE) == ("✓ r", Verdict.PASS)
    assert pairs.cell(meetings, "third", "one", UNICODE) == ("⊘", None)
    assert pairs.cell(meetings, "other", "third", UNICODE) == ("", None)


def test_it_is_shown_on_a_terminal_and_as_markdown() -> None:
    said = io.StringIO()
    pairs.render_terminal([met("one", "other")], Console(file=said, width=100))
    assert "one x other: interoperability fail; one pass; other fail (pair.delivers)" in said.getvalue()
    page = pairs.render_markdown([met("one", "other")])
    assert "| **one** |  | ✗ c |" in page
    assert "| one × other | ✗ fail | ✓ pass | ✗ fail: pair.delivers |" in page
    assert not pairs.render_markdown([])


def test_ports_meet_in_the_roles_that_both_have() -> None:
    pair = pair_of(load("linux-bridge"), load("ovs-bridge"))
    assert pair.roles == ("bridge-pair",)
    assert pair.paired
    assert pair.links
    with pytest.raises(UsageError, match=r"no role in common to meet in \(lldpd: lldp-agent; ovs-bond: lacp-partner\)"):
        pair_of(load("lldpd"), load("ovs-bond"))
    with pytest.raises(UsageError, match="no role in common"):
        pair_of(load("lldpd"), load("routed-64"))


def test_ports_meet_on_two_hosts_that_the_scenario_makes() -> None:
    pair = pair_of(load("lldpd"), load("lldpd"))
    assert pair.name == "lldpd_x_lldpd"
    bed = add_host(load_testbed("links"), 3)
    assert bed.ports == 3
    assert [side.host for side in sides_of(pair, bed)] == ["h1", "h2"]
    first, second = bed.hosts.values()
    assert not first.workload_ipv4.overlaps(second.workload_ipv4)
    assert not first.pool_ipv6.overlaps(second.pool_ipv6)
    with pytest.raises(UsageError):
        sides_of(pair, load_testbed("links"))


def test_a_device_outside_has_the_nics_of_the_first_host() -> None:
    """NICs that a scenario has no use for stay the machine's; the second host's ports are the lab's own."""
    example = load_testbed(str(TESTBEDS / "physical-example.toml"))
    assert example.physical.keys() == {"h1.1", "h1.2", "h1.3", "h1.4"}
    bed = add_host(example, 3)
    assert bed.physical.keys() == {"h1.1", "h1.2", "h1.3"}
    assert Testbed.model_validate(bed.model_dump(by_alias=True)) == bed
    cables = {
        "h1": tuple(Cable("", "", f"h1p{port}", "") for port in (1, 2, 3)),
        "h2": tuple(Cable(f"port{port}", "", f"h2p{port}", "") for port in (1, 2, 3)),
    }
    labs: Any = {
        name: SimpleNamespace(testbed=bed, partners=object(), hosts={name: SimpleNamespace(name=name, cables=ends)})
        for name, ends in cables.items()
    }
    nobody: Any = None
    assert [port.name for port in OutsideDevice(labs["h1"], AgentTimers(), nobody, {}).ports()] == [
        "h1.1",
        "h1.2",
        "h1.3",
    ]
    assert [port.name for port in cabled_ports(labs["h2"])] == ["port1", "port2", "port3"]
    with pytest.raises(AdapterError, match="no NIC leads to it from h2: of a pair, name it first"):
        OutsideDevice(labs["h2"], AgentTimers(), nobody, {}).ports()
    with pytest.raises(AdapterError, match="nothing on this machine is behind them"):
        cabled_ports(labs["h1"])


def test_who_is_named_twice_meets_another_of_its_kind() -> None:
    names = [load(name) for name in ("lldpd", "lldpd", "networkd")]
    assert [(a.name, b.name) for a, b in couples(names)] == [("lldpd", "lldpd"), ("lldpd", "networkd")]
    assert len(list(couples(names[1:], itself=True))) == 3


def test_a_run_of_ports_has_no_control_and_asks_the_side_that_it_is_about() -> None:
    run = Run(Request(pairs=True, circles=("lldp",)))
    assert "plain-wire" not in run.profiles
    assert "ladvd_x_ladvd" in run.profiles
    assert run.selection.testbeds == ("links",)
    pair = run.profiles["lldpd_x_ladvd"]
    (shown,) = (check for check in checks() if check.requirement.id == "pair.lldp-shown")
    assert shown.undeclared(pair, {"direction": "right-to-left"}) is None
    assert shown.undeclared(pair, {"direction": "left-to-right"}) == "the profile ladvd does not claim lldp-receive"
    with pytest.raises(UsageError, match="meets on a testbed of links"):
        Run(Request(profiles=("lldpd", "networkd"), pairs=True, testbeds=("routed",)))


def test_one_kind_against_itself_is_one_cell_of_both_ways() -> None:
    (meetings,) = pairs.tables([met("one", "one")]).values()
    assert pairs.cell(meetings, "one", "one", UNICODE) == ("✗ rc", Verdict.FAIL)
