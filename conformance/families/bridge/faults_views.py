"""Faults of what a router shows of its own view: a real switch, whose answers are changed before they are heard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from conformance.adapters.interface import Attachment, Endpoint
from conformance.adapters.interface.powers import Explaining
from conformance.adapters.interface.views import NeighbourEntry, ShowingBindings
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.lab import Host
from conformance.selftest.fault import PLANTED, Fault, rule_hit


class Misleading:
    """A router that shows the neighbours of one address at the MAC address of another."""

    powers: tuple[type, ...] = (Explaining, ShowingBindings)

    def __init__(self, sound: Any) -> None:
        self._sound = sound
        self._changed = 0

    def prepare(self, host: Host, name: str) -> Namespace | None:
        """As the sound one does."""
        found: Namespace | None = self._sound.prepare(host, name)
        return found

    def attach(self, host: Host, request: Attachment) -> Endpoint:
        """As the sound one does."""
        made: Endpoint = self._sound.attach(host, request)
        return made

    def detach(self, endpoint: Endpoint) -> None:
        """As the sound one does."""
        self._sound.detach(endpoint)

    def bindings(self, host: Host) -> Sequence[NeighbourEntry]:
        """Those of the sound one, each with the MAC address of the one before."""
        known = [one for one in self._sound.bindings(host) if one.mac]
        macs = sorted({one.mac for one in known})
        other = dict(zip(macs, [*macs[1:], macs[0]], strict=True)) if macs else {}
        shown = [replace(one, mac=other[one.mac]) for one in known]
        self._changed += sum(one.mac != two.mac for one, two in zip(known, shown, strict=True))
        return shown

    def explain(self, host: Host) -> Mapping[str, Any]:
        """The sound one's own words, and how many rows were changed."""
        rows = [{"comment": f"{PLANTED} rows were changed", "packets": self._changed}]
        return {**self._sound.explain(host), PLANTED: rows}


@dataclass(frozen=True)
class ViewFlaw:
    """It misleads."""

    @contextmanager
    def plant(self, sound: Any) -> Iterator[Misleading]:
        """A sound router with this flaw."""
        yield Misleading(sound)


FAULTS = (
    Fault(
        name="router-misleads",
        title="a router's own view has its neighbours at each other's MAC addresses",
        network="frr-switch",
        scenarios=frozenset({"reachability"}),
        fails=frozenset({"nd.table-shown"}),
        conduct=ViewFlaw(),
        witness=rule_hit,
    ),
)
