"""Moves: all kernel movers together against the longest required window, and one mover with all its attempts."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from conformance.family import scenarios
from conformance.limits import MOVE_WINDOW

MOVERS = ("linux-mover", "linux-mover-silent", "linux-overlay-mover")
WANTED = 20.0
"""Seconds that one mover may take with all its attempts."""


def wall(*profiles: str) -> float:
    """Seconds that a run of the family takes. Raises RuntimeError where it ends with an error of ours."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        command = [sys.executable, "-m", "conformance", "run", *profiles, "--only", "move", "--testbed", "same-subnet"]
        done = subprocess.run(
            [*command, "--out", str(Path(folder, "run"))], check=False, capture_output=True, text=True
        )
        if done.returncode not in (0, 1, 3):
            raise RuntimeError(done.stderr[-2000:])
        return time.perf_counter() - begin


def main() -> int:
    """Print both figures with what they are bounded by."""
    waits = scenarios()["move"].waits
    together = wall(*MOVERS)
    print(f"all kernel movers together: wall {together:.1f} s")
    print(f"longest required window {MOVE_WINDOW:.1f} s: {together / MOVE_WINDOW:.2f} times that")
    print(f"longest chain of waits {waits:.1f} s: {together / waits:.2f} times that")
    alone = wall(MOVERS[0])
    print(f"{MOVERS[0]} alone, 9 silent and 3 talking attempts: wall {alone:.1f} s (wanted under {WANTED:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
