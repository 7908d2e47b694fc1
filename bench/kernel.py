"""The five kernel-only profiles, every scenario, both testbeds: wall time against what it is bounded by."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from conformance.family import scenarios

RECORDED = ("reachability", "idle", "mtu", "discovery")
"""The scenarios of networks that nobody claims to move or to filter."""


def main() -> int:
    """Print wall time, half the processor time on two processors, the longest chain of waits, and the ratio."""
    with tempfile.TemporaryDirectory() as folder:
        begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "conformance", "run", "--matrix", "--out", str(Path(folder, "run"))]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        wall = time.perf_counter() - begin
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    if done.returncode != 0:
        print(done.stdout[-2000:], done.stderr[-2000:])
        return 1
    processors = os.cpu_count() or 1
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    waits = max(scenarios()[name].waits for name in RECORDED)
    bound = max(used / processors, waits)
    print(f"kernel-only set: wall {wall:.1f} s (wanted under 20 s)")
    print(f"processor time: {used:.1f} s, over {processors} processors {used / processors:.1f} s")
    print(f"longest chain of waits that protocols ask for: {waits:.1f} s")
    print(f"wall / larger of the two: {wall / bound:.2f} (wanted at most 1.5); recordings: {size / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
