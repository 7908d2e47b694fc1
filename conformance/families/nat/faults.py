"""Planted faults of the family nat: translation where nobody looks."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

from conformance.adapters.linux.bridges import BRIDGE
from conformance.lab.flow.probe import EXPERIMENTAL
from conformance.lab.kernel import link
from conformance.lab.lab import Host, Lab
from conformance.lab.nftables import (
    Chain,
    Match,
    Rule,
    destination,
    destination_nat,
    destination_port,
    drop,
    ether_type,
    in_interface,
    masquerade,
    out_interface,
    rewrite,
    source,
    source_nat,
    source_port,
    state,
    transport,
)
from conformance.provoking.probes import PORT, SHARED_SOURCE_PORT
from conformance.selftest.chains import (
    Planted,
    Rules,
    client_of,
    forwarding,
    source_translation,
    target_translation,
)
from conformance.selftest.fault import Fault, planted, rule_hit, rule_there

TRANSLATED_TCP = frozenset({"nat.tcp-untranslated", "route.socket-identity"})
"""What fails wherever TCP is translated: both ends compare what they are to each other."""
TRANSLATED_UDP = frozenset({"nat.udp-untranslated", "route.socket-identity"})
TRANSLATED = TRANSLATED_TCP | TRANSLATED_UDP | {"nat.icmp-untranslated", "nat.every-protocol"}
HIGH_PORT, OTHER_PORT = 65535, 65534
"""UDP ports of which endpoints listen on the first only."""
IDLE = frozenset({"nat.idle-flow"})
"""Follows wherever a flow from off the host is translated: once the state is gone, the far end has nobody to speak to
(RFC 5382 §5 REQ-5 is about that)."""


def _leaving(host: Host) -> tuple[Match, ...]:
    """What this host's endpoints send off the host."""
    return source(host.workload_ipv4), out_interface(host.uplink)


def _snat(*further: Match) -> Rules:
    return lambda host, _: [(masquerade(), (*_leaving(host), *further))]


def _inbound_masquerade(host: Host, lab: Lab) -> Planted:
    return [(masquerade(), (source(client_of(lab, 4)), destination(host.workload_ipv4)))]


def _hairpin(host: Host, _: Lab) -> Planted:
    return [(masquerade(), (source(host.workload_ipv4), destination(host.workload_ipv4)))]


def _bridged_hairpin(host: Host, _: Lab) -> Planted:
    return [(masquerade(), (source(host.pool_ipv4), destination(host.pool_ipv4), out_interface(BRIDGE)))]


def _see_bridged_frames(lab: Lab) -> None:
    """Rules for IP see what is bridged too, as on a machine where br_netfilter is loaded, and which forwards (else the
    translated answers do not find back)."""
    for host in lab.hosts.values():
        host.namespace.sysctl("net.ipv4.ip_forward", 1)
        host.namespace.sysctl("net.bridge.bridge-nf-call-iptables", 1)
    source_translation("ip", _bridged_hairpin)(lab)


def _nat66(host: Host, _: Lab) -> Planted:
    return [(masquerade(), (source(host.workload_ipv6), out_interface(host.uplink)))]


def _other_prefix(host: Host) -> IPv6Network:
    """The /64 that outsiders see in place of the host's own."""
    return IPv6Network((int(host.workload_ipv6.network_address) + (1 << 72), 64))


def _prefix_translation(host: Host, lab: Lab) -> Planted:
    """Swap the /64 of what opens a flow to outside for another one, and back: the interface identifier is kept."""
    inside, outside = host.workload_ipv6, _other_prefix(host)
    return [
        (source_nat(outside[number]), (source(IPv6Network(inside[number])), destination(client_of(lab, 6))))
        for number in range(1, 16)
    ]


def _translate_prefix(lab: Lab) -> None:
    """The outside knows the way to the translated prefix."""
    source_translation("ip6", _prefix_translation)(lab)
    for host in lab.hosts.values():
        link.route(lab.router or lab.client.namespace, _other_prefix(host), via=str(host.ipv6.ip))


def _identity_rewritten(*kinds: str) -> Rules:
    """The address is kept; the source port, or the identifier of an echo, is not."""

    def rules(host: Host, _: Lab) -> Planted:
        return [
            (
                source_nat(host.workload_ipv4[number], ports=(50_000, 50_999)),
                (source(IPv4Network(host.workload_ipv4[number])), transport(kind), out_interface(host.uplink)),
            )
            for number in range(1, 16)
            for kind in kinds
        ]

    return rules


def _shared_port(host: Host, _: Lab) -> Planted:
    return [
        (masquerade(ports=(51_000, 51_999)), (*_leaving(host), transport(kind), source_port(SHARED_SOURCE_PORT)))
        for kind in ("tcp", "udp")
    ]


def _dnat_53(host: Host, _: Lab) -> Planted:
    """Whoever is asked, another endpoint answers: which of them has which address is for the network to say."""
    first, second = host.workload_ipv4[1], host.workload_ipv4[2]
    arriving = (transport("udp"), destination_port(53), in_interface(host.uplink))
    return [
        (destination_nat(second), (destination(IPv4Network(first)), *arriving)),
        (destination_nat(first), (destination(host.workload_ipv4), *arriving)),
    ]


def _late_udp(host: Host, _: Lab) -> Planted:
    """A stateful filter: what comes from a well-known port of the outside passes only while the state lives."""
    return [(drop(), (in_interface(host.uplink), transport("udp"), source_port(PORT), state("new")))]


def _late_translation(host: Host, _: Lab) -> Planted:
    """What an endpoint's server says when the state is gone looks like a new flow, and is translated like one."""
    return [
        (masquerade(ports=(52_000, 52_999)), (*_leaving(host), transport(kind), source_port(PORT)))
        for kind in ("tcp", "udp")
    ]


def _other_port(lab: Lab) -> None:
    """Bridges write another port where nobody listens into the datagrams to one port."""
    chain = Chain(
        "forward",
        tuple(
            Rule(rewrite("transport", 2, OTHER_PORT.to_bytes(2, "big"), checksum_at=6), (kind, *to), "other port")
            for kind in map(ether_type, ("ip", "ip6"))
            for to in [(transport("udp"), destination_port(HIGH_PORT))]
        ),
        hook="forward",
    )
    for host in lab.hosts.values():
        planted(host, "bridge", chain)


def _never_hit(host: Host, _: Lab) -> Planted:
    """A rule that would translate, if anything sent from the port that it waits for."""
    return [(masquerade(), (*_leaving(host), transport("tcp"), source_port(9)))]


FAULTS = (
    Fault(
        name="snat-across-hosts",
        title="source translation of everything that leaves the host, own prefix exempt",
        labels=("F-NAT-01a", "X-01"),
        fails=TRANSLATED | IDLE,
        on_network=source_translation("ip", _snat()),
        witness=rule_hit,
    ),
    Fault(
        name="snat-udp-only",
        title="source translation of UDP only",
        labels=("X-02",),
        fails=TRANSLATED_UDP | IDLE,
        on_network=source_translation("ip", _snat(transport("udp"))),
        witness=rule_hit,
    ),
    Fault(
        name="snat-high-ports",
        title="source translation of UDP only where its source port is above 1024",
        labels=("F-NAT-02c",),
        fails=TRANSLATED_UDP | IDLE,
        on_network=source_translation("ip", _snat(transport("udp"), source_port(1025, 65535))),
        witness=rule_hit,
    ),
    Fault(
        name="dnat-one-port",
        title="destination translation of one port, 53, only",
        labels=("X-03",),
        fails=TRANSLATED_UDP | {"route.well-known-port"},
        on_network=target_translation("ip", _dnat_53),
        witness=rule_hit,
    ),
    Fault(
        name="snat-icmp-only",
        title="source translation of ICMP echo across hosts",
        fails=frozenset({"nat.icmp-untranslated"}),
        on_network=source_translation("ip", _snat(transport("icmp"))),
        witness=rule_hit,
    ),
    Fault(
        name="snat-experimental",
        title="source translation of an experimental IP protocol only",
        fails=frozenset({"nat.every-protocol"}),
        on_network=source_translation("ip", _snat(transport(EXPERIMENTAL))),
        witness=rule_hit,
    ),
    Fault(
        name="port-rewritten-by-bridge",
        title="bridges write another UDP port, where nobody listens, into datagrams to port 65535, without any state",
        network="flat-bridge",
        fails=frozenset({"nat.udp-untranslated"}),
        on_network=_other_port,
        witness=rule_hit,
    ),
    Fault(
        name="echo-identifier-rewritten",
        title="the source address of ICMP echo is kept, the identifier is not",
        labels=("F-NAT-03a",),
        fails=frozenset({"nat.icmp-untranslated"}),
        on_network=source_translation("ip", _identity_rewritten("icmp")),
        witness=rule_hit,
    ),
    Fault(
        name="masquerade-inbound",
        title="the gateway appears as the client of what comes in from outside",
        labels=("F-NAT-04a",),
        fails=TRANSLATED | IDLE | {"nat.client-address"},
        on_network=source_translation("ip", _inbound_masquerade),
        witness=rule_hit,
    ),
    Fault(
        name="snat-same-host",
        title="hairpin translation also hits direct traffic of one host",
        labels=("F-NAT-05a",),
        fails=TRANSLATED | {"nat.same-host"},
        on_network=source_translation("ip", _hairpin),
        witness=rule_hit,
    ),
    Fault(
        name="bridged-hairpin",
        title="a masquerade rule also hits what is bridged between endpoints, since br_netfilter is on",
        labels=("X-04",),
        network="flat-bridge",
        fails=TRANSLATED | {"nat.same-host"},
        on_network=_see_bridged_frames,
        witness=rule_hit,
    ),
    Fault(
        name="nat66",
        title="IPv4 clean, IPv6 masqueraded",
        labels=("F-NAT-06a",),
        fails=TRANSLATED | IDLE | {"nat.ipv6-untranslated"},
        on_network=source_translation("ip6", _nat66),
        witness=rule_hit,
    ),
    Fault(
        name="prefix-translation",
        title="the IPv6 prefix is swapped on the way out and back, the interface identifier kept",
        labels=("F-NAT-06b",),
        fails=TRANSLATED | IDLE | {"nat.ipv6-untranslated"},
        on_network=_translate_prefix,
        witness=rule_hit,
    ),
    Fault(
        name="source-port-rewritten",
        title="the source address is kept, the source port is not",
        labels=("F-ROUTE-04b",),
        fails=TRANSLATED_TCP | TRANSLATED_UDP | IDLE,
        on_network=source_translation("ip", _identity_rewritten("tcp", "udp")),
        witness=rule_hit,
    ),
    Fault(
        name="shared-port-rewritten",
        title="only flows that share a source port with another are translated",
        labels=("F-ROUTE-04c",),
        fails=TRANSLATED_TCP | TRANSLATED_UDP,
        on_network=source_translation("ip", _shared_port),
        witness=rule_hit,
    ),
    Fault(
        name="rule-never-hit",
        title="a translation rule is there, and nothing ever hits it",
        labels=("F-NAT-07a",),
        notes=frozenset({"nat.no-state"}),
        on_network=source_translation("ip", _never_hit),
        witness=rule_there,
    ),
    Fault(
        name="state-expires",
        title="a stateful filter forgets an idle UDP flow and drops what then comes from outside",
        labels=("F-NAT-08a",),
        fails=IDLE,
        on_network=forwarding("inet", _late_udp),
        witness=rule_hit,
    ),
    Fault(
        name="translated-after-idle",
        title="a flow is translated only when its state has expired",
        labels=("X-05",),
        fails=IDLE,
        on_network=source_translation("ip", _late_translation),
        witness=rule_hit,
    ),
)
