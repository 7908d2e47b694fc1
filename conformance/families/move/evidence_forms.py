"""The form of announcements, in words, wherever they were recorded."""

from __future__ import annotations

from conformance.protocols import ndp
from conformance.protocols.mac import multicast_mac


def advertisement_faults(message: ndp.Neighbor, sound: bool) -> list[str]:
    """What is wrong with an unsolicited advertisement to all nodes (RFC 4861 §4.4, §7.1.2, §7.2.6) by itself; `sound`
    says that its checksum is right. The destination of the frame is not judged where the capture does not have it."""
    link = message.link_layer(ndp.TARGET_OPTION)
    wrong = {
        "Solicited is set": message.solicited,
        f"hop limit {message.hop_limit}": message.hop_limit != 255,
        f"to {message.ethernet_destination}": message.ethernet_destination not in ("", multicast_mac(ndp.ALL_NODES)),
        "no target link-layer address": link is None,
        f"code {message.code}": message.code != 0,
        "wrong checksum": not sound,
    }
    return [words for words, holds in wrong.items() if holds]


def vlan_fault(vlans: tuple[int, ...]) -> str | None:
    """What is wrong with the tags of an announcement of an address whose interface is in no VLAN but its own: a
    priority tag names none (IEEE 802.1Q-2018 §9.6)."""
    return f"in VLAN {', '.join(map(str, vlans))}, which is not its own" if vlans else None
