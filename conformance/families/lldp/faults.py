"""Faults of LLDP agents: the reference agent, misbehaving in one way each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from typing import Final

from conformance.protocols import ethertypes
from conformance.protocols.lldp import frames as lldp
from conformance.protocols.lldp import management
from conformance.protocols.lldp.agent import AgentConduct as Conduct
from conformance.protocols.lldp.frames import Lldpdu, Tlv
from conformance.selftest.fault import Fault, link_fault

NETWORK: Final = "reference-lldp"
GROUP_MAC: Final = bytes.fromhex("01005e005301")

Edit = Callable[[list[Tlv]], Sequence[Tlv]]


def _edited(edit: Edit, *, end: bool = True) -> Callable[[bytes], bytes]:
    """Send an LLDPDU with its TLVs (End left out) changed by `edit`."""

    def malform(frame: bytes) -> bytes:
        pdu = _parsed(frame)
        made = edit([tlv for tlv in pdu.tlvs if tlv.type != lldp.END])
        tlvs = [lldp.tlv(tlv.type, tlv.value, length=tlv.length) for tlv in made]
        return lldp.frame_of(pdu.source, tlvs, destination=frame[:6], end=end)

    return malform


def _parsed(frame: bytes) -> Lldpdu:
    pdu = lldp.parse(frame)
    assert pdu is not None
    return pdu


def _tlv(kind: int, value: bytes, length: int | None = None) -> Tlv:
    return Tlv(kind, len(value) if length is None else length, value)


def _swapped(tlvs: list[Tlv]) -> Sequence[Tlv]:
    return [tlvs[1], tlvs[0], *tlvs[2:]]


def _without(kind: int) -> Edit:
    return lambda tlvs: [tlv for tlv in tlvs if tlv.type != kind]


def _with(*extra: Tlv) -> Edit:
    return lambda tlvs: [*tlvs, *extra]


def _instead(new: Tlv) -> Edit:
    return lambda tlvs: [new if tlv.type == new.type else tlv for tlv in tlvs]


def _to_bridge_group(frame: bytes) -> bytes:
    return lldp.NEAREST_CUSTOMER_BRIDGE + frame[6:]


def _tagged(frame: bytes) -> bytes:
    return ethertypes.tagged(frame, 100)


def _turned(tlvs: list[Tlv]) -> Sequence[Tlv]:
    return [_tlv(lldp.TTL, tlv.value[::-1]) if tlv.type == lldp.TTL else tlv for tlv in tlvs]


def _fault(name: str, title: str, conduct: Conduct, *fails: str, label: str = "") -> Fault:
    return link_fault(f"lldp-{name}", title, NETWORK, conduct, *(f"lldp.{fail}" for fail in fails), label=label)


_MANAGEMENT = _tlv(lldp.MANAGEMENT, bytes((5, 1, 192, 0, 2, 11, 2, 0, 0, 0, 1, 9)))
"""A management address whose OID announces nine bytes and has none."""


def _unmanaged(tlvs: list[Tlv]) -> Sequence[Tlv]:
    """The IPv4 address told is one that nobody has."""
    foreign = _tlv(lldp.MANAGEMENT, management.build(IPv4Address("203.0.113.99"), 2))
    return [foreign if tlv.type == lldp.MANAGEMENT and tlv.value[1] == management.IPV4 else tlv for tlv in tlvs]


FAULTS = (
    _fault("silent", "the agent is enabled and sends nothing", Conduct(silent=True), "sent"),
    _fault(
        "to-bridge-group", "LLDPDUs go to 01-80-C2-00-00-00 alone",
        Conduct(malform=_to_bridge_group, malform_last=_to_bridge_group), "destination",
        label="F-LLDP-01d",
    ),
    _fault("tagged", "LLDPDUs are tagged", Conduct(malform=_tagged), "destination", label="F-LLDP-01d"),
    _fault(
        "no-ttl", "the TTL TLV is missing", Conduct(malform=_edited(_without(lldp.TTL))), "mandatory-tlvs",
        label="F-LLDP-01a",
    ),
    _fault("order", "Port ID comes before Chassis ID", Conduct(malform=_edited(_swapped)), "mandatory-tlvs"),
    _fault(
        "behind-end", "a TLV follows the End TLV",
        Conduct(malform=_edited(_with(_tlv(lldp.END, b""), _tlv(lldp.SYSTEM_DESCRIPTION, b"late")))), "mandatory-tlvs",
    ),
    _fault("fixed-ttl", "the TTL stays 120 whatever the interval", Conduct(ttl=120), "ttl", label="F-LLDP-03a"),
    _fault(
        "turned-ttl", "the TTL has its bytes in the wrong order", Conduct(malform=_edited(_turned)), "ttl",
        label="F-LLDP-03b",
    ),
    _fault("endless-ttl", "the TTL is 65535 whatever the interval", Conduct(ttl=65535), "ttl"),
    _fault("zero-ttl", "the TTL is 0 while the agent goes on", Conduct(ttl=0), "ttl"),
    _fault("hasty", "LLDPDUs leave ten times as often", Conduct(pace=0.1), "interval", label="F-LLDP-02a"),
    _fault("sluggish", "LLDPDUs leave ten times as rarely", Conduct(pace=10.0), "interval", label="F-LLDP-02a"),
    _fault("no-fast-start", "a new neighbour hurries nobody", Conduct(hurries=False), "fast-start", label="F-LLDP-04a"),
    _fault("no-goodbye", "the agent ends without a word", Conduct(says_goodbye=False), "shutdown", label="F-LLDP-05a"),
    _fault(
        "talkative-goodbye", "a shutdown LLDPDU tells the System Name",
        Conduct(malform_last=_edited(_with(_tlv(lldp.SYSTEM_NAME, b"plugfest")))), "shutdown",
    ),
    _fault("no-pause", "a disabled port starts again at once", Conduct(pauses=False), "reinit-delay"),
    _fault("change-by-change", "an LLDPDU per change", Conduct(limited=False), "burst-limited", label="F-LLDP-06a"),
    _fault(
        "last-change-lost", "what the limit holds back is never told", Conduct(keeps_last=False), "burst-limited",
        label="F-LLDP-06b",
    ),
    _fault("unlearned", "no neighbour is ever shown", Conduct(learns=False), "neighbour-learned"),
    _fault("ageless", "neighbours stay for ever", Conduct(ages=False), "neighbour-ageing", label="F-LLDP-07a"),
    _fault("deaf-to-goodbye", "a TTL of 0 is passed over", Conduct(heeds_goodbye=False), "neighbour-ageing"),
    _fault("credulous", "malformed LLDPDUs make neighbours", Conduct(strict=False), "malformed-discarded"),
    _fault("touchy", "a malformed LLDPDU costs the neighbours", Conduct(calm=False), "malformed-discarded"),
    _fault(
        "fragile", "a malformed LLDPDU ends the agent of its port", Conduct(sturdy=False), "malformed-discarded",
        "neighbour-ageing", "shutdown",
    ),
    _fault("intolerant", "an LLDPDU with unknown TLVs is discarded", Conduct(tolerant=False), "malformed-discarded"),
    _fault(
        "one-name", "every port has the same Port ID",
        Conduct(malform=_edited(_instead(_tlv(lldp.PORT, bytes((lldp.PORT_NAME,)) + b"bond0")))), "identity",
        label="F-LLDP-08c",
    ),
    _fault(
        "group-chassis", "the Chassis ID is a group MAC address",
        Conduct(malform=_edited(_instead(_tlv(lldp.CHASSIS, bytes((lldp.CHASSIS_MAC,)) + GROUP_MAC)))), "identity",
    ),
    _fault(
        "broken-management", "a management address whose inner lengths do not add up",
        Conduct(malform=_edited(_with(_MANAGEMENT))), "optional-tlvs",
    ),
    _fault(
        "foreign-management", "a management address that the host does not have",
        Conduct(malform=_edited(_unmanaged)), "management-address",
    ),
    _fault(
        "two-names", "two System Names", Conduct(malform=_edited(_with(_tlv(lldp.SYSTEM_NAME, b"again")))),
        "optional-tlvs",
    ),
)  # fmt: skip
