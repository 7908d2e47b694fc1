"""The CNI adapter with the reference plugins: attach, traffic between hosts, detach without leftovers."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import ip_interface
from pathlib import Path

import pytest

from conformance import limits
from conformance.adapters.cni import adapter
from conformance.adapters.cni.runtime import CniContainer
from conformance.adapters.cni.subject import CniSubject
from conformance.adapters.interface import AdapterError, Address, Attachment, Endpoint, Unavailable, power_of
from conformance.adapters.interface.powers import Explaining
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.lab import Host, Lab
from conformance.profile import available, load
from conformance.testbed import load as load_testbed

pytestmark = [pytest.mark.lab, pytest.mark.peers]

PROFILES = [name for name in available() if name.startswith("cni-") and name != "cni-firewall"]  # tenants only
TESTBEDS = ["same-subnet", "routed"]


@contextmanager
def deployed(profile: str, testbed: str, folder: Path, *settings: str) -> Iterator[tuple[Lab, CniSubject]]:
    made = adapter(load(profile, settings=settings))
    found = made.identify()
    if isinstance(found, Unavailable):
        pytest.skip(f"{found.reason} (packages: {', '.join(found.packages)})")
    with Lab(load_testbed(testbed), folder) as lab, made.deploy(lab) as subject:
        yield lab, subject


def exchange(source: Namespace, target: Namespace, address: Address, *, dialled: tuple[str, int] | None = None) -> str:
    """Send a datagram to `address` in `target` and get it back; returns the source address that the target saw.

    Tries again every `limits.RETRY` seconds: a gateway that an implementation has just made may still be tentative.
    """
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with target.socket(family, socket.SOCK_DGRAM) as server, source.socket(family, socket.SOCK_DGRAM) as client:
        server.bind((str(address), 8080))
        server.settimeout(limits.RETRY)
        client.settimeout(limits.RETRY)
        client.connect(dialled or (str(address), 8080))
        until = time.monotonic() + limits.DAD_SETTLED
        while True:
            client.send(b"hello")
            try:
                _, peer = server.recvfrom(100)
                server.sendto(b"back", peer)
                assert client.recv(100) == b"back"
            except TimeoutError:
                assert time.monotonic() < until, f"no answer from {address} within {limits.DAD_SETTLED} s"
            else:
                return str(peer[0])


def of_kernel(endpoint: Endpoint) -> set[str]:
    """The endpoint's global addresses as the kernel shows them."""
    (index,) = endpoint.namespace.netlink("link_lookup", ifname=endpoint.interface)
    messages = endpoint.namespace.netlink("get_addr", index=index)
    found = {f"{message.get_attr('IFA_ADDRESS')}/{message['prefixlen']}" for message in messages}
    return {text for text in found if not text.startswith("fe80:")}


def interfaces(host: Host) -> set[str]:
    return {message.get_attr("IFLA_IFNAME") for message in host.netlink("get_links")}


def reservations(host: Host) -> set[str]:
    return {
        path.name for path in (host.folder / "host-local").rglob("*") if path.is_file() and path.name[0].isdigit()
    } | {path.name for path in (host.folder / "cni-results").iterdir()}


@pytest.mark.parametrize("testbed", TESTBEDS)
@pytest.mark.parametrize("profile", PROFILES)
def test_attach_exchange_detach(profile: str, testbed: str, tmp_path: Path) -> None:
    with deployed(profile, testbed, tmp_path) as (lab, subject):
        hosts = list(lab.hosts.values())
        before = [interfaces(host) for host in hosts]
        namespaces = [subject.prepare(host, f"{host.name}-a") for host in hosts]
        assert {message.get_attr("IFLA_IFNAME") for message in namespaces[0].netlink("get_links")} == {"lo"}
        with ThreadPoolExecutor(len(hosts)) as pool:
            one, two = pool.map(lambda host: subject.attach(host, Attachment(f"{host.name}-a")), hosts)
        assert [one.namespace, two.namespace] == namespaces
        for endpoint in (one, two):
            assert {str(address) for address in endpoint.reported.addresses} == of_kernel(endpoint)
            assert sorted(address.version for address in endpoint.reported.addresses) == [4, 6]
            (link,) = endpoint.namespace.netlink("link", "get", ifname=endpoint.interface)
            assert endpoint.reported.mac == link.get_attr("IFLA_ADDRESS")
        for address in two.reported.addresses:
            seen = exchange(one.namespace, two.namespace, address.ip)
            own = next(a.ip for a in one.reported.addresses if a.version == address.version)
            host = hosts[0].ipv4.ip if address.version == 4 else hosts[0].ipv6.ip
            assert seen == str(host if profile == "cni-bridge-masq" else own)
        for endpoint in (one, two):
            subject.check(endpoint)
            subject.detach(endpoint)
        assert [interfaces(host) - {"cni0"} for host in hosts] == before
        assert [reservations(host) for host in hosts] == [set(), set()]
        assert of_names(one.namespace) == {"lo"}


def of_names(namespace: Namespace) -> set[str]:
    return {message.get_attr("IFLA_IFNAME") for message in namespace.netlink("get_links")}


def test_endpoints_attached_at_the_same_time_are_distinct(tmp_path: Path) -> None:
    with deployed("cni-bridge", "same-subnet", tmp_path) as (lab, subject), ThreadPoolExecutor(8) as pool:
        host = lab.hosts["h1"]
        made = list(pool.map(lambda number: subject.attach(host, Attachment(f"e{number}")), range(8)))
        addresses = [address for endpoint in made for address in endpoint.reported.addresses]
        assert len(set(addresses)) == 16
        assert len({endpoint.reported.mac for endpoint in made}) == 8
        list(pool.map(subject.detach, made))
        assert reservations(host) == set()


def test_addresses_that_are_asked_for(tmp_path: Path) -> None:
    with deployed("cni-bridge", "same-subnet", tmp_path) as (lab, subject):
        wanted = (ip_interface("10.1.0.77/24"), ip_interface("2001:db8:1:1::77/64"))
        made = subject.attach(lab.hosts["h1"], Attachment("e1", addresses=wanted))
        assert made.reported.addresses == wanted
        with pytest.raises(AdapterError, match=r"bridge ADD failed \(code \d+\): .*10\.1\.0\.77"):
            subject.attach(lab.hosts["h1"], Attachment("e2", addresses=wanted))
        with pytest.raises(AdapterError, match="no further ones"):
            subject.attach(lab.hosts["h1"], Attachment("e3", extra_addresses=1))
        with pytest.raises(AdapterError, match="declares the capability 'portMappings'"):
            subject.attach(lab.hosts["h1"], Attachment("e4", publish=(("tcp", 80),)))


def test_published_ports_lead_to_the_endpoint(tmp_path: Path) -> None:
    with deployed("cni-bridge-portmap", "same-subnet", tmp_path, "adapter.publish_offset=1000") as (lab, subject):
        host = lab.hosts["h1"]
        one = subject.attach(host, Attachment("e1", publish=(("udp", 8080),)))
        two = subject.attach(host, Attachment("e2", publish=(("udp", 8080),)))
        assert [(p.address, p.port, p.target_port) for p in one.publications] == [
            (host.ipv4.ip, 9080, 8080),
            (host.ipv6.ip, 9080, 8080),
        ]
        assert {p.port for p in two.publications} == {9081}
        for publication, address in zip(one.publications, one.reported.addresses, strict=True):
            place = (str(publication.address), publication.port)
            client = lab.client.ipv4.ip if address.version == 4 else lab.client.ipv6.ip
            seen = exchange(lab.client.namespace, one.namespace, address.ip, dialled=place)
            assert seen == str(client), "portmap keeps the client's address"
        subject.detach(one)
        assert subject.attach(host, Attachment("e3", publish=(("udp", 8080),))).publications[0].port == 9080


def test_state_that_explains(tmp_path: Path) -> None:
    with deployed("cni-macvlan", "routed", tmp_path) as (lab, subject):
        host = lab.hosts["h1"]
        made = subject.attach(host, Attachment("e1"))
        explaining = power_of(subject, Explaining)
        assert explaining is not None
        state = explaining.explain(host)
        (plugin,) = state["conflist"]["plugins"]
        assert plugin["master"] == host.uplink
        assert plugin["ipam"]["routes"] == [
            {"dst": "0.0.0.0/0", "gw": "192.0.2.1"},
            {"dst": "::/0", "gw": "2001:db8:0:1::1"},
        ]
        assert state["attachments"][0]["result"]["ips"][0]["address"] == str(made.reported.addresses[0])
        logged = [json.loads(line) for line in (lab.logs / "h1-cni.log").read_text().splitlines()]
        assert [entry["command"] for entry in logged] == ["ADD"]
        assert made.handle == CniContainer("e1", made.namespace.path)


def test_without_a_router_macvlan_gets_no_route(tmp_path: Path) -> None:
    with deployed("cni-macvlan", "same-subnet", tmp_path) as (lab, subject):
        (plugin,) = subject.explain(lab.hosts["h1"])["conflist"]["plugins"]
        assert plugin["ipam"]["routes"] == []
        assert "gateway" not in plugin["ipam"]["ranges"][0][0]
