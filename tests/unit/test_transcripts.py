"""The dialects of devices that are not here, on a real SSH server that plays the device's part of a transcript."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from replay import FOLDER, PASSWORD, USER, Replay

from conformance import limits
from conformance import profile as profiles
from conformance.adapters.interface import AdapterError, Unavailable
from conformance.adapters.interface.lldp import AgentTimers, LldpNeighbour
from conformance.adapters.interface.registry import adapter_for
from conformance.adapters.interface.views import Counters, FdbEntry
from conformance.adapters.switch import outside
from conformance.adapters.switch.changes import Changes
from conformance.adapters.switch.console import Console
from conformance.adapters.switch.dialect import available, load
from conformance.adapters.switch.outside import OutsideBridge
from conformance.adapters.switch.session import DeviceSession, Login
from conformance.adapters.switch.transcript import Transcript
from conformance.families.lldp import evidence as discovery
from conformance.judging.case import Case, judge
from conformance.judging.views import views
from conformance.lab.sandbox import custody
from conformance.provoking.views import show
from conformance.recording.events import row_of
from conformance.recording.events.discovery import NeighboursShown
from conformance.recording.events.tables import TableNotShown
from conformance.verdict import Verdict

PORTS = {
    "arista_eos": "Ethernet7", "cisco_ios": "GigabitEthernet1/0/7", "cumulus": "swp7", "juniper_junos": "ge-0/0/7",
}  # fmt: skip


PROFILES = {"arista_eos": "arista-eos", "cisco_ios": "cisco-ios", "juniper_junos": "juniper-junos"}
VENDORS = tuple(PROFILES)


@pytest.fixture
def device(request: pytest.FixtureRequest) -> Iterator[Replay]:
    made = Replay(request.param)
    yield made
    made.close()


def at(name: str) -> Any:
    """A port of the testbed."""
    return SimpleNamespace(name=name)


def asked(device: Replay, folder: Path) -> OutsideBridge:
    """The subject of the device's own profile; its first port is the one that the transcript names."""
    profile = profiles.load(PROFILES[device.name])
    dialect = load(str(profile.adapter["dialect"]))
    transcript = Transcript(folder / "ssh.log", [PASSWORD])
    console = Console(
        DeviceSession(dialect, login(device, folder), transcript, over=device.there), folder / "journal.json"
    )
    names = {"h1.1": PORTS[device.name]}
    lab: Any = SimpleNamespace()
    return OutsideBridge(lab, AgentTimers(), lambda: console, names, float(profile.adapter["ageing"]))


def login(device: Replay, folder: Path) -> Login:
    return Login(address="device", port=22, user=USER, known_hosts=device.known_hosts(folder), password=PASSWORD)


def test_what_is_not_tried_on_a_device_says_so_and_has_a_transcript() -> None:
    timers = {name: load(name).tried for name in available()}
    assert {path.stem for path in FOLDER.glob("*.toml")} == {name for name, how in timers.items() if how != "real"}
    assert set(PORTS) == {name for name, how in timers.items() if how == "transcript only"}


@pytest.mark.parametrize("device", PORTS, indirect=True)
def test_a_port_is_told_read_back_and_left_as_it_was(device: Replay, tmp_path: Path) -> None:
    transcript = Transcript(tmp_path / "ssh.log", [PASSWORD])
    journal = tmp_path / "journal.json"
    with DeviceSession(load(device.name), login(device, tmp_path), transcript, over=device.there) as session:
        changes = Changes(session, journal)
        changes.apply("access", port=PORTS[device.name], vlan="100")
        assert journal.is_file()
        changes.rollback()
        assert not journal.exists()
        assert session.show("configured", {"port": PORTS[device.name]})
    assert not device.left, transcript.path.read_text()
    assert not [line for line in device.strange if line not in ("exit", "quit")]
    assert PASSWORD not in transcript.path.read_text()


@pytest.mark.parametrize("device", PORTS, indirect=True)
def test_a_killed_run_leaves_a_device_that_the_next_one_puts_back(device: Replay, tmp_path: Path) -> None:
    """SIGKILL between a change and its undoing: the journal tells the next session what to send before anything."""
    journal = tmp_path / "journal.json"
    known = login(device, tmp_path)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            killed = Transcript(tmp_path / "killed.log")
            changes = Changes(DeviceSession(load(device.name), known, killed, over=device.there), journal)
            changes.apply("access", port=PORTS[device.name], vlan="100")
            os.write(writing, b".")
            signal.pause()
        finally:
            os._exit(1)
    os.close(writing)
    assert select.select([reading], [], [], limits.COMMAND)[0], "it did not come so far"
    assert os.read(reading, 1), (tmp_path / "killed.log").read_text()
    os.close(reading)
    os.kill(child, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert journal.is_file()
    device.close()
    after = Replay(device.name, left=device.left)
    transcript = Transcript(tmp_path / "ssh.log", [PASSWORD])
    with DeviceSession(load(device.name), login(after, tmp_path), transcript, over=after.there) as session:
        Changes(session, journal)
        assert not journal.exists()
        assert session.show("configured", {"port": PORTS[device.name]})
    assert not after.left, transcript.path.read_text()
    assert "undoing what a killed run has left" in transcript.path.read_text()
    after.close()


def test_a_device_outside_is_reached_through_the_watcher() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs, socket.create_server(("127.0.0.1", 0)) as listening:
        place = listening.getsockname()
        for answered in (True, False):
            if not answered:
                listening.close()
            there = threading.Thread(target=lambda: custody.answer(theirs, json.loads(theirs.recv(4096))))
            there.start()
            if answered:
                with custody.dial(ours, *place) as mine, listening.accept()[0] as device:
                    device.sendall(b"switch>")
                    assert mine.recv(64) == b"switch>"
            else:
                with pytest.raises(OSError, match="refused"):
                    custody.dial(ours, *place)
            there.join()


@pytest.mark.parametrize("device", VENDORS, indirect=True)
def test_its_own_view_is_data(device: Replay, tmp_path: Path) -> None:
    """The device shows its tables through the subject of its profile, on the server that plays it."""
    port = PORTS[device.name]
    subject = asked(device, tmp_path)
    assert list(subject.neighbours(at("h1.1"))) == [LldpNeighbour("02:00:5e:00:53:88", "swp1")]
    assert list(subject.neighbours(at("h1.2"))) == []
    assert list(subject.stations(at("h1.1"), "plain")) == [FdbEntry("02:00:5e:00:53:0a", "h1.1")]
    assert list(subject.counters(at("h1.1"), "plain")) == [Counters("h1.1", 123, 456)]
    desk = subject._ask()
    known = [(one.address, one.mac) for one in desk.bindings() if one.mac]
    assert known == [("192.0.2.10", "02:00:5e:00:53:0a")]
    desk.leave()
    assert not device.strange or set(device.strange) <= {"exit", "quit"}
    assert port in (tmp_path / "ssh.log").read_text()


@pytest.mark.parametrize("device", VENDORS, indirect=True)
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda one: one.replace("0200", "zzzz").replace("02:", "zz:"),
            "the template does not match|are not understood",
        ),
        (lambda _: "All is well.", "it is no such table"),
        (lambda _: "% Invalid input detected\nerror: syntax error", r"% Invalid|error: "),
    ],
    ids=["not-matched", "no-table", "refused"],
)
def test_a_view_that_is_not_understood_is_no_verdict(
    device: Replay, tmp_path: Path, change: Callable[[str], str], said: str
) -> None:
    """A template that does not match, a command that fails: shown with the transcript, and inconclusive."""
    device.tables = {send: change(output) for send, output in device.tables.items()}
    subject = asked(device, tmp_path)
    recorded = SimpleNamespace(events=[])
    context: Any = SimpleNamespace(event=lambda event: recorded.events.append(row_of(event)))
    show(context, "h1", "stations", lambda: subject.stations(at("h1.1"), "plain"))
    subject._ask().leave()
    case: Any = Case(SimpleNamespace(record=SimpleNamespace(events=recorded.events, problem=None), damage=None), {})  # type: ignore[arg-type]
    judged = judge(lambda one: one.expect(views(one, "h1", "stations", FdbEntry), expected="", seen=""), case)
    assert judged.verdict is Verdict.INCONCLUSIVE
    assert re.search(said, judged.seen)
    assert "see logs/ssh.log" in judged.seen


@pytest.mark.parametrize("name", VENDORS)
@pytest.mark.parametrize("output", ["", "All is well.", "  everything\n  indented", "Total 7"])
def test_no_template_of_a_vendor_takes_anything_for_an_empty_table(name: str, output: str) -> None:
    dialect = load(name)
    for command in (each for tables in dialect.view.values() for view in tables for each in view.shows):
        with pytest.raises(ValueError, match="it is no such table"):
            dialect.parse(command, output)


@pytest.mark.parametrize("device", ["cisco_ios"], indirect=True)
def test_ports_that_the_profile_calls_otherwise_are_no_verdict(device: Replay, tmp_path: Path) -> None:
    subject = asked(device, tmp_path)
    subject._names = {"h1.1": "GigabitEthernet9/0/1"}
    with pytest.raises(AdapterError, match=r"stations behind GigabitEthernet1/0/7, which is not in adapter\.ports"):
        subject.stations(at("h1"), "plain")
    with pytest.raises(AdapterError, match=r"no counters of GigabitEthernet9/0/1, which adapter\.ports"):
        subject.counters(at("h1"), "plain")
    subject._ask().leave()


def test_neighbours_that_are_not_understood_leave_only_them_open() -> None:
    """The frames that an agent sends are judged all the same."""
    problem = "it is no such table; see logs/ssh.log"
    events = [
        row_of(NeighboursShown(time_ns=1, where="h1.2", moment="alone", asked_ns=1, chassis=())),
        row_of(TableNotShown(time_ns=2, where="h1.2", what="neighbours", moment="learned", problem=problem)),
    ]
    case: Any = Case(SimpleNamespace(record=SimpleNamespace(events=events, problem=None), damage=None), {})  # type: ignore[arg-type]
    assert discovery.view(case, "alone").time_ns == 1
    judged = judge(lambda one: one.expect(discovery.view(one, "learned"), expected="", seen=""), case)
    assert judged.verdict is Verdict.INCONCLUSIVE
    assert "see logs/ssh.log" in judged.seen


def test_profiles_of_what_was_tried_on_transcripts_say_so() -> None:
    for name in profiles.available():
        profile = profiles.load(name)
        if profile.kind != "switch":
            continue
        tried = load(profile.adapter["dialect"]).tried
        assert ("(transcript only)" in profile.title) is (tried == "transcript only"), name


def test_a_device_that_nobody_named_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(outside.ADDRESS, raising=False)
    for name in (*PROFILES.values(), *(f"{name}-lag" for name in PROFILES.values())):
        found = adapter_for(profiles.load(name)).identify()
        assert isinstance(found, Unavailable)
        assert outside.ADDRESS in found.reason
        assert "transcript only" in found.reason


def test_who_is_asked_comes_from_the_environment() -> None:
    assert outside.login({}) is None
    named = outside.login({outside.ADDRESS: "192.0.2.1:2222", outside.USER: "me", outside.PASSWORD: "it"})
    assert named is not None
    assert (named.address, named.port, named.user, named.password, named.agent) == (
        "192.0.2.1",
        2222,
        "me",
        "it",
        False,
    )
    by_agent = outside.login({outside.ADDRESS: "192.0.2.1"})
    assert by_agent is not None
    assert (by_agent.port, by_agent.agent, by_agent.known_hosts.name) == (22, True, "known_hosts")


@pytest.mark.parametrize("device", ["cisco_ios"], indirect=True)
def test_what_the_device_does_not_show_is_not_in_force(
    device: Replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SWITCH_EFFECT", 0.0)
    transcript = Transcript(tmp_path / "ssh.log", [PASSWORD])
    device.left[7]["output"] = device.left[0]["output"]
    with DeviceSession(load("cisco_ios"), login(device, tmp_path), transcript, over=device.there) as session:
        changes = Changes(session, tmp_path / "journal.json")
        with pytest.raises(AdapterError, match=r"sent, and not in force: .*; see logs/ssh.log"):
            changes.apply("access", port=PORTS["cisco_ios"], vlan="100")


@pytest.mark.parametrize("device", ["arista_eos"], indirect=True)
def test_a_prompt_that_never_comes_is_no_verdict(
    device: Replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transcript = Transcript(tmp_path / "ssh.log", [PASSWORD])
    monkeypatch.setattr(limits, "SWITCH_ANSWER", 1.0)
    with DeviceSession(load("arista_eos"), login(device, tmp_path), transcript, over=device.there) as session:
        device.silent = True
        with pytest.raises(AdapterError, match=r"cannot run 'show version': .*; see logs/ssh.log"):
            session.show("version", {})


@pytest.mark.parametrize("device", ["cisco_ios"], indirect=True)
def test_wrong_credentials_are_named_and_not_told(device: Replay, tmp_path: Path) -> None:
    transcript = Transcript(tmp_path / "ssh.log", ["battery staple"])
    wrong = replace(login(device, tmp_path), password="battery staple")
    with pytest.raises(AdapterError, match="does not take the credentials"):
        DeviceSession(load("cisco_ios"), wrong, transcript, over=device.there)
    assert "battery" not in transcript.path.read_text()
