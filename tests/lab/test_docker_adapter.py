"""The Docker adapter with real engines: attach, traffic between hosts, published ports, detach, leftovers."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from ipaddress import ip_interface
from pathlib import Path

import pytest

from conformance import limits
from conformance.adapters.docker import adapter
from conformance.adapters.interface import (
    AdapterError,
    Address,
    Attachment,
    Endpoint,
    Identity,
    Interface,
    Subject,
    Unavailable,
    power_of,
)
from conformance.adapters.interface.powers import Explaining
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.lab import Host, Lab
from conformance.lab.sandbox import cgroups, sandbox
from conformance.profile import available, load
from conformance.testbed import load as load_testbed

pytestmark = [pytest.mark.lab, pytest.mark.peers]

ISOLATING = {"docker-internal", "docker-macvlan-tenants", "docker-networks", "docker-user"}
"""Endpoints of these are there to be kept apart."""
PROFILES = [name for name in available() if name.startswith("docker-") and name not in ISOLATING]
PORT = 8080
CASES = [*((name, "same-subnet") for name in PROFILES), ("docker-overlay", "routed"), ("docker-macvlan", "routed")]
EXPECTED_CROSS = {
    ("docker-bridge", 4): False,
    ("docker-bridge-ipv6", 4): False,
    ("docker-bridge-ipv6", 6): True,
    ("docker-published-port", 4): True,
    ("docker-published-port", 6): True,
    ("docker-macvlan", 4): True,
    ("docker-macvlan", 6): True,
    ("docker-overlay", 4): True,
}
"""True where an endpoint answers another host's endpoint at its own address, on PORT (published if the profile can)."""


@contextmanager
def deployed(profile: str, testbed: str, folder: Path, *settings: str) -> Iterator[tuple[Lab, Subject]]:
    made = adapter(load(profile, settings=settings))
    found = made.identify()
    if isinstance(found, Unavailable):
        pytest.skip(f"{found.reason} (packages: {', '.join(found.packages)})")
    with Lab(load_testbed(testbed), folder) as lab, made.deploy(lab) as subject:
        yield lab, subject


def attach_all(subject: Subject, requests: Sequence[tuple[Host, Attachment]]) -> list[Endpoint]:
    with ThreadPoolExecutor(len(requests)) as threads:
        return list(threads.map(lambda request: subject.attach(*request), requests))


def of_kernel(endpoint: Endpoint) -> set[Interface]:
    """The endpoint's global addresses as the kernel shows them."""
    (index,) = endpoint.namespace.netlink("link_lookup", ifname=endpoint.interface)
    messages = endpoint.namespace.netlink("get_addr", index=index)
    found = {ip_interface(f"{m.get_attr('IFA_ADDRESS')}/{m['prefixlen']}") for m in messages}
    return {address for address in found if not address.is_link_local}


def mac_of_kernel(endpoint: Endpoint) -> str:
    (link,) = endpoint.namespace.netlink("link", "get", ifname=endpoint.interface)
    return str(link.get_attr("IFLA_ADDRESS"))


def datagram(source: Namespace, target: Namespace, place: tuple[Address, int]) -> str | None:
    """Send a datagram to `place`, answered by PORT in `target`: the source address seen there, None if nothing came."""
    family = socket.AF_INET if place[0].version == 4 else socket.AF_INET6
    with target.socket(family, socket.SOCK_DGRAM) as server, source.socket(family, socket.SOCK_DGRAM) as client:
        server.bind(("", PORT))
        server.settimeout(limits.RETRY)
        client.settimeout(limits.RETRY)
        until = time.monotonic() + limits.ANSWER
        while time.monotonic() < until:
            client.sendto(b"hello", (str(place[0]), place[1]))
            try:
                _, peer = server.recvfrom(100)
                server.sendto(b"back", peer)
                assert client.recv(100) == b"back"
            except TimeoutError:
                continue
            return str(peer[0])
    return None


def stream(source: Namespace, target: Namespace, place: tuple[Address, int]) -> tuple[str, str] | None:
    """Connect to `place`, served by PORT in `target`: the peer's and the own address there, None without an answer."""
    family = socket.AF_INET if place[0].version == 4 else socket.AF_INET6
    with target.socket(family, socket.SOCK_STREAM) as server, source.socket(family, socket.SOCK_STREAM) as client:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("", PORT))
        server.listen()
        server.settimeout(limits.ANSWER)
        client.settimeout(limits.ANSWER)
        try:
            client.connect((str(place[0]), place[1]))
        except TimeoutError:
            return None
        accepted, peer = server.accept()
        with accepted:
            return str(peer[0]), str(accepted.getsockname()[0])


@pytest.mark.parametrize(("profile", "testbed"), CASES)
def test_attach_exchange_detach(profile: str, testbed: str, tmp_path: Path) -> None:
    publish = (("tcp", PORT), ("udp", PORT)) if "publish" in load(profile).features else ()
    with deployed(profile, testbed, tmp_path) as (lab, subject):
        hosts = list(lab.hosts.values())
        assert subject.prepare(hosts[0], "h1a") is None
        requests = [(host, Attachment(f"{host.name}{letter}", publish)) for host in hosts for letter in "ab"]
        one, neighbour, other, _ = endpoints = attach_all(subject, requests)
        for endpoint in endpoints:
            assert set(endpoint.reported.addresses) == of_kernel(endpoint)
            assert endpoint.reported.mac == mac_of_kernel(endpoint)
        assert len({address for e in endpoints for address in e.reported.addresses}) == sum(
            len(e.reported.addresses) for e in endpoints
        )
        for address in neighbour.reported.addresses:
            assert datagram(one.namespace, neighbour.namespace, (address.ip, PORT)) in own(one)
        for address in other.reported.addresses:
            answers = EXPECTED_CROSS[profile, address.version]
            assert (datagram(one.namespace, other.namespace, (address.ip, PORT)) is not None) is answers
            assert (stream(one.namespace, other.namespace, (address.ip, PORT)) is not None) is answers
        explaining = power_of(subject, Explaining)
        assert explaining is not None
        assert one.name in str(explaining.explain(hosts[0])["docker-network"])
        with ThreadPoolExecutor() as threads:
            list(threads.map(subject.detach, endpoints))
        assert one.name not in str(explaining.explain(hosts[0])["docker-network"])
        again = subject.attach(hosts[0], Attachment("h1a"))
        assert set(again.reported.addresses) == of_kernel(again)


def own(endpoint: Endpoint) -> set[str]:
    return {str(address.ip) for address in endpoint.reported.addresses}


def test_published_ports(tmp_path: Path) -> None:
    """Docker rewrites the destination; for IPv6 and from the endpoint itself a proxy stands in the way."""
    with deployed("docker-published-port", "same-subnet", tmp_path) as (lab, subject):
        host = lab.hosts["h1"]
        endpoint = subject.attach(host, Attachment("h1a", (("tcp", PORT), ("udp", PORT))))
        assert {(p.protocol, p.address, p.target_port) for p in endpoint.publications} == {
            (protocol, address, PORT) for protocol in ("tcp", "udp") for address in (host.ipv4.ip, host.ipv6.ip)
        }
        client = lab.client
        for publication in endpoint.publications:
            place = (publication.address, publication.port)
            exchange = stream if publication.protocol == "tcp" else datagram
            seen = exchange(client.namespace, endpoint.namespace, place)
            source = seen[0] if isinstance(seen, tuple) else seen
            kept = str(client.ipv4.ip if publication.address.version == 4 else client.ipv6.ip)
            assert (source == kept) is (publication.address.version == 4)
            hairpin = exchange(endpoint.namespace, endpoint.namespace, place)
            assert hairpin is not None
            assert (hairpin[0] if isinstance(hairpin, tuple) else hairpin) not in own(endpoint)


def test_wanted_address_and_refusal(tmp_path: Path) -> None:
    with deployed("docker-bridge-ipv6", "same-subnet", tmp_path) as (lab, subject):
        host = lab.hosts["h1"]
        wanted = (ip_interface(f"{host.workload_ipv4[77]}/24"), ip_interface(f"{host.workload_ipv6[77]}/64"))
        endpoint = subject.attach(host, Attachment("wanted", addresses=wanted))
        assert endpoint.reported.addresses == wanted
        assert of_kernel(endpoint) == set(wanted)
        with pytest.raises(AdapterError, match=r"h1: attach again: .*Address already in use"):
            subject.attach(host, Attachment("again", addresses=wanted))
        subject.detach(endpoint)
        assert subject.attach(host, Attachment("again", addresses=wanted)).reported.addresses == wanted
        with pytest.raises(AdapterError, match="one address of a family"):
            subject.attach(host, Attachment("many", extra_addresses=1))


def test_engine_that_does_not_start(tmp_path: Path) -> None:
    """The error carries the words of dockerd itself; the engine of the other host is ended too."""
    broken = 'adapter.flags=["--mtu=none"]'
    with (
        pytest.raises(AdapterError, match=r"dockerd ended with exit code \d+: .*mtu"),
        deployed("docker-bridge", "same-subnet", tmp_path, broken),
    ):
        pass


def test_identity() -> None:
    found = adapter(load("docker-bridge")).identify()
    assert isinstance(found, Identity)
    assert found.product == "Docker Engine"
    assert found.version[0].isdigit()
    missing = adapter(load("docker-bridge", settings=["adapter.dockerd=/nowhere/dockerd"])).identify()
    assert missing == Unavailable("/nowhere/dockerd is not installed", ("docker.io", "busybox-static"))


def run_until_killed(folder: Path, timers: int) -> int:
    """In a sandbox: a container on each host, then nothing any more until the sandbox is killed."""
    with deployed("docker-bridge", "same-subnet", folder) as (lab, subject):
        attach_all(subject, [(host, Attachment(f"{host.name}a")) for host in lab.hosts.values()])
        os.write(timers, b"attached")
        signal.pause()
    return 0


def test_nothing_is_left_of_a_killed_run(tmp_path: Path) -> None:
    """The engines' cgroups lie below the run's own, also where a cgroup namespace hides that from them."""
    run = f"plugfest-test-{os.getpid()}"
    group = f"{run}/1"
    mounts, before = Path("/proc/self/mounts").read_text(), engine_traces()
    hears, timers = os.pipe()
    pid = sandbox.spawn(partial(run_until_killed, tmp_path, timers), scratch=tmp_path, group=group)
    os.close(timers)
    try:
        assert os.read(hears, 100) == b"attached"
        made = {root: [*(root / group).glob("docker/*/")] for root in cgroups.hierarchies()}
    finally:
        os.close(hears)
        kill_sandbox(pid)
    assert all(made.values()), made
    assert cgroups.await_removal(run) == []
    assert engine_traces() == before
    assert Path("/proc/self/mounts").read_text() == mounts


def kill_sandbox(pid: int) -> None:
    """Kill a sandbox and wait for the end of its init, before which the kernel ends everything in it."""
    init = os.pidfd_open(int(Path(f"/proc/{pid}/task/{pid}/children").read_text()))
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        assert select.select([init], [], [], limits.DAEMON_STOP)[0]
    finally:
        os.close(init)


def engine_traces() -> set[Path]:
    """Places where an engine would leave something on the machine: cgroups, settings, its containerd's folder."""
    folders = [hierarchy / "docker" for hierarchy in cgroups.hierarchies()]
    folders += [Path("/etc/docker"), Path("/opt/containerd"), Path("/var/lib/docker"), Path("/run/docker")]
    return {place for folder in folders if folder.is_dir() for place in (folder, *folder.rglob("*"))}
