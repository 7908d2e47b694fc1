"""The mesh of all ordered pairs: what is answered, delivered, refused and translated, cell by cell."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface, ip_network

import numpy as np
import pytest

from conformance.lab import nftables
from conformance.lab.flow import mesh as module
from conformance.lab.flow.mesh import Wanted, mesh, meshes
from conformance.lab.flow.mesh_result import MeshCell, Table
from conformance.lab.kernel import link
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.sysctls import pin
from conformance.limits import LINK_UP, RETRY
from conformance.recording.model import AddressFamily

pytestmark = pytest.mark.lab

ENDPOINTS = 6
PORTS = (53, 80, 8080)
TCP, UDP = 0, 1
SHORT = 0.5
"""Enough where an answer comes at once."""
MARGIN = 1.0
"""For a busy machine."""

Endpoints = list[tuple[str, Namespace, str]]


@contextmanager
def bridged(family: AddressFamily = "ipv4", size: int = ENDPOINTS) -> Iterator[Endpoints]:
    """Endpoints e0, e1, ... on one bridge, with addresses 10.1.0.1 (2001:db8:0:1::1) and so on."""
    with ExitStack() as resources:
        rack = resources.enter_context(Namespace.create("rack"))
        pin(rack)
        link.add(rack, "br", "bridge", br_mcast_snooping=0)
        link.change(rack, "br", state="up")
        found: Endpoints = []
        for number in range(size):
            namespace = resources.enter_context(Namespace.create(f"e{number}"))
            pin(namespace)
            namespace.sysctl("net.ipv4.icmp_ratelimit", 0)
            link.veth(rack, f"p{number}", namespace, "eth0")
            link.change(rack, f"p{number}", master=link.index(rack, "br"), state="up")
            link.change(namespace, "eth0", state="up")
            link.await_link(namespace, "eth0", LINK_UP)
            address = f"10.1.0.{number + 1}" if family == "ipv4" else f"2001:db8:0:1::{number + 1:x}"
            if family == "ipv4":
                link.address(namespace, "eth0", IPv4Interface(f"{address}/24"))
            else:
                link.address(namespace, "eth0", IPv6Interface(f"{address}/64"), dad=False)
            found.append((f"e{number}", namespace, address))
        yield found


def filtering(namespace: Namespace, *matches: nftables.Match) -> None:
    """Drop what comes in and matches."""
    rule = nftables.Rule(nftables.drop(), matches)
    hooked = nftables.Chain("input", (rule,), type="filter", hook="input", priority=0)
    nftables.install(namespace, nftables.Table("ip", "test", (hooked,)))


def off_diagonal() -> Table:
    return np.broadcast_to(~np.eye(ENDPOINTS, dtype=np.bool_), (2, len(PORTS), ENDPOINTS, ENDPOINTS)).copy()


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_every_pair_is_answered_and_delivered(family: AddressFamily) -> None:
    with bridged(family) as endpoints:
        result = mesh(endpoints, PORTS, ("tcp", "udp"), family)
        again = mesh(endpoints, PORTS, ("udp", "tcp"), family)
    for one in (result, again):
        assert one.answered.shape == (2, len(PORTS), ENDPOINTS, ENDPOINTS)
        assert np.array_equal(one.probed, off_diagonal())
        assert np.array_equal(one.answered, one.probed)
        assert np.array_equal(one.delivered, one.probed)
        assert not (one.refused | one.unreachable | one.translated | one.diverted).any()
        assert not one.examples
        assert not list(one.cells(one.probed))
    assert next(again.cells(np.zeros(1, dtype=np.bool_)))[:4] == ("udp", 53, "e0", "e1")


def test_threads_share_the_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SHARE", 2)
    with bridged() as endpoints:
        filtering(endpoints[5][1], nftables.transport("udp"), nftables.destination_port(80))
        result = mesh(endpoints, PORTS, deadline=SHORT)
    expected = off_diagonal()
    expected[UDP, 1, :, 5] = False
    assert np.array_equal(result.answered, expected)
    assert np.array_equal(result.delivered, expected)


def test_a_dropped_port_costs_one_deadline() -> None:
    deadline = 2 * RETRY
    with bridged() as endpoints:
        for _, namespace, _ in endpoints:
            filtering(namespace, nftables.destination_port(8080))
        begun = time.monotonic()
        result = mesh(endpoints, PORTS, deadline=deadline)
        took = time.monotonic() - begun
    expected = off_diagonal()
    expected[:, 2] = False
    assert np.array_equal(result.answered, expected)
    assert np.array_equal(result.delivered, expected)
    assert not result.refused.any()
    assert deadline <= took < deadline + MARGIN


def test_a_dropped_reply_is_delivered_and_not_answered() -> None:
    with bridged() as endpoints:
        peer = nftables.source(host(endpoints[3][2]))
        filtering(endpoints[1][1], nftables.transport("udp"), peer, nftables.source_port(53))
        result = mesh(endpoints, PORTS, deadline=SHORT)
    assert np.array_equal(result.delivered, off_diagonal())
    assert list(result.cells(off_diagonal())) == [MeshCell("udp", 53, "e1", "e3", False, True, False, False)]


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_a_closed_port_refuses(family: AddressFamily) -> None:
    with bridged(family) as endpoints:
        for _, namespace, _ in endpoints:
            if family == "ipv6":
                namespace.sysctl("net.ipv6.icmp.ratelimit", 0)
        result = mesh(endpoints, PORTS, family=family, closed=(80,))
    expected = np.zeros_like(off_diagonal())
    expected[:, 1] = off_diagonal()[:, 1]
    assert np.array_equal(result.refused, expected)
    assert np.array_equal(result.answered, off_diagonal() & ~expected)
    assert np.array_equal(result.delivered, off_diagonal() & ~expected)


def test_a_rejected_port_is_refused_or_unreachable() -> None:
    with bridged() as endpoints:
        rejections = (nftables.reject("port-unreachable", 4), 53), (nftables.reject("host-unreachable", 4), 80)
        for rejection, port in rejections:
            rule = nftables.Rule(rejection, (nftables.destination_port(port),))
            hooked = nftables.Chain("input", (rule,), type="filter", hook="input", priority=0)
            nftables.install(endpoints[2][1], nftables.Table("ip", f"test{port}", (hooked,)))
        result = mesh(endpoints, PORTS, deadline=2 * RETRY)
    assert result.refused[:, 0, :, 2].sum() == 2 * (ENDPOINTS - 1)
    assert result.unreachable[:, 1, :, 2].sum() == 2 * (ENDPOINTS - 1)
    assert result.refused.sum() == result.unreachable.sum() == 2 * (ENDPOINTS - 1)


def test_translation_of_the_source_is_seen() -> None:
    outer = IPv4Address("10.1.0.77")
    with bridged() as endpoints:
        link.address(endpoints[4][1], "eth0", IPv4Interface(f"{outer}/24"))
        rule = nftables.Rule(nftables.source_nat(outer))
        hooked = nftables.Chain("post", (rule,), type="nat", hook="postrouting", priority=100)
        nftables.install(endpoints[4][1], nftables.Table("ip", "test", (hooked,)))
        result = mesh(endpoints, PORTS)
    expected = np.zeros_like(off_diagonal())
    expected[:, :, 4, :] = off_diagonal()[:, :, 4, :]
    assert np.array_equal(result.translated, expected)
    assert np.array_equal(result.answered, off_diagonal())
    assert np.array_equal(result.delivered, off_diagonal())
    assert {(one.source, one.sent[0], one.seen[0]) for one in result.examples} == {("e4", "10.1.0.5", str(outer))}
    assert {one.protocol for one in result.examples} == {"tcp", "udp"}


def test_another_server_than_the_one_dialled_is_told() -> None:
    with bridged() as endpoints:
        rule = nftables.Rule(
            nftables.destination_nat(IPv4Address(endpoints[2][2])), (nftables.destination(host(endpoints[1][2])),)
        )
        hooked = nftables.Chain("out", (rule,), type="nat", hook="output", priority=-100)
        nftables.install(endpoints[0][1], nftables.Table("ip", "test", (hooked,)))
        result = mesh(endpoints, PORTS)
    expected = np.zeros_like(off_diagonal())
    expected[:, :, 0, 1] = True
    assert np.array_equal(result.diverted, expected)
    assert np.array_equal(result.answered, off_diagonal())
    assert np.array_equal(result.delivered, off_diagonal() & ~expected)
    assert {(one.source, one.target, one.at) for one in result.examples if one.at != one.target} == {("e0", "e1", "e2")}


def test_addresses_are_checked() -> None:
    with bridged(size=2) as endpoints, pytest.raises(ValueError, match="not an address for a mesh over ipv6"):
        mesh(endpoints, PORTS, family="ipv6")


def host(address: str) -> IPv4Network:
    return IPv4Network(f"{address}/32")


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_echo_of_every_pair(family: AddressFamily) -> None:
    with bridged(family) as endpoints:
        whole = mesh(endpoints, (0,), ("icmp",), family)
        request = nftables.icmp(4, 8) if family == "ipv4" else nftables.icmp(6, 128)
        rule = nftables.Rule(nftables.drop(), (request, nftables.source(ip_network(endpoints[4][2]))))
        hooked = nftables.Chain("input", (rule,), hook="input")
        nftables.install(endpoints[2][1], nftables.Table("inet", "test", (hooked,)))
        cut = mesh(endpoints, (0,), ("icmp",), family, deadline=SHORT)
    assert whole.answered.shape == (1, 1, ENDPOINTS, ENDPOINTS)
    for one in (whole.answered, whole.delivered):
        assert np.array_equal(one, whole.probed)
    silent = {(one.source, one.target, one.delivered) for one in cut.cells(cut.probed)}
    assert silent == {("e4", "e2", False)}
    assert not (whole.translated | whole.diverted | cut.refused).any()


def test_several_meshes_share_one_deadline() -> None:
    deadline = 2 * RETRY
    with bridged() as endpoints:
        filtering(endpoints[0][1], nftables.destination_port(53))
        echo = Wanted(endpoints, (0,), ("icmp",))
        begun = time.monotonic()
        found = meshes([Wanted(endpoints, PORTS), Wanted(endpoints, (99,), ("udp",), closed=(99,)), echo], deadline)
        took = time.monotonic() - begun
    expected = off_diagonal()
    expected[:, 0, :, 0] = False
    assert np.array_equal(found[0].answered, expected)
    assert np.array_equal(found[1].refused, found[1].probed)
    assert np.array_equal(found[2].answered, found[2].probed)
    assert deadline <= took < deadline + MARGIN
