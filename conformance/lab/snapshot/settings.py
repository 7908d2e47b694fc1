"""The sysctls that decide how a namespace behaves on the network."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Final

from conformance.lab.kernel.access import here
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.sysctls import PINNED

PER_INTERFACE: Final = {
    "ipv4": ("forwarding", "proxy_arp", "arp_ignore", "arp_announce", "arp_notify", "rp_filter", "route_localnet"),
    "ipv6": ("forwarding", "disable_ipv6", "accept_dad", "dad_transmits", "accept_ra", "proxy_ndp", "addr_gen_mode"),
}


def settings(namespace: Namespace, interfaces: Iterable[str]) -> dict[str, str]:
    """The pinned sysctls and those of each interface, by name; one that the kernel lacks is left out.

    A dot in an interface's name is written as a slash, as sysctl(8) does.
    """
    places = dict(_places(interfaces))
    return namespace.call(_read, places)


def _places(interfaces: Iterable[str]) -> Iterator[tuple[str, str]]:
    for key in PINNED:
        yield key, f"/proc/sys/{key.replace('.', '/')}"
    for name in interfaces:
        for family, keys in PER_INTERFACE.items():
            for key in keys:
                shown = name.replace(".", "/")
                yield f"net.{family}.conf.{shown}.{key}", f"/proc/sys/net/{family}/conf/{name}/{key}"


def _read(places: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, place in sorted(places.items()):
        with contextlib.suppress(OSError):
            found[key] = here().read(place)
    return found
