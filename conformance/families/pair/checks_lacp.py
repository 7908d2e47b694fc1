"""Pairs of switches with a group of cables between them: it carries, it survives, and whose side it is where not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from conformance import limits
from conformance.families.lacp.evidence import Pdu, pdus, tardiness
from conformance.families.pair.evidence_ports import (
    DIRECTIONS,
    IN_FLIGHT,
    SIDES,
    Finding,
    PatchCable,
    blame,
    cables,
    ends,
    expect_findings,
    numbered_frames,
    stations,
)
from conformance.judging.case import Case
from conformance.judging.groups import arrivals
from conformance.judging.register import check
from conformance.judging.timing import SECOND, slack, unhurried
from conformance.protocols.lacp.frames import GRANTED, Participant, State
from conformance.recording.events import Event
from conformance.recording.events.links import Carrier, Configured
from conformance.recording.events.meeting import (
    AgreementAwaited,
    BlackHoleBegun,
    BlackHoleEnded,
    CableJoined,
    CarrierGiven,
    CarrierTaken,
    GroupWatched,
)

TOO_SHORT = "the machine was too busy: what happened lasted for too short a time"
BEGINNINGS = (CableJoined, Configured, CarrierGiven, BlackHoleEnded)
"""After these, or when a carrier is up, the two can agree."""
ENDINGS = (CarrierTaken, BlackHoleBegun, GroupWatched)
"""Until one of these they can."""
LONELY = State.EXPIRED | State.DEFAULTED
"""Who says so has forgotten some of what its partner told, as the standard has it."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the two made of an occasion to agree. Times in ns: since when they could, until when the scenario waited for
    them, until when nothing else was done, and when the last LACPDU of each end of each cable said for the first time
    that it distributes (None: never)."""

    since_ns: int
    awaited_ns: int
    until_ns: int
    agreed_ns: int | None

    @property
    def took(self) -> float:
        """Seconds that they needed, or had without success."""
        return ((self.until_ns if self.agreed_ns is None else self.agreed_ns) - self.since_ns) / SECOND


def _agreement(case: Case, moment: str) -> Agreement:
    """What they made of an occasion: `up` when they were cabled and configured, `severed` when a carrier was back,
    `deaf` when a silence was over. Requires that they were given it."""
    never = f"the two were never asked to agree ({moment})"
    awaited = case.the(AgreementAwaited, where=moment, otherwise=never).time_ns
    begun = [event.time_ns for event in case.all(Carrier) if event.up]
    begun += [event.time_ns for kind in BEGINNINGS for event in case.all(kind)]
    ended = [event.time_ns for kind in ENDINGS for event in case.all(kind)]
    since = max((time_ns for time_ns in begun if time_ns <= awaited), default=0)
    until = min((time_ns for time_ns in ended if time_ns > awaited), default=awaited)
    return Agreement(since, awaited, until, _all_granted(case, since, until))


def _all_granted(case: Case, since: int, until: int) -> int | None:
    """When for the first time in that time the last LACPDU of each end of each cable says Synchronization, Collecting
    and Distributing (IEEE 802.1AX-2014 §6.4.15)."""
    ends = [port for cable in cables(case) for port in cable.ends]
    said = [(one, port.name) for port in ends for one in pdus(case, port, between=(since, until))]
    granted: dict[str, bool] = {}
    for one, name in sorted(said, key=lambda each: each[0].time_ns):
        granted[name] = GRANTED in one.pdu.actor.state
        if len(granted) == len(ends) and all(granted.values()):
            return one.time_ns
    return None


def _expect_agreed(case: Case, agreement: Agreement, allowed: float, when: str = "") -> bool:
    """Whether they agree within so many seconds, which they must. Requires, where they do not, that they were given the
    time, and that the machine had it."""
    in_time = agreement.agreed_ns is not None and agreement.took <= allowed
    given = (agreement.until_ns - agreement.since_ns) / SECOND
    case.require(in_time or given >= allowed, f"the two were given {given:.1f} s only to agree{when}")
    unhurried(case, in_time, (agreement.since_ns, agreement.agreed_ns or agreement.until_ns))
    seen = f"the two {'agreed' if agreement.agreed_ns else 'did not agree'}{when} after {agreement.took:.1f} s"
    case.expect(
        in_time,
        expected=f"every cable of the group distributes at both ends{when and ' again'} within {allowed:g} s",
        seen=seen if in_time else f"{seen}; {_blame(case)}",
    )
    return in_time


def _late(case: Case, between: tuple[int, int]) -> float:
    """How late anybody was meanwhile on a busy machine, in s: our own timers, or both switches' LACPDUs on cables that
    were whole, where a LACPDU is due every second."""
    taken = {event.where for event in (*case.all(CarrierTaken), *case.all(BlackHoleBegun))}
    whole = [port for cable in cables(case) if cable.name not in taken for port in cable.ends]
    return max(slack(case, between), tardiness(case, whole, between, limits.LACP_FAST))


def _blame(case: Case) -> str:
    looked = (("pair.lacp-echoes", _echoes), ("pair.lacp-joins", _joins), ("pair.lacp-expires", _expires))
    return blame(case, ((end, requirement, find(case, end)) for end in (0, 1) for requirement, find in looked))


def _carried(case: Case, start: int, end: int) -> tuple[list[int], Counter[tuple[int, int]], int]:
    """What the one station sent in that time and did not arrive at the other (frame numbers), how often each frame
    arrived, and how many were sent."""
    there, here = ends(case)
    places = stations(case)
    sent = numbered_frames(case, places[here], between=(start, end - IN_FLIGHT))
    came = Counter((one.what.conversation, one.what.number) for one in arrivals(case, places[there]))
    lost = [one.number for one in sent if not came[one.what.conversation, one.what.number]]
    return lost, Counter({key: count for key, count in came.items() if count > 1}), len(sent)


def _expect_carried(case: Case, start: int, end: int, when: str) -> None:
    lost, twice, sent = _carried(case, start, end)
    case.require(sent, f"nothing was sent {when}")
    blame = f"; {_blame(case)}" if lost or twice else ""
    expected = "what a station sends arrives once at the station behind the other switch"
    case.expect(
        not lost, expected=expected, seen=f"{len(lost)} of {sent} frames were lost {when}{blame}", frames=lost[:8]
    )
    case.expect(not twice, expected=expected, seen=f"{len(twice)} frames came more than once{blame}")


@check("pair.lacp-carries", scenario="pair_lacp", direction=DIRECTIONS)
def test_carries(case: Case) -> None:
    """Two switches agree on a group of cables, and it carries what is sent."""
    _expect_agreed(case, _agreement(case, "up"), limits.LACP_UP)
    window = case.window("steady")
    _expect_carried(case, window.start_ns, window.end_ns, "while all cables were whole")


def _expect_hasty(case: Case, begun: int) -> None:
    """Requires that both had the short timeout on every cable, by what they said before that time: nothing else is
    asked for, and by the long one nobody has to notice a silence here."""
    for port in (port for cable in cables(case) for port in cable.ends):
        said = _last(pdus(case, port), begun)
        patient = said is not None and State.TIMEOUT not in said.pdu.actor.state
        case.require(not patient, f"{port.name} says that it has the long timeout, and was to have the short one")


@check("pair.lacp-survives", scenario="pair_lacp", direction=DIRECTIONS)
def test_survives(case: Case) -> None:
    """A group goes on when one of its cables is lost, and takes it back."""
    first = _agreement(case, "up").agreed_ns
    case.require(first is not None, "the two never agreed, so that nothing could be lost")
    patience = limits.LACP_UP + limits.LACP_SLOW_PERIOD
    losses: tuple[tuple[type[Event], type[Event], float, float, str], ...] = (
        (CarrierTaken, CarrierGiven, limits.LACP_MARGIN, limits.LACP_UP, "the loss of its carrier"),
        (BlackHoleBegun, BlackHoleEnded, limits.LACP_EXPIRED + limits.LACP_MARGIN, patience, "its silence"),
    )
    for begun, ended, allowed, back, how in losses:
        lost = begun.kind
        begin, end = (case.the(kind, otherwise=f"no cable was {lost}") for kind in (begun, ended))
        if lost == "deaf":
            _expect_hasty(case, begin.time_ns)
        late = _late(case, (begin.time_ns, end.time_ns))
        start, over = begin.time_ns + int((allowed + late) * SECOND), end.time_ns - int(late * SECOND)
        case.require(start + int(limits.PAIR_LEAST * SECOND) < over, TOO_SHORT)
        _expect_carried(case, start, over, f"over {begin.where} more than {allowed:g} s after {how} began")
        again = _agreement(case, lost)
        if _expect_agreed(case, again, back, f" again after {how}"):
            settled = _afterwards(case, max(again.agreed_ns or 0, again.awaited_ns))
            _expect_carried(case, *settled, f"a second after the cable was back from {how}")


def _afterwards(case: Case, agreed: int) -> tuple[int, int]:
    """The second from one after they agreed again, or what is left of it before something else is done. Requires that
    there is enough of it."""
    later = (one.time_ns for one in (*case.all(BlackHoleBegun), *case.all(GroupWatched)) if one.time_ns > agreed)
    over = min(later, default=agreed)
    settled = agreed + int((limits.LACP_MARGIN + _late(case, (agreed, over))) * SECOND)
    case.require(settled + int(limits.PAIR_LEAST_AFTERWARDS * SECOND) + IN_FLIGHT < over, TOO_SHORT)
    return settled, min(settled + SECOND, over)


def _participant(known: Participant) -> str:
    return f"system {known.system} key {known.key} port {known.port} ({known.state.words()})"


def _echoes(case: Case, end: int) -> Iterator[Finding]:
    late = int((limits.LACP_ECHO + slack(case)) * SECOND)
    for cable in cables(case):
        port = cable.ends[end]
        heard = pdus(case, port, ours=True)
        for one in pdus(case, port):
            before = [each for each in heard if each.time_ns <= one.time_ns]
            fresh = [each for each in before if each.time_ns > one.time_ns - late]
            if one.pdu.actor.state & LONELY or not fresh or before[0].time_ns > one.time_ns - late:
                continue
            known = [each.pdu.actor for each in (*before[-len(fresh) - 1 : -len(fresh)], *fresh)]
            right = one.pdu.partner in known
            told = f"{port.name} repeats {_participant(one.pdu.partner)} where it was told {_participant(known[-1])}"
            yield ("" if right else told), (one.number, fresh[-1].number), right


@check("pair.lacp-echoes", scenario="pair_lacp", side=SIDES)
def test_echoes(case: Case) -> None:
    """A participant tells its partner what the partner told of itself."""
    mine, _ = ends(case)
    found = list(_echoes(case, mine))
    case.require(found, "the other side was not heard long enough for anything to be repeated")
    expect_findings(case, mine, found, "what the partner told of itself is repeated to it within two seconds")


def _last(listed: list[Pdu], before: int) -> Pdu | None:
    return next((one for one in reversed(listed) if one.time_ns < before), None)


def _joins(case: Case, end: int) -> Iterator[Finding]:
    """After each moment at which they had to agree: whether this side took part where the other offered it."""
    for cable in cables(case):
        port = cable.ends[end]
        own, heard = pdus(case, port), pdus(case, port, ours=True)
        for awaited in case.all(AgreementAwaited):
            moment, time_ns = awaited.where, awaited.time_ns
            mine, offered = _last(own, time_ns), _last(heard, time_ns)
            if offered is None or State.SYNCHRONIZATION not in offered.pdu.actor.state:
                continue
            if mine is not None and offered.pdu.partner.port != mine.pdu.actor.port:
                continue
            wanted = (
                GRANTED if State.COLLECTING in offered.pdu.actor.state else State.SYNCHRONIZATION | State.COLLECTING
            )
            state = State(0) if mine is None else mine.pdu.actor.state
            numbers = tuple(one.number for one in (offered, mine) if one is not None)
            offer = offered.pdu.actor.state
            words = f"{port.name} ({moment}) says {state.words()} where its partner offered {offer.words()}"
            yield words, numbers, wanted in state


@check("pair.lacp-joins", scenario="pair_lacp", side=SIDES)
def test_joins(case: Case) -> None:
    """A participant goes into step, collects and distributes when its partner offers to."""
    mine, _ = ends(case)
    found = list(_joins(case, mine))
    case.require(found, "the other side never offered anything")
    expected = "in step and collecting when the partner is in step, and distributing when that collects"
    expect_findings(case, mine, found, expected)


def _deaf(case: Case) -> tuple[PatchCable, int, int] | None:
    begin, end = next(iter(case.all(BlackHoleBegun)), None), next(iter(case.all(BlackHoleEnded)), None)
    if begin is None or end is None:
        return None
    cable = next(one for one in cables(case) if one.name == begin.where)
    return cable, begin.time_ns, end.time_ns


def _expires(case: Case, end: int) -> Iterator[Finding]:
    found = _deaf(case)
    if found is None:
        return
    cable, start, over = found
    port = cable.ends[end]
    if not any(one.time_ns < start and GRANTED in one.pdu.actor.state for one in pdus(case, port)[-1000:]):
        return
    deadline = start + int((limits.LACP_EXPIRED + limits.LACP_MARGIN + _late(case, (start, over))) * SECOND)
    late = [one.number for one in arrivals(case, port, between=(deadline, over))]
    words = f"{port.name} still sends {len(late)} frames into a cable that has been silent for longer than 3 s"
    yield words, tuple(late[:8]), not late


@check("pair.lacp-expires", scenario="pair_lacp", side=SIDES)
def test_expires(case: Case) -> None:
    """A participant sends nothing more into a cable on which its partner has fallen silent."""
    mine, _ = ends(case)
    deaf = _deaf(case)
    if deaf is not None:
        _expect_hasty(case, deaf[1])
    found = list(_expires(case, mine))
    case.require(found, "no cable fell silent that had been in use")
    expected = "nothing is distributed to a link whose partner has been silent for Short_Timeout_Time"
    expect_findings(case, mine, found, expected)
