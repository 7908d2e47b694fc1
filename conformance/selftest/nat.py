"""Planted faults of the family nat: translation where nobody looks."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

from conformance.lab.lab import Host, Lab
from conformance.lab.nftables import (
    Action,
    Match,
    destination,
    destination_nat,
    destination_port,
    drop,
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
from conformance.scenarios.reachability import PORT, SHARED_SOURCE_PORT
from conformance.selftest.chains import forwarding, mangling, source_translation, target_translation
from conformance.selftest.fault import Fault, rule_hit

Rules = list[tuple[Action, tuple[Match, ...]]]


def _leaving(host: Host, _: Lab) -> tuple[Match, ...]:
    """What this host's endpoints send off the host."""
    return source(host.workload_ipv4), out_interface(host.uplink)


def _snat(*further: Match) -> object:
    def rules(host: Host, lab: Lab) -> Rules:
        return [(masquerade(), (*_leaving(host, lab), *further))]

    return rules


def _client(lab: Lab, version: int) -> IPv4Network | IPv6Network:
    return IPv4Network(lab.client.ipv4.ip) if version == 4 else IPv6Network(lab.client.ipv6.ip)


def _inbound_masquerade(host: Host, lab: Lab) -> Rules:
    return [(masquerade(), (source(_client(lab, 4)), destination(host.workload_ipv4)))]


def _hairpin(host: Host, lab: Lab) -> Rules:
    return [(masquerade(), (source(host.workload_ipv4), destination(host.workload_ipv4)))]


def _nat66(host: Host, lab: Lab) -> Rules:
    return [(masquerade(), (source(host.workload_ipv6), out_interface(host.uplink)))]


def _prefix_translation(host: Host, lab: Lab) -> Rules:
    """Swap the /64 of what leaves for another one and back, interface identifier kept; checksums follow."""
    inside, outside = host.workload_ipv6, IPv6Network((int(host.workload_ipv6.network_address) + (1 << 72), 64))
    swap = rewrite("network", 8, outside.network_address.packed[:8], pseudo_header=True)
    back = rewrite("network", 24, inside.network_address.packed[:8], pseudo_header=True)
    to_client = destination(_client(lab, 6))
    return [(swap, (source(inside), to_client)), (back, (destination(outside),))]


def _route_prefix(lab: Lab) -> None:
    """The outside knows the way to the translated prefix."""
    from conformance.lab import link

    mangling("ip6", "prerouting", _prefix_translation)(lab)
    user = lab.router or lab.client.namespace
    for host in lab.hosts.values():
        outside = IPv6Network((int(host.workload_ipv6.network_address) + (1 << 72), 64))
        link.route(user, outside, via=str(host.ipv6.ip))


def _source_port(host: Host, lab: Lab) -> Rules:
    """The address is kept, the port is not."""
    return [
        (
            source_nat(host.workload_ipv4[number], ports=(50_000, 50_999)),
            (source(IPv4Network(host.workload_ipv4[number])), transport(kind), *_out(host)),
        )
        for number in range(2, 16)
        for kind in ("tcp", "udp")
    ]


def _out(host: Host) -> tuple[Match, ...]:
    return (out_interface(host.uplink),)


def _shared_port(host: Host, lab: Lab) -> Rules:
    return [
        (masquerade(ports=(51_000, 51_999)), (*_leaving(host, lab), transport(kind), source_port(SHARED_SOURCE_PORT)))
        for kind in ("tcp", "udp")
    ]


def _dnat_53(host: Host, lab: Lab) -> Rules:
    return [
        (
            destination_nat(host.workload_ipv4[1]),
            (destination(host.workload_ipv4), transport("udp"), destination_port(53), in_interface(host.uplink)),
        )
    ]


def _late_udp(host: Host, lab: Lab) -> Rules:
    """A stateful filter: what comes from a well-known port of the outside passes only while the state lives."""
    return [(drop(), (in_interface(host.uplink), transport("udp"), source_port(PORT), state("new")))]


FAULTS = (
    Fault(
        name="snat-across-hosts",
        title="source translation of everything that leaves the host, own prefix exempt",
        labels=("F-NAT-01a", "X-01"),
        fails=frozenset(
            {"nat.tcp-untranslated", "nat.udp-untranslated", "nat.icmp-untranslated", "route.socket-identity"}
        ),
        on_network=source_translation("ip", _snat()),
        witness=rule_hit,
    ),
    Fault(
        name="snat-udp-only",
        title="source translation of UDP only",
        labels=("X-02",),
        fails=frozenset({"nat.udp-untranslated", "route.socket-identity"}),
        on_network=source_translation("ip", _snat(transport("udp"))),
        witness=rule_hit,
    ),
    Fault(
        name="snat-high-ports",
        title="source translation only of ports above 1024",
        labels=("F-NAT-02c",),
        fails=frozenset({"nat.udp-untranslated", "route.socket-identity"}),
        on_network=source_translation("ip", _snat(transport("udp"), source_port(1025, 65535))),
        witness=rule_hit,
    ),
    Fault(
        name="dnat-one-port",
        title="destination translation of one port, 53, only",
        labels=("X-03",),
        fails=frozenset({"route.well-known-port"}),
        on_network=target_translation("ip", _dnat_53),
        witness=rule_hit,
    ),
    Fault(
        name="snat-icmp-only",
        title="source translation of ICMP echo across hosts",
        labels=("F-NAT-03a",),
        fails=frozenset({"nat.icmp-untranslated"}),
        on_network=source_translation("ip", _snat(transport("icmp"))),
        witness=rule_hit,
    ),
    Fault(
        name="masquerade-inbound",
        title="the gateway appears as the client of what comes in from outside",
        labels=("F-NAT-04a",),
        fails=frozenset(
            {
                "nat.tcp-untranslated",
                "nat.udp-untranslated",
                "nat.icmp-untranslated",
                "nat.client-address",
                "route.socket-identity",
            }
        ),
        on_network=source_translation("ip", _inbound_masquerade),
        witness=rule_hit,
    ),
    Fault(
        name="snat-same-host",
        title="hairpin translation also hits direct traffic of one host",
        labels=("F-NAT-05a",),
        fails=frozenset(
            {
                "nat.tcp-untranslated",
                "nat.udp-untranslated",
                "nat.icmp-untranslated",
                "nat.same-host",
                "route.socket-identity",
            }
        ),
        on_network=source_translation("ip", _hairpin),
        witness=rule_hit,
    ),
    Fault(
        name="nat66",
        title="IPv4 clean, IPv6 masqueraded",
        labels=("F-NAT-06a",),
        fails=frozenset(
            {
                "nat.tcp-untranslated",
                "nat.udp-untranslated",
                "nat.icmp-untranslated",
                "nat.ipv6-untranslated",
                "route.socket-identity",
            }
        ),
        on_network=source_translation("ip6", _nat66),
        witness=rule_hit,
    ),
    Fault(
        name="prefix-translation",
        title="the IPv6 prefix is swapped on the way out and back, the interface identifier kept",
        labels=("F-NAT-06b",),
        fails=frozenset(
            {
                "nat.tcp-untranslated",
                "nat.udp-untranslated",
                "nat.icmp-untranslated",
                "nat.ipv6-untranslated",
                "route.socket-identity",
            }
        ),
        on_network=_route_prefix,
        witness=rule_hit,
    ),
    Fault(
        name="source-port-rewritten",
        title="the source address is kept, the source port is not",
        labels=("F-ROUTE-04b",),
        fails=frozenset({"nat.tcp-untranslated", "nat.udp-untranslated", "route.socket-identity"}),
        on_network=source_translation("ip", _source_port),
        witness=rule_hit,
    ),
    Fault(
        name="shared-port-rewritten",
        title="only flows that share a source port with another are translated",
        labels=("F-ROUTE-04c",),
        fails=frozenset({"nat.tcp-untranslated", "nat.udp-untranslated", "route.socket-identity"}),
        on_network=source_translation("ip", _shared_port),
        witness=rule_hit,
    ),
    Fault(
        name="state-expires",
        title="a stateful filter forgets an idle UDP flow and drops what then comes from outside",
        labels=("F-NAT-08a",),
        fails=frozenset({"nat.idle-flow"}),
        on_network=forwarding("inet", _late_udp),
        witness=rule_hit,
    ),
)
