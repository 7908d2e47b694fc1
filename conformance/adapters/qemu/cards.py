"""The network cards of a guest that aggregates links: one for each port, with our end of its cable on the other side.

Our end is a tap interface of the partners' namespace. A card cannot see whether it is up, so that is told: QEMU takes a
card's carrier away as soon as the kernel announces that our end was set down.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

from conformance.adapters.interface import AdapterError
from conformance.adapters.interface.ports import Port
from conformance.adapters.qemu.machine import PCI_AGENT, Machine
from conformance.adapters.qemu.settings import Settings
from conformance.adapters.qemu.tap import TapInterface, tap_in
from conformance.lab.kernel.link import flags_of
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import notices, rtnetlink
from conformance.lab.lab import PARTNERS, Host

SLOTS: Final = tuple(range(int(PCI_AGENT) + 1, 32))
"""Where cards go on the PCI bus: behind the agent's port, which the guest calls after its place among them."""
SPEED: Final = 10_000
"""Mbit/s that a card tells: without speed and duplex a kernel takes no part in LACP on it."""
PLAIN: Final = "disable-legacy=on,ioeventfd=off"
"""Fewer regions of memory: a guest in software emulation takes the longer to find a card the more there are."""


@dataclass(frozen=True, slots=True)
class Card:
    """One card: what the port is called, its MAC address, and the tap that it is connected to."""

    name: str
    mac: str
    tap: TapInterface

    def arguments(self, slot: int, settings: Settings, descriptor: int) -> list[str]:
        """QEMU's arguments; `descriptor` is that of the tap."""
        link = f"speed={SPEED},duplex=full,{PLAIN}," if settings.nic == "virtio-net-pci" else ""
        return [
            "-netdev",
            f"tap,id={self.name}net,fd={descriptor}",
            "-device",
            f"{settings.nic},{link}id={self.name},netdev={self.name}net,mac={self.mac},addr={slot:#x},romfile=",
        ]


def cards_of(host: Host, partners: Namespace, settings: Settings) -> list[Card]:
    """A card for each cable of the host, with taps of that cable's addresses. Raises AdapterError."""
    if len(host.cables) > len(SLOTS):
        raise AdapterError(f"{host.name}: a guest has room for {len(SLOTS)} cards, not for {len(host.cables)}")
    offloads = settings.nic == "virtio-net-pci"
    return [
        Card(one.interface, one.mac, tap_in(partners, f"{one.far}g", host.mtu, offloads=offloads, mac=one.far_mac))
        for one in host.cables
    ]


def ports_of(host: Host, partners: Namespace, cards: Sequence[Card]) -> list[Port]:
    """The cards as ports; they lie out of sight of this machine's kernel."""
    return [Port(card.name, host.name, "", partners, PARTNERS, card.tap.interface) for card in cards]


class Carriers:
    """Tells QEMU which of our ends are up. Use it as a context manager; it works in a thread of its own."""

    def __init__(self, partners: Namespace, machine: Machine, cards: Sequence[Card]) -> None:
        self._machine = machine
        self._cards = cards
        self._listener = notices.listener(partners, notices.LINKS)
        self._stop = os.eventfd(0)
        self._known = {card.name: True for card in cards}
        self._thread = threading.Thread(target=self._follow, name="carriers", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.eventfd_write(self._stop, 1)
        self._thread.join()
        self._listener.close()
        os.close(self._stop)

    def _follow(self) -> None:
        while True:
            self._tell()
            ready = select.select([self._listener.fileno(), self._stop], [], [])[0]
            if self._stop in ready:
                return
            notices.drain(self._listener)

    def _tell(self) -> None:
        for card in self._cards:
            up = bool(flags_of(self._listener, card.tap.interface) & rtnetlink.UP)
            if up is not self._known[card.name]:
                self._known[card.name] = up
                with suppress(AdapterError):  # a machine that has ended is found out by who asks it
                    self._machine.monitor.execute("set_link", {"name": card.name, "up": up})
