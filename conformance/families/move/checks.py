"""Moves: what moved says so in ARP and neighbour discovery, in due form, from where it is, and in no other way."""

from __future__ import annotations

from itertools import pairwise

from conformance import limits
from conformance.families.move.checks_captured import form_v4_captured, form_v6_captured
from conformance.families.move.evidence import (
    Address,
    Announcement,
    Move,
    announcements,
    deadline,
    milliseconds,
    moves,
    observers,
    read_arp,
    read_discovery,
    with_family,
)
from conformance.families.move.evidence_forms import advertisement_faults, vlan_fault
from conformance.judging.case import Case
from conformance.judging.parameters import FAMILIES
from conformance.judging.register import check
from conformance.judging.timing import SECOND
from conformance.protocols import arp, ethertypes, ndp
from conformance.protocols.mac import BROADCAST

MOST_ADVERTISEMENTS = 3
"""RFC 4861 §10: MAX_NEIGHBOR_ADVERTISEMENT."""
MOST_ANNOUNCEMENTS = 10
"""ARP announcements of one address in one window: twice five is what careful movers send."""


def _silent(case: Case) -> list[Move]:
    return with_family(moves(case, lambda move: move.silent))


def _announced(case: Case, *, request: bool) -> None:
    """One announcement or more of each move, the first within the limit, and the figures of it."""
    for move in _silent(case):
        usable = min(move.usable_ns(address) for address in move.addresses())
        found = [one for one in move.announcements() if _reaches_all(one)]
        first = min((one.time_ns for one in found), default=0)
        case.expect(
            found and first <= deadline(usable, limits.ANNOUNCED),
            expected="what moved announces it at its new place, within one second of being usable there, by "
            + ("a broadcast ARP announcement" if request else "an unsolicited neighbour advertisement to all nodes"),
            seen=f"{move.words}: "
            + (f"first announced {milliseconds(first - usable)} ms after it was usable" if found else "nothing"),
            frames=[one.number for one in found[:4]],
        )


def _reaches_all(one: Announcement) -> bool:
    if one.arp is not None:
        return one.arp.ethernet_destination == BROADCAST
    return one.advertisement is not None


@check("move.announced-v4", scenario="move")
def test_announced_v4(case: Case) -> None:
    """An endpoint that moved announces its IPv4 address there by at least one broadcast ARP announcement."""
    _announced(case.of_family("ipv4"), request=True)


@check("move.announced-v6", scenario="move")
def test_announced_v6(case: Case) -> None:
    """An endpoint that moved announces its IPv6 address there by an unsolicited advertisement to all nodes."""
    _announced(case.of_family("ipv6"), request=False)


@check("move.announcement-form-v4", scenario="move", captures=form_v4_captured)
def test_form_v4(case: Case) -> None:
    """An ARP announcement is broadcast and carries the interface's MAC address in ARP and Ethernet."""
    found = _all_announcements(case.of_family("ipv4"))
    for move, one in found:
        packet = one.arp
        assert packet is not None
        right = packet.sender_mac == packet.ethernet_source == move.new_mac and packet.ethernet_destination == BROADCAST
        elsewhere = vlan_fault(one.vlans)
        case.expect(
            right and elsewhere is None,
            expected="an ARP announcement is broadcast in the VLAN of its interface, whose MAC address is its sender "
            "and its Ethernet source",
            seen=f"{move.words}: sender {packet.sender_mac}, Ethernet {packet.ethernet_source} to "
            f"{packet.ethernet_destination}{f' {elsewhere}' if elsewhere else ''}, the interface is {move.new_mac}",
            frames=[one.number],
        )
        if packet.target_mac != arp.NOBODY:
            case.note(f"an announcement of {packet.sender} names {packet.target_mac} as its target, not zero")


@check("move.request-form", scenario="move")
def test_request_form(case: Case) -> None:
    """The announcement has the form of a request; a broadcast reply is accepted and noted."""
    for move, one in _all_announcements(case.of_family("ipv4")):
        packet = one.arp
        assert packet is not None
        case.expect(
            packet.operation == arp.REQUEST or packet.ethernet_destination == BROADCAST,
            expected="an ARP announcement is a request, or at least a broadcast reply",
            seen=f"{move.words}: operation {packet.operation} to {packet.ethernet_destination}",
            frames=[one.number],
        )
        if packet.operation != arp.REQUEST:
            case.note(f"{packet.sender} is announced by a reply (op {packet.operation}), not by a request")


def _all_announcements(case: Case) -> list[tuple[Move, Announcement]]:
    """Every announcement of every silent move. Not applicable where nothing was announced."""
    found = [(move, one) for move in _silent(case) for one in move.announcements(anywhere=True)]
    case.applies(found, "nothing was announced that could have a form")
    return found


@check("move.announcement-form-v6", scenario="move", captures=form_v6_captured)
def test_form_v6(case: Case) -> None:
    """An unsolicited advertisement has Solicited clear, the MAC address as option, hop limit 255, a right checksum."""
    for move, one in _all_announcements(case.of_family("ipv6")):
        message = one.advertisement
        assert message is not None
        faults = list(_faults(case, move, one, message))
        case.expect(
            not faults,
            expected="an unsolicited advertisement: S clear, target link-layer address, hop limit 255, to ff02::1",
            seen=f"{move.words}: {', '.join(faults)}",
            frames=[one.number],
        )


def _faults(case: Case, move: Move, one: Announcement, message: ndp.Neighbor) -> list[str]:
    index = case.recording.frames
    sound = ndp.checksum_holds(index.frame(one.number - 1), index.link_type(one.number - 1))
    link = message.link_layer(ndp.TARGET_OPTION)
    wrong = {
        "Router is set": message.router and not move.forwards,
        str(vlan_fault(one.vlans)): bool(one.vlans),
        f"target link-layer address {link}, not {move.new_mac}": link not in (None, move.new_mac),
    }
    return [*advertisement_faults(message, sound), *(words for words, holds in wrong.items() if holds)]


@check("move.override-set", scenario="move")
def test_override(case: Case) -> None:
    """Where the MAC address changed, advertisements have Override set, so that caches are rewritten at once."""
    narrow = case.of_family("ipv6")
    renewed = with_family(moves(narrow, lambda move: move.silent and move.renewed))
    found = [(move, one) for move in renewed for one in move.announcements()]
    case.applies(found, "nothing was advertised that could override")
    for move, one in found:
        assert one.advertisement is not None
        case.expect(
            one.advertisement.override,
            expected="an advertisement of an address with a new MAC address has Override set",
            seen=f"{move.words}: Override is clear",
            frames=[one.number],
        )


@check("move.announcement-rate-v6", scenario="move")
def test_rate_v6(case: Case) -> None:
    """Unsolicited advertisements of one address are at most three, a second apart."""
    for move, one in _by_address(case.of_family("ipv6")):
        times = [each.time_ns for each in one]
        least = min((later - sooner for sooner, later in pairwise(times)), default=SECOND)
        case.expect(
            len(one) <= MOST_ADVERTISEMENTS and least >= int(limits.ADVERTISEMENT_SPACING * SECOND),
            expected="at most three unsolicited advertisements of an address, at least a second apart",
            seen=f"{move.words}: {len(one)} of {one[0].address}, {milliseconds(least)} ms apart at the least",
            frames=[each.number for each in one],
        )


@check("move.announcements-bounded", scenario="move")
def test_bounded_v4(case: Case) -> None:
    """ARP announcements of one address are repeated within reason, and are no storm."""
    for move, one in _by_address(case.of_family("ipv4")):
        case.expect(
            len(one) <= MOST_ANNOUNCEMENTS,
            expected=f"at most {MOST_ANNOUNCEMENTS} ARP announcements of an address after one move",
            seen=f"{move.words}: {len(one)} of {one[0].address}",
            frames=[each.number for each in one],
        )


def _by_address(case: Case) -> list[tuple[Move, list[Announcement]]]:
    found = []
    for move in _silent(case):
        said = move.announcements()
        for address in move.addresses():
            mine = [one for one in said if one.address == address]
            if mine:
                found.append((move, mine))
    case.applies(found, "nothing was announced that could be too much")
    return found


@check("move.every-address-announced", scenario="move", family=FAMILIES)
def test_every_address(case: Case) -> None:
    """Every address that moved is announced, not the first alone."""
    for move, said in _some_announced(case):
        missing = [address for address in move.addresses() if address not in said]
        case.expect(
            not missing,
            expected="every address that moved is announced at the new place",
            seen=f"{move.words}: not {', '.join(map(str, missing))}",
        )


def _some_announced(case: Case) -> list[tuple[Move, set[object]]]:
    pairs = [(move, {one.address for one in move.announcements()}) for move in _silent(case)]
    found = [(move, set(said)) for move, said in pairs if said]
    case.applies(found, "no address of this family was announced")
    return [(move, set(said)) for move, said in found]


@check("move.only-moved-announced", scenario="move")
def test_only_moved(case: Case) -> None:
    """Nothing is announced that did not move."""
    made = moves(case)
    case.window("move")
    start, end = min(m.state.started_ns for m in made), max(m.state.ended_ns for m in made)
    after = [one for m in made if m.state.after is not None for one in m.state.after.addresses]
    allowed = {one.address for one in after} | {a.address for m in made for a in m.state.before.addresses}
    said = [one for one in announcements(case, None, between=(start, end)) if str(one.address) not in allowed]
    case.expect(
        not said,
        expected="nothing is announced but what moved",
        seen=f"{len({one.address for one in said})} addresses that did not move, "
        f"{said[0].address if said else 'none'} the first",
        frames=[one.number for one in said],
    )


@check("move.announced-at-new-place", scenario="move")
def test_announced_at_new_place(case: Case) -> None:
    """What moved to another host is announced from there alone, not from the host that it left."""
    elsewhere = moves(case, lambda move: move.elsewhere)
    case.window("move")
    for move in elsewhere:
        tap = case.tap(f"{move.state.source}:eth0")
        span = (move.state.started_ns, move.state.ended_ns)
        said = announcements(case, move.addresses(), tap=tap.number, outbound=True, between=span)
        late = [one for one in said if one.time_ns > move.handed_over_ns(one.address)]
        case.expect(
            not late,
            expected="nothing announces the address on the host that it has left",
            seen=f"{move.words}: {len(late)} announcements from {move.state.source}",
            frames=[one.number for one in late],
        )


@check("move.announced-after-forwarding", scenario="move", family=FAMILIES)
def test_announced_after_forwarding(case: Case) -> None:
    """An announcement passes the new port: stations beyond it hear it."""
    beyond = [tap.number for tap in observers(case)]
    for move in _silent(case):
        if not move.announcements():
            continue
        span = (move.state.started_ns, move.state.ended_ns)
        every = announcements(case, move.addresses(), tap=beyond, outbound=False, between=span)
        heard = [one for one in every if not one.vlans]
        usable = min(move.usable_ns(address) for address in move.addresses())
        case.expect(
            heard and heard[0].time_ns <= deadline(usable, limits.ANNOUNCED),
            expected="an announcement is heard beyond the new port, within one second",
            seen=f"{move.words}: "
            + (f"heard {milliseconds(heard[0].time_ns - usable)} ms after it was usable" if heard else "never heard"),
            frames=[one.number for one in heard[:2]],
        )
    case.applies(case.observations, "nothing was announced that could be lost")


@check("move.new-mac-only", scenario="move")
def test_new_mac_only(case: Case) -> None:
    """After a move with a new MAC address nothing names the old one any more."""
    renewed = moves(case, lambda move: move.renewed)
    case.window("move")
    for move in renewed:
        for address in move.addresses():
            stale = _naming(case, move, address)
            case.expect(
                not stale,
                expected="later than 100 ms after the move every announcement and answer carries the new MAC address",
                seen=f"{move.words}: {len(stale)} frames say that {address} is at {move.old_mac}",
                frames=stale,
            )


def _naming(case: Case, move: Move, address: Address) -> list[int]:
    """Numbers of the frames that still say, after the hand-over, that the address is at the old MAC address."""
    moved = move.handed_over_ns(address) + int(limits.HANDED_OVER * SECOND)
    index = case.recording.frames
    found = []
    for row, frame in index.frames(index.select(ethertype=ethertypes.ARP, between=(moved, 1 << 62))):
        packet = read_arp(frame)
        if (
            packet is not None
            and packet.sender == address
            and move.old_mac
            in (
                packet.sender_mac,
                packet.ethernet_source,
            )
        ):
            found.append(row + 1)
    for row, frame in index.frames(index.select(icmp_type=ndp.ADVERTISEMENT, between=(moved, 1 << 62))):
        message = read_discovery(frame)
        if (
            message is not None
            and message.target == address
            and move.old_mac
            in (
                message.link_layer(ndp.TARGET_OPTION),
                message.ethernet_source,
            )
        ):
            found.append(row + 1)
    return found


@check("move.routers-told", scenario="move")
def test_routers_told(case: Case) -> None:
    """Who tells its routers of an address that it has gained does so with Override clear, three times at most."""
    narrow = case.of_family("ipv6")
    index = case.recording.frames
    for move in _silent(narrow):
        tap = case.tap(move.state.tap_after)
        span = (move.state.started_ns, move.state.ended_ns)
        rows = index.select(tap=tap.number, outbound=True, icmp_type=ndp.ADVERTISEMENT, between=span)
        heard = [(row, read_discovery(frame)) for row, frame in index.frames(rows)]
        for address in move.addresses():
            told = [(row, one) for row, one in heard if one is not None and _to_routers(one, address)]
            if not told:
                continue
            times = [int(index.time_ns[row]) for row, _ in told]
            least = min((later - sooner for sooner, later in pairwise(times)), default=SECOND)
            whole = [one for _, one in told if one.hop_limit == 255 and one.link_layer(ndp.TARGET_OPTION)]
            case.expect(
                not any(one.override for _, one in told)
                and len(told) == len(whole) <= MOST_ADVERTISEMENTS
                and least >= int(limits.ADVERTISEMENT_SPACING * SECOND),
                expected="routers are told of an address with Override clear, at most three times, a second apart",
                seen=f"{move.words}: {len(told)} of {address}, {sum(one.override for _, one in told)} of them with "
                f"Override, {len(whole)} in due form, {milliseconds(least)} ms apart at the least",
                frames=[row + 1 for row, _ in told],
            )
    case.applies(case.observations, "routers are not told of addresses apart from other nodes")


def _to_routers(message: ndp.Neighbor, address: object) -> bool:
    return message.target == address and message.destination == ndp.ALL_ROUTERS
