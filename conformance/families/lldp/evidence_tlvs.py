"""The form of TLVs: what is wrong with one, in words (IEEE 802.1AB-2016 §8.5 and §8.6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from struct import unpack

from conformance.families.lldp.evidence_organisations import organisation_problem
from conformance.protocols.lldp import frames as lldp
from conformance.protocols.lldp import management
from conformance.protocols.lldp.frames import Lldpdu, Tlv
from conformance.protocols.mac import mac_text

ONCE = (lldp.PORT_DESCRIPTION, lldp.SYSTEM_NAME, lldp.SYSTEM_DESCRIPTION, lldp.CAPABILITIES)
LONGEST_TEXT = 255
KNOWN_SUBTYPES = range(1, 8)


def malformations(pdu: Lldpdu) -> Iterator[str]:
    """Everything that is wrong with the optional TLVs of one LLDPDU."""
    for kind in ONCE:
        if len(pdu.all(kind)) > 1:
            yield f"{lldp.NAMES[kind]} is there {len(pdu.all(kind))} times"
    for tlv in pdu.tlvs:
        problem = _problem(tlv)
        if problem is not None:
            yield f"{tlv.name}: {problem}"


def _problem(tlv: Tlv) -> str | None:
    if not tlv.whole:
        return f"announces {tlv.length} bytes and has {len(tlv.value)}"
    form = _FORMS.get(tlv.type)
    if form is not None:
        return form(tlv.value)
    return "a type that the standard reserves" if tlv.type > lldp.MANAGEMENT else None


def _text(value: bytes) -> str | None:
    return f"{len(value)} bytes, more than {LONGEST_TEXT}" if len(value) > LONGEST_TEXT else None


def _capabilities(value: bytes) -> str | None:
    if len(value) != 4:
        return f"{len(value)} bytes, not 4"
    system, enabled = unpack("!HH", value)
    return f"enabled {enabled:#06x} is not among {system:#06x}" if enabled & ~system else None


def _management(value: bytes) -> str | None:
    """Address string length, address subtype and address, interface subtype and number, OID length and OID (§8.5.9)."""
    address = value[0] if value else 0
    if not 2 <= address <= 32:
        return f"an address string of {address} bytes, not 2 to 32"
    needed = management.LENGTHS.get(value[1] if len(value) > 1 else 0, address - 1)
    if address - 1 != needed:
        return f"an address of {address - 1} bytes, where its family {value[1]} has {needed}"
    oid_at = 1 + address + 5
    if len(value) <= oid_at:
        return f"{len(value)} bytes end before the length of its OID"
    if not 1 <= value[1 + address] <= 3:
        return f"interface numbering subtype {value[1 + address]}, not 1 to 3"
    if len(value) != oid_at + 1 + value[oid_at]:
        return f"{len(value)} bytes, where its inner lengths make {oid_at + 1 + value[oid_at]}"
    return None


_FORMS: Mapping[int, Callable[[bytes], str | None]] = {
    lldp.PORT_DESCRIPTION: _text,
    lldp.SYSTEM_NAME: _text,
    lldp.SYSTEM_DESCRIPTION: _text,
    lldp.CAPABILITIES: _capabilities,
    lldp.MANAGEMENT: _management,
    lldp.ORGANISATION: organisation_problem,
}


def misdirected(pdu: Lldpdu) -> list[str]:
    """What is wrong with the frame around an LLDPDU: addresses, tags, encapsulation."""
    wrong = pdu.around.unlike(lldp.GROUPS)
    if not any(pdu.source):
        wrong.append("sent from an address that is all zero")
    if pdu.around.snap:
        wrong.append("its EtherType behind a SNAP header, which Ethernet does not have for it")
    return wrong


def misended(pdu: Lldpdu) -> str | None:
    """What is wrong with the end of an LLDPDU, and with the length of its TTL.

    What follows the End TLV is not read: pad octets are unspecified (§8.5.1).
    """
    lifetime = pdu.first(lldp.TTL)
    if lifetime is not None and lifetime.length != 2:
        return f"TTL has {lifetime.length} bytes, not 2"
    last = pdu.tlvs[-1] if pdu.tlvs else None
    if last is None or (last.type == lldp.END and last.length):
        return "an End TLV with a length"
    return "a piece of a TLV at the end" if last.type != lldp.END and pdu.rest else None


def misnamed(tlv: Tlv) -> str | None:
    """What is wrong with a Chassis ID or a Port ID."""
    subtype, value = (tlv.value[0] if tlv.value else None), tlv.value[1:]
    if subtype not in KNOWN_SUBTYPES:
        return f"{tlv.name} has subtype {'none' if subtype is None else subtype}, not 1 to 7"
    if not 1 <= len(value) <= LONGEST_TEXT:
        return f"{tlv.name} has an identifier of {len(value)} bytes, not 1 to {LONGEST_TEXT}"
    mac, address = _SUBTYPES[tlv.type]
    if subtype == mac:
        return station(value, tlv.name) if len(value) == 6 else f"{tlv.name} holds a MAC address of {len(value)} bytes"
    if subtype == address:
        needed = management.LENGTHS.get(value[0], len(value) - 1)
        if not needed or len(value) - 1 != needed:
            return f"{tlv.name} holds an address of {len(value) - 1} bytes, where its family {value[0]} has {needed}"
    return None


_SUBTYPES: Mapping[int, tuple[int, int]] = {
    lldp.CHASSIS: (lldp.CHASSIS_MAC, lldp.CHASSIS_ADDRESS),
    lldp.PORT: (lldp.PORT_MAC, lldp.PORT_ADDRESS),
}


def station(mac: bytes, what: str) -> str | None:
    """What is wrong with a MAC address that should be one station's."""
    if mac[0] & 1:
        return f"{what} {mac_text(mac)} is a group address"
    return f"{what} is all zero" if not any(mac) else None
