"""A bridge with a flaw: settings of the kernel that make it misbehave, or a box of ours between it and its ports.

The box is on the implementation's side of the wire: what the partners see is what the flawed whole does.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from conformance import limits
from conformance.adapters.interface import power_of
from conformance.adapters.interface.ports import BridgeConfig, Bridging, Linking, Port
from conformance.adapters.interface.powers import Explaining
from conformance.adapters.interface.views import Counters, FdbEntry, ShowingCounters, ShowingStations
from conformance.lab.kernel import link, netlink
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host
from conformance.lab.partners.wire import Wire
from conformance.protocols.mac import mac_text
from conformance.selftest.fault import PLANTED

INNER, OUTER = "in-", "out-"
"""Ends of the cable between the box and the bridge, before the port's name."""
NOARP, MASTER, STICKY = 0x40, 0x04, 0x40
"""NUD_NOARP, NTF_MASTER, NTF_STICKY: an entry of the bridge that neither ages nor moves (linux/neighbour.h)."""
NETWORK: Final = Path("/sys/class/net")


def _unchanged(frame: bytes) -> list[bytes]:
    return [frame]


@dataclass(frozen=True)
class Flaw:
    """What is wrong with a bridge.

    `config` changes what is asked of the implementation; everything else is about the bridge called `bridge`.
    `of_bridge` and `of_port` are settings of the kernel's bridge, by their names in sysfs. A box is put before the
    ports where `inward` or `outward` change frames, or where frames to the address `leaks` come out of every other
    port. `pins` is a station that is fixed to the bridge's first port. It `misleads`: its own view shows every
    station behind its first port. It `miscounts`: its own view shows the counters of one port as those of the next.
    `hides_carrier`: the bridge does not notice that a link is lost, since the box is between.
    """

    bridge: str = ""
    config: Callable[[BridgeConfig], BridgeConfig] | None = None
    of_bridge: Mapping[str, str] = field(default_factory=dict)
    of_port: Mapping[str, str] = field(default_factory=dict)
    hides_carrier: bool = False
    inward: Callable[[bytes], list[bytes]] = _unchanged
    outward: Callable[[bytes], list[bytes]] = _unchanged
    leaks: str = ""
    pins: str = ""
    misleads: bool = False
    miscounts: bool = False

    @contextmanager
    def plant(self, sound: Any) -> Iterator[Flawed]:
        """A sound subject with this flaw."""
        made = Flawed(sound, self)
        try:
            yield made
        finally:
            made.close()

    @property
    def boxed(self) -> bool:
        """Whether there is a box before the ports."""
        return bool(self.leaks) or self.hides_carrier or self.inward is not _unchanged or self.outward is not _unchanged


class Flawed:
    """The bridges of a sound subject, with a flaw. What it does itself is counted, as the witness."""

    def __init__(self, sound: Any, flaw: Flaw) -> None:
        bridging = power_of(sound, Bridging)
        assert bridging is not None
        shown = [one for one in (ShowingStations, ShowingCounters) if power_of(sound, one) is not None]
        self.powers = (Linking, Bridging, Explaining, *shown)
        self._sound: Any = sound
        self._flaw = flaw
        self._done: list[str] = []
        self._lapses = 0
        self._resources = ExitStack()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.shortest_ageing = bridging.shortest_ageing

    def ports(self) -> Sequence[Port]:
        """As the sound one's."""
        ports: Sequence[Port] = self._sound.ports()
        return ports

    def bridge(self, host: Host, configs: Sequence[BridgeConfig]) -> None:
        """As the sound one does, with the flaw."""
        flaw = self._flaw
        asked = [config if flaw.config is None else flaw.config(config) for config in configs]
        self._done += [f"{new.name}: asked otherwise" for new, old in zip(asked, configs, strict=True) if new != old]
        boxed = [config for config in asked if flaw.boxed and config.name == flaw.bridge]
        for config in boxed:
            self._cable(host, config)
        inner = [
            replace(config, ports=tuple(INNER + port for port in config.ports)) if config in boxed else config
            for config in asked
        ]
        self._sound.bridge(host, inner)
        for config in boxed:
            self._start(host, config)
        self._set(host, asked)

    def stations(self, host: Host, bridge: str) -> Sequence[FdbEntry]:
        """As the sound one shows them, or all behind one port."""
        shown: Sequence[FdbEntry] = [
            replace(one, port=one.port.removeprefix(INNER)) for one in self._sound.stations(host, bridge)
        ]
        if not self._flaw.misleads or bridge != self._flaw.bridge:
            return shown
        self._done.append("the table is wrong")
        first = min(one.port for one in shown)
        return [replace(one, port=first) for one in shown]

    def counters(self, host: Host, bridge: str) -> Sequence[Counters]:
        """As the sound one shows them, or those of the next port. Before a box they are those of its outer ports."""
        shown: Sequence[Counters] = self._sound.counters(host, bridge)
        if any(one.port.startswith(INNER) for one in shown):
            shown = [self._outer(host, one.port.removeprefix(INNER)) for one in shown]
        if not self._flaw.miscounts:
            return shown
        self._done.append("the counters are wrong")
        return [replace(one, port=other.port) for one, other in zip(shown, [*shown[1:], shown[0]], strict=True)]

    def _outer(self, host: Host, port: str) -> Counters:
        folder = NETWORK / port / "statistics"

        def read() -> tuple[int, int]:
            return int((folder / "rx_packets").read_text()), int((folder / "tx_packets").read_text())

        return Counters(port, *host.namespace.call(read))

    # --- settings of the kernel --------------------------------------------------------------------------------
    def _set(self, host: Host, configs: Sequence[BridgeConfig]) -> None:
        for config in configs:
            if config.name != self._flaw.bridge:
                continue
            for name, value in self._flaw.of_bridge.items():
                self._write(host.namespace, NETWORK / config.name / "bridge" / name, value)
            for name, value in self._flaw.of_port.items():
                for port in config.ports:
                    self._write(host.namespace, NETWORK / port / "brport" / name, value)
            if self._flaw.pins:
                index = link.index(host.namespace, config.ports[0])
                fixed = {"lladdr": self._flaw.pins, "ifindex": index, "state": NOARP, "flags": MASTER | STICKY}
                host.netlink("fdb", "replace", **fixed)
                self._done.append(f"{self._flaw.pins} is fixed to {config.ports[0]}")

    def _write(self, namespace: Namespace, place: Path, value: str) -> None:
        def write() -> None:
            place.write_text(value)
            self._done.append(f"{place.parent.parent.name}: {place.name} is {place.read_text().strip()}")

        namespace.call(write)

    # --- the box -----------------------------------------------------------------------------------------------
    def _cable(self, host: Host, config: BridgeConfig) -> None:
        for port in config.ports:
            ends = rtnetlink.veth(OUTER + port, INNER + port, host.namespace.descriptor, mtu=host.mtu, up=True)
            netlink.transact(host.namespace, [ends])
            quiet = [rtnetlink.quiet(OUTER + port), rtnetlink.quiet(INNER + port), rtnetlink.up(INNER + port)]
            netlink.transact(host.namespace, quiet)
        for port in config.ports:
            link.await_link(host.namespace, INNER + port)

    def _start(self, host: Host, config: BridgeConfig) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="interposer", daemon=True)
        self._thread.start()
        self._do(partial(self._join, host, config))

    def _join(self, host: Host, config: BridgeConfig) -> None:
        wires = {
            port: [self._resources.enter_context(Wire(host.namespace, end)) for end in (port, OUTER + port)]
            for port in config.ports
        }
        outside = [pair[0] for pair in wires.values()]
        for outer, inner in wires.values():
            outer.listen(partial(self._pass, inner, self._flaw.inward, [one for one in outside if one is not outer]))
            inner.listen(partial(self._pass, outer, self._flaw.outward, []))

    def _pass(
        self, other: Wire, change: Callable[[bytes], list[bytes]], leaks: Sequence[Wire], _: int, frame: bytes
    ) -> None:
        made = change(frame)
        self._lapses += made != [frame]
        for one in made:
            with suppress(OSError):
                other.send(one)
        if self._flaw.leaks and mac_text(frame[:6]) == self._flaw.leaks:
            self._lapses += bool(leaks)
            for wire in leaks:
                with suppress(OSError):
                    wire.send(frame)

    def _do(self, function: Callable[[], None]) -> None:
        assert self._loop is not None

        async def call() -> None:
            function()

        asyncio.run_coroutine_threadsafe(call(), self._loop).result(limits.COMMAND)

    def close(self) -> None:
        """Take the box away."""
        if self._loop is not None:
            self._do(self._resources.close)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def explain(self, host: Host) -> Mapping[str, Any]:
        """The sound one's own words, and what the flaw did."""
        explaining = power_of(self._sound, Explaining)
        said = {} if explaining is None else explaining.explain(host)
        if self._flaw.hides_carrier:
            self._done.append("carrier is hidden")
        done = [{"comment": f"{PLANTED} {text}", "packets": 1} for text in self._done]
        if self._lapses:
            done.append({"comment": f"{PLANTED} box", "packets": self._lapses})
        return {**said, PLANTED: done}
