"""What a command or pytest was asked for, checked before anything is started, and what a run's folder remembers."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from conformance.errors import UsageError
from conformance.family import families
from conformance.requirement import UnknownRequirement, find


@dataclass(frozen=True)
class Request:
    """What a command or pytest was asked for; everything as the user wrote it."""

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
    plan: bool = False
    """Nothing is done: modules of others are not loaded."""
    pairs: bool = False
    """The profiles meet each other, two at a time, instead of being judged one by one; where none is named, those of
    `circles` do, or of every circle."""
    circles: tuple[str, ...] = ()


MEMORY = "run.json"
"""What a run's folder remembers of the request: what it covered, so that judging it again covers the same."""


def remember(request: Request, folder: Path) -> None:
    """Write down what the run covers. Raises UsageError where the folder holds an earlier run: nothing is mixed."""
    check_unused(folder)
    text = json.dumps({"schema": 1, "only": request.only, "command": request.command}, indent=1)
    try:
        (folder / MEMORY).write_text(text + "\n")
    except OSError as problem:
        raise UsageError(f"--out {folder}: cannot be written: {problem.strerror}") from None


def check_unused(folder: Path) -> None:
    """Raises UsageError where the folder holds an earlier run."""
    if (folder / MEMORY).exists():
        raise UsageError(f"--out {folder}: holds an earlier run; name a new folder (`plugfest matrix` joins several)")


def remembered(request: Request, folder: Path) -> Request:
    """The request with what the run of that folder covered; unchanged where it says nothing."""
    try:
        memory = json.loads((folder / MEMORY).read_text())
        return replace(
            request, only=request.only or tuple(memory["only"]), command=request.command or tuple(memory["command"])
        )
    except FileNotFoundError:
        return request
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{MEMORY}: not what `plugfest run` writes; remove it to judge everything") from None


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
