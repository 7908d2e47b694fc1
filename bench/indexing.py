"""Frames indexed per second: a synthetic capture of a million frames of mixed kinds, in memory."""

from __future__ import annotations

import io
import time

from conformance.protocols import ethertypes
from conformance.protocols.marker import mark
from conformance.recording.capture import FLAG_INBOUND, FLAG_OUTBOUND
from conformance.recording.index import FrameIndex
from conformance.recording.pcapng import Writer
from conformance.recording.reading import read

FRAMES = 1_000_000
TAPS = 12
ETHERNET = bytes.fromhex("00005e00530100005e005302")
V4 = bytes.fromhex("080045000038000140004011") + bytes(2) + bytes.fromhex("0a0000010a000002")
V6 = bytes.fromhex("86dd6000000000240640" + "20010db8" + "00" * 11 + "01" + "20010db8" + "00" * 11 + "02")
UDP = bytes.fromhex("8000003500240000")
TCP = bytes.fromhex("800101bb00000001000000025018ffff00000000")
VXLAN = bytes.fromhex("800212b5006000000800000000002a00")


def capture(frames: int = FRAMES) -> bytes:
    """A pcapng of `frames` frames: UDP over IPv4, TCP over IPv6, tagged UDP, UDP inside VXLAN, ARP; all in flows."""
    stream = io.BytesIO()
    writer = Writer(stream)
    for tap in range(TAPS):
        writer.interface(f"host{tap}:eth0")
    for number in range(frames):
        flow = mark(number + 1)
        udp = ETHERNET + V4 + UDP + flow
        match number % 8:
            case 0 | 1 | 2:
                frame = udp
            case 3 | 4:
                frame = ETHERNET + V6 + TCP + flow
            case 5:
                frame = ETHERNET + ethertypes.tag(5) + V4 + UDP + flow
            case 6:
                frame = ETHERNET + V4 + VXLAN + udp
            case _:
                frame = b"\xff" * 6 + ETHERNET[:6] + bytes.fromhex("0806000108000604000100005e005301") + bytes(16)
        writer.frame(number % TAPS, 10**18 + number * 1000, frame, flags=FLAG_OUTBOUND if number & 1 else FLAG_INBOUND)
    return stream.getvalue()


def main() -> None:
    """Print the rate of writing, reading and indexing (best of three)."""
    begin = time.perf_counter()
    data = capture()
    written = time.perf_counter() - begin
    reading, indexing = [], []
    for _ in range(3):
        begin = time.perf_counter()
        read(data)
        reading.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        index = FrameIndex(data)
        indexing.append(time.perf_counter() - begin)
    assert len(index.select(flow=0)) == FRAMES // 4
    assert len(index.select(inner_flow=0)) == FRAMES - FRAMES // 8
    print(f"frames                 {FRAMES:>12,}  ({len(data) / 2**20:.0f} MiB)")
    print(f"built and written      {FRAMES / written:>12,.0f} frames/s")
    print(f"blocks found           {FRAMES / min(reading):>12,.0f} frames/s")
    print(f"indexed (all included) {FRAMES / min(indexing):>12,.0f} frames/s")


if __name__ == "__main__":
    main()
