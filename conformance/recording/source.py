"""Where recordings come from: a folder of an earlier run, or (conformance.running.live) a lab that makes them now."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from conformance.errors import UsageError
from conformance.recording.store import Recording, find, load


class Missing(Exception):  # noqa: N818 - an outcome of asking, turned into an error outcome
    """There is no such recording; the text says why. `trace` is the traceback where it is an error of ours."""

    def __init__(self, reason: str, trace: str = "") -> None:
        super().__init__(reason)
        self.trace = trace


class Source(Protocol):
    """Gives recordings by what they are of."""

    def get(self, profile: str, testbed: str, scenario: str, attempt: int) -> Recording:
        """The recording, waited for if it is being made. Raises Missing."""


class Stored:
    """The recordings of one folder, or those `places` below it, read at once. Raises UsageError where two are of the
    same attempt: which of them were judged?"""

    def __init__(self, folder: Path, places: Iterable[Path] | None = None) -> None:
        self._found: dict[tuple[str, str, str, int], Recording] = {}
        for place in find(folder) if places is None else places:
            recording = load(place)
            record = recording.record
            key = (record.profile.name, record.testbed.name, record.scenario, record.attempt)
            if key in self._found:
                other = self._found[key].folder.relative_to(folder)
                raise UsageError(
                    f"{place.relative_to(folder)} and {other}: both are attempt {record.attempt} of {record.scenario} "
                    f"on {record.testbed.name} by {record.profile.name}; leave one of them out"
                )
            self._found[key] = recording

    def __len__(self) -> int:
        return len(self._found)

    @property
    def all(self) -> list[Recording]:
        """Every recording, in a fixed order."""
        return [self._found[key] for key in sorted(self._found)]

    def get(self, profile: str, testbed: str, scenario: str, attempt: int) -> Recording:
        """The stored recording. Raises Missing."""
        try:
            return self._found[profile, testbed, scenario, attempt]
        except KeyError:
            raise Missing(f"there is no recording of {scenario} on {testbed}, attempt {attempt}") from None
