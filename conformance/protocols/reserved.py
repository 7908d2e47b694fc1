"""The reserved addresses that no bridge forwards (IEEE 802.1Q-2018 §8.6.3, Table 8-1), and a frame to each of them."""

from __future__ import annotations

from typing import Final

from conformance.protocols import ethertypes
from conformance.protocols.lacp import frames as lacp
from conformance.protocols.lldp import frames as lldp
from conformance.protocols.mac import mac_bytes, mac_text
from conformance.protocols.stp import frames as stp
from conformance.protocols.stp.frames import Bpdu, bridge_id

RESERVED: Final = tuple(f"01:80:c2:00:00:{last:02x}" for last in range(16))


def reserved_frame(address: str, source: str, nonce: bytes) -> bytes:
    """A frame to a reserved address, with a nonce in it that no field of its protocol holds."""
    if address == stp.GROUP:
        worst = Bpdu(root=bridge_id(0xF000, source), bridge=bridge_id(0xF000, source), port=0x8001, cost=1)
        return worst.build(source)[:52] + nonce
    if address == lacp.GROUP:
        nobody = lacp.Lacpdu(lacp.Participant(0xFFFF, source, 1, 0xFFFF, 1), lacp.Participant())
        return nobody.build(source)[:112] + nonce
    if address == mac_text(lldp.NEAREST_BRIDGE):
        tlvs = lldp.mandatory(*lldp.local_ids("plugfest", "marker"), 1)
        return lldp.frame_of(mac_bytes(source), [*tlvs, lldp.tlv(lldp.ORGANISATION, b"\0\0\x5e\xff" + nonce)])
    ethertype = ethertypes.EAPOL if address.endswith(":03") else ethertypes.EXPERIMENT
    head = mac_bytes(address, source) + ethertypes.octets(ethertype)
    return (head + bytes(20) + nonce).ljust(60, b"\0")
