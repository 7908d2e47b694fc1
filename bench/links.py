"""One implementation, every link scenario that it has: wall time against the longest window that protocols ask for."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from conformance.recording.store import find, load
from conformance.scenarios.catalogue import SCENARIOS

PROFILES = ("linux-bridge", "reference-lacp")


def main() -> int:
    """Print, for each, when its recordings began and ended, the longest chain of waits among them, and the ratio."""
    for profile in PROFILES:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder, "run")
            command = [sys.executable, "-m", "conformance", "run", profile, "--testbed", "links", "--out", str(out)]
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            made = [load(path).record for path in find(out)] if out.is_dir() else []
        if not made:
            print(done.stdout[-2000:], done.stderr[-2000:])
            return 1
        wall = (max(one.finished_ns for one in made) - min(one.started_ns for one in made)) / 1e9
        waits = max(SCENARIOS[one.scenario].waits for one in made)
        names = ", ".join(sorted(one.scenario for one in made))
        print(f"{profile}: {names}: recorded in {wall:.1f} s, longest chain of waits {waits:.0f} s")
        print(f"{profile}: ratio {wall / waits:.2f} (wanted at most 1.3)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
