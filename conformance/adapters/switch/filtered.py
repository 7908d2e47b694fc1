"""A switch whose ports are routed ones and which filters for them: its router forwards, its operator writes the policy
into its packet filter. Both are told over SSH, and read back.

A policy is replaced whole, in one step; its groups are sets, to which those are added who attach later.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final

from conformance.adapters.interface import Interface
from conformance.adapters.interface.powers import Explaining, Filtering
from conformance.adapters.interface.views import NeighbourEntry, ShowingBindings, ShowingRows
from conformance.adapters.linux.network import Allocation, Network, cable, unplug
from conformance.adapters.linux.routed import GATEWAY, routed
from conformance.adapters.switch.console import Console
from conformance.adapters.switch.dialect import Dialect
from conformance.adapters.switch.subject import FAMILIES, Switches
from conformance.lab.kernel import netlink
from conformance.lab.lab import Host, Lab
from conformance.policy.document import Policy, Rule

Words = Mapping[str, Any]
VERSIONS: Final = tuple(version for _, version in FAMILIES)


class FilteredSwitch(Network):
    """Every endpoint on a port of its own, with a route to each of its addresses."""

    powers: tuple[type, ...] = (ShowingBindings, ShowingRows, Explaining, Filtering)

    def __init__(self, lab: Lab, dialect: Dialect, tables: Dialect) -> None:
        self._switches = Switches(dialect, tables)
        design = replace(
            routed(lab),
            start=self._start,
            close=self._leave,
            connect=self._connect,
            disconnect=self._disconnect,
        )
        super().__init__(lab, design)
        self._operators: dict[str, Console] = {}
        self._policy: Policy | None = None
        self._members: dict[str, Allocation] = {}
        self._numbers_of_policies = itertools.count(1)
        self._changes = threading.Lock()

    def _start(self) -> None:
        """The switches forward, and wait for what their operators say. Raises AdapterError."""
        for host in self.lab.hosts.values():
            self._switches.begin(host)
            self._operators[host.name] = self._switches.operator(host)

    def bindings(self, host: Host) -> Sequence[NeighbourEntry]:
        """What the switch shows of the stations that it has resolved."""
        return self._switches.bindings(host)

    def rows(self, host: Host, name: str) -> Sequence[Mapping[str, str]]:
        """A table of the switch's own view (a ``[[view.NAME]]`` of its dialect)."""
        return self._switches.rows(host, name)

    # --- the policy -------------------------------------------------------------------------------------------
    def apply(self, policy: Policy) -> None:
        """Replace what is in force on every switch. Raises AdapterError."""
        with self._changes:
            self._policy = policy
            self._enforce(policy)

    def _enforce(self, policy: Policy) -> None:
        name = f"{policy.name} {next(self._numbers_of_policies)}"
        groups = [
            {
                "name": set_of(group, version),
                "version": version,
                "members": [str(one.ip) for allocation in self._of(policy, group) for one in of(allocation, version)],
            }
            for group in policy.groups
            for version in VERSIONS
        ]
        words = {"groups": groups, "rules": list(said(policy)), "default": policy.default.model_dump()}
        hosts = self.lab.hosts
        self._at_all(lambda place, operator: operator.apply("policy", name=name, uplink=hosts[place].uplink, **words))

    def _at_all(self, tell: Callable[[str, Console], None]) -> None:
        """Tell every operator something, at the same time. Raises what one of them raises."""
        with ThreadPoolExecutor(len(self._operators)) as threads:
            list(threads.map(tell, *zip(*self._operators.items(), strict=True)))

    def _of(self, policy: Policy, group: str) -> list[Allocation]:
        return [allocation for allocation in self._members.values() if policy.members(group, allocation.labels)]

    # --- endpoints --------------------------------------------------------------------------------------------
    def _connect(self, allocation: Allocation) -> None:
        """Add the endpoint to its groups on every switch, plug a cable into a port that is down, and have the port
        routed. Raises AdapterError."""
        with self._changes:
            self._members[allocation.name] = allocation
            entries = self._entries(allocation)
            if entries:
                self._at_all(lambda _, operator: operator.apply("member", entries=entries))
        netlink.transact(allocation.host.namespace, [cable(allocation)])
        self._operators[allocation.host.name].apply("routed", **self._port(allocation))

    def _disconnect(self, allocation: Allocation) -> None:
        """Have the port taken down and unplug the cable, then take the endpoint out of its groups. Raises
        AdapterError."""
        self._operators[allocation.host.name].revert("routed", **self._port(allocation))
        unplug(allocation)
        with self._changes:
            self._members.pop(allocation.name, None)
            if self._policy is None:
                return
            try:
                self._at_all(lambda _, operator: operator.revert("member", entries=self._entries(allocation)))
            except LookupError:  # it was there before the policy was
                self._enforce(self._policy)

    def _entries(self, allocation: Allocation) -> list[Words]:
        """The sets of the policy that has its addresses."""
        if self._policy is None:
            return []
        return [
            {"group": set_of(group, one.version), "address": str(one.ip)}
            for group in self._policy.groups
            if self._policy.members(group, allocation.labels)
            for one in allocation.addresses
        ]

    @staticmethod
    def _port(allocation: Allocation) -> Words:
        host = allocation.host
        source = {4: str(host.ipv4.ip), 6: str(host.ipv6.ip)}
        routes = [{"address": str(one.ip), "source": source[one.version]} for one in allocation.addresses]
        return {"port": allocation.port, "gateway": str(GATEWAY), "routes": routes}

    # --- its own view, and its end ----------------------------------------------------------------------------
    def explain(self, host: Host) -> Mapping[str, Any]:
        """The switch's own view of what is in force, as rows."""
        return {"policy": self._operators[host.name].show("policy")}

    def _leave(self) -> None:
        """Undo everything on every switch and end it."""
        for console in self._operators.values():
            console.leave()
        self._switches.leave()


def set_of(group: str, version: int) -> str:
    """The name of a group's set of addresses of one family."""
    return f"{group}-{version}"


def of(allocation: Allocation, version: int) -> tuple[Interface, ...]:
    """The addresses of one family."""
    return tuple(one for one in allocation.addresses if one.version == version)


def said(policy: Policy) -> Iterator[Words]:
    """The rules, each of one family, one prefix and one range of ports: empty words are about everybody and
    everything."""
    for rule in policy.rules:
        for version in VERSIONS:
            for network in _networks(rule, version):
                for low, high in rule.ranges or ((0, 0),):
                    yield {
                        "name": rule.name,
                        "direction": rule.direction,
                        "action": rule.action,
                        "version": version,
                        "of": set_of(rule.of, version) if rule.of else "",
                        "peer": set_of(rule.peer, version) if rule.peer else "",
                        "network": network,
                        "protocol": rule.protocol or "",
                        "low": low,
                        "high": high,
                    }


def _networks(rule: Rule, version: int) -> list[str]:
    if not rule.cidr:
        return [""]
    return [str(network) for network in rule.networks if network.version == version]
