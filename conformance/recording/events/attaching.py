"""Events of endpoints: when they were watched, asked for, there, refused and usable."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.recording.events.base import Event


@dataclass(frozen=True, kw_only=True)
class Watched(Event, kind="watched"):
    """A tap was opened on the endpoint `where`, or will be when it is there.

    `from_start` says that it was open before the implementation was asked to attach the endpoint, so that its first
    frame is in the capture. Written by `Context.attach`; read by `Case.watched_from_start`.
    """

    from_start: bool


@dataclass(frozen=True, kw_only=True)
class AttachAsked(Event, kind="attach"):
    """The implementation was asked to attach the endpoint `where` on `host`.

    Written by `Context.attach`; read by `acl.no-open-window` and `stp.edge-ports`.
    """

    host: str


@dataclass(frozen=True, kw_only=True)
class Attached(Event, kind="attached"):
    """The implementation said that the endpoint `where` on `host` is attached.

    Written by `Context.attach`; read by `stp.edge-ports`.
    """

    host: str


@dataclass(frozen=True, kw_only=True)
class AttachRefused(Event, kind="attach-failed"):
    """The implementation refused the endpoint `where` beside others; `problem` is why, in its words.

    It is asked once more. Written by `Context.attach_all`; read by `addr.unique` and by witnesses of planted faults.
    """

    problem: str


@dataclass(frozen=True, kw_only=True)
class AddressesSettled(Event, kind="settled"):
    """Duplicate Address Detection was over on all endpoints and hosts, or its deadline passed.

    `late` names the addresses that were still tentative then. Written by `Context.attach_all`; read by witnesses of
    planted faults.
    """

    late: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LateEndpointRefused(Event, kind="refused"):
    """The implementation refused `where`, an endpoint that comes when all others are there; `problem` is why.

    Written by the scenario `idle`; read by `stp.edge-ports`.
    """

    problem: str


@dataclass(frozen=True, kw_only=True)
class RootClaimed(Event, kind="claimed"):
    """The endpoint `where` sent a BPDU that claims that the bridge `root` is the root.

    `root` is the bridge identifier in hexadecimal (IEEE 802.1D-2004 §9.2.5), `source` the MAC address that it was sent
    from. Written by the scenario `idle`; read by `stp.edge-ports`.
    """

    root: str
    source: str
