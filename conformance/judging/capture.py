"""Captures from the field: what link protocols sent in a file that somebody else made, judged without a stimulus.

One pass keeps the few frames that matter. Each sender is judged by itself, by the checks that can decide from frames
alone; the others are inconclusive, since nobody provoked what they look at.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Final, Literal

import conformance
from conformance import testbed
from conformance.family import families
from conformance.judging.case import Case, judge
from conformance.judging.register import Check
from conformance.profile import Profile
from conformance.protocols import arp, envelope, ethertypes, ndp, vrrp
from conformance.protocols.lacp import frames as lacp
from conformance.protocols.lldp import frames as lldp
from conformance.protocols.mac import mac_bytes, mac_text, multicast_mac
from conformance.protocols.stp import frames as stp
from conformance.recording.capture import LINK_ETHERNET, LINKS
from conformance.recording.damage import FIELD
from conformance.recording.model import IdentityState, PortState, Record, TapState
from conformance.recording.pcapng import Writer
from conformance.recording.reading import Frame, Scan
from conformance.recording.store import FRAMES, Recording
from conformance.verdict import Attempt, Judgement, Outcome, Verdict

Role = Literal["lldp-agent", "lacp-partner", "bridge", "mover"]
ROLES: Final[tuple[Role, ...]] = ("lldp-agent", "lacp-partner", "bridge", "mover")
"""Who may have sent a frame of a link protocol; each family says of which of them its checks speak (`captured`)."""
LONGEST_NAME: Final = 80
"""Letters of what a sender calls itself and its port that reports repeat."""
KEPT: Final = 250_000
"""Frames of link protocols that are kept of one file; hours of a busy network have fewer."""
NOT_PROVOKED: Final = "a capture has no stimulus: this is decided in a lab (`plugfest run`)"

_RESERVED: Final = bytes.fromhex("0180c20000")
_ALWAYS: Final = frozenset(map(ethertypes.octets, (ethertypes.LLDP, ethertypes.SLOW_PROTOCOLS, ethertypes.RARP)))
_TAGS: Final = frozenset(map(ethertypes.octets, (*ethertypes.TAGS, ethertypes.OLD_TAG)))
_ARP, _IPV4, _IPV6 = map(ethertypes.octets, (ethertypes.ARP, ethertypes.IPV4, ethertypes.IPV6))
_REVERSE: Final = frozenset(map(ethertypes.octets, arp.REVERSE))
_VRRP_GROUP: Final = mac_bytes(multicast_mac(vrrp.GROUP_IPV4))
_IPV6_GROUPS: Final = b"\x33\x33"
_LONGEST_LENGTH: Final = ethertypes.octets(ethertypes.LONGEST_LENGTH)


def families_of(role: Role) -> tuple[str, ...]:
    """The families whose checks speak of a sender of that role, in the order of reports."""
    return tuple(name for name, family in families().items() if role in family.captured)


@dataclass
class Found:
    """What one pass over a file has found: the frames that matter, the link type of each tap, and what is to be said of
    the file."""

    taps: list[TapState]
    frames: list[Frame] = field(default_factory=list)
    links: list[int] = field(default_factory=list)
    total: int = 0
    notes: list[str] = field(default_factory=list)

    def senders(self, role: Role) -> list[str]:
        """The MAC addresses that sent frames of the role's protocol, in the order in which they are first seen."""
        return list(dict.fromkeys(sender for sender, spoken in self._spoken if spoken == role))

    def roles(self) -> list[Role]:
        """The roles of which there are frames."""
        there = {role for _, role in self._spoken}
        return [role for role in ROLES if role in there]

    def taps_of(self, sender: str) -> set[int]:
        """The numbers of the taps that saw a sender; the first one where none did."""
        own = {frame.tap for frame, (source, _) in zip(self.frames, self._spoken, strict=True) if source == sender}
        return own or {0}

    def name(self, sender: str) -> str:
        """What a sender calls itself and its port in LLDP; its MAC address where it says nothing."""
        return self._names.get(sender, sender)

    @functools.cached_property
    def _spoken(self) -> list[tuple[str, Role | None]]:
        """Source and role of each frame, once all of them are there."""
        links = (self.links[frame.tap] for frame in self.frames)
        pairs = [(frame.data, link) for frame, link in zip(self.frames, links, strict=True)]
        return [(mac_text(envelope.read(data, link).source), role_of(data, link)) for data, link in pairs]

    @functools.cached_property
    def _names(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for frame, (sender, role) in zip(self.frames, self._spoken, strict=True):
            pdu = (
                lldp.parse(frame.data, self.links[frame.tap]) if role == "lldp-agent" and sender not in found else None
            )
            if pdu is not None and (pdu.system or pdu.chassis):
                words = f"{pdu.system or pdu.chassis}, port {pdu.port or 'without a name'}"
                found[sender] = "".join(filter(str.isprintable, words))[:LONGEST_NAME]
        return found


def matters(buffer: bytes, start: int, end: int, link: int = LINK_ETHERNET) -> bool:
    """Whether the frame from `start` to `end` of a buffer is one of a link protocol, or goes to a reserved address.

    Those are 01-80-C2-00-00-00 to -0F (IEEE 802.1Q-2018 Table 8-1). What most frames of a busy network are is decided
    here from a few octets; the rest is looked into.
    """
    if link != LINK_ETHERNET or end - start < 14:
        return link in LINKS and _matters(buffer[start:end], link)
    if buffer[start : start + 5] == _RESERVED and buffer[start + 5] < 0x10:
        return True
    at = start + 12
    while (kind := buffer[at : at + 2]) in _TAGS and at + 4 < end:
        at += 4
    if kind == _IPV4:
        return buffer[start : start + 6] == _VRRP_GROUP
    if kind == _IPV6:
        return buffer[start : start + 2] == _IPV6_GROUPS and _matters(buffer[start:end], link)
    looked_into = kind <= _LONGEST_LENGTH or (kind == _ARP and _may_announce(buffer, at + 2))
    return kind in _ALWAYS or (looked_into and _matters(buffer[start:end], link))


def _may_announce(buffer: bytes, at: int) -> bool:
    """Whether the ARP packet at a place asks or answers by RARP, or has one address as sender and target."""
    return buffer[at + 6 : at + 8] in _REVERSE or buffer[at + 14 : at + 18] == buffer[at + 24 : at + 28]


def _matters(frame: bytes, link: int) -> bool:
    """As `matters`, of any frame: a question of Duplicate Address Detection, too, since it explains its answer."""
    if role_of(frame, link) is not None:
        return True
    asked = ndp.parse(frame, link)
    return asked is not None and asked.probes


def role_of(frame: bytes, link: int = LINK_ETHERNET) -> Role | None:
    """Which role speaks in a frame; None where no protocol of the suite is in it."""
    around = envelope.read(frame, link)
    if around.ethertype == ethertypes.LLDP:
        return "lldp-agent"
    if around.ethertype == ethertypes.SLOW_PROTOCOLS:
        return None if lacp.subtype(frame, link) in lacp.OTHER_SUBTYPES else "lacp-partner"
    if stp.is_meant(frame, link):
        return "bridge"
    return "mover" if around.ethertype == ethertypes.RARP or _announces(frame, link) else None


def _announces(frame: bytes, link: int) -> bool:
    """Whether a frame makes an address or its holder known: an ARP announcement or RARP by the type of ARP, an
    advertisement to all nodes, an advertisement of VRRP."""
    packet = arp.parse(frame, link)
    if packet is not None:
        return packet.announces or packet.operation in arp.REVERSE
    message = ndp.parse(frame, link)
    if message is not None:
        return message.type == ndp.ADVERTISEMENT and message.destination == ndp.ALL_NODES
    return vrrp.parse(frame, link) is not None


def read_capture(stream: BinaryIO) -> Found:
    """One pass over a capture file. Raises NotACapture."""
    scan = Scan(stream, matters)
    found = Found([])
    for frame in scan:
        if len(found.frames) == KEPT:
            found.notes.append(f"judged are its first {KEPT} frames of link protocols, up to frame {frame.number}")
            break
        found.frames.append(frame)
    found.total = scan.frames
    found.links = [tap.link_type for tap in scan.taps]
    if scan.problem is not None:
        found.notes.append(scan.problem)
    foreign = sorted({link for link in found.links if link not in LINKS})
    if foreign:
        kinds = ", ".join(map(str, foreign))
        found.notes.append(f"interfaces of link type {kinds} are not Ethernet and were passed over")
    if any(link in LINKS and link != LINK_ETHERNET for link in found.links):
        found.notes.append("it was captured without destination addresses (Linux cooked): those are not judged")
    for number, tap in enumerate(scan.taps):
        name = f"capture:{tap.name or number}"
        own = sum(frame.tap == number for frame in found.frames)
        found.taps.append(
            TapState(
                number=number,
                name=name if name not in {one.name for one in found.taps} else f"{name}#{number}",
                where="capture",
                interface=tap.name or str(number),
                role="partner",
                captured=own,
                dropped=0,
            )
        )
    return found


@functools.cache
def _links() -> testbed.Testbed:
    return testbed.load("links")


def recording_of(found: Found, sender: str, profile: Profile, folder: Path) -> Recording:
    """A recording in which `sender` is the one port of the implementation. `write_frames` has been called."""
    seen, name = found.taps_of(sender), found.name(sender)
    ports = tuple(
        PortState(name=name, host="capture", mac=sender, partner=tap.name, partner_mac="")
        for tap in found.taps
        if tap.number in seen
    )
    times = [frame.time_ns for frame in found.frames] or [0]
    record = Record(
        suite=conformance.__version__,
        scenario=FIELD,
        profile=profile,
        identity=IdentityState(product="capture", version="-"),
        testbed=_links(),
        kernel=os.uname().release,
        processors=os.cpu_count() or 1,
        load=(0.0, 0.0, 0.0),
        rootless=False,
        started_ns=min(times),
        finished_ns=max(times),
        ports=ports,
        taps=tuple(found.taps),
    )
    return Recording(folder, record)


def write_frames(found: Found, folder: Path) -> None:
    """Write the frames that were kept as ``frames.pcapng``, in the file's order."""
    with (folder / FRAMES).open("wb") as stream:
        writer = Writer(stream, application=f"plugfest {conformance.__version__}")
        for tap, link in zip(found.taps, found.links, strict=True):
            writer.interface(tap.name, link_type=link)
        for frame in found.frames:
            writer.frame(frame.tap, frame.time_ns, frame.data, original=frame.original, flags=frame.flags)


@dataclass(frozen=True)
class Kept:
    """Where the frames that matter were written (`write_frames`), the profile to judge them by, and the file's name."""

    profile: Profile
    folder: Path
    name: str


def outcomes(
    found: Found, kept: Kept, checks: Sequence[Check], *, role: Role, senders: Iterable[str]
) -> Iterator[Outcome]:
    """What every check of the role's families says of each sender; evidence counts the frames of the file itself."""
    first: Recording | None = None
    for sender in senders:
        recording = recording_of(found, sender, kept.profile, kept.folder)
        if first is not None:
            recording.share(first)
        first = first or recording
        for check in checks:
            if check.requirement.family in families_of(role):
                yield _outcome(check, recording, sender, found, kept.name)
        if recording is not first:
            recording.release()
    if first is not None:
        first.release()


def _outcome(check: Check, recording: Recording, sender: str, found: Found, name: str) -> Outcome:
    row = check.requirement
    if check.captures is not None:
        judgement = _renumbered(judge(check.captures, Case(recording, {})), found, name)
    else:
        judgement = Judgement(Verdict.INCONCLUSIVE, seen=NOT_PROVOKED)
    judgement = replace(judgement, notes=(*judgement.notes, *found.notes))
    return Outcome(
        requirement=row.id,
        level=row.level.value,
        parameters=(("sender", sender),),
        attempts=(Attempt(1, judgement),),
        informational=row.informational,
    )


def _renumbered(judgement: Judgement, found: Found, name: str) -> Judgement:
    """The judgement with the frame numbers of the file that was given, not of the frames that were kept."""

    def number(kept: int) -> int:
        return found.frames[kept - 1].number

    def line(text: str) -> str:
        first, _, rest = text.partition(" ")
        return f"{number(int(first))} {rest}"

    evidence = tuple(
        replace(
            one,
            recording=name,
            frames=tuple(number(kept) for kept in one.frames),
            lines=tuple(line(text) for text in one.lines),
        )
        for one in judgement.evidence
    )
    return replace(judgement, evidence=evidence)


def taken_at(found: Found) -> float:
    """When the first frame that matters was captured, in seconds since 1970; now, where there is none."""
    return found.frames[0].time_ns / 1e9 if found.frames else time.time()
