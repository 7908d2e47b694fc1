"""Tables, chains and rules, and how they get into the kernel: a table at a time, in one transaction."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from conformance.lab import netlink
from conformance.lab.namespace import Namespace
from conformance.lab.netlink import ACK, APPEND, CREATE, Request, attribute, message, nested, text
from conformance.lab.nftables import expression as nft
from conformance.lab.nftables.action import Action
from conformance.lab.nftables.match import Family, Match

FAMILIES: Final[dict[Family, int]] = {"inet": 1, "ip": 2, "netdev": 5, "bridge": 7, "ip6": 10}
Hook = Literal["prerouting", "input", "forward", "output", "postrouting", "ingress", "egress"]
HOOKS: Final[dict[Hook, int]] = {"prerouting": 0, "input": 1, "forward": 2, "output": 3, "postrouting": 4}
DEVICE_HOOKS: Final[dict[Hook, int]] = {"ingress": 0, "egress": 1}

SUBSYSTEM: Final = 10
NEW_TABLE, GET_TABLE, DELETE_TABLE, NEW_CHAIN, GET_CHAIN, NEW_RULE, GET_RULE = 0, 1, 2, 3, 4, 6, 7
_BEGIN, _END = 0x10, 0x11


@dataclass(frozen=True, slots=True)
class Rule:
    """All `matches` must hold for `action` to be done; every rule counts the packets that it acts on.

    `comment` is stored in the kernel and comes back in a dump.
    """

    action: Action
    matches: tuple[Match, ...] = ()
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain; with a hook a base chain, at `priority` (smaller is earlier), with a policy for what no rule decides.

    In a netdev table `device` names the interface.
    """

    name: str
    rules: tuple[Rule, ...] = ()
    type: Literal["filter", "nat", "route"] = "filter"
    hook: Hook | None = None
    priority: int = 0
    policy: Literal["accept", "drop"] = "accept"
    device: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table of one family."""

    family: Family
    name: str
    chains: tuple[Chain, ...] = ()


def install(namespace: Namespace, *tables: Table) -> None:
    """Add the tables, all or none. Raises pyroute2's NetlinkError naming the rule that the kernel refuses."""
    steps = [step for table in tables for step in _steps(table)]
    names = ["begin", *(name for name, _ in steps), "end"]
    requests: list[Request] = [_edge(_BEGIN), *(partial(bytes, request) for _, request in steps), _edge(_END)]
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        netlink.transact(namespace, requests, netlink.NETFILTER, whole=True)
    except NetlinkError as problem:
        place = names[getattr(problem, "position", 0)]
        raise NetlinkError(problem.code, f"{namespace.name}: nftables: {place}: {problem.args[1]}") from None


def remove(namespace: Namespace, *tables: Table) -> None:
    """Remove whole tables, with everything in them, all or none. Raises pyroute2's NetlinkError."""
    steps = [
        partial(message, SUBSYSTEM << 8 | DELETE_TABLE, ACK, _header(table), text(1, table.name)) for table in tables
    ]
    netlink.transact(namespace, [_edge(_BEGIN), *steps, _edge(_END)], netlink.NETFILTER, whole=True)


def _edge(kind: int) -> Request:
    return partial(message, kind, 0, struct.pack(">BBH", socket.AF_UNSPEC, 0, SUBSYSTEM))


def _header(table: Table) -> bytes:
    return struct.pack(">BBH", FAMILIES[table.family], 0, 0)


def _steps(table: Table) -> list[tuple[str, bytes]]:
    """Every message of a table, with a name for an error's text; chains come before rules, which may jump to them."""
    start = message(SUBSYSTEM << 8 | NEW_TABLE, ACK | CREATE, _header(table), text(1, table.name))
    steps = [(f"table {table.family} {table.name}", start)]
    steps += [(f"chain {table.name} {chain.name}", _chain(table, chain)) for chain in table.chains]
    steps += [
        (f"rule {number} of {table.name} {chain.name}", _rule(table, chain, rule))
        for chain in table.chains
        for number, rule in enumerate(chain.rules)
    ]
    return steps


def _chain(table: Table, chain: Chain) -> bytes:
    parts = [text(1, table.name), text(3, chain.name)]
    if chain.hook is not None:
        hooks = DEVICE_HOOKS if chain.hook in DEVICE_HOOKS else HOOKS
        hook = [nft.be32(1, hooks[chain.hook]), nft.be32(2, chain.priority)]
        if chain.device is not None:
            hook.append(text(3, chain.device))
        parts += [nested(4, *hook), nft.be32(5, int(chain.policy == "accept")), text(7, chain.type)]
    return message(SUBSYSTEM << 8 | NEW_CHAIN, ACK | CREATE, _header(table), *parts)


def _rule(table: Table, chain: Chain, rule: Rule) -> bytes:
    made = [part for match in rule.matches for part in match.expressions(table.family)]
    made += [nft.counter(), *rule.action.parts]
    parts = [text(1, table.name), text(2, chain.name), nested(4, *made)]
    if rule.comment:
        words = rule.comment.encode()[:250] + b"\0"
        parts.append(attribute(7, bytes((0, len(words))) + words))
    return message(SUBSYSTEM << 8 | NEW_RULE, ACK | CREATE | APPEND, _header(table), *parts)
