"""vxlan-routed: every host routes for its endpoints, and to the other hosts' prefixes through a VXLAN tunnel.

The tunnel interface has an address, so each host is a routed hop of a path between hosts, whatever lies below.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from conformance.adapters.interface import Address
from conformance.adapters.linux.network import Design, mac_of
from conformance.adapters.linux.routed import STEPS as ROUTED
from conformance.adapters.linux.routed import routed
from conformance.adapters.linux.vxlan import TUNNEL, VNI, room_for, tunnel
from conformance.lab.kernel import link, netlink
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, Lab

STEPS: Final = (
    *ROUTED,
    f"{TUNNEL} (VNI {VNI}, no learning) with an address of the overlay on each host; every MTU is the tunnel's",
    "routes to the other hosts' workload prefixes through their addresses on the tunnel, static neighbours and FDB",
)


def vxlan_routed(lab: Lab) -> Design:
    """As `routed`, but the hosts reach each other's endpoints through a tunnel."""
    below = routed(lab)

    def start() -> None:
        below.start()
        for host in lab.hosts.values():
            _open(lab, host)
        for host in lab.hosts.values():
            for other in lab.hosts.values():
                if other is not host:
                    _lead(lab, host, other)

    return replace(below, start=start, mtu=lambda _: room_for(lab))


def own_addresses(lab: Lab, host: Host) -> tuple[Address, Address]:
    """A host's addresses on the tunnel."""
    number = 1 + list(lab.hosts).index(host.name)
    return lab.testbed.overlay.ipv4[number], lab.testbed.overlay.ipv6[number]


def _mac(host: Host) -> str:
    return mac_of(f"{host.name}-{TUNNEL}")


def _open(lab: Lab, host: Host) -> None:
    """The tunnel of one host, with its addresses."""
    made = tunnel(TUNNEL, host, vni=VNI, mtu=room_for(lab), mac=_mac(host))
    addresses = [
        rtnetlink.address(TUNNEL, rtnetlink.single(address), dad=False) for address in own_addresses(lab, host)
    ]
    netlink.transact(host.namespace, [made, rtnetlink.quiet(TUNNEL)])
    netlink.transact(host.namespace, [rtnetlink.up(TUNNEL), *addresses])


def _lead(lab: Lab, host: Host, other: Host) -> None:
    """What `host` needs to know of `other`: MAC address and tunnel end of its tunnel address, and the prefixes behind.

    The underlay's own routes to these prefixes, where the hosts have them, give way.
    """
    underlay: list[tuple[link.Network, str]] = [
        (other.workload_ipv4, str(other.ipv4.ip)),
        (other.workload_ipv6, str(other.ipv6.ip)),
    ]
    if not lab.testbed.routed:
        gone = [rtnetlink.route(prefix, via=gateway, remove=True) for prefix, gateway in underlay]
        netlink.transact(host.namespace, gone)
    steps = [rtnetlink.forwarding_entry(TUNNEL, _mac(other), str(other.ipv4.ip))]
    for address, prefix in zip(own_addresses(lab, other), [prefix for prefix, _ in underlay], strict=True):
        single = rtnetlink.single(address).network
        steps.append(rtnetlink.neighbour(TUNNEL, str(address), _mac(other)))
        steps.append(rtnetlink.route(single, link=TUNNEL))
        steps.append(rtnetlink.route(prefix, via=str(address), link=TUNNEL))
    netlink.transact(host.namespace, steps)
