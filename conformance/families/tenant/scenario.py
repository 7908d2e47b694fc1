"""Tenants: two networks on the same hosts. Everybody tries everybody, and frames are sent that a bridge would flood;
where tenants may have the same addresses, those with the same ones talk at the same time."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address
from typing import Final

from conformance import limits
from conformance.adapters.interface import AdapterError, Attachment, Endpoint, Interface
from conformance.families.acl.scenario import cast, mesh_of
from conformance.lab.flow import Probe, Server
from conformance.lab.lab import Host
from conformance.policy.document import load
from conformance.protocols import crafted
from conformance.protocols.marker import mark
from conformance.protocols.ndp import solicitation
from conformance.provoking.context import Stage
from conformance.recording.model import Family

POLICY: Final = "tenants"
ENDPOINTS: Final = 8
"""Two of each tenant on each of two hosts."""
LOCAL_EXPERIMENT: Final = 0x88B5
EVERYBODY: Final = b"\xff" * 6
NOBODY: Final = bytes.fromhex("02005e0053ee")
"""A unicast address that no station has: a bridge floods what is sent to it."""
ALL_NODES_MAC: Final = bytes.fromhex("333300000001")
SAME: Final = 240
"""Place of the first address that tenants share, in the prefixes of the overlay: far from those that are given out."""
PORT: Final = 8080


def run(stage: Stage) -> None:
    """Attach both tenants, flood, and try every pair; then those of the same addresses."""
    policy = load(POLICY)
    stage.policies.append(policy)
    stage.attach_all(list(cast(stage, policy, ENDPOINTS)))
    with stage.window("policy"):
        for endpoint in stage.endpoints.values():
            flood(stage, endpoint)
        mesh_of(stage, "policy")
    if "overlapping-addresses" in stage.claims:
        with stage.window("same-addresses"):
            same(stage)
    stage.snapshot_hosts("after", tracked=False)


def flood(stage: Stage, endpoint: Endpoint) -> None:
    """Frames of every kind that a bridge sends to all its ports, and one to every station of other tenants."""
    mac = bytes.fromhex(stage.states[endpoint.name].kernel.mac.replace(":", ""))
    with endpoint.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        for frame in _frames(stage, endpoint, mac):
            sender.sendto(frame.ljust(60, b"\0"), (endpoint.interface, 0))
    stage.event("flood", endpoint.name, mac=mac.hex(":"))


def _frames(stage: Stage, endpoint: Endpoint, mac: bytes) -> Iterator[bytes]:
    kind = struct.pack("!H", LOCAL_EXPERIMENT)
    marked = mark(stage.number())
    for target in (EVERYBODY, NOBODY, ALL_NODES_MAC):
        yield target + mac + kind + marked
    own = {one.version: one for family in stage.families for one in stage.addresses(endpoint, family)}
    for other in stage.endpoints.values():
        if stage.states[other.name].tenant == stage.states[endpoint.name].tenant:
            continue
        yield bytes.fromhex(stage.states[other.name].kernel.mac.replace(":", "")) + mac + kind + marked
        for family in stage.families:
            for address in stage.addresses(other, family)[:1]:
                near = own.get(address.version)
                if isinstance(address, IPv4Address) and near is not None:
                    asked = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + near.packed + bytes(6) + address.packed
                    yield EVERYBODY + mac + b"\x08\x06" + asked
                if isinstance(address, IPv6Address) and near is not None:
                    yield solicitation(address, IPv6Address(str(near)), mac.hex(":"))
    if 4 in own:
        limited = ip_address("255.255.255.255")
        data = crafted.udp(own[4], limited, (crafted.UDP, 9), marked)
        yield EVERYBODY + mac + b"\x08\x00" + crafted.ip(own[4], limited, crafted.UDP, data)


# --- the same addresses in both tenants ---------------------------------------------------------------------------
def same(stage: Stage) -> None:
    """Two endpoints on the first host and one on the last, in each tenant at the same addresses; the first of each
    talks to the others of its own, both tenants at the same time."""
    tenants = sorted({state.tenant for state in stage.states.values()})
    places = (stage.hosts[0], stage.hosts[0], stage.hosts[-1])
    wishes = [(host, _wish(stage, tenant, number)) for tenant in tenants for number, host in enumerate(places)]
    try:
        stage.attach_all(wishes)
    except AdapterError as refusal:
        stage.event("same-refused", problem=str(refusal))
        return
    for tenant in tenants:
        for number in range(len(places)):
            one = stage.endpoints[_name(tenant, number)]
            stage.engine.serve(Server(name=one.name, namespace=one.namespace, tcp_ports=(PORT,), udp_ports=(PORT,)))
    stage.run([probe for tenant in tenants for probe in _talk(stage, tenant, places)], limits.ANSWER)


def _name(tenant: str, number: int) -> str:
    return f"{tenant}-same{number + 1}"


def _wish(stage: Stage, tenant: str, number: int) -> Attachment:
    overlay = stage.lab.testbed.overlay
    wishes: dict[Family, Interface] = {
        "ipv4": IPv4Interface((overlay.ipv4[SAME + number], overlay.ipv4.prefixlen)),
        "ipv6": IPv6Interface((overlay.ipv6[SAME + number], overlay.ipv6.prefixlen)),
    }
    return Attachment(
        _name(tenant, number),
        addresses=tuple(wishes[family] for family in stage.families),
        labels={"tenant": tenant},
        tenant=tenant,
    )


def _talk(stage: Stage, tenant: str, places: tuple[Host, ...]) -> Iterator[Probe]:
    first = stage.endpoints[_name(tenant, 0)]
    for number, host in enumerate(places[1:], 1):
        target = stage.endpoints[_name(tenant, number)]
        for family in stage.families:
            address = stage.addresses(target, family)[0]
            for protocol in ("tcp", "udp", "icmp"):
                yield Probe(
                    id=stage.number(), purpose="same-addresses",
                    path="same-host" if host is places[0] else "cross-host", protocol=protocol, family=family,
                    source=first.name, namespace=first.namespace, target=target.name, destination=str(address),
                    port=0 if protocol == "icmp" else PORT,
                )  # fmt: skip
