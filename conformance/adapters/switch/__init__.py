"""Switches over SSH, each in its own dialect (`dialects/`): what is wanted is rendered, applied and read back."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

from conformance.adapters.interface import Identity, Unavailable
from conformance.adapters.interface.flaws import Flawing, flawed
from conformance.adapters.interface.lldp import AgentTimers
from conformance.adapters.linux.bridges import BRIDGE
from conformance.adapters.linux.network import refusals
from conformance.adapters.linux.routed import GATEWAY
from conformance.adapters.switch import device
from conformance.adapters.switch.dialect import Dialect, load
from conformance.adapters.switch.filtered import FilteredSwitch
from conformance.adapters.switch.outside import Bundle, OutsideAdapter
from conformance.adapters.switch.ports import SwitchPorts
from conformance.adapters.switch.subject import FAMILIES, SwitchNetwork
from conformance.errors import UsageError
from conformance.lab.lab import Lab
from conformance.profile import Profile
from conformance.validation import Strict

UNDONE: Final = "at the end the same in reverse: what was changed is undone; nothing is saved"
LIBRARIES: Final = ("netmiko", "textfsm", "ntc_templates")


class Settings(Strict):
    """The table `[adapter]`: the dialect, by name or as a path beside the profile's own, and the `device`: one that the
    lab itself runs (``frr``), or one ``outside``, at the other ends of the NICs of a physical testbed.

    Of that one, which somebody configures by hand, `product` and `version` are as they shall be in the report, and
    `interval` and `hold` the times that its LLDP agent keeps. A device of the lab whose ports are judged is told them.
    `tables` is the dialect of the account that shows the tables of a device that routes; with `filters` its ports are
    routed ones, and policies are written into its packet filter, in that account. One outside with a `dialect`
    is asked for its tables, which call its ports as `ports` says of the testbed's; with `ageing` (in seconds) its ports
    are one bridge; those of its `bundle` are aggregated.
    """

    dialect: str = ""
    tables: str = "linux"
    filters: bool = False
    device: Literal["frr", "outside"]
    product: str = ""
    version: str = ""
    interval: float = 30.0
    hold: int | None = None
    ports: Mapping[str, str] = {}
    ageing: float | None = None
    bundle: Bundle | None = None


def adapter(profile: Profile, conduct: Flawing | None = None) -> SwitchAdapter | OutsideAdapter:
    """The adapter of a switch's profile, with the flaw that `conduct` gives it (see conformance.selftest). Raises
    UsageError for wrong settings or a dialect that is not there."""
    settings = profile.settings(Settings)
    if settings.device == "outside":
        if not settings.product:
            raise UsageError(f"{profile.name}: adapter.product: this key is missing; say what the device is")
        identity = Identity(settings.product, settings.version or "unknown")
        timers = AgentTimers(settings.interval, settings.hold)
        dialect = load(settings.dialect) if settings.dialect else None
        if settings.bundle is not None:
            settings.bundle.check(profile.name, settings.ports, settings.ageing)
        return OutsideAdapter(
            identity, timers, dialect=dialect, names=settings.ports, ageing=settings.ageing, bundle=settings.bundle
        )
    if not settings.dialect:
        raise UsageError(f"{profile.name}: adapter.dialect: this key is missing; `plugfest list dialects` names them")
    if profile.links:
        return PortsAdapter(load(settings.dialect), AgentTimers(settings.interval, settings.hold or 4), conduct)
    made = FilterAdapter if settings.filters else SwitchAdapter
    return made(load(settings.dialect), load(settings.tables), conduct)


class SwitchAdapter:
    """A switch on each host of the lab, spoken to over SSH."""

    weight = 2
    needs_root = True
    programs: tuple[str, ...] = ()
    packages: tuple[str, ...] = device.PACKAGES
    network: type[SwitchNetwork] | type[FilteredSwitch] = SwitchNetwork

    def __init__(self, dialect: Dialect, tables: Dialect, conduct: Flawing | None = None) -> None:
        self._dialect = dialect
        self._tables = tables
        self._conduct = conduct

    def identify(self) -> Identity | Unavailable:
        """The routing daemon's version; unavailable without it, or without the libraries that speak SSH."""
        for name in LIBRARIES:
            if importlib.util.find_spec(name) is None:
                return Unavailable(f"{name} is not installed: pip install 'plugfest[switch]'")
        missing = device.absent(*self.programs)
        if missing:
            return Unavailable(f"{Path(missing).name} is not installed", self.packages)
        return Identity("FRRouting", device.version(), {"dialect": f"{self._dialect.name} ({self._dialect.tried})"})

    def plan(self) -> tuple[str, ...]:
        """Every command that would be sent, in its order, with what undoes it."""
        wanted: list[tuple[str, Mapping[str, Any]]] = [
            *(("forwarding", {"protocol": protocol}) for protocol, _ in FAMILIES),
            *(
                ("gateway", {"port": BRIDGE, "protocol": protocol, "address": f"{{workload_ipv{version}}}[1]"})
                for protocol, version in FAMILIES
            ),
            ("port", {"port": "ep1", "description": "h1a"}),
        ]
        return (
            f"bridge {BRIDGE}, zebra, sshd with vtysh as login shell on each host; over SSH ({self._dialect.title}):",
            *sent(self._dialect, wanted),
            UNDONE,
        )

    @contextmanager
    def deploy(self, lab: Lab) -> Iterator[Any]:
        """The switches, running and configured; their configuration is undone at the end. Raises AdapterError."""
        network = self.network(lab, self._dialect, self._tables)
        try:
            with refusals("switch"):
                network.design.start()
            with flawed(network, self._conduct) as subject:
                yield subject
        finally:
            network.design.close()


def sent(dialect: Dialect, wanted: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    """The lines that put intents in force, and how each is read back."""
    for name, values in wanted:
        intent = dialect.find(name)
        for line in dialect.lines(intent.apply, {**values, "before": {}, "rows": []}):
            yield f"  {line}"
        check = dialect.word(dialect.show[intent.check.show].command, values)
        yield f"  ({name} is read back with {check!r})"


class FilterAdapter(SwitchAdapter):
    """The same switch with routed ports: its operator writes policies into its packet filter."""

    programs = ("/usr/sbin/nft",)
    packages = (*device.PACKAGES, "nftables")
    network = FilteredSwitch

    def plan(self) -> tuple[str, ...]:
        """What would be sent for one port, and for a policy of one rule."""
        routes = [{"address": f"ADDRESS{version}", "source": f"{{ipv{version}}}"} for _, version in FAMILIES]
        rule = {
            "name": "RULE",
            "direction": "ingress",
            "action": "allow",
            "version": 6,
            "of": "GROUP-6",
            "peer": "",
            "network": "",
            "protocol": "tcp",
            "low": 80,
            "high": 80,
        }
        groups = [{"name": "GROUP-6", "version": 6, "members": ["ADDRESS6"]}]
        policy = {"name": "POLICY", "uplink": "UPLINK", "groups": groups, "rules": [rule]}
        wanted: list[tuple[str, Mapping[str, Any]]] = [
            ("policy", {**policy, "default": {"ingress": "deny", "egress": "allow"}}),
            ("member", {"entries": [{"group": "GROUP-6", "address": "ADDRESS6"}]}),
            ("routed", {"port": "PORT", "gateway": str(GATEWAY), "routes": routes}),
        ]
        return (
            f"zebra, sshd on each host; over SSH ({self._dialect.title}):",
            *sent(self._dialect, [("forwarding", {"protocol": protocol}) for protocol, _ in FAMILIES]),
            f"in its operator's account ({self._tables.title}), for each policy, member of a group, and port:",
            *sent(self._tables, wanted),
            UNDONE,
        )


class PortsAdapter(SwitchAdapter):
    """The same switch, judged by its ports: bridges, spanning trees and LLDP are told to it by its operator."""

    weight = 1
    programs = (device.AGENT, "/usr/sbin/lldpcli")
    packages = (*device.PACKAGES, "lldpd")

    def __init__(self, dialect: Dialect, timers: AgentTimers, conduct: Flawing | None = None) -> None:
        super().__init__(dialect, dialect, conduct)
        self._told = timers

    def plan(self) -> tuple[str, ...]:
        """What would be sent for one bridge, and for the agent on one port."""
        bridge = {
            "name": "NAME",
            "mac": "MAC",
            "ageing": 300.0,
            "spanning": "off",
            "hello": 2.0,
            "max_age": 20.0,
            "forward_delay": 15.0,
            "priority": 0x8000,
            "ports": ["PORT"],
        }
        times = {"interval": f"{self._told.interval:.0f}", "hold": str(self._told.hold)}
        wanted = (("bridge", bridge), ("timers", times), ("lldp", {"port": "PORT", "state": "on"}))
        return (
            f"zebra, lldpd, sshd on each host; over SSH ({self._dialect.title}), where a scenario asks for it:",
            *sent(self._dialect, wanted),
            UNDONE,
        )

    @contextmanager
    def deploy(self, lab: Lab) -> Iterator[Any]:
        """The switches, running; what a scenario has them told is undone at the end. Raises AdapterError."""
        switch = SwitchPorts(lab, self._dialect, self._told)
        try:
            with refusals("switch"):
                switch.start()
            with flawed(switch, self._conduct) as subject:
                yield subject
        finally:
            switch.close()
