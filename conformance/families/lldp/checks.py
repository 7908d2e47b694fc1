"""Link layer discovery: what an agent sends, when it sends it, and what it makes of its neighbours."""

from __future__ import annotations

from conformance import limits
from conformance.families.lldp import evidence as discovery
from conformance.families.lldp import evidence_tlvs as tlvs
from conformance.judging.captured import from_the_field
from conformance.judging.case import Case
from conformance.judging.register import check
from conformance.judging.timing import SECOND, slack, unhurried
from conformance.protocols import ethertypes
from conformance.protocols.lldp import frames as lldp
from conformance.recording.events.discovery import (
    AgentEndAsked,
    AgentEnded,
    AgentSwitched,
    AgentSwitchedBack,
    AgentTimersKnown,
    MalformedAdvertised,
    SystemRenamed,
)

LONGEST = 65535
"""The longest TTL in s: a product beyond it is cut to it (§9.2.5.22)."""
HOLDS = tuple(range(1, 101))
"""What msgTxHold may be (§9.2.5.6)."""
CREDIT = 5
"""txCreditMax (§9.2.5.17)."""
CHANGES = 2
"""Local changes that an agent may have by itself while nobody asks it to change, for which it sends sooner; who changes
all the time is not in a steady state, and keeps its interval."""


@check("lldp.sent", scenario="lldp", captures=True)
def test_sent(case: Case) -> None:
    """An enabled agent sends LLDPDUs on every port without being asked."""
    found = discovery.by_port(case)
    if not all(found.values()):
        case.window("steady")
    for port, listed in found.items():
        case.expect(listed, expected="an LLDPDU on every port", seen=f"{port.name} sent none")


@check("lldp.destination", scenario="lldp", captures=True)
def test_destination(case: Case) -> None:
    """LLDPDUs go untagged to the nearest bridge."""
    expected = "LLDPDUs go untagged to 01:80:c2:00:00:0e, from a station's address"
    for port, listed in discovery.by_port(case).items():
        for one in listed:
            wrong = tlvs.misdirected(one.pdu)
            if wrong or one.pdu.destination is not None:
                case.expect(not wrong, expected=expected, seen=f"{port.name}: {', '.join(wrong)}", frames=[one.number])
        telling = [one for one in listed if not one.pdu.shutdown]
        near = any(one.pdu.destination == lldp.NEAREST_BRIDGE for one in telling)
        if telling and not from_the_field(case):
            numbers = [one.number for one in telling]
            case.expect(near, expected=expected, seen=f"{port.name}: none to the nearest bridge", frames=numbers)


@check("lldp.mandatory-tlvs", scenario="lldp", captures=True)
def test_mandatory_tlvs(case: Case) -> None:
    """Chassis ID, Port ID and TTL come first, in that order and once; End is last."""
    expected = "Chassis ID, Port ID and TTL first, in that order and once each; End last"
    for port, one in discovery.everything(case):
        wrong = lldp.problem(one.pdu) or tlvs.misended(one.pdu)
        if wrong is None and any(one.pdu.spare):
            if from_the_field(case):
                case.note("octets follow the End TLV that no padding explains: whoever captured may have added them")
            else:
                wrong = f"{len(one.pdu.spare)} octets behind the End TLV of a frame that needs no padding"
        case.expect(wrong is None, expected=expected, seen=f"{port.name}: {wrong}", frames=[one.number])


@check("lldp.identity", scenario="lldp", captures=True)
def test_identity(case: Case) -> None:
    """Chassis and ports have identifiers of a known kind, which together name each port."""
    expected = "identifiers of a known subtype, constant on a port, and no two ports with the same pair"
    names: dict[str, dict[tuple[str, str], int]] = {}
    for port, one in discovery.everything(case):
        found = one.pdu.first(lldp.CHASSIS), one.pdu.first(lldp.PORT)
        if found == (None, None):
            continue  # that they are missing is judged as such
        wrong = [word for tlv in found if tlv is not None and (word := tlvs.misnamed(tlv)) is not None]
        case.expect(not wrong, expected=expected, seen=f"{port.name}: {'; '.join(wrong)}", frames=[one.number])
        names.setdefault(port.name, {}).setdefault((one.pdu.chassis, one.pdu.port), one.number)
    if from_the_field(case):
        return  # who sends from one address may be several agents
    for place, pairs in names.items():
        shown = f"{place}: {len(pairs)} identities"
        case.expect(len(pairs) == 1, expected=expected, seen=shown, frames=pairs.values())
    whole = [pair for pairs in names.values() for pair in pairs]
    numbers = [number for pairs in names.values() for number in pairs.values()]
    shown = ", ".join(f"{place} is {port}" for place, pairs in names.items() for _, port in pairs)
    case.expect(len(set(whole)) == len(whole), expected=expected, seen=f"ports named alike: {shown}", frames=numbers)
    if len({chassis for chassis, _ in whole}) > 1:
        case.note("its ports name different chassis: to a neighbour of several of them it is several systems")


@check("lldp.optional-tlvs", scenario="lldp", captures=True)
def test_optional_tlvs(case: Case) -> None:
    """Optional TLVs have the form of their type."""
    for port, one in discovery.everything(case):
        wrong = list(tlvs.malformations(one.pdu))
        case.expect(
            not wrong,
            expected="optional TLVs have the form that the standard gives their type",
            seen=f"{port.name}: {'; '.join(wrong)}",
            frames=[one.number],
        )


@check("lldp.ttl", scenario="lldp", captures=True)
def test_ttl(case: Case) -> None:
    """The TTL is the interval times the hold, and one more second; 0 is for the end alone."""
    told = discovery.times(case)
    for port, listed in discovery.by_port(case).items():
        ended = discovery.silenced(case, port)
        for one in listed:
            near = any(0 <= one.time_ns - moment <= 2 * limits.LLDP_PROMPT * SECOND for moment in ended)
            ttl = one.pdu.ttl
            bare = [tlv.type for tlv in one.pdu.tlvs if tlv.type != lldp.END] == [lldp.CHASSIS, lldp.PORT, lldp.TTL]
            if ttl is None or (ttl == 0 and (near or (told is None and bare))):
                continue  # that it is missing is judged as such
            _expect_ttl(case, port.name, one, told)


def _expect_ttl(case: Case, port: str, one: discovery.Sent, told: AgentTimersKnown | None) -> None:
    if told is None:
        expected = "a TTL that is not 0, but in a shutdown LLDPDU"
        case.expect(one.pdu.ttl, expected=expected, seen=f"{port}: TTL {one.pdu.ttl}", frames=[one.number])
        return
    holds = HOLDS if told.hold is None else (told.hold,)
    products = {min(LONGEST, round(told.interval * hold)): hold for hold in holds}
    fits = one.pdu.ttl in products or one.pdu.ttl in {min(LONGEST, product + 1) for product in products}
    if one.pdu.ttl in products:
        case.note(f"TTL {one.pdu.ttl} is the product of the 2005 edition; that of 2016 is one second longer")
    case.expect(
        fits,
        expected=f"a TTL of interval {told.interval:g} s x {told.hold or 'a hold of 1 to 100'}, and one second",
        seen=f"{port}: TTL {one.pdu.ttl}",
        frames=[one.number],
    )


@check("lldp.interval", scenario="lldp")
def test_interval(case: Case) -> None:
    """In steady state the agent sends at its interval."""
    told = discovery.times(case)
    case.require(told, "nobody knows the interval that the agent was told to keep")
    assert told is not None
    window = case.window("steady")
    port = case.recording.record.ports[0]
    speakers = discovery.by_speaker(port, [one for one in discovery.sent(case, port) if one.time_ns < window.end_ns])
    case.require(speakers, f"{port.name} sent no LLDPDU")
    for speaker, every in speakers.items():
        _expect_interval(case, speaker, every, told)


def _expect_interval(
    case: Case, speaker: discovery.Speaker, every: list[discovery.Sent], told: AgentTimersKnown
) -> None:
    window = case.window("steady")
    listed = discovery.steady(every, told.fast_count)
    usual = limits.LLDP_LATE if told.interval >= limits.LLDP_OFTEN else limits.LLDP_OFTEN_LATE
    tolerance = usual + slack(case, (window.start_ns, window.end_ns))
    expected = f"an LLDPDU every {told.interval:g} s, give or take {tolerance:g} s"
    changed = discovery.changes(listed)
    excused = {one.number for one in changed} if len(changed) <= CHANGES else set()
    for one, other, gap in discovery.gaps(listed):
        right = abs(gap - told.interval) <= tolerance
        if not right and gap < told.interval and {one.number, other.number} & excused:
            case.note(f"{speaker.words}: one {gap:.1f} s after another, since a local change was told at once")
            continue
        seen = f"{speaker.words}: {gap:.2f} s between two"
        case.expect(right, expected=expected, seen=seen, frames=[one.number, other.number])
    rest = (window.end_ns - listed[-1].time_ns) / SECOND
    seen = f"{speaker.words}: none in the last {rest:.1f} s of the window"
    case.expect(rest <= told.interval + tolerance, expected=expected, seen=seen, frames=[listed[-1].number])
    case.require(len(listed) > 1 or rest > told.interval + tolerance, "the window was too short for one interval")
    case.note(f"fast variant: {len(listed) - 1} intervals of {told.interval:g} s")


@check("lldp.fast-start", scenario="lldp")
def test_fast_start(case: Case) -> None:
    """A new neighbour is answered by fast transmissions."""
    told = discovery.times(case)
    case.require(told, "nobody knows what the agent was told")
    assert told is not None
    met = discovery.advertisement(case, "mortal")
    port = discovery.port_of(case, met)
    case.require(discovery.sent(case, port), f"{port.name} sent no LLDPDU")
    end = met.time_ns + limits.LLDP_FAST_WINDOW * SECOND
    jitter = limits.LLDP_JITTER + slack(case, (met.time_ns, int(end)))
    for speaker, every in discovery.by_speaker(port, discovery.sent(case, port)).items():
        after = [one for one in every if met.time_ns <= one.time_ns < end]
        listed = after[: told.fast_count]
        moments = [(one.time_ns - met.time_ns) / SECOND for one in listed]
        case.expect(
            _hurries(every, after, told.fast_count, jitter) and moments[0] <= limits.LLDP_PROMPT + jitter,
            expected=f"{told.fast_count} LLDPDUs after a new neighbour, the first within 1 s, then one a second",
            seen=f"{speaker.words}: {', '.join(f'{moment:.2f} s' for moment in moments) or 'none within 6 s'} after it",
            frames=[one.number for one in listed],
        )


def _hurries(every: list[discovery.Sent], after: list[discovery.Sent], count: int, jitter: float) -> bool:
    """Whether those after a new neighbour are `count`, a second apart; what tells of one local change besides may come
    sooner, and begin the second anew."""
    gaps = [gap for _, _, gap in discovery.gaps(after[:count])]
    if len(after) >= count and all(abs(gap - 1) <= jitter for gap in gaps):
        return True
    changed = [one for one in discovery.changes(every) if one in after]
    gaps = [gap for _, _, gap in discovery.gaps(after[: count + len(changed)])]
    return len(changed) == 1 and len(after) >= count and all(gap - 1 <= jitter for gap in gaps)


@check("lldp.shutdown", scenario="lldp")
def test_shutdown(case: Case) -> None:
    """An agent that is disabled or ended takes back what it told."""
    case.require(
        case.all(AgentEndAsked) or case.all(AgentSwitched),
        "nothing provoked it: the agent went on",
    )
    if case.all(AgentEndAsked):
        case.window("leaving")
    for port, listed in discovery.by_port(case).items():
        case.require(listed, f"{port.name} sent no LLDPDU")
        for moment in discovery.silenced(case, port):
            ended = _end_of_leave(case, moment)
            until = ended + (limits.LLDP_PROMPT + limits.LLDP_JITTER + slack(case, (moment, ended))) * SECOND
            for speaker, every in discovery.by_speaker(port, listed).items():
                last = [one for one in every if moment <= one.time_ns <= until and one.pdu.shutdown]
                kinds = [tlv.type for one in last for tlv in one.pdu.tlvs if tlv.type != lldp.END]
                case.expect(
                    len(last) == 1 and kinds == [lldp.CHASSIS, lldp.PORT, lldp.TTL],
                    expected="one LLDPDU with TTL 0 and nothing but the mandatory TLVs when the agent is disabled or "
                    "ended",
                    seen=f"{speaker.words}: {len(last)} with TTL 0, types {kinds}",
                    frames=[one.number for one in last],
                )


def _end_of_leave(case: Case, moment: int) -> int:
    """When the agent that was told to end at `moment` had ended, or `moment` where a port was disabled."""
    ended = [event.time_ns for event in (*case.all(AgentEnded), *case.all(AgentSwitchedBack))]
    return min((one for one in ended if one >= moment), default=moment)


@check("lldp.reinit-delay", scenario="lldp")
def test_reinit_delay(case: Case) -> None:
    """An agent that was disabled waits before it starts again."""
    off = discovery.stimulus(case, AgentSwitched)
    port = discovery.port_of(case, off)
    again = [one for one in discovery.sent(case, port) if one.time_ns > off.time_ns and not one.pdu.shutdown]
    case.require(again, f"{port.name} sent nothing after it was enabled again")
    delay = (again[0].time_ns - off.time_ns) / SECOND
    case.figures["pause s"] = round(delay, 2)
    case.expect(
        delay >= limits.LLDP_REINIT,
        expected="no LLDPDU within 2 s after a port was disabled, even if it is enabled at once",
        seen=f"{port.name}: one after {delay:.2f} s",
        frames=[again[0].number],
    )


@check("lldp.burst-limited", scenario="lldp")
def test_burst_limited(case: Case) -> None:
    """Many local changes do not make many LLDPDUs, and the last of them is told."""
    window = case.window("changes")
    changed = discovery.stimulus(case, SystemRenamed)
    name = changed.system.encode()
    late = slack(case, (window.start_ns, window.end_ns))
    second = int(max(limits.SECOND_LEAST, 1 - late) * SECOND)
    due = changed.time_ns + int((limits.LLDP_LAST_STATE + late) * SECOND)
    for port, every in discovery.by_port(case).items():
        case.require(every, f"{port.name} sent no LLDPDU")
        for speaker, mine in discovery.by_speaker(port, every).items():
            listed = [one for one in mine if window.start_ns <= one.time_ns < window.end_ns]
            for place, one in enumerate(listed):
                run = [other for other in listed[place:] if other.time_ns < one.time_ns + second]
                case.expect(
                    len(run) <= CREDIT + 1,
                    expected="at most 5 LLDPDUs back to back, and then one a second",
                    seen=f"{speaker.words}: {len(run)} within a second",
                    frames=[other.number for other in run],
                )
            told = [one for one in listed if one.time_ns <= due and _name(one) == name]
            if port is case.recording.record.ports[0]:
                last = f"the last name told is {_name(listed[-1])!r}" if listed else "silent"
                case.expect(
                    told,
                    expected="the last change is told within 5 s",
                    seen=f"{speaker.words}: {last}",
                    frames=[one.number for one in listed[-1:]],
                )


def _name(one: discovery.Sent) -> bytes:
    tlv = one.pdu.first(lldp.SYSTEM_NAME)
    return tlv.value if tlv is not None else b""


@check("lldp.neighbour-learned", scenario="lldp")
def test_neighbour_learned(case: Case) -> None:
    """A neighbour that tells of itself is shown."""
    met, before, after = (
        discovery.advertisement(case, "mortal"),
        discovery.view(case, "alone"),
        discovery.view(case, "learned"),
    )
    case.require("mortal" not in before.chassis, "the neighbour was known before it told of itself")
    case.require(after.time_ns < met.time_ns + limits.LLDP_TTL_SHORT * SECOND, "the answer came after its TTL")
    shown = "mortal" in after.chassis
    unhurried(case, shown, (met.time_ns, after.time_ns))
    case.expect(
        shown,
        expected="the neighbour that told of itself is shown",
        seen=f"{after.where}: shown are {list(after.chassis)}",
        frames=_frames(case, met.time_ns, met.where),
    )


@check("lldp.neighbour-ageing", scenario="lldp")
def test_neighbour_ageing(case: Case) -> None:
    """A neighbour is forgotten when its TTL is over, and at once when it takes leave."""
    met, valid, aged = (
        discovery.advertisement(case, "mortal"),
        discovery.view(case, "valid"),
        discovery.view(case, "aged"),
    )
    case.require("mortal" in discovery.view(case, "learned").chassis, "the neighbour was not learned")
    over = met.time_ns + limits.LLDP_TTL_SHORT * SECOND
    if valid.time_ns < over:
        case.expect(
            "mortal" in valid.chassis,
            expected="a neighbour is shown until its TTL is over",
            seen=f"{valid.where}: gone {(over - valid.time_ns) / SECOND:.1f} s before",
            frames=_frames(case, met.time_ns, met.where),
        )
    forgotten = "mortal" not in aged.chassis
    unhurried(case, forgotten, (over, aged.time_ns))
    case.expect(
        forgotten,
        expected="a neighbour is forgotten when its TTL is over",
        seen=f"{aged.where}: shown {(aged.asked_ns - over) / SECOND:.1f} s after",
        frames=_frames(case, met.time_ns, met.where),
    )
    leave, gone = discovery.advertisement(case, "resident", goodbye=True), discovery.view(case, "taken leave")
    heeded = "resident" not in gone.chassis
    unhurried(case, heeded, (leave.time_ns, gone.time_ns))
    case.expect(
        heeded,
        expected="a neighbour that takes leave is forgotten at once",
        seen=f"{gone.where}: shown {(gone.asked_ns - leave.time_ns) / SECOND:.1f} s after its TTL of 0",
        frames=_frames(case, leave.time_ns, leave.where),
    )


@check("lldp.malformed-discarded", scenario="lldp")
def test_malformed_discarded(case: Case) -> None:
    """Malformed LLDPDUs make no neighbour, cost none and end no agent."""
    case.require("resident" in discovery.view(case, "resident").chassis, "no neighbour was known to begin with")
    bad = {event.chassis for event in case.all(MalformedAdvertised)}
    case.require(bad, "no malformed LLDPDU was sent")
    shown = discovery.view(case, "misled")
    known = set(shown.chassis)
    expected = "malformed LLDPDUs make no neighbour and cost none; unknown TLVs are passed over"
    case.expect("resident" in known, expected=expected, seen=f"{shown.where}: the known neighbour is gone")
    strange = known - {"resident", "novel"}
    case.expect(
        not strange, expected=expected, seen=f"{shown.where}: neighbours of malformed LLDPDUs: {sorted(strange)}"
    )
    unhurried(case, "novel" in known, (shown.time_ns - int(limits.LLDP_PROMPT * SECOND), shown.time_ns))
    case.expect(
        "novel" in known, expected=expected, seen=f"{shown.where}: not shown is the neighbour with unknown TLVs"
    )
    listed = discovery.sent(case, discovery.port_of(case, shown))
    case.require(listed, f"{shown.where} sent no LLDPDU")
    alive = [one for one in listed if one.time_ns > shown.time_ns]
    case.expect(alive, expected="the agent goes on sending", seen=f"{shown.where}: silent after malformed LLDPDUs")


def _frames(case: Case, moment: int, where: str) -> list[int]:
    """The LLDPDU that our partner sent right after `moment`."""
    frames = case.recording.frames
    port = next(port for port in case.recording.record.ports if port.name == where)
    tap = case.tap(port.partner)
    rows = frames.select(tap=tap.number, ethertype=ethertypes.LLDP, outbound=True, between=(moment, moment + SECOND))
    return [int(row) + 1 for row in rows[:1]]
