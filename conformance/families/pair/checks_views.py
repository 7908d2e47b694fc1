"""The own view of each of two switches, held against the wire: the state of its groups, its table of stations."""

from __future__ import annotations

from conformance import limits
from conformance.families.lacp.evidence import pdus
from conformance.families.pair.evidence_ports import (
    SIDES,
    Rooting,
    cables,
    ends,
    numbered_frames,
    rootings,
    side,
    views,
)
from conformance.judging.case import Case
from conformance.judging.groups import arrivals
from conformance.judging.register import check
from conformance.judging.timing import SECOND, slack
from conformance.protocols.lacp.frames import State
from conformance.protocols.mac import mac_text
from conformance.recording.events.tables import FdbEntry, LagMember
from conformance.recording.model import PortState


@check("pair.lacp-view", scenario="pair_lacp", side=SIDES)
def test_state_of_a_group_is_what_the_cables_show(case: Case) -> None:
    """What a switch shows of its group is what its cables show: who the partner is, and which ones are in use."""
    mine, _ = ends(case)
    for moment in ("whole", "deaf"):
        (view,) = views(case, mine, moment, LagMember)
        asked = view.asked_ns
        late = slack(case, (asked - int(limits.LACP_EXPIRED * SECOND), asked))
        case.require(late < limits.BUSY, f"the machine was busy: our own timers were {late:.1f} s late")
        shown = {row.port: row for row in view.rows}
        for cable in cables(case):
            port = cable.ends[mine]
            row = shown.get(port.interface or port.name.partition(":")[2])
            told = [one for one in pdus(case, port, ours=True) if one.time_ns < asked]
            said = [one for one in pdus(case, port) if one.time_ns < asked]
            case.require(told and said, f"nothing was told to {port.name}, or by it")
            used = bool(said[-1].pdu.actor.state & State.DISTRIBUTING)
            words = "not shown" if row is None else f"shown {'' if row.in_use else 'not '}in use, {row.partner}"
            right = row is not None and row.in_use is used
            if right and row is not None and used:
                right = row.partner.lower() == told[-1].pdu.actor.system
            state = f"{'' if used else 'not '}in use by its LACPDUs, with {told[-1].pdu.actor.system}"
            case.expect(
                right,
                expected="a switch shows those links of a group in use on which it distributes, with the partner there",
                seen=f"{side(case, mine).profile.name}: {port.name} ({moment}) is {words}; the cable is {state}",
                frames=[told[-1].number, said[-1].number],
            )


@check("pair.stp-view", scenario="pair_stp", side=SIDES)
def test_table_of_stations_is_what_the_cables_show(case: Case) -> None:
    """What a bridge shows of the stations is what its cables show: behind which port each one speaks."""
    mine, other = ends(case)
    for rooting in rootings(case):
        (view,) = views(case, mine, rooting.name, FdbEntry)
        asked = view.asked_ns
        shown = {row.mac.lower(): row.port for row in view.rows}
        window = asked - int(limits.PAIR_SPOKEN * SECOND), asked
        for end, speaker in ((mine, rooting.stations[mine]), (other, rooting.stations[other])):
            spoken = numbered_frames(case, speaker, between=window)
            case.require(spoken, f"{speaker.name}: nobody spoke there before the bridge was asked")
            mac = mac_text(case.recording.frames.frame(spoken[-1].number - 1)[6:12])
            there = [speaker] if end == mine else _ways_in(case, rooting, mine, window)
            case.require(
                len(there) == 1, f"{mac} did not speak behind one port of {side(case, mine).profile.name} alone"
            )
            port = there[0]
            where = shown.get(mac, "no port")
            name = port.interface or port.name.partition(":")[2]
            case.expect(
                shown.get(mac) == name,
                expected="a bridge shows each station behind the port where it speaks",
                seen=f"{side(case, mine).profile.name}: {mac} is shown behind {where}, and is behind {name}",
                frames=[spoken[-1].number],
            )


def _ways_in(case: Case, rooting: Rooting, end: int, window: tuple[int, int]) -> list[PortState]:
    """The ports by which what the other station says comes into a bridge: of several that hear it, those that the
    bridge sends by itself, since the others are blocked."""
    hears = [cable.ends[end] for cable in rooting.cables if numbered_frames(case, cable.ends[end], between=window)]
    return hears if len(hears) == 1 else [port for port in hears if arrivals(case, port, between=window)]
