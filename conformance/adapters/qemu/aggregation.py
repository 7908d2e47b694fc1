"""Link aggregation of a guest's kernel: bonds of its network cards, ports of a bridge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from struct import pack
from typing import Any, Final

from conformance.adapters.interface import AdapterError, BundleWish, Port
from conformance.adapters.linux.network import refusals
from conformance.adapters.qemu.cards import SLOTS, Carriers, cards_of, ports_of
from conformance.adapters.qemu.image import booting
from conformance.adapters.qemu.settings import GuestKernelFiles, Settings
from conformance.lab import netlink, rtnetlink, snapshot
from conformance.lab.guest import GuestNamespace
from conformance.lab.lab import BRIDGE_SNOOPING, Host, Lab
from conformance.lab.sysctls import pin

BRIDGE: Final = "br0"
FIRST_BOND: Final = "bond0"
"""The module makes this one unasked when it is loaded."""
MODE, MONITORING, RATE, ACTIVE = 1, 3, 21, 29
"""IFLA_BOND_MODE, IFLA_BOND_MIIMON, IFLA_BOND_AD_LACP_RATE, IFLA_BOND_AD_LACP_ACTIVE."""
LACP: Final = b"\4"
"""The mode 802.3ad."""
MONITOR_MS: Final = 100


class GuestLinks:
    """Bonds in a guest with one network card for each cable of a host."""

    def __init__(self, namespace: GuestNamespace, ports: Sequence[Port]) -> None:
        self._namespace = namespace
        self._ports = ports
        self._bundles: list[str] = []

    def ports(self) -> Sequence[Port]:
        """The cards, with our ends of their cables."""
        return self._ports

    def aggregate(self, host: Host, access: str, bundles: Sequence[BundleWish]) -> None:
        """A bond of each bundle, all of them and the access port on one bridge. Raises AdapterError."""
        with refusals(host.name):
            made = [rtnetlink.link(BRIDGE, "bridge", data={BRIDGE_SNOOPING: b"\0"}), *map(_bond, bundles)]
            netlink.transact(self._namespace, made)
            names = [BRIDGE, access, *(name for wish in bundles for name in (wish.name, *wish.ports))]
            netlink.transact(self._namespace, [rtnetlink.quiet(name) for name in names])
            members = [rtnetlink.enslave(port, wish.name) for wish in bundles for port in wish.ports]
            ports = [rtnetlink.up(name, master=BRIDGE) for name in (access, *(wish.name for wish in bundles))]
            netlink.transact(self._namespace, [rtnetlink.up(BRIDGE), *members, *ports])
        self._bundles = [wish.name for wish in bundles]

    def explain(self, host: Host) -> Mapping[str, Any]:
        """What the bonding driver says of each bond."""
        del host
        read = self._namespace.kernel.read
        return {"bonding": {name: read(f"/proc/net/bonding/{name}") for name in self._bundles}}


def _bond(wish: BundleWish) -> netlink.Request:
    data = {
        MODE: LACP, MONITORING: pack("=I", MONITOR_MS), RATE: bytes((wish.short,)), ACTIVE: bytes((wish.active,))
    }  # fmt: skip
    return rtnetlink.link(wish.name, "bond", data=data)


@contextmanager
def guest_links(lab: Lab, kernel: GuestKernelFiles, settings: Settings) -> Iterator[GuestLinks]:
    """A guest on the first host, with a card for each of its cables. Raises AdapterError."""
    host = next(iter(lab.hosts.values()))
    if lab.partners is None or not host.cables:
        raise AdapterError(f"the testbed {lab.testbed.name} has no ports")
    with ExitStack() as resources:
        with refusals(host.name):
            cards = cards_of(host, lab.partners, settings)
        with ExitStack() as handed:
            descriptors = [handed.enter_context(card.tap.handed_over()) for card in cards]
            further = [
                word
                for slot, card, tap in zip(SLOTS, cards, descriptors, strict=False)
                for word in card.arguments(slot, settings, tap)
            ]
            made = booting(
                host, kernel, settings, lab.folder / "guest", name="guest", further=further, descriptors=descriptors
            )
            machine, channel = handed.enter_context(made)
        resources.callback(machine.end)
        namespace = GuestNamespace("guest", channel)
        lab.keep(namespace)
        with refusals("guest"):
            _settle(namespace, {card.mac: card.name for card in cards})
        resources.enter_context(Carriers(lab.partners, machine, cards))
        yield GuestLinks(namespace, ports_of(host, lab.partners, cards))


def _settle(namespace: GuestNamespace, names: Mapping[str, str]) -> None:
    """Cards are called as their ports are (`names` by MAC address), and nothing is there that nobody asked for."""
    pin(namespace)
    found = {one.name: one.mac for one in snapshot.interfaces(namespace)}
    unasked = [rtnetlink.delete_link(FIRST_BOND)] if FIRST_BOND in found else []
    renamed = [rtnetlink.renamed(name, names[mac]) for name, mac in found.items() if mac in names]
    if len(renamed) < len(names):
        raise LookupError(f"it has found {len(renamed)} of {len(names)} network cards")
    netlink.transact(namespace, [rtnetlink.up("lo"), *unasked, *renamed])
