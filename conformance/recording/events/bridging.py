"""Events of bridges and spanning trees: when they were ready, what was sent into them, and what our partners did."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.recording.events.base import Event


@dataclass(frozen=True, kw_only=True)
class BridgeReady(Event, kind="ready"):
    """The bridge forwards between all its ports; it was asked to forget stations after `ageing` (s).

    Written by the scenario `bridge`; read by `bridge.ageing` and `bridge.table-shown`.
    """

    ageing: float


@dataclass(frozen=True, kw_only=True)
class FrameSent(Event, kind="sent"):
    """A numbered frame is sent into the port `where`: `conversation` and `number` are in its payload
    (`protocols/numbered.py`).

    Written by the scenario `bridge`; read by the checks that read it.
    """

    conversation: int
    number: int


@dataclass(frozen=True, kw_only=True)
class ReservedSent(Event, kind="reserved"):
    """A frame to a reserved `address` (IEEE 802.1Q-2018 table 8-1) is sent into the port `where`; it holds the `nonce`
    (hexadecimal).

    Written by the scenario `bridge`; read by `bridge.reserved-not-forwarded`, `lacp.not-forwarded` and
    `lldp.not-forwarded`.
    """

    address: str
    nonce: str


@dataclass(frozen=True, kw_only=True)
class TreesReady(Event, kind="ready"):
    """The implementation has made its bridges, with spanning trees of the protocol version `version` (0: STP, 2: RSTP).

    `hello` and `forward_delay` (s) are what they were asked to have. Written by the scenario `stp`; read by its checks.
    """

    version: int
    hello: float
    forward_delay: float


@dataclass(frozen=True, kw_only=True)
class LoopCut(Event, kind="loop-cut"):
    """The lab cut a loop: the broadcast `number` had passed our end of it `copies` times.

    `where` is the group of ports (scenario `stp`) or the cable (`pair_stp`). Written by these scenarios; read by
    `stp.loop-broken`, `pair.stp-once`, `pair.stp-heals` and `pair.stp-root`.
    """

    number: int
    copies: int


@dataclass(frozen=True, kw_only=True)
class LoopProbed(Event, kind="looped"):
    """`probes` broadcasts were sent into the bridge with two ports on one link; the most copies of one were `copies`.

    Written by the scenario `stp`; read by `stp.loop-broken`.
    """

    probes: int
    copies: int


@dataclass(frozen=True, kw_only=True)
class PassageAwaited(Event, kind="passes"):
    """Broadcasts were sent into the bridge `where` until one came out of another port, or the deadline passed.

    Written by the scenario `stp`; read by `stp.root-election`.
    """


@dataclass(frozen=True, kw_only=True)
class StationTaught(Event, kind="taught"):
    """A station has spoken at the bridge `where`, and a frame to it was sent.

    Written by the scenario `stp`; read by `stp.topology-change`.
    """


@dataclass(frozen=True, kw_only=True)
class TopologyChanged(Event, kind="topology-change"):
    """Our root sets the flag Topology Change from now on, at the bridge `where`.

    Written by the scenario `stp`; read by `stp.topology-change`.
    """


@dataclass(frozen=True, kw_only=True)
class RootSilent(Event, kind="root-silent"):
    """Our root at the bridge `where` sends nothing from now on.

    Written by the scenario `stp`; read by `stp.root-election` and `stp.convergence`.
    """


@dataclass(frozen=True, kw_only=True)
class ClaimsBurst(Event, kind="burst"):
    """`claims` worse claims are sent into the bridge `where`, back to back.

    Written by the scenario `stp`; read by `stp.hold-count` and `stp.root-election`.
    """

    claims: int


@dataclass(frozen=True, kw_only=True)
class ChangeNotified(Event, kind="notified"):
    """A topology change notification is sent into the port `where` (IEEE 802.1D-2004 §9.3.2).

    Written by the scenario `stp`; read by `stp.tcn-acknowledged`.
    """


@dataclass(frozen=True, kw_only=True)
class HellosHeard(Event, kind="listened"):
    """Our partner at the bridge `where` has listened for as long as the Hello Time is judged.

    Written by the scenario `stp`; read by `stp.hello`.
    """
