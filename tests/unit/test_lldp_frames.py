"""LLDPDUs taken apart and put together, whatever they are made of."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.families.lldp import evidence_tlvs as tlvs
from conformance.families.lldp.checks_management import _addresses
from conformance.protocols import ethertypes
from conformance.protocols.lldp import frames as lldp
from conformance.protocols.lldp import management
from conformance.recording.model import AddressState, InterfaceState

MAC = bytes.fromhex("00005e005391")
GOOD = lldp.mandatory(*lldp.local_ids("chassis", "port"), 121)


def made(tlvs: list[bytes], **named: object) -> lldp.Lldpdu:
    pdu = lldp.parse(lldp.frame_of(MAC, tlvs, **named))  # type: ignore[arg-type]
    assert pdu is not None
    return pdu


def test_a_good_one() -> None:
    pdu = made(GOOD)
    assert (pdu.chassis, pdu.port, pdu.ttl, pdu.around.tags) == ("chassis", "port", 121, ())
    assert lldp.problem(pdu) is None
    assert pdu.tlvs[-1].type == lldp.END
    assert not any(pdu.rest), "padding"


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        (GOOD[1:], "TLV 1 is Port ID"),
        ([GOOD[0], GOOD[2]], "TLV 2 is TTL"),
        (GOOD[:2], "TLV 3 is End"),
        ([*GOOD, GOOD[0]], "Chassis ID is there 2 times"),
        ([*GOOD[:2], lldp.tlv(lldp.TTL, b"\1")], "TTL has 1 bytes"),
        ([lldp.tlv(lldp.CHASSIS, b"\7"), *GOOD[1:]], "Chassis ID has 1 bytes"),
        ([*GOOD, lldp.tlv(lldp.SYSTEM_NAME, b"x", length=400)], "System Name announces 400 bytes"),
    ],
)
def test_malformed_ones(listed: list[bytes], words: str) -> None:
    assert words in str(lldp.problem(made(listed)))


def test_tags_are_seen_through() -> None:
    assert made(GOOD, vlan=7).around.vlans == (7,)


def test_a_mac_is_shown_as_one() -> None:
    pdu = made(lldp.mandatory(b"\4" + MAC, b"\3" + MAC, 1))
    assert pdu.chassis == pdu.port == "00:00:5e:00:53:91"


@given(st.binary(max_size=600))
def test_anything_is_survived(data: bytes) -> None:
    lldp.parse(data)
    pdu = lldp.parse(bytes(12) + ethertypes.octets(ethertypes.LLDP) + data)
    assert pdu is not None
    lldp.problem(pdu)
    assert lldp.line(pdu)
    assert sum(2 + len(tlv.value) for tlv in pdu.tlvs) + len(pdu.rest) == len(data)


@pytest.mark.parametrize("address", ["192.0.2.11", "2001:db8:0:1::11"])
def test_management_addresses_are_read_as_they_are_told(address: str) -> None:
    value = management.build(ip_address(address), 7)
    told = management.read(value)
    assert told is not None
    assert (told.address, told.numbering, told.number) == (address, management.IF_INDEX, 7)
    assert not list(tlvs.malformations(made([*GOOD, lldp.tlv(lldp.MANAGEMENT, value)])))


@pytest.mark.parametrize("value", [b"", b"\1", b"\5\1\xc0\0\2", b"\6\1\xc0\0\2\x0b\0\2\0\0\0\1\0", b"\1\1\2\0\0\0\1\0"])
def test_malformed_management_addresses_are_none(value: bytes) -> None:
    assert management.read(value) is None


@given(st.binary(max_size=60))
def test_any_management_address_is_survived(value: bytes) -> None:
    management.read(value)


def test_nobody_is_managed_by_a_loopback_address() -> None:
    addresses = tuple(
        AddressState(address=text, prefix_length=length, scope="host")
        for text, length in (("127.0.0.1", 8), ("::1", 128), ("192.0.2.1", 32))
    )
    loopback = InterfaceState(name="lo", index=1, mac="00:00:00:00:00:00", addresses=addresses)
    assert _addresses(loopback) == {"192.0.2.1"}
    assert _addresses(InterfaceState(name="eth0", index=2, mac="00:00:5e:00:53:01")) == {"00:00:5e:00:53:01"}
