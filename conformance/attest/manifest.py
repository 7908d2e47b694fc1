"""The manifest of a report: hashes of the suite, the catalogue, the profile and the recordings behind it."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

import conformance
from conformance import files
from conformance.attest import blocks, code
from conformance.classes import classes
from conformance.errors import UsageError
from conformance.profile import Profile
from conformance.recording.store import FRAMES, RECORD, Recording, content
from conformance.report.atomic import write_atomically
from conformance.report.model import Report, as_json, canonical_outcomes
from conformance.requirement import catalogue, catalogue_hash

NAME: Final = "manifest.json"
Below = Annotated[str, AfterValidator(files.below)]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Manifest(BaseModel):
    """What a report was made from; every hash is SHA-256 in hexadecimal.

    `suite` has a hash for each part of the code that decides (`conformance.attest.code`), `requirements` and `classes`
    one for each entry of the catalogue. `recordings` are files by their path below the run's folder; those of the
    plain wire are among them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Annotated[Literal[1], Field(alias="schema")] = 1
    version: str
    suite: Mapping[str, Hash]
    catalogue: Hash
    requirements: Mapping[str, Hash]
    classes: Mapping[str, Hash]
    profile: Hash
    report: Hash
    outcomes: Hash
    recordings: Mapping[Below, Hash]


def sha256(data: bytes) -> str:
    """The hash of some bytes."""
    return hashlib.sha256(data).hexdigest()


@functools.cache
def requirement_hashes() -> Mapping[str, str]:
    """The hash of each requirement of this suite's catalogue."""
    return {name: sha256(_canonical(row.model_dump(mode="json"))) for name, row in catalogue().items()}


@functools.cache
def class_hashes() -> Mapping[str, str]:
    """The hash of each conformance class of this suite."""
    return {name: sha256(_canonical(each.model_dump(mode="json"))) for name, each in classes().items()}


def profile_hash(profile: Profile) -> str:
    """The hash of a profile as it was recorded."""
    return sha256(_canonical(profile.model_dump(mode="json", by_alias=True)))


def recording_hashes(run: Path, recordings: Iterable[Recording]) -> dict[str, str]:
    """The hash of every file of these recordings, by path below the run's folder.

    `blocks` are written beside those that lie there as they were recorded. A recording that may not be written to keeps
    going without: only the place of a change is then unknown.
    """
    found = {}
    for recording in recordings:
        capture = content(recording.folder / FRAMES, files.CAPTURE)
        if (recording.folder / FRAMES).is_file() and not (recording.folder / blocks.NAME).exists():
            with contextlib.suppress(OSError):
                blocks.write(recording.folder, capture)
        for path in files.all_ordinary(recording.folder):
            data = capture if path.name == FRAMES else files.content(path, recording.folder, files.CAPTURE)
            found[path.relative_to(run).as_posix()] = sha256(data)
    return found


def write(report: Report, text: str, folder: Path, profile: Profile, recordings: Mapping[str, str]) -> None:
    """Write the manifest of a report whose file will hold `text`, before that file is there."""
    made = Manifest(
        version=conformance.__version__,
        suite=code.hashes(),
        catalogue=catalogue_hash(),
        requirements=requirement_hashes(),
        classes=class_hashes(),
        profile=profile_hash(profile),
        report=sha256(text.encode()),
        outcomes=sha256(canonical_outcomes(report)),
        recordings=recordings,
    )
    write_atomically(folder / NAME, as_json(made.model_dump(mode="json", by_alias=True)))


def read(folder: Path) -> Manifest:
    """The manifest beside a report. Raises UsageError: one line naming the file, the key and the fix."""
    shown = f"{folder.name}/{NAME}"
    try:
        return Manifest.model_validate_json(files.content(folder / NAME, folder, files.DOCUMENT))
    except FileNotFoundError:
        raise UsageError(f"{shown}: there is no such file; `plugfest run` writes it beside the report") from None
    except ValidationError as problem:
        error = problem.errors()[0]
        place = ".".join(map(str, error["loc"])) or "manifest"
        raise UsageError(f"{shown}: {place}: {error['msg']:.120}; it is not what a run wrote") from None


def places(known: Manifest) -> set[str]:
    """The folders of the recordings that a manifest lists, below the run's folder."""
    return {path.removesuffix(f"/{RECORD}") for path in known.recordings if names_a_record(path)}


def names_a_capture(path: str) -> bool:
    """Whether a path of the manifest is a recording's capture."""
    return path.endswith(f"/{FRAMES}")


def names_a_record(path: str) -> bool:
    """Whether a path of the manifest is a recording's record."""
    return path.endswith(f"/{RECORD}")


def _canonical(data: object) -> bytes:
    return json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str).encode()
