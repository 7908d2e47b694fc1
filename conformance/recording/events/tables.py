"""Events of an implementation's own view: the rows that it showed, and when; and the rows themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict

from conformance.recording.events.base import Event


@dataclass(frozen=True, slots=True)
class LagMember:
    """One port of a group: whether it carries traffic, and the system that its partner said it is (empty: nobody)."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    port: str
    in_use: bool
    partner: str


@dataclass(frozen=True, slots=True)
class FdbEntry:
    """One entry of a bridge's table: a MAC address and the port behind which it is."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    mac: str
    port: str


@dataclass(frozen=True, slots=True)
class NeighbourEntry:
    """One entry of a table of ARP or of IPv6 neighbours: an address, the MAC address there (empty: it is not known yet,
    or was not found), and the interface."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    address: str
    mac: str
    port: str


@dataclass(frozen=True, slots=True)
class Counters:
    """Frames that were counted on an interface, received and sent."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    port: str
    received: int
    sent: int


TableRow = LagMember | FdbEntry | NeighbourEntry | Counters


@dataclass(frozen=True, kw_only=True)
class TableShown(Event, kind="shown"):
    """The implementation showed a table of the host `where`: `rows`, all of one type.

    `what` says which table, or at which moment. It was asked at `asked_ns` and had answered at `answered_ns` (ns since
    1970). Written by `provoking/views.py`; read by `judging/views.py` for the checks of `bridge`, `nd` and `pair`.
    """

    what: str
    asked_ns: int
    answered_ns: int
    rows: tuple[TableRow, ...]


@dataclass(frozen=True, kw_only=True)
class TableNotShown(Event, kind="not-shown"):
    """The implementation, asked for a table of `where`, gave no answer that is understood; `problem` says why.

    `what` is as in `TableShown`, or `neighbours` for those of an LLDP agent, which was asked at a `moment` of the
    scenario. Written by `provoking/views.py` and `provoking/neighbours.py`; read by `judging/views.py` and the checks
    of `lldp` and `pair`.
    """

    what: str
    problem: str
    moment: str = ""
