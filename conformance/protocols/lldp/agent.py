"""An LLDP agent: transmission with its timers and credit, reception with ageing, for several ports of one system.

A machine without I/O (see `driver`), after IEEE 802.1AB-2016 §9.2. Time is in seconds on a clock that never goes back.
A `AgentConduct` makes it misbehave, each way named for what a real agent did or might do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from conformance.protocols.lldp import frames as lldp
from conformance.protocols.lldp.frames import Lldpdu

NEVER: Final = math.inf
TICK: Final = 1.0
"""Between two credits for a transmission (§9.2.2, txTick)."""


@dataclass(frozen=True, slots=True)
class Timers:
    """The managed times of an agent, with their defaults (§9.2.5.5 to §9.2.5.19); seconds and counts."""

    interval: float = 30.0
    hold: int = 4
    fast_interval: float = 1.0
    fast_count: int = 4
    credit: int = 5
    reinit: float = 2.0

    @property
    def ttl(self) -> int:
        """Validity in seconds of what is told (§9.2.5.22, txTTL)."""
        return min(65535, math.ceil(self.interval * self.hold) + 1)


@dataclass(frozen=True, slots=True)
class AgentConduct:
    """How an agent breaks the protocol; nothing of it by default.

    `silent`: it sends nothing. `pace`: the interval is so many times what it should be. `ttl`: it tells this validity.
    `hurries`: it sends fast for a new neighbour. `limited`: it has a credit. `keeps_last`: what its credit held back is
    told later. `says_goodbye`: it sends a shutdown LLDPDU. `pauses`: it waits before it starts again. `learns`, `ages`,
    `heeds_goodbye`: of its neighbours. `strict`: it discards what is malformed; `calm`: and keeps the neighbour then;
    `sturdy`: and its port goes on. `tolerant`: it takes an LLDPDU with TLVs that it does not know.
    `malform` changes each frame that is sent (None: it is not sent), `malform_last` each shutdown.
    """

    silent: bool = False
    pace: float = 1.0
    ttl: int | None = None
    hurries: bool = True
    limited: bool = True
    keeps_last: bool = True
    says_goodbye: bool = True
    pauses: bool = True
    learns: bool = True
    ages: bool = True
    heeds_goodbye: bool = True
    strict: bool = True
    calm: bool = True
    sturdy: bool = True
    tolerant: bool = True
    malform: Callable[[bytes], bytes | None] | None = None
    malform_last: Callable[[bytes], bytes | None] | None = None


@dataclass(slots=True)
class Neighbour:
    """What a neighbour told, and until when it holds."""

    ids: Lldpdu
    until: float


@dataclass(slots=True)
class AgentPort:
    """One port of an agent: its MAC address, its name, the values of its Management Address TLVs, and the state of its
    machines."""

    mac: bytes
    name: str
    management: tuple[bytes, ...] = ()
    enabled: bool = False
    wanted: bool = False
    ready: float = 0.0
    next: float = NEVER
    due_now: bool = False
    fast: int = 0
    credit: int = 0
    tick: float = NEVER
    broken: bool = False
    frozen: str | None = None
    neighbours: dict[tuple[bytes, bytes], Neighbour] = field(default_factory=dict)


class Agent:
    """One system with its ports. `lapses` counts how often its conduct took effect."""

    def __init__(
        self, chassis: bytes, ports: list[AgentPort], timers: Timers, conduct: AgentConduct | None = None
    ) -> None:
        self.chassis = chassis
        self.ports = ports
        self.timers = timers
        self.conduct = conduct or AgentConduct()
        self.system = "plugfest"
        self.lapses = 0
        self._out: list[tuple[int, bytes]] = []
        self._now = 0.0

    # --- what is asked of it ------------------------------------------------------------------------------------
    def enable(self, number: int, *, on: bool) -> None:
        """Set a port's adminStatus to enabledRxTx or disabled (§9.2.5.1). It takes effect with the next `advance`."""
        port = self.ports[number]
        port.wanted = on
        if not on and port.enabled and not port.broken:
            self._goodbye(number)
            port.enabled = False
            port.neighbours.clear()
            port.ready = self._now + (self.timers.reinit if self.conduct.pauses else 0.0)
            self.lapses += not self.conduct.pauses

    def rename(self, system: str) -> None:
        """Change the System Name, a local change for every port (§9.2.5.3, localChange)."""
        self.system = system
        for port in self.ports:
            port.due_now = True

    def shutdown(self) -> None:
        """Take leave on every port; nothing is sent afterwards."""
        for number in range(len(self.ports)):
            self.enable(number, on=False)

    # --- the machine ----------------------------------------------------------------------------------------------
    def hear(self, port: int, frame: bytes, now: float) -> None:
        """Take in a frame of any kind."""
        self._now = now
        pdu = lldp.parse(frame)
        mine = self.ports[port]
        if pdu is None or not mine.enabled or mine.broken or pdu.destination not in lldp.GROUPS:
            return
        wrong = lldp.problem(pdu)
        if wrong is not None and self.conduct.strict:
            self._discard(mine)
            return
        unknown = [tlv for tlv in pdu.tlvs if tlv.name.startswith("reserved")]
        if unknown and not self.conduct.tolerant:
            self.lapses += 1
            return
        self.lapses += wrong is not None
        self._learn(mine, pdu, now)

    def _discard(self, port: AgentPort) -> None:
        if not self.conduct.calm:
            port.neighbours.clear()
            self.lapses += 1
        if not self.conduct.sturdy:
            port.broken = True
            self.lapses += 1

    def _learn(self, port: AgentPort, pdu: Lldpdu, now: float) -> None:
        key = tuple(tlv.value if tlv else b"" for tlv in (pdu.first(lldp.CHASSIS), pdu.first(lldp.PORT)))
        if pdu.shutdown:
            if self.conduct.heeds_goodbye:
                port.neighbours.pop((key[0], key[1]), None)
            else:
                self.lapses += 1
            return
        known = (key[0], key[1]) in port.neighbours
        if not known and self.conduct.hurries:
            port.fast, port.due_now = self.timers.fast_count, True
        self.lapses += not self.conduct.learns or (not known and not self.conduct.hurries)
        if self.conduct.learns:
            until = now + (pdu.ttl or 0) if self.conduct.ages else NEVER
            self.lapses += not self.conduct.ages
            port.neighbours[key[0], key[1]] = Neighbour(pdu, until)

    def due(self) -> float:
        """When `advance` has to be called at the latest."""
        return min((self._due(port) for port in self.ports), default=NEVER)

    def _due(self, port: AgentPort) -> float:
        until = min((neighbour.until for neighbour in port.neighbours.values()), default=NEVER)
        if port.broken:
            return NEVER
        if not port.enabled:
            return port.ready if port.wanted else NEVER
        send = (self._now if port.credit or not self.conduct.limited else port.tick) if port.due_now else port.next
        return min(until, send, port.tick)

    def advance(self, now: float) -> list[tuple[int, bytes]]:
        """What happens up to `now`: the frames to be sent, each with the index of its port."""
        self._now = now
        for number, port in enumerate(self.ports):
            if not port.broken:
                self._advance(number, port)
        out, self._out = self._out, []
        return out

    def _advance(self, number: int, port: AgentPort) -> None:
        now = self._now
        if port.wanted and not port.enabled and now >= port.ready:
            port.enabled, port.next, port.due_now, port.fast = True, now, False, 0
            port.credit, port.tick = self.timers.credit, NEVER
        if not port.enabled:
            return
        while port.tick <= now:
            port.credit += 1
            port.tick = port.tick + TICK if port.credit < self.timers.credit else NEVER
        for key in [key for key, neighbour in port.neighbours.items() if neighbour.until <= now]:
            del port.neighbours[key]
        if port.due_now or port.next <= now:
            self._transmit(number, port)

    def _transmit(self, number: int, port: AgentPort) -> None:
        if port.credit == 0 and self.conduct.limited:
            if not self.conduct.keeps_last and port.frozen is None:
                port.frozen = self.system
                self.lapses += 1
            return
        self.lapses += port.credit == 0 or self.conduct.pace != 1.0
        port.credit = max(0, port.credit - 1)
        if port.tick == NEVER:
            port.tick = self._now + TICK
        port.due_now = False
        port.fast = max(0, port.fast - 1)
        interval = self.timers.interval * self.conduct.pace
        port.next = self._now + (self.timers.fast_interval if port.fast else interval)
        ttl = self.timers.ttl if self.conduct.ttl is None else self.conduct.ttl
        self.lapses += self.conduct.ttl is not None
        self._emit(number, lldp.frame_of(port.mac, self._tlvs(port, ttl)), self.conduct.malform)

    def _goodbye(self, number: int) -> None:
        port = self.ports[number]
        if not self.conduct.says_goodbye:
            self.lapses += 1
            return
        tlvs = lldp.mandatory(self.chassis, bytes((lldp.PORT_NAME,)) + port.name.encode(), 0)
        self._emit(number, lldp.frame_of(port.mac, tlvs), self.conduct.malform_last)

    def _tlvs(self, port: AgentPort, ttl: int) -> list[bytes]:
        return [
            *lldp.mandatory(self.chassis, bytes((lldp.PORT_NAME,)) + port.name.encode(), ttl),
            lldp.tlv(lldp.PORT_DESCRIPTION, f"port {port.name}".encode()),
            lldp.tlv(lldp.SYSTEM_NAME, (port.frozen or self.system).encode()),
            lldp.tlv(lldp.CAPABILITIES, bytes((0, 0x80, 0, 0x80))),
            *(lldp.tlv(lldp.MANAGEMENT, value) for value in port.management),
        ]

    def _emit(self, number: int, frame: bytes, malform: Callable[[bytes], bytes | None] | None) -> None:
        if self.conduct.silent:
            self.lapses += 1
            return
        changed = frame if malform is None else malform(frame)
        self.lapses += changed != frame
        if changed is not None:
            self._out.append((number, changed))
