"""Spanning trees in a capture from the field: the form of BPDUs, and how often a bridge that says how often sends."""

from __future__ import annotations

from collections import defaultdict

from conformance import limits
from conformance.judging.captured import FieldFrame, require_times, sent_frames, without_copies
from conformance.judging.case import Case
from conformance.judging.timing import intervals, median
from conformance.protocols.stp import frames as stp
from conformance.protocols.stp.frames import Bpdu

GROUPS = (stp.GROUP, stp.PROVIDER_GROUP)
"""Where BPDUs go: a capture does not say whether the bridge is a customer's or a provider's."""
LEAST = 6
"""BPDUs of one port below which its pace is not judged."""
COPIES = 2_000_000
"""Nanoseconds within which an equal BPDU is a copy that a mirror made: a port sends none so soon after another."""


def bpdu_format_captured(case: Case) -> None:
    """BPDUs of one sender in a capture are as the standard draws them."""
    for one in sent_frames(case):
        if stp.is_meant(one.data, one.link):
            wrong = stp.defects(one.data, one.link, GROUPS)
            case.expect(
                not wrong, expected="every BPDU is as the standard draws it", seen=", ".join(wrong), frames=[one.number]
            )


def hello_captured(case: Case) -> None:
    """A designated port that announces a Hello Time sends at it; a capture that lacks frames shows too few as well, so
    that only a pace which others would take for the loss of the port is held against it."""
    require_times(case)
    for port, listed in _designated(case).items():
        hello = median(bpdu.hello for _, bpdu in listed)
        gaps = intervals(one.time_ns for one, _ in listed)
        if len(listed) < LEAST or not hello:
            continue
        usual, least = median(gaps), min(gaps)
        numbers = [one.number for one, _ in listed]
        if least > limits.STP_LOST * hello:
            case.expect(
                False,
                expected=f"BPDUs leave every {hello:g} s, as they say themselves",
                seen=f"port {port:#06x}: {len(listed)} BPDUs, usually {usual:.1f} s apart, never less than {least:.1f}",
                frames=numbers,
            )
        elif usual <= 1.5 * hello:
            case.expect(True, expected=f"BPDUs leave every {hello:g} s", seen=f"port {port:#06x}", frames=numbers)


def _designated(case: Case) -> dict[int, list[tuple[FieldFrame, Bpdu]]]:
    """BPDUs that a bridge sends by its own timer, by port: of a designated port, under version 0 of the root."""
    found: dict[int, list[tuple[FieldFrame, Bpdu]]] = defaultdict(list)
    for one in without_copies(sent_frames(case), COPIES):
        bpdu = stp.parse(one.data, one.link)
        if bpdu is None or bpdu.type == stp.TOPOLOGY_CHANGE_NOTIFICATION:
            continue
        if bpdu.role == stp.DESIGNATED if bpdu.type == stp.RAPID else bpdu.root == bpdu.bridge:
            found[bpdu.port].append((one, bpdu))
    return found
