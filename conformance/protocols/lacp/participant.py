"""An LACP participant: the Receive, Periodic Transmission, Mux and Transmit machines of one port, and Selection.

IEEE 802.1AX-2014 §6.4.12 to §6.4.16, which the 2020 edition keeps for conversations that it does not steer. Time is in
seconds on a clock that never goes back. A `ParticipantConduct` makes it misbehave, each way named for what a real peer
did.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from conformance.protocols.lacp.frames import MARKER_INFORMATION, NOTHING, Lacpdu, Participant, State, lacpdu, marker

FAST_PERIOD: Final = 1.0
SLOW_PERIOD: Final = 30.0
SHORT_TIMEOUT: Final = 3.0
LONG_TIMEOUT: Final = 90.0
AGGREGATE_WAIT: Final = 2.0
"""Fast_Periodic_Time, Slow_Periodic_Time, Short_Timeout_Time, Long_Timeout_Time, Aggregate_Wait_Time (§6.4.4)."""
BURST: Final = 3
"""LACPDUs that may be sent within one Fast_Periodic_Time (§6.4.16)."""
NEVER: Final = math.inf
TOLD: Final = State.ACTIVITY | State.TIMEOUT | State.AGGREGATION | State.SYNCHRONIZATION
"""Bits of its own state that a partner must have heard: else there is need to transmit (update_NTT, §6.4.9)."""


class Receive(Enum):
    """States of the Receive machine (§6.4.12); INITIALIZE is passed through when the port is made."""

    PORT_DISABLED = "port disabled"
    EXPIRED = "expired"
    DEFAULTED = "defaulted"
    CURRENT = "current"


class Mux(Enum):
    """States of the Mux machine with independent control (§6.4.15)."""

    DETACHED = "detached"
    WAITING = "waiting"
    ATTACHED = "attached"
    COLLECTING = "collecting"
    DISTRIBUTING = "distributing"


@dataclass(slots=True)
class ParticipantConduct:
    """How a participant breaks the protocol; nothing of it by default.

    `silent`: it sends no LACPDU and hears none. `mute`: it hears but sends none. `withheld` are state bits that it
    never shows, nor acts on; `flaunted` bits that it always shows. `echoes`: its PDUs repeat the partner; else they say
    that nobody is known (with Defaulted clear). `own_rate`: the period follows its own timeout bit, not the partner's.
    `expires`: it notices that the partner fell silent. `follows` : it goes by the partner's Synchronization and
    Collecting; else it distributes as soon as it is selected. `choosy`: selection looks at the partner's system and
    key; `loops`: it aggregates with itself. `answers_markers`. `limited`: no more than three LACPDUs in a second;
    else every period sends four. `malform` changes each LACPDU that is sent, `malform_marker`
    each answer to a marker.
    """

    silent: bool = False
    mute: bool = False
    withheld: State = NOTHING
    flaunted: State = NOTHING
    echoes: bool = True
    own_rate: bool = False
    expires: bool = True
    follows: bool = True
    choosy: bool = True
    loops: bool = False
    answers_markers: bool = True
    limited: bool = True
    malform: Callable[[bytes], bytes] | None = None
    malform_marker: Callable[[bytes], bytes] | None = None


@dataclass
class AggregationPort:
    """One aggregation port. Make it by `System.port`; `System.advance` drives it."""

    system: System
    number: int
    mac: str
    conduct: ParticipantConduct
    key: int
    priority: int = 0x8000
    enabled: bool = True
    partner: Participant = field(default_factory=Participant)
    receive: Receive = Receive.PORT_DISABLED
    mux: Mux = Mux.DETACHED
    selected: bool = False
    defaulted: bool = True
    expired: bool = False
    need_to_transmit: bool = False
    current_while: float = NEVER
    periodic_at: float = NEVER
    waited: float = NEVER
    outbox: list[bytes] = field(default_factory=list)
    lapses: int = 0
    _period: float | None = None
    _sent: deque[float] = field(default_factory=lambda: deque(maxlen=BURST))

    @property
    def state(self) -> State:
        """The actor's state as it is, before `ParticipantConduct` withholds or flaunts any of it."""
        state = State.AGGREGATION
        state |= State.ACTIVITY if self.system.active else State(0)
        state |= State.TIMEOUT if self.system.short else State(0)
        state |= State.SYNCHRONIZATION if self.mux not in (Mux.DETACHED, Mux.WAITING) else State(0)
        state |= State.COLLECTING if self.mux in (Mux.COLLECTING, Mux.DISTRIBUTING) else State(0)
        state |= State.DISTRIBUTING if self.mux is Mux.DISTRIBUTING else State(0)
        state |= State.DEFAULTED if self.defaulted else State(0)
        return state | (State.EXPIRED if self.expired else State(0))

    @property
    def actor(self) -> Participant:
        """What this port tells of itself."""
        state = self.state & ~self.conduct.withheld | self.conduct.flaunted
        own = self.system
        return Participant(own.priority, own.mac, self.key, self.priority, self.number, state)

    @property
    def collecting(self) -> bool:
        """Whether frames that arrive here are passed on."""
        return State.COLLECTING in self.state & ~self.conduct.withheld

    @property
    def distributing(self) -> bool:
        """Whether frames may be sent here."""
        return State.DISTRIBUTING in self.state & ~self.conduct.withheld

    # --- Receive machine ---------------------------------------------------------------------------------------
    def hear(self, frame: bytes, now: float) -> None:
        """A frame arrived at `now`. What is neither a LACPDU nor a marker is left alone."""
        if not self.enabled or self.conduct.silent:
            return
        question = marker(frame)
        if question is not None and question.kind == MARKER_INFORMATION:
            due = question.response().build(self.mac)
            answer = due if self.conduct.malform_marker is None else self.conduct.malform_marker(due)
            self.lapses += not self.conduct.answers_markers or answer != due
            self.outbox += [answer] if self.conduct.answers_markers else []
        pdu = lacpdu(frame)
        if pdu is not None and len(frame) >= 72:
            self._record(pdu, now)

    def _record(self, pdu: Lacpdu, now: float) -> None:
        theirs, mine = pdu.actor, self.actor
        if (theirs.identity, theirs.state & State.AGGREGATION) != (
            self.partner.identity,
            self.partner.state & State.AGGREGATION,
        ):
            self.selected = False
        told = pdu.partner.identity == mine.identity and pdu.partner.state & TOLD == mine.state & TOLD
        self.need_to_transmit |= not told
        known = pdu.partner.identity == mine.identity
        in_step = State.SYNCHRONIZATION in theirs.state and (known or State.AGGREGATION not in theirs.state)
        state = theirs.state if in_step else theirs.state & ~State.SYNCHRONIZATION
        self.partner = replace(theirs, state=state)
        self.receive, self.defaulted, self.expired = Receive.CURRENT, False, False
        self.current_while = now + (SHORT_TIMEOUT if self.system.short else LONG_TIMEOUT)

    def _receive_machine(self, now: float) -> None:
        if not self.enabled:
            self.receive, self.current_while = Receive.PORT_DISABLED, NEVER
            self.partner = replace(self.partner, state=self.partner.state & ~State.SYNCHRONIZATION)
            self.selected = False
        elif self.receive is Receive.PORT_DISABLED:
            self._expire(now)
        elif now >= self.current_while and not self.conduct.expires:
            self.lapses, self.current_while = self.lapses + 1, NEVER
        elif now >= self.current_while:
            if self.receive is Receive.CURRENT:
                self._expire(now)
            else:
                self.receive, self.current_while = Receive.DEFAULTED, NEVER
                self.partner, self.defaulted, self.expired, self.selected = Participant(), True, False, False

    def _expire(self, now: float) -> None:
        self.receive, self.current_while, self.expired = Receive.EXPIRED, now + SHORT_TIMEOUT, True
        known = self.partner.state & ~State.SYNCHRONIZATION | State.TIMEOUT
        self.partner = replace(self.partner, state=known)

    # --- Periodic Transmission machine -------------------------------------------------------------------------
    def _periodic_machine(self, now: float) -> None:
        period = self._wanted_period()
        if period is None:
            self.periodic_at = NEVER
        elif self._period is None or period < self._period or now >= self.periodic_at:
            self.need_to_transmit |= self._period is not None
            self.periodic_at = now + period
        elif period > self._period:
            self.periodic_at = now + period
        self._period = period

    def _wanted_period(self) -> float | None:
        if not self.enabled or not (self.system.active or State.ACTIVITY in self.partner.state):
            return None
        asked = State.TIMEOUT in self.partner.state
        short = self.system.short if self.conduct.own_rate else asked
        self.lapses += short is not asked
        return FAST_PERIOD if short else SLOW_PERIOD

    # --- Mux machine -------------------------------------------------------------------------------------------
    def _mux_machine(self, now: float) -> bool:
        """One step; whether there was one."""
        before, self.mux = self.mux, self._next(now)
        if self.mux is Mux.WAITING and before is Mux.DETACHED:
            self.waited = now + self.system.wait
        self.need_to_transmit |= self.mux is not before
        return self.mux is not before

    def _next(self, now: float) -> Mux:
        withheld = self.conduct.withheld
        in_step = State.SYNCHRONIZATION in self.partner.state or not self.conduct.follows
        collector = State.COLLECTING in self.partner.state or not self.conduct.follows
        up = self.selected and in_step and not withheld & (State.SYNCHRONIZATION | State.COLLECTING)
        ways: dict[Mux, tuple[tuple[bool, Mux], ...]] = {
            Mux.DETACHED: ((self.selected, Mux.WAITING),),
            Mux.WAITING: ((not self.selected, Mux.DETACHED), (now >= self.waited, Mux.ATTACHED)),
            Mux.ATTACHED: ((not self.selected, Mux.DETACHED), (up, Mux.COLLECTING)),
            Mux.COLLECTING: (
                (not up, Mux.ATTACHED),
                (collector and State.DISTRIBUTING not in withheld, Mux.DISTRIBUTING),
            ),
            Mux.DISTRIBUTING: ((not up or not collector, Mux.COLLECTING),),
        }
        return next((state for taken, state in ways[self.mux] if taken), self.mux)

    # --- Transmit machine --------------------------------------------------------------------------------------
    def _transmit_machine(self, now: float) -> Iterator[bytes]:
        if not self.enabled or self.conduct.silent or self.conduct.mute or self._period is None:
            self.need_to_transmit = False
        elif self.need_to_transmit and now >= self._free_at():
            self.need_to_transmit = False
            self._sent.append(now)
            partner = self.partner if self.conduct.echoes else Participant()
            frame = Lacpdu(self.actor, partner).build(self.mac)
            sent = frame if self.conduct.malform is None else self.conduct.malform(frame)
            self.lapses += sent != frame or partner != self.partner or self.actor.state != self.state
            yield sent
            if not self.conduct.limited:
                self.lapses += 1
                yield from [sent] * BURST

    def _free_at(self) -> float:
        full = len(self._sent) == BURST and self.conduct.limited
        return self._sent[0] + FAST_PERIOD if full else 0.0

    def due(self) -> float:
        """When this port wants to be advanced next."""
        waiting = self.waited if self.mux is Mux.WAITING else NEVER
        current = self.current_while
        transmit = self._free_at() if self.need_to_transmit else NEVER
        return 0.0 if self.outbox else min(current, self.periodic_at, waiting, transmit)


class System:
    """A participant with its ports, which all have one key unless said otherwise: one aggregator.

    `short` asks the partner for LACPDUs every second. `wait` is how long a port waits for others to join it, in seconds
    (Aggregate_Wait_Time is 2).
    """

    def __init__(
        self,
        mac: str,
        *,
        key: int = 1,
        priority: int = 0x8000,
        active: bool = True,
        short: bool = True,
        wait: float = AGGREGATE_WAIT,
    ) -> None:
        self.mac, self.key, self.priority = mac, key, priority
        self.active, self.short, self.wait = active, short, wait
        self.ports: list[AggregationPort] = []

    def port(
        self, mac: str, *, conduct: ParticipantConduct | None = None, number: int | None = None
    ) -> AggregationPort:
        """A further port, with the MAC address of its interface."""
        made = AggregationPort(self, number or len(self.ports) + 1, mac, conduct or ParticipantConduct(), self.key)
        self.ports.append(made)
        return made

    def hear(self, port: int, frame: bytes, now: float) -> None:
        """A frame arrived at the port of that index."""
        self.ports[port].hear(frame, now)

    def due(self) -> float:
        """When `advance` has to be called at the latest."""
        return min((port.due() for port in self.ports), default=NEVER)

    def advance(self, now: float) -> list[tuple[int, bytes]]:
        """Run every machine up to `now`; the frames to be sent, each with the index of its port."""
        for port in self.ports:
            port._receive_machine(now)
        self._select()
        for port in self.ports:
            while port._mux_machine(now):
                pass
            port._periodic_machine(now)
        frames = []
        for index, port in enumerate(self.ports):
            frames += [(index, frame) for frame in (*port.outbox, *port._transmit_machine(now))]
            port.outbox.clear()
        return frames

    def _select(self) -> None:
        """Selection (§6.4.14): ports with the partner of the first port that is up; never with this system itself."""
        lead: tuple[int, str, int] | None = None
        for port in self.ports:
            usable = port.enabled and not port.defaulted
            itself = port.partner.system == self.mac and not port.conduct.loops
            if not usable or itself:
                port.selected = False
                continue
            if lead is None:
                lead = port.partner.aggregator
            alike = port.partner.aggregator == lead
            port.selected = alike or not port.conduct.choosy
            port.lapses += port.selected and (not alike or port.partner.system == self.mac)
