"""Reports on disk: ``report.json`` written whole or not at all, and read with an explanation of what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from conformance import files
from conformance.errors import UsageError
from conformance.report.atomic import write_atomically
from conformance.report.model import Report, as_json

NAME: Final = "report.json"
_AGAIN: Final = "judge its recordings again with `plugfest judge`"


def write(report: Report, folder: Path) -> Path:
    """Write a complete report as ``report.json`` below `folder`. Raises ValueError for a partial one."""
    if report.partial:
        raise ValueError("this report has no footer; write it with write_partial")
    return _write(report, folder)


def write_partial(report: Report, folder: Path) -> Path:
    """Write what there is so far, without a footer; call it again as more comes in, and `write` at the end."""
    return _write(report.model_copy(update={"footer": None}), folder)


def read(path: Path) -> Report:
    """Read a report, by its file or its folder; a partial one says so (`Report.partial`).

    Raises UsageError: one line naming the file, the key and the fix.
    """
    file = path / NAME if path.is_dir() else path
    shown = f"{file.parent.name}/{file.name}"
    try:
        text = files.content(file, file.parent, files.DOCUMENT).decode("utf-8")
        schema = json.loads(text)["header"]["schema"]
    except FileNotFoundError:
        raise UsageError(f"{shown}: there is no such report; name a folder that a run wrote") from None
    except OSError as problem:
        raise UsageError(f"{shown}: cannot be read: {problem.strerror}") from None
    except (ValueError, RecursionError) as problem:
        raise UsageError(f"{shown}: not valid JSON ({type(problem).__name__}); {_AGAIN}") from None
    except (KeyError, TypeError, IndexError):
        raise UsageError(f"{shown}: header.schema: this key is missing; {_AGAIN}") from None
    if schema != 1 or isinstance(schema, bool):
        raise UsageError(f"{shown}: header.schema: {schema!r:.40} is not 1; read it with the suite that wrote it")
    try:
        return Report.model_validate_json(text, strict=True)
    except ValidationError as problem:
        raise UsageError(f"{shown}: {_first(problem)}; {_AGAIN}") from None


def collect(folders: Iterable[Path]) -> list[Report]:
    """The reports in these folders: each its own ``report.json``, or those of its sub-folders, sorted by name.

    Raises UsageError where a folder has none.
    """
    return [read(file) for file in located(folders)]


def located(folders: Iterable[Path]) -> list[Path]:
    """The files that `collect` reads, in that order. Raises UsageError where a folder has none."""
    found: list[Path] = []
    for folder in folders:
        there = [folder] if folder.is_file() else [folder / NAME] if (folder / NAME).is_file() else []
        there = there or sorted(folder.glob(f"*/{NAME}")) or sorted(folder.glob(f"*/*/{NAME}"))
        if not there:
            raise UsageError(f"{folder.name or folder}: there is no {NAME} in it; name a folder that a run wrote")
        found += files.reached(there, folder.parent if folder.is_file() else folder)
    return found


def text_of(report: Report) -> str:
    """What the file of a report holds."""
    return as_json(report.model_dump(mode="json", by_alias=True))


def _write(report: Report, folder: Path) -> Path:
    path = folder / NAME
    write_atomically(path, text_of(report))
    return path


def _first(problem: ValidationError) -> str:
    """The first error of a validation: key and what is wrong with it."""
    error = problem.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in error["loc"]) or "report"
    if error["type"] == "extra_forbidden":
        return f"{place}: unknown key"
    if error["type"] == "missing":
        return f"{place}: this key is missing"
    return f"{place}: {error['msg'][:160]}"
