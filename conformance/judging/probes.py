"""Probes: whether an implementation does what its profile does not claim, seen in a recording of something else."""

from __future__ import annotations

from conformance.family import features, scenarios
from conformance.protocols.mac import mac_number
from conformance.recording.store import Recording


def shown(recording: Recording, feature: str) -> str | None:
    """Where a recording shows what a feature stands for, in words; None where it does not."""
    known = features()[feature]
    return None if known.ethertype is None else sender(recording, known.ethertype, known.protocol)


def probed(feature: str) -> bool:
    """Whether frames would show that an implementation has a feature."""
    return features()[feature].ethertype is not None


def probed_in() -> list[str]:
    """The scenarios whose recordings would show it, the best first; the first that was recorded is looked at."""
    ranked = [one for one in scenarios().values() if one.shows]
    return [one.name for one in sorted(ranked, key=lambda one: one.shows)]


def sender(recording: Recording, ethertype: int, name: str) -> str | None:
    """Where a frame of that EtherType left the implementation, in words; None where none did. What the suite's own
    partners sent does not count, wherever it went."""
    frames, record = recording.frames, recording.record
    ours = {mac_number(port.partner_mac) for port in record.ports}
    partners = {tap.number for tap in record.taps if tap.role == "partner"}
    own = {tap.number for tap in record.taps if tap.role in ("uplink", "port", "inside", "endpoint")}
    for row in frames.select(ethertype=ethertype).tolist():
        tap, leaves = int(frames.tap[row]), bool(frames.outbound[row])
        sent = (tap in own and leaves) or (tap in partners and not leaves)
        if sent and int(frames.source_mac[row]) not in ours:
            return f"{frames.taps[tap]} shows a frame of {name} that it sent (frame {row + 1})"
    return None
