"""flat-bridge: endpoints on the underlay's own segment; the host's uplink is a port of the same bridge as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from conformance.adapters.linux.bridges import BRIDGE, await_port, plug
from conformance.adapters.linux.network import Design
from conformance.adapters.linux.pool import on_segments
from conformance.lab import nftables as nft
from conformance.lab.kernel import netlink
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, Lab, link_local
from conformance.lab.snapshot import interfaces
from conformance.protocols.stp import frames as stp

BEFORE_FORWARDING: Final = -300
"""Priority of what guards a bridge's ports."""


STEPS: Final = (
    f"bridge {BRIDGE} on each host takes over the uplink's MAC, addresses and routes; the uplink is its port",
    "nftables in the bridge drops BPDUs of endpoints, whose ports are edge ports: the tree is the fabric's",
    f"per endpoint: veth from {BRIDGE} to eth0, addresses of the segment, default routes to its router, if any",
)


def drop_bpdus(host: Host) -> None:
    """No BPDU of an endpoint passes the bridge."""
    claims = nft.Rule(nft.drop(), (nft.in_interface(host.uplink, negate=True), nft.ether_destination(stp.GROUP)))
    chain = nft.Chain("prerouting", (claims,), hook="prerouting", priority=BEFORE_FORWARDING)
    nft.install(host.namespace, nft.Table("bridge", "edge", (chain,)))


def flat_bridge(lab: Lab, guard: Callable[[Host], None] = drop_bpdus) -> Design:
    """The bridge takes over the uplink's MAC, addresses and routes.

    Its own spanning tree is off, and the kernel then forwards BPDUs like data: an endpoint's would reach the fabric
    but for the `guard`.
    """

    def start() -> None:
        for host in lab.hosts.values():
            enslave(lab, host)
            guard(host)

    return Design(allocations=on_segments(lab), start=start, connect=plug, await_connection=await_port)


def enslave(lab: Lab, host: Host) -> None:
    """Move the host's uplink behind a bridge: the uplink loses its IPv4 address, and with it its routes, and IPv6
    altogether; the bridge gets all of it."""
    mac = uplink_mac(host)
    made = rtnetlink.link(BRIDGE, "bridge", mtu=host.mtu, mac=mac)
    netlink.transact(host.namespace, [made])
    hand_over(lab, host, mac, master=BRIDGE)


def uplink_mac(host: Host) -> str:
    """The MAC address of a host's uplink, which the bridge takes over."""
    return next(one.mac for one in interfaces(host.namespace) if one.name == host.uplink)


def hand_over(lab: Lab, host: Host, mac: str, *, master: str | None = None) -> None:
    """Give the uplink's addresses and routes to the bridge, which has its MAC address, and set both up; `master` where
    the uplink is to become a port of the kernel's."""
    host.namespace.sysctl(f"net.ipv6.conf.{host.uplink}.disable_ipv6", 1)
    netlink.transact(host.namespace, [rtnetlink.address(host.uplink, host.ipv4, remove=True)])
    own = [rtnetlink.address(BRIDGE, address, dad=False) for address in (link_local(mac), host.ipv4, host.ipv6)]
    routes = [rtnetlink.route(destination, via=gateway) for destination, gateway in lab.routes(host)]
    steps = [rtnetlink.up(host.uplink, master=master), *own, rtnetlink.up(BRIDGE), *routes]
    netlink.transact(host.namespace, steps)
