"""Events of addresses: solicitations, duplicates, addresses that two hosts want, and moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from conformance.recording.events.base import Event
from conformance.recording.model import AddressState

Form = Literal["multicast", "unicast", "unspecified", "foreign"]
"""Of a solicitation: to the solicited-node group; to the endpoint itself; from ::; for an address that nobody has."""


@dataclass(frozen=True, kw_only=True)
class Solicited(Event, kind="solicit"):
    """The endpoint `where` is solicited for the IPv6 address `target` (RFC 4861 §4.3) in a `form`.

    `sender` is the IP source of the solicitation, `mac` its source MAC address. Written by the scenario `discovery`;
    read by `nd.solicitation-answered`.
    """

    form: Form
    target: str
    sender: str
    mac: str


@dataclass(frozen=True, kw_only=True)
class DuplicateAsked(Event, kind="duplicate"):
    """An endpoint `where` is about to be asked for with the IPv6 `address` that the endpoint `holder` has.

    Written by the scenario `discovery`; read by `nd.duplicate-refused`.
    """

    address: str
    holder: str


@dataclass(frozen=True, kw_only=True)
class DuplicateRefused(Event, kind="duplicate-refused"):
    """The implementation refused the endpoint `where` with the duplicate address; `problem` is why, in its words.

    Written by the scenario `discovery`; read by `nd.duplicate-refused`.
    """

    problem: str


@dataclass(frozen=True, kw_only=True)
class DuplicateAttached(Event, kind="duplicate-attached"):
    """The endpoint `where` was attached with the duplicate address, or with another.

    `addresses` are what its kernel shows, `reported` what the implementation said (with prefix lengths). Written by the
    scenario `discovery`; read by `nd.duplicate-refused` and witnesses of planted faults.
    """

    addresses: tuple[AddressState, ...]
    reported: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FreeAsked(Event, kind="free-asked"):
    """An endpoint `where` is about to be asked for with the IPv6 `address`, which nobody has, and with no other.

    Written by the scenario `discovery`; read by `addr.request-granted`.
    """

    address: str


@dataclass(frozen=True, kw_only=True)
class FreeRefused(Event, kind="free-refused"):
    """The implementation refused the endpoint `where` with the free address; `problem` is why, in its words.

    Written by the scenario `discovery`; read by `addr.request-granted` and `nd.duplicate-refused`.
    """

    problem: str


@dataclass(frozen=True, kw_only=True)
class FreeAttached(Event, kind="free-attached"):
    """The endpoint `where`, for which a free address was asked, was attached; `addresses` are what its kernel shows.

    Written by the scenario `discovery`; read by `addr.request-granted`.
    """

    addresses: tuple[AddressState, ...]


@dataclass(frozen=True, kw_only=True)
class Ipv4Removed(Event, kind="ipv4-removed"):
    """The endpoint `where` has no IPv4 address from now on. Written by the scenario `discovery`; read by
    `nd.ipv6-only`."""


@dataclass(frozen=True, kw_only=True)
class AddressClaimed(Event, kind="claim"):
    """The station `by`, with the MAC address `mac`, announces the IPv4 `address` of the endpoint `where` as its own.

    Written by the scenario `move`; read by `move.address-defended`.
    """

    address: str
    by: str
    mac: str


@dataclass(frozen=True, kw_only=True)
class OccupiedAsked(Event, kind="occupied"):
    """An endpoint `where` is about to be asked for with the IPv4 `address` that the station `by` has.

    Written by the scenario `move`; read by `move.address-probed`.
    """

    address: str
    by: str


@dataclass(frozen=True, kw_only=True)
class OccupiedRefused(Event, kind="occupied-refused"):
    """The implementation refused the endpoint `where` with the occupied address; `problem` is why, in its words.

    Written by the scenario `move`; read by `move.address-probed`.
    """

    problem: str


@dataclass(frozen=True, kw_only=True)
class OccupiedAttached(Event, kind="occupied-attached"):
    """The endpoint `where` was attached; `addresses` are what its kernel shows.

    Written by the scenario `move`; read by `move.address-probed`.
    """

    addresses: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class AddressAsked(Event, kind="ask"):
    """The station `by`, with the MAC address `mac`, asks once who has the `address` of the moved endpoint `where`.

    Written by the scenario `move`; read by `move.old-place-silent`.
    """

    address: str
    by: str
    mac: str


@dataclass(frozen=True, kw_only=True)
class NotOneSegment(Event, kind="not-one-segment"):
    """The hosts of the testbed are in different subnets. Written by the scenario `move`; read by its checks."""


@dataclass(frozen=True, kw_only=True)
class MonitorOverflowed(Event, kind="monitor-overflowed"):
    """The kernel dropped notifications of the namespace `where`. Written by the scenario `move`; read by its checks."""
