"""LACP on the wire: what a participant sends, repeats, grants and withholds while its partners behave in many ways."""

from __future__ import annotations

from dataclasses import replace

from conformance import limits
from conformance.families.lacp.checks_captured import (
    marker_captured,
    partner_echoed_captured,
    pdu_format_captured,
    rate_captured,
)
from conformance.families.lacp.evidence import Pdu, came_up, markers, meant, pdus
from conformance.judging.case import Case
from conformance.judging.groups import arrivals, ports_of
from conformance.judging.register import check
from conformance.judging.timing import SECOND, busiest, intervals, median, slack
from conformance.protocols.lacp import frames as lacp
from conformance.protocols.lacp.frames import State
from conformance.recording.events.aggregation import (
    LongTimeoutAsked,
    MalformedSent,
    MarkerSent,
    PartnerChanged,
    PartnerSpeaks,
    ShortTimeoutAsked,
)
from conformance.recording.model import PortState, Window

GROUPS = ("sound", "hushed", "stepwise", "mixed", "itself", "asked", "slow", "changing", "abused", "mute")


def _all_ports(case: Case) -> list[PortState]:
    return [port for group in GROUPS for port in ports_of(case, group)]


def _span(window: Window) -> tuple[int, int]:
    return window.start_ns, window.end_ns


def _around(moment: int) -> tuple[int, int]:
    """A moment and the seconds after it in which an answer is due."""
    return moment, moment + _margin(limits.LACP_ECHO)


def _margin(seconds: float) -> int:
    return int(seconds * SECOND)


@check("lacp.pdu-format", scenario="lacp", captures=pdu_format_captured)
def test_pdu_format(case: Case) -> None:
    """LACPDUs go to the Slow Protocols address, with their TLVs of the right type and length, 110 octets of payload."""
    for port in _all_ports(case):
        for number, frame in meant(case, port):
            wrong = lacp.defects(frame)
            case.expect(
                not wrong,
                expected="every LACPDU is as drawn in the standard",
                seen=f"{port.name}: {', '.join(wrong)}",
                frames=[number],
            )
        for one in pdus(case, port):
            if port.mac and one.pdu.source != port.mac:
                case.note(f"{port.name} sends from {one.pdu.source}, the interface has {port.mac}")


@check("lacp.active-speaks", scenario="lacp")
def test_active_speaks(case: Case) -> None:
    """An active participant sends LACPDUs without having heard any."""
    case.window("mute")
    for port in ports_of(case, "mute"):
        sent = pdus(case, port)
        case.expect(sent, expected="an active port speaks without being spoken to", seen=f"{port.name} sent nothing")


@check("lacp.passive-answers", scenario="lacp")
def test_passive_answers(case: Case) -> None:
    """A passive participant sends nothing until it hears a LACPDU, and answers then."""
    window = case.window("unasked")
    asked = case.the(PartnerSpeaks, where="asked")
    for port in ports_of(case, "asked"):
        early = pdus(case, port, between=(0, window.end_ns))
        case.expect(
            not early,
            expected="a passive port is silent while nobody speaks to it",
            seen=f"{port.name}: {len(early)} LACPDUs unasked",
            frames=[one.number for one in early],
        )
        until = asked.time_ns + _margin(limits.LACP_FAST + limits.LACP_MARGIN + slack(case, _around(asked.time_ns)))
        answers = pdus(case, port, between=(asked.time_ns, until))
        case.expect(
            answers,
            expected="a passive port answers a LACPDU within a fast period",
            seen=f"{port.name}: no LACPDU within {limits.LACP_FAST + limits.LACP_MARGIN:g} s",
        )


@check("lacp.partner-echoed", scenario="lacp", captures=partner_echoed_captured)
def test_partner_is_echoed(case: Case) -> None:
    """The partner fields repeat what the partner last said of itself; of nobody, they are the defaults, and marked."""
    for port in ports_of(case, "changing"):
        told, heard = pdus(case, port, ours=True), pdus(case, port)
        for change in case.all(PartnerChanged):
            fresh = [one for one in told if one.time_ns >= change.time_ns][:1]
            case.require(fresh, f"{port.name}: the change of {change.what} was never sent")
            _expect_echo(case, port, fresh[0], heard, change.what)
    for port in ports_of(case, "mute"):
        window = case.window("mute")
        last = pdus(case, port, between=(window.end_ns - _margin(limits.LACP_MARGIN * 2), window.end_ns))[-1:]
        for one in last:
            case.expect(
                State.DEFAULTED in one.pdu.actor.state,
                expected="who has heard nobody says that it uses the default partner",
                seen=f"{port.name}: state {one.pdu.actor.state.words()}",
                frames=[one.number],
            )


def _expect_echo(case: Case, port: PortState, told: Pdu, heard: list[Pdu], what: str) -> None:
    until = told.time_ns + _margin(limits.LACP_FAST + limits.LACP_MARGIN / 2 + slack(case, _around(told.time_ns)))
    after = [one for one in heard if told.time_ns < one.time_ns <= until]
    case.expect(
        any(one.pdu.partner.identity == told.pdu.actor.identity for one in after),
        expected="within a fast period the partner fields are what the partner said",
        seen=f"{port.name}: the new {what} is not repeated in {len(after)} LACPDUs",
        frames=[told.number, *(one.number for one in after)],
    )


@check("lacp.rate-follows-partner", scenario="lacp", captures=rate_captured)
def test_rate_follows_the_partner(case: Case) -> None:
    """LACPDUs leave every second where the partner asks for the short timeout, else every 30 s; no more than three in
    any second."""
    came_up(case, "sound")
    steady = _span(case.window("steady"))
    for port in ports_of(case, "sound"):
        _expect_fast(case, port, steady)
    slow_at, fast_at = case.the(LongTimeoutAsked, where="slow"), case.the(ShortTimeoutAsked, where="slow")
    for port in ports_of(case, "slow"):
        _expect_slow(case, port, (slow_at.time_ns, fast_at.time_ns))
        turned = fast_at.time_ns + _margin(limits.LACP_FAST)
        _expect_fast(case, port, (turned, turned + _margin(limits.LACP_STEADY - limits.LACP_FAST)))
    for port in _all_ports(case):
        sent = pdus(case, port)
        most = busiest((one.time_ns for one in sent), max(limits.SECOND_LEAST, limits.LACP_SECOND - slack(case)))
        case.expect(
            most <= limits.LACP_PER_SECOND,
            expected="at most three LACPDUs leave in any second",
            seen=f"{port.name}: {most}",
        )


def _expect_fast(case: Case, port: PortState, between: tuple[int, int]) -> None:
    sent = pdus(case, port, between=between)
    gaps = intervals(one.time_ns for one in sent)
    usual = median(gaps) if gaps else 0.0
    case.expect(
        abs(usual - limits.LACP_FAST) <= limits.LACP_UNEVEN + 2 * slack(case, between),
        expected="a partner that asks for the short timeout gets a LACPDU every second",
        seen=f"{port.name}: {len(sent)} LACPDUs, usually {usual:.2f} s apart",
        frames=[one.number for one in sent],
    )


def _expect_slow(case: Case, port: PortState, between: tuple[int, int]) -> None:
    sent = pdus(case, port, between=between)
    seconds = (between[1] - between[0]) / SECOND
    most = seconds / limits.LACP_SLOW_LEAST + 2  # the next one, and one for a change
    case.expect(
        len(sent) <= most,
        expected="a partner that asks for the long timeout gets a LACPDU every 30 s",
        seen=f"{port.name}: {len(sent)} LACPDUs in {seconds:.0f} s",
        frames=[one.number for one in sent],
    )
    if seconds > 2 * limits.LACP_SLOW_PERIOD:
        case.expect(
            sent,
            expected="a partner that asks for the long timeout gets a LACPDU every 30 s",
            seen=f"{port.name}: none in {seconds:.0f} s",
        )


@check("lacp.state-order", scenario="lacp")
def test_states_come_in_order(case: Case) -> None:
    """A port is synchronised first, collects only when its partner is synchronised too, and distributes only then."""
    for port in _all_ports(case):
        for one in pdus(case, port):
            mine, theirs = one.pdu.actor.state, one.pdu.partner.state
            if State.DEFAULTED in mine:
                if State.COLLECTING in mine:
                    case.note("ports that know nobody collect, as individual links")
                continue
            case.expect(
                _in_order(mine, theirs),
                expected="Collecting comes after both ends are synchronised, Distributing after Collecting",
                seen=f"{port.name}: {mine.words()}; of the partner it knows: {theirs.words()}",
                frames=[one.number],
            )


def _in_order(mine: State, theirs: State) -> bool:
    if State.DISTRIBUTING in mine and State.COLLECTING not in mine:
        return False
    both = State.SYNCHRONIZATION in mine and State.SYNCHRONIZATION in theirs
    return both or not mine & (State.COLLECTING | State.DISTRIBUTING)


@check("lacp.marker-answered", scenario="lacp", captures=marker_captured)
def test_marker_is_answered(case: Case) -> None:
    """A Marker PDU is answered by a Marker Response with the same requester fields."""
    came_up(case, "sound")
    asked = case.all(MarkerSent)
    case.require(asked, "no marker was sent")
    for port in ports_of(case, "sound"):
        for question in [one for one in asked if one.where == port.name]:
            until = question.time_ns + _margin(limits.MARKER_RESPONSE + slack(case, _around(question.time_ns)))
            sent = [one for one in markers(case, port, ours=True) if one.marker.transaction == question.transaction]
            case.require(sent, f"{port.name}: the marker is not on its cable")
            came = markers(case, port, between=(question.time_ns, until))
            due = sent[0].marker.response()
            answers = [one for one in came if replace(one.marker, source="") == replace(due, source="")]
            case.expect(
                answers,
                expected="a marker is answered within a second, with its own fields",
                seen=f"{port.name}: {len(came)} Marker PDUs came back" + (", with other fields" if came else ""),
                frames=[one.number for one in (sent[0], *came)],
            )
            for one in answers:
                wrong = lacp.marker_defects(one.frame)
                case.expect(
                    not wrong,
                    expected="a Marker Response is as drawn in the standard",
                    seen=f"{port.name}: {', '.join(wrong)}",
                    frames=[one.number],
                )


@check("lacp.malformed-survived", scenario="lacp")
def test_malformed_pdus_do_no_harm(case: Case) -> None:
    """Malformed and over-long LACPDUs neither stop the agent nor take the group down."""
    came_up(case, "abused")
    window = case.window("abused")
    after = case.the(MalformedSent, where="abused")
    ports = ports_of(case, "abused")
    for port in ports:
        told = [one for one in pdus(case, port, ours=True) if one.time_ns >= after.time_ns]
        case.require(told, f"{port.name}: the partner did not speak after the malformed LACPDUs")
        last = pdus(case, port, between=_span(window))[-1:]
        case.expect(
            last
            and last[0].pdu.partner.identity == told[-1].pdu.actor.identity
            and State.SYNCHRONIZATION in last[0].pdu.actor.state,
            expected="after malformed LACPDUs the agent still repeats its partner, and is synchronised",
            seen=f"{port.name}: " + (f"state {last[0].pdu.actor.state.words()}" if last else "no LACPDU any more"),
            frames=[one.number for one in last],
        )
    carried = [one for port in ports for one in arrivals(case, port, between=_span(window))]
    case.expect(carried, expected="after malformed LACPDUs the group still carries data", seen="no data left it")
