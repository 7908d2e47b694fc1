"""Events of policies, tenants and forged frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from conformance.recording.events.base import Event

Subject = Literal["source-mac", "source-address", "arp", "neighbour-discovery", "dhcp-server"]
"""What a frame of the scenario `spoof` is about: the last word of the requirement that judges it."""
Form = Literal["before", "after"]
"""When a letter is sent: before the attacker sends under its reader's MAC address, or after that."""


@dataclass(frozen=True, kw_only=True)
class PolicyAsked(Event, kind="policy"):
    """The implementation was asked to put the policy `where` into force.

    Written by the scenario `policy`; read by `acl.change-in-force` and `acl.change-effect`.
    """


@dataclass(frozen=True, kw_only=True)
class LateImpossible(Event, kind="late-impossible"):
    """The endpoint that attaches under traffic was refused; `problem` is why, in the implementation's words.

    Written by the scenario `policy`; read by `acl.no-open-window`.
    """

    problem: str


@dataclass(frozen=True, kw_only=True)
class HeirImpossible(Event, kind="heir-impossible"):
    """The endpoint that was to get the addresses of one that is gone was refused, or the one before did not go;
    `problem` is why, in the implementation's words.

    Written by the scenario `policy`; read by `acl.address-reused`.
    """

    problem: str


@dataclass(frozen=True, kw_only=True)
class RestartAsked(Event, kind="restart"):
    """What enforces the policy on the host `where` is about to be restarted.

    Written by the scenario `policy`; read by `acl.restart`.
    """


@dataclass(frozen=True, kw_only=True)
class SameAddressRefused(Event, kind="same-refused"):
    """The second of two endpoints with the same address, of another tenant, was refused; `problem` is why.

    Written by the scenario `tenant`; read by `tenant.same-addresses`.
    """

    problem: str


@dataclass(frozen=True, kw_only=True)
class ForgedSent(Event, kind="forged"):
    """The endpoint `where` sends a frame in a name that is not its own.

    `about` is the requirement, `like` the kind of legitimate frame that differs from it in the name only, `form` says
    what it is, `frame` holds all its octets (hexadecimal). Written by the scenario `spoof`; read by the checks of
    `spoof`.
    """

    about: Subject
    like: str
    form: str
    frame: str


@dataclass(frozen=True, kw_only=True)
class LegitimateSent(Event, kind="legitimate"):
    """The endpoint `where` sends a frame in its own name; the fields are those of `ForgedSent`.

    Written by the scenario `spoof`; read by the checks of `spoof`.
    """

    about: Subject
    like: str
    form: str
    frame: str


@dataclass(frozen=True, kw_only=True)
class LetterSent(Event, kind="letter"):
    """The endpoint `where` sends a datagram to its neighbour, `before` or `after` an attacker has sent under the
    neighbour's MAC address. `frame` holds all its octets (hexadecimal).

    Written by the scenario `spoof`; read by `spoof.entry-stays`.
    """

    form: Form
    frame: str
