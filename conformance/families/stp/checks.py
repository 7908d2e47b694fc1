"""Spanning trees on the wire: greetings, elections, loops, topology changes, and neighbours of the old version."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from conformance import limits
from conformance.families.stp.checks_captured import bpdu_format_captured, hello_captured
from conformance.judging.case import Case
from conformance.judging.groups import arrivals, ports_of
from conformance.judging.register import check
from conformance.judging.timing import SECOND, busiest, intervals, median, slack, unhurried
from conformance.protocols import numbered
from conformance.protocols.stp import frames as stp
from conformance.protocols.stp.frames import RSTP, STP, TOPOLOGY_CHANGE_NOTIFICATION, Bpdu, bridge_text
from conformance.recording.events.bridging import (
    ChangeNotified,
    ClaimsBurst,
    HellosHeard,
    LoopCut,
    LoopProbed,
    PassageAwaited,
    RootSilent,
    StationTaught,
    TopologyChanged,
    TreesReady,
)
from conformance.recording.model import PortState

SPANNING = ("loop", "better", "worse", "hello")
NOT_CROSSED = "frames did not cross the bridge before and after"


@dataclass(frozen=True, slots=True)
class SentBpdu:
    """A BPDU on a partner's tap: its frame's number, its time in ns, and what it says."""

    number: int
    time_ns: int
    bpdu: Bpdu
    frame: bytes


def _statements(
    case: Case, port: PortState, *, between: tuple[int, int] | None = None, ours: bool = False
) -> list[SentBpdu]:
    """BPDUs on a port's cable, in the order of time: of the implementation, or `ours`."""
    index = case.recording.frames
    rows = index.select(tap=port.partner, outbound=ours, **({} if between is None else {"between": between}))
    rows = rows[index.ethertype[rows] <= 1500]
    found = []
    for row, frame in index.frames(rows):
        parsed = stp.parse(frame)
        if parsed is not None:
            found.append(SentBpdu(row + 1, int(index.time_ns[row]), parsed, frame))
    return found


def _meant(case: Case, port: PortState) -> list[tuple[int, bytes]]:
    """Number and bytes of every frame that the implementation sent as a BPDU, whether or not it can be read as one."""
    index = case.recording.frames
    rows = index.select(tap=port.partner, outbound=False)
    return [(row + 1, frame) for row, frame in index.frames(rows) if stp.is_meant(frame)]


def _own(statement: list[SentBpdu]) -> list[SentBpdu]:
    """Claims: everything but notifications."""
    return [one for one in statement if one.bpdu.type != TOPOLOGY_CHANGE_NOTIFICATION]


def _ready(case: Case) -> tuple[int, int, float]:
    """Version, time in ns and forward delay in s of the spanning trees. Requires that they came up."""
    ready = case.the(TreesReady, otherwise="the bridges did not come up")
    return ready.version, ready.time_ns, ready.forward_delay


def _margin(seconds: float) -> int:
    return int(seconds * SECOND)


@check("stp.bpdu-format", scenario="stp", captures=bpdu_format_captured)
def test_bpdu_format(case: Case) -> None:
    """BPDUs go to the Bridge Group Address with the LLC of bridges, untagged, and as long as their type is."""
    version, *_ = _ready(case)
    for group in SPANNING:
        for port in ports_of(case, group):
            for number, frame in _meant(case, port):
                wrong = stp.defects(frame)
                case.expect(
                    not wrong,
                    expected="every BPDU is as the standard draws it",
                    seen=f"{port.name}: {', '.join(wrong)}",
                    frames=[number],
                )
    first = _own(_statements(case, ports_of(case, "hello")[0]))[:1]
    case.expect(first, expected="a bridge sends BPDUs on its designated ports", seen="none was sent")
    for one in first:
        case.expect(
            one.bpdu.version == version,
            expected=f"the version is {version}",
            seen=f"version {one.bpdu.version}",
            frames=[one.number],
        )


@check("stp.hello", scenario="stp", captures=hello_captured)
def test_hello_time(case: Case) -> None:
    """A designated port sends a BPDU every Hello Time of 2 s."""
    _, ready, _ = _ready(case)
    (port,) = ports_of(case, "hello")
    end = case.the(HellosHeard, where="hello").time_ns
    sent = _own(_statements(case, port, between=(ready, end)))
    gaps = intervals(one.time_ns for one in sent)
    usual = median(gaps) if gaps else 0.0
    case.expect(
        limits.STP_HELLO_LEAST <= usual <= limits.STP_HELLO_MOST + slack(case, (ready, end)),
        expected="BPDUs leave every 2 s",
        seen=f"{port.name}: {len(sent)} BPDUs, usually {usual:.2f} s apart",
        frames=[one.number for one in sent],
    )
    case.expect(
        gaps and max(gaps) < limits.STP_LOST * limits.STP_HELLO + slack(case, (ready, end)),
        expected="never are three greetings in a row left out: information is lost then",
        seen=f"{port.name}: {max(gaps, default=0):.2f} s without a BPDU",
        frames=[one.number for one in sent],
    )
    if gaps:
        case.figures["between BPDUs s"] = round(usual, 2)


@check("stp.hold-count", scenario="stp")
def test_transmit_hold_count(case: Case) -> None:
    """However often it is provoked, a port sends no more BPDUs in a second than the hold count allows."""
    case.the(ClaimsBurst, where="worse")
    (port,) = ports_of(case, "worse")
    sent = [one.time_ns for one in _statements(case, port)]
    case.require(sent, f"{port.name} sent no BPDU at all")
    most = busiest(sent, max(limits.SECOND_LEAST, limits.STP_SECOND - slack(case)))
    case.expect(
        most <= limits.STP_HOLD_COUNT + 1,
        expected=f"no more than {limits.STP_HOLD_COUNT} BPDUs, and one of the hello timer, leave in a second",
        seen=f"{port.name}: {most}",
    )


@check("stp.root-election", scenario="stp")
def test_root_election(case: Case) -> None:
    """A better claim is adopted and passed on; a worse one is not, and is answered."""
    better, worse = ports_of(case, "better"), ports_of(case, "worse")
    until = case.the(RootSilent, where="better").time_ns
    claims = _own(_statements(case, better[0], ours=True))
    case.require(claims, "the better claim was never made")
    ours = claims[0].bpdu.root
    settled = case.the(PassageAwaited, where="better").time_ns
    for port in better[1:]:
        last = _own(_statements(case, port, between=(settled, until)))[-1:]
        case.expect(
            last and last[0].bpdu.root == ours and last[0].bpdu.cost > 0,
            expected="a better root is adopted, and told of on the other ports with the cost of the way there",
            seen=f"{port.name}: "
            + (f"root {bridge_text(last[0].bpdu.root)}, cost {last[0].bpdu.cost}" if last else "no BPDU"),
            frames=[one.number for one in last],
        )
    (port,) = worse
    theirs = _own(_statements(case, port, ours=True))
    case.require(theirs, "the worse claim was never made")
    burst = case.the(ClaimsBurst, where="worse").time_ns
    answers = _own(_statements(case, port, between=(burst, burst + _margin(2 * limits.STP_HELLO + slack(case)))))
    own = [one for one in answers if one.bpdu.root < theirs[0].bpdu.root]
    case.expect(
        own and len(own) == len(answers),
        expected="a worse root is not adopted, and is answered with the better claim",
        seen=f"{port.name}: {len(own)} better claims in {len(answers)} BPDUs",
        frames=[one.number for one in answers],
    )


@check("stp.message-age", scenario="stp")
def test_message_age_grows(case: Case) -> None:
    """Who passes on what it heard of a better root adds to the message age."""
    root_side, *others = ports_of(case, "better")
    heard = _own(_statements(case, root_side, ours=True))
    case.require(heard, "the better claim was never made")
    relayed = [
        (port, one)
        for port in others
        for one in _own(_statements(case, port))
        if one.bpdu.root == heard[0].bpdu.root and one.time_ns > heard[0].time_ns
    ]
    case.require(relayed, "what was heard of the better root was not passed on")
    for port, one in relayed:
        before = [each for each in heard if each.time_ns < one.time_ns][-1]
        least = before.bpdu.message_age + (1 if one.bpdu.version >= RSTP else 0)
        case.expect(
            one.bpdu.message_age >= least and one.bpdu.message_age > before.bpdu.message_age,
            expected="what is passed on of another root is older than it was when it was heard",
            seen=f"{port.name}: message age {one.bpdu.message_age:g} s, heard with {before.bpdu.message_age:g} s",
            frames=[before.number, one.number],
        )


@check("stp.convergence", scenario="stp")
def test_silent_root_is_replaced(case: Case) -> None:
    """How long a silent root is believed in."""
    silent = case.the(RootSilent, where="better").time_ns
    port = ports_of(case, "better")[0]
    spoken = [one for one in _statements(case, port, ours=True) if one.time_ns <= silent]
    case.require(spoken, "the root never spoke")
    claims = [
        one
        for one in _own(_statements(case, port, between=(silent, 2**62)))
        if one.bpdu.root not in (spoken[-1].bpdu.root, bytes(8))
    ]
    unhurried(case, claims)
    case.expect(claims, expected="a root that has fallen silent is replaced", seen="it is still believed in at the end")
    if claims:
        case.figures["root replaced after s"] = round((claims[0].time_ns - spoken[-1].time_ns) / SECOND, 1)


@check("stp.loop-broken", scenario="stp")
def test_loops_are_broken(case: Case) -> None:
    """A loop of two links does not multiply a broadcast."""
    _, ready, forward_delay = _ready(case)
    looped = case.the(LoopProbed, where="loop")
    cut = case.all(LoopCut)
    access, *both = ports_of(case, "loop")
    copies: Counter[int] = Counter()
    late: list[int] = []
    settled = ready + _margin(2 * forward_delay + limits.STP_MARGIN)
    shown: dict[int, list[int]] = {}
    for port in both:
        for one in arrivals(case, port):
            if one.what.conversation == numbered.LOOPED:
                copies[one.what.number] += 1
                shown.setdefault(one.what.number, []).append(one.number)
                if one.time_ns > settled:
                    late.append(one.what.number)
    most, count = copies.most_common(1)[0] if copies else (0, 0)
    unhurried(case, not cut and count <= limits.STP_COPIES and not any(copies[one] > 1 for one in late))
    case.expect(
        not cut and count <= limits.STP_COPIES,
        expected="a broadcast goes round no loop, not even while the tree is being made",
        seen=f"{count} copies of one broadcast" + (", then the lab cut the loop" if cut else ""),
        frames=shown.get(most, []),
    )
    if not cut:
        case.require(late, f"no broadcast reached the loop within {looped.probes} probes")
        twice = [number for number in set(late) if copies[number] > 1]
        case.expect(
            not twice,
            expected="once the tree is made, a broadcast reaches the loop once",
            seen=f"{len(twice)} of {len(set(late))} more than once",
            frames=shown.get(twice[0], []) if twice else [],
        )
    back = [one.number for one in arrivals(case, access) if one.what.conversation == numbered.LOOPED]
    case.expect(
        not back,
        expected="no broadcast comes back to the port where it was sent",
        seen=f"{len(back)} came back to {access.name}",
        frames=back,
    )


def _crossed(case: Case, port: PortState) -> list[int]:
    """When broadcasts came out of a port that were sent into another one to see whether they do, in ns."""
    return [one.time_ns for one in arrivals(case, port) if one.what.conversation == numbered.CONTROL]


@check("stp.topology-change", scenario="stp")
def test_topology_change_flushes(case: Case) -> None:
    """After a topology change learned stations are forgotten: RSTP at once, STP after the forward delay."""
    version, _, forward_delay = _ready(case)
    root_side, station, _ = ports_of(case, "better")
    case.require(_crossed(case, station), "the bridge never forwarded")
    case.the(StationTaught, where="better")
    learned = [one for one in arrivals(case, root_side) if one.what.conversation == numbered.LEARNED]
    reached = [one for one in arrivals(case, station) if one.what.conversation == numbered.LEARNED]
    case.require(reached and not learned, "the station was not learned beforehand")
    change = case.the(TopologyChanged, where="better").time_ns
    said = [one for one in _statements(case, root_side, ours=True) if one.time_ns >= change and one.bpdu.flags & stp.TC]
    case.require(said, "the topology change was never told of")
    flooded = [one for one in arrivals(case, root_side) if one.what.conversation == numbered.FLUSHED]
    allowed = limits.STP_FLUSHED if version == RSTP else forward_delay + limits.STP_HELLO + limits.STP_FLUSHED
    took = (flooded[0].time_ns - said[0].time_ns) / SECOND if flooded else 0.0
    case.expect(
        flooded and took <= allowed + slack(case, (change, change + _margin(allowed))),
        expected=f"within {allowed:g} s of a topology change a learned station is forgotten",
        seen=f"after {took:.1f} s" if flooded else "still known at the end",
        frames=[said[0].number, *(one.number for one in flooded[:1])],
    )
    if flooded:
        case.figures["forgotten after s"] = round(took, 1)


@check("stp.tcn-acknowledged", scenario="stp")
def test_notification_is_acknowledged(case: Case) -> None:
    """A topology change notification is acknowledged in the next BPDU."""
    version, *_ = _ready(case)
    group = "legacy" if version == RSTP else "worse"
    (port,) = ports_of(case, group)
    said = case.the(ChangeNotified, where=port.name)
    until = said.time_ns + _margin(2 * limits.STP_HELLO + limits.STP_MARGIN + slack(case))
    after = _own(_statements(case, port, between=(said.time_ns, until)))
    case.expect(
        any(one.bpdu.flags & stp.TCA for one in after),
        expected="a topology change notification is acknowledged by the next BPDUs",
        seen=f"{port.name}: {len(after)} BPDUs, none with the acknowledgment",
        frames=[one.number for one in after],
    )


@check("stp.legacy-fallback", scenario="stp")
def test_old_neighbours_are_spoken_to(case: Case) -> None:
    """A port that hears BPDUs of version 0 sends such BPDUs itself."""
    (port,) = ports_of(case, "legacy")
    heard = _statements(case, port, ours=True)
    case.require(heard, "no old BPDU was sent")
    until = heard[0].time_ns + _margin(limits.STP_MIGRATION + limits.STP_HELLO + limits.STP_MARGIN + slack(case))
    before = _own(_statements(case, port, between=(0, heard[0].time_ns)))
    case.require(any(one.bpdu.version >= RSTP for one in before), f"{port.name} sent no rapid BPDU beforehand")
    after = _own(_statements(case, port, between=(until, 2**62)))
    case.expect(
        after and all(one.bpdu.version == STP for one in after),
        expected="a port that hears an old bridge speaks version 0 after the migration time",
        seen=f"{port.name}: versions {', '.join(sorted({str(one.bpdu.version) for one in after})) or 'none'}",
        frames=[one.number for one in after],
    )


@check("stp.disabled-not-relayed", scenario="stp")
def test_bpdus_are_not_relayed(case: Case) -> None:
    """A bridge whose spanning tree is off does not forward BPDUs."""
    here, there = ports_of(case, "off")
    sent, crossed = _statements(case, here, ours=True), _crossed(case, there)
    case.require(crossed, NOT_CROSSED)
    case.require(sent, "no BPDU was sent")
    case.require(crossed[0] < sent[0].time_ns and crossed[-1] > sent[-1].time_ns, NOT_CROSSED)
    ours = {one.bpdu.bridge for one in sent}
    out = [one for one in _statements(case, there) if one.bpdu.bridge in ours]
    case.expect(
        not out,
        expected="BPDUs are not forwarded, whether or not the bridge speaks their protocol",
        seen=f"{len(out)} of {len(sent)} came out of {there.name}",
        frames=[one.number for one in out],
    )
