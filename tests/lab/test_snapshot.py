"""Snapshots: what the kernel shows is what was put there, as JSON values, and quick enough to take many."""

from __future__ import annotations

import json
import socket
import time
from ipaddress import IPv4Interface, IPv6Interface, ip_network
from pathlib import Path

from conformance import limits, testbed
from conformance.lab import nftables, snapshot
from conformance.lab.kernel import link, netlink
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Lab
from conformance.recording.model import Snapshot


def test_interfaces_and_addresses_with_their_flags(tmp_path: Path) -> None:
    with Lab(testbed.load("same-subnet"), tmp_path) as lab:
        host, other = lab.hosts["h1"].namespace, lab.hosts["h2"].namespace
        link.address(host, "eth0", IPv4Interface("192.0.2.77/24"))
        link.address(host, "eth0", IPv6Interface("2001:db8:0:1::77/64"))
        link.address(other, "eth0", IPv6Interface("2001:db8:0:1::77/64"), dad=False)
        tentative = _addresses(host)
        failed = link.await_dad(host, "eth0", limits.DAD_SETTLED)
        settled = _addresses(host)
    assert [str(address) for address in failed] == ["2001:db8:0:1::77"]
    assert tentative["192.0.2.77"] == ("permanent", "secondary")
    assert tentative["2001:db8:0:1::11"] == ("nodad", "permanent")
    assert "tentative" in tentative["2001:db8:0:1::77"]
    assert "dadfailed" in settled["2001:db8:0:1::77"]
    assert settled["fe80::200:5eff:fe00:5301"] == ("nodad", "permanent")


def _addresses(namespace: Namespace) -> dict[str, tuple[str, ...]]:
    found = next(one for one in snapshot.interfaces(namespace) if one.name == "eth0")
    return {one.address: tuple(sorted(one.flags)) for one in found.addresses}


def test_routes_neighbours_and_forwarding_entries(tmp_path: Path) -> None:
    with Lab(testbed.load("routed"), tmp_path) as lab:
        host = lab.hosts["h1"].namespace
        steps = [
            rtnetlink.link("br0", "bridge", mac="02:00:00:00:00:01"),
            rtnetlink.link("vx0", "vxlan", data={1: (42).to_bytes(4, "little"), 7: b"\0", 15: b"\x12\xb5"}),
            rtnetlink.up("br0"),
        ]
        netlink.transact(host, steps)
        more = [
            rtnetlink.up("vx0", master="br0"),
            rtnetlink.forwarding_entry("vx0", "00:00:00:00:00:00", "198.51.100.12", append=True),
            rtnetlink.route(ip_network("203.0.113.128/25"), link="br0"),
            rtnetlink.route(ip_network("2001:db8:9::/64"), via="2001:db8:0:1::1", source="2001:db8:0:1::11"),
        ]
        netlink.transact(host, more)
        with host.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"x", ("203.0.113.200", 9))
            sender.sendto(b"x", ("192.0.2.1", 9))
        taken = snapshot.take(host, "h1", "now")
    main = {one["destination"]: one for one in taken.routes if one["table"] == "main"}
    assert main["0.0.0.0/0"]["gateway"] == "192.0.2.1"
    assert main["::/0"]["gateway"] == "2001:db8:0:1::1"
    assert (main["203.0.113.128/25"]["interface"], main["203.0.113.128/25"]["scope"]) == ("br0", "link")
    assert main["2001:db8:9::/64"]["source"] == "2001:db8:0:1::11"
    assert {one["type"] for one in taken.routes if one["table"] == "local"} >= {"local", "broadcast", "multicast"}
    states = {one["address"]: (one["interface"], one["state"], one["mac"]) for one in taken.neighbours}
    assert states["192.0.2.1"] == ("eth0", "reachable", "00:00:5e:00:53:e0")
    assert states["203.0.113.200"][:2] == ("br0", "incomplete")
    flooded = [one for one in taken.forwarding if one["mac"] == "00:00:00:00:00:00" and "destination" in one]
    assert [(one["interface"], one["destination"], one["state"]) for one in flooded] == [
        ("vx0", "198.51.100.12", "permanent")
    ]
    kinds = {one.name: (one.kind, one.master, one.up) for one in taken.interfaces}
    assert kinds["vx0"] == ("vxlan", "br0", True)
    assert kinds["lo"] == ("", "", True)


def test_translated_connections_are_told_from_others(tmp_path: Path) -> None:
    masquerade = nftables.Rule(nftables.masquerade(ports=(7000, 7001)), (nftables.transport("udp"),))
    chain = nftables.Chain("c", (masquerade,), type="nat", hook="postrouting", priority=100)
    with Lab(testbed.load("same-subnet"), tmp_path) as lab:
        here, there = lab.hosts["h1"].namespace, lab.hosts["h2"].namespace
        nftables.install(here, nftables.Table("inet", "t", (chain,)))
        with there.socket(socket.AF_INET6, socket.SOCK_STREAM) as server:
            server.bind(("::", 80))
            server.listen()
            for family, address in ((socket.AF_INET, "192.0.2.12"), (socket.AF_INET6, "2001:db8:0:1::12")):
                with (
                    here.socket(family, socket.SOCK_DGRAM) as sender,
                    here.socket(family, socket.SOCK_STREAM) as client,
                ):
                    sender.bind(("", 0))
                    sender.sendto(b"x", (address, 9))
                    client.settimeout(limits.ANSWER)
                    client.connect((address, 80))
            taken = snapshot.take(here, "h1", "now")
            bare = snapshot.take(here, "h1", "now", rules=False)
    found = {(one["family"], one["protocol"]): one for one in taken.conntrack if one["protocol"] in ("udp", "tcp")}
    assert set(found) == {("ipv4", "udp"), ("ipv6", "udp"), ("ipv4", "tcp"), ("ipv6", "tcp")}
    for (family, protocol), one in found.items():
        assert one["original_destination"] == ("192.0.2.12" if family == "ipv4" else "2001:db8:0:1::12")
        assert one["translated"] is one["source_translated"] is (protocol == "udp")
        assert not one["destination_translated"]
        assert ("src-nat" in one["status"]) == (protocol == "udp")
        assert (one["reply_destination_port"] in (7000, 7001)) == (protocol == "udp")
        assert ("state" in one) == (protocol == "tcp")
    assert [one["action"] for one in taken.rules if one.get("translates")] == ["masquerade"]
    assert (bare.rules, bare.conntrack) == ((), ())


def test_listeners_and_settings(tmp_path: Path) -> None:
    with Lab(testbed.load("same-subnet"), tmp_path) as lab:
        host = lab.hosts["h1"].namespace
        with (
            host.socket(socket.AF_INET6, socket.SOCK_STREAM) as server,
            host.socket(socket.AF_INET, socket.SOCK_STREAM) as idle,
            host.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        ):
            server.bind(("::1", 8080))
            server.listen()
            idle.bind(("127.0.0.1", 81))
            datagrams.bind(("192.0.2.11", 53))
            taken = snapshot.take(host, "h1", "now", further={"more": 1})
    assert taken.listeners == (
        {"protocol": "tcp", "family": "ipv6", "address": "::1", "port": 8080},
        {"protocol": "udp", "family": "ipv4", "address": "192.0.2.11", "port": 53},
    )
    assert taken.sysctls["net.ipv4.conf.all.forwarding"] == "0"
    assert taken.sysctls["net.ipv6.conf.eth0.accept_dad"] == "1"
    assert taken.further == {"more": 1}
    assert Snapshot.model_validate(json.loads(taken.model_dump_json())) == taken


def test_a_snapshot_takes_milliseconds(tmp_path: Path) -> None:
    with Lab(testbed.load("routed"), tmp_path) as lab:
        namespaces = [host.namespace for host in lab.hosts.values()]
        figures = []
        for _ in range(10):
            start = time.process_time()
            for namespace in namespaces:
                snapshot.take(namespace, namespace.name, "now")
            figures.append((time.process_time() - start) / len(namespaces))
    assert min(figures) < 0.010
