"""Planted faults of the family addr: addresses that are shared, foreign, misreported, unfinished or missing."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_address
from typing import Final

from conformance import limits
from conformance.adapters.interface import Attachment, Endpoint, Interface
from conformance.adapters.linux.network import INTERFACE, Network, mac_of
from conformance.adapters.linux.routed import routed as routed_design
from conformance.families.addr.faults_tunnel import is_tunnel, tunnelled
from conformance.lab.kernel import link, netlink
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, Lab
from conformance.recording.events import events_in
from conformance.recording.events.attaching import AddressesSettled
from conformance.recording.model import Record
from conformance.selftest.alterations import (
    Alteration,
    given,
    has_address,
    interfaces,
    lead,
    lease_of,
    letter,
    number,
    routed,
    telling,
)
from conformance.selftest.fault import Fault, Witness

SHARED: Final = 70
"""Number within its host's prefix of the address that two endpoints get."""
OUTSIDE: Final = (IPv4Network("10.77.0.0/16"), IPv6Network("2001:db8:77::/48"))
"""Prefixes that nobody gave to the network."""
DETECTIONS: Final = 60
"""DupAddrDetectTransmits of an address that stays tentative for a minute."""


def _of_host(host: Host, index: int) -> tuple[Interface, Interface]:
    """The addresses of that number in the host's prefixes, each a prefix of its own."""
    return IPv4Interface(host.workload_ipv4[index]), IPv6Interface(host.workload_ipv6[index])


def _ask_for_shared(host: Host, request: Attachment) -> Attachment:
    """The first endpoint of each host asks for an address of its own and for the one that will be shared."""
    if letter(request.name) != "a":
        return request
    return replace(request, addresses=(*_of_host(host, 9), *_of_host(host, SHARED)), extra_addresses=0)


def _share(version: int) -> Alteration:
    def share(host: Host, endpoint: Endpoint) -> Endpoint:
        """The second endpoint of each host gets the first one's second address as well."""
        if letter(endpoint.name) != "b":
            return endpoint
        shared = given(endpoint, _of_host(host, SHARED)[version == 6])
        own = [one for one in endpoint.reported.addresses if one.version == 6]
        anew = [step for one in own for step in _again(one)]  # the youngest is what an endpoint sends from
        netlink.transact(endpoint.namespace, anew)
        link.await_dad(endpoint.namespace, INTERFACE, limits.DAD_SETTLED)
        return shared

    return share


def _is_shared(version: int) -> Witness:
    def witness(record: Record) -> str | None:
        host = next(iter(record.testbed.hosts.values()))
        prefix = host.workload_ipv4 if version == 4 else host.workload_ipv6
        return has_address(f"{prefix[SHARED]}/{prefix.max_prefixlen}")(record)

    return witness


def _prefixes(host: Host, lab: Lab) -> tuple[IPv4Network, IPv6Network]:
    four, six = OUTSIDE
    place = number(host, lab)
    return list(four.subnets(new_prefix=24))[place], IPv6Network((int(six.network_address) + (place << 64), 64))


def _lead_outside(lab: Lab) -> None:
    for host in lab.hosts.values():
        lead(lab, host, *_prefixes(host, lab))


def _place(name: str) -> tuple[int, int]:
    """Number of an endpoint's host and of the endpoint on it, as its name has them."""
    return int(name[1:-1]), ord(letter(name)) - ord("a") + 1


def _from_outside(host: Host, endpoint: Endpoint) -> Endpoint:
    """Each endpoint gets addresses of a prefix that was not promised; everybody has a route to them."""
    where, which = _place(endpoint.name)
    four, six = OUTSIDE
    further = (
        IPv4Interface(four.network_address + (where << 8) + which),
        IPv6Interface(six.network_address + (where << 64) + which),
    )
    routed(host, endpoint, *further)
    return given(endpoint, *further)


def _report_another_address(_: Host, endpoint: Endpoint) -> Endpoint:
    first, *others = endpoint.reported.addresses
    return telling(endpoint, addresses=(type(first)((first.ip + 100, first.network.prefixlen)), *others))


def _report_another_mac(_: Host, endpoint: Endpoint) -> Endpoint:
    return telling(endpoint, mac=mac_of(f"not {endpoint.name}"))


def _differs(record: Record) -> str | None:
    """What was reported at attach and what a snapshot shows afterwards."""
    reported = {one.name: (set(one.reported_addresses), one.reported_mac) for one in record.endpoints}
    for name, interface in interfaces(record):
        addresses, mac = reported[name]
        held = {f"{one.address}/{one.prefix_length}" for one in interface.addresses if one.scope == "global"}
        if addresses - held or mac != interface.mac:
            return f"{name} has {sorted(held)} and {interface.mac}"
    return None


def _without_ipv6(_: Host, endpoint: Endpoint) -> Endpoint:
    endpoint.namespace.sysctl(f"net.ipv6.conf.{INTERFACE}.disable_ipv6", 1)
    left = {
        key: tuple(one for one in getattr(endpoint.reported, key) if one.version == 4)
        for key in ("addresses", "gateways")
    }
    return telling(endpoint, **left)


def _has_no_ipv6(record: Record) -> str | None:
    off = [
        snapshot.where
        for snapshot in record.snapshots
        if snapshot.sysctls.get(f"net.ipv6.conf.{INTERFACE}.disable_ipv6") == "1"
    ]
    return f"{', '.join(sorted(set(off)))}: disable_ipv6 is 1" if off else None


def hasty(lab: Lab) -> Network:
    """Attach returns at once."""
    return Network(lab, replace(routed_design(lab), awaits=False))


def _began_tentative(record: Record) -> str | None:
    for endpoint in record.endpoints:
        settled = [event.time_ns for event in events_in(record, AddressesSettled)]
        if settled and (settled[0] - endpoint.attached_ns) / 1e9 > 0.5:
            return f"it took {(settled[0] - endpoint.attached_ns) / 1e9:.1f} s more until {endpoint.name} was settled"
    return None


def _again(address: Interface) -> tuple[netlink.Request, netlink.Request]:
    """Take an address away and give it back: it is probed once more."""
    return rtnetlink.address(INTERFACE, address, remove=True), rtnetlink.address(INTERFACE, address)


def _never_settled(_: Host, endpoint: Endpoint) -> Endpoint:
    """The second IPv6 address of an endpoint is probed for a minute; attach does not wait for that."""
    second = [one for one in endpoint.reported.addresses if one.version == 6][1:]
    endpoint.namespace.sysctl(f"net.ipv6.conf.{INTERFACE}.dad_transmits", DETECTIONS)
    netlink.transact(endpoint.namespace, [step for one in second for step in _again(one)])
    return endpoint


def _given_the_hosts(host: Host, endpoint: Endpoint) -> Endpoint:
    """The first endpoint of each host gets the host's own address, and attach does not mind what detection finds."""
    return given(endpoint, host.ipv6) if letter(endpoint.name) == "a" else endpoint


def _same_mac(host: Host, endpoint: Endpoint) -> Endpoint:
    """The second endpoint of each host has the first one's MAC address. Their bridge does not learn but floods to both,
    so that everything still arrives."""
    port = link.index(host.namespace, lease_of(endpoint).port)
    host.netlink("brport", "set", index=port, IFLA_BRPORT_LEARNING=0)
    host.netlink("brport", "set", index=port, IFLA_BRPORT_FLUSH=1)
    if letter(endpoint.name) != "b":
        return endpoint
    mac = mac_of(f"{host.name}a")
    link.change(endpoint.namespace, INTERFACE, address=mac)
    return telling(endpoint, mac=mac)


def _two_have_it(record: Record) -> str | None:
    macs = [interface.mac for _, interface in interfaces(record)]
    twice = sorted({mac for mac in macs if macs.count(mac) > 1})
    return f"{', '.join(twice)} on more than one endpoint" if twice else None


def _lead_halves(lab: Lab) -> None:
    """Routes to each host's part of one /64."""
    for host in lab.hosts.values():
        lead(lab, host, IPv6Network((int(lab.testbed.overlay.ipv6.network_address) + (number(host, lab) << 16), 112)))


def _of_one_prefix(host: Host, endpoint: Endpoint) -> Endpoint:
    """Every endpoint gets an address of the one /64 that spans all hosts."""
    where, which = _place(endpoint.name)
    further = IPv6Interface(ip_address("2001:db8:200::") + (where << 16) + which)
    routed(host, endpoint, further)
    return given(endpoint, further)


FAULTS = (
    Fault(
        name="shared-ipv4",
        title="two endpoints of a host have the same IPv4 address",
        fails=frozenset({"addr.unique"}),
        on_request=_ask_for_shared,
        on_endpoint=_share(4),
        witness=_is_shared(4),
    ),
    Fault(
        name="shared-ipv6",
        title="two endpoints of a host have the same IPv6 address, on links of their own",
        fails=frozenset({"addr.unique"}),
        on_request=_ask_for_shared,
        on_endpoint=_share(6),
        witness=_is_shared(6),
    ),
    Fault(
        name="outside-prefix",
        title="endpoints have a second address of each family from prefixes that nobody gave to the network",
        fails=frozenset({"addr.in-prefix"}),
        on_network=_lead_outside,
        on_endpoint=_from_outside,
        witness=has_address(OUTSIDE[0]),
    ),
    Fault(
        name="other-address-reported",
        title="the reported IPv4 address is not the configured one",
        fails=frozenset({"addr.reported"}),
        on_endpoint=_report_another_address,
        witness=_differs,
    ),
    Fault(
        name="other-mac-reported",
        title="the reported MAC address is not the interface's",
        fails=frozenset({"addr.reported"}),
        on_endpoint=_report_another_mac,
        witness=_differs,
    ),
    Fault(
        name="no-ipv6",
        title="IPv6 is claimed, and switched off on every endpoint",
        fails=frozenset({"addr.ipv6-present", "route.from-outside-v6"}),
        on_endpoint=_without_ipv6,
        witness=_has_no_ipv6,
    ),
    Fault(
        name="attached-while-tentative",
        title="attach returns while the IPv6 address is still tentative",
        labels=("F-ROUTE-02c",),
        notes=frozenset({"addr.dad-finished"}),
        design=hasty,
        witness=_began_tentative,
    ),
    Fault(
        name="tentative-for-a-minute",
        title="the second IPv6 address of an endpoint stays tentative",
        fails=frozenset({"addr.dad-finished", "addr.prefix-per-host", "route.reply-source"}),
        on_endpoint=_never_settled,
        witness=has_address("2001:db8::/32", "tentative"),
    ),
    Fault(
        name="duplicate-kept",
        title="an endpoint is given its host's own IPv6 address too, and keeps it as a detected duplicate",
        network="flat-bridge",
        fails=frozenset({"addr.dad-finished"}),
        on_endpoint=_given_the_hosts,
        witness=has_address("2001:db8::/32", "dadfailed"),
    ),
    Fault(
        name="same-mac",
        title="two endpoints on a bridge have the same MAC address",
        network="flat-bridge",
        fails=frozenset({"addr.mac-unique"}),
        on_endpoint=_same_mac,
        witness=_two_have_it,
    ),
    Fault(
        name="no-mac",
        title="endpoints live on tun devices, which have no link-layer address",
        fails=frozenset({"addr.mac-valid", "nd.dad-performed"}),
        design=tunnelled,
        on_endpoint=lambda _, endpoint: telling(endpoint, mac=None),
        witness=is_tunnel,
    ),
    Fault(
        name="prefix-across-hosts",
        title="endpoints of all hosts have addresses of one /64, of which each host has a part",
        labels=("F-V6-06a",),
        fails=frozenset({"addr.prefix-per-host"}),
        on_network=_lead_halves,
        on_endpoint=_of_one_prefix,
        witness=has_address("2001:db8:200::/64"),
    ),
)
