"""Chains of planted rules, by where they bite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

from conformance.lab.lab import Host, Lab
from conformance.lab.nftables import Action, Chain, Match, Rule
from conformance.lab.nftables.match import TableFamily
from conformance.lab.nftables.table import Hook
from conformance.selftest.fault import planted

RAW = -450
"""Before connection tracking and defragmentation."""

Planted = list[tuple[Action, tuple[Match, ...]]]
"""Rules: what is done, and when."""
Rules = Callable[[Host, Lab], Planted]
"""The rules of one host."""


def _on_every_host(rules: Rules, family: TableFamily, chain: Chain) -> Callable[[Lab], None]:
    """Plant `chain` on every host, with the rules that it then has."""

    def plant(lab: Lab) -> None:
        for host in lab.hosts.values():
            made = tuple(Rule(action, matches, chain.name) for action, matches in rules(host, lab))
            planted(host, family, replace(chain, rules=made))

    return plant


def forwarding(family: TableFamily, rules: Rules) -> Callable[[Lab], None]:
    """Rules on what the hosts forward."""
    return _on_every_host(rules, family, Chain("forward", hook="forward"))


def own_traffic(family: TableFamily, rules: Rules) -> Callable[[Lab], None]:
    """Rules on what the hosts themselves send."""
    return _on_every_host(rules, family, Chain("output", hook="output"))


def source_translation(family: TableFamily, rules: Rules) -> Callable[[Lab], None]:
    """Rules that rewrite sources of what leaves."""
    return _on_every_host(rules, family, Chain("postrouting", type="nat", hook="postrouting", priority=100))


def target_translation(family: TableFamily, rules: Rules) -> Callable[[Lab], None]:
    """Rules that rewrite destinations of what comes in."""
    return _on_every_host(rules, family, Chain("prerouting", type="nat", hook="prerouting", priority=-100))


def mangling(family: TableFamily, hook: Hook, rules: Rules) -> Callable[[Lab], None]:
    """Rules that rewrite header fields, before connection tracking and defragmentation."""
    return _on_every_host(rules, family, Chain(f"mangle-{hook}", hook=hook, priority=RAW))


def together(*plants: Callable[[Lab], None]) -> Callable[[Lab], None]:
    """Several at once."""

    def plant(lab: Lab) -> None:
        for one in plants:
            one(lab)

    return plant


def workload(host: Host, version: int) -> IPv4Network | IPv6Network:
    """The addresses of the host's endpoints, where the host routes to them."""
    return host.workload_ipv4 if version == 4 else host.workload_ipv6


def client_of(lab: Lab, version: int) -> IPv4Network | IPv6Network:
    """The external client, as a prefix of one address."""
    return IPv4Network(lab.client.ipv4.ip) if version == 4 else IPv6Network(lab.client.ipv6.ip)
