"""The dialects of devices that are not here, on a real SSH server that plays the device's part of a transcript."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from replay import FOLDER, PASSWORD, USER, Replay

from conformance import limits
from conformance.adapters.interface import AdapterError
from conformance.adapters.switch.changes import Changes
from conformance.adapters.switch.dialect import available, load
from conformance.adapters.switch.session import Login, Session
from conformance.adapters.switch.transcript import Transcript

PORTS = {
    "arista_eos": "Ethernet7", "cisco_ios": "GigabitEthernet1/0/7", "cumulus": "swp7", "juniper_junos": "ge-0/0/7",
}  # fmt: skip


@pytest.fixture
def device(request: pytest.FixtureRequest) -> Iterator[Replay]:
    made = Replay(request.param)
    yield made
    made.close()


def login(device: Replay, folder: Path) -> Login:
    return Login(
        address="device", port=22, user=USER, known_hosts=device.known_hosts(folder), password=PASSWORD
    )  # fmt: skip


def test_what_is_not_tried_on_a_device_says_so_and_has_a_transcript() -> None:
    told = {name: load(name).tried for name in available()}
    assert {path.stem for path in FOLDER.glob("*.toml")} == {name for name, how in told.items() if how != "real"}
    assert set(PORTS) == {name for name, how in told.items() if how == "transcript only"}


@pytest.mark.parametrize("device", PORTS, indirect=True)
def test_a_port_is_told_read_back_and_left_as_it_was(device: Replay, tmp_path: Path) -> None:
    transcript = Transcript(tmp_path / "ssh.log", [PASSWORD])
    journal = tmp_path / "journal.json"
    with Session(load(device.name), login(device, tmp_path), transcript, over=device.there) as session:
        changes = Changes(session, journal)
        changes.apply("access", port=PORTS[device.name], vlan="100")
        assert journal.is_file()
        changes.rollback()
        assert not journal.exists()
        assert session.show("configured", {"port": PORTS[device.name]})
    assert not device.left, transcript.path.read_text()
    assert not [line for line in device.strange if line not in ("exit", "quit")]
    assert PASSWORD not in transcript.path.read_text()


@pytest.mark.parametrize("device", ["cisco_ios"], indirect=True)
def test_what_the_device_does_not_show_is_not_in_force(
    device: Replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SWITCH_EFFECT", 0.0)
    transcript = Transcript(tmp_path / "ssh.log", [PASSWORD])
    device.left[7]["output"] = device.left[0]["output"]
    with Session(load("cisco_ios"), login(device, tmp_path), transcript, over=device.there) as session:
        changes = Changes(session, tmp_path / "journal.json")
        with pytest.raises(AdapterError, match=r"sent, and not in force: .*; see logs/ssh.log"):
            changes.apply("access", port=PORTS["cisco_ios"], vlan="100")


@pytest.mark.parametrize("device", ["arista_eos"], indirect=True)
def test_a_prompt_that_never_comes_is_no_verdict(
    device: Replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transcript = Transcript(tmp_path / "ssh.log", [PASSWORD])
    monkeypatch.setattr(limits, "SWITCH_ANSWER", 1.0)
    with Session(load("arista_eos"), login(device, tmp_path), transcript, over=device.there) as session:
        device.silent = True
        with pytest.raises(AdapterError, match=r"cannot run 'show version': .*; see logs/ssh.log"):
            session.show("version", {})


@pytest.mark.parametrize("device", ["cisco_ios"], indirect=True)
def test_wrong_credentials_are_named_and_not_told(device: Replay, tmp_path: Path) -> None:
    transcript = Transcript(tmp_path / "ssh.log", ["battery staple"])
    wrong = replace(login(device, tmp_path), password="battery staple")
    with pytest.raises(AdapterError, match="does not take the credentials"):
        Session(load("cisco_ios"), wrong, transcript, over=device.there)
    assert "battery" not in transcript.path.read_text()
