"""Every profile that ships, run once on its real implementation: the verdicts are those that are true.

The table of truths is `truths.toml`; whatever it does not name must pass. An error of ours is never true.
"""

from __future__ import annotations

import fnmatch
import os
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from command import EMULATED, NIGHTLY, OUTSIDE, OVERNIGHT, outcomes, plugfest

from conformance.judging.checks import checks
from conformance.profile import CONTROL, available
from conformance.profile import load as load_profile
from conformance.recording.model import Flow
from conformance.recording.store import Recording, find, load
from conformance.report.gate import report_code
from conformance.report.model import Report, ReportedOutcome, canonical_outcomes
from conformance.report.store import read
from conformance.requirement import find as requirement
from conformance.running.live import overloaded
from conformance.testbed import available as shapes
from conformance.testbed import load as load_testbed

pytestmark = [pytest.mark.outside, pytest.mark.peers, pytest.mark.timeout(1800)]

SKIPPED = pytest.mark.skip(reason="nightly: PLUGFEST_NIGHTLY=1")
PROFILES = [name for name in available() if name not in {CONTROL, *EMULATED, *NIGHTLY, *OUTSIDE}]
CONFORMING = {
    "routed-64", "flat-bridge", "cni-ptp", "reference-lldp", "linux-mover", "reference-lacp",
    "ovs-bridge", "routed-64-acl", "guarded-bridge", "tenant-bridges", "frr-switch",
    "macvlan-tenants", "docker-macvlan-tenants", "vxlan-routed",
}  # fmt: skip
UNDECIDED = {"linux-overlay-mover"}
"""Profiles that fail nothing and leave something open: nobody outside has a way into that overlay."""


def report_of(run: Path, profile: str) -> Report:
    """The report of one profile of the run; skips where its implementation is not on this machine."""
    report = read(run / profile)
    if report.header.unavailable is not None:
        pytest.skip(f"needs {' '.join(report.header.unavailable.packages)}: {report.header.unavailable.reason}")
    return report


# --- the table ----------------------------------------------------------------------------------------------------
@dataclass
class Selector:
    """A pattern of requirement ids and the values that parameters must have."""

    requirement: str
    parameters: dict[str, set[str]]
    used: bool = False

    def fits(self, outcome: ReportedOutcome) -> bool:
        return fnmatch.fnmatchcase(outcome.requirement, self.requirement) and all(
            outcome.parameters.get(name) in values for name, values in self.parameters.items()
        )


@dataclass
class Truth:
    """Verdicts that are true of some profiles, and why."""

    profiles: list[str]
    verdict: str
    because: str
    what: list[Selector] = field(default_factory=list)


def truths(profile: str) -> list[Truth]:
    """The entries of the table for one profile, in order."""
    listed = tomllib.loads(Path(__file__).with_name("truths.toml").read_text())["truth"]
    return [
        Truth(entry["profiles"], entry["verdict"], entry["because"], [_selector(text) for text in entry["what"]])
        for entry in listed
        if any(fnmatch.fnmatchcase(profile, pattern) for pattern in entry["profiles"])
    ]


def _selector(text: str) -> Selector:
    requirement, *parameters = text.split()
    pairs = (word.split("=") for word in parameters)
    return Selector(requirement, {name: set(values.split("|")) for name, values in pairs})


def expected(table: list[Truth], outcome: ReportedOutcome) -> tuple[str, str]:
    """The true verdict of an outcome, and why; marks the entry as used."""
    for truth in table:
        for selector in truth.what:
            if selector.fits(outcome):
                selector.used = True
                return truth.verdict, truth.because
    return "pass", "nothing is known against it"


def differences(table: list[Truth], report: Report) -> Iterator[str]:
    """Every outcome that is not what is true. What binds other roles than the profile's is not applicable, nor is what
    speaks of workloads to a profile of ports, or of ports to one of workloads."""
    profile = load_profile(report.header.profile)
    of_ports = {check.requirement.id for check in checks() if check.links}
    for outcome in report.outcomes:
        verdict, because = expected(table, outcome)
        row = requirement(outcome.requirement)
        if not set(profile.roles) & set(row.roles):
            verdict, because = "not-applicable", "it binds others"
        elif profile.links is not (row.id in of_ports) and (profile.links or not row.features):
            verdict, because = "not-applicable", "it speaks of workloads, or of single ports"
        if outcome.verdict != verdict:
            where = " ".join(f"{name}={value}" for name, value in outcome.parameters.items())
            yield f"{outcome.requirement} {where}: {outcome.verdict}, not {verdict} ({because}): {outcome.seen}"


def untrue(wrong: list[str], run: Path, report: Report, again: Path) -> list[str]:
    """The outcomes of a report that are not true. Where its recordings say that the machine was overloaded, only these
    are recorded and judged once more, into `again`: an outcome is untrue if it is so twice."""
    profile = report.header.profile
    if not wrong or not any(overloaded(load(folder).record) for folder in find(run / profile)):
        return wrong
    only = [word for name in sorted({line.partition(" ")[0] for line in wrong}) for word in ("--only", name)]
    testbeds = [word for name in report.header.testbeds for word in ("--testbed", name)]
    ended = plugfest(again, "run", profile, *testbeds, *only, "--out", "again")
    assert "Traceback" not in ended.stderr, ended.stderr
    return list(differences(truths(profile), report_of(again / "again", profile)))


@pytest.mark.parametrize("profile", [*PROFILES, *(pytest.param(name, marks=SKIPPED) for name in sorted(NIGHTLY))])
def test_verdicts_are_true(profile: str, whole_run: Path, tmp_path: Path) -> None:
    report = report_of(whole_run, profile)
    assert not report.partial
    links = load_profile(profile).links
    assert set(report.header.testbeds) == {name for name in shapes() if load_testbed(name).links is links}
    assert report.header.scenarios
    table = truths(profile)
    differing = list(differences(table, report))
    wrong = untrue(differing, whole_run, report, tmp_path)
    assert not wrong, f"{len(wrong)} of {len(report.outcomes)}:\n" + "\n".join(wrong[:40])
    idle = [f"{one.requirement} {one.parameters}" for truth in table for one in truth.what if not one.used]
    assert not idle, f"entries that say nothing of {profile}: {idle}"
    assert links or report.control is not None
    assert report.control is None or not report.control.problems
    assert differing or report_code(report) == (0 if profile in CONFORMING else 3 if profile in UNDECIDED else 1)


def emulated(profile: str, testbed: str, families: tuple[str, ...], folder: Path) -> Report:
    """The report of what runs in a virtual machine, whose verdicts are true; on one testbed, since that is slow."""
    only = [word for family in families for word in ("--only", family)]
    ended = plugfest(folder, "run", profile, "--testbed", testbed, *only, "--out", "out")
    assert "Traceback" not in ended.stderr, ended.stderr
    report = report_of(folder / "out", profile)
    wrong = untrue(list(differences(truths(profile), report)), folder / "out", report, folder)
    assert not wrong, f"{len(wrong)} of {len(report.outcomes)}:\n" + "\n".join(wrong[:40])
    return report


@pytest.mark.parametrize("kind", ["bonding", pytest.param("team", marks=() if OVERNIGHT else SKIPPED)])
def test_verdicts_of_groups_in_a_virtual_machine_are_true(kind: str, tmp_path: Path) -> None:
    """The machine that judges needs no driver for groups: the guest's kernel has one, and is what is judged."""
    report = emulated(f"linux-{kind}", "links", ("lacp",), tmp_path)
    assert report.header.implementation is not None
    assert report.header.implementation.product == f"Linux {kind}"


@pytest.mark.parametrize(
    ("profile", "families"),
    [
        ("qemu-migration-virtio", ("route", "nat", "addr", "nd", "mtu", "underlay", "move")),
        pytest.param("qemu-migration-e1000", ("move",), marks=[SKIPPED] if NIGHTLY else []),
    ],
)
def test_verdicts_of_virtual_machines_are_true(profile: str, families: tuple[str, ...], tmp_path: Path) -> None:
    """A virtual machine is an endpoint like any other, and migrates."""
    report = emulated(profile, "same-subnet", families, tmp_path)
    rarp = next(outcome for outcome in report.outcomes if outcome.requirement == "move.no-rarp")
    assert "RARP request for" in rarp.evidence[0].lines[0]


def test_masquerading_costs_only_nat_and_socket_identity(whole_run: Path) -> None:
    """cni-bridge and cni-bridge-masq differ in nothing else; a flow that is translated is judged as NAT only."""
    plain, masquerading = (report_of(whole_run, name) for name in ("cni-bridge", "cni-bridge-masq"))
    pairs = zip(plain.outcomes, masquerading.outcomes, strict=True)
    differing = {
        (one.requirement if one.family != "nat" else "nat", one.parameters.get("path"))
        for one, other in pairs
        if one.verdict != other.verdict
    }
    assert {what for what, _ in differing} == {"nat", "route.every-flow", "route.socket-identity"}
    assert {path for what, path in differing if what != "nat"} == {"cross-host", "outbound"}


# --- what the wires saw -------------------------------------------------------------------------------------------
def reached(run: Path, profile: str, **wanted: Any) -> list[tuple[Recording, Flow]]:
    """The flows of purpose ``reach`` that arrived, on both testbeds."""
    report_of(run, profile)
    found = []
    for recording in map(load, find(run / profile)):
        if recording.record.scenario == "reachability":
            for flow in recording.record.flows:
                fits = all(getattr(flow, name) == value for name, value in wanted.items())
                if fits and flow.purpose == "reach" and flow.arrival is not None:
                    found.append((recording, flow))
    assert found, f"nothing arrived on {wanted}"
    return found


def source_kept(flow: Flow) -> bool:
    assert flow.arrival is not None
    return flow.arrival.peer == flow.local


def destination_kept(flow: Flow) -> bool:
    assert flow.arrival is not None
    return flow.arrival.local == flow.dialled


Fact = tuple[str, dict[str, str], Callable[[Flow], bool]]

FACTS: dict[str, Fact] = {
    "published v4: source kept": ("docker-published-port", {"path": "published", "family": "ipv4"}, source_kept),
    "published v4: destination rewritten": (
        "docker-published-port",
        {"path": "published", "family": "ipv4"},
        lambda flow: not destination_kept(flow),
    ),
    "published v4: own address answers too": (
        "docker-published-port",
        {"path": "inbound", "family": "ipv4", "protocol": "tcp"},
        lambda flow: flow.status == "answered" and destination_kept(flow) and source_kept(flow),
    ),
    "published v6: source rewritten": (
        "docker-published-port",
        {"path": "published", "family": "ipv6"},
        lambda flow: not source_kept(flow) and not destination_kept(flow),
    ),
    "published hairpin: source rewritten": (
        "docker-published-port",
        {"path": "published-hairpin"},
        lambda flow: not source_kept(flow),
    ),
    "routed v6 of Docker: no NAT66": (
        "docker-bridge-ipv6",
        {"path": "inbound", "family": "ipv6"},
        lambda flow: flow.status == "answered" and source_kept(flow) and destination_kept(flow),
    ),
    "overlay: across hosts": (
        "docker-overlay",
        {"path": "cross-host"},
        lambda flow: flow.status == "answered" and source_kept(flow) and destination_kept(flow),
    ),
    "portmap: source kept": ("cni-bridge-portmap", {"path": "published"}, source_kept),
    "vxlan: across hosts": ("vxlan", {"path": "cross-host"}, lambda flow: source_kept(flow) and destination_kept(flow)),
}


@pytest.mark.parametrize("fact", FACTS.values(), ids=FACTS)
def test_flows_show_it(fact: Fact, whole_run: Path) -> None:
    profile, wanted, holds = fact
    for recording, flow in reached(whole_run, profile, **wanted):
        if flow.protocol != "icmp":
            assert holds(flow), f"{recording.name}: {flow}"


@pytest.mark.parametrize("profile", ["docker-bridge-ipv6", "docker-overlay", "nat-bridge", "cni-bridge-masq"])
def test_outbound_has_the_address_of_the_host(profile: str, whole_run: Path) -> None:
    for recording, flow in reached(whole_run, profile, path="outbound", family="ipv4", protocol="tcp"):
        assert flow.arrival is not None
        host = next(endpoint.host for endpoint in recording.record.endpoints if endpoint.name == flow.source)
        assert flow.arrival.peer.address == str(recording.record.testbed.hosts[host].ipv4)
        assert destination_kept(flow)


# --- evidence, and judging again ----------------------------------------------------------------------------------
def test_failures_show_their_frames(whole_run: Path) -> None:
    """Every frame number of the evidence is in the capture, as Wireshark counts."""
    program = shutil.which("tshark")
    if program is None:
        pytest.skip("needs tshark")
    report = report_of(whole_run, "nat-bridge")
    failed = next(one for one in report.outcomes if one.requirement == "nat.udp-untranslated" and one.verdict == "fail")
    evidence = failed.evidence[0]
    capture = whole_run / "nat-bridge" / evidence.recording / "frames.pcapng"
    wanted = ",".join(map(str, evidence.frames))
    fields = ["-T", "fields", "-e", "frame.number", "-e", "frame.interface_name", "-e", "udp.length"]
    command = [program, "-n", "-r", str(capture), "-Y", f"frame.number in {{{wanted}}}", *fields]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert sorted(int(row[0]) for row in rows) == sorted(evidence.frames)
    assert all(row[2] for row in rows), "every one is UDP"
    shown = {line.split()[0]: line.split()[1] for line in evidence.lines}
    assert shown.items() <= {row[0]: row[1] for row in rows}.items()


def test_recordings_are_judged_again_to_the_same_bytes(whole_run: Path, tmp_path: Path) -> None:
    """One implementation of every kind, and the plain wire as their control."""
    kinds = {load_profile(name).kind: name for name in reversed(PROFILES)}
    here = [name for name in kinds.values() if read(whole_run / name).header.unavailable is None]
    for name in (CONTROL, *here):
        shutil.copytree(whole_run / name, tmp_path / "run" / name, copy_function=os.link)
    ended = plugfest(tmp_path, "judge", "run", "--out", "again")
    assert ended.returncode == 1, ended.stderr
    for profile in here:
        again = tmp_path / "again" / profile
        assert canonical_outcomes(read(whole_run / profile)) == canonical_outcomes(read(again)), profile
        assert outcomes(whole_run / profile / "report.json") == outcomes(again / "report.json")
