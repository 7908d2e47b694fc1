"""One QEMU process with one guest: started, frozen, woken, given a network card, migrated."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from conformance.adapters.interface import AdapterError
from conformance.adapters.qemu.monitor import Qmp
from conformance.adapters.qemu.settings import Settings
from conformance.lab.kernel.process import Daemon
from conformance.lab.lab import Node
from conformance.limits import MIGRATION

PCI_AGENT: Final = "4"
PCI_NIC: Final = "5"
NIC: Final = "nic0"
NETWORK: Final = "net0"
ODD_MEMORY: Final = 8
"""KiB beside the round size of a guest's memory. Guests of QEMU 7.2 with a multiple of 256 KiB crash after migration in
software emulation, their memory corrupted: the path that clears dirty bits of whole words at once does not tell the
emulated processor, whose next writes then go unnoticed. Any other size takes the path that does."""
_KIBI: Final = 1024


class Machine:
    """A running QEMU on the station `place`. `agent` is this side of the agent's port.

    Every method raises AdapterError where QEMU refuses.
    """

    def __init__(self, name: str, place: str, monitor: Qmp, agent: socket.socket, process: Daemon) -> None:
        self.name = name
        self.place = place
        self.monitor = monitor
        self.agent = agent
        self._process = process

    @classmethod
    def started(
        cls, node: Node, name: str, settings: Settings, further: Sequence[str] = (), descriptors: Sequence[int] = ()
    ) -> Machine:
        """Start QEMU on a station of the lab, with `further` arguments and the `descriptors` that they name."""
        agent, agent_end = socket.socketpair()
        control, control_end = socket.socketpair()
        arguments = [
            settings.qemu,
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-name",
            name,
            "-machine",
            "pc,usb=off,vmport=off,dump-guest-core=off",
            "-accel",
            settings.accelerator,
            "-cpu",
            "max",
            "-smp",
            "1",
            "-m",
            f"{settings.memory * _KIBI + ODD_MEMORY}k",
            "-serial",
            "stdio",
            "-chardev",
            f"socket,id=control,fd={control_end.fileno()}",
            "-mon",
            "chardev=control,mode=control",
            "-chardev",
            f"socket,id=agent,fd={agent_end.fileno()}",
            "-device",
            f"virtio-serial-pci,addr={PCI_AGENT}",
            "-device",
            "virtserialport,chardev=agent,nr=1",
        ]
        try:
            process = node.start(
                [*arguments, *further], log=name, descriptors=[*descriptors, agent_end.fileno(), control_end.fileno()]
            )
            agent_end.close()
            control_end.close()
            return cls(name, node.name, Qmp(name, control), agent, process)
        except BaseException:
            for one in (agent, agent_end, control, control_end):
                one.close()
            raise

    # --- freezing and waking ----------------------------------------------------------------------------------
    def freeze(self, state: Path) -> None:
        """Stop the guest and write everything of it to a file."""
        self.monitor.execute("stop")
        self.monitor.execute("migrate-set-parameters", {"max-bandwidth": _KIBI**4})
        self._transfer("migrate", state, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def wake(self, state: Path) -> None:
        """Go on where a frozen guest was; start QEMU with ``-incoming defer``. There is no network card to announce."""
        self.monitor.execute("migrate-set-parameters", {"announce-rounds": 0})
        self._transfer("migrate-incoming", state, os.O_RDONLY)
        self.monitor.execute("cont")

    def _transfer(self, command: str, state: Path, mode: int) -> None:
        self._report_migration()
        descriptor = os.open(state, mode | os.O_CLOEXEC, 0o600)
        try:
            self.monitor.lend("state", descriptor)
        finally:
            os.close(descriptor)
        self.monitor.execute(command, {"uri": "fd:state"})
        self._await_migration()

    def _report_migration(self) -> None:
        capabilities = [{"capability": "events", "state": True}]
        self.monitor.execute("migrate-set-capabilities", {"capabilities": capabilities})

    def _await_migration(self) -> None:
        ended = {"completed", "failed", "cancelled"}
        event = self.monitor.await_event(
            lambda one: one["event"] == "MIGRATION" and one["data"]["status"] in ended, MIGRATION
        )
        if event["data"]["status"] != "completed":
            reason = self.monitor.execute("query-migrate").get("error-desc", "no reason given")
            raise AdapterError(f"{self.name}: migration {event['data']['status']}: {reason}")

    # --- the network card -------------------------------------------------------------------------------------
    def plug(self, device: Mapping[str, str], tap: int) -> None:
        """Plug in a network card while the guest runs; `tap` is the descriptor of its tap interface."""
        self.monitor.lend("tap", tap)
        self.monitor.execute("netdev_add", {"type": "tap", "id": NETWORK, "fd": "tap"})
        self.monitor.execute("device_add", dict(device))

    def migrate_to(self, other: Machine) -> int:
        """Live migration, over a connection between the two that is not the network under test.

        Returns when the guest went on there, in ns, as QEMU tells.
        """
        source, destination = socket.socketpair()
        with source, destination:
            for machine, end in ((self, source), (other, destination)):
                machine._report_migration()
                machine.monitor.lend("migration", end.fileno())
            other.monitor.execute("migrate-incoming", {"uri": "fd:migration"})
            self.monitor.execute("migrate", {"uri": "fd:migration"})
        resumed = other.monitor.await_event(lambda one: one["event"] in {"RESUME", "STOP"}, MIGRATION)["timestamp"]
        self._await_migration()
        other._await_migration()
        return int(resumed["seconds"] * 10**9 + resumed["microseconds"] * 1000)

    def status(self) -> str:
        """What QEMU says of the guest: ``running``, ``paused``, ``postmigrate`` ..."""
        answer: Any = self.monitor.execute("query-status")
        return str(answer["status"])

    def end(self) -> None:
        """End QEMU, and with it the guest."""
        self.monitor.close()
        self._process.stop()


def device(settings: Settings, mac: str) -> dict[str, str]:
    """The network card as QEMU's properties; without an option ROM, from which nothing is booted."""
    return {
        "driver": settings.nic,
        "id": NIC,
        "netdev": NETWORK,
        "mac": mac,
        "bus": "pci.0",
        "addr": PCI_NIC,
        "romfile": "",
    }
