"""LACP and the traffic that it governs: which links carry it, from when, until when, and in which order."""

from __future__ import annotations

from conformance import limits
from conformance.families.lacp.evidence import came_up, pdus, tardiness
from conformance.judging.case import Case
from conformance.judging.groups import arrivals, ports_of
from conformance.judging.register import check
from conformance.judging.timing import SECOND, slack
from conformance.protocols.lacp.frames import State
from conformance.recording.events.aggregation import (
    LinkLost,
    OwnSystemClaimed,
    PartnerInStep,
    PartnerReady,
    PartnerSilent,
)
from conformance.recording.events.links import Carrier
from conformance.recording.model import PortState, Window

STATE = State.SYNCHRONIZATION | State.DISTRIBUTING | State.DEFAULTED
CARRYING = State.SYNCHRONIZATION | State.DISTRIBUTING
"""Of a port in its aggregator, which knows its partner; Distributing alone is a matter of `lacp.state-order`."""


def _span(window: Window) -> tuple[int, int]:
    return window.start_ns, window.end_ns


def _margin(seconds: float) -> int:
    return int(seconds * SECOND)


@check("lacp.expiry", scenario="lacp")
def test_silence_drops_the_port(case: Case) -> None:
    """Without LACPDUs the port expires after three periods, defaults after three more seconds, and sends no data."""
    _expect_expiry(case, "hushed")
    if case.recording.record.variant == "thorough":
        _expect_expiry(case, "patient")


def _expect_expiry(case: Case, group: str) -> None:
    came_up(case, group)
    window = case.window(group)
    ports = ports_of(case, group)
    data = {port.name: arrivals(case, port) for port in ports}
    mute = case.the(PartnerSilent, where=group)
    timeout = mute.timeout
    case.require(
        any(one.time_ns < mute.time_ns for sent in data.values() for one in sent),
        "no data left the group before the silence",
    )
    for port in ports:
        spoken = pdus(case, port, ours=True, between=(0, window.start_ns))
        case.require(spoken, f"{port.name}: the partner never spoke")
        silent = spoken[-1].time_ns
        _expect_states(case, port, timeout, silent, window.end_ns)
        late_by = max(slack(case, (silent, window.end_ns)), _tardy(case, (silent, window.end_ns)))
        gone = silent + _margin(timeout + limits.LACP_MARGIN + late_by)
        late = [one for one in data[port.name] if gone < one.time_ns < window.end_ns]
        case.expect(
            not late,
            expected="a port whose partner fell silent sends no data",
            seen=f"{port.name}: {len(late)} frames, the last {(late[-1].time_ns - silent) / SECOND:.1f} s after"
            if late
            else "",
            frames=[one.number for one in late],
        )


def _expect_states(case: Case, port: PortState, timeout: float, silent: int, end: int) -> None:
    """Expired after the timeout, Defaulted three seconds later, each told of within a period."""
    after = pdus(case, port, between=(silent, end))
    late = max(2 * slack(case, (silent, end)), _tardy(case, (silent, end)))
    for bit, due in ((State.EXPIRED, timeout), (State.DEFAULTED, timeout + limits.LACP_DEFAULTED)):
        told = [one for one in after if bit in one.pdu.actor.state]
        took = (told[0].time_ns - silent) / SECOND if told else 0.0
        case.expect(
            told and due - limits.LACP_HALF <= took <= due + limits.LACP_FAST + limits.LACP_HALF + late,
            expected=f"a port whose partner fell silent says so: {str(bit.name).lower()} after {due:g} s",
            seen=f"{port.name}: " + (f"after {took:.1f} s" if told else "never"),
            frames=[one.number for one in told[:1]],
        )


def _tardy(case: Case, between: tuple[int, int]) -> float:
    """How late the implementation's LACPDUs were meanwhile, on a busy machine, in a group that is not left alone."""
    return tardiness(case, ports_of(case, "changing"), between, limits.LACP_FAST)


@check("lacp.no-early-data", scenario="lacp")
def test_no_data_before_the_partner_is_ready(case: Case) -> None:
    """No data is sent while the partner is not synchronised."""
    window = case.window("out-of-step")
    granted, step = case.the(PartnerReady, where="stepwise"), case.the(PartnerInStep, where="stepwise")
    ports = ports_of(case, "stepwise")
    case.require(
        any(arrivals(case, port, between=(granted.time_ns, 2**62)) for port in ports),
        "no data left the group even when the partner was ready",
    )
    for port in ports:
        early = arrivals(case, port, between=(0, window.end_ns))
        case.expect(
            not early,
            expected="no data leaves a port whose partner is not synchronised",
            seen=f"{port.name}: {len(early)} frames",
            frames=[one.number for one in early],
        )
        if arrivals(case, port, between=(step.time_ns + _margin(limits.LACP_HALF), granted.time_ns)):
            case.note("data goes to a synchronised partner before it collects, as coupled control allows")


@check("lacp.selection", scenario="lacp")
def test_one_partner_for_one_group(case: Case) -> None:
    """Ports with different partner systems or keys never carry one group's traffic together."""
    _expect_one(case, "mixed", most=1, what="ports that see different partners")


@check("lacp.own-system", scenario="lacp")
def test_own_system_is_kept_out(case: Case) -> None:
    """A port that hears its own system, as over a loop, carries no traffic."""
    case.the(OwnSystemClaimed, where="itself", otherwise="the implementation's system id was not heard")
    _expect_one(case, "itself", most=0, what="ports that hear their own system")


def _expect_one(case: Case, group: str, *, most: int, what: str) -> None:
    window = case.window(group)
    came_up(case, "sound")
    case.require(
        any(arrivals(case, port, between=_span(window)) for port in ports_of(case, "sound")),
        "no data left the sound group meanwhile",
    )
    carrying, frames = [], []
    for port in ports_of(case, group):
        sent = arrivals(case, port, between=_span(window))
        claimed = [one for one in pdus(case, port, between=_span(window)) if one.pdu.actor.state & STATE == CARRYING]
        if sent or claimed:
            carrying.append(port.name)
            frames += [*(one.number for one in sent[:1]), *(one.number for one in claimed[:1])]
    case.expect(
        len(carrying) <= most,
        expected=f"of {what} {'at most one carries' if most else 'none carries'} traffic",
        seen=f"{', '.join(carrying) or 'none'} distribute or say so",
        frames=frames,
    )


@check("lacp.conversation-order", scenario="lacp")
def test_conversations_stay_in_order(case: Case) -> None:
    """The frames of one conversation leave by one link, in order, once."""
    came_up(case, "sound")
    span = _span(case.window("steady"))
    ways: dict[int, dict[str, list[int]]] = {}
    shown: dict[int, list[int]] = {}
    for port in ports_of(case, "sound"):
        for one in arrivals(case, port, between=span):
            ways.setdefault(one.what.conversation, {}).setdefault(port.name, []).append(one.what.number)
            shown.setdefault(one.what.conversation, []).append(one.number)
    case.require(ways, "no data left the sound group")
    for conversation, links in sorted(ways.items()):
        numbers = [number for sent in links.values() for number in sent]
        in_order = all(sent == sorted(sent) for sent in links.values())
        once = len(set(numbers)) == len(numbers)
        case.expect(
            len(links) == 1 and in_order and once,
            expected="a conversation leaves by one link, in order, each frame once",
            seen=f"conversation {conversation}: over {', '.join(sorted(links))}"
            + ("" if in_order else ", out of order")
            + ("" if once else ", some frames twice"),
            frames=sorted(shown[conversation]),
        )


@check("lacp.link-loss", scenario="lacp")
def test_link_loss_moves_traffic(case: Case) -> None:
    """How long the traffic of a lost link is away: from its last frame there to its first one elsewhere."""
    came_up(case, "sound")
    name = case.the(LinkLost, where="sound").port
    lost = next(port for port in ports_of(case, "sound") if port.name == name)
    other = next(port for port in ports_of(case, "sound") if port.name != name)
    down = case.all(Carrier, where=lost.name)
    case.require(len(down) == 2, "no link was lost and found again")
    start, end = down[0].time_ns, down[1].time_ns
    before = _span(case.window("steady"))
    moved = {one.what.conversation for one in arrivals(case, lost, between=before)}
    case.require(moved, "no data left the group before the link was lost")
    case.require(slack(case, (start, end)) < limits.LACP_LOSS / 2, "the machine was too busy while the link was lost")
    for conversation in sorted(moved):
        there = [one for one in arrivals(case, other, between=(start, end)) if one.what.conversation == conversation]
        case.expect(
            there,
            expected="the traffic of a lost link goes on over the other one",
            seen=f"conversation {conversation} did not come back within {(end - start) / SECOND:.1f} s",
        )
        here = [one for one in arrivals(case, lost, between=(0, end)) if one.what.conversation == conversation]
        if there and here:
            gap = (there[0].time_ns - here[-1].time_ns) / 1e6
            case.figures["outage ms"] = max(case.figures.get("outage ms", 0.0), round(gap, 1))
