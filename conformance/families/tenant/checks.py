"""Tenants: networks on the same hosts that do not meet, neither routed nor bridged."""

from __future__ import annotations

import numpy as np

from conformance.families.acl.evidence import Bits, Result, kept_back, result
from conformance.families.acl.evidence_crafted import arrived
from conformance.judging.case import Case, describe
from conformance.judging.flows import taps_of
from conformance.judging.parameters import FAMILIES, PROTOCOLS
from conformance.judging.register import check
from conformance.recording.events.isolation import SameAddressRefused
from conformance.recording.model import AddressFamily

EXPECTED = "nothing of one tenant arrives at another, by whatever route"
ODD = ("fragments", "extension-headers", "every-packet", "foreign-source")
"""Purposes of the flows that are sent from one tenant to another."""
PLACES = ("one-host", "two-hosts")
"""Where the two ends are: what keeps tenants apart on one host need not do so across hosts."""


def _together(case: Case, found: Result) -> Bits:
    """Which pairs are on one host, shape (sources, targets)."""
    hosts = [next(one.host for one in case.endpoints if one.name == peer.name) for peer in found.peers]
    return np.array([[one == other for other in hosts] for one in hosts])


def _apart(case: Case, family: AddressFamily) -> None:
    found = result(case.of_family(family), family, case.protocol)
    here = _together(case, found) == (case.parameters["place"] == "one-host")
    kept_back(case, found, ~found.expected.allowed & found.apart & here, EXPECTED)


@check("tenant.isolated-v4", scenario="tenant", protocol=PROTOCOLS, place=PLACES)
def test_isolated_v4(case: Case) -> None:
    """Endpoints of different tenants exchange nothing over IPv4, on one host or on two."""
    _apart(case, "ipv4")


@check("tenant.isolated-v6", scenario="tenant", protocol=PROTOCOLS, place=PLACES)
def test_isolated_v6(case: Case) -> None:
    """Endpoints of different tenants exchange nothing over IPv6, on one host or on two."""
    _apart(case, "ipv6")


@check("tenant.every-packet", scenario="tenant", family=FAMILIES, path=("same-host", "cross-host"))
def test_every_packet(case: Case) -> None:
    """No packet of one tenant reaches another, whatever its form, its protocol and its source address."""
    case.window("policy")
    for flow in case.flows(purpose="within", path="same-host"):
        case.require(len(arrived(case, flow)), f"a plain datagram {flow.source} -> {flow.target} was lost")
    for flow in case.flows(purpose="plain"):
        case.require(not len(arrived(case, flow)), f"a plain datagram {flow.source} -> {flow.target} arrived")
    for flow in case.flows(purpose=ODD):
        come = arrived(case, flow)
        case.expect(
            not len(come),
            expected="no packet of one tenant arrives at another, in whatever form",
            seen=f"{describe(flow)} ({flow.detail}) arrived",
            frames=[int(row) + 1 for row in come],
        )


@check("tenant.isolated-l2", scenario="tenant", place=PLACES)
def test_isolated_l2(case: Case) -> None:
    """No frame of one tenant reaches another: broadcast, multicast, unknown unicast, ARP, neighbour discovery."""
    case.window("policy")
    index = case.recording.frames
    one_host = case.parameters["place"] == "one-host"
    seen = 0
    for sender in case.endpoints:
        mac = sender.kernel.mac
        case.require(mac, f"{sender.name} has no MAC address")
        for other in case.endpoints:
            if other.name == sender.name:
                continue
            rows = index.select(tap=taps_of(case, other.name), outbound=False, source_mac=mac)
            if other.tenant == sender.tenant:
                seen += len(rows)
                continue
            if (sender.host == other.host) is not one_host:
                continue
            case.expect(
                not len(rows),
                expected="no frame of one tenant arrives at another",
                seen=f"{len(rows)} frames of {sender.name} ({sender.tenant}) arrived at {other.name} ({other.tenant})",
                frames=[int(row) + 1 for row in rows],
            )
    if not case.profile.same_host_hops:
        case.require(seen, "not even endpoints of one tenant saw each other's frames")


@check("tenant.within", scenario="tenant", family=FAMILIES, protocol=PROTOCOLS)
def test_within(case: Case) -> None:
    """Endpoints of one tenant on one host reach each other."""
    found = result(case, case.family, case.protocol)
    wanted = found.expected.allowed & _together(case, found)
    answered = found.table("answered") & found.table("delivered")
    for cell in np.argwhere(wanted).tolist():
        case.expect(
            answered[tuple(cell)],
            expected="endpoints of one tenant on one host reach each other",
            seen=f"{found.name(cell)} ended in {found.end(cell)}",
        )
    case.show(found.grid(wanted & ~answered))


@check("tenant.same-addresses", scenario="tenant", family=FAMILIES, path=("same-host", "cross-host"))
def test_same_addresses(case: Case) -> None:
    """Two tenants have endpoints at the same addresses, which do not notice each other."""
    case.window("same-addresses")
    expected = "two tenants may have the same addresses, and each talks to its own endpoints there"
    for event in case.all(SameAddressRefused):
        said = f"one of two endpoints at the same address was refused: {event.problem}"
        case.expect(False, expected=expected, seen=said)
        return
    index = case.recording.frames
    flows = case.flows(purpose="same-addresses")
    twins = {flow.source for flow in flows} | {flow.target for flow in flows}
    states = {one.name: one for one in case.endpoints if one.name in twins}
    for flow in flows:
        server = flow.arrival.server if flow.arrival else "nobody"
        case.expect_flow(
            flow,
            flow.status == "answered" and server == flow.target,
            expected=expected,
            seen=f"{flow.status}, and it arrived at {server}",
        )
        source = states[flow.source]
        case.require(source.kernel.mac, f"{source.name} has no MAC address")
        foreign = [tap for one in states.values() if one.tenant != source.tenant for tap in taps_of(case, one.name)]
        rows = {*index.select(tap=foreign, outbound=False, source_mac=source.kernel.mac).tolist()}
        carried = np.array(sorted(row - 1 for row in case.frames_of(flow)), dtype=np.int64)
        rows |= {*carried[np.isin(index.tap[carried], foreign) & ~index.outbound[carried]].tolist()}
        case.expect(
            not rows,
            expected=expected,
            seen=f"{len(rows)} frames of {flow.source} arrived at endpoints of the other tenant",
            frames=sorted(row + 1 for row in rows),
        )
