"""vxlan: an overlay over the hosts' IPv4 addresses (RFC 7348), unicast only, with a static forwarding database."""

from __future__ import annotations

import struct
from abc import abstractmethod
from typing import ClassVar, Final

from conformance.adapters.interface import Address
from conformance.adapters.linux.bridges import BRIDGE, BridgeNetwork
from conformance.adapters.linux.network import Allocation, Network
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


def tunnel(name: str, host: Host, *, vni: int, mtu: int) -> netlink.Request:
    """A VXLAN interface that learns nothing; `mtu` in bytes."""
    data = {
        _ID: struct.pack("=I", vni), _LOCAL: host.ipv4.ip.packed, _LEARNING: b"\0", _PORT: struct.pack(">H", PORT),
    }  # fmt: skip
    return rtnetlink.link(name, "vxlan", data=data, mtu=mtu)


def replication(lab: Lab, host: Host, name: str) -> list[netlink.Request]:
    """The FDB entries by which what is flooded into `host`'s tunnel `name` goes to every other host."""
    ends = [str(other.ipv4.ip) for other in lab.hosts.values() if other is not host]
    return [rtnetlink.forwarding_entry(name, EVERYBODY, end, append=True) for end in ends]


def room_for(lab: Lab) -> int:
    """What is left of the smallest underlay link, in bytes: an overlay is one link, and all its ends must agree."""
    return min(host.mtu for host in lab.hosts.values()) - ROOM


class Overlay(Network):
    """Endpoints are on links of their own between the hosts; nothing is routed into or out of them."""

    def mtu(self, host: Host) -> int:
        """That of the overlay."""
        del host
        return room_for(self.lab)

    def gateways(self, host: Host) -> tuple[Address, ...]:
        """None."""
        del host
        return ()

    @abstractmethod
    def tunnel_of(self, allocation: Allocation) -> str:
        """The tunnel through which other hosts reach an endpoint; it has the same name on every host."""

    def disconnect(self, allocation: Allocation) -> None:
        """Take the endpoint away, and its entries from the other hosts."""
        super().disconnect(allocation)
        self.tell(allocation, remove=True)

    def tell(self, allocation: Allocation, *, remove: bool = False) -> None:
        """Write down at every other host where the endpoint is, or take that away."""
        entry = rtnetlink.forwarding_entry(
            self.tunnel_of(allocation), allocation.mac, str(allocation.host.ipv4.ip), remove=remove
        )
        for other in self.lab.hosts.values():
            if other is not allocation.host:
                netlink.transact(other.namespace, [entry])


class Vxlan(Overlay, BridgeNetwork):
    """A prefix that spans all hosts; nothing is routed into or out of it."""

    steps: ClassVar[tuple[str, ...]] = (
        f"bridge {BRIDGE} and {TUNNEL} (VNI {VNI}, UDP {PORT}, no learning) on each host; MTU {ROOM} below underlay",
        f"static FDB of {TUNNEL}: flooded frames to every other host, each endpoint's MAC to its host",
        f"per endpoint: veth from {BRIDGE} to eth0, addresses of the overlay, no default route",
    )

    def __init__(self, lab: Lab) -> None:
        overlay = lab.testbed.overlay
        self._shared = {
            4: Pool.of(overlay.ipv4, overlay.ipv4.prefixlen),
            6: Pool.of(overlay.ipv6, overlay.ipv6.prefixlen),
        }
        super().__init__(lab)

    def pool(self, host: Host, version: int) -> Pool:
        """One pool for all hosts."""
        del host
        return self._shared[version]

    def start(self) -> None:
        """Bridge, tunnel and replication list on every host."""
        for host in self.lab.hosts.values():
            mtu = self.mtu(host)
            bridge = rtnetlink.link(BRIDGE, "bridge", mtu=mtu)
            made = tunnel(TUNNEL, host, vni=VNI, mtu=mtu)
            netlink.transact(host.namespace, [bridge, made, rtnetlink.quiet(BRIDGE), rtnetlink.quiet(TUNNEL)])
            copies = replication(self.lab, host, TUNNEL)
            steps = [rtnetlink.up(TUNNEL, master=BRIDGE), rtnetlink.up(BRIDGE), *copies]
            netlink.transact(host.namespace, steps)

    def tunnel_of(self, allocation: Allocation) -> str:
        """The only one."""
        del allocation
        return TUNNEL

    def connect(self, allocation: Allocation) -> None:
        """Cable the endpoint, and tell the other hosts where it is."""
        super().connect(allocation)
        self.tell(allocation)
