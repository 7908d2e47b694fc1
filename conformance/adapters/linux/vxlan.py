"""vxlan: an overlay over the hosts' IPv4 addresses (RFC 7348), unicast only, with a static forwarding database."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from conformance.adapters.linux.bridges import BRIDGE, await_port, plug
from conformance.adapters.linux.network import Allocation, Design
from conformance.adapters.linux.pool import Pool
from conformance.lab.kernel import netlink
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, Lab

TUNNEL: Final = "vxlan0"
VNI: Final = 42
PORT: Final = 4789
"""RFC 7348 §5: the UDP port that is assigned to VXLAN."""
ROOM: Final = 50
"""Bytes that VXLAN over IPv4 takes: inner Ethernet 14, VXLAN 8, UDP 8, IPv4 20 (RFC 7348 §5)."""
EVERYBODY: Final = "00:00:00:00:00:00"
"""The FDB entry for flooded frames: a copy goes to each of its tunnel ends (head-end replication)."""
_ID, _LOCAL, _LEARNING, _PORT = 1, 4, 7, 15
"""IFLA_VXLAN attributes."""


def tunnel(name: str, host: Host, *, vni: int, mtu: int, mac: str | None = None) -> netlink.Request:
    """A VXLAN interface that learns nothing; `mtu` in bytes."""
    data = {
        _ID: struct.pack("=I", vni),
        _LOCAL: host.ipv4.ip.packed,
        _LEARNING: b"\0",
        _PORT: struct.pack(">H", PORT),
    }
    return rtnetlink.link(name, "vxlan", data=data, mtu=mtu, mac=mac)


def replication(lab: Lab, host: Host, name: str) -> list[netlink.Request]:
    """The FDB entries by which what is flooded into `host`'s tunnel `name` goes to every other host."""
    ends = [str(other.ipv4.ip) for other in lab.hosts.values() if other is not host]
    return [rtnetlink.forwarding_entry(name, EVERYBODY, end, append=True) for end in ends]


def room_for(lab: Lab) -> int:
    """What is left of the smallest underlay link, in bytes: an overlay is one link, and all its ends must agree."""
    return min(host.mtu for host in lab.hosts.values()) - ROOM


def tell(lab: Lab, name: str, allocation: Allocation, *, remove: bool = False) -> None:
    """Write down at the tunnel `name` of every other host where the endpoint is, or take that away."""
    entry = rtnetlink.forwarding_entry(name, allocation.mac, str(allocation.host.ipv4.ip), remove=remove)
    for other in lab.hosts.values():
        if other is not allocation.host:
            netlink.transact(other.namespace, [entry])


def overlay(lab: Lab, tunnel_of: Callable[[Allocation], str], cabled: Design) -> Design:
    """A design whose endpoints are on links of their own between the hosts: nothing is routed into or out of them.

    `cabled` is how they are on their own host; other hosts reach an endpoint through the tunnel of `tunnel_of`, which
    has the same name on every host.
    """

    def connect(allocation: Allocation) -> None:
        cabled.connect(allocation)
        tell(lab, tunnel_of(allocation), allocation)

    def disconnect(allocation: Allocation) -> None:
        cabled.disconnect(allocation)
        tell(lab, tunnel_of(allocation), allocation, remove=True)

    return replace(cabled, connect=connect, disconnect=disconnect, mtu=lambda _: room_for(lab), gateways=lambda _: ())


STEPS: Final = (
    f"bridge {BRIDGE} and {TUNNEL} (VNI {VNI}, UDP {PORT}, no learning) on each host; MTU {ROOM} below underlay",
    f"static FDB of {TUNNEL}: flooded frames to every other host, each endpoint's MAC to its host",
    f"per endpoint: veth from {BRIDGE} to eth0, addresses of the overlay, no default route",
)


def vxlan(lab: Lab) -> Design:
    """A prefix that spans all hosts."""
    prefixes = lab.testbed.overlay
    shared = {
        4: Pool.of(prefixes.ipv4, prefixes.ipv4.prefixlen),
        6: Pool.of(prefixes.ipv6, prefixes.ipv6.prefixlen),
    }

    def start() -> None:
        for host in lab.hosts.values():
            _span(lab, host)

    cabled = Design(
        allocations=lambda _host, _tenant, version: shared[version],
        start=start,
        connect=plug,
        await_connection=await_port,
    )
    return overlay(lab, lambda _: TUNNEL, cabled)


def _span(lab: Lab, host: Host) -> None:
    """Bridge, tunnel and replication list of one host."""
    mtu = room_for(lab)
    bridge = rtnetlink.link(BRIDGE, "bridge", mtu=mtu)
    made = tunnel(TUNNEL, host, vni=VNI, mtu=mtu)
    netlink.transact(host.namespace, [bridge, made, rtnetlink.quiet(BRIDGE), rtnetlink.quiet(TUNNEL)])
    copies = replication(lab, host, TUNNEL)
    netlink.transact(host.namespace, [rtnetlink.up(TUNNEL, master=BRIDGE), rtnetlink.up(BRIDGE), *copies])
