"""Captures of very many senders: judged in time that grows with them, up to a number that is said."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest

from conformance.commands import capture
from conformance.commands.capture import judge_capture
from conformance.protocols.ethertypes import LLDP
from conformance.report import store


def lldp(number: int) -> bytes:
    """A frame of an LLDP agent with Chassis ID, Port ID and TTL (IEEE 802.1AB-2016 §8.5)."""
    mac = b"\x00\x00\x5e\x00" + number.to_bytes(2, "big")
    tlvs = b"\x02\x07\x04" + mac + b"\x04\x07\x03" + mac + b"\x06\x02\x00\x78\x00\x00"
    return (bytes.fromhex("0180c200000e") + mac + LLDP.to_bytes(2, "big") + tlvs).ljust(60, b"\0")


def written(place: Path, senders: int) -> Path:
    """A pcap file with one frame of each sender."""
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for number in range(senders):
        frame = lldp(number)
        data += struct.pack("<IIII", 1_700_000_000 + number, 0, len(frame), len(frame)) + frame
    place.write_bytes(data)
    return place


def test_every_sender_is_judged_up_to_a_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(capture, "MOST_SENDERS", 2)
    judge_capture(written(tmp_path / "x.pcap", 3), role=None, mac=None, out=tmp_path / "out")
    note = "judged are 2 of its 3 senders (lldp-agent); name others with --mac"
    assert note in capsys.readouterr().err
    (report,) = store.collect([tmp_path / "out"])
    assert len({each.parameters["sender"] for each in report.outcomes}) == 2
    assert all(note in each.notes for each in report.outcomes)


def test_the_time_grows_with_the_senders(tmp_path: Path) -> None:
    def taken(senders: int) -> float:
        file = written(tmp_path / "x.pcap", senders)
        began = time.process_time()
        judge_capture(file, role=None, mac=None, out=None)
        return time.process_time() - began

    taken(1)
    assert taken(400) < 8 * taken(100) + 0.5
