"""The kernel-only networks: who reaches whom under which address, as each design promises; duplicates; settings."""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv6Interface, ip_address
from itertools import permutations
from pathlib import Path

import pytest

from conformance import limits, profile, testbed
from conformance.adapters import linux, wire
from conformance.adapters.interface import AdapterError, Address, Attachment, Endpoint, Identity
from conformance.adapters.linux.network import Network
from conformance.errors import UsageError
from conformance.lab import snapshot
from conformance.lab.kernel import link
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.lab import Lab

PORT = 7777
SILENCE = 0.4
"""Seconds that what must stay silent is listened to, after everything that is expected has come."""

ALL = {"same-host", "cross-host", "inbound", "outbound", "from-host", "to-host"}
REACHES = {
    "nat-bridge": {"same-host", "outbound", "from-host", "to-host"},
    "flat-bridge": ALL,
    "macvlan": ALL - {"from-host", "to-host"},
    "routed-64": ALL,
    "vxlan": {"same-host", "cross-host"},
    "vxlan-routed": ALL,
    "plain-wire": ALL,
}
"""The paths on which a datagram arrives. On all others nothing does."""
TRANSLATED = {"nat-bridge": {"outbound"}}
"""The paths on which it arrives from another address than it was sent from."""


@dataclass
class Place:
    """A station or an endpoint, with the sockets that serve at its addresses."""

    name: str
    host: str
    namespace: Namespace
    addresses: tuple[Address, ...]
    sockets: dict[Address, socket.socket] = field(default_factory=dict)


def made_for(claims: profile.Profile) -> linux.LinuxAdapter | wire.WireAdapter:
    return linux.adapter(claims) if claims.kind == "linux" else wire.adapter(claims)


@contextmanager
def network(name: str, bed: str, folder: Path, *, shim: bool = False) -> Iterator[tuple[Lab, Network]]:
    settings = ["adapter.host_shim=true"] if shim else []
    made = made_for(profile.load(name, settings=settings))
    with Lab(testbed.load(bed), folder) as lab, made.deploy(lab) as deployed:
        yield lab, deployed


def attach_all(lab: Lab, deployed: Network, *, extra: int = 0) -> list[Endpoint]:
    """Two endpoints on each host, all at the same time."""
    names = [(host, f"{host.name}{letter}") for host in lab.hosts.values() for letter in "ab"]
    wanted = [(host, Attachment(name, extra_addresses=extra)) for host, name in names]
    with ThreadPoolExecutor(len(wanted)) as threads:
        return list(threads.map(lambda wanted: deployed.attach(*wanted), wanted))


def places(lab: Lab, endpoints: list[Endpoint]) -> list[Place]:
    stations = [
        Place(node.name, node.name if node is not lab.client else "", node.namespace, (node.ipv4.ip, node.ipv6.ip))
        for node in [*lab.hosts.values(), lab.client]
    ]
    own = [Place(e.name, e.host, e.namespace, tuple(a.ip for a in e.reported.addresses)) for e in endpoints]
    return own + stations


def path(source: Place, target: Place) -> str:
    """The class of way between two places; empty between stations, and between an endpoint and a foreign host."""
    endpoint = [place.host not in (place.name, "") for place in (source, target)]
    if all(endpoint):
        return "same-host" if source.host == target.host else "cross-host"
    if any(endpoint) and source.host == target.host:
        return "to-host" if endpoint[0] else "from-host"
    if any(endpoint) and "client" in (source.name, target.name):
        return "outbound" if endpoint[0] else "inbound"
    return ""


def send_everything(everybody: list[Place], expected: set[str]) -> dict[tuple[str, str, str], str]:
    """One datagram from everybody to every address: who it came from, by (source, target, dialled address)."""
    with ExitStack() as stack:
        by_socket = {}
        for place in everybody:
            for address in place.addresses:
                server = stack.enter_context(place.namespace.socket(_family(address), socket.SOCK_DGRAM))
                server.bind((str(address), PORT))
                by_socket[server] = (place, address)
        awaited = set()
        for source, target in permutations(everybody, 2):
            way = path(source, target)
            for address in target.addresses if way else ():
                _send(source, target, address)
                if way in expected:
                    awaited.add((source.name, target.name, str(address)))
        return _collect(by_socket, awaited)


def _family(address: Address) -> socket.AddressFamily:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6


def _send(source: Place, target: Place, address: Address) -> None:
    with source.namespace.socket(_family(address), socket.SOCK_DGRAM) as sender:
        try:
            sender.sendto(f"{source.name} {target.name} {address}".encode(), (str(address), PORT))
        except OSError:
            return


def _collect(
    by_socket: dict[socket.socket, tuple[Place, Address]], awaited: set[tuple[str, str, str]]
) -> dict[tuple[str, str, str], str]:
    arrived: dict[tuple[str, str, str], str] = {}
    until = time.monotonic() + limits.ANSWER
    while True:
        left = SILENCE if awaited <= set(arrived) else until - time.monotonic()
        ready = select.select(list(by_socket), [], [], max(left, 0))[0]
        if not ready:
            return arrived
        for server in ready:
            data, peer = server.recvfrom(100)
            source, target, dialled = data.decode().split()
            place, address = by_socket[server]
            assert (place.name, str(address)) == (target, dialled)
            arrived[source, target, dialled] = peer[0]


def at_the_same_time(*work: Callable[[], None]) -> None:
    """Labs wait for address detection most of the time: several of them at once, the first failure is raised."""
    with ThreadPoolExecutor(len(work)) as threads:
        for future in [threads.submit(one) for one in work]:
            future.result()


@pytest.mark.parametrize("name", sorted(REACHES))
def test_everybody_is_reached_as_the_design_promises(name: str, tmp_path: Path) -> None:
    at_the_same_time(*(partial(keeps_promise, name, bed, tmp_path / bed) for bed in ("same-subnet", "routed")))


def keeps_promise(name: str, bed: str, folder: Path) -> None:
    with network(name, bed, folder) as (lab, deployed):
        endpoints = attach_all(lab, deployed, extra=1)
        for endpoint in endpoints:
            reports_what_the_kernel_has(
                endpoint, lab.hosts[endpoint.host].mtu - (50 if name.startswith("vxlan") else 0)
            )
        everybody = places(lab, endpoints)
        arrived = send_everything(everybody, REACHES[name])
    by_name = {place.name: place for place in everybody}
    for source, target in permutations(everybody, 2):
        way = path(source, target)
        for address in target.addresses if way else ():
            peer = arrived.get((source.name, target.name, str(address)))
            assert (peer is not None) == (way in REACHES[name]), f"{bed}: {source.name} to {address} of {target.name}"
    for (source_name, target_name, _), peer in arrived.items():
        source, target = by_name[source_name], by_name[target_name]
        if source.host and source.name == source.host:
            continue
        translated = ip_address(peer) not in source.addresses
        assert translated == (path(source, target) in TRANSLATED.get(name, set())), f"{source_name} seen as {peer}"


def reports_what_the_kernel_has(endpoint: Endpoint, mtu: int) -> None:
    state = next(one for one in snapshot.interfaces(endpoint.namespace) if one.name == endpoint.interface)
    assert {f"{one.address}/{one.prefix_length}" for one in state.addresses if one.scope == "global"} == {
        str(address) for address in endpoint.reported.addresses
    }
    assert sorted(address.version for address in endpoint.reported.addresses) == [4, 4, 6, 6]
    assert not [one for one in state.addresses if {"tentative", "dadfailed"} & set(one.flags)]
    assert (state.mac, state.mtu) == (endpoint.reported.mac, endpoint.reported.mtu)
    assert state.mtu == mtu
    routes = snapshot.take(endpoint.namespace, endpoint.name, "now").routes
    default = [route["gateway"] for route in routes if route["destination"] in ("0.0.0.0/0", "::/0")]
    assert sorted(default) == sorted(str(gateway) for gateway in endpoint.reported.gateways)


def test_an_address_in_use_on_the_segment_is_refused_and_not_kept(tmp_path: Path) -> None:
    shared = ("flat-bridge", "macvlan", "plain-wire", "vxlan")
    at_the_same_time(*(partial(refuses_a_duplicate, name, tmp_path / name) for name in shared))


def refuses_a_duplicate(name: str, folder: Path) -> None:
    with network(name, "same-subnet", folder) as (lab, deployed):
        first, second = lab.hosts.values()
        holder = deployed.attach(first, Attachment("holder"))
        own = next(address for address in holder.reported.addresses if address.version == 6)
        squatted = IPv6Interface(f"{own.ip + 0xD0}/{own.network.prefixlen}")
        link.address(holder.namespace, "eth0", squatted, dad=False)
        with pytest.raises(AdapterError, match=f"detection failed: {squatted.ip} is in use"):
            deployed.attach(second, Attachment("late", addresses=(squatted,)))
        assert [one.name for one in snapshot.interfaces(deployed.prepare(second, "late"))] == ["lo"]
        free = IPv6Interface(f"{own.ip + 0xE0}/{own.network.prefixlen}")
        again = deployed.attach(second, Attachment("late", addresses=(free,)))
        assert again.reported.addresses == (free,)


def test_an_address_given_to_another_endpoint_is_refused(tmp_path: Path) -> None:
    at_the_same_time(*(partial(keeps_books, name, tmp_path / name) for name in ("nat-bridge", "routed-64")))


def keeps_books(name: str, folder: Path) -> None:
    with network(name, "same-subnet", folder) as (lab, deployed):
        first, second = lab.hosts.values()
        holder = deployed.attach(first, Attachment("holder"))
        for wanted in holder.reported.addresses:
            with pytest.raises(AdapterError, match=r"late: .* is given to another endpoint"):
                deployed.attach(first, Attachment("late", addresses=(wanted,)))
            with pytest.raises(AdapterError, match=r"late: .* is not in"):
                deployed.attach(second, Attachment("late", addresses=(wanted,)))
        deployed.detach(holder)
        again = deployed.attach(first, Attachment("late", addresses=holder.reported.addresses))
        assert again.reported.addresses == holder.reported.addresses


def test_many_endpoints_wait_for_their_detection_at_the_same_time(tmp_path: Path) -> None:
    with network("routed-64", "same-subnet", tmp_path) as (lab, deployed):
        start = time.monotonic()
        wanted = [(host, Attachment(f"{host.name}-{number}")) for host in lab.hosts.values() for number in range(10)]
        with ThreadPoolExecutor(len(wanted)) as threads:
            endpoints = list(threads.map(lambda wanted: deployed.attach(*wanted), wanted))
        assert time.monotonic() - start < limits.DAD_SETTLED
        addresses = [address for endpoint in endpoints for address in endpoint.reported.addresses]
        assert len(set(addresses)) == len(addresses) == 40


def test_a_shim_lets_host_and_endpoint_meet_over_macvlan(tmp_path: Path) -> None:
    with network("macvlan", "same-subnet", tmp_path, shim=True) as (lab, deployed):
        everybody = places(lab, attach_all(lab, deployed))
        arrived = send_everything(everybody, ALL - {"to-host"})
        for endpoint in everybody[:4]:
            for address in endpoint.addresses:
                assert (endpoint.host, endpoint.name, str(address)) in arrived


def test_nothing_is_published(tmp_path: Path) -> None:
    refused = pytest.raises(AdapterError, match="publishes no ports")
    with network("vxlan", "same-subnet", tmp_path) as (lab, deployed), refused:
        deployed.attach(lab.hosts["h1"], Attachment("one", publish=(("tcp", 80),)))


def test_identity_and_plan() -> None:
    for name in REACHES:
        made = made_for(profile.load(name))
        found = made.identify()
        assert isinstance(found, Identity)
        assert found.version == os.uname().release
        assert made.plan()
        assert made.weight == 1
        assert not made.needs_root


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("adapter.netwrok=vxlan", "vxlan: adapter: netwrok: unknown key; did you mean 'network'?"),
        ("adapter.network=vxlann", "vxlan: adapter: network: 'vxlann' is not known; use one of nat-bridge"),
        ("adapter.host_shim=true", "host_shim is for network = 'macvlan'; remove it"),
    ],
)
def test_a_wrong_setting_is_one_line(setting: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        linux.adapter(profile.load("vxlan", settings=[setting]))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
