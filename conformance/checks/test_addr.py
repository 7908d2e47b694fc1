"""Addresses: unique, of the promised prefix, as reported, finished with DAD, and with a sane MAC address."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv6Interface, ip_address, ip_interface

from conformance.judging.case import Case
from conformance.judging.register import FAMILIES, check
from conformance.recording.model import AddressState


@check("addr.unique", scenario="reachability", family=FAMILIES)
def test_addresses_are_unique(case: Case) -> None:
    """No two endpoints of one network share an address."""
    owners = Counter(str(ip_address(a.address)) for endpoint in case.endpoints for a in case.addresses(endpoint))
    case.require(owners, "no endpoint has a global address of this family")
    for address, count in sorted(owners.items()):
        case.expect(count == 1, expected="each address is on one endpoint", seen=f"{address} is on {count} endpoints")


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


@check("addr.reported", scenario="reachability")
def test_reported_is_configured(case: Case) -> None:
    """The addresses and the MAC address that the implementation reported are those that the kernel has."""
    for endpoint in case.endpoints:
        kernel = {str(ip_address(a.address)) for a in endpoint.kernel.addresses if a.scope == "global"}
        reported = {str(ip_interface(text).ip) for text in endpoint.reported_addresses}
        case.expect(
            kernel == reported,
            expected="the implementation reports exactly the addresses that the endpoint has",
            seen=f"{endpoint.name}: reported {sorted(reported)}, the kernel has {sorted(kernel)}",
        )
        if endpoint.reported_mac is not None:
            case.expect(
                endpoint.reported_mac.lower() == endpoint.kernel.mac.lower(),
                expected="the implementation reports the MAC address that the endpoint has",
                seen=f"{endpoint.name}: reported {endpoint.reported_mac}, the kernel has {endpoint.kernel.mac}",
            )


@check("addr.ipv6-present", scenario="reachability")
def test_ipv6_is_present(case: Case) -> None:
    """Each endpoint has a global or unique local IPv6 address."""
    for endpoint in case.endpoints:
        found = [a.address for a in endpoint.kernel.addresses if ":" in a.address and a.scope == "global"]
        case.expect(found, expected="each endpoint has an IPv6 address", seen=f"{endpoint.name} has {found or 'none'}")


@check("addr.dad-finished", scenario="reachability")
def test_dad_is_finished(case: Case) -> None:
    """No global address is tentative once attach has returned, and none at all is when DAD's time is over."""
    for endpoint in case.endpoints:
        for address in endpoint.kernel.addresses:
            if ":" in address.address and address.scope == "global":
                _usable(case, endpoint.name, address, "when attach has returned")
        for snapshot in case.snapshots(endpoint.name, "after"):
            for interface in snapshot.interfaces:
                for address in interface.addresses:
                    if ":" in address.address:
                        _usable(case, endpoint.name, address, "when the scenario was over")


def _usable(case: Case, name: str, address: AddressState, moment: str) -> None:
    wrong = sorted({"tentative", "dadfailed"} & set(address.flags))
    case.expect(
        not wrong,
        expected="Duplicate Address Detection is over when attach has returned, and found nothing",
        seen=f"{name}: {address.address} is {', '.join(wrong) or 'usable'} {moment}",
    )


@check("addr.mac-valid", scenario="reachability")
def test_mac_is_valid(case: Case) -> None:
    """The MAC address of every endpoint is a unicast address and not zero."""
    for endpoint in case.endpoints:
        raw = bytes.fromhex(endpoint.kernel.mac.replace(":", ""))
        case.expect(
            len(raw) == 6 and any(raw) and not raw[0] & 1,
            expected="a MAC address is six bytes, unicast and not zero",
            seen=f"{endpoint.name} has {endpoint.kernel.mac or 'none'}",
        )


@check("addr.mac-unique", scenario="reachability")
def test_mac_is_unique(case: Case) -> None:
    """No two endpoints share a MAC address."""
    owners = Counter(endpoint.kernel.mac for endpoint in case.endpoints)
    for mac, count in sorted(owners.items()):
        case.expect(count == 1, expected="each MAC address is on one endpoint", seen=f"{mac} is on {count} endpoints")


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
    for flow in case.flows(purpose="reach", path="inbound", family="ipv6", protocol="udp"):
        case.expect_flow(
            flow,
            flow.status == "answered",
            expected="every address of the host's /64 works from outside",
            seen=flow.status,
        )
