"""Events of link aggregation: what the partner of a link group does, and when the group came up."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.recording.events.base import Event


@dataclass(frozen=True, kw_only=True)
class DistributionAwaited(Event, kind="up"):
    """The partner of the group `where` waited until every port of its own distributed, or its deadline passed.

    Written by the scenario `lacp`; read by the checks of `lacp`.
    """


@dataclass(frozen=True, kw_only=True)
class LinkLost(Event, kind="lost"):
    """The link `port` of the group `where`, which carried most, is about to lose its carrier.

    Written by the scenario `lacp`; read by `lacp.link-loss`.
    """

    port: str


@dataclass(frozen=True, kw_only=True)
class PartnerSilent(Event, kind="mute"):
    """The partner of the group `where` sends nothing from now on; the implementation has `timeout` (s) to notice.

    Written by the scenario `lacp`; read by `lacp.expiry`.
    """

    timeout: float


@dataclass(frozen=True, kw_only=True)
class PartnerInStep(Event, kind="in-step"):
    """The partner of the group `where` is in step from now on, and does not collect yet.

    Written by the scenario `lacp`; read by `lacp.no-early-data`.
    """


@dataclass(frozen=True, kw_only=True)
class PartnerReady(Event, kind="granted"):
    """The partner of the group `where` collects and distributes from now on.

    Written by the scenario `lacp`; read by `lacp.no-early-data`.
    """


@dataclass(frozen=True, kw_only=True)
class OwnSystemClaimed(Event, kind="claimed"):
    """The partner of the group `where` sends the implementation's own `system` as its own, as over a loop.

    Written by the scenario `lacp`; read by `lacp.own-system`.
    """

    system: str


@dataclass(frozen=True, kw_only=True)
class PartnerSpeaks(Event, kind="asked"):
    """The partner of the group `where`, which was silent, sends LACPDUs from now on.

    Written by the scenario `lacp`; read by `lacp.passive-answers`.
    """


@dataclass(frozen=True, kw_only=True)
class LongTimeoutAsked(Event, kind="slow"):
    """The partner of the group `where` has had time to ask for the long timeout.

    Written by the scenario `lacp`; read by `lacp.rate-follows-partner`.
    """


@dataclass(frozen=True, kw_only=True)
class ShortTimeoutAsked(Event, kind="fast"):
    """The partner of the group `where` asks for the short timeout from now on.

    Written by the scenario `lacp`; read by `lacp.rate-follows-partner`.
    """


@dataclass(frozen=True, kw_only=True)
class PartnerChanged(Event, kind="changed"):
    """The partner of the group `where` tells another value of `what` (a field of its participant) from now on.

    Written by the scenario `lacp`; read by `lacp.partner-echoed`.
    """

    what: str
    value: int


@dataclass(frozen=True, kw_only=True)
class MarkerSent(Event, kind="marker"):
    """A Marker PDU is sent into the port `where`; `transaction` is its Requester_Transaction_ID.

    Written by the scenario `lacp`; read by `lacp.marker-answered`.
    """

    transaction: int


@dataclass(frozen=True, kw_only=True)
class MalformedSent(Event, kind="after-malformed"):
    """The partner of the group `where` has sent malformed LACPDUs, and tells something new from now on.

    Written by the scenario `lacp`; read by `lacp.malformed-survived`.
    """
