"""Filters that look complete and are not: what the faults of the family acl plant in the filtered network."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, ip_network
from typing import ClassVar, Final

from conformance import limits
from conformance.adapters.interface import Attachment, Endpoint
from conformance.adapters.linux.filtered import TABLE, Filtered, Version
from conformance.adapters.linux.network import Allocation
from conformance.lab import nftables as nft
from conformance.lab.lab import Host, Lab
from conformance.lab.nftables.expression import extension_header
from conformance.policy.document import Network, Policy, Rule
from conformance.selftest.alterations import in_background
from conformance.selftest.fault import PLANTED

LEAK: Final = ("db03", "app12")
"""From whom to whom one cell leaks."""
BEFORE_TRACKING: Final = -450
LATE: Final = "late"
"""Who attaches under traffic."""
OPERATORS: Final = 5433
"""The port of the databases that is for operators alone."""
EVERYTHING: Final = IPv4Network("0.0.0.0/0")


def first_of_all(made: nft.Table, *rules: nft.Rule) -> nft.Table:
    """The table with further rules before all others on what is forwarded."""
    forward, *others = made.chains
    return replace(made, chains=(replace(forward, rules=(*rules, *forward.rules)), *others))


class OnlyTcpDenied(Filtered):
    """What no rule allows is dropped if it is TCP; the rest passes."""

    refusal: ClassVar[tuple[nft.Rule, ...]] = (
        nft.Rule(nft.drop(), (nft.transport("tcp"),)),
        nft.Rule(nft.back(), (), f"{PLANTED} passes"),
    )


class OnlyOpeningsDenied(Filtered):
    """What opens a flow is dropped if no rule allows it: SYN, datagrams, echo. Whatever else it may be passes."""

    refusal: ClassVar[tuple[nft.Rule, ...]] = (
        nft.Rule(nft.drop(), (nft.transport("tcp"), nft.payload("transport", 13, b"\x02", mask=b"\x12"))),
        nft.Rule(nft.drop(), (nft.transport("udp"),)),
        nft.Rule(nft.drop(), (nft.transport("icmp"),)),
        nft.Rule(nft.drop(), (nft.transport("icmpv6"),)),
        nft.Rule(nft.back(), (), f"{PLANTED} passes"),
    )


class UdpAnswersDropped(Filtered):
    """Datagrams pass as the policy says, their answers do not."""

    def compiled(self, host: Host, policy: Policy) -> nft.Table:
        """With a rule against the answers."""
        against = nft.Rule(nft.drop(), (nft.transport("udp"), nft.reply()), PLANTED)
        return first_of_all(super().compiled(host, policy), against)


class PortsOffByOne(Filtered):
    """Ranges of ports end one port too late."""

    def flows(self, rule: Rule, version: Version) -> Iterator[tuple[nft.Match, ...]]:
        """With another end."""
        ports = tuple(f"{low}-{high + 1}" if high > low else str(low) for low, high in rule.ranges)
        yield from super().flows(rule.model_copy(update={"ports": ports}), version)


class PrefixOffByOne(Filtered):
    """Prefixes are one bit too short."""

    def prefix(self, network: Network) -> Network:
        """Twice as many addresses."""
        return network.supernet()


class FragmentsPass(Filtered):
    """Fragments are not put together, and pass whatever they are a part of."""

    def compiled(self, host: Host, policy: Policy) -> nft.Table:
        """With fragments kept from connection tracking, and let through."""
        pieces = tuple(nft.fragment(version) for version in self.versions)
        kept = tuple(nft.Rule(nft.untrack(), (one,)) for one in pieces)
        raw = nft.Chain("raw", kept, hook="prerouting", priority=BEFORE_TRACKING)
        through = (nft.Rule(nft.accept(), (one,), PLANTED) for one in pieces)
        made = first_of_all(super().compiled(host, policy), *through)
        return replace(made, chains=(*made.chains, raw))


class ExtensionsPass(Filtered):
    """A packet with an extension header passes, whatever is behind it."""

    def compiled(self, host: Host, policy: Policy) -> nft.Table:
        """With a rule for each header."""
        headers = [nft.Match((extension_header(kind, 0, 1),), 6) for kind in (0, 43, 60)]
        through = (nft.Rule(nft.accept(), (one,), PLANTED) for one in headers)
        return first_of_all(super().compiled(host, policy), *through)


class ErrorsDropped(Filtered):
    """What says that a packet was too big is dropped."""

    def compiled(self, host: Host, policy: Policy) -> nft.Table:
        """With rules against it."""
        against = (nft.Rule(nft.drop(), (one,), PLANTED) for one in (nft.icmp(4, 3, 4), nft.icmp(6, 2)))
        return first_of_all(super().compiled(host, policy), *against)


class RejectsInAnothersName(Filtered):
    """Rejections by ICMP are sent from an address that nobody has."""

    def compiled(self, host: Host, policy: Policy) -> nft.Table:
        """With their source rewritten."""
        stranger = nft.rewrite("network", 12, IPv4Address("192.0.2.99").packed, checksum_at=10)
        rule = nft.Rule(stranger, (nft.source(EVERYTHING), nft.icmp(4, 3, 13)), PLANTED)
        made = super().compiled(host, policy)
        return replace(made, chains=(*made.chains, nft.Chain("forge", (rule,), hook="output", priority=-150)))


class AttachedUnfiltered(Filtered):
    """Only endpoints whose attachment is over are filtered for: until then everything reaches them."""

    def compiled(self, host: Host, policy: Policy) -> nft.Table:
        """With a set of those that are known."""
        made = super().compiled(host, policy)
        known = [allocation for _, allocation in self.members.values()]
        sets = tuple(self.set_of("known", version, known) for version in self.versions)
        here = nft.out_interface(host.uplink, negate=True)
        strangers = (
            nft.Rule(nft.accept(), (here, nft.destination_in(f"known-{version}", version, negate=True)), PLANTED)
            for version in self.versions
        )
        return first_of_all(replace(made, sets=(*made.sets, *sets)), *strangers)

    def attach(self, host: Host, request: Attachment) -> Endpoint:
        """And tell the policy only afterwards: of who comes late, long enough after for its neighbours to find it."""
        endpoint = super().attach(host, request)

        def tell() -> None:
            threading.Event().wait(limits.RESOLUTION)
            self._tell(endpoint.handle)

        if request.name == LATE:
            in_background(tell, host.namespace)
        else:
            self._tell(endpoint.handle)
        return endpoint

    def _tell(self, allocation: Allocation) -> None:
        for one in self.lab.hosts.values():
            sets = (self.set_of("known", version, [allocation]) for version in self.versions)
            nft.add_elements(one.namespace, nft.Table(self.family, TABLE), *sets)


class RestartedOpen(Filtered):
    """An agent that was restarted lets everything pass until it is told a policy again."""

    def restart(self, host: Host) -> None:
        """Without what it knew."""
        assert self.policy is not None
        through = nft.Rule(nft.accept(), (), PLANTED)
        nft.replace(host.namespace, first_of_all(self.compiled(host, self.policy), through))


class PublishedPass(Filtered):
    """A port of a database is published at its host's address, and what was translated passes unseen."""

    def compiled(self, host: Host, policy: Policy) -> nft.Table:
        """With a rule for what was translated, before all others."""
        return first_of_all(super().compiled(host, policy), nft.Rule(nft.accept(), (nft.translated(),), PLANTED))

    def learn(self, allocation: Allocation) -> None:
        """And publish its port, where it is the first database of its host."""
        super().learn(allocation)
        if allocation.labels.get("tier") != "db" or allocation.host.name in self._publishing:
            return
        self._publishing.add(allocation.host.name)
        for address in allocation.addresses:
            own = (allocation.host.ipv4, allocation.host.ipv6)[address.version == 6]
            dialled = (nft.destination(ip_network(own.ip)), nft.transport("udp"), nft.destination_port(OPERATORS))
            rule = nft.Rule(nft.destination_nat(address.ip), dialled, f"{PLANTED} publication")
            chain = nft.Chain("prerouting", (rule,), type="nat", hook="prerouting", priority=-100)
            nft.install(
                allocation.host.namespace, nft.Table("ip" if address.version == 4 else "ip6", "published", (chain,))
            )

    def __init__(self, lab: Lab) -> None:
        self._publishing: set[str] = set()
        super().__init__(lab)


class NeverShut(Filtered):
    """A change of policy opens what it allows, and never shuts what it denies."""

    def apply(self, policy: Policy) -> None:
        """The old rules that allow stay, before the new ones."""
        before = () if self.policy is None else self.policy.rules
        kept = [rule.model_copy(update={"name": f"{PLANTED}-{rule.name}"}) for rule in before if rule.action == "allow"]
        super().apply(policy.model_copy(update={"rules": (*kept, *policy.rules)}))


class EstablishedCut(Filtered):
    """What is established is let pass only as an answer: a change of policy cuts what it denies."""

    known: ClassVar[tuple[nft.Rule, ...]] = (
        nft.Rule(nft.accept(), (nft.state("established"), nft.reply()), f"{PLANTED} answers"),
        nft.Rule(nft.accept(), (nft.state("related"),), "errors"),
    )


class OneCellLeaks(Filtered):
    """One endpoint reaches one other with UDP to port 53, whatever the policy says."""

    def compiled(self, host: Host, policy: Policy) -> nft.Table:
        """With a rule for the two before everything else."""
        made = super().compiled(host, policy)
        udp = (nft.transport("udp"), nft.destination_port(53))
        leaks = []
        for version in self.versions:
            ends = (nft.source_in(f"{LEAK[0]}-{version}", version), nft.destination_in(f"{LEAK[1]}-{version}", version))
            leaks.append(nft.Rule(nft.accept(), (*ends, *udp), PLANTED))
        empty = tuple(nft.AddressSet(f"{name}-{version}", version) for name in LEAK for version in self.versions)
        return first_of_all(replace(made, sets=(*made.sets, *empty)), *leaks)

    def learn(self, allocation: Allocation) -> None:
        """And tell the rule who the two are."""
        super().learn(allocation)
        if allocation.name in LEAK:
            for host in self.lab.hosts.values():
                sets = (self.set_of(allocation.name, version, [allocation]) for version in self.versions)
                nft.add_elements(host.namespace, nft.Table(self.family, TABLE), *sets)
