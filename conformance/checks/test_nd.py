"""IPv6 neighbours: addresses are tried before use, duplicates refused, solicitations answered, IPv6 stands alone."""

from __future__ import annotations

from ipaddress import IPv6Address

from conformance import limits
from conformance.frames.ndp import ALL_NODES, TARGET_OPTION, Neighbor
from conformance.judging.case import Case
from conformance.judging.neighbours import advertisements_for, mld_reports, neighbours, packets_from, seen_from_start
from conformance.judging.register import check
from conformance.recording.model import EndpointState, Event


def _global(endpoint: EndpointState) -> list[IPv6Address]:
    return [IPv6Address(a.address) for a in endpoint.kernel.addresses if ":" in a.address and a.scope == "global"]


@check("nd.dad-performed", scenario="discovery")
def test_dad_is_performed(case: Case) -> None:
    """Duplicate Address Detection runs on every unicast address before use: a solicitation from :: for it."""
    case.window("attach")
    case.require(any(_global(endpoint) for endpoint in case.endpoints), "no endpoint has a global IPv6 address")
    for endpoint in case.endpoints:
        sent = neighbours(case, endpoint)
        case.require(seen_from_start(case, endpoint), "the endpoint could not be watched from its first frame")
        for address in _global(endpoint):
            probes = [(row, message) for row, message in sent if message.probes and message.target == address]
            used = packets_from(case, endpoint, address)
            case.expect(
                probes and (not len(used) or probes[0][0] < used[0]),
                expected="a solicitation from :: asks for every address before the address is used",
                seen=f"{endpoint.name}: {address}: "
                + (f"{len(probes)} solicitations, after its first use" if probes else "no solicitation at all"),
                frames=[int(row) + 1 for row in used[:1]],
            )
            if probes and not any(row < probes[0][0] for row in mld_reports(case, endpoint)):
                case.note(f"{endpoint.name} had sent no MLD report before it probed {address}")


@check("nd.duplicate-refused", scenario="discovery")
def test_duplicate_is_refused(case: Case) -> None:
    """A duplicate is detected and not assigned, and the attach that asked for it reports failure."""
    asked = _event(case, "duplicate")
    assert asked is not None
    address = str(asked.detail["address"])
    attached = _event(case, "duplicate-attached", needed=False)
    refused = _event(case, "duplicate-refused", needed=False)
    case.require(attached or refused, "the attach of the duplicate did not end")
    if refused is not None:
        case.expect(True, expected="the attach of an address that is in use is refused", seen="refused")
        case.note(f"refused with: {refused.detail['problem']}")
        return
    assert attached is not None
    states = {a["address"]: a["flags"] for a in attached.detail["addresses"]}
    usable = address in states and "dadfailed" not in states[address]
    case.expect(
        address not in states,
        expected="the attach of an address that is in use is refused, and the address is not assigned",
        seen=f"{attached.where} was attached; {address} is "
        + ("in use there as well" if usable else "marked as a duplicate" if address in states else "not on it"),
    )


@check("nd.solicitation-answered", scenario="discovery")
def test_solicitation_is_answered(case: Case) -> None:
    """A solicitation for an own address is answered in the right form, and nobody answers for a foreign one."""
    window = case.window("solicit")
    asked = [event for event in case.recording.record.events if event.kind == "solicit"]
    case.require(asked, "no solicitation could be sent on the endpoint's link")
    endpoint = next(e for e in case.endpoints if e.name == asked[0].where)
    sent = neighbours(case, endpoint, between=(window.start_ns, window.end_ns + int(limits.SOLICITATION_ANSWER * 1e9)))
    for event in asked:
        target = IPv6Address(event.detail["target"])
        answers = [
            message for _, message in sent if not message.probes and message.type == 136 and message.target == target
        ]
        _expect_answer(case, event, endpoint, answers)


def _expect_answer(case: Case, event: Event, endpoint: EndpointState, answers: list[Neighbor]) -> None:
    form = event.detail["form"]
    name = f"{endpoint.name}, solicited ({form}) for {event.detail['target']}"
    if form == "foreign":
        claims = advertisements_for(case, event.detail["target"])
        case.expect(
            not claims,
            expected="nobody answers for an address that nobody has",
            seen=f"{name}: {len(claims)} advertisements",
            frames=claims,
        )
        return
    sender = IPv6Address(event.detail["sender"])
    if form == "unspecified":
        right = [a for a in answers if a.destination == ALL_NODES and not a.solicited]
        wanted = "a solicitation from :: is answered to all nodes, Solicited clear, with the link-layer address"
    else:
        right = [a for a in answers if a.destination == sender and a.solicited]
        wanted = "a solicitation is answered to its sender, Solicited set, with the link-layer address"
    own = [a for a in right if a.hop_limit == 255 and _own_address(a, endpoint, form)]
    case.expect(
        own, expected=wanted, seen=f"{name}: {len(answers)} answers, {len(right)} to the right place, {len(own)} right"
    )


def _own_address(message: Neighbor, endpoint: EndpointState, form: str) -> bool:
    """The target link-layer address option: a MUST in answers to multicast, a MAY in answers to unicast."""
    found = message.link_layer(TARGET_OPTION)
    return found == endpoint.kernel.mac or (found is None and form == "unicast")


@check("nd.ipv6-only", scenario="discovery", path=("same-host", "cross-host", "inbound", "outbound"))
def test_ipv6_stands_alone(case: Case) -> None:
    """Endpoints have a link-local address, and IPv6 works when there is no IPv4 at all."""
    removed = [event for event in case.recording.record.events if event.kind == "ipv4-removed"]
    case.require(removed, "IPv4 was not taken away")
    for endpoint in case.endpoints:
        local = [
            address
            for snapshot in case.snapshots(endpoint.name, "after")
            for interface in snapshot.interfaces
            for address in interface.addresses
            if interface.name == endpoint.interface and ":" in address.address and address.scope == "link"
        ]
        usable = [a for a in local if not {"tentative", "dadfailed"} & set(a.flags)]
        case.expect(
            local,
            expected="each endpoint has a link-local address",
            seen=f"{endpoint.name}: {len(usable)} of {len(local)}",
        )
    before = [flow for flow in case.flows(purpose="dual-stack", family="ipv6") if flow.status == "answered"]
    case.require(before, "the path does not carry IPv6 even while there is IPv4")
    for flow in case.flows(purpose="ipv6-only", family="ipv6"):
        case.expect_flow(
            flow, flow.status == "answered", expected="IPv6 works without any IPv4 address", seen=flow.status
        )


def _event(case: Case, kind: str, *, needed: bool = True) -> Event | None:
    found = [event for event in case.recording.record.events if event.kind == kind]
    case.require(found or not needed, "no duplicate could be made on this network")
    return found[0] if found else None
