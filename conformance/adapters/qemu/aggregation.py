"""Link aggregation in a guest: bonds or teams of its network cards, ports of a bridge."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from struct import pack
from typing import Any, Final

from conformance import limits
from conformance.adapters.interface import AdapterError
from conformance.adapters.interface.ports import Aggregating, LagConfig, Linking, Port
from conformance.adapters.interface.powers import Explaining
from conformance.adapters.linux.network import refusals
from conformance.adapters.qemu.cards import SLOTS, Carriers, cards_of, ports_of
from conformance.adapters.qemu.guest import GuestNamespace
from conformance.adapters.qemu.image import booting
from conformance.adapters.qemu.settings import TEAMD, GuestKernelFiles, Settings, find_program
from conformance.lab import snapshot
from conformance.lab.kernel import link, netlink
from conformance.lab.kernel.netlink import notices, rtnetlink
from conformance.lab.kernel.sysctls import pin
from conformance.lab.lab import BRIDGE_SNOOPING, Host, Lab

BRIDGE: Final = "br0"
FIRST_BOND: Final = "bond0"
"""The module makes this one unasked when it is loaded."""
MODE, MONITORING, RATE, ACTIVE = 1, 3, 21, 29
"""IFLA_BOND_MODE, IFLA_BOND_MIIMON, IFLA_BOND_AD_LACP_RATE, IFLA_BOND_AD_LACP_ACTIVE."""
LACP: Final = b"\4"
"""The mode 802.3ad."""
MONITOR_MS: Final = 100


class GuestLinks:
    """Groups of links in a guest with one network card for each cable of a host; those of a subclass's driver."""

    powers: tuple[type, ...] = (Linking, Aggregating)

    def __init__(self, namespace: GuestNamespace, ports: Sequence[Port]) -> None:
        self._ports = ports
        self.namespace = namespace
        self.bundles: list[str] = []

    def ports(self) -> Sequence[Port]:
        """The cards, with our ends of their cables."""
        return self._ports

    def aggregate(self, host: Host, access: str, bundles: Sequence[LagConfig]) -> None:
        """A group of each bundle, all of them and the access port on one bridge. Raises AdapterError."""
        with refusals(host.name):
            netlink.transact(self.namespace, [rtnetlink.link(BRIDGE, "bridge", data={BRIDGE_SNOOPING: b"\0"})])
            names = [BRIDGE, access, *(port for config in bundles for port in config.ports)]
            netlink.transact(self.namespace, [rtnetlink.quiet(name) for name in names])
            self.make(bundles)
            self.bundles = [config.name for config in bundles]
            netlink.transact(self.namespace, [rtnetlink.quiet(name) for name in self.bundles])
            ports = [rtnetlink.up(name, master=BRIDGE) for name in (access, *self.bundles)]
            netlink.transact(self.namespace, [rtnetlink.up(BRIDGE), *ports])

    def make(self, bundles: Sequence[LagConfig]) -> None:
        """The groups, with their ports."""
        raise NotImplementedError


class Bonds(GuestLinks):
    """The kernel's bonding driver, which speaks LACP itself."""

    powers: tuple[type, ...] = (*GuestLinks.powers, Explaining)

    def make(self, bundles: Sequence[LagConfig]) -> None:
        """A bond of mode 802.3ad for each bundle."""
        netlink.transact(self.namespace, [_bond(config) for config in bundles])
        members = [rtnetlink.enslave(port, config.name) for config in bundles for port in config.ports]
        netlink.transact(self.namespace, members)

    def explain(self, host: Host) -> Mapping[str, Any]:
        """What the bonding driver says of each bond."""
        del host
        read = self.namespace.kernel.read
        return {"bonding": {name: read(f"/proc/net/bonding/{name}") for name in self.bundles}}


class Teams(GuestLinks):
    """The kernel's team driver, with a daemon for each team that speaks LACP."""

    def __init__(self, namespace: GuestNamespace, ports: Sequence[Port], program: str) -> None:
        super().__init__(namespace, ports)
        self._program = program

    def make(self, bundles: Sequence[LagConfig]) -> None:
        """A teamd with the runner lacp for each bundle, one after another: each hears of everything that the others do,
        and a slow guest loses what comes at once."""
        for config in bundles:
            runner = {
                "name": "lacp",
                "active": config.active,
                "fast_rate": config.short,
                "tx_hash": ["eth", "ipv4", "udp"],
            }
            team = {
                "device": config.name,
                "runner": runner,
                "link_watch": {"name": "ethtool"},
                "ports": {port: {} for port in config.ports},
            }
            self.namespace.kernel.spawn(self._program, "-c", json.dumps(team))
            _await_members(self.namespace, config)


def _await_members(namespace: GuestNamespace, config: LagConfig) -> None:
    """Wait until all ports of a team are in it. Raises TimeoutError."""
    with link.announcements(namespace, notices.LINKS) as wait:
        while [one.master for one in snapshot.interfaces(namespace) if one.name in config.ports] != [
            config.name for _ in config.ports
        ]:
            if not wait(limits.GUEST):
                raise TimeoutError(f"{config.name}: its ports are not in it after {limits.GUEST:g} s")


def _bond(config: LagConfig) -> netlink.Request:
    data = {
        MODE: LACP,
        MONITORING: pack("=I", MONITOR_MS),
        RATE: bytes((config.short,)),
        ACTIVE: bytes((config.active,)),
    }
    return rtnetlink.link(config.name, "bond", data=data)


@contextmanager
def guest_links(lab: Lab, kernel: GuestKernelFiles, settings: Settings) -> Iterator[GuestLinks]:
    """A guest on the first host, with a card for each of its cables. Raises AdapterError."""
    host = next(iter(lab.hosts.values()))
    if lab.partners is None or not host.cables:
        raise AdapterError(f"the testbed {lab.testbed.name} has no ports")
    with ExitStack() as resources:
        with refusals(host.name):
            cards = cards_of(host, lab.partners, settings)
        program = (find_program(TEAMD) or TEAMD) if settings.aggregation == "team" else ""
        with ExitStack() as handed:
            descriptors = [handed.enter_context(card.tap.handed_over()) for card in cards]
            further = [
                word
                for slot, card, tap in zip(SLOTS, cards, descriptors, strict=False)
                for word in card.arguments(slot, settings, tap)
            ]
            made = booting(
                host,
                kernel,
                settings,
                lab.folder / "guest",
                name="guest",
                further=further,
                descriptors=descriptors,
                program=program,
            )
            machine, channel = handed.enter_context(made)
        resources.callback(machine.end)
        namespace = GuestNamespace("guest", channel)
        lab.keep(namespace)
        with refusals("guest"):
            _settle(namespace, {card.mac: card.name for card in cards})
        resources.enter_context(Carriers(lab.partners, machine, cards))
        ports = ports_of(host, lab.partners, cards)
        yield Teams(namespace, ports, program) if program else Bonds(namespace, ports)


def _settle(namespace: GuestNamespace, names: Mapping[str, str]) -> None:
    """Cards are called as their ports are (`names` by MAC address), and nothing is there that nobody asked for."""
    pin(namespace)
    found = {one.name: one.mac for one in snapshot.interfaces(namespace)}
    unasked = [rtnetlink.delete_link(FIRST_BOND)] if FIRST_BOND in found else []
    renamed = [rtnetlink.renamed(name, names[mac]) for name, mac in found.items() if mac in names]
    if len(renamed) < len(names):
        raise LookupError(f"it has found {len(renamed)} of {len(names)} network cards")
    netlink.transact(namespace, [rtnetlink.up("lo"), *unasked, *renamed])
