"""Tables, chains and rules, and how they get into the kernel: a table at a time, in one transaction."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Literal

from conformance.lab.kernel import netlink
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import ACK, APPEND, CREATE, Request, attribute, message, nested, text
from conformance.lab.nftables import expression as nft
from conformance.lab.nftables.action import Action
from conformance.lab.nftables.match import Match, TableFamily, Version

FAMILIES: Final[dict[TableFamily, int]] = {"inet": 1, "ip": 2, "netdev": 5, "bridge": 7, "ip6": 10}
Hook = Literal["prerouting", "input", "forward", "output", "postrouting", "ingress", "egress"]
HOOKS: Final[dict[Hook, int]] = {"prerouting": 0, "input": 1, "forward": 2, "output": 3, "postrouting": 4}
DEVICE_HOOKS: Final[dict[Hook, int]] = {"ingress": 0, "egress": 1}

SUBSYSTEM: Final = 10
NEW_TABLE, GET_TABLE, DELETE_TABLE, NEW_CHAIN, GET_CHAIN, NEW_RULE, GET_RULE = 0, 1, 2, 3, 4, 6, 7
NEW_SET, NEW_ELEMENTS = 9, 12
_ADDRESS_TYPES: Final = {4: (7, 4), 6: (8, 16)}
"""nftables' own numbers for ipv4_addr and ipv6_addr, and their sizes in bytes."""
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
class AddressSet:
    """A named set of addresses of one IP version, which rules of its table look up."""

    name: str
    version: Version
    elements: tuple[IPv4Address | IPv6Address, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A table of one family."""

    family: TableFamily
    name: str
    chains: tuple[Chain, ...] = ()
    sets: tuple[AddressSet, ...] = ()


def install(namespace: Namespace, *tables: Table) -> None:
    """Add the tables, all or none. Raises pyroute2's NetlinkError naming the rule that the kernel refuses."""
    _commit(namespace, [step for table in tables for step in _steps(table)])


def replace(namespace: Namespace, table: Table) -> None:
    """Put a table in the place of the one of its name, if there is one, in one transaction: no packet sees neither.

    Raises pyroute2's NetlinkError naming the rule that the kernel refuses.
    """
    name = f"{table.family} {table.name}"
    empty = message(SUBSYSTEM << 8 | NEW_TABLE, ACK | CREATE, _header(table), text(1, table.name))
    gone = message(SUBSYSTEM << 8 | DELETE_TABLE, ACK, _header(table), text(1, table.name))
    _commit(namespace, [(f"table {name}", empty), (f"old table {name}", gone), *_steps(table)])


def add_elements(namespace: Namespace, table: Table, *sets: AddressSet) -> None:
    """Add the elements of `sets` to the sets of those names that are in the kernel. Raises pyroute2's NetlinkError."""
    _commit(namespace, [(f"set {one.name}", _elements(table, one)) for one in sets if one.elements])


def _commit(namespace: Namespace, steps: list[tuple[str, bytes]]) -> None:
    """Send named requests as one transaction."""
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
    for number, one in enumerate(table.sets):
        steps.append((f"set {table.name} {one.name}", _set(table, one, number + 1)))
        if one.elements:
            steps.append((f"elements of {one.name}", _elements(table, one)))
    steps += [(f"chain {table.name} {chain.name}", _chain(table, chain)) for chain in table.chains]
    steps += [
        (f"rule {number} of {table.name} {chain.name}", _rule(table, chain, rule))
        for chain in table.chains
        for number, rule in enumerate(chain.rules)
    ]
    return steps


def _set(table: Table, one: AddressSet, number: int) -> bytes:
    kind, size = _ADDRESS_TYPES[one.version]
    parts = [text(1, table.name), text(2, one.name), nft.be32(3, 0), nft.be32(4, kind), nft.be32(5, size)]
    return message(SUBSYSTEM << 8 | NEW_SET, ACK | CREATE, _header(table), *parts, nft.be32(10, number))


def _elements(table: Table, one: AddressSet, kind: int = NEW_ELEMENTS) -> bytes:
    keys = [nested(1, nft.data(1, address.packed)) for address in one.elements]
    parts = [text(1, table.name), text(2, one.name), nested(3, *keys)]
    return message(SUBSYSTEM << 8 | kind, ACK | CREATE, _header(table), *parts)


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
