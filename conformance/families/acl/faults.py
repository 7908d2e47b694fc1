"""Planted faults of the family acl: each filter that is not what it looks like, and what fails with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from conformance.adapters.linux.filtered import TABLE, Filtered, FilteredInwards, FilteredV4Only
from conformance.families.acl import faults_filters as leaky
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


def _fault(
    name: str, title: str, design: type[Filtered], *fails: str,
    witness: Witness = rule_hit, labels: tuple[str, ...] = (), endpoints: int = FEW,
) -> Fault:  # fmt: skip
    return Fault(
        name=f"acl-{name}",
        title=title,
        labels=labels,
        network="routed-64-acl",
        endpoints=endpoints,
        fails=frozenset(f"acl.{word}" for word in fails),
        design=design,
        witness=witness,
    )


FAULTS = (
    _fault(
        "only-tcp-denied", "what no rule allows is dropped only if it is TCP", leaky.OnlyTcpDenied, "default-deny",
        labels=("F-ACL-01b",),
    ),
    _fault(
        "only-openings-denied", "what no rule allows is dropped only if it opens a flow", leaky.OnlyOpeningsDenied,
        "every-packet", labels=("X-20",),
    ),
    _fault(
        "ipv4-only", "the policy is in force over IPv4 alone", FilteredV4Only, "default-deny", "egress", "ipv6-parity",
        witness=_no_ipv6, labels=("X-21", "F-ACL-02a"),
    ),
    _fault(
        "no-egress", "what the sender's rules deny passes, since only what comes in is filtered", FilteredInwards,
        "egress", witness=_no_egress,
    ),
    _fault("udp-answers", "answers to allowed datagrams are dropped", leaky.UdpAnswersDropped, "allowed"),
    _fault(
        "ports-off-by-one", "a range of ports ends one port too late", leaky.PortsOffByOne, "exact", witness=_late_end,
        labels=("F-ACL-03a",),
    ),
    _fault(
        "prefix-off-by-one", "a prefix is one bit too short", leaky.PrefixOffByOne, "exact", witness=_short_prefix,
    ),
    _fault(
        "fragments-pass", "fragments pass, whatever they are a part of", leaky.FragmentsPass, "fragments",
        labels=("F-ACL-05a", "X-22"),
    ),
    _fault(
        "extension-headers-pass", "packets with extension headers pass", leaky.ExtensionsPass,
        "extension-headers", "fragments",
    ),
    _fault("errors-dropped", "what says too big is dropped", leaky.ErrorsDropped, "icmp-errors-pass", labels=("X-26",)),
    _fault(
        "rejects-in-anothers-name", "rejections are sent from an address that nobody has", leaky.RejectsInAnothersName,
        "reject-honest",
    ),
    _fault(
        "window-at-attach", "everything reaches an endpoint until its attachment is over", leaky.AttachedUnfiltered,
        "no-open-window",
    ),
    _fault(
        "published-ports-pass", "what was translated on its way to an endpoint passes unseen", leaky.PublishedPass,
        "host-addresses",
    ),
    _fault(
        "restarted-open", "what enforces the policy lets everything pass after its restart", leaky.RestartedOpen,
        "restart", labels=("F-ACL-07b",),
    ),
    _fault("never-shut", "a change of policy never shuts anything", leaky.NeverShut, "change-in-force"),
    _fault(
        "established-cut", "a change of policy cuts what is established, though the profile says kept",
        leaky.EstablishedCut, "established", labels=("F-ACL-07c",),
    ),
    _fault(
        "one-cell", "one of 1,560 ordered pairs of endpoints leaks on one port", leaky.OneCellLeaks, "default-deny",
        endpoints=MANY,
    ),
)  # fmt: skip
