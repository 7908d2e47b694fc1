"""Virtual machines: their sockets are used from outside, they migrate, and what is announced is on the wire."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conformance import limits, profile, testbed
from conformance.adapters import qemu
from conformance.adapters.interface import AdapterError, Attachment, Endpoint, Unavailable
from conformance.adapters.qemu.subject import VirtualMachines
from conformance.lab import snapshot
from conformance.lab.flow import Engine, Probe, Server
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.lab import Lab
from conformance.lab.taps.listen import FrameListener
from conformance.lab.taps.tap import Recorder
from conformance.protocols import ethertypes
from conformance.provoking.context import watch_host_side
from conformance.recording.index import FrameIndex
from conformance.recording.model import AddressFamily, Flow, FlowProtocol
from conformance.recording.model import Path as Way

pytestmark = pytest.mark.peers

PORT = 8080
PROTOCOLS: tuple[FlowProtocol, ...] = ("tcp", "udp", "icmp")
BROADCAST = b"\xff" * 6


@contextmanager
def machines(nic: str, folder: Path) -> Iterator[tuple[Lab, VirtualMachines]]:
    made = qemu.adapter(profile.load(f"qemu-migration-{nic}"))
    there = made.identify()
    if isinstance(there, Unavailable):
        pytest.skip(f"needs {' '.join(there.packages)}: {there.reason}")
    with Lab(testbed.load("same-subnet"), folder) as lab, made.deploy(lab) as deployed:
        assert isinstance(deployed, VirtualMachines)
        yield lab, deployed


def probes(lab: Lab, guest: Endpoint, first: int) -> list[Probe]:
    """TCP, UDP and ICMP, both families, from the client to the guest and back."""
    client, found, number = lab.client, [], first
    for address in guest.reported.addresses:
        family: AddressFamily = "ipv4" if address.version == 4 else "ipv6"
        outside = client.ipv4.ip if address.version == 4 else client.ipv6.ip
        ends: tuple[tuple[str, Namespace, str, str, Way], ...] = (
            ("client", client.namespace, guest.name, str(address.ip), "inbound"),
            (guest.name, guest.namespace, "client", str(outside), "outbound"),
        )
        for source, namespace, target, destination, path in ends:
            for protocol in PROTOCOLS:
                found.append(
                    Probe(
                        id=number,
                        purpose="reach",
                        path=path,
                        protocol=protocol,
                        family=family,
                        source=source,
                        namespace=namespace,
                        target=target,
                        destination=destination,
                        port=0 if protocol == "icmp" else PORT,
                    )
                )
                number += 1
    return found


def announces(frame: bytes) -> bool:
    """An ARP announcement: sender and target are the same address."""
    return frame[:6] == BROADCAST and ethertypes.ethertype_of(frame) == ethertypes.ARP and frame[28:32] == frame[38:42]


def all_answered(flows: list[Flow]) -> None:
    assert [flow for flow in flows if flow.status != "answered"] == []
    for flow in flows:
        assert flow.arrival is not None
        if flow.protocol != "icmp":
            assert (flow.arrival.peer, flow.arrival.local) == (flow.local, flow.dialled)


def test_a_guest_is_asked_like_a_namespace(tmp_path: Path) -> None:
    with machines("virtio", tmp_path) as (lab, deployed), Engine() as engine:
        host = lab.hosts["h1"]
        guest = deployed.attach(host, Attachment("h1a", extra_addresses=1))
        namespace = guest.namespace
        assert namespace.sysctl("net.ipv4.ip_default_ttl", 65) == "65"
        with pytest.raises(FileNotFoundError):
            namespace.sysctl("net.ipv4.nothing")
        state = next(one for one in snapshot.interfaces(namespace) if one.name == "eth0")
        assert {str(one) for one in guest.reported.addresses} <= {
            f"{one.address}/{one.prefix_length}" for one in state.addresses
        }
        assert (state.mac, state.mtu) == (guest.reported.mac, guest.reported.mtu)
        with namespace.socket(socket.AF_INET, socket.SOCK_STREAM) as one, pytest.raises(ConnectionRefusedError):
            one.connect(("127.0.0.1", 9))
        with pytest.raises(NotImplementedError, match="run programs"):
            namespace.run(["true"], timeout=limits.COMMAND)
        for name, place in ((guest.name, namespace), ("client", lab.client.namespace)):
            engine.serve(Server(name=name, namespace=place, tcp_ports=(PORT,), udp_ports=(PORT,)))
        all_answered(engine.run(probes(lab, guest, 1), limits.ANSWER))
        assert snapshot.listeners(namespace) != ()
        taken = guest.reported.addresses[-1]
        with pytest.raises(AdapterError, match="given to another endpoint"):
            deployed.attach(host, Attachment("h1b", addresses=(taken,)))


def test_a_guest_migrates_with_its_connections(tmp_path: Path) -> None:
    """QEMU announces by five frames of RARP; a guest with virtio-net announces itself besides, by ARP and NA."""
    with machines("virtio", tmp_path) as (lab, deployed), Recorder() as taps, Engine() as engine:
        one, other = lab.hosts.values()
        taps.watch(lab.rack, "rack", "rack")
        watch_host_side(taps, deployed.host_side(one, "h1a"), "h1a")
        guest = deployed.attach(one, Attachment("h1a"))
        for name, place in ((guest.name, guest.namespace), ("client", lab.client.namespace)):
            engine.serve(Server(name=name, namespace=place, tcp_ports=(PORT,), udp_ports=(PORT,)))
        held = engine.hold([probe for probe in probes(lab, guest, 1) if probe.protocol != "icmp"], limits.ANSWER)
        watch_host_side(taps, deployed.host_side(other, "h1a"), "h1a")
        with FrameListener(lab.rack, "h2.lan") as port:
            moved = deployed.move(guest, other, "migrate")
            for _ in range(5):
                port.wait(lambda frame: ethertypes.ethertype_of(frame) == ethertypes.RARP, limits.ANSWER)
            port.wait(announces, limits.ANSWER)
        all_answered(engine.run(probes(lab, moved, 101), limits.ANSWER))
        all_answered(engine.resume({201 + place: flow for place, flow in enumerate(held)}, limits.ANSWER))
        assert (moved.host, moved.name, moved.namespace) == ("h2", "h1a", guest.namespace)
        assert moved.host_side is not None
        assert deployed.explain(one) == {"qemu": {}}
        assert deployed.explain(other) == {"qemu": {"h1a": "running"}}
        taps.stop(tmp_path / "frames.pcapng")
        index = FrameIndex((tmp_path / "frames.pcapng").read_bytes())
        for tap in (f"h1a:{moved.host_side.interface}", "rack:h2.lan", "rack:client.lan"):
            found = [index.frame(int(row)) for row in index.select(tap=tap, source_mac=guest.reported.mac)]
            rarp = [frame for frame in found if ethertypes.ethertype_of(frame) == ethertypes.RARP]
            assert len(rarp) == 5, f"{tap}: {len(rarp)}"
            assert {frame[:6] for frame in rarp} == {BROADCAST}
            assert {int.from_bytes(frame[20:22], "big") for frame in rarp} == {3}, "reverse request"
        assert any(map(announces, found))
