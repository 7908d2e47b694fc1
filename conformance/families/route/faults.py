"""Planted faults of the family route: who does not reach whom."""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address

from conformance.adapters.interface import Endpoint
from conformance.lab.kernel import netlink
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, Lab
from conformance.lab.nftables import (
    Chain,
    Rule,
    destination,
    destination_port,
    drop,
    icmp,
    in_interface,
    out_interface,
    redirect,
    reply,
    rewrite,
    source,
    state,
    transport,
)
from conformance.lab.snapshot import interfaces
from conformance.recording.model import Record
from conformance.selftest.chains import (
    Planted,
    Rules,
    client_of,
    forwarding,
    mangling,
    own_traffic,
    target_translation,
    together,
    workload,
)
from conformance.selftest.fault import Fault, planted, rule_hit

IDLE = frozenset({"nat.idle-flow"})
"""Follows from a filter that lets only one side's answers pass: once it forgets a flow, the other side is mute."""
VERSIONS = (4, 6)
TAKEN_PORT = 80
NAME_PORT = 53
TUNNEL_PORTS = (4789, 8472)
"""UDP ports of VXLAN: RFC 7348 §5, and the one that Linux used before it."""


def _from_client(version: int) -> Rules:
    def rules(host: Host, lab: Lab) -> Planted:
        opened = (source(client_of(lab, version)), destination(workload(host, version)), state("new"))
        return [(drop(), opened)]

    return rules


def _to_client(host: Host, lab: Lab) -> Planted:
    return [
        (drop(), (source(workload(host, version)), destination(client_of(lab, version)), state("new")))
        for version in VERSIONS
    ]


def _udp_to_client(host: Host, lab: Lab) -> Planted:
    return [(drop(), (source(host.workload_ipv4), destination(client_of(lab, 4)), transport("udp")))]


def _ipv6_from_other_hosts(host: Host, lab: Lab) -> Planted:
    others = [other for other in lab.hosts.values() if other is not host]
    return [(drop(), (source(other.workload_ipv6), destination(host.workload_ipv6))) for other in others]


def _between_neighbours(host: Host, _: Lab) -> Planted:
    return [(drop(), (source(workload(host, version)), destination(workload(host, version)))) for version in VERSIONS]


def _own_flows(host: Host, _: Lab) -> Planted:
    """What a host itself opens to its endpoints; its errors about their traffic pass."""
    kinds = (transport("tcp"), transport("udp"))
    asked = (icmp(4, 8), icmp(6, 128))
    return [
        (drop(), (destination(workload(host, version)), kind))
        for version, echo in zip(VERSIONS, asked, strict=True)
        for kind in (*kinds, echo)
    ]


def _tunnel_ports(host: Host, _: Lab) -> Planted:
    return [
        (drop(), (in_interface(host.uplink), destination(workload(host, version)), transport("udp"), at))
        for version in VERSIONS
        for at in map(destination_port, TUNNEL_PORTS)
    ]


def _taken_port(host: Host, _: Lab) -> Planted:
    """The host's own listener gets what was meant for an endpoint's port."""
    arriving = (in_interface(host.uplink), transport("tcp"), destination_port(TAKEN_PORT))
    return [(redirect(), (destination(workload(host, version)), *arriving)) for version in VERSIONS]


LISTENERS: list[socket.socket] = []
"""The hosts' own listeners; they end with the process, which is the sandbox's."""


def _listen(lab: Lab) -> None:
    for host in lab.hosts.values():
        for family in (socket.AF_INET, socket.AF_INET6):
            taken = _bound(host, family, socket.SOCK_STREAM, TAKEN_PORT)
            taken.listen()


def _bound(host: Host, family: socket.AddressFamily, kind: socket.SocketKind, port: int) -> socket.socket:
    """A socket of a host's own at a port, on every address of one family."""
    taken = host.socket(family, kind)
    LISTENERS.append(taken)
    if family == socket.AF_INET6:
        taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    taken.bind(("", port))
    return taken


def _listen_beside(host: Host, endpoint: Endpoint) -> Endpoint:
    """A process of the host listens at the port from the first endpoint on."""
    with suppress(OSError):  # it does already
        _bound(host, socket.AF_INET6, socket.SOCK_STREAM, TAKEN_PORT).listen()
    return endpoint


def _listens(record: Record) -> str | None:
    for snapshot in record.snapshots:
        for listener in snapshot.listeners:
            if snapshot.where in record.testbed.hosts and listener["port"] == TAKEN_PORT:
                return f"{snapshot.where} listens on [{listener['address']}]:{TAKEN_PORT} {snapshot.moment} the flows"
    return None


def _resolve(lab: Lab) -> None:
    """A host's own resolver gets every datagram of its endpoints to port 53, wherever it was to go."""
    for host in lab.hosts.values():
        for family in (socket.AF_INET, socket.AF_INET6):
            _bound(host, family, socket.SOCK_DGRAM, NAME_PORT)
    target_translation("inet", _to_resolver)(lab)


def _to_resolver(host: Host, _: Lab) -> Planted:
    asking = (in_interface(host.uplink, negate=True), transport("udp"), destination_port(NAME_PORT))
    return [(redirect(), (source(workload(host, version)), *asking)) for version in VERSIONS]


def _port_unreachable(host: Host, _: Lab) -> Planted:
    return [
        (drop(), (source(host.workload_ipv4), icmp(4, 3, 3))),
        (drop(), (source(host.workload_ipv6), icmp(6, 1, 4))),
    ]


def _unreachable_from_host(version: int) -> Rules:
    """The host puts its own address on the reports of its endpoints."""

    def rules(host: Host, _: Lab) -> Planted:
        if version == 4:
            claim = rewrite("network", 12, host.ipv4.ip.packed, checksum_at=10)
            return [(claim, (source(host.workload_ipv4), icmp(4, 3, 3)))]
        claim = rewrite("network", 8, host.ipv6.ip.packed, pseudo_header=True)
        return [(claim, (source(host.workload_ipv6), icmp(6, 1, 4)))]

    return rules


def _global_addresses(endpoint: Endpoint, version: int) -> list[rtnetlink.Interface]:
    """The endpoint's global addresses of one family, in the kernel's order."""
    state = next(one for one in interfaces(endpoint.namespace) if one.name == endpoint.interface)
    found = [ip_address(one.address) for one in state.addresses if one.scope == "global"]
    return [rtnetlink.single(one) for one in found if one.version == version]


def _lose_second_address(host: Host, endpoint: Endpoint) -> Endpoint:
    """Answers from any address but the first of each family are dropped, as by a missing rule of policy routing."""
    others = [one for version in VERSIONS for one in _global_addresses(endpoint, version)[1:]]
    made = tuple(
        Rule(drop(), (source(one.network), reply(), out_interface(host.uplink)), endpoint.name) for one in others
    )
    if made:
        planted(host, "inet", Chain(f"second-{endpoint.name}", made, hook="forward"))
    return endpoint


def _link_local_only(_: Host, endpoint: Endpoint) -> Endpoint:
    """Every global IPv6 address is taken away again; what is reported says so."""
    steps = [rtnetlink.address(endpoint.interface, one, remove=True) for one in _global_addresses(endpoint, 6)]
    netlink.transact(endpoint.namespace, steps)
    left = tuple(address for address in endpoint.reported.addresses if address.version == 4)
    return replace(endpoint, reported=replace(endpoint.reported, addresses=left))


def _without_loopback(_: Host, endpoint: Endpoint) -> Endpoint:
    """The endpoint's loopback interface is left down."""
    number = endpoint.namespace.netlink("link_lookup", ifname="lo")[0]
    endpoint.namespace.netlink("link", "set", index=number, state="down")
    return endpoint


def _no_global_ipv6(record: Record) -> str | None:
    """After the flows an endpoint still has no IPv6 address but link-local ones."""
    for name in (endpoint.name for endpoint in record.endpoints):
        for snapshot in record.snapshots:
            shown = [a for i in snapshot.interfaces if i.name != "lo" for a in i.addresses if ":" in a.address]
            if snapshot.where == name and shown and all(a.scope == "link" for a in shown):
                return f"{name}: only {', '.join(a.address for a in shown)} {snapshot.moment} the flows"
    return None


def _loopback_down(record: Record) -> str | None:
    for snapshot in record.snapshots:
        for interface in snapshot.interfaces:
            if interface.name == "lo" and not interface.up and snapshot.where in {e.name for e in record.endpoints}:
                return f"{snapshot.where}: lo is down"
    return None


FAULTS = (
    Fault(
        name="host-only",
        title="IPv4 endpoints are reached from their own host and from other hosts' endpoints, not from outside",
        labels=("F-ROUTE-01a",),
        fails=frozenset({"route.from-outside-v4", "route.well-known-port"}) | IDLE,
        on_network=forwarding("inet", _from_client(4)),
        witness=rule_hit,
    ),
    Fault(
        name="host-only-v6",
        title="the same for IPv6 alone",
        labels=("F-ROUTE-02a",),
        fails=frozenset({"route.from-outside-v6", "route.well-known-port", "addr.prefix-per-host"}) | IDLE,
        on_network=forwarding("inet", _from_client(6)),
        witness=rule_hit,
    ),
    Fault(
        name="link-local-only",
        title="IPv6 works, but for link-local addresses only",
        labels=("F-ROUTE-02b",),
        fails=frozenset({"route.from-outside-v6", "addr.ipv6-present"}),
        on_endpoint=_link_local_only,
        witness=_no_global_ipv6,
    ),
    Fault(
        name="tunnel-ports-swallowed",
        title="UDP to an endpoint's ports 4789 and 8472 is swallowed by the host",
        labels=("F-ROUTE-03b",),
        fails=frozenset({"route.well-known-port", "route.every-flow"}),
        on_network=forwarding("inet", _tunnel_ports),
        witness=rule_hit,
    ),
    Fault(
        name="port-taken-by-host",
        title="a listener of the host takes TCP port 80 of every endpoint",
        fails=frozenset({"route.well-known-port"}),
        on_network=together(_listen, target_translation("inet", _taken_port)),
        witness=rule_hit,
    ),
    Fault(
        name="port-listened-at-beside",
        title="a process of the host listens on [::]:80 from the first endpoint on",
        fails=frozenset({"route.well-known-port"}),
        on_endpoint=_listen_beside,
        witness=_listens,
    ),
    Fault(
        name="names-resolved-by-host",
        title="a resolver of the host answers for UDP port 53 of every destination",
        fails=frozenset({"route.every-flow"}),
        on_network=_resolve,
        witness=rule_hit,
    ),
    Fault(
        name="second-address-lost",
        title="answers from an endpoint's second address are lost",
        labels=("F-ROUTE-05a",),
        fails=frozenset({"route.reply-source", "addr.prefix-per-host"}),
        on_endpoint=_lose_second_address,
        witness=rule_hit,
    ),
    Fault(
        name="no-way-out",
        title="endpoints reach nobody outside, while outsiders reach them",
        fails=frozenset({"route.to-outside"}) | IDLE,
        on_network=forwarding("inet", _to_client),
        witness=rule_hit,
    ),
    Fault(
        name="udp-one-way",
        title="one direction dropped: IPv4 UDP from endpoints to outside",
        fails=frozenset({"route.to-outside", "route.from-outside-v4", "route.well-known-port"}),
        on_network=forwarding("inet", _udp_to_client),
        witness=rule_hit,
    ),
    Fault(
        name="cross-host-v6-broken",
        title="IPv6 only, and only between hosts, is dropped",
        fails=frozenset({"route.cross-host"}),
        on_network=forwarding("inet", _ipv6_from_other_hosts),
        witness=rule_hit,
    ),
    Fault(
        name="same-host-broken",
        title="endpoints of one host do not reach each other",
        fails=frozenset({"route.same-host"}),
        on_network=forwarding("inet", _between_neighbours),
        witness=rule_hit,
    ),
    Fault(
        name="from-host-broken",
        title="a host does not reach its own endpoints",
        fails=frozenset({"route.from-host"}),
        on_network=own_traffic("inet", _own_flows),
        witness=rule_hit,
    ),
    Fault(
        name="no-loopback",
        title="an endpoint's loopback interface is left down: it does not reach itself",
        fails=frozenset({"route.hairpin"}),
        on_endpoint=_without_loopback,
        witness=_loopback_down,
    ),
    Fault(
        name="port-unreachable-dropped",
        title="port unreachable of endpoints is dropped",
        fails=frozenset({"route.port-unreachable"}),
        on_network=forwarding("inet", _port_unreachable),
        witness=rule_hit,
    ),
    Fault(
        name="port-unreachable-from-host",
        title="port unreachable of endpoints comes from the host's address",
        fails=frozenset({"route.port-unreachable"}),
        on_network=together(
            mangling("ip", "forward", _unreachable_from_host(4)), mangling("ip6", "forward", _unreachable_from_host(6))
        ),
        witness=rule_hit,
    ),
)
