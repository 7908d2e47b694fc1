"""Events of LLDP: what the agent was asked, told and shown, and what our partners advertised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from conformance.recording.events.base import Event

Moment = Literal["alone", "learned", "valid", "aged", "resident", "misled", "taken leave"]
"""When an agent is asked for its neighbours: nobody was there yet; our partner `mortal` advertised itself; shortly
before and after its TTL ended; our partner `resident` advertised itself; malformed LLDPDUs came; `resident` left."""
PairMoment = Literal["early", "met", "valid", "aged"]
"""When the agents of a pair are asked: after the first LLDPDU of the other, after another one where that was too soon,
shortly before and after the TTL of the last LLDPDU ended."""


@dataclass(frozen=True, kw_only=True)
class AgentTimersKnown(Event, kind="lldp-told"):
    """What the adapter says the agent's timers are: `interval` (s) between LLDPDUs (msgTxInterval), the factor `hold`
    (msgTxHold; None: nobody says), and `fast_count` LLDPDUs of a fast start (txFastInit).

    Written by the scenario `lldp`; read by the checks of `lldp`.
    """

    interval: float
    hold: int | None
    fast_count: int


@dataclass(frozen=True, kw_only=True)
class Advertised(Event, kind="advertised"):
    """Our partner on the port `where` sends an LLDPDU of the chassis `chassis`, valid for `ttl` (s; 0: it leaves).

    Written by the scenario `lldp`; read by the checks of `lldp`.
    """

    chassis: str
    ttl: int


@dataclass(frozen=True, kw_only=True)
class MalformedAdvertised(Event, kind="malformed"):
    """Our partner on the port `where` sends an LLDPDU that a receiver discards; `chassis` names its form.

    Written by the scenario `lldp`; read by `lldp.malformed-discarded`.
    """

    chassis: str


@dataclass(frozen=True, kw_only=True)
class NeighboursShown(Event, kind="neighbours"):
    """The agent showed these neighbours of the port `where` (`chassis`: their chassis IDs) at a moment of the scenario.

    It was asked at `asked_ns` (ns since 1970). Written by the scenario `lldp`; read by the checks of `lldp`.
    """

    moment: Moment
    asked_ns: int
    chassis: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PairNeighboursShown(Event, kind="neighbours"):
    """One agent of a pair showed these neighbours of the port `where` (`shown`: chassis ID and port ID of each).

    It was asked at `asked_ns` and had answered at `answered_ns` (ns since 1970). Written by the scenario `pair_lldp`;
    read by its checks.
    """

    moment: PairMoment
    asked_ns: int
    answered_ns: int
    shown: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class NotOutlived(Event, kind="not-outlived"):
    """What the other agent told at the port `where` is valid for `ttl` (s), which is too long to wait for, or 0.

    Written by the scenario `pair_lldp`; read by `pair.lldp-aged`.
    """

    ttl: int


@dataclass(frozen=True, kw_only=True)
class AgentSwitched(Event, kind="administer"):
    """The agent of the port `where` is about to be disabled (`on` false) or enabled.

    Written by the scenario `lldp`; read by `lldp.ttl`, `lldp.shutdown` and `lldp.reinit-delay`.
    """

    on: bool


@dataclass(frozen=True, kw_only=True)
class AgentSwitchedBack(Event, kind="administered"):
    """The agent of the port `where` was enabled again. Written by the scenario `lldp`; read by `lldp.shutdown`."""


@dataclass(frozen=True, kw_only=True)
class SystemRenamed(Event, kind="changed"):
    """The last of many local changes was made: the system is named `system`.

    Written by the scenario `lldp`; read by `lldp.burst-limited`.
    """

    system: str


@dataclass(frozen=True, kw_only=True)
class AgentEndAsked(Event, kind="leave"):
    """The agent is about to be ended. Written by the scenario `lldp`; read by `lldp.ttl` and `lldp.shutdown`."""


@dataclass(frozen=True, kw_only=True)
class AgentEnded(Event, kind="left"):
    """The adapter said that the agent has ended. Written by the scenario `lldp`; read by `lldp.shutdown`."""
