"""Conflicts over addresses: an address is tried before it is used, announced twice, and not fought over for ever."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address
from itertools import pairwise

from conformance import limits
from conformance.families.move.evidence import Address, Move, announcements, milliseconds, moves, with_family
from conformance.judging.case import Case
from conformance.judging.register import check
from conformance.judging.timing import SECOND, slack
from conformance.protocols import arp, ethertypes
from conformance.recording.events.addressing import AddressClaimed, OccupiedAsked, OccupiedAttached, OccupiedRefused
from conformance.recording.model import TapState


def _silent(case: Case) -> list[Move]:
    return with_family(moves(case.of_family("ipv4"), lambda move: move.silent))


@check("move.announced-twice", scenario="move")
def test_announced_twice(case: Case) -> None:
    """Who detects conflicts announces an address that it begins to use twice, two seconds apart."""
    for move in _silent(case):
        said = move.announcements()
        for address in move.addresses():
            mine = [one for one in said if one.address == address]
            times = [one.time_ns for one in mine]
            span = (times[-1] - times[0]) / SECOND if times else 0.0
            most = limits.ANNOUNCED_ALL + slack(case, (times[0], times[-1])) if times else 0.0
            case.expect(
                len(mine) >= limits.ANNOUNCEMENTS and limits.ADVERTISEMENT_SPACING <= span <= most,
                expected="an address is announced at least twice, not all at once, within five seconds",
                seen=f"{move.words}: {address} {len(mine)} times within {span:.2f} s",
                frames=[one.number for one in mine],
            )
            uneven = any(
                abs((b - a) / SECOND - limits.ANNOUNCE_INTERVAL) > limits.ANNOUNCE_UNEVEN for a, b in pairwise(times)
            )
            if len(mine) != limits.ANNOUNCEMENTS or uneven:
                gaps = ", ".join(f"{milliseconds(b - a)} ms" for a, b in pairwise(times))
                case.note(f"announced {len(mine)} times, apart by {gaps}, where RFC 5227 has two, 2 s apart")


@check("move.address-probed", scenario="move")
def test_address_probed(case: Case) -> None:
    """An address is probed before it is used, and one that somebody has is not used."""
    for move in _silent(case):
        for address in move.addresses():
            _expect_probed(case, move, address)
    asked = case.the(OccupiedAsked, otherwise="the scenario asked for no address that somebody has")
    address = IPv4Address(asked.address)
    taps = [tap for tap in case.recording.record.taps if tap.where == asked.where]
    case.require(taps, "the endpoint that asked for it was not watched")
    case.require(not any(tap.dropped for tap in taps), f"a tap of {asked.where} lost frames")
    probes = [number for tap in taps for number, _ in _probes(case, tap, address)]
    used = [number for tap in taps for number in _speaking(case, tap, address)]
    attached, refused = case.all(OccupiedAttached), case.all(OccupiedRefused)
    case.require(attached or refused, "the attach did not end")
    assigned = any(str(address) in one.addresses for one in attached[:1])
    case.expect(
        probes and not used and not assigned,
        expected="an address that another host has is probed, and then neither announced nor assigned",
        seen=f"{address}: {len(probes)} probes, {len(used)} frames speak for it, "
        + ("assigned all the same" if assigned else "not assigned"),
        frames=(used or probes)[:4],
    )
    for one in refused[:1]:
        case.note(f"refused with: {one.problem}")


def _expect_probed(case: Case, move: Move, address: Address) -> None:
    tap = case.tap(move.state.tap_after)
    began, times = move.state.started_ns, case.recording.frames.time_ns
    probes = [one for one in _probes(case, tap, address) if one[1] >= began]
    used = [one for one in _speaking(case, tap, address) if times[one - 1] >= began]
    first = int(times[used[0] - 1]) if used else move.usable_ns(address)
    before = [moment for _, moment in probes if moment < first]
    allowed = slack(case, (began, first))
    gaps = [(later - sooner) / SECOND for sooner, later in pairwise(before)]
    right = (
        len(before) >= limits.PROBES
        and all(limits.PROBE_LEAST <= gap <= limits.PROBE_MOST + allowed for gap in gaps)
        and (first - before[-1]) / SECOND >= limits.ANNOUNCE_WAIT
    )
    waited = f", then {(first - before[-1]) / SECOND:.2f} s" if before else ""
    case.expect(
        right,
        expected="an address is used after three probes, one or two seconds apart, and two more seconds",
        seen=f"{move.words}: {address}: {len(before)} probes, "
        f"apart by {', '.join(f'{gap:.2f} s' for gap in gaps) or 'nothing'}{waited}",
        frames=[number for number, _ in probes][:4],
    )


def _probes(case: Case, tap: TapState, address: Address) -> list[tuple[int, int]]:
    """Frame number and time in ns of each ARP probe for an address that left a station."""
    index = case.recording.frames
    found = []
    for row, frame in index.frames(index.select(tap=tap.number, outbound=True, ethertype=ethertypes.ARP)):
        packet = arp.parse(frame)
        if packet is not None and packet.probes and packet.target == address:
            found.append((row + 1, int(index.time_ns[row])))
    return found


def _speaking(case: Case, tap: TapState, address: Address) -> list[int]:
    """Numbers of the frames that left a station with an address as their sender's, ARP or IP."""
    index = case.recording.frames
    found = [int(row) + 1 for row in index.select(tap=tap.number, outbound=True, source=str(address))]
    for row, frame in index.frames(index.select(tap=tap.number, outbound=True, ethertype=ethertypes.ARP)):
        packet = arp.parse(frame)
        if packet is not None and packet.sender == address:
            found.append(row + 1)
    return sorted(found)


@check("move.address-defended", scenario="move")
def test_address_defended(case: Case) -> None:
    """A claim of its address by another host is answered once, or the address is given up; nobody fights."""
    made = moves(case)
    claims = case.all(AddressClaimed)
    case.require(claims, "nobody claimed an address")
    name, address = claims[0].where, IPv4Address(claims[0].address)
    move = next(one for one in made if one.state.endpoint == name)
    tap = case.tap(move.state.tap_after)
    case.require(_arrived(case, tap, claims), f"the claims of {address} did not arrive")
    since, answered = claims[0].time_ns, claims[-1].time_ns + int(limits.CLAIM_ANSWER * SECOND)
    said = announcements(case, [address], tap=tap.number, outbound=True, between=(since, 1 << 62))
    place = move.state.place_after
    changes = move.changes(where=place, what="address", key=str(address), state="gone")
    gone = [change.time_ns for change in changes if change.time_ns > since]
    case.expect(
        said or gone,
        expected="a claim of the address by another host is answered by an announcement, or the address is given up",
        seen=f"{move.words}: {len(claims)} claims of {address}, and nothing within {(answered - since) / SECOND:.1f} s",
    )
    case.expect(
        len(said) <= 1,
        expected="an address is defended at most once in ten seconds",
        seen=f"{move.words}: {len(said)} announcements of {address} after {len(claims)} claims",
        frames=[one.number for one in said],
    )
    if gone:
        case.note(f"{address} was given up {milliseconds(gone[0] - since)} ms after the first claim")


def _arrived(case: Case, tap: TapState, claims: Sequence[AddressClaimed]) -> bool:
    """Whether every claim was seen on the way in."""
    index = case.recording.frames
    wanted = (claims[0].address, claims[0].mac)
    seen = 0
    for _, frame in index.frames(index.select(tap=tap.number, outbound=False, ethertype=ethertypes.ARP)):
        packet = arp.parse(frame)
        seen += packet is not None and packet.announces and (str(packet.sender), packet.sender_mac) == wanted
    return seen >= len(claims)
