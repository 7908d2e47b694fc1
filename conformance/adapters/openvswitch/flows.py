"""What a policy and the security of ports are in OpenFlow, as Open vSwitch extends it: lines for ovs-ofctl.

Tables, in the order in which a packet passes them: what a port may send (0), tracked connections (1), the sender's side
of the policy (2), the receiver's (3), and the learning switch (4). Fields and actions are those of ovs-fields(7) and
ovs-actions(7).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final, Literal

from conformance.adapters.interface import Address
from conformance.policy.document import Direction, Labels, Policy, Rule
from conformance.protocols.ndp import ADVERTISEMENT, NEEDED, REDIRECT, ROUTER_ADVERTISEMENT

Version = Literal[4, 6]
VERSIONS: Final[tuple[Version, ...]] = (4, 6)
TRACKED, SENDERS, RECEIVERS, SWITCH = 1, 2, 3, 4
ZONE: Final = 1
UNSPECIFIED: Final = IPv4Address(0)
IP: Final[Mapping[Version, str]] = {4: "ip", 6: "ipv6"}
SOURCE: Final[Mapping[Version, str]] = {4: "nw_src", 6: "ipv6_src"}
DESTINATION: Final[Mapping[Version, str]] = {4: "nw_dst", 6: "ipv6_dst"}
NUMBERS: Final = {"tcp": 6, "udp": 17}
ECHO: Final[Mapping[Version, str]] = {4: "icmp,icmp_type=8", 6: "icmp6,icmp_type=128"}
COMMIT: Final = f"ct(commit,zone={ZONE}),resubmit(,{SWITCH})"


@dataclass(frozen=True, slots=True)
class Member:
    """One endpoint: its port's OpenFlow number on its own host (0 elsewhere), and what it has been given."""

    port: int
    mac: str
    addresses: tuple[Address, ...]
    labels: Labels

    def of(self, version: int) -> list[Address]:
        """Its addresses of one IP version."""
        return [one for one in self.addresses if one.version == version]


def flows(policy: Policy | None, members: Sequence[Member]) -> Iterator[str]:
    """Every flow of one host's bridge."""
    for member in members:
        if member.port:
            yield from _secured(member)
    yield f"table=0,priority=0,actions=resubmit(,{TRACKED})"
    if policy is None:
        yield f"table={TRACKED},priority=0,actions=resubmit(,{SWITCH})"
    else:
        yield from _tracked()
        yield from _side(policy, "egress", members)
        yield from _side(policy, "ingress", members)
    yield f"table={SWITCH},priority=0,actions=NORMAL"


# --- what a port may send (RFC 7513 §8, RFC 6105 §3, RFC 7610 §5) ---------------------------------------------------
def _secured(member: Member) -> Iterator[str]:
    own = f"table=0,in_port={member.port}"
    on = f"actions=resubmit(,{TRACKED})"
    sender = f"dl_src={member.mac}"
    yield f"{own},priority=400,vlan_tci=0x1000/0x1000,actions=drop"  # no endpoint sends tags, whatever is behind them
    yield f"{own},priority=400,ipv6,nw_proto=0,actions=drop"  # its header chain does not end in it (RFC 7112 §5)
    for port, kinds in ((67, ("udp", "udp6")), (547, ("udp", "udp6"))):
        yield from (f"{own},priority=300,{kind},tp_src={port},actions=drop" for kind in kinds)
    for kind in (ROUTER_ADVERTISEMENT, REDIRECT):
        yield f"{own},priority=300,icmp6,icmp_type={kind},actions=drop"
    for address in member.of(6):
        yield f"{own},priority=250,{sender},icmp6,icmp_type={ADVERTISEMENT},icmp_code=0,nd_target={address},{on}"
    yield f"{own},priority=240,icmp6,icmp_type={ADVERTISEMENT},actions=drop"
    for claimed in (*member.of(4), UNSPECIFIED):
        yield f"{own},priority=200,{sender},arp,arp_sha={member.mac},arp_spa={claimed},{on}"
    yield f"{own},priority=200,{sender},udp,nw_src={UNSPECIFIED},tp_dst=67,{on}"
    for address in member.of(4):
        yield f"{own},priority=200,{sender},ip,nw_src={address},{on}"
    for named in (*member.of(6), "::"):
        yield f"{own},priority=200,{sender},ipv6,ipv6_src={named},{on}"
    yield from (f"{own},priority=150,{other},actions=drop" for other in ("arp", "ip", "ipv6"))
    yield f"{own},priority=100,{sender},{on}"
    yield f"{own},priority=50,actions=drop"


# --- the policy -------------------------------------------------------------------------------------------------------
def _tracked() -> Iterator[str]:
    """Answers and errors about what is known pass, what fits nothing is dropped, the rest is for the policy."""
    here = f"table={TRACKED}"
    for kind in NEEDED:  # who may send which, the port's own flows say
        yield f"{here},priority=300,icmp6,icmp_type={kind},actions=resubmit(,{SWITCH})"
    for version in VERSIONS:
        any_packet = f"{here},{IP[version]}"
        yield f"{any_packet},priority=200,ct_state=-trk,actions=ct(table={TRACKED},zone={ZONE})"
        yield f"{any_packet},priority=190,ct_state=+trk+inv,actions=drop"
        for state in ("+est", "+rel"):
            yield f"{any_packet},priority=180,ct_state=+trk{state},actions=resubmit(,{SWITCH})"
        yield f"{any_packet},priority=170,ct_state=+trk+new,actions=resubmit(,{SENDERS})"
    yield f"{here},priority=0,actions=resubmit(,{SWITCH})"


def _side(policy: Policy, direction: Direction, members: Sequence[Member]) -> Iterator[str]:
    """One direction's rules in their order, then its default, then who is not governed."""
    outwards = direction == "egress"
    table = SENDERS if outwards else RECEIVERS
    target = {"allow": f"resubmit(,{RECEIVERS})" if outwards else COMMIT, "deny": "drop"}
    rules = [rule for rule in policy.rules if rule.direction == direction]
    for number, rule in enumerate(rules):
        for version in VERSIONS:
            for ends in _ends(policy, rule, members, version):
                for flow in _openings(rule, version):
                    matched = ",".join(filter(None, ["ct_state=+trk+new", flow, *ends]))
                    yield f"table={table},priority={1000 - number},{matched},actions={target[rule.action]}"
    own = SOURCE if outwards else DESTINATION
    default = target[getattr(policy.default, direction)]
    for member in members:
        for version in VERSIONS:
            for address in member.of(version):
                yield f"table={table},priority=10,{IP[version]},{own[version]}={address},actions={default}"
    yield from (f"table={table},priority=0,{IP[version]},actions={target['allow']}" for version in VERSIONS)


def _ends(policy: Policy, rule: Rule, members: Sequence[Member], version: Version) -> Iterator[tuple[str, ...]]:
    """Who a rule is about, in one family: every pair of a governed endpoint and another end."""
    outwards = rule.direction == "egress"
    here, there = (SOURCE, DESTINATION) if outwards else (DESTINATION, SOURCE)
    others: list[str] = [""]
    if rule.peer is not None:
        others = [f"{there[version]}={one}" for one in _addresses(policy, rule.peer, members, version)]
    elif rule.cidr:
        others = [f"{there[version]}={one}" for one in rule.networks if one.version == version]
    for address in _addresses(policy, rule.of, members, version):
        yield from ((f"{here[version]}={address}", other) for other in others)


def _addresses(policy: Policy, group: str | None, members: Sequence[Member], version: Version) -> list[Address]:
    return [address for one in members if policy.members(group, one.labels) for address in one.of(version)]


def _openings(rule: Rule, version: Version) -> Iterator[str]:
    """Which flows a rule is about, by the ports of the tracked connection: later fragments have none of their own."""
    if rule.protocol == "icmp":
        yield ECHO[version]
    elif rule.protocol is None:
        yield IP[version]
    else:
        flow = f"{IP[version]},ct_nw_proto={NUMBERS[rule.protocol]}"
        for low, high in rule.ranges:
            yield from (f"{flow},ct_tp_dst={masked}" for masked in masks(low, high))
        if not rule.ranges:
            yield flow


def masks(low: int, high: int) -> Iterator[str]:
    """A closed range of ports as values under masks, which is all that OpenFlow has for it."""
    while low <= high:
        size = low & -low or 0x10000
        while low + size - 1 > high:
            size //= 2
        yield str(low) if size == 1 else f"{low:#06x}/{0x10000 - size:#06x}"
        low += size
