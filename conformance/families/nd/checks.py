"""IPv6 neighbours: addresses are tried before use, duplicates refused, solicitations answered, IPv6 stands alone."""

from __future__ import annotations

from ipaddress import IPv6Address

from conformance import limits
from conformance.families.nd.evidence import (
    advertisements_for,
    mld_reports,
    neighbours,
    packets_from,
    seen_from_start,
    valid,
)
from conformance.judging.case import Case
from conformance.judging.register import check
from conformance.protocols.ndp import ADVERTISEMENT, ALL_NODES, SOURCE_OPTION, TARGET_OPTION, Neighbor, solicited_node
from conformance.recording.events.addressing import (
    DuplicateAsked,
    DuplicateAttached,
    DuplicateRefused,
    FreeRefused,
    Ipv4Removed,
    Solicited,
)
from conformance.recording.model import EndpointState, Flow


def _unicast(endpoint: EndpointState) -> list[IPv6Address]:
    """The endpoint's IPv6 addresses, link-local ones among them."""
    return [IPv6Address(address.address) for address in endpoint.kernel.addresses if ":" in address.address]


@check("nd.dad-performed", scenario="discovery")
def test_dad_is_performed(case: Case) -> None:
    """Duplicate Address Detection runs on every unicast address before use: a solicitation from :: for it."""
    case.window("attach")
    case.require(any(_unicast(endpoint) for endpoint in case.endpoints), "no endpoint has an IPv6 address")
    for endpoint in case.endpoints:
        sent = neighbours(case, endpoint)
        case.require(seen_from_start(case, endpoint), "the endpoint could not be watched from its first frame")
        for address in _unicast(endpoint):
            probes = [row for row, message in sent if message.target == address and _asks_in_form(case, row, message)]
            used = packets_from(case, endpoint, address)
            case.expect(
                probes and (not len(used) or probes[0] < used[0]),
                expected="a solicitation from :: asks for every address before the address is used",
                seen=f"{endpoint.name}: {address}: "
                + (f"{len(probes)} solicitations, after its first use" if probes else "no solicitation in due form"),
                frames=[int(row) + 1 for row in used[:1]],
            )
            if probes and not any(row < probes[0] for row in mld_reports(case, endpoint)):
                case.note(f"{endpoint.name} had sent no MLD report before it probed {address}")


def _asks_in_form(case: Case, row: int, message: Neighbor) -> bool:
    """Valid, from ::, to the target's solicited-node group, without a source link-layer address."""
    to_group = message.destination == solicited_node(message.target)
    return message.probes and to_group and valid(case, row, message) and message.link_layer(SOURCE_OPTION) is None


@check("nd.duplicate-refused", scenario="discovery")
def test_duplicate_is_refused(case: Case) -> None:
    """A duplicate is detected and not assigned, and the attach that asked for it reports failure."""
    asked = case.the(DuplicateAsked, otherwise="no duplicate could be made on this network")
    address = asked.address
    attached, refused = next(iter(case.all(DuplicateAttached)), None), next(iter(case.all(DuplicateRefused)), None)
    case.require(attached or refused, "the attach of the duplicate did not end")
    claims = advertisements_for(case, address, by=asked.where)
    case.expect(
        not claims,
        expected="the newcomer does not answer for an address that is in use",
        seen=f"{asked.where} advertised {address} {len(claims)} times",
        frames=claims,
    )
    if refused is not None:
        for other in () if claims else case.all(FreeRefused):
            case.require(False, f"an address that nobody has is refused as well ({other.problem})")
        case.expect(True, expected="the attach of an address that is in use is refused", seen="refused")
        took = (refused.time_ns - asked.time_ns) / 1e9
        late = f", only after {took:.0f} s" if took > limits.DAD_SETTLED else ""
        case.note(f"refused with: {refused.problem}{late}")
        return
    assert attached is not None
    states = {one.address: one.flags for one in attached.addresses}
    reported = {text.partition("/")[0] for text in attached.reported}
    case.require(address in {*states, *reported}, "another address was given than the one that was asked for")
    usable = address in states and "dadfailed" not in states[address]
    case.expect(
        False,
        expected="the attach of an address that is in use is refused, and the address is not assigned",
        seen=f"{attached.where} was attached; {address} is "
        + ("in use there as well" if usable else "marked as a duplicate" if address in states else "not on it"),
    )


@check("nd.solicitation-answered", scenario="discovery")
def test_solicitation_is_answered(case: Case) -> None:
    """A solicitation for an own address is answered in the right form, and nobody answers for a foreign one."""
    window = case.window("solicit")
    asked = case.all(Solicited)
    case.require(asked, "no solicitation could be sent on the endpoint's link")
    endpoint = next(e for e in case.endpoints if e.name == asked[0].where)
    sent = neighbours(case, endpoint, between=(window.start_ns, window.end_ns + int(limits.SOLICITATION_ANSWER * 1e9)))
    for event in asked:
        target = IPv6Address(event.target)
        answers = [one for one in sent if one[1].type == ADVERTISEMENT and one[1].target == target]
        if event.form == "foreign":
            _expect_silence(case, event)
        else:
            _expect_answer(case, event, endpoint, answers)


def _expect_silence(case: Case, event: Solicited) -> None:
    claims = advertisements_for(case, event.target)
    case.expect(
        not claims,
        expected="nobody answers for an address that nobody has",
        seen=f"solicited for {event.target}: {len(claims)} advertisements",
        frames=claims,
    )


def _expect_answer(case: Case, event: Solicited, endpoint: EndpointState, answers: list[tuple[int, Neighbor]]) -> None:
    """Each form is solicited from an address of its own, so the answers to it are those that go there."""
    form = event.form
    unasked = form == "unspecified"
    place = ALL_NODES if unasked else IPv6Address(event.sender)
    given = [one for one in answers if one[1].destination == place]
    right = [one for one in given if one[1].solicited != unasked and valid(case, *one)]
    whole = [one for one in right if _own_address(one[1], endpoint, form)]
    case.expect(
        given and len(whole) == len(given),
        expected="a solicitation from :: is answered to all nodes, Solicited clear, with the link-layer address"
        if unasked
        else "a solicitation is answered to its sender, Solicited set, with the link-layer address",
        seen=f"{endpoint.name}, solicited ({form}) for {event.target}: {len(given)} answers to {place}, "
        f"{len(right)} valid and with the right flag, {len(whole)} of them with the right address",
        frames=[row + 1 for row, _ in given if (row, _) not in whole],
    )


def _own_address(message: Neighbor, endpoint: EndpointState, form: str) -> bool:
    """The target link-layer address option: a MUST in answers to multicast, a MAY in answers to unicast."""
    found = message.link_layer(TARGET_OPTION)
    return found == endpoint.kernel.mac or (found is None and form == "unicast")


@check("nd.ipv6-only", scenario="discovery", path=("same-host", "cross-host", "inbound", "outbound"))
def test_ipv6_stands_alone(case: Case) -> None:
    """Endpoints have a usable link-local address, and what IPv6 reaches it also reaches when there is no IPv4."""
    removed = case.all(Ipv4Removed)
    case.require(removed, "IPv4 was not taken away")
    for endpoint in case.endpoints:
        local = _link_local(case, endpoint)
        words = [f"{address} ({', '.join(flags)})" for address, flags in local.items()]
        case.expect(
            any(not {"tentative", "dadfailed"} & set(flags) for flags in local.values()),
            expected="each endpoint has a usable link-local address",
            seen=f"{endpoint.name}: {', '.join(words) or 'none'}",
        )
    before = {_way(flow) for flow in case.flows(purpose="dual-stack", family="ipv6") if flow.status == "answered"}
    case.require(before, "the path does not carry IPv6 even while there is IPv4")
    for flow in case.flows(purpose="ipv6-only", family="ipv6"):
        if _way(flow) in before:
            case.expect_flow(
                flow, flow.status == "answered", expected="IPv6 works without any IPv4 address", seen=flow.status
            )


def _link_local(case: Case, endpoint: EndpointState) -> dict[str, tuple[str, ...]]:
    """The endpoint's link-local addresses at the end, with their flags."""
    return {
        address.address: address.flags
        for snapshot in case.snapshots(endpoint.name, "after")
        for interface in snapshot.interfaces
        for address in interface.addresses
        if interface.name == endpoint.interface and ":" in address.address and address.scope == "link"
    }


def _way(flow: Flow) -> tuple[str, str, str]:
    return flow.source, flow.target, flow.protocol
