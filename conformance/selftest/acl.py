"""Planted faults of the family acl: filters that look complete, and where they are not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar, Final

from conformance.adapters.linux.filtered import TABLE, Filtered, FilteredInwards, FilteredV4Only
from conformance.adapters.linux.network import Lease
from conformance.lab import nftables as nft
from conformance.lab.lab import Host
from conformance.policy.document import Policy
from conformance.recording.model import Record
from conformance.selftest.fault import PLANTED, Fault, rule_hit

NETWORK: Final = "routed-64-acl"
FEW: Final = 14
"""Endpoints of a network whose fault every pair shows: two rounds of the policy's population."""
LEAK: Final = ("db03", "app12")
"""From whom to whom one cell leaks."""


def _rules(record: Record) -> Iterator[Any]:
    """The rules of the policy, as the last snapshot of each host shows them."""
    for snapshot in record.snapshots:
        yield from (rule for rule in snapshot.rules if rule["kind"] == "rule" and rule["table"] == TABLE)


class OnlyTcpDenied(Filtered):
    """What no rule allows is dropped if it is TCP; the rest passes."""

    refusal: ClassVar[tuple[nft.Rule, ...]] = (
        nft.Rule(nft.drop(), (nft.transport("tcp"),)),
        nft.Rule(nft.back(), (), f"{PLANTED} passes"),
    )


def first_of_all(made: nft.Table, *rules: nft.Rule) -> nft.Table:
    """The table with further rules before all others on what is forwarded."""
    forward, *others = made.chains
    return replace(made, chains=(replace(forward, rules=(*rules, *forward.rules)), *others))


class UdpAnswersDropped(Filtered):
    """Datagrams pass as the policy says, their answers do not."""

    def compiled(self, host: Host, policy: Policy) -> nft.Table:
        """With a rule against the answers."""
        against = nft.Rule(nft.drop(), (nft.transport("udp"), nft.reply()), PLANTED)
        return first_of_all(super().compiled(host, policy), against)


class OneCellLeaks(Filtered):
    """One endpoint reaches one other with UDP to port 53, whatever the policy says."""

    def compiled(self, host: Host, policy: Policy) -> nft.Table:
        """With a rule for the two before everything else."""
        made = super().compiled(host, policy)
        leaks = tuple(
            nft.Rule(
                nft.accept(),
                (
                    nft.source_in(f"{LEAK[0]}-{version}", version),
                    nft.destination_in(f"{LEAK[1]}-{version}", version),
                    nft.transport("udp"),
                    nft.destination_port(53),
                ),
                PLANTED,
            )
            for version in self.versions
        )
        empty = tuple(nft.AddressSet(f"{name}-{version}", version) for name in LEAK for version in self.versions)
        return first_of_all(replace(made, sets=(*made.sets, *empty)), *leaks)

    def learn(self, lease: Lease) -> None:
        """And tell the rule who the two are."""
        super().learn(lease)
        if lease.name in LEAK:
            for host in self.lab.hosts.values():
                sets = (self.set_of(lease.name, version, [lease]) for version in self.versions)
                nft.add_elements(host.namespace, nft.Table(self.family, TABLE), *sets)


def _no_ipv6(record: Record) -> str | None:
    families = {rule["family"] for rule in _rules(record)}
    return "the policy's tables are of family ip" if families == {"ip"} else None


def _no_egress(record: Record) -> str | None:
    chains = {rule["chain"] for rule in _rules(record)}
    return f"the policy's chains are {', '.join(sorted(chains))}" if chains and "egress" not in chains else None


FAULTS = (
    Fault(
        name="acl-only-tcp-denied",
        title="what is not allowed is dropped only if it is TCP",
        labels=("X-20", "F-ACL-01b"),
        network=NETWORK,
        endpoints=FEW,
        fails=frozenset({"acl.default-deny", "acl.egress"}),
        design=OnlyTcpDenied,
        witness=rule_hit,
    ),
    Fault(
        name="acl-ipv4-only",
        title="the policy is in force over IPv4 alone",
        labels=("X-21", "F-ACL-02a"),
        network=NETWORK,
        endpoints=FEW,
        fails=frozenset({"acl.default-deny", "acl.egress", "acl.ipv6-parity"}),
        design=FilteredV4Only,
        witness=_no_ipv6,
    ),
    Fault(
        name="acl-no-egress",
        title="what the sender's rules deny passes, since only what comes in is filtered",
        network=NETWORK,
        endpoints=FEW,
        fails=frozenset({"acl.egress"}),
        design=FilteredInwards,
        witness=_no_egress,
    ),
    Fault(
        name="acl-udp-answers",
        title="answers to allowed datagrams are dropped",
        network=NETWORK,
        endpoints=FEW,
        fails=frozenset({"acl.allowed"}),
        design=UdpAnswersDropped,
        witness=rule_hit,
    ),
    Fault(
        name="acl-one-cell",
        title="one of 1,560 ordered pairs of endpoints leaks on one port",
        network=NETWORK,
        fails=frozenset({"acl.default-deny"}),
        design=OneCellLeaks,
        witness=rule_hit,
    ),
)
