"""Time that the light commands take to start: ``plugfest --help`` and ``plugfest list``, each as a whole process."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 7
COMMANDS = (("--help",), ("list", "profiles"), ("list", "requirements"))


def main() -> int:
    """Print the median of each, beside a bare interpreter's."""
    bare = _median([sys.executable, "-c", "pass"])
    print(f"bare interpreter: {bare:.3f} s")
    for command in COMMANDS:
        taken = _median([sys.executable, "-m", "conformance", *command])
        figures = f"{taken:.3f} s (median of {RUNS}, wanted under 0.35 s), {taken / bare:.1f} x bare"
        print(f"plugfest {' '.join(command)}: {figures}")
    return 0


def _median(command: list[str]) -> float:
    figures = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        figures.append(time.perf_counter() - begin)
    return statistics.median(figures)


if __name__ == "__main__":
    sys.exit(main())
