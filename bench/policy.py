"""The family acl on `routed-64-acl`, both testbeds: wall time, and its probes a second (``python -m bench.policy``).

The ratio is to one process for each probe, of which a sample is taken in the same run; denied probes, which each such
process would wait for by itself, are counted as if they were answered at once.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

from bench.probes import endpoints, listening, processes
from conformance.lab.sandbox import sandbox
from conformance.recording.model import Matrix
from conformance.recording.store import find, load

PROFILE: Final = "routed-64-acl"


def sampled(place: Path) -> int:
    """Write down how many processes of one probe run in a second; inside a sandbox."""
    with ExitStack() as resources:
        namespaces = endpoints(resources)
        listening(namespaces, resources)
        tool, rate = processes(namespaces)
    place.write_text(f"{tool} {rate}")
    return 0


def cells(matrix: Matrix) -> int:
    """Probes of one mesh."""
    size = len(matrix.names)
    return len(matrix.protocols) * len(matrix.ports) * size * (size - 1)


def main() -> int:
    """Print wall time, probes a second and the ratio."""
    with tempfile.TemporaryDirectory() as folder:
        scratch, said, out = Path(folder, "scratch"), Path(folder, "said"), Path(folder, "run")
        scratch.mkdir()
        pid = sandbox.spawn(partial(sampled, said), scratch=scratch)
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
            return 1
        tool, rate = said.read_text().split()
        begin = time.perf_counter()
        command = [sys.executable, "-m", "conformance", "run", PROFILE, "--only", "acl", "--out", str(out)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        wall = time.perf_counter() - begin
        if done.returncode != 0:
            print(done.stdout[-2000:], done.stderr[-2000:])
            return 1
        for recording in map(load, find(out)):
            meshes = recording.record.matrices
            probes = sum(map(cells, meshes))
            seconds = (meshes[0].end_ns - meshes[0].start_ns) / 1e9
            print(
                f"{recording.record.testbed.name}: {probes:,} probes, most of them denied, in {seconds:.1f} s: "
                f"{probes / seconds:,.0f} a second, {probes / seconds / float(rate):.0f} times one process ({tool}) "
                f"for each; load {recording.record.load[0]:.1f}"
            )
    print(f"family acl on {PROFILE}, both testbeds: {wall:.1f} s (wanted under 20 s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
