"""The reference networks with a fault switched on: an adapter of kind ``selftest``, for the suite's own judgement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from conformance.adapters import linux
from conformance.adapters.interface import Adapter, Attachment, Endpoint, Identity, Subject, Unavailable, power_of
from conformance.adapters.interface.powers import (
    Attempting,
    Explaining,
    Filtering,
    MoveKind,
    MoveStyle,
    Moving,
    Restarting,
)
from conformance.adapters.interface.registry import speaking_adapter
from conformance.errors import UsageError
from conformance.lab import nftables
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.lab import Host, Lab
from conformance.pairs.pairing import pair_of
from conformance.policy.document import Policy
from conformance.profile import Profile, load
from conformance.selftest.fault import PLANTED, SAID, Fault
from conformance.selftest.faults import faults

FORWARDED: Final = (Filtering, Restarting, Moving, Attempting)
"""The powers of a sound network that its faulty twin has too."""


def profile_of(fault: Fault) -> Profile:
    """The profile of the reference network with that fault: it claims what the sound one claims."""
    reference = load(fault.network)
    faulty = reference.model_copy(
        update={
            "name": f"fault-{fault.name}",
            "title": f"{reference.title}, with a fault: {fault.title}",
            "kind": "selftest",
            "features": fault.features or reference.features,
            "endpoints": fault.endpoints or reference.endpoints,
            "adapter": {**reference.adapter, **dict(fault.settings), "fault": fault.name},
        }
    )
    return pair_of(faulty, load(fault.partner), name=faulty.name) if fault.partner else faulty


def adapter(profile: Profile) -> Faulty:
    """The adapter of a faulty reference network. Raises UsageError for a fault that there is not."""
    name = profile.adapter.get("fault")
    if name not in faults():
        raise UsageError(f"{profile.name}: adapter.fault: there is no fault {name!r}; there are: {', '.join(faults())}")
    fault = faults()[str(name)]
    settings = {key: value for key, value in profile.adapter.items() if key != "fault"}
    if fault.conduct is not None:
        settings.pop("network", None)
        speaker = profile.model_copy(update={"kind": load(fault.network).kind, "adapter": settings})
        return Faulty(fault, speaking_adapter(speaker, fault.conduct))
    sound = profile.model_copy(update={"kind": "linux", "adapter": settings})
    return Faulty(fault, linux.adapter(sound, fault.design))


class Faulty:
    """The reference network's adapter, with the fault planted when it is deployed."""

    needs_root = False

    def __init__(self, fault: Fault, sound: Adapter) -> None:
        self.weight = sound.weight
        self._fault = fault
        self._sound = sound

    def identify(self) -> Identity | Unavailable:
        """The reference network, named with its fault."""
        found = self._sound.identify()
        if isinstance(found, Unavailable):
            return found
        return Identity(found.product, found.version, {**found.details, "fault": self._fault.name})

    def plan(self) -> tuple[str, ...]:
        """The reference network's plan, and the fault."""
        return (*self._sound.plan(), f"fault: {self._fault.title}")

    @contextmanager
    def deploy(self, lab: Lab) -> Iterator[Subject]:
        """The reference network, with the fault."""
        with self._sound.deploy(lab) as subject:
            if self._fault.on_network is not None:
                self._fault.on_network(lab)
            yield subject if self._fault.conduct is not None else FaultySubject(self._fault, subject, lab)


class FaultySubject:
    """The reference network, misbehaving as the fault says. It explains itself; of the network's own powers it has
    those that are `FORWARDED`."""

    def __init__(self, fault: Fault, sound: Subject, lab: Lab) -> None:
        forwarded = [one for one in FORWARDED if power_of(sound, one) is not None]
        self.powers: tuple[type, ...] = (Explaining, *forwarded)
        self._fault = fault
        self._sound: Any = sound
        self._lab = lab
        self._prepared: dict[tuple[str, str], Namespace] = {}

    def prepare(self, host: Host, name: str) -> Namespace | None:
        """As the reference network does."""
        namespace: Namespace | None = self._sound.prepare(host, name)
        if namespace is not None:
            self._prepared[host.name, name] = namespace
            if self._fault.on_prepare is not None:
                self._fault.on_prepare(host, namespace)
        return namespace

    def explain(self, host: Host) -> Mapping[str, Any]:
        """The rules that the fault planted in the namespaces of the host's endpoints, with their counters, and what the
        network wrote down of what it said itself."""
        inside = [(name, space) for (where, name), space in self._prepared.items() if where == host.name]
        rules = [{**rule, "where": name} for name, space in inside for rule in nftables.dump(space)]
        said = list(getattr(self._sound, "said", ()))
        return {SAID: said, PLANTED: [rule for rule in rules if str(rule.get("comment", "")).startswith(PLANTED)]}

    def attach(self, host: Host, request: Attachment) -> Endpoint:
        """As the reference network does, before and after the fault's own doing."""
        if self._fault.on_request is not None:
            request = self._fault.on_request(host, request)
        endpoint: Endpoint = self._sound.attach(host, request)
        return endpoint if self._fault.on_endpoint is None else self._fault.on_endpoint(host, endpoint)

    def apply(self, policy: Policy) -> None:
        """As the reference network does."""
        self._sound.apply(policy)

    def restart(self, host: Host) -> None:
        """As the reference network does."""
        self._sound.restart(host)

    def detach(self, endpoint: Endpoint) -> None:
        """As the reference network does; then what the fault leaves behind."""
        self._sound.detach(endpoint)
        if self._fault.on_detach is not None:
            self._fault.on_detach(self._lab.hosts[endpoint.host], endpoint)

    @property
    def moves(self) -> tuple[MoveKind, ...]:
        """As the network does."""
        return tuple(self._sound.moves)

    @property
    def styles(self) -> tuple[MoveStyle, ...]:
        """As the network does."""
        return tuple(self._sound.styles)

    def target_namespace(self, endpoint: Endpoint, to: Host, kind: MoveKind) -> Namespace | None:
        """As the network does."""
        found: Namespace | None = self._sound.target_namespace(endpoint, to, kind)
        return found

    def move(self, endpoint: Endpoint, to: Host, kind: MoveKind) -> Endpoint:
        """As the network does."""
        moved: Endpoint = self._sound.move(endpoint, to, kind)
        return moved
