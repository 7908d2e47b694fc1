"""nat-bridge: a bridge on each host that is a network to itself, and masquerade of everything that leaves it.

The archetype of a container engine's default: the host is the gateway, new connections from outside are dropped.
"""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Interface
from typing import Final

from conformance.adapters.interface import Interface
from conformance.adapters.linux.bridges import BRIDGE, await_port, plug
from conformance.adapters.linux.network import Design, mac_of
from conformance.adapters.linux.pool import of_workloads
from conformance.lab.kernel import netlink
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, Lab, link_local
from conformance.lab.nftables import (
    Chain,
    Match,
    Rule,
    Table,
    accept,
    in_interface,
    install,
    masquerade,
    out_interface,
    source,
    state,
)

STEPS: Final = (
    f"bridge {BRIDGE} on each host, with the first address of the host's workload prefixes as the gateway",
    "net.ipv4.ip_forward = 1, net.ipv6.conf.all.forwarding = 1",
    f"nftables: forward policy drop, accept what {BRIDGE} opened; masquerade what leaves {BRIDGE}, IPv4 and IPv6",
    f"per endpoint: veth from {BRIDGE} to eth0, addresses of the workload prefixes, default routes to the gateway",
)


def nat_bridge(lab: Lab) -> Design:
    """Masquerade for IPv4 and for IPv6 alike."""

    def start() -> None:
        for host in lab.hosts.values():
            _translate(host)

    return Design(
        allocations=of_workloads(lab),
        start=start,
        connect=plug,
        await_connection=await_port,
        gateways=lambda host: tuple(address.ip for address in _own(host)),
    )


def _translate(host: Host) -> None:
    """Make bridge, forwarding and rules on a host."""
    mac = mac_of(f"{host.name} {BRIDGE}")
    netlink.transact(host.namespace, [rtnetlink.link(BRIDGE, "bridge", mtu=host.mtu, mac=mac)])
    own = (link_local(mac), *_own(host))
    addresses = [rtnetlink.address(BRIDGE, address, dad=False) for address in own]
    netlink.transact(host.namespace, [*addresses, rtnetlink.up(BRIDGE)])
    host.namespace.sysctl("net.ipv4.ip_forward", 1)
    host.namespace.sysctl("net.ipv6.conf.all.forwarding", 1)
    install(host.namespace, _rules(host))


def _own(host: Host) -> tuple[Interface, ...]:
    four, six = host.workload_ipv4, host.workload_ipv6
    return IPv4Interface((four[1], four.prefixlen)), IPv6Interface((six[1], six.prefixlen))


def _rules(host: Host) -> Table:
    def leaving(match: Match) -> Rule:
        return Rule(masquerade(), (match, out_interface(BRIDGE, negate=True)), "what leaves the bridge")

    outbound = tuple(leaving(source(prefix)) for prefix in (host.workload_ipv4, host.workload_ipv6))
    forward = (
        Rule(accept(), (state("established", "related"),), "answers"),
        Rule(accept(), (in_interface(BRIDGE),), "opened from inside"),
    )
    return Table(
        "inet",
        "nat-bridge",
        (
            Chain("forward", forward, hook="forward", policy="drop"),
            Chain("postrouting", outbound, type="nat", hook="postrouting", priority=100),
        ),
    )
