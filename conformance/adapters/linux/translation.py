"""A policy in nftables: the table of a host, with the groups as sets of addresses and a chain for each direction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import chain as joined
from typing import Final, Literal

from conformance.adapters.linux.network import Allocation
from conformance.lab import nftables as nft
from conformance.lab.lab import Host
from conformance.policy.document import Direction, Labels, Network, Policy, Rule
from conformance.protocols import ndp

TABLE: Final = "policy"
ECHO: Final = {4: nft.icmp(4, 8), 6: nft.icmp(6, 128)}
Version = Literal[4, 6]
Members = Collection[Allocation]
"""The endpoints that a policy is about."""


def as_written(rule: Rule) -> Rule:
    """A rule means what it says."""
    return rule


def as_it_is(network: Network) -> Network:
    """A prefix is filtered as it is."""
    return network


def as_translated(table: nft.Table, host: Host, members: Members) -> nft.Table:
    """The table is what the policy says, and nothing else."""
    del host, members
    return table


@dataclass(frozen=True, kw_only=True)
class Translation:
    """How a policy is said in nftables: both families, both directions, answers by connection tracking.

    What no rule allows is dropped in silence; what a rule denies is rejected, by RST or by ICMP, so that a client need
    not wait.
    """

    versions: tuple[Version, ...] = (4, 6)
    directions: tuple[Direction, ...] = ("egress", "ingress")
    refusal: tuple[nft.Rule, ...] = (nft.Rule(nft.drop()),)
    """How what no rule allows ends: the first of these rules that fits the packet."""
    known: tuple[nft.Rule, ...] = (
        nft.Rule(nft.accept(), (nft.state("established", "related"),), "answers, and errors about them"),
    )
    """What passes before the policy is asked."""
    reading: Callable[[Rule], Rule] = as_written
    """A rule as it is understood."""
    prefix: Callable[[Network], Network] = as_it_is
    """A prefix as it is filtered."""
    finish: Callable[[nft.Table, Host, Members], nft.Table] = as_translated
    """The table as it is installed on a host."""

    @property
    def family(self) -> Literal["inet", "ip"]:
        """The table's family."""
        return "inet" if 6 in self.versions else "ip"

    def compiled(self, host: Host, policy: Policy, members: Members) -> nft.Table:
        """The table of one host."""
        link = tuple(nft.Rule(nft.accept(), (nft.icmp(6, kind),), "discovery") for kind in ndp.NEEDED)
        own = link if 6 in self.versions else ()
        sides = {side: nft.Rule(nft.jump(side)) for side in self.directions}
        hooks = (
            nft.Chain("forward", (*self.known, *sides.values()), hook="forward"),
            nft.Chain(
                "input", (*self.known, *own, *(rule for side, rule in sides.items() if side == "egress")), hook="input"
            ),
            nft.Chain(
                "output",
                (*self.known, *own, *(rule for side, rule in sides.items() if side == "ingress")),
                hook="output",
            ),
        )
        chains = tuple(self.side(host, policy, direction) for direction in self.directions)
        made = nft.Table(self.family, TABLE, (*hooks, *chains), tuple(self.sets(policy, members)))
        return self.finish(made, host, members)

    def side(self, host: Host, policy: Policy, direction: Direction) -> nft.Chain:
        """The chain of one direction; what goes to or comes from elsewhere than an endpoint of the host passes it."""
        way = nft.in_interface if direction == "egress" else nft.out_interface
        elsewhere = tuple(nft.Rule(nft.back(), (way(name),), "not of an endpoint") for name in ("lo", host.uplink))
        rules = joined.from_iterable(self.translated(rule) for rule in policy.rules if rule.direction == direction)
        denied = getattr(policy.default, direction) == "deny"
        return nft.Chain(direction, (*elsewhere, *rules, *(self.default(direction) if denied else ())))

    def sets(self, policy: Policy, members: Members) -> Iterator[nft.AddressSet]:
        """Every group of a policy in each family."""
        for group, version in self._sets(policy):
            yield set_of(group, version, [one for one in members if policy.members(group, one.labels)])

    def sets_with(self, policy: Policy, member: Allocation) -> Iterator[nft.AddressSet]:
        """What one more endpoint adds to the sets of its groups."""
        for group, version in self._sets(policy, member.labels):
            yield set_of(group, version, [member])

    def _sets(self, policy: Policy, labels: Labels | None = None) -> Iterator[tuple[str, Version]]:
        for group in policy.groups:
            if labels is None or policy.members(group, labels):
                for version in self.versions:
                    yield group, version

    def translated(self, rule: Rule) -> Iterator[nft.Rule]:
        """One rule in nftables: as many as it has families, prefixes and ranges of ports."""
        understood = self.reading(rule)
        for version in self.versions:
            for ends in self.ends(understood, version):
                for flow in flows(understood, version):
                    matches = (*ends, *flow)
                    if rule.action == "deny":
                        yield from self.denial(matches, rule.name)
                    else:
                        yield nft.Rule(nft.back(), matches, rule.name)

    def default(self, direction: Direction) -> tuple[nft.Rule, ...]:
        """What becomes of what no rule of a direction allows."""
        return tuple(nft.Rule(one.action, one.matches, one.comment or f"default {direction}") for one in self.refusal)

    def denial(self, matches: tuple[nft.Match, ...], comment: str) -> tuple[nft.Rule, ...]:
        """The rules that deny what `matches`: a reset for a connection, an ICMP error for anything else."""
        prohibited = nft.reject("admin-prohibited", None if self.family == "inet" else 4)
        return (
            nft.Rule(nft.reset(), (*matches, nft.transport("tcp")), comment),
            nft.Rule(prohibited, matches, comment),
        )

    def ends(self, rule: Rule, version: Version) -> Iterator[tuple[nft.Match, ...]]:
        """Who it is about: the governed end and the other one, in one family."""
        inward = rule.direction == "ingress"
        own, other = (nft.destination_in, nft.source_in) if inward else (nft.source_in, nft.destination_in)
        prefix = nft.source if inward else nft.destination
        governed = () if rule.of is None else (own(f"{rule.of}-{version}", version),)
        if rule.peer is not None:
            yield (*governed, other(f"{rule.peer}-{version}", version))
        elif rule.cidr:
            for network in rule.networks:
                if network.version == version:
                    yield (*governed, prefix(self.prefix(network)))
        elif governed or version == self.versions[0]:
            yield governed


def set_of(group: str, version: Version, members: Members) -> nft.AddressSet:
    """The addresses of some endpoints as (a part of) a group's set."""
    addresses = tuple(one.ip for member in members for one in member.addresses if one.version == version)
    return nft.AddressSet(f"{group}-{version}", version, addresses)


def flows(rule: Rule, version: Version) -> Iterator[tuple[nft.Match, ...]]:
    """Which flows it is about."""
    if rule.protocol == "icmp":
        yield (ECHO[version],)
    elif rule.protocol is None:
        yield ()
    else:
        transport = nft.transport(rule.protocol)
        yield from ((transport, nft.destination_port(low, high)) for low, high in rule.ranges)
        if not rule.ranges:
            yield (transport,)


COMPLETE: Final = Translation()
