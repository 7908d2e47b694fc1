"""Moves in a capture from the field: what can be said of them without knowing what moved."""

from __future__ import annotations

from conformance.judging.captured import sent_frames
from conformance.judging.case import Case
from conformance.protocols import ethertypes


def no_rarp_captured(case: Case) -> None:
    """No RARP was sent; that none was cannot be known of a capture, only that one was."""
    index = case.recording.frames
    sent = [number for number, _ in sent_frames(case) if index.ethertype[number - 1] == ethertypes.RARP]
    case.require(sent, "no RARP is in the capture; that none was sent is shown in a lab alone")
    case.expect(not sent, expected="no RARP is sent", seen=f"{len(sent)} frames of it", frames=sent)
