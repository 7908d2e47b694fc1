"""Verdicts on captures from the field: what a file decides by itself, and what it leaves open."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from zlib import crc32

import pytest
from typer.testing import CliRunner

from conformance.cli import app
from conformance.protocols import arp, envelope, ethertypes, ndp, vrrp
from conformance.protocols.lacp import frames as lacp
from conformance.protocols.lacp.frames import Lacpdu, Participant, State
from conformance.protocols.lldp import frames as lldp
from conformance.protocols.lldp import management
from conformance.protocols.mac import mac_bytes
from conformance.protocols.stp import frames as stp
from conformance.report.store import read

ONE, OTHER = "00:00:5e:00:53:11", "00:00:5e:00:53:12"
IDS = lldp.mandatory(*lldp.local_ids("chassis", "port"), 121)
UP = State.ACTIVITY | State.AGGREGATION | lacp.GRANTED
ADDRESS, TARGET = IPv4Address("192.0.2.1"), IPv6Address("2001:db8::1")
Timed = tuple[float, bytes]


def every(seconds: float, *frames: bytes) -> list[Timed]:
    return [(seconds * place, frame) for place, frame in enumerate(frames)]


def pcap(frames: Sequence[Timed], *, link: int = envelope.ETHERNET, snap: int = 65535) -> bytes:
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, snap, link)]
    for after, frame in frames:
        seconds, fraction = divmod(round(after * 1e6), 10**6)
        kept = frame[:snap]
        parts += [struct.pack("<IIII", 1_000_000_000 + seconds, fraction, len(kept), len(frame)), kept]
    return b"".join(parts)


def verdicts(folder: Path, data: bytes) -> dict[tuple[str, str], str]:
    """What `judge --capture` says of a file, by requirement and sender."""
    file = folder / "some.pcap"
    file.write_bytes(data)
    done = CliRunner().invoke(app, ["judge", "--capture", str(file), "--out", str(folder / "out")])
    assert done.exit_code in (0, 1, 3), done.output
    reports = [read(path) for path in (folder / "out").glob("*/report.json")]
    return {(one.requirement, one.parameters["sender"]): str(one.verdict) for r in reports for one in r.outcomes}


def lldpdu(*extra: bytes, source: str = ONE, destination: bytes = lldp.NEAREST_BRIDGE) -> bytes:
    return lldp.frame_of(mac_bytes(source), [*IDS, *extra], destination=destination)


def bpdu(flags: int = 0x3C, message_age: float = 0) -> bytes:
    root = stp.bridge_id(0x8000, ONE)
    return stp.Bpdu(stp.RAPID, stp.RSTP, flags, root, 0, root, 0x8001, message_age).build(ONE)


def lacpdu(source: str, partner: Participant) -> bytes:
    return Lacpdu(Participant(1, source, 1, 1, 1, UP), partner).build(source)


def reply_to_rarp() -> bytes:
    return arp.build(arp.REVERSE_REPLY, OTHER, ADDRESS, ADDRESS, target_mac=ONE, ethertype=ethertypes.RARP)


ZERO = IPv4Address(0)
ASKED = arp.build(arp.REVERSE_REQUEST, ONE, ZERO, ZERO, target_mac=ONE, ethertype=ethertypes.RARP)
SENDS_FOR_NOBODY = arp.build(arp.REVERSE_REQUEST, ONE, ZERO, ZERO, target_mac=ONE)
LEAKY = lacpdu(ONE, Participant())[:60] + b"\xde\xad" + lacpdu(ONE, Participant())[62:]
B_NAMES_A = lacpdu(OTHER, Participant(1, ONE, 1, 1, 1, UP))
A_NAMES_B = lacpdu(ONE, Participant(1, OTHER, 1, 1, 1, UP))
A_NAMES_ANOTHER = lacpdu(ONE, Participant(1, "00:00:5e:00:53:99", 1, 1, 1, UP))
LOOPBACK = lldp.tlv(lldp.MANAGEMENT, management.build(IPv4Address("127.0.0.1"), 1))
OF_THE_HOST = lldp.tlv(lldp.MANAGEMENT, management.build(ADDRESS, 1))
PADDED = lldpdu().rstrip(b"\0")[:-1] + b"\x79\0\0"
SOLICITED = ndp.advertisement(TARGET, ONE, solicited=True)


@pytest.mark.parametrize(
    ("frames", "requirement", "verdict"),
    [
        (every(1, PADDED.ljust(60, b"\xa5")), "lldp.mandatory-tlvs", "pass"),
        (every(1, lldpdu() + crc32(lldpdu()).to_bytes(4, "little")), "lldp.mandatory-tlvs", "pass"),
        (every(1, lldpdu(destination=lldp.NEAREST_CUSTOMER_BRIDGE)), "lldp.destination", "pass"),
        (every(1, ethertypes.tagged(lldpdu(), 0)), "lldp.destination", "fail"),
        (every(1, lldpdu(lldp.tlv(127, b"\0\x80\xc2\1\1"))), "lldp.optional-tlvs", "fail"),
        (every(1, lldpdu(lldp.tlv(127, b"\0\x80\xc2\1\0\1"))), "lldp.optional-tlvs", "pass"),
        (every(1, lldpdu(LOOPBACK)), "lldp.management-address", "fail"),
        (every(1, lldpdu(OF_THE_HOST)), "lldp.management-address", "inconclusive"),
        (every(2, bpdu(), bpdu(message_age=20)), "stp.bpdu-format", "pass"),
        (every(2, bpdu(), bpdu()[:17] + b"\xaa\0" + bpdu()[19:]), "stp.bpdu-format", "fail"),
        (every(2, bpdu()[:17] + b"\xaa\0" + bpdu()[19:]), "stp.bpdu-format", "fail"),
        (every(10, *[bpdu()] * 8), "stp.hello", "fail"),
        (every(10, *[bpdu()] * 4), "stp.hello", "inconclusive"),
        (every(2, *[bpdu()] * 8), "stp.hello", "pass"),
        (every(10, *[bpdu(flags=0x04)] * 8), "stp.hello", "inconclusive"),
        (every(1, LEAKY), "lacp.pdu-format", "fail"),
        (every(0.02, *[A_NAMES_B] * 20), "lacp.rate-follows-partner", "fail"),
        (every(0.0001, *[A_NAMES_B] * 20), "lacp.rate-follows-partner", "inconclusive"),
        (every(1, *[A_NAMES_B] * 20), "lacp.rate-follows-partner", "inconclusive"),
        (every(0.5, *[A_NAMES_ANOTHER, B_NAMES_A] * 10), "lacp.partner-echoed", "fail"),
        (every(0.5, *[A_NAMES_B, B_NAMES_A] * 10), "lacp.partner-echoed", "pass"),
        (every(0.5, *[A_NAMES_ANOTHER] * 10), "lacp.partner-echoed", "inconclusive"),
        (every(0.002, ASKED, reply_to_rarp()), "move.no-rarp", "inconclusive"),
        (every(0.002, ASKED), "move.no-rarp", "fail"),
        (every(1, SENDS_FOR_NOBODY), "move.no-rarp", "fail"),
        (every(1, arp.request(ONE, ADDRESS, ADDRESS)), "move.announcement-form-v4", "pass"),
        (every(1, arp.build(1, OTHER, ADDRESS, ADDRESS, source=ONE)), "move.announcement-form-v4", "fail"),
        (every(1, ndp.advertisement(TARGET, ONE)), "move.announcement-form-v6", "pass"),
        (every(1, SOLICITED), "move.announcement-form-v6", "fail"),
        (every(1, ethertypes.tagged(SOLICITED, 0)), "move.announcement-form-v6", "fail"),
        (every(1, vrrp.build(1, 100, [ADDRESS], ADDRESS, ONE)), "move.vrrp-virtual-mac", "fail"),
    ],
)  # fmt: skip
def test_a_capture_decides(tmp_path: Path, frames: list[Timed], requirement: str, verdict: str) -> None:
    assert verdicts(tmp_path, pcap(frames))[requirement, ONE] == verdict


def test_a_virtual_router_speaks_from_its_own_address(tmp_path: Path) -> None:
    virtual = vrrp.virtual_mac(1, 4)
    found = verdicts(tmp_path, pcap(every(1, vrrp.build(1, 100, [ADDRESS], ADDRESS, virtual))))
    assert found["move.vrrp-virtual-mac", virtual] == "pass"


def test_a_cut_frame_leaves_open_only_what_rests_on_it(tmp_path: Path) -> None:
    long = lldpdu(lldp.tlv(lldp.SYSTEM_DESCRIPTION, b"x" * 200))
    found = verdicts(tmp_path, pcap(every(1, long, lldpdu(source=OTHER), LEAKY), snap=128))
    assert found["lldp.mandatory-tlvs", ONE] == "inconclusive"
    assert found["lldp.mandatory-tlvs", OTHER] == "pass"
    assert found["lacp.pdu-format", ONE] == "fail"


def test_records_out_of_order_leave_open_only_times(tmp_path: Path) -> None:
    frames = [(100.0 - after, frame) for after, frame in every(10, *[bpdu()] * 8)]
    found = verdicts(tmp_path, pcap([*frames, (0, lldpdu())]))
    assert found["stp.bpdu-format", ONE] == "pass"
    assert found["stp.hello", ONE] == "inconclusive"
    assert found["lldp.mandatory-tlvs", ONE] == "pass"


def test_a_cooked_capture_has_no_destination_to_judge(tmp_path: Path) -> None:
    frame = struct.pack("!HHH", 1, 1, 6) + mac_bytes(ONE) + b"\0\0" + lldpdu()[12:]
    found = verdicts(tmp_path, pcap([(0, frame)], link=envelope.COOKED))
    assert found["lldp.mandatory-tlvs", ONE] == found["lldp.identity", ONE] == "pass"
    assert found["lldp.destination", ONE] == "inconclusive"


@pytest.mark.parametrize("cut", [0, 9])
def test_gzip_is_read_as_far_as_it_goes(tmp_path: Path, cut: int) -> None:
    packed = gzip.compress(pcap(every(1, lldpdu(), lldpdu(source=OTHER))))
    found = verdicts(tmp_path, packed[: len(packed) - cut] + (b"" if cut else bytes(8)))
    assert found["lldp.mandatory-tlvs", ONE] == "pass"


def test_what_is_in_two_members_is_one_file(tmp_path: Path) -> None:
    data = pcap(every(1, lldpdu(), lldpdu(source=OTHER)))
    found = verdicts(tmp_path, gzip.compress(data[:70]) + gzip.compress(data[70:]))
    assert found["lldp.mandatory-tlvs", OTHER] == "pass"


def test_a_file_that_grows_beyond_measure_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conformance.recording.inflating.SUSPECT", 1 << 20)
    bomb = gzip.compress(pcap(every(1, lldpdu(), *[bytes(60000)] * 60)))
    file = tmp_path / "bomb.pcap.gz"
    file.write_bytes(bomb)
    done = CliRunner().invoke(app, ["judge", "--capture", str(file)])
    assert "200 times its size" in done.output


def test_each_neighbour_that_fails_is_named(tmp_path: Path) -> None:
    frames = []
    for number in range(30):
        source = f"00:00:5e:00:5f:{number:02x}"
        ids = lldp.mandatory(*lldp.local_ids("chassis", f"eth{number}"), 0 if number % 3 == 0 else 121)
        named = lldp.tlv(lldp.SYSTEM_NAME, f"leaf{number}".encode())
        frames.append((float(number), lldp.frame_of(mac_bytes(source), [*ids, named])))
    file = tmp_path / "thirty.pcap"
    file.write_bytes(pcap(frames))
    done = CliRunner().invoke(app, ["judge", "--capture", str(file)], env={"COLUMNS": "200"})
    told = [line for line in done.output.splitlines() if "TTL 0" in line]
    assert len(told) == 10
    assert any("00:00:5e:00:5f:1b: leaf27, port eth27: TTL 0" in line for line in told), told
