"""Stability of verdicts: moves judged many times while all processors are busy: ``python -m bench.stability [N]``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROFILES = ("linux-mover", "linux-mover-silent")
FAMILY = "move"
TIMES = 20
SPIN = "while True: pass"


@contextmanager
def busy() -> Iterator[None]:
    """As many processes that do nothing, without rest, as there are processors."""
    spinning = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for one in spinning:
            one.kill()
            one.wait()


def rows(report: Path) -> Iterator[tuple[str, Counter[str]]]:
    """Each outcome of a report by what it is about, and how often it had which verdict."""
    outcomes: list[dict[str, Any]] = json.loads(report.read_text())["outcomes"]
    for outcome in outcomes:
        words = " ".join([outcome["requirement"], *map(str, outcome["parameters"].values())])
        yield words, Counter(attempt["verdict"] for attempt in outcome["attempts"])


def main() -> int:
    """Print the table; 1 where a verdict changed."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else TIMES
    changed = 0
    with tempfile.TemporaryDirectory() as folder, busy():
        begin = time.perf_counter()
        command = [sys.executable, "-m", "conformance", "run", *PROFILES, "--only", FAMILY, "--testbed", "same-subnet"]
        command += ["--repeat", str(times), "--out", str(Path(folder, "run"))]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        took = time.perf_counter() - begin
        if done.returncode not in (0, 1, 3):
            print(done.stdout[-2000:], done.stderr[-2000:])
            return 1
        for profile in PROFILES:
            print(profile)
            for words, verdicts in rows(Path(folder, "run", profile, "report.json")):
                changed += len(verdicts) > 1
                seen = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
                print(f"  {'CHANGED ' if len(verdicts) > 1 else ''}{words}: {seen}")
    print(f"{times} times each, all processors busy, {took:.0f} s: {changed} verdicts changed")
    return int(changed > 0)


if __name__ == "__main__":
    sys.exit(main())
