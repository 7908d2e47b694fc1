"""A capture from the field: a million frames with few of a link protocol among them, judged by the command."""

from __future__ import annotations

import resource
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from conformance.protocols import ethertypes
from conformance.protocols.lldp import frames as lldp

FRAMES = 1_000_000
EVERY = 5_000
SECONDS, MEGABYTES = 20.0, 500.0
SENDER = bytes.fromhex("00005e005311")


def write(path: Path) -> None:
    """A pcap file: datagrams of 120 to 1,000 bytes, and an LLDPDU now and then."""
    head = bytes.fromhex("00005e005301") + bytes.fromhex("00005e005302") + ethertypes.octets(ethertypes.IPV4)
    others = [head + bytes(size) for size in (106, 256, 506, 986)]
    pdu = lldp.frame_of(SENDER, lldp.mandatory(*lldp.local_ids("switch", "port 7"), 121))
    record = struct.Struct("<IIII")
    with path.open("wb") as stream:
        stream.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for number in range(FRAMES):
            frame = pdu if number % EVERY == 0 else others[number & 3]
            stream.write(record.pack(1_000_000_000 + number // 1000, number % 1000 * 1000, len(frame), len(frame)))
            stream.write(frame)


def main() -> int:
    """Print frames, bytes, seconds and memory; 1 where the limits are not kept."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "field.pcap")
        write(path)
        size = path.stat().st_size / 1e6
        begin = time.perf_counter()
        command = [sys.executable, "-m", "conformance", "judge", "--capture", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        taken = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"field: {FRAMES} frames, {size:.0f} MB, judged in {taken:.1f} s (wanted under {SECONDS:.0f} s)")
    print(f"peak memory {peak:.0f} MB (wanted under {MEGABYTES:.0f} MB), exit code {done.returncode}")
    return int(done.returncode != 3 or taken > SECONDS or peak > MEGABYTES)


if __name__ == "__main__":
    sys.exit(main())
