"""Endpoints that are attached at the same time, and refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from conformance.adapters.interface import AdapterError, Attachment
from conformance.provoking.context import Context
from conformance.recording.events.attaching import AttachRefused


class Refusing:
    """Refuses every endpoint, each time with the next of its reasons."""

    def __init__(self, *reasons: str) -> None:
        self.powers: tuple[type, ...] = ()
        self._reasons = list(reasons)

    def prepare(self, *_: Any) -> None: ...

    def attach(self, *_: Any) -> Any:
        raise AdapterError(self._reasons.pop(0))


def refused(*reasons: str) -> tuple[str, list[str]]:
    """What is raised, and what the record says of refusals."""
    lab: Any = SimpleNamespace(hosts={"h1": SimpleNamespace(name="h1")})
    nothing: Any = None
    profile: Any = SimpleNamespace(hops=0)
    subject: Any = Refusing(*reasons)
    context = Context(lab, subject, nothing, nothing, "fast", profile)
    with pytest.raises(AdapterError) as raised:
        context.attach_all([(lab.hosts["h1"], Attachment("h1a"))])
    return str(raised.value), [one.detail["problem"] for one in context.events if one.kind == AttachRefused.kind]


def test_the_first_refusal_is_raised() -> None:
    assert refused("h1a: no address is left", "h1a: no address is left") == (
        "h1a: no address is left",
        ["h1a: no address is left"],
    )


def test_another_second_refusal_stands_behind_the_first() -> None:
    text, recorded = refused("h1a: the bridge is missing", "h1a: the name is in use")
    assert text == "h1a: the bridge is missing (asked again: h1a: the name is in use)"
    assert recorded == ["h1a: the bridge is missing"]
