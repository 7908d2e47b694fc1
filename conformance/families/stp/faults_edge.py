"""Faults of the ports where endpoints are: they take part in spanning trees, or let endpoints do so."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from socket import AF_BRIDGE, AF_PACKET, SOCK_RAW
from typing import Any, Final

from conformance.adapters.linux.flat_bridge import flat_bridge, uplink_mac
from conformance.adapters.linux.network import Allocation, Design, Network, assign
from conformance.families.move.faults_announcer import wrote_down
from conformance.lab import nftables as nft
from conformance.lab.kernel import netlink
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, Lab
from conformance.protocols.stp import frames as stp
from conformance.protocols.stp.frames import STP, TOPOLOGY_CHANGE_NOTIFICATION, Bpdu
from conformance.selftest.alterations import letter
from conformance.selftest.fault import Fault, Witness, planted, rule_hit

LATE: Final = "e"
"""The letter of the endpoint that comes late."""
LISTENING: Final = 1


def listening(lab: Lab) -> Network:
    """The late endpoint's port is listening, as a port of a spanning tree is at first, and stays so."""
    said: list[dict[str, Any]] = []

    def then_listen(design: Design, allocation: Allocation) -> None:
        """Assign addresses as the network does; then have the port listen."""
        assign(design, allocation)
        if letter(allocation.name) == LATE:
            host, port = allocation.host, allocation.port
            netlink.transact(host.namespace, [rtnetlink.bridge_port(port, rtnetlink.PORT_STATE, LISTENING)])
            what = f"port {port} is in state {_state(host, port)}"
            said.append({"time_ns": time.time_ns(), "where": host.name, "what": what})

    return Network(lab, replace(flat_bridge(lab), assign=then_listen, said=said))


def _state(host: Host, port: str) -> int:
    """The state of a bridge's port, as the kernel says."""
    request = netlink.message(rtnetlink.GET_LINK, netlink.DUMP, rtnetlink.LINK.pack(AF_BRIDGE, 0, 0, 0, 0))
    number = host.namespace.call(netlink.index, port)
    for body in netlink.dump(host.namespace, [request])[0]:
        if rtnetlink.LINK.unpack_from(body)[2] == number:
            told = netlink.attributes(body, rtnetlink.LINK.size).get(rtnetlink.BRIDGE_PORT, b"")
            return netlink.attributes(told)[rtnetlink.PORT_STATE][0]
    raise LookupError(f"{port} is no port of a bridge")


def notifying(lab: Lab) -> Network:
    """The host tells the fabric of a topology change when the late endpoint is attached."""
    said: list[dict[str, Any]] = []

    def then_notify(design: Design, allocation: Allocation) -> None:
        """Assign addresses as the network does; then say that the tree has changed."""
        assign(design, allocation)
        if letter(allocation.name) == LATE:
            host = allocation.host
            mac = uplink_mac(host)
            with host.namespace.socket(AF_PACKET, SOCK_RAW, 0) as sender:
                sender.sendto(Bpdu(TOPOLOGY_CHANGE_NOTIFICATION, STP).build(mac), (host.uplink, 0))
            said.append({"time_ns": time.time_ns(), "where": host.name, "what": "tells of a topology change"})

    return Network(lab, replace(flat_bridge(lab), assign=then_notify, said=said))


def unguarded(lab: Lab) -> Network:
    """What endpoints say of spanning trees passes the bridge; how much of it does is counted."""
    return Network(lab, flat_bridge(lab, guard=_count_bpdus))


def _count_bpdus(host: Host) -> None:
    """Nothing is dropped."""
    claims = nft.Rule(
        nft.accept(), (nft.out_interface(host.uplink), nft.ether_destination(stp.GROUP)), "BPDUs to the fabric"
    )
    planted(host, "bridge", nft.Chain("forward", (claims,), hook="forward", priority=0))


def _fault(name: str, title: str, design: Callable[[Lab], Network], witness: Witness, *labels: str) -> Fault:
    return Fault(
        name=name,
        title=title,
        labels=labels,
        network="flat-bridge",
        scenarios=frozenset({"idle"}),
        fails=frozenset({"stp.edge-ports"}),
        design=design,
        witness=witness,
    )


FAULTS = (
    _fault("edge-listens", "the port of an endpoint that was just attached listens first", listening,
           wrote_down(f"in state {LISTENING}"), "F-STP-03a", "X-12"),
    _fault("edge-notifies", "a topology change is told of when an endpoint is attached", notifying,
           wrote_down("topology change")),
    _fault("edge-claims-root", "BPDUs of endpoints reach the fabric", unguarded, rule_hit, "F-STP-03b"),
)  # fmt: skip
