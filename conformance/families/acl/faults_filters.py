"""Filters that look complete and are not: what the faults of the family acl plant in the filtered network."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address, IPv4Network, ip_network
from typing import Any, Final

from conformance import limits
from conformance.adapters.linux.filtered import Enforcement, Filtered
from conformance.adapters.linux.network import Allocation, Design, assign
from conformance.adapters.linux.routed import routed
from conformance.adapters.linux.translation import COMPLETE, TABLE, Members, set_of
from conformance.lab import nftables as nft
from conformance.lab.lab import Host, Lab
from conformance.lab.nftables.expression import EQUAL, compare, extension_header
from conformance.policy.document import Policy, Rule
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
VERSIONS: Final = COMPLETE.versions
PASSES: Final = nft.Rule(nft.back(), (), f"{PLANTED} passes")


def first_of_all(made: nft.Table, *rules: nft.Rule) -> nft.Table:
    """The table with further rules before all others on what is forwarded."""
    forward, *others = made.chains
    return replace(made, chains=(replace(forward, rules=(*rules, *forward.rules)), *others))


def translated(**parts: Any) -> Enforcement:
    """Every policy is in force, with parts of its translation replaced."""
    return Enforcement(translation=replace(COMPLETE, **parts))


def preceded(*rules: nft.Rule) -> Enforcement:
    """Every policy is in force, behind further rules."""
    return translated(finish=lambda made, _host, _members: first_of_all(made, *rules))


def passing(*matches: nft.Match) -> tuple[nft.Rule, ...]:
    """Rules by which what fits any of these passes."""
    return tuple(nft.Rule(nft.accept(), (one,), PLANTED) for one in matches)


ONLY_TCP_DENIED: Final = translated(refusal=(nft.Rule(nft.drop(), (nft.transport("tcp"),)), PASSES))
"""What no rule allows is dropped if it is TCP; the rest passes."""

ONLY_OPENINGS_DENIED: Final = translated(
    refusal=(
        nft.Rule(nft.drop(), (nft.transport("tcp"), nft.payload("transport", 13, b"\x02", mask=b"\x12"))),
        nft.Rule(nft.drop(), (nft.transport("udp"),)),
        nft.Rule(nft.drop(), (nft.transport("icmp"),)),
        nft.Rule(nft.drop(), (nft.transport("icmpv6"),)),
        PASSES,
    )
)
"""What opens a flow is dropped if no rule allows it: SYN, datagrams, echo. Whatever else it may be passes."""

UDP_ANSWERS_DROPPED: Final = preceded(nft.Rule(nft.drop(), (nft.transport("udp"), nft.reply()), PLANTED))
"""Datagrams pass as the policy says, their answers do not."""

ERRORS_DROPPED: Final = preceded(
    *(nft.Rule(nft.drop(), (one,), PLANTED) for one in (nft.icmp(4, 3, 4), nft.icmp(6, 2)))
)
"""What says that a packet was too big is dropped."""

EXTENSIONS_PASS: Final = preceded(*passing(*(nft.Match((extension_header(kind, 0, 1),), 6) for kind in (0, 43, 60))))
"""A packet with an extension header passes, whatever is behind it."""

TCP_BEHIND_OPTIONS_PASSES: Final = preceded(
    *passing(nft.Match((extension_header(60, 0, 1), compare(EQUAL, b"\x06")), 6))
)
"""A segment behind destination options passes; a datagram there does not."""

DRESSED_OPENINGS_PASS: Final = preceded(
    nft.Rule(
        nft.accept(),
        (
            nft.transport("tcp"),
            nft.payload("transport", 13, b"\x02", mask=b"\x12"),
            nft.payload("transport", 13, b"\x02", negate=True),
        ),
        PLANTED,
    )
)
"""A segment that opens a connection is looked at only where SYN is its only flag."""

LARGE_PASS: Final = preceded(*passing(nft.length(">", 1000)))
"""What is larger than 1,000 octets passes, whatever it is."""

ANY_SOURCE: Final = Enforcement(bound=lambda _: ())
"""An endpoint may send under any address."""

PREFIX_OFF_BY_ONE: Final = translated(prefix=lambda network: network.supernet())
"""Prefixes are one bit too short: twice as many addresses."""

ESTABLISHED_CUT: Final = translated(
    known=(
        nft.Rule(nft.accept(), (nft.state("established"), nft.reply()), f"{PLANTED} answers"),
        nft.Rule(nft.accept(), (nft.state("related"),), "errors"),
    )
)
"""What is established is let pass only as an answer: a change of policy cuts what it denies."""

DATAGRAMS_CUT: Final = translated(
    known=(
        nft.Rule(nft.accept(), (nft.transport("tcp"), nft.state("established")), f"{PLANTED} connections"),
        nft.Rule(nft.accept(), (nft.state("established"), nft.reply()), "answers"),
        nft.Rule(nft.accept(), (nft.state("related"),), "errors"),
    )
)
"""What is established is let pass if it is TCP, and only as an answer if it is not."""

GONE_STAYS: Final = Enforcement(forgets=False)
"""The addresses of an endpoint that is gone stay in its groups."""

RESTARTED_OPEN: Final = Enforcement(restarted=lambda made: first_of_all(made, nft.Rule(nft.accept(), (), PLANTED)))
"""An agent that was restarted lets everything pass until it gets a policy again."""


def _with_late_end(rule: Rule) -> Rule:
    ports = tuple(f"{low}-{high + 1}" if high > low else str(low) for low, high in rule.ranges)
    return rule.model_copy(update={"ports": ports})


PORTS_OFF_BY_ONE: Final = translated(reading=_with_late_end)
"""Ranges of ports end one port too late."""


def _with_fragments(made: nft.Table, _host: Host, _members: Members) -> nft.Table:
    """Fragments are kept from connection tracking, and let through."""
    pieces = tuple(nft.fragment(version) for version in VERSIONS)
    kept = tuple(nft.Rule(nft.untrack(), (one,)) for one in pieces)
    raw = nft.Chain("raw", kept, hook="prerouting", priority=BEFORE_TRACKING)
    opened = first_of_all(made, *passing(*pieces))
    return replace(opened, chains=(*opened.chains, raw))


FRAGMENTS_PASS: Final = translated(finish=_with_fragments)
"""Fragments are not put together, and pass whatever they are a part of."""


def _with_a_stranger(made: nft.Table, _host: Host, _members: Members) -> nft.Table:
    """The source of rejections is rewritten."""
    stranger = nft.rewrite("network", 12, IPv4Address("192.0.2.99").packed, checksum_at=10)
    rule = nft.Rule(stranger, (nft.source(EVERYTHING), nft.icmp(4, 3, 13)), PLANTED)
    return replace(made, chains=(*made.chains, nft.Chain("forge", (rule,), hook="output", priority=-150)))


REJECTS_IN_ANOTHERS_NAME: Final = translated(finish=_with_a_stranger)
"""Rejections by ICMP are sent from an address that nobody has."""


def _kept_open(before: Policy | None, policy: Policy) -> Policy:
    """The old rules that allow stay, before the new ones."""
    rules = () if before is None else before.rules
    kept = [rule.model_copy(update={"name": f"{PLANTED}-{rule.name}"}) for rule in rules if rule.action == "allow"]
    return policy.model_copy(update={"rules": (*kept, *policy.rules)})


NEVER_SHUT: Final = Enforcement(change=_kept_open)
"""A change of policy opens what it allows, and never shuts what it denies."""


SLUGGISH: Final = limits.POLICY_EFFECT + 3.0
"""Seconds after which a change of policy takes effect that should within five."""


def in_force_late(lab: Lab) -> Filtered:
    """A change of policy is accepted at once, and has its effect `SLUGGISH` seconds later."""
    changes: list[Policy] = []

    def change(before: Policy | None, policy: Policy) -> Policy:
        """The first policy at once; another one when it is asked for again, which is done in the background: its rules
        are marked then, so that it is seen that they came into force."""
        if before is None:
            return policy
        if policy in changes:
            rules = (rule.model_copy(update={"name": f"{PLANTED}-{rule.name}"}) for rule in policy.rules)
            return policy.model_copy(update={"rules": tuple(rules)})
        changes.append(policy)
        in_background(again, next(iter(lab.hosts.values())).namespace)
        return before

    def again() -> None:
        threading.Event().wait(SLUGGISH)
        made.apply(changes[-1])

    made = Filtered(lab, routed(lab), Enforcement(change=change))
    return made


def _with_a_leak(made: nft.Table, _host: Host, _members: Members) -> nft.Table:
    """A rule for the two of `LEAK` comes before everything else."""
    udp = (nft.transport("udp"), nft.destination_port(53))
    leaks = []
    for version in VERSIONS:
        ends = (nft.source_in(f"{LEAK[0]}-{version}", version), nft.destination_in(f"{LEAK[1]}-{version}", version))
        leaks.append(nft.Rule(nft.accept(), (*ends, *udp), PLANTED))
    unknown = tuple(set_of(name, version, ()) for name in LEAK for version in VERSIONS)
    return first_of_all(replace(made, sets=(*made.sets, *unknown)), *leaks)


def _add_everywhere(lab: Lab, group: str, member: Allocation) -> None:
    """Add an endpoint to a set of every host."""
    for host in lab.hosts.values():
        sets = (set_of(group, version, [member]) for version in VERSIONS)
        nft.add_elements(host.namespace, nft.Table(COMPLETE.family, TABLE), *sets)


def _say_who_leaks(lab: Lab, member: Allocation) -> None:
    """The rule learns who the two are."""
    if member.name in LEAK:
        _add_everywhere(lab, member.name, member)


ONE_CELL_LEAKS: Final = Enforcement(translation=replace(COMPLETE, finish=_with_a_leak), learned=_say_who_leaks)
"""One endpoint reaches one other with UDP to port 53, whatever the policy says."""


def enforcing(enforcement: Enforcement) -> Callable[[Lab], Filtered]:
    """The filtered network with another enforcement."""
    return lambda lab: Filtered(lab, routed(lab), enforcement)


def _passing_strangers(made: nft.Table, host: Host, members: Members) -> nft.Table:
    """What is for endpoints of the host that are not in the set of those known passes."""
    sets = tuple(set_of("known", version, members) for version in VERSIONS)
    here = nft.out_interface(host.uplink, negate=True)
    strangers = (
        nft.Rule(nft.accept(), (here, nft.destination_in(f"known-{version}", version, negate=True)), PLANTED)
        for version in VERSIONS
    )
    return first_of_all(replace(made, sets=(*made.sets, *sets)), *strangers)


def attached_unfiltered(lab: Lab) -> Filtered:
    """Only endpoints whose attachment is over are filtered for: until then everything reaches them."""

    def assign_first(design: Design, allocation: Allocation) -> None:
        """Tell the policy only afterwards: of who comes late, long enough after for its neighbours to find it."""
        assign(design, allocation)

        def tell() -> None:
            threading.Event().wait(limits.RESOLUTION)
            _add_everywhere(lab, "known", allocation)

        if allocation.name == LATE:
            in_background(tell, allocation.host.namespace)
        else:
            _add_everywhere(lab, "known", allocation)

    return Filtered(lab, replace(routed(lab), assign=assign_first), translated(finish=_passing_strangers))


def published_pass(lab: Lab) -> Filtered:
    """A port of a database is published at its host's address, and what was translated passes unseen."""
    rule = nft.Rule(nft.accept(), (nft.translated(),), PLANTED)
    enforcement = replace(preceded(rule), learned=partial(_publish_first, set()))
    return Filtered(lab, routed(lab), enforcement)


def _publish_first(publishing: set[str], _lab: Lab, member: Allocation) -> None:
    """Publish the port of the first database of each host; `publishing` are the hosts that have one."""
    host = member.host
    if member.labels.get("tier") != "db" or host.name in publishing:
        return
    publishing.add(host.name)
    for address in member.addresses:
        own = (host.ipv4, host.ipv6)[address.version == 6]
        dialled = (nft.destination(ip_network(own.ip)), nft.transport("udp"), nft.destination_port(OPERATORS))
        rule = nft.Rule(nft.destination_nat(address.ip), dialled, f"{PLANTED} publication")
        chain = nft.Chain("prerouting", (rule,), type="nat", hook="prerouting", priority=-100)
        nft.install(host.namespace, nft.Table("ip" if address.version == 4 else "ip6", "published", (chain,)))
