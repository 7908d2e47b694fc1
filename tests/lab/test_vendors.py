"""A device outside that is asked over SSH: the kernel's bridge behind NICs, whose command line is that of a vendor.

What it forwards is real, and so is the server; only the words of its tables are made here.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from command import OVERNIGHT, outcomes, plugfest
from nics import AGENT_SOCKET, agent, bed, machine
from replay import PASSWORD, USER, playing

from conformance import limits
from conformance.adapters.bridge import KernelBridges
from conformance.adapters.interface.ports import BridgeConfig
from conformance.adapters.interface.views import Counters, FdbEntry, LagMember
from conformance.adapters.openvswitch import OpenVSwitch, Settings
from conformance.adapters.openvswitch.daemons import Switch, start
from conformance.adapters.switch import outside
from conformance.lab.kernel import netlink
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.kernel.process import Daemon
from conformance.lab.lab import Host

pytestmark = pytest.mark.peers

AGEING = 3.0
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
        self._bridges.bridge(self._host, [BridgeConfig(name, ports, ageing=AGEING)])

    def _called(self, port: str) -> str:
        return f"1/0/{int(port.removeprefix('dev')) - self._first + 1}"

    def mac_table(self, where: Callable[[FdbEntry], str] = lambda one: one.port) -> str:
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


class Bond:
    """A bond of Open vSwitch on three of the device's ports, the first of which is beside it; what it knows, in the
    words of IOS."""

    def __init__(self, host: Host, switch: Switch, name: str, first: int) -> None:
        self._host = host
        self._name = f"bond-{name}"
        self._first = first
        self._switch = OpenVSwitch(cast("Any", None), {host.name: switch}, Settings())
        bridge, access, *members = f"br-{name}", *(f"dev{number}" for number in range(first, first + 3))
        active = ["bond_mode=balance-tcp", "lacp=active", "other-config:lacp-time=fast"]
        switch.configure(
            ["add-br", bridge],
            ["set", "bridge", bridge, "datapath_type=netdev", f"other-config:hwaddr=02:00:5e:00:60:0{first}"],
            ["add-port", bridge, access],
            ["add-bond", bridge, self._name, *members, *active],
        )

    def _members(self) -> list[tuple[str, LagMember]]:
        shown = self._switch.members(self._host, self._name)
        return [(f"Gi1/0/{int(one.port.removeprefix('dev')) - self._first + 1}", one) for one in shown]

    def summary(self, *, flattering: bool = False) -> str:
        """``show etherchannel summary``, as it is or with every port in use."""
        ports = "  ".join(f"{name}({'P' if one.in_use or flattering else 's'})" for name, one in self._members())
        return f"""
Number of channel-groups in use: 1
Number of aggregators:           1

Group  Port-channel  Protocol    Ports
------+-------------+-----------+-----------------------------------------------
1      Po1(SU)         LACP      {ports}
"""

    def neighbors(self) -> str:
        """``show lacp neighbor``."""
        rows = "\n".join(
            f"{name}   FA      32768     {dotted(one.partner)}   1s    0x0    0x7    0x101   0x3F"
            for name, one in self._members()
        )
        return f"""
Flags:  S - Device is requesting Slow LACPDUs
        F - Device is requesting Fast LACPDUs

Channel group 1 neighbors

                  LACP port                        Admin  Oper   Port    Port
Port      Flags   Priority  Dev ID          Age    key    Key    Number  State
{rows}
"""


def run(folder: Path, name: str, first: int, tables: Tables, *words: str) -> subprocess.CompletedProcess[str]:
    """The run of a user who has such a device at four NICs, from the first of these on."""
    with playing("cisco_ios", tables) as device:
        environment = {
            outside.ADDRESS: device.address,
            outside.USER: USER,
            outside.PASSWORD: PASSWORD,
            outside.KNOWN_HOSTS: str(device.known_hosts(folder)),
        }
        place = bed(folder, name, first)
        return plugfest(folder, "run", *words, "--testbed", place, "--out", name, **environment)


def timers(folder: Path, name: str, ended: subprocess.CompletedProcess[str]) -> dict[str, tuple[str, str]]:
    """The verdicts of a run and what was seen, by requirement (and side). Every report of such
    a device says that it was never tried on one; what was said to it is in the recording, without its password."""
    assert ended.returncode in (0, 1, 3), ended.stdout + ended.stderr
    assert "(transcript only)" in ended.stdout
    assert "(transcript only)" in (folder / name / "matrix.md").read_text()
    (report,) = (folder / name).glob("cisco-ios*/report.json")
    details = json.loads(report.read_text())["header"]["implementation"]["details"]
    assert "cisco_ios (transcript only)" in details.values()
    (transcript,) = (report.parent / "recordings").glob("*/logs/switch-ssh.log")
    assert "> show " in transcript.read_text()
    assert PASSWORD not in transcript.read_text()
    return {
        " ".join((one["requirement"], *filter(None, [one["parameters"].get("side")]))): (one["verdict"], one["seen"])
        for one in outcomes(report)
    }


def together(
    folder: Path, shown: Mapping[str, tuple[int, Tables]], *words: str
) -> dict[str, dict[str, tuple[str, str]]]:
    """The verdicts on several such devices, all run at the same time."""
    with ThreadPoolExecutor() as threads:
        runs = {name: threads.submit(run, folder, name, *what, *words) for name, what in shown.items()}
    return {name: timers(folder, name, one.result()) for name, one in runs.items()}


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
        only = [word for requirement in SHOWN for word in ("--only", requirement)]
        found = together(tmp_path, shown, "cisco-ios", "--set", f"adapter.ageing={AGEING}", *only)
    table, counters = SHOWN
    assert (found["honest"][table][0], found["honest"][counters][0]) == ("pass", "pass"), found
    assert (found["other"][table][0], found["other"][counters][0]) == ("fail", "inconclusive"), found
    assert "is shown behind h1.1; it last spoke behind h1." in found["other"][table][1]
    assert "it is no such table" in found["other"][counters][1]
    assert "see logs/switch-ssh.log" in found["other"][counters][1]


@pytest.mark.skipif(not OVERNIGHT, reason="two meetings of 40 s; PLUGFEST_NIGHTLY=1 has them")
def test_the_bundle_of_a_device_is_held_against_its_cables(tmp_path: Path) -> None:
    """Open vSwitch behind the NICs, asked as IOS: one shows its bond as it is, one shows every link in use."""
    if shutil.which("ovs-vswitchd", path="/usr/sbin:/usr/bin") is None:
        pytest.skip("needs ovs-vswitchd")
    with machine(8) as (own, device), ExitStack() as resources:
        netlink.transact(own, [rtnetlink.up("lo")])
        host = cast("Host", _Host(device, tmp_path))
        switch = start(host, resources)
        honest, other = Bond(host, switch, "honest", 1), Bond(host, switch, "other", 5)
        shown: dict[str, tuple[int, Tables]] = {
            "honest": (1, {"show etherchannel summary": honest.summary, "show lacp neighbor": honest.neighbors}),
            "other": (
                5,
                {
                    "show etherchannel summary": lambda: other.summary(flattering=True),
                    "show lacp neighbor": other.neighbors,
                },
            ),
        }
        found = together(tmp_path, shown, "--pair", "cisco-ios-lag", "reference-lacp")
    verdicts = {
        name: {key: verdict for key, (verdict, _) in one.items() if key.startswith("pair.lacp")}
        for name, one in found.items()
    }
    assert set(verdicts["honest"].values()) == {"pass"}, found["honest"]
    assert {key for key, verdict in verdicts["other"].items() if verdict != "pass"} == {"pair.lacp-view left"}, found
    assert "(deaf) is shown in use" in found["other"]["pair.lacp-view left"][1]


def neighbours(device: Namespace, first: int, called: Callable[[str], str] = str) -> str:
    """``show lldp neighbors detail`` of four of the device's ports, as lldpd knows them, each chassis `called` so."""
    asked = device.run(["lldpcli", "-u", AGENT_SOCKET, "-f", "json0", "show", "neighbors"], timeout=limits.COMMAND)
    ports = {f"dev{first + number}": f"Gi1/0/{number + 1}" for number in range(4)}
    entries = [
        f"""------------------------------------------------
Local Intf: {ports[one["name"]]}
Chassis id: {called(one["chassis"][0]["id"][0]["value"])}
Port id: {one["port"][0]["id"][0]["value"]}
Port Description - not advertised
System Name - not advertised

Time remaining: 100 seconds
System Capabilities - not advertised
Enabled Capabilities - not advertised
Management Addresses - not advertised
Vlan ID: - not advertised

"""
        for table in json.loads(asked.stdout).get("lldp", [])
        for one in table.get("interface", [])
        if one["name"] in ports
    ]
    return "".join((*entries, f"\nTotal entries displayed: {len(entries)}\n"))


@pytest.mark.skipif(not OVERNIGHT, reason="three runs of 30 s; PLUGFEST_NIGHTLY=1 has them")
def test_the_neighbours_that_a_device_shows_are_those_of_its_wires(tmp_path: Path) -> None:
    """lldpd behind the NICs, asked as IOS: one shows our stations, one calls them otherwise, one is not understood."""
    if shutil.which("lldpd", path="/usr/sbin:/usr/bin") is None:
        pytest.skip("needs lldpd")
    learned, sent = "lldp.neighbour-learned", "lldp.mandatory-tlvs"
    views = (learned, "lldp.neighbour-ageing", "lldp.malformed-discarded")
    only = [word for requirement in (*views, sent) for word in ("--only", requirement)]
    command = "show lldp neighbors detail"
    with machine(12) as (own, device), agent(device, tmp_path):
        netlink.transact(own, [rtnetlink.up("lo")])
        shown: dict[str, tuple[int, Tables]] = {
            "honest": (1, {command: partial(neighbours, device, 1)}),
            "other": (5, {command: partial(neighbours, device, 5, lambda _: "somebody")}),
            "strange": (9, {command: lambda: "There are many."}),
        }
        times = ["--set", "adapter.interval=5", "--set", "adapter.hold=2"]
        found = together(tmp_path, shown, "cisco-ios", *times, *only)
    assert {verdict for verdict, _ in found["honest"].values()} == {"pass"}, found["honest"]
    assert (found["other"][learned][0], found["other"][sent][0]) == ("fail", "pass"), found["other"]
    assert "shown are ['somebody']" in found["other"][learned][1]
    assert {found["strange"][one][0] for one in views} == {"inconclusive"}, found["strange"]
    assert all("see logs/switch-ssh.log" in found["strange"][one][1] for one in views)
    assert found["strange"][sent][0] == "pass"


class _Host:
    """The device, as the adapter of Open vSwitch knows a host."""

    name = "device"

    def __init__(self, device: Namespace, folder: Path) -> None:
        self.namespace = device
        self.folder = folder
        self.run = device.run

    def start(self, command: Sequence[str], *, log: str) -> Daemon:
        return self.namespace.start(command, self.folder / f"{log}.log")
