"""The lab: ready when it is built, the same from whatever machine it starts, and without root as well as with it."""

from __future__ import annotations

import os
import socket
from ipaddress import IPv4Interface, ip_interface
from itertools import permutations
from pathlib import Path

import pytest
from pyroute2.netlink.exceptions import NetlinkError

from conformance import limits, profile, testbed
from conformance.adapters import linux
from conformance.lab import nftables, snapshot
from conformance.lab.kernel import link, netlink
from conformance.lab.kernel.mounts import mount
from conformance.lab.kernel.namespace import CLONE_NEWNS, Namespace, unshare
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.kernel.sysctls import PINNED, pin
from conformance.lab.lab import Lab
from conformance.lab.sandbox.sandbox import CLONE_NEWUSER

FIRST = 0.5
"""Seconds for the first datagram: less than the second after which a lost ARP request or solicitation is repeated."""


def heard(source: Namespace, target: Namespace, address: str) -> bool:
    """Return whether the first datagram arrives, with nothing sent before it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with target.socket(family, socket.SOCK_DGRAM) as server, source.socket(family, socket.SOCK_DGRAM) as sender:
        server.bind((address, 9))
        server.settimeout(FIRST)
        sender.sendto(b"x", (address, 9))
        try:
            return server.recv(1) == b"x"
        except TimeoutError:
            return False


@pytest.mark.parametrize("bed", sorted(testbed.available()))
def test_a_lab_is_ready_when_it_is_built(bed: str, tmp_path: Path) -> None:
    with Lab(testbed.load(bed), tmp_path) as lab:
        for source, target in permutations([*lab.hosts.values(), lab.client], 2):
            for address in (target.ipv4, target.ipv6):
                assert heard(source.namespace, target.namespace, str(address.ip)), f"{source.name} to {address}"


@pytest.mark.parametrize("bed", sorted(name for name in testbed.available() if not testbed.load(name).links))
def test_everybody_reaches_a_workload_prefix_through_its_host(bed: str, tmp_path: Path) -> None:
    with Lab(testbed.load(bed), tmp_path) as lab:
        host = lab.hosts["h2"]
        for prefix in (host.workload_ipv4, host.workload_ipv6):
            own = ip_interface(f"{prefix[7]}/{prefix.max_prefixlen}")
            link.address(host.namespace, "lo", own, dad=False)
            for source in (lab.hosts["h1"], lab.client):
                tries = (heard(source.namespace, host.namespace, str(own.ip)) for _ in range(limits.TRIES))
                assert any(tries), f"{source.name} to {own.ip}"


def test_nothing_but_the_pinned_sysctls_decides(tmp_path: Path) -> None:
    with Lab(testbed.load("same-subnet"), tmp_path) as lab:
        odd = Namespace.create("odd")
        odd.sysctl("net.ipv4.ip_forward", 1)
        odd.sysctl("net.ipv6.conf.default.accept_dad", 0)
        lab.keep(odd)
        found = pin(odd)
        assert found == pin(lab.hosts["h1"].namespace)
        assert all(PINNED[key] == value for key, value in found.items())
        assert found["net.ipv4.conf.all.forwarding"] == "0"
        assert odd.sysctl("net.ipv4.ip_forward") == "0"


def test_the_top_of_rack_says_nothing_of_its_own(tmp_path: Path) -> None:
    with Lab(testbed.load("routed"), tmp_path) as lab:
        own = [one for one in snapshot.interfaces(lab.rack) if one.name != "lo"]
        assert len(own) == 3 + 3 + 3
        assert all(one.up and not one.addresses for one in own)


def test_what_the_kernel_refuses_is_an_error_with_its_words(tmp_path: Path) -> None:
    with Lab(testbed.load("same-subnet"), tmp_path) as lab:
        host = lab.hosts["h1"].namespace
        with pytest.raises(NetlinkError) as caught:
            netlink.transact(host, [rtnetlink.up("lo"), rtnetlink.up("nowhere"), rtnetlink.up("eth0")])
        assert (caught.value.code, caught.value.position) == (19, 1)
        with pytest.raises(NetlinkError, match="File exists"):
            link.address(host, "eth0", IPv4Interface("192.0.2.11/24"))
        with pytest.raises(LookupError, match="no interface nowhere"):
            link.address(host, "nowhere", IPv4Interface("192.0.2.1/24"))
        many = [rtnetlink.address("eth0", IPv4Interface(f"10.99.{n // 200}.{n % 200 + 1}/32")) for n in range(500)]
        netlink.transact(host, many)
        assert len(snapshot.interfaces(host)[1].addresses) == 500 + 3


def test_the_pool_of_a_host_ends(tmp_path: Path) -> None:
    with Lab(testbed.load("same-subnet"), tmp_path) as lab:
        host = lab.hosts["h1"]
        addresses = [host.next_pool_address(4) for _ in range(30)]
        assert (str(addresses[0]), str(addresses[-1])) == ("192.0.2.65/24", "192.0.2.94/24")
        with pytest.raises(LookupError, match="no address left"):
            host.next_pool_address(4)
        assert str(host.next_pool_address(6)) == "2001:db8:0:1:1::1/64"


def test_no_root_is_needed(tmp_path: Path) -> None:
    """As an ordinary user of a user namespace: lab, rules, a kernel network and a snapshot of it."""
    uid, gid = os.geteuid(), os.getegid()
    unshare(CLONE_NEWUSER | CLONE_NEWNS)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    mount("plugfest", "/run", "tmpfs")
    with Lab(testbed.load("routed"), tmp_path) as lab:
        made = linux.adapter(profile.load("nat-bridge"))
        with made.deploy(lab):
            taken = snapshot.take(lab.hosts["h1"].namespace, "h1", "now")
        assert [rule["action"] for rule in taken.rules if rule.get("translates")] == ["masquerade", "masquerade"]
        assert [rule["comment"] for rule in nftables.dump(lab.rack) if rule.get("action") == "drop"] == [
            "IPv4 multicast",
            "IPv6 multicast",
        ]
        assert heard(lab.client.namespace, lab.hosts["h1"].namespace, "192.0.2.11")
