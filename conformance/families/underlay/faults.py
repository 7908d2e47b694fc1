"""Planted faults of the family underlay: multicast that an implementation needs, or sends, in the network below it."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv4Network
from socket import AF_INET, IP_ADD_MEMBERSHIP, IP_MULTICAST_IF, IPPROTO_IP, SOCK_DGRAM
from typing import Final

from conformance.adapters.interface import Endpoint
from conformance.adapters.linux.bridges import BRIDGE
from conformance.adapters.linux.vxlan import PORT, ROOM, TUNNEL, VNI
from conformance.lab.kernel import netlink
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, Lab
from conformance.lab.nftables import Chain, Rule, count, destination, destination_port, transport
from conformance.recording.model import Record
from conformance.selftest.fault import Fault, planted, rule_hit

GROUP: Final = IPv4Address("239.1.1.1")
"""The underlay group that stands for everybody in the overlay (RFC 7348 §4.2)."""
GOSSIP: Final = IPv4Address("224.0.0.251"), 5353
"""Group and port of multicast DNS (RFC 6762 §3)."""
_ID, _GROUP, _LINK, _LOCAL, _LEARNING, _PORT = 1, 2, 3, 4, 7, 15
"""IFLA_VXLAN attributes."""


def _flood_by_multicast(lab: Lab) -> None:
    """The tunnel floods to a group, and learns, instead of holding a list of the other hosts."""
    for host in lab.hosts.values():
        uplink = host.namespace.call(netlink.index, host.uplink)
        data = {
            _ID: struct.pack("=I", VNI),
            _GROUP: GROUP.packed,
            _LINK: struct.pack("=I", uplink),
            _LOCAL: host.ipv4.ip.packed,
            _LEARNING: b"\1",
            _PORT: struct.pack(">H", PORT),
        }
        steps = [
            rtnetlink.delete_link(TUNNEL),
            rtnetlink.link(TUNNEL, "vxlan", data=data, mtu=host.mtu - ROOM),
            rtnetlink.quiet(TUNNEL),
            rtnetlink.up(TUNNEL, master=BRIDGE),
        ]
        for step in steps:
            netlink.transact(host.namespace, [step])


def _floods_to_group(record: Record) -> str | None:
    for snapshot in record.snapshots:
        for entry in snapshot.forwarding:
            if entry.get("destination") == str(GROUP):
                return f"{snapshot.where}: {entry['interface']} floods to {GROUP}"
    return None


def _watch_gossip(lab: Lab) -> None:
    """Each host counts what it says to the group: a witness."""
    group, port = GOSSIP
    said = Rule(count(), (destination(IPv4Network(group)), transport("udp"), destination_port(port)), "gossip")
    for host in lab.hosts.values():
        planted(host, "ip", Chain("output", (said,), "filter", "output"))


def _gossip(host: Host, endpoint: Endpoint) -> Endpoint:
    """The host tells the others of the new endpoint by multicast, and listens for what they tell."""
    group, port = GOSSIP
    with host.socket(AF_INET, SOCK_DGRAM) as speaker:
        speaker.setsockopt(IPPROTO_IP, IP_MULTICAST_IF, host.ipv4.ip.packed)
        speaker.setsockopt(IPPROTO_IP, IP_ADD_MEMBERSHIP, group.packed + host.ipv4.ip.packed)
        speaker.sendto(f"{endpoint.name} is on {host.name}".encode(), (str(group), port))
    return endpoint


FAULTS = (
    Fault(
        name="vxlan-over-multicast",
        title="the tunnel floods to an underlay multicast group instead of a list of hosts",
        labels=("X-32",),
        network="vxlan",
        testbed="routed",
        fails=frozenset({"underlay.no-multicast", "route.cross-host"}),
        on_network=_flood_by_multicast,
        witness=_floods_to_group,
    ),
    Fault(
        name="multicast-gossip",
        title="hosts tell each other of endpoints by multicast",
        labels=("X-32", "F-MCAST-01b"),
        fails=frozenset({"underlay.no-multicast"}),
        on_network=_watch_gossip,
        on_endpoint=_gossip,
        witness=rule_hit,
    ),
)
