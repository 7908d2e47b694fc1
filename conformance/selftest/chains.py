"""Chains of planted rules, by where they bite."""

from __future__ import annotations

from collections.abc import Callable

from conformance.lab.lab import Host, Lab
from conformance.lab.nftables import Action, Chain, Match, Rule
from conformance.selftest.fault import planted

RAW = -450
"""Before connection tracking and defragmentation."""

Planted = list[tuple[Action, tuple[Match, ...]]]
"""Rules: what is done, and when."""
Rules = Callable[[Host, Lab], Planted]
"""The rules of one host."""


def _on_every_host(family: str, name: str, kind: str, hook: str, priority: int, rules: Rules) -> Callable[[Lab], None]:
    def plant(lab: Lab) -> None:
        for host in lab.hosts.values():
            made = tuple(Rule(action, matches) for action, matches in rules(host, lab))
            planted(host, family, Chain(name, made, kind, hook, priority))  # type: ignore[arg-type]

    return plant


def forwarding(family: str, rules: Rules) -> Callable[[Lab], None]:
    """Rules on what the hosts forward."""
    return _on_every_host(family, "forward", "filter", "forward", 0, rules)


def source_translation(family: str, rules: Rules) -> Callable[[Lab], None]:
    """Rules that rewrite sources of what leaves."""
    return _on_every_host(family, "postrouting", "nat", "postrouting", 100, rules)


def target_translation(family: str, rules: Rules) -> Callable[[Lab], None]:
    """Rules that rewrite destinations of what comes in."""
    return _on_every_host(family, "prerouting", "nat", "prerouting", -100, rules)


def mangling(family: str, hook: str, rules: Rules) -> Callable[[Lab], None]:
    """Rules that rewrite header fields, before connection tracking and defragmentation."""
    return _on_every_host(family, f"mangle-{hook}", "filter", hook, RAW, rules)
