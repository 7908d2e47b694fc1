"""Taps on real interfaces: nothing lost, right direction, late interfaces, VLAN tags, marks, names and counters."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import time
from ipaddress import IPv4Interface
from pathlib import Path

import numpy as np
import pytest
from pyroute2.netlink.exceptions import NetlinkError

from conformance.lab.kernel import link
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.taps.canary import FORMS, PREFIX, build, send_canary
from conformance.lab.taps.listen import FrameListener, wait_for_frame
from conformance.lab.taps.tap import Recorder, Watch
from conformance.limits import CANARY, LINK_UP
from conformance.protocols import ethertypes
from conformance.recording.capture import FLAG_CHECKSUM_NOT_READY, LINK_RAW
from conformance.recording.index import FrameIndex

HEAD = bytes.fromhex("ffffffffffff02005e10530188b5")


class Cable:
    """Two namespaces with a veth pair between them, up, without link-local addresses, and a recorder."""

    def __init__(self) -> None:
        self.near, self.far = Namespace.create("near"), Namespace.create("far")
        self.recorder = Recorder()
        self.cable("left", "right")

    def cable(self, left: str, right: str) -> None:
        link.veth(self.near, left, self.far, right)
        for namespace, name in ((self.near, left), (self.far, right)):
            link.quiet(namespace, name)
            link.change(namespace, name, state="up")
        for namespace, name in ((self.near, left), (self.far, right)):
            link.await_link(namespace, name, LINK_UP)

    def send(self, namespace: Namespace, interface: str, frames: list[bytes]) -> None:
        with namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
            for frame in frames:
                sender.sendto(frame, (interface, 0))

    def __enter__(self) -> Cable:
        return self

    def __exit__(self, *_: object) -> None:
        self.recorder.close()
        self.near.close()
        self.far.close()


def numbered(count: int, size: int = 64) -> list[bytes]:
    return [(HEAD + struct.pack("!I", n)).ljust(size + n % 7, b"x") for n in range(count)]


def test_every_frame_of_both_ends_with_its_direction(tmp_path: Path) -> None:
    with Cable() as lab:
        lab.recorder.watch(lab.near, "near", "inside", roles={"left": "uplink"})
        lab.recorder.watch(lab.far, "far", "client")
        frames = numbered(20_000)
        before = time.time_ns()
        lab.send(lab.near, "left", frames)
        after = time.time_ns()
        taps = lab.recorder.stop(tmp_path / "frames.pcapng")
        assert [(tap.name, tap.role, tap.captured, tap.dropped) for tap in taps] == [
            ("near:left", "uplink", 20_000, 0),
            ("far:right", "client", 20_000, 0),
        ]
        assert all(len(tap.mac) == 17 for tap in taps)
        index = FrameIndex.load(tmp_path / "frames.pcapng")
        assert [tap.mac for tap in index.capture.taps] == [tap.mac for tap in taps]
        assert [(tap.received, tap.dropped) for tap in index.capture.taps] == [(20_000, 0)] * 2
        for name, outbound in (("near:left", True), ("far:right", False)):
            rows = index.select(tap=name)
            assert [frame for _, frame in index.frames(rows)] == frames
            assert set(index.outbound[rows].tolist()) == {outbound}
        assert np.all(np.diff(index.time_ns) >= 0)
        assert before <= index.time_ns[0] <= index.time_ns[-1] <= after
        sent, got = index.select(tap="near:left"), index.select(tap="far:right")
        assert np.all(index.time_ns[sent] <= index.time_ns[got])
        assert list(tmp_path.glob(".frames*")) == []
        assert lab.recorder.stop(tmp_path / "again.pcapng") == taps


def test_interfaces_that_come_late_go_early_or_are_renamed(tmp_path: Path) -> None:
    with Cable() as lab:
        lab.recorder.watch(lab.far, "far", "endpoint")
        link.veth(lab.near, "host7", lab.far, "tmp7")
        link.quiet(lab.far, "tmp7")
        link.change(lab.far, "tmp7", ifname="eth0", state="up")
        link.change(lab.near, "host7", state="up")
        link.await_link(lab.far, "eth0", LINK_UP)
        lab.send(lab.far, "eth0", numbered(3))
        link.change(lab.far, "eth0", state="down")
        link.change(lab.far, "eth0", ifname="tmp7")
        link.delete(lab.far, "tmp7")
        lab.send(lab.far, "right", numbered(2))
        assert "eth0" in lab.recorder.interfaces("far")
        taps = lab.recorder.stop(tmp_path / "frames.pcapng")
        index = FrameIndex.load(tmp_path / "frames.pcapng")
        assert [tap.name for tap in taps] == list(index.taps) == ["far:right", "far:eth0"]
        mine = [tap.captured for tap in taps]
        assert mine == [2, len(index.select(tap="far:eth0"))]
        assert len(index.select(tap="far:eth0", ethertype=ethertypes.EXPERIMENT, outbound=True)) == 3


def test_a_watched_namespace_without_traffic_still_has_its_taps(tmp_path: Path) -> None:
    with Cable() as lab:
        lab.recorder.watch(lab.far, "far", "endpoint")
        (tap,) = lab.recorder.stop(tmp_path / "frames.pcapng")
        assert (tap.name, tap.captured, tap.number) == ("far:right", 0, 0)
        assert FrameIndex.load(tmp_path / "frames.pcapng").taps == ("far:right",)


def tagged(tag: str, frame: bytes) -> bytes:
    return frame[:12] + bytes.fromhex(tag) + frame[12:]


def test_vlan_tags_are_put_back(tmp_path: Path) -> None:
    with Cable() as lab:
        lab.recorder.watch(lab.far, "far", "endpoint")
        lab.recorder.watch(lab.near, "near", "endpoint")
        plain = numbered(4)
        tags = ("81000005", "88a80006", "8100e007", "88a8000881000009")
        frames = [tagged(tag, frame) for tag, frame in zip(tags, plain, strict=True)]
        lab.send(lab.near, "left", frames)
        lab.recorder.stop(tmp_path / "frames.pcapng")
        index = FrameIndex.load(tmp_path / "frames.pcapng")
        for name in ("near:left", "far:right"):
            rows = index.select(tap=name, ethertype=ethertypes.EXPERIMENT)
            assert [frame for _, frame in index.frames(rows)] == frames, name
            assert index.vlan[rows].tolist() == [5, 6, 7, 8]
            assert index.length[rows].tolist() == [len(frame) for frame in frames]


def test_a_vlan_interface_is_a_tap_without_tags(tmp_path: Path) -> None:
    with Cable() as lab:
        for namespace, name in ((lab.near, "left"), (lab.far, "right")):
            try:
                link.add(namespace, "v5", "vlan", link=link.index(namespace, name), vlan_id=5)
            except NetlinkError as problem:
                if problem.code != errno.EOPNOTSUPP:
                    raise
                pytest.skip("this kernel has no VLAN interfaces")
            link.quiet(namespace, "v5")
            link.change(namespace, "v5", state="up")
        lab.recorder.watch(lab.far, "far", "endpoint")
        lab.recorder.watch(lab.near, "near", "endpoint")
        (frame,) = numbered(1)
        lab.send(lab.near, "v5", [frame])
        lab.recorder.stop(tmp_path / "frames.pcapng")
        index = FrameIndex.load(tmp_path / "frames.pcapng")
        seen = {
            index.taps[index.tap[row]]: data
            for row, data in index.frames(index.select(ethertype=ethertypes.EXPERIMENT))
        }
        with_tag = tagged("81000005", frame)
        assert seen == {"near:v5": frame, "near:left": with_tag, "far:right": with_tag, "far:v5": frame}


def test_checksum_marks_and_uncut_segments(tmp_path: Path) -> None:
    with Cable() as lab:
        link.address(lab.near, "left", IPv4Interface("192.0.2.1/24"))
        link.address(lab.far, "right", IPv4Interface("192.0.2.2/24"))
        lab.recorder.watch(lab.near, "near", "endpoint")
        with (
            lab.far.socket(socket.AF_INET, socket.SOCK_STREAM) as server,
            lab.near.socket(socket.AF_INET, socket.SOCK_STREAM) as client,
        ):
            server.bind(("192.0.2.2", 0))
            server.listen()
            client.connect(server.getsockname())
            peer, _ = server.accept()
            with peer:
                for _ in range(16):
                    client.sendall(bytes(1 << 15))
                    left = 1 << 15
                    while left:
                        left -= len(peer.recv(left))
        lab.recorder.stop(tmp_path / "frames.pcapng")
        index = FrameIndex.load(tmp_path / "frames.pcapng")
        data = index.select(protocol=6, source="192.0.2.1", outbound=True)
        assert index.checksum_not_ready[data].any()
        longest = int(index.length[data].max())
        assert longest > 1514
        assert np.array_equal(index.captured[data], index.length[data])
        marked = index.capture.flags[data] & FLAG_CHECKSUM_NOT_READY != 0
        assert np.array_equal(marked, index.checksum_not_ready[data])


def test_loopback_only_where_asked_for_and_only_what_is_kept(tmp_path: Path) -> None:
    with Cable() as lab:
        lab.cable("left2", "right2")
        link.change(lab.far, "lo", state="up")
        link.change(lab.near, "lo", state="up")
        lab.recorder.watch(lab.far, "far", "endpoint", loopback=True)
        lab.recorder.watch(lab.near, "near", "endpoint", only=frozenset({"left2"}))
        for namespace in (lab.far, lab.near):
            with namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as inside:
                inside.sendto(b"self", ("127.0.0.1", 9))
        lab.send(lab.near, "left", numbered(4))
        lab.send(lab.near, "left2", numbered(5))
        taps = lab.recorder.stop(tmp_path / "frames.pcapng")
        found = {tap.name: tap.captured for tap in taps}
        assert {name: found[name] for name in ("near:left2", "far:right", "far:right2")} == {
            "near:left2": 5,
            "far:right": 4,
            "far:right2": 5,
        }
        assert found["far:lo"] >= 2
        assert set(found) == {"near:left2", "far:right", "far:right2", "far:lo"}


def test_a_filter_program_keeps_what_it_names(tmp_path: Path) -> None:
    ethertype_only = ((0x28, 0, 0, 12), (0x15, 0, 1, ethertypes.EXPERIMENT), (0x06, 0, 0, 0x40000), (0x06, 0, 0, 0))

    with Cable() as lab:
        lab.recorder.watch(lab.far, "far", "endpoint", program=ethertype_only)
        frames = numbered(4)
        other = ethertypes.octets(ethertypes.SECOND_EXPERIMENT)
        lab.send(lab.near, "left", [*frames[:2], frames[2][:12] + other + frames[2][14:], frames[3]])
        lab.recorder.stop(tmp_path / "frames.pcapng")
        index = FrameIndex.load(tmp_path / "frames.pcapng")
        assert [frame for _, frame in index.frames(index.select())] == [frames[0], frames[1], frames[3]]


def test_a_ring_that_is_too_small_counts_its_loss(tmp_path: Path) -> None:
    with Cable() as lab:
        lab.recorder.watch(lab.far, "far", "endpoint", size=1)
        with lab.recorder._changed:  # the reader stands still
            lab.send(lab.near, "left", numbered(20_000))
        (tap,) = lab.recorder.stop(tmp_path / "frames.pcapng")
        assert tap.captured + tap.dropped == 20_000
        assert tap.dropped > 10_000
        assert FrameIndex.load(tmp_path / "frames.pcapng").capture.taps[0].dropped == tap.dropped


def test_a_tunnel_without_link_header_is_a_raw_tap(tmp_path: Path) -> None:
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("no /dev/net/tun")
    with Namespace.create("alone") as alone, Recorder() as recorder:
        tunnel = alone.call(os.open, "/dev/net/tun", os.O_RDWR)
        try:
            alone.call(fcntl.ioctl, tunnel, 0x400454CA, struct.pack("16sH22x", b"tun0", 0x1001))
            recorder.watch(alone, "alone", "inside")
            link.address(alone, "tun0", IPv4Interface("192.0.2.1/24"))
            link.change(alone, "tun0", state="up")
            with alone.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
                out.sendto(b"hello", ("192.0.2.2", 9))
            recorder.stop(tmp_path / "frames.pcapng")
        finally:
            os.close(tunnel)
        index = FrameIndex.load(tmp_path / "frames.pcapng")
        assert index.capture.taps[0].link_type == LINK_RAW
        assert len(index.select(destination="192.0.2.2", destination_port=9)) == 1


def test_canaries_of_every_form_are_found_by_their_nonce(tmp_path: Path) -> None:
    with Cable() as lab:
        lab.recorder.watch(lab.far, "far", "endpoint")
        sent = {form: send_canary(lab.near, "left", form) for form in FORMS}
        lab.recorder.stop(tmp_path / "frames.pcapng")
        index = FrameIndex.load(tmp_path / "frames.pcapng")
        facts = {}
        for form, canary in sent.items():
            (row,) = index.find(canary.nonce)
            assert canary.nonce.startswith(PREFIX)
            assert 0 <= index.time_ns[row] - canary.time_ns < CANARY * 1e9
            facts[form] = (hex(index.ethertype[row]), int(index.vlan[row]), str(index.address(row, "destination")))
        assert facts == {
            "experimental": ("0x88b5", -1, "None"),
            "rarp-untagged": ("0x8035", -1, "None"),
            "rarp-tagged": ("0x8035", 100, "None"),
            "ipv4-multicast": ("0x800", -1, "233.252.0.71"),
            "ipv6-multicast": ("0x86dd", -1, "ff0e::db8:504c:5546"),
        }
        with pytest.raises(ValueError, match="no canary has the form"):
            build("pigeon", bytes(16), bytes(6))


def test_waiting_for_one_frame() -> None:
    with Cable() as lab:
        tagged = HEAD[:12] + bytes.fromhex("81000005") + HEAD[12:] + b"second".ljust(46)
        with FrameListener(lab.far, "right") as listener:
            lab.send(lab.near, "left", [*numbered(1), tagged])
            assert listener.wait(lambda frame: b"second" in frame, LINK_UP) == tagged
        with pytest.raises(TimeoutError, match="far:right"):
            wait_for_frame(lab.far, "right", lambda frame: b"never" in frame, 0.05)


def test_many_rings_cost_one_grace_period_and_leave_nothing_open(tmp_path: Path) -> None:
    namespaces = [Namespace.create(f"n{number}") for number in range(12)]
    before = len(list(Path("/proc/self/fd").iterdir()))
    recorder = Recorder()
    recorder.watch_all(Watch(namespace, namespace.name, "endpoint") for namespace in namespaces)
    assert recorder.stop(tmp_path / "frames.pcapng") == ()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert (tmp_path / "frames.pcapng").stat().st_size < 200
    for namespace in namespaces:
        namespace.close()
