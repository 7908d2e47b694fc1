"""Management addresses that an LLDP agent tells, held against those that its host really has."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from conformance.families.lldp import evidence as discovery
from conformance.families.lldp.evidence import Sent
from conformance.judging.case import Case
from conformance.judging.register import check
from conformance.protocols.lldp import frames as lldp
from conformance.protocols.lldp import management
from conformance.protocols.lldp.management import ALL_802, IF_INDEX, IPV4, IPV6, Management
from conformance.recording.model import InterfaceState, PortState

COMPARED = (IPV4, IPV6, ALL_802)
"""Families of addresses that the kernel shows: IPv4, IPv6, and MAC addresses."""


def management_captured(case: Case) -> None:
    """A management address is no address that every host has, or none: what the host really has, a lab shows."""
    for port, one in discovery.everything(case):
        for what in _told(one):
            if _nobodys(what):
                case.expect(
                    False,
                    expected="a management address is one that the host of the agent has",
                    seen=f"{port.name}: {what.address} is told, by which nobody else can reach it",
                    frames=[one.number],
                )


def _nobodys(what: Management) -> bool:
    """Whether no other station can use an address to reach its host: loopback, unspecified, a group."""
    if what.family == ALL_802:
        return bool(int(what.address[:2], 16) & 1) or not what.address.strip("0:")
    address = ip_address(what.address)
    return address.is_loopback or address.is_unspecified or address.is_multicast or what.address == "255.255.255.255"


@check("lldp.management-address", scenario="lldp", captures=management_captured)
def test_management_address(case: Case) -> None:
    """A management address that is told is one that the host has."""
    told = [(port, one, what) for port, one in discovery.everything(case) for what in _told(one)]
    case.applies(told, "it tells no management address, which is optional")
    for port, one, what in told:
        interfaces = _interfaces(case, port)
        holders = [interface for interface in interfaces if what.address in _addresses(interface)]
        known = sorted({address for interface in interfaces for address in _addresses(interface)})
        case.expect(
            holders,
            expected="a management address is one that the host of the agent has",
            seen=f"{port.name}: {what.address} is told; the host has {', '.join(known)}",
            frames=[one.number],
        )
        if holders and what.numbering == IF_INDEX and what.number not in {each.index for each in holders}:
            case.note(f"{what.address} is told of the interface {what.number}, and is on {holders[0].index}")


def _told(one: Sent) -> Iterable[Management]:
    """The management addresses of an LLDPDU that can be compared; what is malformed is judged elsewhere."""
    found = (management.read(tlv.value) for tlv in one.pdu.all(lldp.MANAGEMENT))
    return [each for each in found if each is not None and each.family in COMPARED]


def _interfaces(case: Case, port: PortState) -> list[InterfaceState]:
    """The interfaces of the port's host. Requires that the kernel shows them: the agent may run elsewhere."""
    case.require(port.interface, f"{port.name}: what its host has is not known here")
    shown = case.snapshots(port.host)
    case.require(shown and shown[-1].interfaces, f"{port.host}: nobody looked at its interfaces")
    return list(shown[-1].interfaces)


def _addresses(interface: InterfaceState) -> set[str]:
    """By which others can speak to it: a loopback address is every host's own, and so is the loopback's MAC address."""
    own = {one.address for one in interface.addresses if not ip_address(one.address).is_loopback}
    return own | ({interface.mac} if interface.mac.strip("0:") else set())
