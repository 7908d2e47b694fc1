"""Planted faults of the family acl: each filter that is not what it looks like, and what fails with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from conformance.adapters.linux.filtered import INGRESS_ONLY, IPV4_ONLY, SOURCES, Enforcement, Filtered
from conformance.adapters.linux.translation import TABLE
from conformance.families.acl import faults_filters as leaky
from conformance.lab.lab import Lab
from conformance.recording.model import Record
from conformance.selftest.fault import Fault, Witness, rule_hit

FEW: Final = 8
"""Endpoints of a network whose fault every pair shows: a round of the policy's population, on both hosts."""
MANY: Final = 40


def _rules(record: Record) -> Iterator[Any]:
    """The rules of the policy, as the last snapshot of each host shows them."""
    for snapshot in record.snapshots:
        yield from (rule for rule in snapshot.rules if rule["kind"] == "rule" and rule["table"] == TABLE)


def _no_ipv6(record: Record) -> str | None:
    families = {rule["family"] for rule in _rules(record)}
    return "the policy's tables are of family ip" if families == {"ip"} else None


def _no_egress(record: Record) -> str | None:
    chains = {rule["chain"] for rule in _rules(record)}
    return f"the policy's chains are {', '.join(sorted(chains))}" if chains and "egress" not in chains else None


def _late_end(record: Record) -> str | None:
    """A range of ports ends where none should."""
    for rule in _rules(record):
        if any(part.get("high") == 8010 for part in rule["expressions"]):
            return f"a range of the rule {rule.get('comment')} ends at port 8010"
    return None


def _short_prefix(record: Record) -> str | None:
    """A prefix is compared in one bit less than the policy says."""
    masks = {str(part["mask"]) for rule in _rules(record) for part in rule["expressions"] if "mask" in part}
    return "a prefix is compared under 255.255.255.240" if "255.255.255.240" in masks else None


def _any_source(record: Record) -> str | None:
    """No table of any host compares sources."""
    tables = {str(rule["table"]) for snapshot in record.snapshots for rule in snapshot.rules if rule["kind"] == "rule"}
    return "no rule compares sources" if tables and not any(one.startswith(SOURCES) for one in tables) else None


def _reused(record: Record) -> str | None:
    """Two endpoints of different groups had one address, one after the other."""
    had = {
        one.name: {address.address for address in one.kernel.addresses if address.scope == "global"}
        for one in record.endpoints
    }
    both = had.get("late", set()) & had.get("heir", set())
    return f"late and heir both had {', '.join(sorted(both))}" if both else None


def _fault(
    name: str,
    title: str,
    planted: Enforcement | Callable[[Lab], Filtered],
    *fails: str,
    witness: Witness = rule_hit,
    labels: tuple[str, ...] = (),
    endpoints: int = FEW,
) -> Fault:
    return Fault(
        name=f"acl-{name}",
        title=title,
        labels=labels,
        network="routed-64-acl",
        endpoints=endpoints,
        fails=frozenset(f"acl.{word}" for word in fails),
        design=leaky.enforcing(planted) if isinstance(planted, Enforcement) else planted,
        witness=witness,
    )


FAULTS = (
    _fault("only-tcp-denied", "what no rule allows is dropped only if it is TCP", leaky.ONLY_TCP_DENIED, "default-deny",
           labels=("F-ACL-01b",)),
    _fault("only-openings-denied", "what no rule allows is dropped only if it opens a flow", leaky.ONLY_OPENINGS_DENIED,
           "every-packet", "fragments", labels=("X-20",)),
    _fault("ipv4-only", "the policy is in force over IPv4 alone", IPV4_ONLY, "default-deny", "egress", "ipv6-parity",
           witness=_no_ipv6, labels=("X-21", "F-ACL-02a")),
    _fault("no-egress", "what the sender's rules deny passes, since only what comes in is filtered", INGRESS_ONLY,
           "egress", witness=_no_egress),
    _fault("udp-answers", "answers to allowed datagrams are dropped", leaky.UDP_ANSWERS_DROPPED, "allowed"),
    _fault("ports-off-by-one", "a range of ports ends one port too late", leaky.PORTS_OFF_BY_ONE, "exact",
           witness=_late_end, labels=("F-ACL-03a",)),
    _fault("prefix-off-by-one", "a prefix is one bit too short", leaky.PREFIX_OFF_BY_ONE, "exact",
           witness=_short_prefix),
    _fault("fragments-pass", "fragments pass, whatever they are a part of", leaky.FRAGMENTS_PASS, "fragments",
           labels=("F-ACL-05a", "X-22")),
    _fault("extension-headers-pass", "packets with extension headers pass", leaky.EXTENSIONS_PASS, "extension-headers",
           "fragments"),
    _fault("tcp-behind-options-passes", "a segment behind destination options passes", leaky.TCP_BEHIND_OPTIONS_PASSES,
           "extension-headers", "fragments"),
    _fault("dressed-openings-pass", "a segment with SYN and other flags passes", leaky.DRESSED_OPENINGS_PASS,
           "every-packet"),
    _fault("large-pass", "packets of more than 1,000 octets pass", leaky.LARGE_PASS, "every-packet"),
    _fault("any-source", "an endpoint gets the rights of the address that it sends under", leaky.ANY_SOURCE,
           "source-bound", witness=_any_source),
    _fault("errors-dropped", "what says too big is dropped", leaky.ERRORS_DROPPED, "icmp-errors-pass",
           labels=("X-26",)),
    _fault("rejects-in-anothers-name", "rejections are sent from an address that nobody has",
           leaky.REJECTS_IN_ANOTHERS_NAME, "reject-honest"),
    _fault("window-at-attach", "everything reaches an endpoint until its attachment is over", leaky.attached_unfiltered,
           "no-open-window"),
    _fault("published-ports-pass", "what was translated on its way to an endpoint passes unseen", leaky.published_pass,
           "host-addresses"),
    _fault("restarted-open", "what enforces the policy lets everything pass after its restart", leaky.RESTARTED_OPEN,
           "restart", labels=("F-ACL-07b",)),
    _fault("never-shut", "a change of policy never shuts anything", leaky.NEVER_SHUT, "change-in-force"),
    _fault("change-late", "a change of policy takes effect after eight seconds", leaky.in_force_late,
           "change-in-force"),
    _fault("established-cut", "a change of policy cuts what is established, though the profile says kept",
           leaky.ESTABLISHED_CUT, "established", labels=("F-ACL-07c",)),
    _fault("datagrams-cut", "a change of policy cuts established flows of datagrams, though the profile says kept",
           leaky.DATAGRAMS_CUT, "established"),
    _fault("gone-stays", "the addresses of an endpoint that is gone stay in its groups", leaky.GONE_STAYS,
           "address-reused", witness=_reused),
    _fault("one-cell", "one of 1,560 ordered pairs of endpoints leaks on one port", leaky.ONE_CELL_LEAKS,
           "default-deny", endpoints=MANY),
)  # fmt: skip
