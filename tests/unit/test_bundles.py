"""The bundle of a device that is not here: tables that a real SSH server plays, held against what the cables show."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from meeting import UP, at, event, every_second, lacpdus, recorded
from replay import PASSWORD, USER, Replay

from conformance import profile as profiles
from conformance.adapters.interface import AdapterError, power_of
from conformance.adapters.interface.lldp import AgentTimers
from conformance.adapters.interface.ports import LagConfig
from conformance.adapters.interface.registry import adapter_for
from conformance.adapters.interface.views import LagMember, ShowingMembers
from conformance.adapters.switch.console import Console
from conformance.adapters.switch.dialect import load
from conformance.adapters.switch.outside import Bundle, OutsideBundle
from conformance.adapters.switch.session import DeviceSession, Login
from conformance.adapters.switch.transcript import Transcript
from conformance.errors import UsageError
from conformance.families.pair.checks_views import test_state_of_a_group_is_what_the_cables_show as lacp_view
from conformance.judging.case import Case, judge
from conformance.protocols.lacp.frames import State
from conformance.provoking.views import show
from conformance.recording.events import Event
from conformance.recording.events.meeting import CableJoined
from conformance.recording.events.tables import TableShown
from conformance.verdict import Judgement, Verdict

PROFILES = {"arista_eos": "arista-eos-lag", "cisco_ios": "cisco-ios-lag", "juniper_junos": "juniper-junos-lag"}
VENDORS = tuple(PROFILES)
NAMES = {
    "arista_eos": ("Ethernet7", "Ethernet8"),
    "cisco_ios": ("GigabitEthernet1/0/7", "GigabitEthernet1/0/8"),
    "juniper_junos": ("ge-0/0/7", "ge-0/0/8"),
}
BUNDLED = ("h1.2", "h1.3")
PARTNER = "02:00:5e:00:53:cd"
PORT = r"(Gi1/0/|Et|ge-0/0/)"
Change = Callable[[str], str]


@pytest.fixture
def device(request: pytest.FixtureRequest) -> Iterator[Replay]:
    made = Replay(request.param)
    yield made
    made.close()


def host(name: str = "h1") -> Any:
    return SimpleNamespace(name=name)


@pytest.fixture
def subject(device: Replay, tmp_path: Path) -> Iterator[OutsideBundle]:
    """The subject of the device's profile; its ports are those of the transcript."""
    profile = profiles.load(PROFILES[device.name])
    reached = Login(address="device", port=22, user=USER, known_hosts=device.known_hosts(tmp_path), password=PASSWORD)
    transcript = Transcript(tmp_path / "ssh.log", [PASSWORD])
    session = DeviceSession(load(str(profile.adapter["dialect"])), reached, transcript, over=device.there)
    console = Console(session, tmp_path / "journal.json")
    names = dict(zip(BUNDLED, NAMES[device.name], strict=True))
    lab: Any = SimpleNamespace()
    yield OutsideBundle(lab, AgentTimers(), lambda: console, names, Bundle(**profile.adapter["bundle"]))
    console.leave()


@pytest.mark.parametrize("device", VENDORS, indirect=True)
def test_the_state_of_its_bundle_is_data(device: Replay, subject: OutsideBundle) -> None:
    assert power_of(subject, ShowingMembers) is not None
    shown = list(subject.members(host(), "whatever it is called here"))
    assert shown[0] == LagMember("h1.2", in_use=True, partner=PARTNER)
    assert (shown[1].port, shown[1].in_use, shown[1].partner.strip("0:")) == ("h1.3", False, "")
    assert len(shown) == 2
    assert not device.strange


NOT_UNDERSTOOD: dict[str, tuple[Change, str]] = {
    "another bundle": (lambda one: one.replace("Po1", "Po7").replace("ae1", "ae7"), "no bundle|no such table"),
    "an unknown flag": (lambda one: one.replace("(s)", "(q)").replace("GS-", "GZ-").replace(" No   No ", " No   Oh "),
                        "is not known|template does not"),
    "no partner": (lambda one: "\n".join(line for line in one.splitlines() if "53" not in line), "is not shown"),
    "a port of others": (lambda one: re.sub(r"(Gi1/0/|Et|ge-0/0/)8", r"\g<1>9", one), "adapter.bundle.ports"),
    "half a line": (lambda one: one.replace("02", "zz"), "template does not match|not understood"),
    "refused": (lambda _: "% Invalid input detected\nerror: syntax error", "% Invalid|error: "),
    "nothing": (lambda _: "", "no such table"),
}  # fmt: skip


@pytest.mark.parametrize("device", VENDORS, indirect=True)
@pytest.mark.parametrize("what", NOT_UNDERSTOOD)
def test_a_bundle_that_is_not_understood_is_no_verdict(device: Replay, subject: OutsideBundle, what: str) -> None:
    change, said = NOT_UNDERSTOOD[what]
    device.tables = {send: change(output) for send, output in device.tables.items()}
    with pytest.raises(AdapterError, match=said):
        subject.members(host(), "lag-pair")


def test_a_bundle_that_is_configured_by_hand_is_the_only_one() -> None:
    known: Any = None
    subject = OutsideBundle(known, AgentTimers(), known, {}, Bundle(name="Po1", ports=BUNDLED))
    subject.aggregate(host(), "h1.1", [LagConfig("lag-pair", ("h1.2", "h1.3"))])
    for access, config in (
        ("h1.2", LagConfig("lag-pair", ("h1.2", "h1.3"))),
        ("h1.1", LagConfig("lag-pair", ("h1.3", "h1.4"))),
        ("h1.1", LagConfig("lag-pair", ("h1.2", "h1.3"), active=False)),
        ("h1.1", LagConfig("lag-pair", ("h1.2", "h1.3"), short=False)),
    ):
        with pytest.raises(AdapterError, match="configured by hand"):
            subject.aggregate(host(), access, [config])


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("adapter.ageing=300", "adapter.bundle: ports of a bundle are no ports of a bridge"),
        ('adapter.bundle.ports=["h1.2", "h1.2"]', "adapter.bundle.ports: a port is there twice"),
        ('adapter.bundle.ports=["h1.2", "h1.9"]', "adapter.ports does not say what 'h1.9' is called; there are h1.1"),
        ('adapter.bundle.ports=["h1.2"]', "adapter: bundle.ports: Tuple should have at least 2 items"),
        ("adapter.bundle.name=", "adapter: bundle.name: String should have at least 1 character"),
        ("adapter.bundle.nmae=Po1", "adapter: bundle.nmae: unknown key; did you mean 'name'?"),
    ],
)
def test_a_wrong_bundle_is_refused_in_one_line(setting: str, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)) as timers:
        adapter_for(profiles.load("cisco-ios-lag", settings=[setting]))
    assert str(timers.value).startswith("cisco-ios-lag: ")
    assert "\n" not in str(timers.value)


def test_what_a_bundle_would_be_asked_is_planned() -> None:
    commands = {
        "cisco": "'show etherchannel summary', 'show lacp neighbor'",
        "arista": "'show port-channel summary', 'show lacp peer'",
        "juniper": "'show lacp interfaces ae1 extensive'",
    }
    for name in PROFILES.values():
        (asked,) = (line for line in adapter_for(profiles.load(name)).plan() if "over SSH" in line)
        assert asked.endswith(commands[name.partition("-")[0]])
        assert not any("lacp" in line for line in adapter_for(profiles.load(name.removesuffix("-lag"))).plan())


# --- against the cables ---------------------------------------------------------------------------------------------
def whole(output: str) -> str:
    """A table in which the second port is as the first."""
    kept = [line for line in output.splitlines() if not re.match(rf"\s*{PORT}8", line)]
    lines = [
        one
        for line in kept
        for one in ([line, re.sub("7", "8", line, count=1)] if re.match(rf"\s*{PORT}7", line) else [line])
    ]
    return "\n".join(lines).replace("Gi1/0/8(s)", "Gi1/0/8(P)").replace("Et8(GS-)", "Et8(PSG+)")


def same(output: str) -> str:
    """As in the transcript: the second port is out of use."""
    return output


def another(output: str) -> str:
    """Another partner than the one that spoke."""
    return re.sub(r"(53[:-]?)cd", r"\1ce", whole(output))


def hidden(output: str) -> str:
    """Without the second port."""
    return "\n".join(line.replace("Gi1/0/8(s)", "") for line in output.splitlines())


def garbage(_: str) -> str:
    """Something else."""
    return "the bundle is doing well"


def asked(device: Replay, subject: OutsideBundle, moments: Sequence[tuple[float, str, Change]]) -> list[Event]:
    """The rows that the device showed at each moment, with a table that was changed."""
    tables = device.tables
    events: list[Event] = []
    for moment, what, change in moments:
        context: Any = SimpleNamespace(event=partial(note, events, moment))
        device.tables = {send: change(output) for send, output in tables.items()}
        show(context, "h1", what, lambda: subject.members(host(), "lag-pair"))
    return events


def note(events: list[Event], moment: float, shown: Event) -> None:
    if isinstance(shown, TableShown):
        shown = replace(shown, asked_ns=at(moment), answered_ns=at(moment + 0.5))
    events.append(event(moment, shown))


def judged(folder: Path, shown: Sequence[Event]) -> Judgement:
    """The verdict on what was shown: both cables of the bundle were in use, then the second fell silent at 16 s, which
    the switch noticed three seconds later."""
    alone = UP & ~(State.COLLECTING | State.DISTRIBUTING | State.SYNCHRONIZATION)
    early = [moment for moment in every_second() if moment <= 16]
    noticed = [moment for moment in every_second() if moment > 19]
    seen = [
        *lacpdus("h1p2", every_second()),
        *lacpdus("h1p2", every_second(), system=PARTNER, ours=True),
        *lacpdus("h1p3", every_second(*noticed)),
        *lacpdus("h1p3", noticed, state=alone),
        *lacpdus("h1p3", early, system=PARTNER, ours=True),
    ]
    joined = [event(1, CableJoined(where=f"cable {n}", left=f"h1:h1.{n}", right=f"h2:port{n}")) for n in (2, 3)]
    profile = profiles.load("cisco-ios-lag")
    recording = recorded(folder, [*joined, *shown], seen, left=profile, called="h1.")
    return judge(lacp_view, Case(recording, {"side": "left"}))


SHOWN = {
    "true": (whole, same, Verdict.PASS, ""),
    "flattering": (whole, whole, Verdict.FAIL, f"h1:h1.3 (deaf) is shown in use, {PARTNER}; the cable is not in use"),
    "out of use": (same, same, Verdict.FAIL, "h1:h1.3 (whole) is shown not in use"),
    "another partner": (another, same, Verdict.FAIL, f"shown in use, {PARTNER[:-1]}e; the cable is in use"),
    "not understood": (whole, garbage, Verdict.INCONCLUSIVE, "see logs/ssh.log"),
}
CASES = [
    (vendor, name) for vendor in VENDORS for name in SHOWN if vendor == "cisco_ios" or name in ("true", "flattering")
]


@pytest.mark.parametrize(("device", "name"), CASES, indirect=["device"])
def test_the_state_of_its_bundle_is_held_against_the_cables(
    device: Replay, subject: OutsideBundle, name: str, tmp_path: Path
) -> None:
    first, second, verdict, said = SHOWN[name]
    outcome = judged(tmp_path, asked(device, subject, [(9, "whole", first), (22, "deaf", second)]))
    assert (outcome.verdict, said in outcome.seen) == (verdict, True), outcome.seen


@pytest.mark.parametrize("device", ["cisco_ios"], indirect=True)
def test_a_port_that_is_not_in_its_table_is_not_shown(device: Replay, subject: OutsideBundle, tmp_path: Path) -> None:
    outcome = judged(tmp_path, asked(device, subject, [(9, "whole", whole), (22, "deaf", hidden)]))
    assert outcome.verdict is Verdict.FAIL
    assert "h1:h1.3 (deaf) is not shown" in outcome.seen
