"""LACP in a capture from the field: the form of PDUs, and what the frames of one cable contradict by themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from conformance import limits
from conformance.families.lacp.evidence import is_lacp
from conformance.judging.captured import FieldFrame, all_frames, require_times, sent_frames, without_copies
from conformance.judging.case import Case
from conformance.judging.timing import SECOND, busiest
from conformance.protocols import envelope, ethertypes
from conformance.protocols.lacp import frames as lacp
from conformance.protocols.lacp.frames import Lacpdu, Participant, State

COPIES = 2_000_000
"""Nanoseconds within which an equal LACPDU is a copy that a mirror made."""
SETTLED = int(limits.LACP_EXPIRED * SECOND)
"""How long a partner is heard, in ns, before it must be repeated: three fast periods, after which a participant that
hears nobody says so (§6.4.4, Short_Timeout_Time)."""
Identity = tuple[int, str, int, int, int]
Said = tuple[FieldFrame, Lacpdu]


def pdu_format_captured(case: Case) -> None:
    """LACPDUs of one sender in a capture are as the standard draws them."""
    for one in sent_frames(case):
        if _slow(one) and is_lacp(one.data, one.link):
            wrong = lacp.defects(one.data, one.link)
            case.expect(
                not wrong,
                expected="every LACPDU is as drawn in the standard",
                seen=", ".join(wrong),
                frames=[one.number],
            )


def marker_captured(case: Case) -> None:
    """Marker PDUs of one sender in a capture are as drawn; that one is answered is shown in a lab."""
    for one in sent_frames(case):
        if _slow(one) and lacp.subtype(one.data, one.link) == lacp.MARKER:
            wrong = lacp.marker_defects(one.data, one.link)
            expected = "every Marker PDU is as drawn in the standard"
            if wrong:
                case.expect(False, expected=expected, seen=", ".join(wrong), frames=[one.number])


def rate_captured(case: Case) -> None:
    """No more than three LACPDUs of a port leave in any second; that they leave as often as the partner asks is shown
    in a lab, since a capture may lack some."""
    require_times(case)
    for port, said in _by_port(_said(without_copies(sent_frames(case), COPIES))).items():
        most = busiest((one.time_ns for one, _ in said), limits.LACP_SECOND)
        if most > limits.LACP_PER_SECOND:
            case.expect(
                False,
                expected="at most three LACPDUs leave in any second",
                seen=f"port {port}: {most}",
                frames=[one.number for one, _ in said],
            )


def partner_echoed_captured(case: Case) -> None:
    """A participant that is heard by its partner, and says that it hears one, repeats what that one says of itself.

    Decided where one partner names the sender, and whom the sender names instead is never heard on the cable.
    """
    require_times(case)
    every = _said(all_frames(case))
    mine = {port.mac for port in case.recording.record.ports}
    speakers = {pdu.actor.identity for _, pdu in every}
    for port, said in _by_port(one for one in every if one[1].source in mine).items():
        own = said[0][1].actor.identity
        heard = [one for one in every if one[1].source not in mine and one[1].partner.identity == own]
        others = {pdu.actor.identity for _, pdu in heard}
        if len(others) != 1 or len({one.time_ns for one, _ in heard}) < limits.LACP_PER_SECOND:
            continue
        since = heard[0][0].time_ns + SETTLED
        late = [one for one in said if since < one[0].time_ns <= heard[-1][0].time_ns + SETTLED]
        wrong = [one for one in late if _names(one[1], others, speakers)]
        if late and len(wrong) == len(late):
            case.expect(
                False,
                expected="the partner fields are what the partner said",
                seen=f"port {port}: names {_words(late[-1][1].partner)}, and hears {_words(heard[-1][1].actor)}",
                frames=[heard[0][0].number, *(one.number for one, _ in late)],
            )
        elif late and all(pdu.partner.identity in others for _, pdu in late):
            case.expect(True, expected="the partner fields are what the partner said", seen=f"port {port}")


def _names(pdu: Lacpdu, others: set[Identity], speakers: set[Identity]) -> bool:
    """Whether a LACPDU names a partner that it says to hear, and that is not there."""
    hears = not pdu.actor.state & (State.DEFAULTED | State.EXPIRED)
    return hears and pdu.partner.identity not in others and pdu.partner.identity not in speakers


def _words(who: Participant) -> str:
    return f"port {who.port} of {who.system}"


def _slow(one: FieldFrame) -> bool:
    return envelope.read(one.data, one.link).ethertype == ethertypes.SLOW_PROTOCOLS


def _said(frames: Iterable[FieldFrame]) -> list[Said]:
    parsed = ((one, lacp.lacpdu(one.data, one.link)) for one in frames)
    return [(one, pdu) for one, pdu in parsed if pdu is not None]


def _by_port(said: Iterable[Said]) -> dict[int, list[Said]]:
    """LACPDUs of one sender by the port that sent them."""
    found: dict[int, list[Said]] = defaultdict(list)
    for one, pdu in said:
        found[pdu.actor.port].append((one, pdu))
    return found
