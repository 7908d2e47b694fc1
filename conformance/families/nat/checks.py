"""NAT absence: addresses, ports and identifiers are the same at both ends and on every wire between."""

from __future__ import annotations

from typing import Any

from conformance.judging.case import Case, socket_text
from conformance.judging.flows import delivered, expect_difference, expect_kept, foreign, translated
from conformance.judging.packet_differences import ADDRESSING
from conformance.judging.parameters import FAMILIES
from conformance.judging.quotes import quotes
from conformance.judging.register import check
from conformance.recording.model import NOBODY, Flow

PATHS = ("same-host", "cross-host", "inbound", "outbound", "from-host", "published", "published-hairpin")


def _shown(case: Case, **wanted: Any) -> list[Flow]:
    """The flows to somebody that arrived, and those that did not and were translated on the way. Requires one."""
    flows = [flow for flow in case.flows(**wanted) if flow.target != NOBODY]
    found = [flow for flow in flows if flow.arrival is not None or foreign(case.recording, flow)]
    why = f" ({flows[0].detail})" if flows and flows[0].detail else ""
    case.require(found, f"none of {len(flows)} flows arrived{why}, so nothing can be said of them")
    return found


def _untranslated(case: Case, flows: list[Flow]) -> None:
    """Told twice: by what the destination's socket saw, and by the frames of every tap."""
    for flow in flows:
        seen = ""
        if flow.arrival is not None and flow.protocol in ("tcp", "udp"):
            peer, local = flow.arrival.peer, flow.arrival.local
            if (peer, local) != (flow.local, flow.dialled):
                seen = f"the destination saw {socket_text(peer.address, peer.port)} -> "
                seen += socket_text(local.address, local.port)
        strange = foreign(case.recording, flow)
        if strange and not seen:
            first = strange[0]
            seen = f"on {first.tap} it was {socket_text(*first.source)} -> "
            seen += socket_text(*first.destination)
        case.expect_flow(
            flow,
            not seen,
            expected="source and destination address and port are the same at both ends and on every wire between",
            seen=seen or "unchanged",
        )


@check("nat.tcp-untranslated", scenario="reachability", family=FAMILIES, path=PATHS)
def test_tcp_is_not_translated(case: Case) -> None:
    """No device rewrites the source or destination of a TCP flow on any path."""
    _untranslated(case, _shown(case, protocol="tcp"))


@check("nat.udp-untranslated", scenario="reachability", family=FAMILIES, path=PATHS)
def test_udp_is_not_translated(case: Case) -> None:
    """No device rewrites the source or destination of a UDP flow on any path, for every class of port."""
    _untranslated(case, _shown(case, protocol="udp"))


@check("nat.icmp-untranslated", scenario="reachability", family=FAMILIES, path=PATHS[:5])
def test_icmp_is_not_translated(case: Case) -> None:
    """The ICMP echo identifier is the same at both ends, and errors reach the socket that caused them."""
    _untranslated(case, _shown(case, protocol="icmp"))
    for flow in case.flows():
        if translated(case.recording, flow):
            continue  # the error quotes what was received, and the flow's own requirement says so
        for _, differences in quotes(case.recording).get(flow.id, ()):
            found = next((one for one in differences if one.field in ADDRESSING), None)
            expect_difference(case, flow, found, expected="an ICMP error quotes the addresses and ports that were sent")


@check("nat.every-protocol", scenario="reachability", family=FAMILIES, path=PATHS[:4])
def test_no_protocol_is_translated(case: Case) -> None:
    """No device rewrites the addresses of any other IP protocol."""
    expected = "addresses and ports are the same at both ends"
    expect_kept(case, delivered(case, protocol="ip"), lambda one: one.field in ADDRESSING, expected)


@check(
    "nat.client-address",
    scenario="reachability",
    family=FAMILIES,
    protocol=("tcp", "udp"),
    path=("inbound", "published"),
)
def test_client_address_is_seen(case: Case) -> None:
    """The endpoint sees the true address of a client outside, and the destination that the client dialled."""
    for flow in case.delivered(purpose="reach"):
        assert flow.arrival is not None
        peer, local = flow.arrival.peer, flow.arrival.local
        case.expect_flow(
            flow,
            flow.local is not None and peer == flow.local and local == flow.dialled,
            expected="the endpoint sees the client's own address and the destination that the client dialled",
            seen=f"the endpoint saw {socket_text(peer.address, peer.port)} -> {socket_text(local.address, local.port)}",
        )


@check("nat.same-host", scenario="reachability", family=FAMILIES, path=("same-host", "self", "published-hairpin"))
def test_same_host_is_not_translated(case: Case) -> None:
    """Traffic between endpoints of one host, and from an endpoint to itself, shows no hairpin translation."""
    _untranslated(case, _shown(case, protocol=("tcp", "udp"), purpose="reach"))


@check("nat.ipv6-untranslated", scenario="reachability", path=PATHS)
def test_ipv6_is_not_translated(case: Case) -> None:
    """All 128 bits of both addresses are the same at both ends: neither NAT66 nor prefix translation."""
    _untranslated(case, _shown(case, family="ipv6", protocol=("tcp", "udp", "icmp"), purpose="reach"))


@check("nat.no-state", scenario="reachability")
def test_no_translation_state(case: Case) -> None:
    """No rule and no state that translates exists on any host: an explanation, never a verdict on its own."""
    hosts = case.recording.record.testbed.hosts
    case.require(all(case.snapshots(host, "after") for host in hosts), "no snapshot of the hosts was taken")
    for snapshot in (s for host in hosts for s in case.snapshots(host, "after")):
        translated = [entry for entry in snapshot.conntrack if entry.get("translated")]
        rules = [rule for rule in snapshot.rules if rule.get("translates")]
        hit = [rule for rule in rules if rule.get("packets")]
        case.expect(
            not translated and not hit,
            expected="no host holds a translated connection or a translation rule that was ever hit",
            seen=f"{snapshot.where}: {len(translated)} translated connections, {len(hit)} of {len(rules)} rules hit",
        )
        if rules and not hit:
            case.note(f"{snapshot.where} has {len(rules)} translation rules that were never hit")


@check(
    "nat.idle-flow",
    scenario="idle",
    family=FAMILIES,
    protocol=("tcp", "udp"),
    path=("cross-host", "inbound", "outbound"),
)
def test_idle_flow_goes_on(case: Case) -> None:
    """A flow goes on untranslated after it was idle, whichever side speaks first, with no keepalive."""
    case.note(f"{case.recording.record.variant} variant of the idle time")
    case.window("idle")
    opened = [flow for flow in case.flows(purpose="idle") if flow.status != "error"]
    case.require(opened, "no flow could be opened on this path, so none could fall idle")
    for flow in opened:
        case.expect_flow(
            flow,
            flow.status == "answered" and not foreign(case.recording, flow),
            expected="the first packet after the silence, from the side that did not open the flow, arrives unchanged",
            seen=f"{flow.status} {flow.detail}".strip(),
        )
