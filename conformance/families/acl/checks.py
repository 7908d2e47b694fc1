"""Access policies: deny means deny, for every protocol, family and direction, and what is allowed passes."""

from __future__ import annotations

import numpy as np

from conformance.families.acl.evidence import Bits, Result, kept_back, result
from conformance.families.acl.evidence_rejections import false_reports, false_resets
from conformance.judging.case import Case
from conformance.judging.parameters import FAMILIES, PROTOCOLS
from conformance.judging.register import check


def _found(case: Case) -> Result:
    return result(case, case.family, case.protocol)


@check("acl.default-deny", scenario="policy", family=FAMILIES, protocol=PROTOCOLS)
def test_default_deny(case: Case) -> None:
    """What no rule of the receiver allows does not reach it, from any endpoint."""
    found = _found(case)
    kept_back(
        case, found, ~found.expected.ingress & found.apart, "what the receiver's rules do not allow does not arrive"
    )


@check("acl.egress", scenario="policy", family=FAMILIES, protocol=("tcp", "icmp"))
def test_egress(case: Case) -> None:
    """What the sender's rules deny does not arrive, although the receiver's would allow it."""
    found = _found(case)
    denied = ~found.expected.egress & found.expected.ingress
    kept_back(case, found, denied, "what the sender's rules deny does not arrive")


@check("acl.allowed", scenario="policy", family=FAMILIES, protocol=PROTOCOLS)
def test_allowed(case: Case) -> None:
    """What both sides' rules allow is delivered, and its answer comes back."""
    found = _found(case)
    allowed = found.expected.allowed
    answered = found.table("answered") & found.table("delivered")
    lost = allowed & ~answered
    expected = "what is allowed is delivered and answered"
    for _ in range(int((allowed & answered).sum())):
        case.expect(True, expected=expected, seen="answered")
    for cell in np.argwhere(lost).tolist():
        row = int(found.first[tuple(cell)])
        arrived = "arrived" if row >= 0 else "did not arrive"
        case.expect(
            False,
            expected=expected,
            seen=f"{found.name(cell)} ({found.rule(cell)}) {arrived}, and ended in {found.end(cell)}",
            frames=[row + 1] if row >= 0 else [],
        )
    case.figures["allowed"] = int(allowed.sum())
    case.show(found.grid(lost))


@check("acl.ipv6-parity", scenario="policy", protocol=PROTOCOLS)
def test_ipv6_parity(case: Case) -> None:
    """The same policy means the same over IPv6 as over IPv4."""
    four, six = (result(case, family, case.protocol) for family in FAMILIES)
    same = (four.expected.allowed == six.expected.allowed) & six.apart
    differs = same & (four.passed != six.passed)
    expected = "what passes over IPv6 is what passes over IPv4"
    case.expect(
        not differs.any(), expected=expected, seen=_difference(four, six, differs), frames=_frames(six, differs)
    )
    case.show(six.grid(differs))


def _difference(four: Result, six: Result, differs: Bits) -> str:
    cells = np.argwhere(differs).tolist()
    if not cells:
        return "the same"
    first = tuple(cells[0])
    words = ("kept back", "got through")
    return (
        f"{six.name(first)} {words[int(four.passed[first])]} over IPv4 and {words[int(six.passed[first])]} over IPv6; "
        f"{len(cells)} cells differ"
    )


def _frames(found: Result, differs: Bits) -> list[int]:
    return [int(row) + 1 for row in found.first[differs] if row >= 0]


@check("acl.reject-honest", scenario="policy", family=FAMILIES)
def test_reject_honest(case: Case) -> None:
    """A rejection comes from the address that was dialled or from a router on the way, and nobody else answers."""
    case.window("policy")
    expected = "who rejects is the station that was dialled, or a router on the way to it"
    seen = 0
    for endpoint in case.endpoints:
        reports, wrong_reports = false_reports(case, endpoint)
        resets, wrong_resets = false_resets(case, endpoint)
        seen += reports + resets
        for row, words in (*wrong_reports, *wrong_resets):
            case.expect(False, expected=expected, seen=f"{endpoint.name}: {words}", frames=[row + 1])
    for protocol in PROTOCOLS:
        found = result(case, case.family, protocol)
        for cell in np.argwhere(~found.expected.allowed & found.table("answered") & ~found.passed).tolist():
            words = f"{found.name(cell)} did not arrive, and was answered"
            case.expect(False, expected="what is denied is answered by nobody", seen=words)
    case.figures["rejections"] = seen
    case.expect(True, expected=expected, seen="")
