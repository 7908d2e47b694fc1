"""Optional powers of a subject that workloads are attached to, and of any subject: to explain itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol

from conformance.adapters.interface import Endpoint, HostSideInterface

if TYPE_CHECKING:
    from conformance.lab.kernel.namespace import Namespace
    from conformance.lab.lab import Host
    from conformance.policy.document import Policy

MoveKind = Literal["migrate", "restart", "failover", "crash"]
"""Same addresses, same MAC, other host (live migration, re-attach); same addresses, new MAC, same host (restart); same
addresses, new MAC, other host (failover); the same after the station that had them has gone without a word (crash)."""


class Explaining(Protocol):
    """Optional power of a subject: further state of its own that explains a verdict (never decides one)."""

    def explain(self, host: Host) -> Mapping[str, Any]:
        """Structured state by name (JSON values), stored in the snapshot of `host`."""


class Outside(Protocol):
    """Optional power of a subject whose endpoints are watched from outside: it says where, before they are there."""

    def host_side(self, host: Host, name: str) -> HostSideInterface:
        """Where the frames of the endpoint `name` will be seen when it is on `host`."""


class Moving(Protocol):
    """Optional power of a subject: to move an endpoint with its addresses, by what the product itself does for it."""

    moves: tuple[MoveKind, ...]
    """The kinds of move that the implementation can make, at least one."""

    def target_namespace(self, endpoint: Endpoint, to: Host, kind: MoveKind) -> Namespace | None:
        """The namespace in which the endpoint will live after such a move, made beforehand so that taps and sockets
        are there from its first frame (its own one, where it stays there); None where it cannot be had before.
        Nothing of the endpoint may be heard from there yet. Raises AdapterError."""

    def move(self, endpoint: Endpoint, to: Host, kind: MoveKind) -> Endpoint:
        """Move the endpoint to the host `to` (for a restart: its own); returns when the implementation says it is done.

        Nothing is sent or announced for the implementation. The endpoint that is returned has the same name and may
        live in another namespace; the old one is not used any more. Raises AdapterError.
        """


MoveStyle = Literal["silent", "talking"]
"""Whether an endpoint sends nothing after its move, or answers its peers."""


class Attempting(Protocol):
    """Optional power of a subject that moves: to say how often each kind of move is tried, and how endpoints behave."""

    styles: tuple[MoveStyle, ...]
    """One attempt each."""


class Filtering(Protocol):
    """Optional power of a subject: to enforce a policy, in the implementation's own language."""

    def apply(self, policy: Policy) -> None:
        """Put `policy` in force on every host, in place of what was in force; returns when the implementation says so.

        Endpoints belong to its groups by the labels that they were attached with; who attaches later is governed from
        the start. Without a policy everything passes. Raises AdapterError, also for what the implementation cannot
        express.
        """


class Restarting(Protocol):
    """Optional power of a subject: to restart what enforces policies on a host, as the product's own service does."""

    def restart(self, host: Host) -> None:
        """End it and start it again, with what it keeps of its own; returns when it says that it is ready. Endpoints
        stay attached. Raises AdapterError."""
