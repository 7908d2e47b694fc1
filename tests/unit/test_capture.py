"""Captures from the field: one pass, the senders in it, and what can be said of them without a stimulus."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from conformance.cli import app
from conformance.commands import capture as command
from conformance.errors import UsageError
from conformance.judging import capture
from conformance.protocols import ethertypes
from conformance.protocols.lacp import frames as lacp
from conformance.protocols.lldp import frames as lldp
from conformance.protocols.mac import mac_text
from conformance.protocols.stp import frames as stp
from conformance.recording.capture import NotACapture
from conformance.recording.pcapng import Writer
from conformance.recording.reading import Scan
from conformance.report.model import Report
from conformance.report.store import read

ONE, OTHER = bytes.fromhex("00005e005311"), bytes.fromhex("00005e005312")
NOISE = bytes.fromhex("00005e005301") + OTHER + ethertypes.octets(ethertypes.IPV4) + bytes(46)


def lldpdu(source: bytes, ttl: int = 121, *extra: bytes) -> bytes:
    return lldp.frame_of(source, [*lldp.mandatory(*lldp.local_ids("chassis", "port"), ttl), *extra])


def pcapng(frames: Iterable[bytes]) -> bytes:
    stream = io.BytesIO()
    writer = Writer(stream)
    tap = writer.interface("eth0")
    for number, frame in enumerate(frames):
        writer.frame(tap, 10**18 + number * 10**9, frame)
    return stream.getvalue()


def pcap(frames: Iterable[bytes], order: str = "<") -> bytes:
    parts = [struct.pack(f"{order}IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
    for number, frame in enumerate(frames):
        parts += [struct.pack(f"{order}IIII", 1_000_000_000 + number, 0, len(frame), len(frame)), frame]
    return b"".join(parts)


FRAMES = [NOISE, lldpdu(ONE), NOISE, lldpdu(OTHER, 120), lldpdu(ONE)]


@pytest.mark.parametrize("data", [pcapng(FRAMES), pcap(FRAMES), pcap(FRAMES, ">")])
def test_one_pass_keeps_what_matters(data: bytes) -> None:
    found = capture.read_capture(io.BytesIO(data))
    assert found.total == 5
    assert [frame.number for frame in found.frames] == [2, 4, 5]
    assert found.senders("lldp-agent") == [mac_text(ONE), mac_text(OTHER)]
    assert found.roles() == ["lldp-agent"]
    assert [frame.time_ns for frame in found.frames] == [10**18 + number * 10**9 for number in (1, 3, 4)]
    assert not found.notes


def test_tagged_frames_and_reserved_addresses_matter() -> None:
    tagged = ethertypes.tagged(lldpdu(ONE), 7)
    bpdu = bytes.fromhex("0180c2000000") + ONE + b"\0\x26" + ethertypes.LLC_BRIDGE + bytes(43)
    for frame, role in ((tagged, "lldp-agent"), (bpdu, "bridge")):
        assert capture.matters(frame, 0, len(frame))
        assert capture.role_of(frame) == role
    assert not capture.matters(NOISE, 0, len(NOISE))


@pytest.mark.parametrize("cut", [1, 7, 20, 60])
@pytest.mark.parametrize("data", [pcapng(FRAMES), pcap(FRAMES)])
def test_a_cut_file_says_so_and_counts_up_to_there(data: bytes, cut: int) -> None:
    found = capture.read_capture(io.BytesIO(data[:-cut]))
    assert found.total == 4
    assert found.notes == ["the file ends within a block, after 4 whole frames"]


def test_other_files_are_refused() -> None:
    with pytest.raises(NotACapture, match="neither"):
        capture.read_capture(io.BytesIO(b"no capture at all"))
    with pytest.raises(NotACapture, match="gzip"):
        capture.read_capture(io.BytesIO(b"\x1f\x8b" + bytes(40)))
    with pytest.raises(NotACapture, match="zstd"):
        capture.read_capture(io.BytesIO(b"\x28\xb5\x2f\xfd" + bytes(40)))


@settings(deadline=None)
@given(st.binary(max_size=400), st.sampled_from([b"", pcapng(FRAMES)[:200], pcap(FRAMES)[:60], pcap([])]))
def test_anything_is_survived(data: bytes, start: bytes) -> None:
    try:
        scan = Scan(io.BytesIO(start + data))
    except NotACapture:
        return
    for frame in scan:
        capture.matters(frame.data, 0, len(frame.data))
        capture.role_of(frame.data)
    assert scan.problem is not None or scan.frames >= 0


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 2**31), st.binary(max_size=6)), max_size=6))
def test_a_damaged_capture_is_survived(damage: list[tuple[int, bytes]]) -> None:
    data = bytearray(pcapng(FRAMES))
    for place, bytes_ in damage:
        at = place % len(data)
        data[at : at + len(bytes_)] = bytes_
    try:
        capture.read_capture(io.BytesIO(bytes(data)))
    except NotACapture:
        return


def judged(tmp_path: Path, frames: Iterable[bytes], *options: str) -> tuple[int, dict[tuple[str, str], str], Report]:
    file = tmp_path / "capture.pcap"
    file.write_bytes(pcap(frames))
    done = CliRunner().invoke(app, ["judge", "--capture", str(file), "--out", str(tmp_path / "out"), *options])
    report = read(next((tmp_path / "out").glob("*/report.json")))
    verdicts = {(one.requirement, one.parameters["sender"]): str(one.verdict) for one in report.outcomes}
    return done.exit_code, verdicts, report


def test_what_needs_no_stimulus_is_decided(tmp_path: Path) -> None:
    bad = lldp.frame_of(OTHER, [lldp.tlv(lldp.PORT, b"\7p"), lldp.tlv(lldp.CHASSIS, b"\7c")])
    code, verdicts, report = judged(tmp_path, [NOISE, lldpdu(ONE), NOISE, bad])
    assert code == 1
    good, wrong = mac_text(ONE), mac_text(OTHER)
    for name in ("sent", "destination", "mandatory-tlvs", "identity", "optional-tlvs", "ttl"):
        assert verdicts[f"lldp.{name}", good] == "pass"
    assert verdicts["lldp.mandatory-tlvs", wrong] == "fail"
    assert verdicts["lldp.shutdown", good] == verdicts["lldp.interval", good] == "inconclusive"
    failed = next(one for one in report.outcomes if one.verdict == "fail")
    assert failed.evidence[0].frames == (4,), "as the file itself counts"
    assert failed.evidence[0].recording == "capture.pcap"
    assert failed.evidence[0].lines[0].startswith("4 ")


def test_lacp_bpdus_and_rarp_are_looked_at(tmp_path: Path) -> None:
    mac = mac_text(ONE)
    good = lacp.Lacpdu(lacp.Participant(1, mac, 1, 1, 1), lacp.Participant()).build(mac)
    worst = stp.Bpdu(root=stp.bridge_id(0xF000, mac), bridge=stp.bridge_id(0xF000, mac), port=0x8001, cost=1)
    rarp = b"\xff" * 6 + OTHER + ethertypes.octets(ethertypes.RARP) + bytes(46)
    short = good[:60].replace(ONE, OTHER)
    file = tmp_path / "mixed.pcap"
    file.write_bytes(pcap([good, worst.build(mac), NOISE, rarp, short]))
    done = CliRunner().invoke(app, ["judge", "--capture", str(file), "--out", str(tmp_path / "out")])
    assert done.exit_code == 1, done.output
    reports = [read(path) for path in (tmp_path / "out").glob("*/report.json")]
    verdicts = {(one.requirement, one.parameters["sender"]): str(one.verdict) for r in reports for one in r.outcomes}
    assert verdicts["lacp.pdu-format", mac] == "pass"
    assert verdicts["lacp.pdu-format", mac_text(OTHER)] == "fail"
    assert verdicts["stp.bpdu-format", mac] == "pass"
    assert verdicts["move.no-rarp", mac_text(OTHER)] == "fail"


def test_only_one_sender(tmp_path: Path) -> None:
    code, verdicts, _ = judged(tmp_path, FRAMES, "--mac", ONE.hex("-").upper(), "--role", "lldp-agent")
    assert code == 3
    assert {sender for _, sender in verdicts} == {mac_text(ONE)}


def test_a_shutdown_is_no_fault_and_a_ttl_of_0_with_more_is(tmp_path: Path) -> None:
    _, verdicts, _ = judged(tmp_path, [lldpdu(ONE), lldpdu(ONE, 0), lldpdu(ONE)])
    assert verdicts["lldp.ttl", mac_text(ONE)] == "pass"
    _, verdicts, _ = judged(tmp_path, [lldpdu(ONE, 0, lldp.tlv(lldp.SYSTEM_NAME, b"x")), lldpdu(ONE)])
    assert verdicts["lldp.ttl", mac_text(ONE)] == "fail"


def test_bad_input_is_one_line() -> None:
    for wrong in ("LLDP", "switch"):
        with pytest.raises(UsageError, match="there are lldp-agent"):
            command.role_named(wrong)
    with pytest.raises(UsageError, match="not a MAC"):
        command.mac_named("00:11")
    for wrong in ("", "0s", "-3", "abc", "3 weeks"):
        with pytest.raises(UsageError, match="duration"):
            command.seconds_named(wrong)
    assert command.seconds_named("5m") == 300
