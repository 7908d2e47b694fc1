"""Tenants: two networks on the same hosts. Everybody tries everybody, and frames are sent that a bridge would flood."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from conformance.adapters.interface import Endpoint
from conformance.frames import packets
from conformance.frames.marker import mark
from conformance.frames.ndp import solicitation
from conformance.policy.document import load
from conformance.scenarios.policy import cast, mesh_of
from conformance.scenarios.stage import Stage

POLICY: Final = "tenants"
ENDPOINTS: Final = 8
"""Two of each tenant on each of two hosts."""
LOCAL_EXPERIMENT: Final = 0x88B5
EVERYBODY: Final = b"\xff" * 6
NOBODY: Final = bytes.fromhex("02005e0053ee")
"""A unicast address that no station has: a bridge floods what is sent to it."""
ALL_NODES_MAC: Final = bytes.fromhex("333300000001")


def act(stage: Stage) -> None:
    """Attach both tenants, flood, and try every pair."""
    policy = load(POLICY)
    stage.policies.append(policy)
    stage.attach_all(list(cast(stage, policy, ENDPOINTS)))
    with stage.window("policy"):
        for endpoint in stage.endpoints.values():
            flood(stage, endpoint)
        mesh_of(stage, "policy")
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
        data = packets.udp(own[4], limited, (packets.UDP, 9), marked)
        yield EVERYBODY + mac + b"\x08\x00" + packets.ip(own[4], limited, packets.UDP, data)
