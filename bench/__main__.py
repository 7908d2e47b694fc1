"""Every benchmark, one after the other, each in a process of its own: ``python -m bench [NAME ...]``."""

from __future__ import annotations

import subprocess
import sys
import time

NAMES = (
    "startup", "labsetup", "capture", "indexing", "probes", "policy", "judging", "field", "links", "page", "kernel",
    "moves",
)  # fmt: skip


def main() -> int:
    """Run them; 1 if one of them failed."""
    failed = 0
    for name in sys.argv[1:] or NAMES:
        begin = time.perf_counter()
        print(f"--- {name}", flush=True)
        failed |= subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode != 0
        print(f"    ({time.perf_counter() - begin:.0f} s)", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
