"""The machine's NICs as a physical testbed names them, looked at before anything is moved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from conformance.lab.sandbox.custody import default_routes

INTERFACES: Final = Path("/sys/class/net")


def nic_lines(physical: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """For each NIC of a testbed one line, and why it cannot be lent ("" where it can)."""
    taken = default_routes()
    for port, nic in physical.items():
        problem = _problem(nic, nic in taken)
        yield f"{nic} leaves this machine and becomes {port}: {problem or f'present, free, {_state(nic)}'}", problem


def _problem(nic: str, routes: bool) -> str:
    place = INTERFACES / nic
    if not place.exists():
        there = ", ".join(sorted(path.name for path in INTERFACES.iterdir() if path.name != "lo")) or "none"
        return f"this machine has no such NIC; it has {there}"
    if (place / "master").exists():
        return f"it is a port of {(place / 'master').resolve().name}; take it out first"
    if nic == "lo" or routes:
        return "it carries this machine's own traffic (loopback, or a default route)"
    return ""


def _state(nic: str) -> str:
    """Whether its cable carries, as the kernel says."""
    try:
        state = (INTERFACES / nic / "operstate").read_text().strip()
    except OSError:
        state = "unknown"
    return {"up": "carrier", "down": "no carrier, or down"}.get(state, f"state {state}")
