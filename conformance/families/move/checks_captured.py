"""Announcements in a capture from the field: their form, RARP that answers nobody, and the source of VRRP."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from conformance.families.move.evidence_forms import advertisement_faults
from conformance.judging.captured import FieldFrame, all_frames, sent_frames
from conformance.judging.case import Case
from conformance.protocols import arp, envelope, ethertypes, ndp, vrrp
from conformance.protocols.arp import Arp
from conformance.protocols.mac import BROADCAST


def no_rarp_captured(case: Case) -> None:
    """No RARP was sent; that none was cannot be known of a capture, only that one was.

    Who asks by RARP for its own address and is answered, and who answers, does what RFC 903 made RARP for.
    """
    reverse = [(one, packet) for one in all_frames(case) if (packet := _reverse(one)) is not None]
    genuine = {one.number for asked in _dialogues(reverse) for one in asked}
    mine = {port.mac for port in case.recording.record.ports}
    own = [one for one in sent_frames(case) if _is_reverse(one)]
    sent = [one.number for one in own if one.number not in genuine]
    if genuine & {one.number for one in own}:
        case.note(f"{', '.join(sorted(mine))} took part in RARP that was asked and answered, as RFC 903 has it")
    case.require(
        sent, "no RARP that makes switches learn is in the capture; that none was sent is shown in a lab alone"
    )
    case.expect(not sent, expected="no RARP is sent", seen=f"{len(sent)} frames of it", frames=sent)


def _is_reverse(one: FieldFrame) -> bool:
    return envelope.read(one.data, one.link).ethertype == ethertypes.RARP or _reverse(one) is not None


def _reverse(one: FieldFrame) -> Arp | None:
    """RARP in either EtherType, None for any other frame."""
    packet = arp.parse(one.data, one.link)
    return packet if packet is not None and packet.operation in arp.REVERSE else None


def _dialogues(reverse: list[tuple[FieldFrame, Arp]]) -> Iterator[list[FieldFrame]]:
    """Requests by RARP with the replies of others to them: the target of both is who asked."""
    by_target: dict[str, list[tuple[FieldFrame, Arp]]] = defaultdict(list)
    for one, packet in reverse:
        by_target[packet.target_mac].append((one, packet))
    for listed in by_target.values():
        asked = [packet for _, packet in listed if packet.operation == arp.REVERSE_REQUEST]
        sources = {packet.ethernet_source for packet in asked}
        answers = [p for _, p in listed if p.operation == arp.REVERSE_REPLY and p.ethernet_source not in sources]
        if asked and answers:
            yield [one for one, _ in listed]


def form_v4_captured(case: Case) -> None:
    """An ARP announcement is broadcast, and names the address that its frame comes from."""
    for one in sent_frames(case):
        packet = arp.parse(one.data, one.link)
        if packet is None or not packet.announces or packet.operation != arp.REQUEST:
            continue
        known = packet.ethernet_destination in ("", BROADCAST)
        case.expect(
            known and packet.sender_mac == packet.ethernet_source,
            expected="an ARP announcement is broadcast, its sender is its Ethernet source",
            seen=f"{packet.sender}: sender {packet.sender_mac}, Ethernet {packet.ethernet_source} to "
            f"{packet.ethernet_destination or 'an address that was not captured'}",
            frames=[one.number],
        )


def form_v6_captured(case: Case) -> None:
    """An unsolicited advertisement has Solicited clear, a link-layer address, hop limit 255 and a right checksum."""
    for one in sent_frames(case):
        message = ndp.parse(one.data, one.link)
        if message is None or message.type != ndp.ADVERTISEMENT or message.destination != ndp.ALL_NODES:
            continue
        faults = advertisement_faults(message, ndp.checksum_holds(one.data, one.link))
        case.expect(
            not faults,
            expected="an unsolicited advertisement: S clear, target link-layer address, hop limit 255, to ff02::1",
            seen=f"{message.target}: {', '.join(faults)}",
            frames=[one.number],
        )


def virtual_mac_captured(case: Case) -> None:
    """An advertisement of VRRP comes from the MAC address of its virtual router."""
    for one in sent_frames(case):
        said = vrrp.parse(one.data, one.link)
        if said is None or not said.addresses:
            continue
        virtual = vrrp.virtual_mac(said.router, said.addresses[0].version)
        case.expect(
            said.ethernet_source == virtual,
            expected="an advertisement comes from the MAC address of the virtual router",
            seen=f"router {said.router}: from {said.ethernet_source}, not {virtual}",
            frames=[one.number],
        )
