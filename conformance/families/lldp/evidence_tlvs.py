"""The form of optional TLVs: what is wrong with one, in words (IEEE 802.1AB-2016 §8.5.5 to §8.6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from struct import unpack

from conformance.protocols.lldp import frames as lldp
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


def _organisation(value: bytes) -> str | None:
    return f"{len(value)} bytes, too few for OUI and subtype" if len(value) < 4 else None


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
    lldp.ORGANISATION: _organisation,
}


def misnamed(tlv: Tlv, mac_subtype: int) -> str | None:
    """What is wrong with a Chassis ID or Port ID whose subtype for MAC addresses is `mac_subtype`."""
    if not tlv.value or tlv.value[0] not in KNOWN_SUBTYPES:
        return f"{tlv.name} has subtype {tlv.value[0] if tlv.value else 'none'}, not 1 to 7"
    if tlv.value[0] != mac_subtype:
        return None
    if len(tlv.value) != 7:
        return f"{tlv.name} holds a MAC address of {len(tlv.value) - 1} bytes"
    return station(tlv.value[1:], tlv.name)


def station(mac: bytes, what: str) -> str | None:
    """What is wrong with a MAC address that should be one station's."""
    if mac[0] & 1:
        return f"{what} {mac_text(mac)} is a group address"
    return f"{what} is all zero" if not any(mac) else None
