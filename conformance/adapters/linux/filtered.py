"""routed-64 with a policy: every host filters for its own endpoints, in nftables, whatever comes by whatever way.

Members of groups are addresses in sets, so a policy is as many rules as it has, however many endpoints there are. Who
attaches is in the sets of every host before its link is there: no packet finds it without its policy.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from itertools import chain as joined
from typing import ClassVar, Final, Literal

from conformance.adapters.interface.powers import Filtering, Restarting
from conformance.adapters.linux.network import Allocation, refusals
from conformance.adapters.linux.routed import Routed
from conformance.lab import nftables as nft
from conformance.lab.lab import Host, Lab
from conformance.policy.document import Direction, Labels, Network, Policy, Rule
from conformance.protocols import ndp

TABLE: Final = "policy"
ECHO: Final = {4: nft.icmp(4, 8), 6: nft.icmp(6, 128)}
Version = Literal[4, 6]


class Filtered(Routed):
    """Both families, both directions, answers by connection tracking. What no rule allows is dropped in silence; what a
    rule denies is rejected, by RST or by ICMP, so that a client need not wait."""

    powers: tuple[type, ...] = (Filtering, Restarting)
    steps = (
        *Routed.steps,
        "nftables on each host, replaced in one transaction: egress and ingress of its endpoints, groups as sets",
    )
    versions: ClassVar[tuple[Version, ...]] = (4, 6)
    directions: ClassVar[tuple[Direction, ...]] = ("egress", "ingress")
    refusal: ClassVar[tuple[nft.Rule, ...]] = (nft.Rule(nft.drop()),)
    """How what no rule allows ends: the first of these rules that fits the packet."""
    known: ClassVar[tuple[nft.Rule, ...]] = (
        nft.Rule(nft.accept(), (nft.state("established", "related"),), "answers, and errors about them"),
    )
    """What passes before the policy is asked."""

    def __init__(self, lab: Lab) -> None:
        self.policy: Policy | None = None
        self.members: dict[str, tuple[Labels, Allocation]] = {}
        self._changes = threading.Lock()
        super().__init__(lab)

    # --- what a scenario asks ---------------------------------------------------------------------------------
    def apply(self, policy: Policy) -> None:
        """Replace what is in force on every host."""
        with self._changes, refusals(policy.name):
            self.policy = policy
            for host in self.lab.hosts.values():
                nft.replace(host.namespace, self.compiled(host, policy))

    def restart(self, host: Host) -> None:
        """A new agent on the host: it knows nothing of what is in force, and replaces it in one transaction."""
        with self._changes, refusals(f"restart on {host.name}"):
            if self.policy is not None:
                nft.replace(host.namespace, self.compiled(host, self.policy))

    def connect(self, allocation: Allocation) -> None:
        """Make the endpoint known to every host's policy, then cable it."""
        with self._changes:
            self.members[allocation.name] = allocation.labels, allocation
            self.learn(allocation)
        super().connect(allocation)

    def disconnect(self, allocation: Allocation) -> None:
        """Take the endpoint away, then forget it."""
        super().disconnect(allocation)
        with self._changes:
            self.members.pop(allocation.name, None)
            if self.policy is not None:
                for host in self.lab.hosts.values():
                    nft.replace(host.namespace, self.compiled(host, self.policy))

    def learn(self, allocation: Allocation) -> None:
        """Add the addresses of a new endpoint to the sets of its groups."""
        if self.policy is None:
            return
        for host in self.lab.hosts.values():
            sets = [
                self.set_of(group, version, [allocation])
                for group, version in self._sets(self.policy, allocation.labels)
            ]
            nft.add_elements(host.namespace, nft.Table(self.family, TABLE), *sets)

    # --- how a policy is said in nftables ---------------------------------------------------------------------
    @property
    def family(self) -> Literal["inet", "ip"]:
        """The table's family."""
        return "inet" if 6 in self.versions else "ip"

    def compiled(self, host: Host, policy: Policy) -> nft.Table:
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
        return nft.Table(self.family, TABLE, (*hooks, *chains), tuple(self.sets(policy)))

    def side(self, host: Host, policy: Policy, direction: Direction) -> nft.Chain:
        """The chain of one direction; what goes to or comes from elsewhere than an endpoint of the host passes it."""
        way = nft.in_interface if direction == "egress" else nft.out_interface
        elsewhere = tuple(nft.Rule(nft.back(), (way(name),), "not of an endpoint") for name in ("lo", host.uplink))
        rules = joined.from_iterable(self.translated(rule) for rule in policy.rules if rule.direction == direction)
        denied = getattr(policy.default, direction) == "deny"
        return nft.Chain(direction, (*elsewhere, *rules, *(self.default(direction) if denied else ())))

    def sets(self, policy: Policy) -> Iterator[nft.AddressSet]:
        """Every group of a policy in each family."""
        for group, version in self._sets(policy):
            allocations = [allocation for labels, allocation in self.members.values() if policy.members(group, labels)]
            yield self.set_of(group, version, allocations)

    def _sets(self, policy: Policy, labels: Labels | None = None) -> Iterator[tuple[str, Version]]:
        for group in policy.groups:
            if labels is None or policy.members(group, labels):
                for version in self.versions:
                    yield group, version

    @staticmethod
    def set_of(group: str, version: Version, allocations: Sequence[Allocation]) -> nft.AddressSet:
        """The addresses of some endpoints as (a part of) a group's set."""
        addresses = tuple(
            one.ip for allocation in allocations for one in allocation.addresses if one.version == version
        )
        return nft.AddressSet(f"{group}-{version}", version, addresses)

    def translated(self, rule: Rule) -> Iterator[nft.Rule]:
        """One rule in nftables: as many as it has families, prefixes and ranges of ports."""
        for version in self.versions:
            for ends in self.ends(rule, version):
                for flow in self.flows(rule, version):
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

    def prefix(self, network: Network) -> Network:
        """A prefix as it is filtered."""
        return network

    def flows(self, rule: Rule, version: Version) -> Iterator[tuple[nft.Match, ...]]:
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


class FilteredV4Only(Filtered):
    """The usual mistake: the rules are in a table of family ip, and IPv6 is not filtered at all."""

    versions = (4,)


class FilteredInwards(Filtered):
    """The other usual mistake: only what comes in is filtered."""

    directions = ("ingress",)
