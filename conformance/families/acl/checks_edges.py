"""Access policies, one step beside: ends of ranges, fragments, extension headers, stray segments, errors, changes."""

from __future__ import annotations

import numpy as np

from conformance import limits
from conformance.families.acl.evidence import result
from conformance.families.acl.evidence_crafted import Rows, allowed, arrived, numbers, plain_control, quoting, sent
from conformance.judging.case import Case
from conformance.judging.flows import rows_of, taps_of
from conformance.judging.parameters import FAMILIES
from conformance.judging.register import check
from conformance.judging.timing import SECOND, intervals
from conformance.policy.document import Transport
from conformance.recording.events.attaching import AttachAsked
from conformance.recording.events.isolation import HeirImpossible, LateImpossible, PolicyAsked, RestartAsked
from conformance.recording.model import Flow


def _in_force(case: Case, protocol: Transport) -> None:
    """Precondition: the policy denies this protocol at all; whether it must is another requirement's question."""
    found = result(case, case.family, protocol)
    denied = ~found.expected.allowed & found.apart
    case.require((denied & found.passed).sum() * 2 < denied.sum(), "the policy is not in force for this at all")


@check("acl.exact", scenario="policy", family=FAMILIES, protocol=("tcp", "udp"))
def test_exact(case: Case) -> None:
    """An allow rule is exact: ends of port ranges and prefixes, protocol and direction; nothing beside it passes."""
    case.window("policy")
    _in_force(case, case.protocol)
    for flow in case.flows(purpose="exact"):
        come = arrived(case, flow)
        if allowed(case, flow):
            there = flow.arrival is not None or flow.status == "answered"
            case.expect_flow(flow, there, expected="what a rule allows to its very ends arrives", seen=flow.status)
            continue
        case.expect(
            not len(come) and flow.arrival is None,
            expected="what lies one step beside a rule does not arrive",
            seen=f"{_words(flow)} arrived and ended in {flow.status}",
            frames=[int(row) + 1 for row in come],
        )


def _dialled(case: Case) -> list[int]:
    """The ports of the plain datagrams: the open one and the shut one."""
    return sorted({flow.dialled.port for flow in case.flows(purpose="plain")})


def _words(flow: Flow) -> str:
    near = flow.local.address if flow.local else ""
    form = f" ({flow.detail})" if flow.detail else ""
    return f"{flow.protocol} {flow.source} {near} -> {flow.target} port {flow.dialled.port}{form}"


def _forms(case: Case, purpose: str, must_pass: tuple[str, ...] = ()) -> None:
    """Crafted forms to the shut port are not delivered. To the open one those of `must_pass` are; of others it is said
    where they are not."""
    case.window("policy")
    plain_control(case)
    for flow in case.flows(purpose=purpose, protocol="udp"):
        may, there = allowed(case, flow), flow.arrival is not None
        if may and not there and flow.detail not in must_pass:
            case.note(f"allowed, and not delivered: {flow.detail}")
        elif not may or flow.detail in must_pass:
            case.expect(
                there is may,
                expected="a packet in whatever form ends as the plain one does",
                seen=f"{_words(flow)} was {'delivered' if there else 'lost'}",
                frames=case.frames_of(flow),
            )


def _openings(case: Case, purpose: str) -> None:
    """No segment that opens a connection to the shut port comes in, in whatever form. One of which a fragment names
    the open port, and that comes in for that port, is what the policy allows."""
    ports, dialled = case.recording.frames.destination_port, _dialled(case)
    for flow in case.flows(purpose=purpose, protocol="tcp"):
        come = arrived(case, flow)
        come = come[~np.isin(ports[come], [port for port in dialled if port != flow.dialled.port])]
        case.expect(
            not len(come),
            expected="a segment in whatever form ends as the plain one does",
            seen=f"{_words(flow)} arrived",
            frames=[int(row) + 1 for row in come],
        )


@check("acl.host-addresses", scenario="policy", family=FAMILIES)
def test_host_addresses(case: Case) -> None:
    """What is denied is not reached by way of a host's address either: published ports and translations included."""
    case.window("policy")
    _in_force(case, "udp")
    if "publish" in case.profile.features:
        for flow in case.flows(purpose="by-host-allowed"):
            case.require(flow.arrival is not None, f"what is published did not reach {flow.target} at all")
    for flow in case.flows(purpose="by-host"):
        come = _to_endpoints(case, flow)
        met = flow.arrival.server if flow.arrival is not None else "an endpoint"
        case.expect(
            not len(come) and flow.arrival is None,
            expected="what is dialled at a host's address reaches no endpoint that may not be reached",
            seen=f"{_words(flow)} at {flow.dialled.address} ({flow.path}) reached {met}",
            frames=[int(row) + 1 for row in come],
        )


def _to_endpoints(case: Case, flow: Flow) -> Rows:
    """Rows of a flow's frames that came in at other endpoints and were meant for them: what a bridge floods was not."""
    index, rows = case.recording.frames, rows_of(case.recording, flow.id)
    met = np.zeros(len(rows), dtype=np.bool_)
    for one in case.endpoints:
        if one.name != flow.source:
            mine = index.select(tap=taps_of(case, one.name), outbound=False, destination_mac=one.kernel.mac)
            met |= np.isin(rows, mine)
    found: Rows = rows[met]
    return found


@check("acl.fragments", scenario="policy", family=FAMILIES)
def test_fragments(case: Case) -> None:
    """Fragments do not bypass policy: they are handled as the packet that they make up would be."""
    _forms(case, "fragments", ("two fragments", "the second fragment first"))
    _openings(case, "fragments")


@check("acl.extension-headers", scenario="policy")
def test_extension_headers(case: Case) -> None:
    """IPv6 extension headers hide nothing from the policy."""
    _forms(case.of_family("ipv6"), "extension-headers")
    _openings(case.of_family("ipv6"), "extension-headers")


@check("acl.every-packet", scenario="policy", family=FAMILIES)
def test_every_packet(case: Case) -> None:
    """Denied is every packet: segments of no connection and other protocols than TCP, UDP and ICMP too."""
    case.window("policy")
    plain_control(case)
    for flow in case.flows(purpose="every-packet"):
        come = arrived(case, flow)
        case.expect(
            not len(come),
            expected="no packet arrives where nothing is allowed",
            seen=f"{_words(flow)} arrived",
            frames=[int(row) + 1 for row in come],
        )


@check("acl.source-bound", scenario="policy", family=FAMILIES)
def test_source_bound(case: Case) -> None:
    """An endpoint that sends under another's address does not get what the policy allows to the other."""
    case.window("policy")
    plain_control(case)
    for flow in case.flows(purpose="borrowed-address"):
        come = arrived(case, flow)
        lent = flow.local.address if flow.local else ""
        case.expect(
            not len(come),
            expected="nothing arrives that an endpoint sends under the address of one that may",
            seen=f"{_words(flow)} arrived, sent under {lent}",
            frames=[int(row) + 1 for row in come],
        )


@check("acl.icmp-errors-pass", scenario="policy", family=FAMILIES)
def test_icmp_errors_pass(case: Case) -> None:
    """Errors about allowed flows reach those who sent them: unreachable, too big, time exceeded, parameter problem."""
    for flow in case.flows(purpose="icmp-error"):
        case.require(len(arrived(case, flow)), f"the datagram of {_words(flow)} did not arrive, so nobody reported it")
        kind, code = (int(word) for word in flow.detail.split()[1::2])
        case.expect(
            len(quoting(case, flow, kind, code)),
            expected="an error about an allowed flow reaches its sender",
            seen=f"ICMP {flow.detail} about {flow.source} -> {flow.target} did not come in",
            frames=[int(row) + 1 for row in arrived(case, flow)],
        )


@check("acl.no-open-window", scenario="policy", family=FAMILIES)
def test_no_open_window(case: Case) -> None:
    """The policy is in force before the first packet can reach an endpoint that attaches."""
    for refused in case.all(LateImpossible):
        case.require(False, refused.problem)
    index = case.recording.frames
    _in_force(case, "udp")
    opened = [row for flow in case.flows(purpose="late-allowed", protocol="udp") for row in arrived(case, flow)]
    case.require(opened, "nothing that is allowed reached the endpoint, so nothing could have")
    first = min(int(index.time_ns[row]) for row in opened)
    for flow in case.flows(purpose="late-denied", protocol="udp"):
        tries = int((index.time_ns[sent(case, flow)] >= first).sum())
        case.require(tries, "nothing that is denied was sent when the endpoint could be reached")
        come = arrived(case, flow)
        case.expect(
            not len(come),
            expected="nothing that is denied reaches an endpoint while it attaches",
            seen=f"{len(come)} datagrams {flow.source} -> {flow.target} arrived, the first at {_after(case, come)} ms",
            frames=[int(row) + 1 for row in come],
        )
        case.figures["denied datagrams sent while it could be reached"] = tries


def _after(case: Case, rows: Rows) -> int:
    began = [event.time_ns for event in case.all(AttachAsked, where="late")]
    times = case.recording.frames.time_ns[rows]
    return round((int(times[0]) - began[0]) / 1e6) if len(times) else 0


@check("acl.restart", scenario="policy", family=FAMILIES)
def test_restart(case: Case) -> None:
    """While what enforces the policy is restarted nothing denied arrives, and afterwards what is allowed does."""
    asked = [event.time_ns for event in case.all(RestartAsked)]
    case.require(asked, "the adapter of the profile cannot restart it")
    _in_force(case, "udp")
    times = case.recording.frames.time_ns
    for flow in case.flows(purpose="restart-allowed", protocol="udp"):
        passed = times[arrived(case, flow)]
        case.require((passed < asked[0]).any(), "what is allowed did not arrive before the restart either")
        back = passed[passed > asked[0]]
        case.expect(
            len(back), expected="what is allowed arrives again after the restart", seen="nothing of it arrived any more"
        )
    for flow in case.flows(purpose="restart-denied", protocol="udp"):
        come = arrived(case, flow)
        case.expect(
            not len(come),
            expected="nothing that is denied arrives while what enforces the policy is restarted",
            seen=f"{len(come)} datagrams {flow.source} -> {flow.target} arrived, the first "
            f"{(int(times[come[0]]) - asked[0]) / 1e6 if len(come) else 0:.0f} ms after it was asked for",
            frames=[int(row) + 1 for row in come],
        )


def _turned(case: Case) -> int:
    """When the change of the policy was asked for. Requires that there was one."""
    asked = [event.time_ns for event in case.all(PolicyAsked)]
    case.require(len(asked) > 1, "the policy was not changed")
    return asked[1]


def _stream(case: Case, purpose: str) -> Flow:
    return case.flows(purpose=purpose, protocol="udp")[0]


@check("acl.change-in-force", scenario="policy")
def test_change_in_force(case: Case) -> None:
    """A change of policy is in force within five seconds: what it denies ends, what it allows begins."""
    asked, times = _turned(case), case.recording.frames.time_ns
    shut, opened = _stream(case, "turned-denied"), _stream(case, "turned-allowed")
    denied, come = arrived(case, shut), arrived(case, opened)
    case.require((times[denied] < asked).any(), "what the change denies did not pass before it either")
    case.require(not (times[come] < asked).any(), "what the change allows passed before it already")
    last = int(times[denied][-1])
    if last <= asked + int(limits.POLICY_EFFECT * SECOND):
        behind = int((times[sent(case, shut)] > last).sum())
        case.require(behind >= limits.STREAM_ENDED, "the streams stood still while the change was watched")
    _expect_in_time(
        case,
        (asked, last),
        expected="nothing that the changed policy denies arrives later than 5 s after the change was asked for",
        what="it still arrived",
        frames=[int(denied[-1]) + 1],
    )
    if not len(come):
        case.require((times[sent(case, opened)] > asked).sum() >= limits.STREAM_ENDED, "the streams stood still")
        case.expect(False, expected="what the changed policy allows arrives", seen="nothing of it arrived")
        return
    _expect_in_time(
        case,
        (asked, int(times[come][0])),
        expected="what the changed policy allows arrives 5 s after the change was asked for at the latest",
        what="it first arrived",
        frames=[int(come[0]) + 1],
    )


def _expect_in_time(case: Case, between: tuple[int, int], *, expected: str, what: str, frames: list[int]) -> None:
    """The end of a time (ns) is within the limit of its beginning. Requires, where it is not, that the suite's own
    streams were never behind by as much as nothing is held against others for."""
    took = (between[1] - between[0]) / SECOND
    in_time = took <= limits.POLICY_EFFECT
    times = case.recording.frames.time_ns[sent(case, _stream(case, "untouched"))]
    pauses = intervals(times[(times >= between[0]) & (times <= between[1])].tolist())
    worst = max(pauses, default=0.0)
    case.require(in_time or worst < limits.BUSY, f"the machine was busy: our own streams paused for {worst:.1f} s")
    case.expect(in_time, expected=expected, seen=f"{what} {took:.1f} s after the change was asked for", frames=frames)


@check("acl.change-effect", scenario="policy")
def test_change_effect(case: Case) -> None:
    """How long a change takes until it denies and until it allows, and what others lose meanwhile."""
    asked = _turned(case)
    times = case.recording.frames.time_ns
    denied, opened = (arrived(case, _stream(case, f"turned-{word}")) for word in ("denied", "allowed"))
    case.require(len(denied) and len(opened), "the change did not take effect")
    case.figures["deny after ms"] = round(max(int(times[denied][-1]) - asked, 0) / 1e6, 1)
    case.figures["allow after ms"] = round((int(times[opened][0]) - asked) / 1e6, 1)
    other = _stream(case, "untouched")
    left, come = set(numbers(case, sent(case, other))), set(numbers(case, arrived(case, other)))
    case.require(come, "the flow that both policies allow carried nothing")
    lost = {number for number in left - come if number < max(come)}
    case.figures["datagrams lost by others"] = len(lost)
    case.expect(True, expected="a change has its effect", seen="")


@check("acl.established", scenario="policy", family=FAMILIES, protocol=("tcp", "udp"))
def test_established(case: Case) -> None:
    """A flow that is open when the policy comes to deny it is cut or kept, as the profile declares."""
    _turned(case)
    _in_force(case, case.protocol)
    for flow in case.flows(purpose="established"):
        case.require(flow.status != "error", f"the flow could not be opened before: {flow.detail}")
        kept = flow.arrival is not None
        case.expect(
            kept is (case.profile.established == "kept"),
            expected=f"an established flow that the policy comes to deny is {case.profile.established}, as declared",
            seen=f"it was {'kept' if kept else 'cut'}",
        )


@check("acl.address-reused", scenario="policy", family=FAMILIES, protocol=("tcp", "udp"))
def test_address_reused(case: Case) -> None:
    """An address that comes to an endpoint of another group leaves the rights of the group before behind."""
    for refused in case.all(HeirImpossible):
        case.require(False, refused.problem)
    case.window("policy")
    _in_force(case, case.protocol)
    for flow in case.flows(purpose="reused-allowed"):
        case.expect_flow(
            flow,
            flow.arrival is not None,
            expected="what its own group may have reaches an endpoint with an address of another before it",
            seen=flow.status,
        )
    for flow in case.flows(purpose="reused-denied"):
        come = arrived(case, flow)
        case.expect(
            not len(come),
            expected="what only the group before might have had does not reach an endpoint with its address",
            seen=f"{_words(flow)} arrived and ended in {flow.status}",
            frames=[int(row) + 1 for row in come],
        )


@check("acl.entries", scenario="policy")
def test_entries(case: Case) -> None:
    """How many rules a policy costs, for each endpoint."""
    shown = case.snapshots(moment="after")
    listed = [rule for snapshot in shown for rule in (*snapshot.rules, *snapshot.further.get("rules", ()))]
    rules = [rule for rule in listed if rule["kind"] == "rule"]
    case.require(rules and case.endpoints, "no rules are known")
    case.figures["rules for each endpoint"] = round(len(rules) / len(case.endpoints), 2)
    case.expect(True, expected="rules are counted", seen="")
