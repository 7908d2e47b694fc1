"""Planted faults of the family nd: detection left out, duplicates kept, wrong answers, IPv6 that leans on IPv4."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv6Network
from typing import Final

from conformance import limits
from conformance.adapters.interface import AdapterError, Attachment, Endpoint
from conformance.adapters.linux.bridges import BRIDGE
from conformance.adapters.linux.flat_bridge import flat_bridge
from conformance.adapters.linux.network import INTERFACE, Network
from conformance.adapters.linux.routed import routed
from conformance.lab.kernel import link, netlink
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import notices, rtnetlink
from conformance.lab.lab import Host, Lab, link_local
from conformance.lab.nftables import (
    Action,
    Chain,
    Match,
    Rule,
    count,
    destination,
    icmp,
    payload,
    rewrite,
    set_hop_limit,
)
from conformance.protocols.ndp import ADVERTISEMENT, ALL_NODES, TARGET_OPTION
from conformance.recording.events import events_in
from conformance.recording.events.addressing import DuplicateAttached, DuplicateRefused
from conformance.recording.model import Record
from conformance.selftest.alterations import in_background, interfaces, lease_of, telling
from conformance.selftest.fault import Fault, Witness, planted, rule_hit

ANSWERED = frozenset({"nd.solicitation-answered"})
PROXIED: Final = range(0x20, 0x2000)
"""Numbers, within the prefix of a host's pool, of the addresses that it answers for: endpoints get lower ones."""
UNKNOWN_OPTION: Final = 253
"""An option type for experiments (RFC 4727 §6)."""


def unprobed(lab: Lab) -> Network:
    """Endpoints' addresses are marked as already checked; only the kernel's link-local ones are probed."""
    return Network(lab, replace(routed(lab), detects=False))


def lenient(lab: Lab) -> Network:
    """Attach succeeds whatever detection found."""
    return Network(lab, replace(flat_bridge(lab), refuses=False))


def _no_detection(_: Host, namespace: Namespace) -> None:
    namespace.sysctl("net.ipv6.conf.default.accept_dad", 0)


def _unprobed(record: Record) -> str | None:
    for name, interface in interfaces(record):
        marked = [one.address for one in interface.addresses if "nodad" in one.flags]
        if marked:
            return f"{name}: {', '.join(marked)} has the flag nodad"
    return None


def _sysctl(key: str, value: str) -> Witness:
    def witness(record: Record) -> str | None:
        places = sorted({one.where for one in record.snapshots if one.sysctls.get(key) == value})
        return f"{key} is {value} in {', '.join(places)}" if places else None

    return witness


def _kept_anyway(record: Record) -> str | None:
    for event in events_in(record, DuplicateAttached):
        failed = [one.address for one in event.addresses if "dadfailed" in one.flags]
        if failed:
            return f"{event.where} was attached with {', '.join(failed)}, which failed detection"
    return None


def _answer_for_everything(lab: Lab) -> None:
    """The first host is a proxy for all addresses of its pool's prefix that no endpoint has."""
    host = next(iter(lab.hosts.values()))
    bridge = f"net.ipv6.conf.{BRIDGE}"
    for key in (f"{bridge}.forwarding", f"{bridge}.proxy_ndp"):
        host.namespace.sysctl(key, 1)
    host.namespace.sysctl(f"net.ipv6.neigh.{BRIDGE}.proxy_delay", 0)
    first = host.pool_ipv6.network_address
    netlink.transact(host.namespace, [rtnetlink.proxy(BRIDGE, first + number) for number in PROXIED])
    of_pool = payload("transport", 8, first.packed[: host.pool_ipv6.prefixlen // 8])
    said = Rule(count(), (icmp(6, ADVERTISEMENT), of_pool), "advertisement for others")
    planted(host, "ip6", Chain("output", (said,), "filter", "output"))


def _advertising(action: Action, *further: Match) -> Callable[[Host, Endpoint], Endpoint]:
    """Advertisements leave an endpoint changed. Its host knows the endpoint's MAC address beforehand, as in networks
    that program their neighbours, so that nobody but a checker notices."""

    def plant(host: Host, endpoint: Endpoint) -> Endpoint:
        rule = Rule(action, (icmp(6, ADVERTISEMENT), *further), "advertisement")
        planted(endpoint, "ip6", Chain("output", (rule,), "filter", "output"))
        port, mac = lease_of(endpoint).port, lease_of(endpoint).mac
        known = [one.ip for one in endpoint.reported.addresses if one.version == 6]
        known.append(link_local(mac).ip)
        netlink.transact(host.namespace, [rtnetlink.neighbour(port, str(one), mac) for one in known])
        return endpoint

    return plant


def _no_link_local(_: Host, endpoint: Endpoint) -> Endpoint:
    own = link_local(lease_of(endpoint).mac)
    netlink.transact(endpoint.namespace, [rtnetlink.address(INTERFACE, own, remove=True)])
    return endpoint


def _lacks_link_local(record: Record) -> str | None:
    for name, interface in interfaces(record):
        if not any(":" in one.address and one.scope == "link" for one in interface.addresses):
            return f"{name} has no link-local address"
    return None


def _leaning_on_ipv4(_: Host, endpoint: Endpoint) -> Endpoint:
    """A part of the network watches the endpoint: when its IPv4 address goes, its IPv6 default route goes too."""
    namespace = endpoint.namespace
    gateway = next(str(one) for one in endpoint.reported.gateways if one.version == 6)

    def watch() -> None:
        with link.announcements(namespace, notices.IPV4_ADDRESSES) as wait:
            while wait(limits.IDLE_THOROUGH):
                if not namespace.netlink("get_addr", family=2, label=INTERFACE):
                    route = rtnetlink.route(link.everything(gateway), via=gateway, link=INTERFACE, remove=True)
                    netlink.transact(namespace, [route])
                    return

    in_background(watch, namespace)
    return telling(endpoint)


def _lost_its_route(record: Record) -> str | None:
    names = {one.name for one in record.endpoints}
    for snapshot in record.snapshots:
        defaults = {one["family"] for one in snapshot.routes if one["destination"] in ("0.0.0.0/0", "::/0")}
        if snapshot.where in names and snapshot.moment == "after" and not defaults:
            return f"{snapshot.where} has no default route of any family at the end"
    return None


TO_ALL_NODES = destination(IPv6Network(ALL_NODES))
WITH_TARGET = payload("transport", 24, bytes((TARGET_OPTION,)))


def _refuse_requests(_: Host, request: Attachment) -> Attachment:
    if request.addresses:
        raise AdapterError(f"{request.name}: no address can be chosen")
    return request


def _refuse_ipv6_alone(_: Host, request: Attachment) -> Attachment:
    if request.addresses and all(address.version == 6 for address in request.addresses):
        raise AdapterError(f"{request.name}: no IPv4 gateway")
    return request


def _refused(record: Record) -> str | None:
    """The duplicate was refused in words of the fault's own."""
    for event in events_in(record, DuplicateRefused):
        if event.problem.endswith(("no address can be chosen", "no IPv4 gateway")):
            return f"refused: {event.problem}"
    return None


FAULTS = (
    Fault(
        name="requests-refused",
        title="every attach that asks for an address is refused, free or not",
        network="flat-bridge",
        fails=frozenset({"addr.request-granted"}),
        on_request=_refuse_requests,
        witness=_refused,
    ),
    Fault(
        name="ipv6-alone-refused",
        title="an attach without IPv4 is refused",
        fails=frozenset({"addr.request-granted"}),
        on_request=_refuse_ipv6_alone,
        witness=_refused,
    ),
    Fault(
        name="dad-disabled",
        title="duplicate address detection is switched off in every endpoint",
        labels=("X-45",),
        network="flat-bridge",
        fails=frozenset({"nd.dad-performed", "nd.duplicate-refused"}),
        on_prepare=_no_detection,
        witness=_sysctl(f"net.ipv6.conf.{INTERFACE}.accept_dad", "0"),
    ),
    Fault(
        name="dad-for-link-local-only",
        title="only link-local addresses are probed: the others are marked as already checked",
        labels=("F-V6-01b",),
        fails=frozenset({"nd.dad-performed"}),
        design=unprobed,
        witness=_unprobed,
    ),
    Fault(
        name="duplicate-attached",
        title="attach succeeds although detection found the address in use",
        labels=("F-V6-02a",),
        network="flat-bridge",
        fails=frozenset({"nd.duplicate-refused"}),
        design=lenient,
        witness=_kept_anyway,
    ),
    Fault(
        name="proxy-for-all",
        title="a host answers solicitations for all addresses of its prefix that nobody has",
        labels=("F-V6-03a",),
        network="flat-bridge",
        fails=ANSWERED | {"route.absent-address"},
        on_network=_answer_for_everything,
        witness=rule_hit,
    ),
    Fault(
        name="solicited-to-all-nodes",
        title="the answer to a solicitation from :: has the Solicited flag",
        labels=("F-V6-03b",),
        fails=ANSWERED,
        on_endpoint=_advertising(rewrite("transport", 4, b"\x60", checksum_at=2), TO_ALL_NODES),
        witness=rule_hit,
    ),
    Fault(
        name="no-target-option",
        title="advertisements lack the target link-layer address",
        labels=("F-V6-03c",),
        fails=ANSWERED,
        on_endpoint=_advertising(rewrite("transport", 24, bytes((UNKNOWN_OPTION,)), checksum_at=2), WITH_TARGET),
        witness=rule_hit,
    ),
    Fault(
        name="wrong-target-option",
        title="advertisements carry another station's link-layer address",
        labels=("F-V6-03c",),
        fails=ANSWERED,
        on_endpoint=_advertising(rewrite("transport", 26, b"\x02\x00\x5e\x00\x53\x00", checksum_at=2), WITH_TARGET),
        witness=rule_hit,
    ),
    Fault(
        name="advertised-from-afar",
        title="advertisements leave with hop limit 64",
        fails=ANSWERED,
        on_endpoint=_advertising(set_hop_limit(64)),
        witness=rule_hit,
    ),
    Fault(
        name="advertised-with-code",
        title="advertisements have code 1",
        fails=ANSWERED,
        on_endpoint=_advertising(rewrite("transport", 1, b"\x01", checksum_at=2)),
        witness=rule_hit,
    ),
    Fault(
        name="advertised-with-wrong-checksum",
        title="advertisements have a wrong checksum",
        fails=ANSWERED,
        on_endpoint=_advertising(rewrite("transport", 2, b"\xde\xad")),
        witness=rule_hit,
    ),
    Fault(
        name="no-link-local",
        title="endpoints have no link-local address",
        fails=frozenset({"nd.ipv6-only"}),
        on_endpoint=_no_link_local,
        witness=_lacks_link_local,
    ),
    Fault(
        name="ipv6-leans-on-ipv4",
        title="an endpoint's IPv6 route is withdrawn with its IPv4 address",
        fails=frozenset({"nd.ipv6-only"}),
        on_endpoint=_leaning_on_ipv4,
        witness=_lost_its_route,
    ),
)
