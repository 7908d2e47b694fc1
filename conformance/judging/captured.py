"""What is decided otherwise on a capture from the field than in a lab: by the frames of one sender alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from conformance.judging.case import Case
from conformance.protocols.lacp import frames as lacp
from conformance.protocols.stp import frames as stp

RARP: Final = 0x8035


def _frames(case: Case) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of every frame that the sender sent."""
    index = case.recording.frames
    for port in case.recording.record.ports:
        tap = case.tap(port.partner)
        for row, frame in index.frames(index.select(tap=tap.number, source_mac=port.mac)):
            yield row + 1, frame


def lacp_format(case: Case) -> None:
    """LACPDUs are as the standard draws them."""
    for number, frame in _frames(case):
        if lacp.subtype(frame) == lacp.LACP:
            wrong = lacp.defects(frame)
            case.expect(
                not wrong, expected="every LACPDU is as drawn in the standard", seen=", ".join(wrong), frames=[number]
            )


def bpdu_format(case: Case) -> None:
    """BPDUs are as the standard draws them."""
    for number, frame in _frames(case):
        if stp.parse(frame) is not None:
            wrong = stp.defects(frame)
            case.expect(
                not wrong, expected="every BPDU is as the standard draws it", seen=", ".join(wrong), frames=[number]
            )


def no_rarp(case: Case) -> None:
    """RARP was sent; that none was cannot be known of a capture."""
    index = case.recording.frames
    sent = [number for number, _ in _frames(case) if index.ethertype[number - 1] == RARP]
    case.require(sent, "no RARP is in the capture; that none was sent is shown in a lab alone")
    case.expect(not sent, expected="no RARP is sent", seen=f"{len(sent)} frames of it", frames=sent)


DECIDED: Final[Mapping[str, Callable[[Case], None]]] = MappingProxyType(
    {"lacp.pdu-format": lacp_format, "stp.bpdu-format": bpdu_format, "move.no-rarp": no_rarp}
)
"""By the id of the requirement."""
