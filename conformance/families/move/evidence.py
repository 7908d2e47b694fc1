"""Moves as a recording shows them: what moved, when it was usable, what announced it, and who followed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from conformance import limits
from conformance.judging.case import Case
from conformance.judging.timing import SECOND
from conformance.protocols import arp, ethertypes, ndp
from conformance.recording.events.addressing import MonitorOverflowed, NotOneSegment
from conformance.recording.model import Change, MoveState, Stream, TapState

if TYPE_CHECKING:
    from conformance.recording.index import FrameIndex

Address = IPv4Address | IPv6Address
CANARY = b"CANARY"
DAD_ANSWER = SECOND
"""RFC 4861 §7.2.4: an advertisement to all nodes within this time of a solicitation from :: is an answer to it."""


read_arp = functools.lru_cache(maxsize=1 << 14)(arp.parse)
read_discovery = functools.lru_cache(maxsize=1 << 14)(ndp.parse)
"""What a frame says, read once for all moves that it is looked at for."""


@dataclass(frozen=True)
class Announcement:
    """One frame that announces an address: frame number, time in ns, tap, and what it says."""

    number: int
    time_ns: int
    tap: int
    outbound: bool
    address: Address
    mac: str | None
    arp: arp.Arp | None = None
    advertisement: ndp.Neighbor | None = None

    @property
    def vlans(self) -> tuple[int, ...]:
        """The VLANs that its frame is tagged with; a priority tag is none."""
        message = self.arp or self.advertisement
        return () if message is None else message.vlans


@dataclass(frozen=True)
class Move:
    """One move that the implementation made, with what the record says of it."""

    case: Case
    state: MoveState

    @property
    def words(self) -> str:
        """Which one it is, for texts."""
        state = self.state
        return f"{state.endpoint} ({state.kind}, {state.style}, {state.source} to {state.target})"

    @property
    def silent(self) -> bool:
        """Whether nothing but its announcements could teach the network."""
        return self.state.style == "silent"

    @property
    def elsewhere(self) -> bool:
        """Whether it changed hosts."""
        return self.state.source != self.state.target

    @property
    def old_mac(self) -> str:
        """Its MAC address before."""
        return self.state.before.mac

    @property
    def new_mac(self) -> str:
        """Its MAC address after."""
        return "" if self.state.after is None else self.state.after.mac

    @property
    def renewed(self) -> bool:
        """Whether its MAC address changed."""
        return self.old_mac != self.new_mac

    @property
    def forwards(self) -> bool:
        """Whether it is a router for IPv6 at its new place, as its kernel was set when the window had ended."""
        interface = self.state.tap_after.rpartition(":")[2]
        found = [one.sysctls for one in self.case.snapshots(self.state.endpoint, "after")]
        return any(one.get(f"net.ipv6.conf.{interface}.forwarding") == "1" for one in found)

    def addresses(self, *, scope: str | None = "global") -> list[Address]:
        """The addresses of the case's family (both without one) that it had before and has after."""
        version = {"ipv4": 4, "ipv6": 6}.get(self.case.parameters.get("family", ""))
        after = {one.address for one in self.state.after.addresses} if self.state.after is not None else set()
        kept = [one for one in self.state.before.addresses if one.address in after and scope in (None, one.scope)]
        found = [ip_address(one.address) for one in kept]
        return [one for one in found if version in (None, one.version)]

    def changes(self, **wanted: Any) -> Iterator[Change]:
        """What the kernel announced since the move began, of `where`, `what`, `key`, `state`."""
        for change in _changes(self.case).get((wanted.get("where", ""), wanted.get("what", "")), ()):
            late = self.state.started_ns <= change.time_ns
            if late and all(getattr(change, name) == value for name, value in wanted.items()):
                yield change

    def usable_ns(self, address: Address) -> int:
        """When the address could be used at the new place: assigned, not tentative, its link up."""
        there = self.state.place_after
        gone = self._gone_ns(address) if there == self.state.place_before else 0
        interface = self.state.tap_after.rpartition(":")[2]
        usable = [c.time_ns for c in self.changes(where=there, what="address", key=str(address), state="usable")]
        up = [c.time_ns for c in self.changes(where=there, what="link", key=interface, state="up")]
        first = next((moment for moment in usable if moment > gone), self.state.done_ns)
        return max(first, next((moment for moment in up if moment > gone), 0))

    def _gone_ns(self, address: Address) -> int:
        there = self.state.place_before
        interface = self.state.tap_before.rpartition(":")[2]
        moments = [c.time_ns for c in self.changes(where=there, what="address", key=str(address), state="gone")]
        for state in ("gone", "down"):
            moments += [c.time_ns for c in self.changes(where=there, what="link", key=interface, state=state)]
        return min(moments, default=0)

    def handed_over_ns(self, address: Address) -> int:
        """When the old place was to be silent: the address went from there, or else was usable at the new place."""
        return self._gone_ns(address) or self.usable_ns(address)

    def streams(self) -> list[Stream]:
        """Its streams of the case's family and path."""
        axes = {key: self.case.parameters[key] for key in ("family", "path") if key in self.case.parameters}
        return [
            stream
            for stream in self.case.recording.record.streams
            if stream.endpoint == self.state.endpoint and all(getattr(stream, k) == v for k, v in axes.items())
        ]

    def announcements(self, *, anywhere: bool = False) -> list[Announcement]:
        """What announced one of its addresses as the new place sent it, since the move began (see `announcements`): in
        its own VLAN, or `anywhere`. An announcement in another VLAN reaches nobody who knows the address."""
        tap = [one.number for one in self.case.recording.record.taps if one.name == self.state.tap_after]
        between = (self.state.started_ns, self.state.ended_ns)
        said = announcements(self.case, self.addresses(), tap=tap, outbound=True, between=between)
        return [one for one in said if anywhere or not one.vlans]


def _changes(case: Case) -> dict[tuple[str, str], list[Change]]:
    """What the kernel announced, by where and what it is; an empty text stands for any."""
    memory = case.recording.memory
    if _changes not in memory:
        found: dict[tuple[str, str], list[Change]] = {}
        for change in case.recording.record.changes:
            for key in ((change.where, change.what), (change.where, ""), ("", change.what), ("", "")):
                found.setdefault(key, []).append(change)
        memory[_changes] = found
    kept: dict[tuple[str, str], list[Change]] = memory[_changes]
    return kept


def moves(case: Case, which: Callable[[Move], bool] = lambda _: True) -> list[Move]:
    """The moves that were made and that `which` asks for. Undecided where one failed or what it rests on was lost.

    Not applicable where the testbed has no place to move to within one subnet, or where no move is of that sort.
    """
    record = case.recording.record
    apart = case.all(NotOneSegment)
    case.applies(not apart, "the hosts are in different subnets: moves are judged where they share one")
    case.require(record.moves, "the scenario made no move")
    lost = [tap for tap in record.taps if tap.dropped]
    case.require(not lost, f"the tap {lost[0].name if lost else ''} lost frames")
    deaf = [event.where for event in case.all(MonitorOverflowed)]
    case.require(not deaf, f"the monitor of {', '.join(deaf)} lost notifications")
    for state in record.moves:
        case.require(state.problem is None, f"{state.endpoint} was not moved ({state.kind}): {state.problem}")
    made = [Move(case, state) for state in record.moves]
    chosen = [move for move in made if which(move)]
    case.applies(chosen, "the implementation makes no move of the sort that this is about")
    return chosen


def with_family(found: Sequence[Move]) -> list[Move]:
    """Those that took an address of the case's family along."""
    kept = [move for move in found if move.addresses()]
    if found:
        found[0].case.require(kept, "no address of this family is the same after the move as before")
    return kept


def announcements(
    case: Case,
    addresses: Collection[Address] | None,
    *,
    tap: Collection[int] | int | None = None,
    outbound: bool | None = None,
    between: tuple[int, int] = (0, 1 << 62),
) -> list[Announcement]:
    """ARP announcements and unsolicited neighbour advertisements to all nodes, of `addresses` or of anything, in order.

    `tap` are the taps that are looked at, `between` a pair of times in ns. A frame that several taps saw is there as
    often.
    """
    taps = {tap} if isinstance(tap, int) else tap
    return [
        one
        for one in _everything(case.recording.frames)
        if (addresses is None or one.address in addresses)
        and (taps is None or one.tap in taps)
        and outbound in (None, one.outbound)
        and between[0] <= one.time_ns < between[1]
    ]


_KNOWN: WeakKeyDictionary[FrameIndex, list[Announcement]] = WeakKeyDictionary()


def _everything(index: FrameIndex) -> list[Announcement]:
    """Every announcement of a recording, looked for once."""
    if index not in _KNOWN:
        found = [*_of_arp(index), *_of_discovery(index)]
        _KNOWN[index] = sorted(found, key=lambda one: one.number)
    return _KNOWN[index]


def _of_arp(index: FrameIndex) -> Iterator[Announcement]:
    for row, frame in index.frames(index.select(ethertype=ethertypes.ARP)):
        packet = read_arp(frame, index.link_type(row))
        if packet is not None and packet.announces and packet.operation in (arp.REQUEST, arp.REPLY):
            yield _said(index, row, packet.sender, packet.sender_mac, arp=packet)


def _of_discovery(index: FrameIndex) -> Iterator[Announcement]:
    """Without the advertisements that answer somebody else's Duplicate Address Detection."""
    asked: dict[IPv6Address, list[tuple[int, str]]] = {}
    for row, frame in index.frames(index.select(icmp_type=(ndp.SOLICITATION, ndp.ADVERTISEMENT))):
        message = read_discovery(frame, index.link_type(row))
        if message is None:
            continue
        now = int(index.time_ns[row])
        if message.probes:
            asked.setdefault(message.target, []).append((now, message.ethernet_source))
        elif message.type == ndp.ADVERTISEMENT and message.destination == ndp.ALL_NODES:
            questions = asked.get(message.target, ())
            own = message.ethernet_source
            if not any(moment >= now - DAD_ANSWER and mac != own for moment, mac in questions):
                mac = message.link_layer(ndp.TARGET_OPTION)
                yield _said(index, row, message.target, mac, advertisement=message)


def _said(index: FrameIndex, row: int, address: Address, mac: str | None, **what: Any) -> Announcement:
    return Announcement(
        row + 1, int(index.time_ns[row]), int(index.tap[row]), bool(index.outbound[row]), address, mac, **what
    )


def observers(case: Case) -> list[TapState]:
    """Taps of stations that are not the mover: what arrives there has left its port and passed the network."""
    movers = {state.place_before for state in case.recording.record.moves}
    movers |= {state.place_after for state in case.recording.record.moves}
    wanted = ("endpoint", "observer", "client")
    return [tap for tap in case.recording.record.taps if tap.role in wanted and tap.where not in movers]


def entries(case: Case, address: Address) -> dict[str, list[Change]]:
    """By station: what its neighbour entry of an address was over time."""
    found: dict[str, list[Change]] = {}
    for change in case.recording.record.changes:
        if change.what == "neighbour" and change.key == str(address):
            found.setdefault(change.where, []).append(change)
    return found


def held(changes: Iterable[Change], moment: int) -> Change | None:
    """The last change at or before a moment that has a value."""
    last = None
    for change in changes:
        if change.time_ns <= moment and (change.value or change.state == "gone"):
            last = change
    return last


def is_canary(frame: bytes) -> bool:
    """Whether the suite sent it itself, on purpose."""
    return CANARY in frame


def milliseconds(span: int) -> float:
    """Nanoseconds as milliseconds, to a tenth."""
    return round(span / 1e6, 1)


def deadline(usable: int, seconds: float = limits.FOLLOWED) -> int:
    """A moment so many seconds after another one, in ns."""
    return usable + int(seconds * SECOND)
