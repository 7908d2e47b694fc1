"""Fields of what link protocols say: IEEE 802.1AB-2016 §8, IEEE 802.1AX-2020 §6.4.2 and §6.5, IEEE 802.1D-2004 §9.3."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from conformance.selftest.survey.fields import Layout, form, number

TLVS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "end", 1: "chassis-id", 2: "port-id", 3: "ttl", 4: "port-description", 5: "system-name",
        6: "system-description", 7: "capabilities", 8: "management", 127: "organisation",
    }
)  # fmt: skip
_WITH_SUBTYPE: Final = (1, 2)
PARTICIPANT: Final = form(
    "type 8, length 8, system-priority 16, system 48, key 16, port-priority 16, port 16, expired 1, defaulted 1,"
    "distributing 1, collecting 1, synchronization 1, aggregation 1, timeout 1, activity 1, reserved 24"
)
COLLECTOR: Final = form("type 8, length 8, max-delay 16, reserved 96")
TERMINATOR: Final = form("type 8, length 8, reserved 400")
MARKER: Final = form("type 8, length 8, port 16, system 48, transaction 32, pad 16")
MARKER_END: Final = form("type 8, length 8, reserved 720")
LLC: Final = form("destination-sap 8, source-sap 8, control 8")
BPDU: Final = form("protocol 16, version 8, type 8")
VECTOR: Final = form(
    "topology-change-acknowledgement 1, agreement 1, forwarding 1, learning 1, role 2, proposal 1, topology-change 1,"
    "root-priority 4, root-extension 12, root-address 48, path-cost 32, bridge-priority 4, bridge-extension 12,"
    "bridge-address 48, port-priority 4, port-number 12, message-age 16, max-age 16, hello-time 16, forward-delay 16"
)


def lldp(made: Layout, at: int) -> None:
    """An LLDPDU, TLV by TLV."""
    frame = made.frame
    made.kind, made.end = "lldp", at
    while at + 2 <= len(frame):
        word = number(frame, at)
        kind, size = word >> 9, word & 511
        name = f"lldp.{TLVS.get(kind, 'reserved')}"
        made.take(name, at, form("type 7, length 9"))
        begin, end = at + 2, at + 2 + size
        if kind in _WITH_SUBTYPE and size:
            begin = made.take(name, begin, form("subtype 8"))
        _value(made, name, kind, begin, end)
        at = made.end = min(end, len(frame))
        if kind == 0 or end > len(frame):
            break


def _value(made: Layout, name: str, kind: int, at: int, end: int) -> None:
    """What a TLV says behind its head (and subtype)."""
    if kind == 7:
        at = made.take(name, at, form("system 16, enabled 16"))
    elif kind == 8 and at < len(made.frame):
        size = made.frame[at]
        made.take(name, at, form("address-length 8, address-subtype 8"))
        made.rest(f"{name}.address", at + 2, at + 1 + size)
        made.take(name, at + 1 + size, form("interface-subtype 8, interface 32, oid-length 8"))
        at += 1 + size + 6
    elif kind == 127:
        at = made.take(name, at, form("oui 24, subtype 8"))
    made.rest(f"{name}.value", at, end)


def slow(made: Layout, at: int) -> None:
    """A LACPDU or a Marker PDU, and the head of any other slow protocol."""
    subtype = made.frame[at] if at < len(made.frame) else 0
    made.kind = {1: "lacp", 2: "marker"}.get(subtype, "slow")
    place = made.take(made.kind, at, form("subtype 8, version 8"))
    if subtype == 1:
        place = made.take("lacp.actor", place, PARTICIPANT)
        place = made.take("lacp.partner", place, PARTICIPANT)
        place = made.take("lacp.collector", place, COLLECTOR)
        place = made.take("lacp.terminator", place, TERMINATOR)
    elif subtype == 2:
        place = made.take("marker.information", place, MARKER)
        place = made.take("marker.terminator", place, MARKER_END)
    made.end = place


def bpdu(made: Layout, at: int) -> None:
    """A BPDU of STP or RSTP, behind its LLC header."""
    made.kind = "bpdu"
    place = made.take("bpdu.llc", at, LLC)
    kind = made.frame[place + 3] if place + 3 < len(made.frame) else 0
    place = made.take("bpdu", place, BPDU)
    if kind != 0x80:
        place = made.take("bpdu", place, VECTOR)
    if kind == 2:
        place = made.take("bpdu", place, form("version-1-length 8"))
    made.end = place
