"""A device outside that is asked over SSH: the kernel's bridge behind NICs, whose command line is that of a vendor.

What it forwards is real, and so is the server; only the words of its tables are made here.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from command import outcomes, plugfest
from nics import bed, machine
from replay import PASSWORD, USER, playing

from conformance.adapters.bridge import KernelBridges
from conformance.adapters.interface import BridgeWish
from conformance.adapters.switch import outside
from conformance.adapters.views import Counters, Station
from conformance.lab import netlink, rtnetlink
from conformance.lab.lab import Host
from conformance.lab.namespace import Namespace

pytestmark = pytest.mark.peers

AGEING = 4.0
SHOWN = ("bridge.table-shown", "bridge.counters-shown")
Tables = Mapping[str, Callable[[], str]]


class Bridge:
    """A bridge of some of the device's ports; what it knows, in the words of IOS."""

    def __init__(self, device: Namespace, name: str, first: int) -> None:
        self._host = cast("Host", SimpleNamespace(name="device", namespace=device, netlink=device.netlink))
        lab: Any = SimpleNamespace(testbed=SimpleNamespace(hosts={"device": None}))
        self._bridges = KernelBridges(lab)
        self._name = name
        self._first = first
        ports = tuple(f"dev{number}" for number in range(first, first + 4))
        self._bridges.bridge(self._host, [BridgeWish(name, ports, ageing=AGEING)])

    def _called(self, port: str) -> str:
        return f"1/0/{int(port.removeprefix('dev')) - self._first + 1}"

    def mac_table(self, where: Callable[[Station], str] = lambda one: one.port) -> str:
        """``show mac address-table``, each station behind the port that `where` says."""
        rows = [
            f"   1    {dotted(one.mac)}    DYNAMIC     Gi{self._called(where(one))}"
            for one in self._bridges.stations(self._host, self._name)
        ]
        head = """
          Mac Address Table
-------------------------------------------

Vlan    Mac Address       Type        Ports
----    -----------       --------    -----
 All    0100.0ccc.cccc    STATIC      CPU"""
        return "\n".join((head, *rows, f"Total Mac Addresses for this criterion: {len(rows) + 1}"))

    def interfaces(self) -> str:
        """``show interfaces``."""
        return "\n".join(map(self._interface, self._bridges.counters(self._host, self._name)))

    def _interface(self, one: Counters) -> str:
        return f"""GigabitEthernet{self._called(one.port)} is up, line protocol is up (connected)
  Hardware is Gigabit Ethernet, address is 0200.5e00.6001 (bia 0200.5e00.6001)
  MTU 1500 bytes, BW 1000000 Kbit/sec, DLY 10 usec,
  5 minute input rate 0 bits/sec, 0 packets/sec
     {one.received} packets input, 9999 bytes, 0 no buffer
     {one.sent} packets output, 8888 bytes, 0 underruns"""


def dotted(mac: str) -> str:
    """A MAC address as IOS writes it."""
    digits = mac.replace(":", "")
    return ".".join(digits[place : place + 4] for place in (0, 4, 8))


def run(folder: Path, name: str, first: int, tables: Tables) -> subprocess.CompletedProcess[str]:
    """The run of a user who has such a device at four NICs, from the first of these on."""
    only = [word for requirement in SHOWN for word in ("--only", requirement)]
    with playing("cisco_ios", tables) as device:
        environment = {
            outside.ADDRESS: device.address, outside.USER: USER, outside.PASSWORD: PASSWORD,
            outside.KNOWN_HOSTS: str(device.known_hosts(folder)),
        }  # fmt: skip
        place = bed(folder, name, first)
        setting = f"adapter.ageing={AGEING}"
        return plugfest(
            folder, "run", "cisco-ios", "--testbed", place, "--set", setting, *only, "--out", name, **environment
        )


def told(folder: Path, name: str, ended: subprocess.CompletedProcess[str]) -> dict[str, tuple[str, str]]:
    """The verdicts of a run and what was seen, by requirement. Wherever it is told of such a device it is said that it
    was never tried on one; what was said to it is in the recording, without its password."""
    assert ended.returncode in (0, 1, 3), ended.stdout + ended.stderr
    assert "(transcript only)" in ended.stdout
    assert "(transcript only)" in (folder / name / "matrix.md").read_text()
    report = folder / name / "cisco-ios" / "report.json"
    assert json.loads(report.read_text())["header"]["implementation"]["details"]["dialect"].endswith(
        "(transcript only)"
    )
    (transcript,) = (report.parent / "recordings").glob("*/logs/switch-ssh.log")
    assert "> show mac address-table" in transcript.read_text()
    assert PASSWORD not in transcript.read_text()
    return {one["requirement"]: (one["verdict"], one["seen"]) for one in outcomes(report)}


def test_what_a_device_shows_over_ssh_is_held_against_its_wires(tmp_path: Path) -> None:
    """One device shows what is true; another a table that is not, and counters that nobody understands."""
    with machine(8) as (own, device):
        netlink.transact(own, [rtnetlink.up("lo")])
        honest, other = Bridge(device, "br-honest", 1), Bridge(device, "br-other", 5)
        shown: dict[str, tuple[int, Tables]] = {
            "honest": (1, {"show mac address-table": honest.mac_table, "show interfaces": honest.interfaces}),
            "other": (
                5,
                {
                    "show mac address-table": lambda: other.mac_table(lambda _: "dev5"),
                    "show interfaces": lambda: "All interfaces are doing well.",
                },
            ),
        }
        with ThreadPoolExecutor() as threads:
            runs = {name: threads.submit(run, tmp_path, name, *what) for name, what in shown.items()}
        ended = {name: one.result() for name, one in runs.items()}
    table, counters = SHOWN
    found = told(tmp_path, "honest", ended["honest"])
    assert (found[table][0], found[counters][0]) == ("pass", "pass"), found
    found = told(tmp_path, "other", ended["other"])
    assert (found[table][0], found[counters][0]) == ("fail", "inconclusive"), found
    assert "is shown behind h1.1; it last spoke behind h1.4" in found[table][1]
    assert "it is no such table" in found[counters][1]
    assert "see logs/switch-ssh.log" in found[counters][1]
