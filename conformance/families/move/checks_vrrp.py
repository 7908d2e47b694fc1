"""Virtual routers: who becomes master says so in due form and in time, and who waits answers nothing."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address

from conformance import limits
from conformance.families.move.checks_captured import virtual_mac_captured
from conformance.families.move.evidence import Address, Announcement, Move, milliseconds, moves
from conformance.judging.case import Case
from conformance.judging.register import check
from conformance.judging.timing import SECOND, slack
from conformance.protocols import arp, ethertypes, ndp, vrrp
from conformance.protocols.mac import BROADCAST
from conformance.recording.events.links import TimerLate
from conformance.recording.model import TapState


@dataclass(frozen=True)
class SentAdvertisement:
    """One advertisement of VRRP as it left a node: number and time in ns of its frame, and what it says."""

    number: int
    time_ns: int
    said: vrrp.Advertisement


def _made(case: Case) -> list[Move]:
    """The moves. Requires that VRRP was spoken for each address before it."""
    made = moves(case, lambda move: move.elsewhere)
    for move in made:
        for address in _addresses(move):
            before = _statements(case, case.tap(move.state.tap_before), address)
            case.require(before, f"{move.words}: no master advertised {address} before the move")
    return made


def _addresses(move: Move) -> list[Address]:
    """The addresses that moved, of the families that the profile claims."""
    return [one for one in move.addresses() if f"ipv{one.version}" in move.case.profile.features]


def _statements(case: Case, tap: TapState, address: Address) -> list[SentAdvertisement]:
    """Advertisements for an address that left a node, in order."""
    index = case.recording.frames
    found = []
    for row, frame in index.frames(index.select(tap=tap.number, protocol=vrrp.PROTOCOL, outbound=True)):
        said = vrrp.parse(frame)
        if said is not None and address in said.addresses:
            found.append(SentAdvertisement(row + 1, int(index.time_ns[row]), said))
    return found


@check("move.vrrp-master-announces", scenario="move")
def test_master_announces(case: Case) -> None:
    """Who becomes master advertises itself, and announces every address by ARP request or advertisement in due form."""
    for move in _made(case):
        said = move.announcements()
        for address in _addresses(move):
            statement = [one for one in _statements(case, case.tap(move.state.tap_after), address) if one.said.priority]
            case.expect(
                statement,
                expected="a new master sends an ADVERTISEMENT",
                seen=f"{move.words}: none for {address}",
            )
            mine = [one for one in said if one.address == address]
            form = "a broadcast gratuitous ARP request" if address.version == 4 else "an advertisement with R, O, not S"
            right = [one for one in mine if _in_form(one)]
            case.expect(
                right,
                expected=f"a new master sends for each of its addresses {form}",
                seen=f"{move.words}: {len(mine)} announcements of {address}, none of them so",
                frames=[one.number for one in mine],
            )
            if statement and any(
                one.mac != vrrp.virtual_mac(statement[0].said.router, address.version) for one in right
            ):
                case.note("what is announced is the interface's MAC address, not the virtual router's")


def _in_form(one: Announcement) -> bool:
    if one.arp is not None:
        return one.arp.operation == arp.REQUEST and one.arp.ethernet_destination == BROADCAST
    message = one.advertisement
    return message is not None and message.router and message.override and not message.solicited


@check("move.vrrp-backup-silent", scenario="move")
def test_backup_is_silent(case: Case) -> None:
    """A backup answers neither ARP requests nor solicitations for the virtual address, whoever asks."""
    made = _made(case)
    case.window("move")
    for move in made:
        for address in _addresses(move):
            places = [(move.state.tap_after, (0, move.state.started_ns))]
            if not _dismantled(move):
                since = move.handed_over_ns(address) + int(limits.HANDED_OVER * SECOND)
                places.append((move.state.tap_before, (since, 1 << 62)))
            for name, between in places:
                tap = case.tap(name)
                asked = _speaking(case, tap, address, between, outbound=False)
                case.require(asked, f"{move.words}: nobody asked the backup for {address}")
                answers = _speaking(case, tap, address, between, outbound=True)
                case.expect(
                    not answers,
                    expected="a backup does not answer for the virtual address",
                    seen=f"{move.words}: {len(answers)} frames from {tap.where} speak for {address}",
                    frames=answers,
                )


def _dismantled(move: Move) -> bool:
    """Whether the old master's interface has gone: then it is no backup either."""
    where, _, interface = move.state.tap_before.rpartition(":")
    return any(move.changes(where=where, what="link", key=interface, state="gone"))


def _speaking(case: Case, tap: TapState, address: Address, between: tuple[int, int], *, outbound: bool) -> list[int]:
    """Numbers of the frames in which somebody asks for an address (inbound), or speaks for it (outbound)."""
    index = case.recording.frames
    wanted = {"tap": tap.number, "outbound": outbound, "between": between}
    found = []
    if isinstance(address, IPv6Address):
        kind = ndp.ADVERTISEMENT if outbound else ndp.SOLICITATION
        for row, frame in index.frames(index.select(icmp_type=kind, **wanted)):
            message = ndp.parse(frame)
            if message is not None and message.target == address:
                found.append(row + 1)
        return found
    for row, frame in index.frames(index.select(ethertype=ethertypes.ARP, **wanted)):
        packet = arp.parse(frame)
        asks = packet is not None and packet.operation == arp.REQUEST and packet.target == address
        if packet is not None and (packet.sender == address if outbound else asks and not packet.announces):
            found.append(row + 1)
    return found


@check("move.vrrp-virtual-mac", scenario="move", captures=virtual_mac_captured)
def test_virtual_mac(case: Case) -> None:
    """The master answers for the virtual address with the virtual router's MAC address alone."""
    made = _made(case)
    for move in made:
        for address in _addresses(move):
            tap = case.tap(move.state.tap_after)
            statement = _statements(case, tap, address)
            case.require(statement, f"{move.words}: no new master")
            answers = _answers(case, tap, address, (move.usable_ns(address), 1 << 62))
            case.require(answers, f"{move.words}: nobody had an answer for {address}")
            virtual = vrrp.virtual_mac(statement[0].said.router, address.version)
            wrong = [number for number, mac in answers if mac != virtual]
            case.expect(
                not wrong,
                expected="the master answers with the MAC address of the virtual router, and never with its own",
                seen=f"{move.words}: {address} is at {dict(answers)[wrong[0]] if wrong else ''}, not {virtual}",
                frames=wrong,
            )


def _answers(case: Case, tap: TapState, address: Address, between: tuple[int, int]) -> list[tuple[int, str | None]]:
    """Frame number and MAC address of every answer that somebody who asked was sent."""
    index = case.recording.frames
    found: list[tuple[int, str | None]] = []
    for number in _speaking(case, tap, address, between, outbound=True):
        frame = index.frame(number - 1)
        packet, message = arp.parse(frame), ndp.parse(frame)
        if packet is not None and packet.operation == arp.REPLY and not packet.announces:
            found.append((number, packet.sender_mac))
        elif message is not None and message.solicited:
            found.append((number, message.link_layer(ndp.TARGET_OPTION)))
    return found


@check("move.vrrp-takeover-time", scenario="move")
def test_takeover_time(case: Case) -> None:
    """After a crash a backup is master within three intervals and its skew, after a resignation within its skew."""
    for move in _made(case):
        for address in _addresses(move):
            old = _statements(case, case.tap(move.state.tap_before), address)
            new = [one for one in _statements(case, case.tap(move.state.tap_after), address) if one.said.priority]
            case.require(new, f"{move.words}: no new master for {address}")
            last = [one for one in old if one.time_ns < new[0].time_ns][-1]
            _expect_in_time(case, move, address, last, new[0])


def _held_up(case: Case, between: tuple[int, int]) -> float:
    """How long our own timers were late in a time, all together, in s: to take over is work in several steps, each of
    which waits for the processor as often. Requires that there was no standstill."""
    slack(case, between)
    start, end = between
    return sum(one.seconds for one in case.all(TimerLate) if start <= one.time_ns <= end)


def _expect_resignation(
    case: Case, move: Move, address: Address, last: SentAdvertisement, first: SentAdvertisement
) -> None:
    """A master that is ended says so (RFC 5798 §6.4.3, Shutdown): else nobody takes over before three intervals. Who is
    preempted by a better priority does not resign."""
    preempted = first.said.priority >= last.said.priority
    case.require(not preempted, f"{move.words}: the old master was preempted, and did not resign")
    case.expect(
        False,
        expected="a master that is ended resigns by an advertisement of priority 0, so that a backup need not wait",
        seen=f"{move.words}: the last for {address} has priority {last.said.priority}, the next master came "
        f"{(first.time_ns - last.time_ns) / SECOND:.2f} s later",
        frames=[last.number, first.number],
    )


def _expect_in_time(
    case: Case, move: Move, address: Address, last: SentAdvertisement, first: SentAdvertisement
) -> None:
    resigned = last.said.priority == vrrp.RESIGNED
    if not resigned and move.state.kind != "crash":
        _expect_resignation(case, move, address, last, first)
        return
    interval = first.said.interval
    skew = (256 - first.said.priority) / 256 * interval
    timer = skew if resigned else limits.VRRP_DOWN * interval + skew
    took = (first.time_ns - last.time_ns) / SECOND
    allowed = _held_up(case, (last.time_ns, first.time_ns))
    how = "of priority 0" if resigned else "before its crash"
    case.figures[f"{'resigned' if resigned else 'crashed'}_ms"] = max(
        milliseconds(first.time_ns - last.time_ns), case.figures.get(f"{'resigned' if resigned else 'crashed'}_ms", 0)
    )
    case.expect(
        took <= timer + limits.VRRP_MARGIN + allowed,
        expected=f"a backup is master {timer:.2f} s after the last advertisement {how}, and no later",
        seen=f"{move.words}: {took:.2f} s for {address}",
        frames=[last.number, first.number],
    )
    if timer + limits.VRRP_PROMPT < took:
        case.note(f"later than its timer by more than {limits.VRRP_PROMPT} s, which a busy machine may be the cause of")
    if not resigned and took < limits.VRRP_DOWN * interval - limits.VRRP_PROMPT:
        case.note(f"{address} was taken over before three intervals had gone by: {took:.2f} s")
