"""Open vSwitch with its userspace datapath: no kernel module is needed. Bridges with STP and RSTP, bonds with LACP, and
endpoints governed by flows."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final, Literal

from conformance import limits
from conformance.adapters.interface import AdapterError, Identity, Unavailable
from conformance.adapters.interface.cables import cabled_ports
from conformance.adapters.interface.flaws import Flawing, flawed
from conformance.adapters.interface.lldp import AgentTimers, Beginning, Discovering, Leaving
from conformance.adapters.interface.ports import Aggregating, BridgeConfig, Bridging, LagConfig, Linking, Port
from conformance.adapters.interface.powers import Explaining
from conformance.adapters.interface.views import (
    Counters,
    FdbEntry,
    LagMember,
    ShowingCounters,
    ShowingMembers,
    ShowingStations,
)
from conformance.adapters.openvswitch.daemons import Switch, start
from conformance.lab.lab import Host, Lab
from conformance.profile import Profile
from conformance.validation import Strict

PACKAGES: Final = ("openvswitch-switch",)
MEMBER: Final = re.compile(
    r"(?ms)^(?:member|slave): (?P<port>[^:]+): .*?may_enable: (?P<enabled>\w+).*?partner sys_id: (?P<partner>\S+)"
)
"""One member in the answer to ``lacp/show``."""
PORT: Final = re.compile(
    r'(?m)^\s+port\s+"?(?P<port>[^":]+)"?: rx pkts=(?P<received>\d+),.*\n\s+tx pkts=(?P<sent>\d+),'
)
"""One port in the answer to ``dump-ports``."""
PROGRAMS: Final = ("ovsdb-server", "ovsdb-tool", "ovs-vswitchd", "ovs-vsctl", "ovs-appctl", "ovs-ofctl")


class Settings(Strict):
    """The table `[adapter]`: how a bond distributes its traffic, and what a bridge between endpoints does while it has
    no flows (`fail_mode`: nothing, or what a learning switch does)."""

    bond_mode: Literal["balance-tcp", "balance-slb", "active-backup"] = "balance-tcp"
    fail_mode: Literal["secure", "standalone"] = "secure"


def adapter(profile: Profile, conduct: Flawing | None = None) -> OpenVSwitchAdapter:
    """The adapter of an Open vSwitch profile, with the flaw that `conduct` gives it (see conformance.selftest). Raises
    UsageError for wrong settings."""
    settings = profile.settings(Settings)
    return (OpenVSwitchAdapter if profile.links else SegmentAdapter)(settings, conduct)


def _mac(host: int, bridge: int) -> str:
    """A bridge's address, which is its identifier to LACP and to spanning trees too."""
    return f"02:00:5e:00:{0x60 + host:02x}:{0xB0 + bridge:02x}"


class OpenVSwitch:
    """A switch on every host."""

    powers: tuple[type, ...] = (
        Linking,
        Bridging,
        Aggregating,
        Explaining,
        Discovering,
        Beginning,
        Leaving,
        ShowingMembers,
        ShowingStations,
        ShowingCounters,
    )
    shortest_ageing = 15.0
    """Open vSwitch takes any shorter mac-aging-time for 15 s."""

    def __init__(self, lab: Lab, switches: Mapping[str, Switch], settings: Settings) -> None:
        self._lab = lab
        self._switches = switches
        self._settings = settings

    def ports(self) -> Sequence[Port]:
        """The hosts' cables."""
        return cabled_ports(self._lab)

    def bridge(self, host: Host, configs: Sequence[BridgeConfig]) -> None:
        """Make the bridges in one transaction. Raises AdapterError."""
        commands: list[Sequence[str]] = []
        for number, config in enumerate(configs):
            commands += self._made(host, config.name, number)
            commands.append(["set", "bridge", config.name, f"other-config:mac-aging-time={config.ageing:.0f}"])
            if config.spanning != "off":
                kind = config.spanning
                times = {"hello-time": config.hello, "max-age": config.max_age, "forward-delay": config.forward_delay}
                times["priority"] = config.priority
                options = [f"other-config:{kind}-{name}={seconds:.0f}" for name, seconds in times.items()]
                commands.append(["set", "bridge", config.name, f"{kind}_enable=true", *options])
            commands += [["add-port", config.name, port] for port in config.ports]
        self._switches[host.name].configure(*commands)

    def aggregate(self, host: Host, access: str, bundles: Sequence[LagConfig]) -> None:
        """One bridge with the access port and a bond for each bundle. Raises AdapterError."""
        commands = [*self._made(host, "br0", 0), ["add-port", "br0", access]]
        for config in bundles:
            options = [
                f"bond_mode={self._settings.bond_mode}",
                f"lacp={'active' if config.active else 'passive'}",
                f"other-config:lacp-time={'fast' if config.short else 'slow'}",
            ]
            commands.append(["add-bond", "br0", config.name, *config.ports, *options])
        self._switches[host.name].configure(*commands)

    def members(self, host: Host, bundle: str) -> Sequence[LagMember]:
        """What ``lacp/show`` shows of a bond. Raises AdapterError."""
        said = self._switches[host.name].ask("lacp/show", bundle)
        found = [
            LagMember(block["port"], block["enabled"] == "true", block["partner"])
            for block in (match.groupdict() for match in MEMBER.finditer(said))
        ]
        if not found:
            raise AdapterError(f"{host.name}: lacp/show {bundle} is not understood: {said[:200]!r}")
        return found

    def stations(self, host: Host, bridge: str) -> Sequence[FdbEntry]:
        """What ``fdb/show`` shows of a bridge, its port numbers by their names. Raises AdapterError."""
        switch = self._switches[host.name]
        said = switch.ask("fdb/show", bridge)
        if not said.lstrip().startswith("port"):
            raise AdapterError(f"{host.name}: fdb/show {bridge} is not understood: {said[:200]!r}")
        names = switch.port_names(bridge)
        rows = [line.split() for line in said.splitlines()[1:]]
        return [FdbEntry(mac, names.get(number, number)) for number, _, mac, *_ in rows]

    def counters(self, host: Host, bridge: str) -> Sequence[Counters]:
        """What ``dump-ports`` shows of a bridge. Raises AdapterError."""
        said = self._switches[host.name].counters(bridge)
        found = [Counters(one["port"], int(one["received"]), int(one["sent"])) for one in PORT.finditer(said)]
        if not found:
            raise AdapterError(f"{host.name}: dump-ports {bridge} is not understood: {said[:200]!r}")
        return found

    def timers(self) -> AgentTimers:
        """What is compiled into it: an LLDPDU every five seconds."""
        return AgentTimers(interval=5.0)

    def discover(self) -> None:
        """On every host one bridge with all its ports, LLDP enabled on each. Raises AdapterError."""
        for host in self._lab.hosts.values():
            commands = self._made(host, "br0", 0)
            for cable in host.cables:
                commands.append(["add-port", "br0", cable.interface])
                commands.append(["set", "interface", cable.interface, "lldp:enable=true"])
            self._switches[host.name].configure(*commands)

    def leave(self) -> None:
        """LLDP disabled on every port: what ends the agent, since the switch goes on. Raises AdapterError."""
        for host in self._lab.hosts.values():
            off = [["set", "interface", cable.interface, "lldp:enable=false"] for cable in host.cables]
            self._switches[host.name].configure(*off)

    def _made(self, host: Host, name: str, number: int) -> list[Sequence[str]]:
        mac = _mac(list(self._lab.testbed.hosts).index(host.name), number)
        kind = ["datapath_type=netdev", f"other-config:hwaddr={mac}"]
        return [["add-br", name], ["set", "bridge", name, *kind]]

    def explain(self, host: Host) -> Mapping[str, Any]:
        """What the switch says of its bonds, and of its spanning trees."""
        switch = self._switches[host.name]
        return {"lacp": switch.ask("lacp/show"), "bonds": switch.ask("bond/show"), "rstp": switch.ask("rstp/show")}


class OpenVSwitchAdapter:
    """Open vSwitch of the machine's packages."""

    weight = 1
    needs_root = True

    def __init__(self, settings: Settings, conduct: Flawing | None = None) -> None:
        self._settings = settings
        self._conduct = conduct

    def identify(self) -> Identity | Unavailable:
        """What ovs-vswitchd says of its version."""
        missing = [name for name in PROGRAMS if shutil.which(name) is None]
        if missing:
            return Unavailable(f"{', '.join(missing)} not found", PACKAGES)
        command = ["ovs-vswitchd", "--version"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=limits.COMMAND, check=False)
        found = re.search(r"\(Open vSwitch\) (\S+)", done.stdout)
        if found is None:
            return Unavailable(f"ovs-vswitchd does not tell its version: {done.stderr.strip()}", PACKAGES)
        return Identity("Open vSwitch", found.group(1), {"datapath": "netdev"})

    def plan(self) -> tuple[str, ...]:
        """What is started and configured."""
        return (
            "ovsdb-server and ovs-vswitchd in the foreground on each host, with their state in the host's own /run",
            "per scenario: bridges with the userspace datapath, with STP or RSTP, or "
            f"bonds of mode {self._settings.bond_mode} that speak LACP",
        )

    @contextmanager
    def deploy(self, lab: Lab) -> Iterator[Any]:
        """A switch without bridges on every host. Raises AdapterError."""
        with ExitStack() as resources:
            switches = {host.name: start(host, resources) for host in lab.hosts.values()}
            switch = OpenVSwitch(lab, switches, self._settings)
            yield resources.enter_context(flawed(switch, self._conduct))


class SegmentAdapter(OpenVSwitchAdapter):
    """Open vSwitch between endpoints (see `conformance.adapters.openvswitch.segment`)."""

    weight = 6

    def plan(self) -> tuple[str, ...]:
        """What is started and configured."""
        from conformance.adapters.openvswitch.segment import STEPS

        return (*STEPS, f"each bridge fails {self._settings.fail_mode}")

    @contextmanager
    def deploy(self, lab: Lab) -> Iterator[Any]:
        """A bridge with the uplink on every host. Raises AdapterError."""
        from conformance.adapters.openvswitch.segment import GovernedSegment

        with ExitStack() as resources:
            switches = {host.name: start(host, resources) for host in lab.hosts.values()}
            yield resources.enter_context(
                GovernedSegment(lab, switches, self._settings.fail_mode).running("openvswitch")
            )
