"""Pairs: two implementations in one lab, the first on the first host, the second on the second."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from conformance.adapters.interface import (
    Adapter,
    AdapterError,
    Attachment,
    Endpoint,
    Identity,
    Subject,
    Unavailable,
    power_of,
)
from conformance.adapters.interface.ports import Linking, Paired, Port
from conformance.adapters.interface.powers import Explaining
from conformance.adapters.interface.registry import adapter_for
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.lab import Host, Lab
from conformance.pairs.pairing import settings_of, sides_of
from conformance.profile import Profile


def adapter(profile: Profile) -> PairAdapter:
    """The adapter of a pair. Raises UsageError for wrong settings, of the pair or of one of the two."""
    settings = settings_of(profile)
    return PairAdapter(profile, (adapter_for(settings.left), adapter_for(settings.right)))


class PairSubject:
    """What is asked of a host is asked of the implementation that has it."""

    powers: tuple[type, ...] = (Explaining,)

    def __init__(self, subjects: Mapping[str, Subject]) -> None:
        self._subjects = subjects

    def prepare(self, host: Host, name: str) -> Namespace | None:
        """As the host's implementation does."""
        return self._subjects[host.name].prepare(host, name)

    def attach(self, host: Host, request: Attachment) -> Endpoint:
        """Attach one endpoint to the host's implementation. Raises AdapterError."""
        return self._subjects[host.name].attach(host, request)

    def detach(self, endpoint: Endpoint) -> None:
        """Detach it from its host's implementation. Raises AdapterError."""
        self._subjects[endpoint.host].detach(endpoint)

    def explain(self, host: Host) -> Mapping[str, Any]:
        """What the host's implementation has to say, if anything."""
        return _said(self._subjects[host.name], host)


class LinkPair:
    """Two implementations that are judged by their ports. `sides` are their subjects, the left one first."""

    powers: tuple[type, ...] = (Linking, Explaining, Paired)

    def __init__(self, subjects: Mapping[str, Any]) -> None:
        self._subjects = subjects
        self.sides = tuple(subjects.values())

    def ports(self) -> Sequence[Port]:
        """The ports of both, those of the left one first."""
        return [port for subject in self.sides for port in ports_of(subject)]

    def explain(self, host: Host) -> Mapping[str, Any]:
        """What the host's implementation has to say, if anything."""
        return _said(self._subjects[host.name], host)


def _said(subject: object, host: Host) -> Mapping[str, Any]:
    explaining = power_of(subject, Explaining)
    return {} if explaining is None else explaining.explain(host)


def ports_of(subject: object) -> Sequence[Port]:
    """The ports of one of the two. Raises AdapterError where it offers none."""
    linking = power_of(subject, Linking)
    if linking is None:
        raise AdapterError("it offers no ports (see adapters/interface/ports.py, Linking)")
    return linking.ports()


class PairAdapter:
    """Two adapters, each with one host of the lab."""

    def __init__(self, profile: Profile, adapters: tuple[Adapter, Adapter]) -> None:
        self._profile = profile
        self._adapters = adapters
        weights = [one.weight for one in adapters]
        self.weight = max(weights) if profile.links else sum(weights)  # on cables both are mostly waiting
        self.needs_root = any(one.needs_root for one in adapters)

    def identify(self) -> Identity | Unavailable:
        """Both, as they say themselves; unavailable where one is."""
        known: list[Identity] = []
        for one in self._adapters:
            found = one.identify()
            if isinstance(found, Unavailable):
                return found
            known.append(found)
        left, right = known
        details = {
            f"{side} {key}": value
            for side, one in zip(("left", "right"), known, strict=True)
            for key, value in one.details.items()
        }
        return Identity(f"{left.product} × {right.product}", f"{left.version} × {right.version}", details)

    def plan(self) -> tuple[str, ...]:
        """What each of the two does."""
        names = ("first host", "second host")
        return tuple(f"{name}: {step}" for name, one in zip(names, self._adapters, strict=True) for step in one.plan())

    @contextmanager
    def deploy(self, lab: Lab) -> Iterator[PairSubject | LinkPair]:
        """Each on its own host. Raises AdapterError."""
        left, right = sides_of(self._profile, lab.testbed)
        first, second = self._adapters
        with first.deploy(lab.part(left.host)) as one, second.deploy(lab.part(right.host)) as other:
            made = LinkPair if self._profile.links else PairSubject
            yield made({left.host: one, right.host: other})
