"""Where a planted fault takes hold of a real implementation: its subject is wrapped in one that misbehaves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol


class Flawing(Protocol):
    """What makes a flawed subject of a sound one (see conformance.selftest)."""

    def plant(self, sound: Any) -> AbstractContextManager[Any]:
        """The flawed subject, for as long as it is open."""


@contextmanager
def flawed(sound: Any, conduct: Flawing | None) -> Iterator[Any]:
    """The subject itself, or with the flaw."""
    if conduct is None:
        yield sound
    else:
        with conduct.plant(sound) as subject:
            yield subject
