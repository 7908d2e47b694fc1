"""The machine's own NICs in a lab: veth devices in their place, in a sandbox that plays the machine."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from command import COMMAND, environment
from nics import EXAMPLE, agent, bed, machine

from conformance import limits
from conformance.lab import snapshot
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.lab import Lab
from conformance.lab.sandbox.custody import Refusal, borrow
from conformance.recording.model import InterfaceState
from conformance.testbed import Testbed, load

pytestmark = pytest.mark.peers


def custodian() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-m", "conformance.lab.sandbox.custody", str(theirs.fileno())]
        return ours, subprocess.Popen(command, pass_fds=[theirs.fileno()], env=environment())


def nic(own: Namespace, name: str = "nic1") -> InterfaceState | None:
    return next((one for one in snapshot.interfaces(own) if one.name == name), None)


def plain(state: InterfaceState | None) -> InterfaceState | None:
    """Without what a move changes of itself: the index, where another one has it, and how an address came about."""
    if state is None:
        return None
    flagless = tuple(one.model_copy(update={"flags": ()}) for one in state.addresses)
    return state.model_copy(update={"addresses": flagless, "index": 0})


def test_a_nic_comes_back_as_it_was() -> None:
    with machine(2) as (own, _):
        before, other = nic(own), nic(own, "nic2")
        lifeline, process = custodian()
        with Namespace.create("lab") as lab:
            borrow(lifeline, lab, {"nic1": "h1p1"})
            assert nic(own) is None
            inside = nic(lab, "h1p1")
            assert inside is not None
            assert inside.up
            assert not [one for one in inside.addresses if one.scope == "global"]
            with pytest.raises(Refusal, match="this machine has no NIC nic9; it has"):
                borrow(lifeline, lab, {"nic9": "h1p2"})
            with pytest.raises(Refusal, match="carries this machine's own traffic"):
                borrow(lifeline, lab, {"lo": "h1p2"})
        lifeline.close()
        assert process.wait(limits.COMMAND) == 0
        assert plain(nic(own)) == plain(before)
        assert plain(nic(own, "nic2")) == plain(other)


def test_a_nic_comes_back_from_a_lab_that_was_killed() -> None:
    with machine(1) as (own, _):
        before = nic(own)
        lifeline, process = custodian()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            lab = Namespace.create("lab")
            borrow(lifeline, lab, {"nic1": "h1p1"})
            os.write(writing, b".")
            signal.pause()
        lifeline.close()
        os.read(reading, 1)
        assert nic(own) is None
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert process.wait(limits.COMMAND) == 0
        assert plain(nic(own)) == plain(before)


class LinkMonitor:
    """Waits for something to be true of the links of a namespace; looks again whenever the kernel says they changed."""

    def __init__(self, namespace: Namespace) -> None:
        self._notices = namespace.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        self._notices.bind((0, 0x1 | 0x10 | 0x100))  # links, addresses of IPv4 and IPv6

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + limits.COMMAND
        while not holds():
            ready = select.select([self._notices], [], [], max(0.0, deadline - time.monotonic()))[0]
            assert ready, "it never came to be"
            self._notices.recv(1 << 16)

    def __enter__(self) -> LinkMonitor:
        return self

    def __exit__(self, *_: object) -> None:
        self._notices.close()


PROFILE = """\
schema = 1
name = "device"
title = "An LLDP agent outside of this machine"
kind = "switch"
roles = ["lldp-agent"]
features = ["lldp"]
adapter = { device = "outside", product = "lldpd", interval = 5, hold = 2 }
"""


def test_a_run_that_is_killed_gives_the_nics_back(tmp_path: Path) -> None:
    if shutil.which("lldpd", path="/usr/sbin:/usr/bin") is None:
        pytest.skip("needs lldpd")
    only = ["--only", "lldp.sent", "--only", "lldp.mandatory-tlvs", "--only", "lldp.ttl"]
    run = [sys.executable, "-c", COMMAND, "run", "./device.toml", "--testbed", str(bed(tmp_path)), *only]
    (tmp_path / "device.toml").write_text(PROFILE)
    with machine(4) as (own, device), agent(device, tmp_path):
        before = nic(own)
        killed = subprocess.Popen([*run, "--out", "killed"], cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL)
        with LinkMonitor(own) as changes:
            changes.until(lambda: nic(own) is None)
            killed.kill()
            killed.wait()
            changes.until(lambda: nic(own) is not None and plain(nic(own)) == plain(before))


def test_a_lab_has_our_ends_on_nics() -> None:
    example = load(str(EXAMPLE))
    nics = {port: f"nic{number}" for number, port in enumerate(example.physical, 1)}
    bed = Testbed.model_validate({**example.model_dump(by_alias=True), "physical": nics})
    with machine(4) as (own, device):
        lifeline, process = custodian()
        with Lab(bed, Path(tempfile.mkdtemp()), lifeline=lifeline) as lab:
            assert [cable.interface for cable in lab.hosts["h1"].cables] == [""] * 4
            assert lab.partners is not None
            assert nic(lab.partners, "h1p4") is not None
            with pytest.raises(RuntimeError, match="this machine has no NIC nic1"):
                Lab(bed, Path(tempfile.mkdtemp()), lifeline=lifeline)
        lifeline.close()
        assert process.wait(limits.COMMAND) == 0
        assert nic(own) is not None
        assert nic(device, "dev1") is not None
