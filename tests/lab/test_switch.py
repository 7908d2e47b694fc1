"""A switch over real SSH: configured, read back, undone, also after a refusal and by the run after a killed one."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance import limits
from conformance.adapters.interface import AdapterError
from conformance.adapters.linux.bridges import BRIDGE
from conformance.adapters.switch import device
from conformance.adapters.switch.changes import Changes
from conformance.adapters.switch.device import Device
from conformance.adapters.switch.dialect import load
from conformance.adapters.switch.session import DeviceSession
from conformance.adapters.switch.transcript import Transcript
from conformance.lab.kernel import netlink
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Lab
from conformance.testbed import load as load_testbed

pytestmark = pytest.mark.peers

NFT = "/usr/sbin/nft"

ADDRESS = {"port": BRIDGE, "protocol": "ip", "address": "192.0.2.129/25"}


def kill_a_run(opened: Callable[[], DeviceSession], journal: Path, *changed: tuple[str, dict[str, Any]]) -> None:
    """A process that changes the device, goes on, and is killed there by SIGKILL."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            changes = Changes(opened(), journal)
            *before, last = changed
            for intent, values in before:
                changes.apply(intent, **values)
            os.write(writing, b".")
            changes.apply(last[0], **last[1])
            signal.pause()
        finally:
            os._exit(1)
    os.close(writing)
    assert select.select([reading], [], [], limits.COMMAND)[0], "it did not come so far"
    assert os.read(reading, 1), "it ended by itself"
    os.close(reading)
    os.kill(child, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def forwards(lab: Lab) -> str:
    return lab.hosts["h1"].namespace.sysctl("net.ipv4.ip_forward")


def test_a_switch_is_told_and_read_back_and_left_as_it_was(tmp_path: Path) -> None:
    if device.absent():
        pytest.skip(f"needs {' '.join(device.PACKAGES)}")
    dialect = load("frr")
    transcript = Transcript(tmp_path / "ssh.log")
    with Lab(load_testbed("same-subnet"), tmp_path / "lab") as lab:
        host = lab.hosts["h1"]
        netlink.transact(host.namespace, [rtnetlink.link(BRIDGE, "bridge", up=True)])
        switch = Device(host)
        switch.start()
        login = switch.login()
        journal = tmp_path / "state" / "h1.json"

        with DeviceSession(dialect, login, transcript, over=switch.connect()) as session:
            empty = session.show("running", {})
            changes = Changes(session, journal)
            changes.apply("forwarding", protocol="ip")
            changes.apply("gateway", **ADDRESS)
            assert forwards(lab) == "1"
            assert journal.is_file()
            with pytest.raises(AdapterError, match=r"was refused: % .*; see logs/ssh.log"):
                changes.apply("gateway", port=BRIDGE, protocol="ip", address="192.0.2.999/25")
            changes.rollback()
            assert forwards(lab) == "0"
            assert session.show("running", {}) == empty
            assert not journal.exists()

        with switch.connect() as over:
            kill_a_run(
                lambda: DeviceSession(dialect, login, transcript, over=over),
                journal,
                ("forwarding", {"protocol": "ip"}),
                ("gateway", ADDRESS),
                ("forwarding", {"protocol": "ipv6"}),
            )
        assert forwards(lab) == "1"
        assert journal.is_file()
        with DeviceSession(dialect, login, transcript, over=switch.connect()) as after:
            Changes(after, journal)
            assert forwards(lab) == "0"
            assert after.show("running", {}) == empty
            assert not journal.exists()
            with pytest.raises(AdapterError, match=r"'show interface nowhere': % Can't find"):
                after.show("interface", {"port": "nowhere"})
            with pytest.raises(AdapterError, match="would save to the start-up configuration"):
                after.configure(["do write memory"])

        stranger = tmp_path / "known"
        assert login.key is not None
        stranger.write_text(f"{login.address} {login.key.with_suffix('.pub').read_text()}")
        over = switch.connect()
        with over, pytest.raises(AdapterError, match="cannot open the session"):
            DeviceSession(dialect, replace(login, known_hosts=stranger), transcript, over=over)
        switch.stop()
    timers = transcript.path.read_text()
    assert "> ip address 192.0.2.129/25" in timers.replace(">  ", "> ")
    assert "undoing what a killed run has left" in timers


POLICY: dict[str, Any] = {
    "name": "shut 1",
    "uplink": "uplink",
    "groups": [{"name": "web-4", "version": 4, "members": ["192.0.2.130"]}],
    "rules": [],
    "default": {"ingress": "deny", "egress": "allow"},
}
MEMBER = {"entries": [{"group": "web-4", "address": "192.0.2.131"}]}


def test_a_policy_is_replaced_in_one_step_and_undone_after_a_killed_run(tmp_path: Path) -> None:
    if device.absent(NFT):
        pytest.skip(f"needs {' '.join(device.PACKAGES)} nftables")
    dialect = load("linux")
    transcript = Transcript(tmp_path / "ssh.log")
    journal = tmp_path / "journal.json"
    with Lab(load_testbed("same-subnet"), tmp_path / "lab") as lab:
        host = lab.hosts["h1"]

        def tables() -> str:
            return host.run([NFT, "list", "ruleset"], timeout=limits.COMMAND).stdout

        switch = Device(host)
        switch.start()
        login = switch.login(device.OPERATOR)
        with switch.connect() as over:
            kill_a_run(
                lambda: DeviceSession(dialect, login, transcript, over=over),
                journal,
                ("policy", POLICY),
                ("member", MEMBER),
            )
        assert 'comment "shut 1"' in tables()
        with DeviceSession(dialect, login, transcript, over=switch.connect()) as session:
            changes = Changes(session, journal)
            assert not tables()
            changes.apply("policy", **POLICY)
            changes.apply("member", **MEMBER)
            assert "192.0.2.131" in tables()
            both = {"name": "web-4", "version": 4, "members": ["192.0.2.130", "192.0.2.131"]}
            changes.apply("policy", **{**POLICY, "name": "shut 2", "groups": [both]})
            assert tables().count('comment "shut') == 1
            wrong = {"name": "wrong", "groups": [{"name": "web-4", "version": 4, "members": ["nobody"]}]}
            with pytest.raises(
                AdapterError, match=r"'nft -f /run/policy.nft' was refused: .*Error: .*see logs/ssh.log"
            ):
                changes.apply("policy", **{**POLICY, **wrong})
            assert 'comment "shut 2"' in tables(), "what is refused changes nothing"
            changes.rollback()
            assert not tables()
        switch.stop()
