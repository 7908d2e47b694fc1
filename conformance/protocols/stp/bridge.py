"""A spanning tree speaker: elects a root, keeps the roles of its ports, notifies and acknowledges topology changes.

IEEE 802.1D-2004 §17 as far as it shows on the wire (of §8 of the 1998 edition where the version is STP): it forwards no
frames, so that its ports have roles but no learning. Time is in seconds on a clock that never goes back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Final

from conformance.protocols.stp.frames import (
    AGREEMENT,
    CONFIGURATION,
    DESIGNATED,
    FORWARDING,
    LEARNING,
    PROPOSAL,
    RAPID,
    RSTP,
    STP,
    TC,
    TCA,
    TOPOLOGY_CHANGE_NOTIFICATION,
    Bpdu,
    Vector,
    parse,
)

NEVER: Final = math.inf
PORT_COST: Final = {STP: 4, RSTP: 20_000}
"""Of a link of 1 Gb/s (802.1D-1998 Table 8-5, 802.1D-2004 Table 17-3)."""
ROOT_ROLE: Final = 2
AGE_STEP: Final = 1.0
"""What every bridge adds to the age of a message, in s (§17.21.23: the message age is raised by one)."""


@dataclass
class BridgePort:
    """One port of the speaker: the best that was heard on it, until when that holds, and what it owes."""

    number: int
    mac: str
    heard: Bpdu | None = None
    until: float = NEVER
    answer: bool = False
    acknowledge: bool = False
    agree: bool = False
    notify: bool = False

    @property
    def identifier(self) -> int:
        """Port priority 128, and the number."""
        return 0x8000 | self.number


@dataclass
class Speaker:
    """One bridge. Change its attributes to make it behave otherwise from now on.

    `insists`: every port tells of this bridge as root, whatever is heard. `silent`: nothing is sent. `relearns`: what
    was heard grows old. `changing_until`: the flag topology change is sent until then. `proposes`: RSTP proposals.
    Times `hello`, `max_age` and `forward_delay` are in seconds.
    """

    identifier: bytes
    version: int = RSTP
    hello: float = 2.0
    max_age: float = 20.0
    forward_delay: float = 15.0
    insists: bool = False
    silent: bool = False
    proposes: bool = False
    changing_until: float = 0.0
    ports: list[BridgePort] = field(default_factory=list)
    hello_at: float = 0.0
    outbox: list[tuple[int, bytes]] = field(default_factory=list)

    def port(self, mac: str) -> BridgePort:
        """A further port, with the MAC address of its interface."""
        made = BridgePort(len(self.ports) + 1, mac)
        self.ports.append(made)
        return made

    # --- roles -------------------------------------------------------------------------------------------------
    @property
    def root_port(self) -> BridgePort | None:
        """The port towards a better root, None where this bridge is the root (or insists on it)."""
        best, found = self._own(0).vector, None
        for port in [] if self.insists else self.ports:
            if port.heard is not None:
                through = self._through(port)
                if through < best:
                    best, found = through, port
        return found

    @property
    def root(self) -> bytes:
        """The identifier of the root that this bridge believes in."""
        port = self.root_port
        return self.identifier if port is None or port.heard is None else port.heard.root

    def designated(self, port: BridgePort) -> bool:
        """Whether the port is the best of its link."""
        told = self._told(port)
        return self.insists or port.heard is None or told.vector <= port.heard.vector

    def _through(self, port: BridgePort) -> Vector:
        assert port.heard is not None
        return port.heard.root, port.heard.cost + PORT_COST[self.version], port.heard.bridge, port.heard.port

    def _own(self, port: int) -> Bpdu:
        return Bpdu(
            type=RAPID if self.version == RSTP else CONFIGURATION,
            version=self.version,
            root=self.identifier,
            bridge=self.identifier,
            port=port,
            max_age=self.max_age,
            hello=self.hello,
            forward_delay=self.forward_delay,
        )

    def _told(self, port: BridgePort) -> Bpdu:
        """What is told on a port, without flags."""
        own, way = self._own(port.identifier), self.root_port
        if way is None or way.heard is None:
            return own
        best = way.heard
        return replace(
            own,
            root=best.root,
            cost=best.cost + PORT_COST[self.version],
            message_age=best.message_age + AGE_STEP,
            max_age=best.max_age,
            hello=best.hello,
            forward_delay=best.forward_delay,
        )

    # --- what is heard -----------------------------------------------------------------------------------------
    def hear(self, port: int, frame: bytes, now: float) -> None:
        """A frame arrived at the port of that index."""
        bpdu = parse(frame)
        if bpdu is None:
            return
        place = self.ports[port]
        if bpdu.type == TOPOLOGY_CHANGE_NOTIFICATION:
            place.acknowledge = place.answer = True
            self.changing_until = max(self.changing_until, now + self.max_age + self.forward_delay)
        elif bpdu.type == CONFIGURATION or bpdu.role == DESIGNATED:
            self._compare(place, bpdu, now)

    def _compare(self, port: BridgePort, bpdu: Bpdu, now: float) -> None:
        """Better or newer information is kept; worse is answered with what is better (§17.21.8)."""
        same_source = port.heard is not None and (port.heard.bridge, port.heard.port) == (bpdu.bridge, bpdu.port)
        if bpdu.vector > self._told(port).vector and not same_source:
            port.answer = True
            return
        if port.heard is None or same_source or bpdu.vector <= port.heard.vector:
            port.heard = bpdu
            rapid = bpdu.version >= RSTP and self.version == RSTP
            port.until = now + (3 * bpdu.hello if rapid else max(0.0, bpdu.max_age - bpdu.message_age))
            port.agree = rapid and bool(bpdu.flags & PROPOSAL) and not self.designated(port)

    def notify(self, now: float) -> None:
        """Tell of a topology change: TCN towards the root with STP, the flag for a while with RSTP (§17.24)."""
        way = self.root_port
        if self.version == STP and way is not None:
            way.notify = True
        else:
            self.changing_until = now + self.hello + 1.0

    # --- what is sent ------------------------------------------------------------------------------------------
    def due(self) -> float:
        """When `advance` has to be called at the latest."""
        owed = any(port.answer or port.agree or port.notify for port in self.ports) and not self.silent
        aged = min((port.until for port in self.ports if port.heard is not None), default=NEVER)
        return 0.0 if owed or self.outbox else min(aged, NEVER if self.silent else self.hello_at)

    def advance(self, now: float) -> list[tuple[int, bytes]]:
        """What happens up to `now`; the frames to be sent, each with the index of its port."""
        for port in self.ports:
            if port.heard is not None and now >= port.until:
                port.heard, port.until = None, NEVER
        hello = now >= self.hello_at
        if hello:
            self.hello_at = now + self.hello
        sent, self.outbox = self.outbox, []
        if not self.silent:
            for index, port in enumerate(self.ports):
                sent += [(index, frame) for frame in self._speak(port, now, hello)]
        return sent

    def _speak(self, port: BridgePort, now: float, hello: bool) -> list[bytes]:
        frames = []
        if port.notify:
            frames.append(Bpdu(type=TOPOLOGY_CHANGE_NOTIFICATION, version=STP).build(port.mac))
        if port.agree:
            flags = AGREEMENT | ROOT_ROLE << 2 | LEARNING | FORWARDING
            frames.append(replace(self._told(port), flags=flags).build(port.mac))
        if (hello or port.answer) and self.designated(port):
            frames.append(replace(self._told(port), flags=self._flags(port, now)).build(port.mac))
            port.acknowledge = False
        port.notify = port.agree = port.answer = False
        return frames

    def _flags(self, port: BridgePort, now: float) -> int:
        flags = TC if now < self.changing_until else 0
        if self.version == STP:
            return flags | (TCA if port.acknowledge else 0)
        state = PROPOSAL if self.proposes else LEARNING | FORWARDING
        return flags | DESIGNATED << 2 | state
