"""Virtual machines as endpoints: each a QEMU process whose tap is a port of its host's bridge."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from conformance import limits
from conformance.adapters.interface import AdapterError, Attachment, Endpoint, HostSideInterface
from conformance.adapters.interface.powers import Explaining, MoveKind, Moving, Outside
from conformance.adapters.linux.bridges import BRIDGE
from conformance.adapters.linux.flat_bridge import flat_bridge
from conformance.adapters.linux.network import INTERFACE, Allocation, Network, refusals
from conformance.adapters.qemu.guest import Channel, GuestNamespace
from conformance.adapters.qemu.image import Frozen
from conformance.adapters.qemu.machine import Machine, device
from conformance.adapters.qemu.settings import Settings
from conformance.adapters.qemu.tap import TapInterface, open_tap
from conformance.lab.kernel import link, netlink
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import notices, rtnetlink
from conformance.lab.kernel.sysctls import pin
from conformance.lab.lab import Host, Lab

USUAL_MTU: Final = 1500


@dataclass(slots=True)
class Guest:
    """One virtual machine: the QEMU that it is in now, and the way into it."""

    machine: Machine
    channel: Channel
    namespace: GuestNamespace


class VirtualMachines(Network):
    """Guests on the underlay's own segment. Safe to use from several threads, as every network is."""

    powers: tuple[type, ...] = (Explaining, Outside, Moving)
    moves: tuple[MoveKind, ...] = ("migrate",)

    def __init__(self, lab: Lab, settings: Settings, frozen: Frozen) -> None:
        design = replace(
            flat_bridge(lab),
            connect=self._connect,
            await_connection=await_card,
            disconnect=self._disconnect,
            close=self._close,
        )
        super().__init__(lab, design)
        self._stations = Network(lab, flat_bridge(lab))
        self._settings = settings
        self._frozen = frozen
        self._guests: dict[str, Guest] = {}
        self._taps: dict[tuple[str, str], TapInterface] = {}
        self._number = 0
        self._guard = threading.Lock()

    # --- endpoints --------------------------------------------------------------------------------------------
    def host_side(self, host: Host, name: str) -> HostSideInterface:
        """The tap of the endpoint `name` on `host`, made now where there is none. Raises AdapterError."""
        return HostSideInterface(host.namespace, self._tap(host, name).interface)

    def _tap(self, host: Host, name: str) -> TapInterface:
        offloads = self._settings.nic == "virtio-net-pci"
        with self._guard:
            if (host.name, name) not in self._taps:
                self._number += 1
                with refusals(name):
                    self._taps[host.name, name] = open_tap(host, f"tap{self._number}", BRIDGE, offloads=offloads)
            return self._taps[host.name, name]

    def prepare(self, host: Host, name: str) -> Namespace:
        """Wake a guest, without a network card. Raises AdapterError."""
        with self._guard:
            known = self._guests.get(name)
        if known is not None:
            return known.namespace
        machine = Machine.started(host, name, self._settings, ("-incoming", "defer"))
        channel = Channel(machine.agent, self._frozen.hello)
        with refusals(name):
            machine.wake(self._frozen.state)
            namespace = GuestNamespace(name, channel)
            self.lab.keep(namespace)
            namespace.kernel.settle()
            pin(namespace)
            netlink.transact(namespace, [rtnetlink.up("lo")])
        with self._guard:
            self._guests[name] = Guest(machine, channel, namespace)
        return namespace

    def attach(self, host: Host, request: Attachment) -> Endpoint:
        """Plug in the guest's card and give it its addresses; a peer is no guest. Raises AdapterError."""
        if request.peer:
            return self._stations.attach(host, request)
        endpoint = super().attach(host, request)
        return replace(endpoint, host_side=self.host_side(host, request.name))

    def _connect(self, allocation: Allocation) -> None:
        """A tap into the host's bridge, and a card on it, which the guest finds while it runs."""
        guest = self._guests[allocation.name]
        card = device(self._settings, allocation.mac)
        with self._tap(allocation.host, allocation.name).handed_over() as tap:
            guest.machine.plug(card, tap)
        await_interface(allocation.namespace, INTERFACE)
        if allocation.mtu != USUAL_MTU:
            netlink.transact(allocation.namespace, [rtnetlink.mtu(INTERFACE, allocation.mtu)])

    def _disconnect(self, allocation: Allocation) -> None:
        """The machine is switched off, and its tap goes with it."""
        with self._guard:
            guest = self._guests.pop(allocation.name, None)
        if guest is not None:
            self._end(guest.machine)

    def _end(self, machine: Machine) -> None:
        machine.end()
        with self._guard:
            tap = self._taps.pop((machine.place, machine.name), None)
        if tap is not None:
            tap.close()

    # --- moves ------------------------------------------------------------------------------------------------
    def target_namespace(self, endpoint: Endpoint, to: Host, kind: MoveKind) -> Namespace:
        """The guest's own kernel, which moves with it; the new place is watched by its tap."""
        del to, kind
        return endpoint.namespace

    def move(self, endpoint: Endpoint, to: Host, kind: MoveKind) -> Endpoint:
        """Live migration to a second QEMU on `to`. Raises AdapterError."""
        if kind not in self.moves:
            raise AdapterError(f"{endpoint.name}: QEMU does not move a guest by {kind}")
        guest, allocation = self._guests[endpoint.name], endpoint.handle
        with refusals(endpoint.name):
            with self._tap(to, endpoint.name).handed_over() as tap:
                target = self._target(to, allocation, tap)
            with guest.channel.at_rest() as reach:
                resumed = guest.machine.migrate_to(target)
                reach(target.agent)
            self._end(guest.machine)
        guest.machine = target
        moved = replace(allocation, host=to)
        host_side = self.host_side(to, endpoint.name)
        return replace(endpoint, host=to.name, host_side=host_side, since_ns=resumed, handle=moved)

    def _target(self, to: Host, allocation: Allocation, tap: int) -> Machine:
        """A QEMU that waits for the guest, with the same network card in the same place."""
        card = ",".join(f"{key}={value}" for key, value in device(self._settings, allocation.mac).items())
        return Machine.started(
            to,
            allocation.name,
            self._settings,
            ("-netdev", f"tap,id=net0,fd={tap}", "-device", card, "-incoming", "defer"),
            descriptors=(tap,),
        )

    def explain(self, host: Host) -> Mapping[str, Any]:
        """Which guests run on the host, as QEMU says."""
        with self._guard:
            guests = dict(self._guests)
        mine = {name: guest for name, guest in guests.items() if self._runs_on(name, host)}
        return {"qemu": {name: guest.machine.status() for name, guest in sorted(mine.items())}}

    def _runs_on(self, name: str, host: Host) -> bool:
        return self._guests[name].machine.place == host.name

    def _close(self) -> None:
        """Switch every machine off."""
        for guest in self._guests.values():
            guest.machine.end()
        for tap in self._taps.values():
            tap.close()


def await_card(allocation: Allocation) -> None:
    """A card whose link comes up late drops what is sent before."""
    link.await_link(allocation.namespace, INTERFACE)


def await_interface(namespace: Namespace, name: str) -> None:
    """Wait until the guest has found its new card. Raises TimeoutError."""
    with link.announcements(namespace, notices.LINKS) as wait:
        while True:
            with suppress(LookupError):
                link.index(namespace, name)
                return
            if not wait(limits.GUEST):
                raise TimeoutError(f"{namespace.name}: the guest has found no {name} within {limits.GUEST} s")
