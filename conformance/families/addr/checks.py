"""Addresses: unique, of the promised prefix, as reported, finished with DAD, and with a sane MAC address."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv6Interface, ip_address, ip_interface

from conformance.judging.case import Case
from conformance.judging.parameters import FAMILIES
from conformance.judging.register import check
from conformance.protocols.mac import mac_bytes
from conformance.recording.events.addressing import FreeAsked, FreeAttached, FreeRefused
from conformance.recording.events.attaching import AttachRefused
from conformance.recording.model import AddressState, EndpointState

GROUP_BIT = 1 << 40
"""The bit of a MAC address (as a number) that is set in group addresses."""


@check("addr.unique", scenario="reachability", family=FAMILIES)
def test_addresses_are_unique(case: Case) -> None:
    """No two endpoints of one network share an address; one that failed its detection is not assigned."""
    owners = Counter(
        str(ip_address(address.address))
        for endpoint in case.endpoints
        for address in case.addresses(endpoint)
        if "dadfailed" not in address.flags
    )
    case.require(owners, "no endpoint has a global address of this family")
    for event in case.all(AttachRefused):
        case.note(f"attaching {event.where} beside others was refused at first: {event.problem}")
    for address, count in sorted(owners.items()):
        case.expect(count == 1, expected="each address is on one endpoint", seen=f"{address} is on {count} endpoints")


@check("addr.request-granted", scenario="discovery")
def test_requested_address_is_granted(case: Case) -> None:
    """An endpoint that asks for a free IPv6 address, and for no other, is attached with it."""
    asked = case.the(FreeAsked, otherwise="no free address was asked for")
    for refused in case.all(FreeRefused):
        case.expect(
            False,
            expected="an attach that asks for a free IPv6 address, and for no other, is granted",
            seen=f"{refused.where} asked for {asked.address}: {refused.problem}",
        )
    for attached in case.all(FreeAttached):
        given = [address.address for address in attached.addresses if address.scope == "global"]
        case.expect(
            asked.address in given,
            expected="an endpoint that asks for a free IPv6 address has it",
            seen=f"{attached.where} asked for {asked.address} and has {', '.join(given) or 'no address'}",
        )


@check("addr.in-prefix", scenario="reachability", family=FAMILIES)
def test_addresses_are_in_prefix(case: Case) -> None:
    """Every address is from a prefix that leads to the endpoint's host, to its segment, or that spans the network."""
    testbed = case.recording.record.testbed
    for endpoint in case.endpoints:
        host = testbed.hosts[endpoint.host]
        segment = testbed.segments[host.segment]
        promised = (
            (host.workload_ipv4, segment.ipv4, testbed.overlay.ipv4)
            if case.family == "ipv4"
            else (host.workload_ipv6, segment.ipv6, testbed.overlay.ipv6)
        )
        for address in case.addresses(endpoint):
            case.expect(
                any(ip_address(address.address) in prefix for prefix in promised),
                expected="each address is from a prefix that was given to the network for this host",
                seen=f"{endpoint.name} on {endpoint.host}: {address.address}, not in {', '.join(map(str, promised))}",
            )
            case.expect(
                not _reserved(address),
                expected="no address is the network's or the broadcast address of its own IPv4 prefix",
                seen=f"{endpoint.name}: {address.address}/{address.prefix_length}",
            )


def _reserved(address: AddressState) -> bool:
    own = ip_interface(f"{address.address}/{address.prefix_length}")
    short = own.version == 4 and own.network.prefixlen < 31
    return short and own.ip in (own.network.network_address, own.network.broadcast_address)


@check("addr.reported", scenario="reachability")
def test_reported_is_configured(case: Case) -> None:
    """The addresses and the MAC address that the implementation reported are those that the kernel has.

    Addresses with a lifetime come from router advertisements or DHCP, after attach: they need not be reported.
    """
    for endpoint in case.endpoints:
        addresses = [address for address in endpoint.kernel.addresses if address.scope == "global"]
        kernel = {_text(address) for address in addresses}
        lasting = {_text(address) for address in addresses if "permanent" in address.flags}
        reported = {str(ip_interface(text)) for text in endpoint.reported_addresses}
        case.expect(
            lasting <= reported <= kernel,
            expected="the implementation reports exactly the addresses that the endpoint has, with prefix lengths",
            seen=f"{endpoint.name}: reported {sorted(reported)}, the kernel has {sorted(kernel)}",
        )
        if endpoint.reported_mac is not None:
            case.expect(
                endpoint.reported_mac.lower() == endpoint.kernel.mac.lower(),
                expected="the implementation reports the MAC address that the endpoint has",
                seen=f"{endpoint.name}: reported {endpoint.reported_mac}, the kernel has {endpoint.kernel.mac}",
            )


def _text(address: AddressState) -> str:
    return str(ip_interface(f"{address.address}/{address.prefix_length}"))


@check("addr.ipv6-present", scenario="reachability")
def test_ipv6_is_present(case: Case) -> None:
    """Each endpoint has a global or unique local IPv6 address that is neither deprecated nor temporary."""
    for endpoint in case.endpoints:
        found = [
            address.address
            for address in endpoint.kernel.addresses
            if ":" in address.address
            and address.scope == "global"
            and not {"deprecated", "temporary"} & set(address.flags)
        ]
        case.expect(found, expected="each endpoint has an IPv6 address", seen=f"{endpoint.name} has {found or 'none'}")


@check("addr.dad-finished", scenario="reachability")
def test_dad_is_finished(case: Case) -> None:
    """When detection's time is over, no address is tentative or a duplicate; one that still was at attach is noted."""
    for endpoint in case.endpoints:
        early = [a.address for a in endpoint.kernel.addresses if a.scope == "global" and "tentative" in a.flags]
        if early:
            case.note(f"attach returned while {', '.join(early)} of {endpoint.name} was tentative")
        for snapshot in case.snapshots(endpoint.name, "after"):
            for interface in snapshot.interfaces:
                for address in interface.addresses:
                    if ":" in address.address:
                        wrong = sorted({"tentative", "dadfailed"} & set(address.flags))
                        case.expect(
                            not wrong,
                            expected="Duplicate Address Detection has ended for every address, and found nothing",
                            seen=f"{endpoint.name}: {address.address} is {', '.join(wrong) or 'usable'} at the end",
                        )


@check("addr.mac-valid", scenario="reachability")
def test_mac_is_valid(case: Case) -> None:
    """The MAC address of every endpoint is unicast and not zero, in the kernel and as source of all its frames."""
    index = case.recording.frames
    for endpoint in case.endpoints:
        raw = mac_bytes(endpoint.kernel.mac)
        case.expect(
            len(raw) == 6 and any(raw) and not raw[0] & 1,
            expected="a MAC address is six bytes, unicast and not zero",
            seen=f"{endpoint.name} has {endpoint.kernel.mac or 'none'}",
        )
        rows = index.select(tap=case.tap(endpoint.tap).number, outbound=True)
        macs = index.source_mac[rows].astype("int64")
        wrong = rows[(macs == 0) | (macs & GROUP_BIT != 0)]
        case.expect(
            not len(wrong),
            expected="every frame of an endpoint has a unicast source",
            seen=f"{endpoint.name} sent {len(wrong)} of {len(rows)} frames from none",
            frames=[int(row) + 1 for row in wrong[:4]],
        )


@check("addr.mac-unique", scenario="reachability")
def test_mac_is_unique(case: Case) -> None:
    """No two endpoints of one segment share a MAC address."""
    owners = Counter((_segment(case, one), one.kernel.mac) for one in case.endpoints if one.kernel.mac)
    for (segment, mac), count in sorted(owners.items()):
        case.expect(
            count == 1,
            expected="each MAC address is on one endpoint of its segment",
            seen=f"{mac} is on {count} endpoints of {segment}",
        )


def _segment(case: Case, endpoint: EndpointState) -> str:
    """What an endpoint shares with its neighbours: nothing, the overlay, its host's bridge, or the underlay."""
    if case.profile.same_host_hops:
        return f"the link of {endpoint.name}"
    if "encapsulation" in case.profile.features:
        return "the overlay"
    if case.profile.hops:
        return endpoint.host
    return case.recording.record.testbed.hosts[endpoint.host].segment


@check("addr.prefix-per-host", scenario="reachability")
def test_prefix_per_host(case: Case) -> None:
    """Each host has a /64 of its own, several addresses of which work, and no other host's endpoints are in it."""
    users: dict[str, set[str]] = {}
    for endpoint in case.endpoints:
        for address in endpoint.kernel.addresses:
            if ":" in address.address and address.scope == "global":
                prefix = str(IPv6Interface(f"{address.address}/64").network)
                users.setdefault(prefix, set()).add(endpoint.host)
    case.require(users, "no endpoint has a global IPv6 address")
    for prefix, hosts in sorted(users.items()):
        case.expect(
            len(hosts) == 1, expected="a /64 belongs to one host alone", seen=f"{prefix} is used on {sorted(hosts)}"
        )
    for flow in case.flows(purpose=("reach", "every-address"), path="inbound", family="ipv6", protocol="udp"):
        case.expect_flow(
            flow,
            flow.status == "answered",
            expected="every address of the host's /64 works from outside",
            seen=flow.status,
        )
