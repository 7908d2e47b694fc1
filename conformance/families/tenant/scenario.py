"""Tenants: two networks on the same hosts. Everybody tries everybody, and frames are sent that a bridge would flood;
where tenants may have the same addresses, those with the same ones talk at the same time."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address
from typing import Final

from conformance import limits
from conformance.adapters.interface import AdapterError, Attachment, Endpoint, Interface
from conformance.families.tenant.scenario_odd import odd
from conformance.lab.flow import Probe, Server
from conformance.lab.lab import Host
from conformance.policy.document import load
from conformance.protocols import arp, crafted, ethertypes
from conformance.protocols.mac import BROADCAST, mac_bytes, mac_text
from conformance.protocols.marker import mark
from conformance.protocols.ndp import solicitation
from conformance.provoking.context import Context
from conformance.provoking.meshes import mesh_of, population
from conformance.provoking.silence import keep_silent
from conformance.recording.events.isolation import SameAddressRefused
from conformance.recording.model import AddressFamily

POLICY: Final = "tenants"
ENDPOINTS: Final = 8
"""Two of each tenant on each of two hosts."""
EVERYBODY: Final = mac_bytes(BROADCAST)
NOBODY: Final = bytes.fromhex("02005e0053ee")
"""A unicast address that no station has: a bridge floods what is sent to it."""
ALL_NODES_MAC: Final = bytes.fromhex("333300000001")
SAME: Final = 240
"""Place of the first address that tenants share, in the prefixes of the overlay: far from those that are given out."""
PORT: Final = 8080


def run(context: Context) -> None:
    """Attach both tenants, flood, and try every pair; then those of the same addresses."""
    policy = load(POLICY)
    context.policies.append(policy)
    context.attach_all(list(population(context, policy, ENDPOINTS)))
    with context.window("policy"):
        for endpoint in context.endpoints.values():
            flood(context, endpoint)
        mesh_of(context, "policy")
        odd(context)
        keep_silent(limits.BRIDGE_SETTLED)
    if "overlapping-addresses" in context.claims:
        with context.window("same-addresses"):
            same(context)
    context.snapshot_hosts("after", tracked=False)


def flood(context: Context, endpoint: Endpoint) -> None:
    """Frames of every kind that a bridge sends to all its ports, and one to every station of other tenants."""
    mac = mac_bytes(context.states[endpoint.name].kernel.mac)
    with endpoint.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        for frame in _frames(context, endpoint, mac):
            sender.sendto(frame.ljust(60, b"\0"), (endpoint.interface, 0))


def _frames(context: Context, endpoint: Endpoint, mac: bytes) -> Iterator[bytes]:
    kind = ethertypes.octets(ethertypes.EXPERIMENT)
    marked = mark(context.number())
    for target in (EVERYBODY, NOBODY, ALL_NODES_MAC):
        yield target + mac + kind + marked
    own = {one.version: one for family in context.families for one in context.addresses(endpoint, family)}
    for other in context.endpoints.values():
        if context.states[other.name].tenant == context.states[endpoint.name].tenant:
            continue
        yield mac_bytes(context.states[other.name].kernel.mac) + mac + kind + marked
        for family in context.families:
            for address in context.addresses(other, family)[:1]:
                near = own.get(address.version)
                if isinstance(address, IPv4Address) and near is not None:
                    yield arp.request(mac_text(mac), IPv4Address(str(near)), address)
                if isinstance(address, IPv6Address) and near is not None:
                    yield solicitation(address, IPv6Address(str(near)), mac_text(mac))
    if 4 in own:
        limited = ip_address("255.255.255.255")
        data = crafted.udp(own[4], limited, (crafted.UDP, 9), marked)
        packet = crafted.ip(own[4], limited, crafted.UDP, data)
        yield EVERYBODY + mac + ethertypes.octets(ethertypes.IPV4) + packet


# --- the same addresses in both tenants ---------------------------------------------------------------------------
def same(context: Context) -> None:
    """Two endpoints on the first host and one on the last, in each tenant at the same addresses; the first of each
    talks to the others of its own, both tenants at the same time."""
    tenants = sorted({state.tenant for state in context.states.values()})
    places = (context.hosts[0], context.hosts[0], context.hosts[-1])
    wanted = [(host, _request(context, tenant, number)) for tenant in tenants for number, host in enumerate(places)]
    try:
        context.attach_all(wanted)
    except AdapterError as refusal:
        context.event(SameAddressRefused(problem=str(refusal)))
        return
    for tenant in tenants:
        for number in range(len(places)):
            one = context.endpoints[_name(tenant, number)]
            context.engine.serve(Server(name=one.name, namespace=one.namespace, tcp_ports=(PORT,), udp_ports=(PORT,)))
    context.run([probe for tenant in tenants for probe in _talk(context, tenant, places)], limits.ANSWER)


def _name(tenant: str, number: int) -> str:
    return f"{tenant}-same{number + 1}"


def _request(context: Context, tenant: str, number: int) -> Attachment:
    overlay = context.lab.testbed.overlay
    wanted: dict[AddressFamily, Interface] = {
        "ipv4": IPv4Interface((overlay.ipv4[SAME + number], overlay.ipv4.prefixlen)),
        "ipv6": IPv6Interface((overlay.ipv6[SAME + number], overlay.ipv6.prefixlen)),
    }
    return Attachment(
        _name(tenant, number),
        addresses=tuple(wanted[family] for family in context.families),
        labels={"tenant": tenant},
        tenant=tenant,
    )


def _talk(context: Context, tenant: str, places: tuple[Host, ...]) -> Iterator[Probe]:
    first = context.endpoints[_name(tenant, 0)]
    for number, host in enumerate(places[1:], 1):
        target = context.endpoints[_name(tenant, number)]
        for family in context.families:
            address = context.addresses(target, family)[0]
            for protocol in ("tcp", "udp", "icmp"):
                yield Probe(
                    id=context.number(),
                    purpose="same-addresses",
                    path="same-host" if host is places[0] else "cross-host",
                    protocol=protocol,
                    family=family,
                    source=first.name,
                    namespace=first.namespace,
                    target=target.name,
                    destination=str(address),
                    port=0 if protocol == "icmp" else PORT,
                )
