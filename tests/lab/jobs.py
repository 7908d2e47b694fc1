"""Jobs that the sandbox tests run inside."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any


def look(scratch: Path) -> dict[str, Any]:
    """Return what a sandbox shows of itself."""
    return {
        "pid": os.getpid(),
        "uid": os.geteuid(),
        "interfaces": sorted(name for _, name in socket.if_nameindex()),
        "scratch_is_mount": os.path.ismount(scratch),
        "processes": sum(path.name.isdigit() for path in Path("/proc").iterdir()),
    }


def refuse(scratch: Path) -> None:
    """Raise."""
    raise ValueError("no")


def settle(scratch: Path, ready: str) -> None:
    """Make a lab with everything that could be left behind, say so, and wait for ever."""
    from conformance.lab.lab import Lab
    from conformance.testbed import load

    lab = Lab(load("same-subnet"), scratch / "lab")
    lab.hosts["h1"].start(["sleep", "100000"], log="sleeper")
    (scratch / "half-written").write_text("x")
    Path(ready).write_text("ready")
    lab.hosts["h1"].run(["sleep", "100000"], timeout=100000)
