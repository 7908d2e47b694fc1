"""The port of a guest: requests with their memory, addresses, and the files that a guest boots from."""

from __future__ import annotations

import lzma
import socket
from pathlib import Path
from struct import Struct

import pytest

from conformance.adapters.qemu import image, settings
from conformance.adapters.qemu.guest import calls
from conformance.adapters.qemu.guest.addresses import packed, unpacked
from conformance.adapters.qemu.guest.calls import Call, CallRequest, Memory, given, room
from conformance.adapters.qemu.settings import Settings

BASE = 0x60_1000
HEAD = Struct("=5q")
ENTRY = Struct("=10q")


def test_a_request_says_where_everything_is() -> None:
    name, data = given(b"/proc/x\0"), room(100)
    request = CallRequest(
        [Call(calls.OPENAT, (-100, name, 0), stop=True), Call(calls.READ, (0, data, 100), {0: 0})], last=data
    )
    encoded = request.encode(BASE)
    size, table, count, end, trim = HEAD.unpack_from(encoded)
    assert (size, count, trim) == (len(encoded), 2, 100)
    assert encoded[name.address - BASE :][:8] == b"/proc/x\0"
    opening, reading = (ENTRY.unpack_from(encoded, table + number * ENTRY.size) for number in range(2))
    assert opening[:4] == (calls.OPENAT, -100, name.address, 0)
    assert opening[8] == 1
    assert reading[1:4] == (0, data.address, 100)
    assert reading[7] == 1, "the first argument is the result of the first call"
    assert data.address == BASE + size, "what is only written is not sent"
    assert end == size + 100

    answer = bytearray(encoded[table:])
    for number, result in enumerate((7, 5)):
        answer[number * ENTRY.size :][:0] = b""
        answer[number * ENTRY.size + 72 : (number + 1) * ENTRY.size] = result.to_bytes(8, "little")
    assert request.decode(bytes(answer) + b"hello") == [7, 5]
    assert data.after == b"hello"


def test_memory_may_point_to_memory() -> None:
    deep = room(16)
    outer = Memory((deep, b"12345678"), returned=True)
    request = CallRequest([Call(calls.RECVMSG, (3, outer, 0))])
    encoded = request.encode(BASE)
    place = outer.address - BASE
    assert encoded[place : place + 16] == deep.address.to_bytes(8, "little") + b"12345678"
    assert deep.address == outer.address + 16


@pytest.mark.parametrize(
    ("family", "address"),
    [
        (socket.AF_INET, ("192.0.2.1", 8080)),
        (socket.AF_INET6, ("2001:db8::1", 53, 0, 0)),
        (socket.AF_INET6, ("fe80::1", 53, 0, 4)),
        (socket.AF_NETLINK, (0, 0x111)),
    ],
)
def test_addresses_come_back(family: int, address: tuple[object, ...]) -> None:
    assert unpacked(packed(family, address, lambda name: 4)) == address


def test_a_zone_is_an_interface_of_the_guest() -> None:
    assert unpacked(packed(socket.AF_INET6, ("fe80::1%eth0", 1), lambda name: 9))[3] == 9
    with pytest.raises(ValueError, match="family"):
        packed(socket.AF_UNIX, "/x", lambda name: 1)


def test_initial_files_are_a_cpio_archive() -> None:
    archive = image.initial_files(b"AGENT", [b"first", b"second!"])
    names, place = {}, 0
    while (head := archive[place : place + 110])[:6] == b"070701":
        fields = [int(head[6 + 8 * number : 14 + 8 * number], 16) for number in range(13)]
        name = archive[place + 110 : place + 110 + fields[11] - 1].decode()
        start = place + (110 + fields[11] + 3 & ~3)
        names[name] = (oct(fields[1]), archive[start : start + fields[6]])
        place = start + (fields[6] + 3 & ~3)
        if name == "TRAILER!!!":
            break
    assert names["init"] == ("0o100755", b"AGENT")
    assert names["m/01"] == ("0o100644", b"second!")
    assert names["dev"][0] == "0o40755"
    assert place == len(archive)


def test_a_kernel_is_unpacked_where_it_is_xz() -> None:
    def bz_image(payload: bytes) -> bytes:
        made = bytearray(512 * 3) + payload
        made[0x1F1] = 2
        made[0x248:0x24C] = bytes(4)
        made[0x24C:0x250] = len(payload).to_bytes(4, "little")
        return bytes(made)

    assert image.unpacked_kernel(bz_image(lzma.compress(b"vmlinux") + b"size")) == b"vmlinux"
    other = bz_image(b"\x02\x21\x4c\x18 something else")
    assert image.unpacked_kernel(other) == other


def test_the_kernel_with_most_drivers_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boot, modules = tmp_path / "boot", tmp_path / "modules"
    boot.mkdir()
    drivers = {
        "6.1.0-9-cloud-amd64": ("virtio_net",),
        "6.1.0-9-amd64": ("virtio_net", "e1000"),
        "6.1.0-10-amd64": ("virtio_net", "e1000"),
        "6.2.0-1-amd64": (),
    }
    for release, names in drivers.items():
        (boot / f"vmlinuz-{release}").touch()
        (modules / release).mkdir(parents=True)
        lines = ["k/virtio.ko:", "k/virtio_ring.ko: k/virtio.ko", "k/virtio_console.ko: k/virtio_ring.ko k/virtio.ko"]
        lines += [f"k/{name}.ko: k/virtio_ring.ko k/virtio.ko" for name in names]
        (modules / release / "modules.dep").write_text("\n".join(lines))
    monkeypatch.setattr(settings, "BOOT", boot)
    monkeypatch.setattr(settings, "MODULES", modules)
    found = settings.find_kernel(Settings(nic="virtio-net-pci"))
    assert found is not None
    assert found.release == "6.1.0-10-amd64"
    order = [path.name for path in found.modules]
    assert order[:3] == ["virtio.ko", "virtio_ring.ko", "virtio_console.ko"]
    cloud = settings.find_kernel(Settings(nic="virtio-net-pci", kernel="6.1.0-9-cloud-amd64"))
    assert cloud is not None
    assert cloud.release == "6.1.0-9-cloud-amd64"
    assert settings.find_kernel(Settings(nic="vmxnet3")) is None
