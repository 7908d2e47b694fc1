"""What a command or pytest was asked for, checked before anything is started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from conformance.errors import UsageError
from conformance.family import families
from conformance.requirement import UnknownRequirement, find


@dataclass(frozen=True)
class Request:
    """What a command or pytest was asked for, everything as the user wrote it; the words of `only` may also come in one
    text with commas between them."""

    profiles: tuple[str, ...] = ()
    testbeds: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    rename: str | None = None
    attempts: int = 1
    thorough: bool = False
    out: Path | None = None
    recordings: Path | None = None
    command: tuple[str, ...] = ()
    places: tuple[Path, ...] | None = None
    """The recordings that are judged, folders below `recordings`; None: every one."""
    plan: bool = False
    """Nothing is done: modules of others are not loaded."""
    pairs: bool = False
    """The profiles meet each other, two at a time, instead of being judged one by one; where none is named, those of
    `circles` do, or of every circle."""
    circles: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        words = (word.strip() for text in self.only for word in text.split(","))
        object.__setattr__(self, "only", tuple(word for word in words if word))


def check_only(only: tuple[str, ...]) -> None:
    """Raises UsageError for a word that is neither a family nor a requirement."""
    for word in only:
        if word in families():
            continue
        try:
            find(word)
        except UnknownRequirement as problem:
            raise UsageError(f"--only {word}: {problem}") from None


def check_decided(only: tuple[str, ...]) -> None:
    """Raises UsageError for a requirement or family that no check decides."""
    if not only:
        return
    from conformance.judging.checks import checks

    rows = [check.requirement for check in checks()]
    decided = {word for row in rows for word in (row.id, row.family, *row.alias)}
    for word in only:
        if word not in decided:
            raise UsageError(f"--only {word}: no check decides it yet; see `plugfest list requirements`")
