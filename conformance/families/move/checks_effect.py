"""What moves lead to: neighbours, switches and traffic follow at once, and the old place is silent."""

from __future__ import annotations

from statistics import median

from conformance import limits
from conformance.families.move.evidence import (
    Address,
    Move,
    deadline,
    entries,
    held,
    milliseconds,
    moves,
    read_arp,
    read_discovery,
    with_family,
)
from conformance.judging.case import Case
from conformance.judging.parameters import FAMILIES
from conformance.judging.register import check
from conformance.judging.timing import SECOND
from conformance.protocols import ethertypes, ndp
from conformance.recording.events.addressing import AddressAsked, NotOneSegment
from conformance.recording.model import Change, Stream

PATHS = ("cross-host", "inbound")


@check("move.neighbours-follow", scenario="move", family=FAMILIES)
def test_neighbours_follow(case: Case) -> None:
    """Whoever knew the old MAC address knows the new one at once, without timing out and asking again."""
    primed = 0
    for move in with_family(moves(case, lambda move: move.silent and move.renewed)):
        for address in move.addresses():
            for where, changes in entries(case, address).items():
                before = held(changes, move.state.started_ns)
                if before is None or before.value != move.old_mac:
                    continue
                primed += 1
                _expect_followed(case, move, address, where, changes)
    case.require(primed, "no neighbour knew the address before the move")


def _expect_followed(case: Case, move: Move, address: Address, where: str, changes: list[Change]) -> None:
    usable = move.usable_ns(address)
    now = held(changes, deadline(usable))
    if now is not None and now.value == move.new_mac and now.time_ns > deadline(usable, limits.PROMPT):
        case.note(f"{where} followed {milliseconds(now.time_ns - usable)} ms after {address} was usable")
    case.expect(
        now is not None and now.value == move.new_mac,
        expected="three seconds after the address was usable, every neighbour that knew it has its new MAC address",
        seen=f"{move.words}: {where} has {address} at {(now and now.value) or 'nobody'}, not {move.new_mac}",
    )


@check("move.switch-follows", scenario="move")
def test_switch_follows(case: Case) -> None:
    """The switch between the hosts sends to the new port what is for an endpoint that changed hosts."""
    known = 0
    for move in moves(case, lambda move: move.silent and move.elsewhere):
        entry = [c for c in case.recording.record.changes if (c.where, c.what) == ("rack", "forwarding")]
        before = held((c for c in entry if c.key == move.old_mac), move.state.started_ns)
        if before is None or not before.value.startswith(f"{move.state.source}."):
            continue
        known += 1
        usable = max((move.usable_ns(address) for address in move.addresses()), default=move.state.done_ns)
        mine = [change for change in entry if change.key == move.new_mac]
        now = held(mine, deadline(usable))
        case.expect(
            now is not None and now.value.startswith(f"{move.state.target}."),
            expected="three seconds after the address was usable, the switch has its MAC address on the new port",
            seen=f"{move.words}: {move.new_mac} is on {now.value if now and now.state != 'gone' else 'no port'}",
        )
    case.applies(known, "the switch between the hosts does not see these MAC addresses")


@check("move.traffic-follows", scenario="move", family=FAMILIES, path=PATHS)
def test_traffic_follows(case: Case) -> None:
    """What is sent to an endpoint that moved arrives at its new place within the limit, and goes on arriving."""
    carried = 0
    for move in with_family(moves(case, lambda move: move.silent)):
        for stream in _sound(case, move):
            carried += 1
            usable = move.usable_ns(_address(move, stream))
            lasting = next((o for o in stream.outages if not o.recovered), None)
            if deadline(usable, limits.PROMPT) < stream.first_new_ns <= deadline(usable):
                case.note(
                    f"{stream.source} reached {stream.address} {milliseconds(stream.first_new_ns - usable)} ms late"
                )
            case.expect(
                stream.first_new_ns and stream.first_new_ns <= deadline(usable) and lasting is None,
                expected="three seconds after the address was usable, traffic to it arrives at the new place",
                seen=f"{move.words}, from {stream.source}: "
                + (
                    f"first arrival {milliseconds(stream.first_new_ns - usable)} ms after it was usable"
                    if stream.first_new_ns
                    else "nothing arrived until the window ended"
                )
                + (", and then no more" if lasting is not None and stream.first_new_ns else ""),
            )
    overlay = "encapsulation" in case.profile.features and case.parameters["path"] == "inbound"
    case.applies(carried or not overlay, "there is no way into the overlay from outside")
    case.require(carried, "nothing arrived on this path before the move")


def _sound(case: Case, move: Move) -> list[Stream]:
    """The move's streams that arrived before it. Requires that the suite's own sockets had room for them."""
    found = [stream for stream in move.streams() if stream.old]
    case.require(not any(stream.overflowed for stream in found), "the suite's own sockets had no room for the probes")
    return found


def _address(move: Move, stream: Stream) -> Address:
    return next(one for one in move.addresses(scope=None) if str(one) == stream.address)


@check("move.across-subnets", scenario="move", family=FAMILIES)
def test_across_subnets(case: Case) -> None:
    """An address survives a move to a host in another subnet, by whichever means."""
    record = case.recording.record
    apart = case.all(NotOneSegment)
    case.applies(apart, "the hosts share a subnet")
    made = [Move(case, state) for state in record.moves if state.style == "silent"]
    case.require(made, "the implementation makes no move to another host")
    overlay = "encapsulation" in case.profile.features
    case.note(f"by which means: {'an overlay' if overlay else 'a host route, or nothing that is seen here'}")
    for move in made:
        case.require(move.state.problem is None, f"{move.words}: {move.state.problem}")
        case.expect(
            move.addresses(),
            expected="the endpoint has the same address at its new place",
            seen=f"{move.words}: {', '.join(a.address for a in move.state.before.addresses)} before, others after",
        )
        streams = [stream for stream in _sound(case, move) if stream.path == "cross-host"]
        case.require(streams, "nothing arrived from the peer before the move")
        for stream in streams:
            usable = move.usable_ns(_address(move, stream))
            case.expect(
                0 < stream.first_new_ns <= deadline(usable) and all(outage.recovered for outage in stream.outages),
                expected="three seconds after the address was usable, traffic to it arrives in the other subnet",
                seen=f"{move.words}, from {stream.source}: {stream.new} of {stream.sent} probes arrived there",
            )


@check("move.old-place-silent", scenario="move", family=FAMILIES)
def test_old_place_is_silent(case: Case) -> None:
    """The old place says nothing of the address after the hand-over, answers nothing, and takes no traffic."""
    made = with_family(moves(case))
    case.window("move")
    asked = {event.address for event in case.all(AddressAsked)}
    for move in made:
        for address in move.addresses():
            if str(address) not in asked:
                case.note(f"nobody on the link could ask who has {address}")
            said = _said_by_old(case, move, address)
            case.expect(
                not said,
                expected="nothing is said of the address from its old place, whoever asks",
                seen=f"{move.words}: {len(said)} frames from the old place speak for {address}",
                frames=said,
            )
        if move.state.place_before != move.state.place_after:
            _expect_no_traffic(case, move)


def _expect_no_traffic(case: Case, move: Move) -> None:
    for stream in move.streams():
        until = move.handed_over_ns(_address(move, stream)) + int(limits.HANDED_OVER * SECOND)
        case.expect(
            stream.last_old_ns <= until,
            expected="the old place takes nothing in later than 100 ms after the hand-over",
            seen=f"{move.words}, from {stream.source}: arriving {milliseconds(stream.last_old_ns - until)} ms later",
        )


def _said_by_old(case: Case, move: Move, address: Address) -> list[int]:
    """Numbers of the frames that leave the old place and speak for the address: the host's uplink where it was left,
    and the namespace of before where it is another one."""
    taps = [tap for tap in case.recording.record.taps if move.elsewhere and tap.name == f"{move.state.source}:eth0"]
    if move.state.place_before != move.state.place_after:
        taps += [tap for tap in case.recording.record.taps if tap.where == move.state.place_before]
    index = case.recording.frames
    since = move.handed_over_ns(address) + int(limits.HANDED_OVER * SECOND)
    wanted = {"tap": [tap.number for tap in taps], "outbound": True, "between": (since, 1 << 62)}
    found = [int(row) + 1 for row in index.select(source=str(address), **wanted)]
    for row, frame in index.frames(index.select(ethertype=ethertypes.ARP, **wanted)):
        packet = read_arp(frame)
        if packet is not None and packet.sender == address:
            found.append(row + 1)
    for row, frame in index.frames(index.select(icmp_type=ndp.ADVERTISEMENT, **wanted)):
        message = read_discovery(frame)
        if message is not None and message.target == address:
            found.append(row + 1)
    return sorted(set(found))


@check("move.blackout", scenario="move", family=FAMILIES, path=PATHS)
def test_blackout(case: Case) -> None:
    """How long nothing arrives, in ms, by the streams: silent attempts, and talking ones apart."""
    spans: dict[str, list[float]] = {}
    for move in with_family(moves(case)):
        for stream in _sound(case, move):
            around = [o for o in stream.outages if o.end_ns > move.state.started_ns]
            longest = max((o.end_ns - o.start_ns for o in around), default=0)
            spans.setdefault(f"{move.state.kind}_{move.state.style}", []).append(milliseconds(longest))
    overlay = "encapsulation" in case.profile.features and case.parameters["path"] == "inbound"
    case.applies(spans or not overlay, "there is no way into the overlay from outside")
    case.require(spans, "nothing arrived on this path before the move")
    for name, found in sorted(spans.items()):
        case.figures[f"{name}_median_ms"] = median(found)
        case.figures[f"{name}_worst_ms"] = max(found)
    case.expect(True, expected="a figure: the longest time in which no probe arrived", seen="measured")


@check("move.announcement-figures", scenario="move", family=FAMILIES)
def test_announcement_figures(case: Case) -> None:
    """How many announcements each address has, and how long after it was usable the first one is sent, in ms."""
    counts, delays = [], []
    for move in with_family(moves(case, lambda move: move.silent)):
        said = move.announcements()
        for address in move.addresses():
            mine = [one.time_ns for one in said if one.address == address]
            counts.append(len(mine))
            if mine:
                delays.append(milliseconds(min(mine) - move.usable_ns(address)))
    case.figures |= {"announcements_least": min(counts), "announcements_most": max(counts)}
    if delays:
        case.figures |= {"first_median_ms": median(delays), "first_worst_ms": max(delays)}
    case.expect(True, expected="figures: announcements of each address, and when the first was sent", seen="measured")
