"""The pinned sysctls: every namespace starts from these, whatever the machine's own settings are.

A fresh namespace inherits IPv4 settings from the machine (net.core.devconf_inherit_init_net), and some implementations
decide by them: dockerd's FORWARD policy follows ip_forward at its start. The pinned values are the kernel's defaults
for a host that does not forward; what an implementation needs beyond them it must set itself.
"""

from __future__ import annotations

import contextlib
from typing import Final

from conformance.lab.kernel.access import here
from conformance.lab.kernel.namespace import Namespace

_PER_FAMILY: Final = {
    "ipv4": {
        "forwarding": "0",
        "rp_filter": "0",
        "accept_redirects": "1",
        "send_redirects": "1",
        "accept_source_route": "0",
        "arp_ignore": "0",
        "arp_announce": "0",
        "arp_notify": "0",
        "arp_accept": "0",
        "arp_filter": "0",
        "proxy_arp": "0",
    },
    "ipv6": {
        "disable_ipv6": "0",
        "forwarding": "0",
        "accept_ra": "1",
        "accept_redirects": "1",
        "autoconf": "1",
        "dad_transmits": "1",
        "ndisc_notify": "0",
        "proxy_ndp": "0",
    },
}

PINNED: Final[dict[str, str]] = {
    **{
        f"net.{family}.conf.{scope}.{key}": value
        for family, settings in _PER_FAMILY.items()
        for scope in ("all", "default")
        for key, value in settings.items()
    },
    "net.ipv6.conf.all.accept_dad": "0",
    "net.ipv6.conf.default.accept_dad": "1",
    "net.ipv4.ip_default_ttl": "64",
    "net.ipv6.conf.all.hop_limit": "64",
    "net.ipv6.conf.default.hop_limit": "64",
    "net.ipv4.ip_local_port_range": "32768\t60999",
    "net.ipv4.ip_unprivileged_port_start": "1024",
    "net.ipv4.tcp_congestion_control": "cubic",
    "net.ipv4.ip_no_pmtu_disc": "0",
    "net.ipv4.ip_forward_use_pmtu": "0",
    "net.ipv4.icmp_ratelimit": "1000",
    "net.ipv4.icmp_ratemask": "6168",
    "net.ipv6.icmp.ratelimit": "1000",
    "net.bridge.bridge-nf-call-iptables": "0",
    "net.bridge.bridge-nf-call-ip6tables": "0",
    "net.bridge.bridge-nf-call-arptables": "0",
}
"""Name to value. ``conf.all.forwarding`` stands for ip_forward; one that the kernel lacks is left out."""


def pin(namespace: Namespace) -> dict[str, str]:
    """Write the pinned sysctls that differ; returns what is in force afterwards (a missing one is not in it)."""

    return namespace.call(_write)


_PLACES: Final = {key: f"/proc/sys/{key.replace('.', '/')}" for key in PINNED}


def _write() -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in PINNED.items():
        with contextlib.suppress(OSError):
            found[key] = _settle(_PLACES[key], value)
    return found


def _settle(place: str, value: str) -> str:
    """Write where the value differs, and return what is in force."""
    present = here().read(place)
    if present != value:
        here().write(place, value)
        present = here().read(place)
    return present
