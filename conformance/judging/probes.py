"""Probes: whether an implementation does what its profile does not claim, seen in a recording of something else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from conformance.recording.store import Recording

LLDP: Final = 0x88CC
"""EtherType of the Link Layer Discovery Protocol (IEEE 802.1AB-2016 §7.3)."""
SLOW_PROTOCOLS: Final = 0x8809
"""EtherType of the slow protocols, LACP and its markers among them (IEEE 802.3 annex 57A)."""

PROBED_IN: Final = ("discovery", "bridge", "stp", "lldp", "lacp", "reachability")
"""Scenarios whose recordings would show it, the best first; the first that was recorded is looked at."""


def _speaks(ethertype: int, name: str) -> Callable[[Recording], str | None]:
    def probe(recording: Recording) -> str | None:
        return sender(recording, ethertype, name)

    return probe


def sender(recording: Recording, ethertype: int, name: str) -> str | None:
    """Where a frame of that EtherType left the implementation, in words; None where none did. What the suite's own
    partners sent does not count, wherever it went."""
    frames, record = recording.frames, recording.record
    ours = {int(port.partner_mac.replace(":", ""), 16) for port in record.ports}
    partners = {tap.number for tap in record.taps if tap.role == "partner"}
    own = {tap.number for tap in record.taps if tap.role in ("uplink", "port", "inside", "endpoint")}
    for row in frames.select(ethertype=ethertype).tolist():
        tap, leaves = int(frames.tap[row]), bool(frames.outbound[row])
        sent = (tap in own and leaves) or (tap in partners and not leaves)
        if sent and int(frames.source_mac[row]) not in ours:
            return f"{frames.taps[tap]} shows a frame of {name} that it sent (frame {row + 1})"
    return None


PROBES: Final[Mapping[str, Callable[[Recording], str | None]]] = MappingProxyType(
    {"lldp": _speaks(LLDP, "LLDP"), "lacp": _speaks(SLOW_PROTOCOLS, "LACP")}
)
"""By the feature that the profile does not claim."""
