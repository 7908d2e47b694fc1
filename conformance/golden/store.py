"""Where golden recordings lie: a folder for each, compressed, with its ``expected.toml``.

Those of this suite's own families lie in ``fixtures/recordings``; a family of another distribution keeps its own in the
folder ``recordings`` of its package.
"""

from __future__ import annotations

import functools
import lzma
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from conformance import files
from conformance.errors import UsageError
from conformance.family import GROUP, Family, families, scenarios
from conformance.golden import expected
from conformance.golden.age import requirement_hash, scenario_hash
from conformance.golden.expected import Expected
from conformance.golden.verdicts import Verdicts, differences, verdicts
from conformance.judging.checks import checks
from conformance.places import FIXTURES
from conformance.recording.store import FRAMES, PACKED, RECORD, Recording, content, load
from conformance.validation import nearest

FOLDER: Final = "recordings"
PRESET: Final = 2
"""How hard it is compressed: 6 takes ten times as long and saves a tenth."""


@dataclass(frozen=True)
class Golden:
    """A golden recording: its name, and its folder."""

    name: str
    folder: Path

    @functools.cached_property
    def expected(self) -> Expected:
        """What is expected of it. Raises UsageError."""
        return expected.read(self.folder)

    def load(self) -> Recording:
        """The recording. Raises UsageError."""
        return load(self.folder)

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return sum(path.stat().st_size for path in self.folder.iterdir())

    def differences(self) -> list[str]:
        """What it gives today otherwise than expected; nothing where it is judged as it was accepted."""
        return differences(self.expected.decided, verdicts(self.load()))

    def stale(self) -> list[str]:
        """What changed since it was recorded or accepted, in a few words each."""
        said = self.expected
        changed = []
        if said.scenario not in scenarios() or said.code != scenario_hash(said.scenario):
            changed.append(f"the code of the scenario {said.scenario} changed since it was recorded")
        now = hashes_of(said.scenario)
        other = sorted(name for name in {*now, *said.requirements} if now.get(name) != said.requirements.get(name))
        if other:
            changed.append(f"changed since its verdicts were accepted: {', '.join(other)}")
        return changed


@functools.cache
def hashes_of(scenario: str) -> dict[str, str]:
    """The hash of each requirement that a check decides in this scenario, in the order of their ids."""
    decided = sorted({check.requirement.id for check in checks() if check.scenario == scenario})
    return {name: requirement_hash(name) for name in decided}


def place_of(family: Family) -> Path:
    """The folder of the golden recordings of a family."""
    return FIXTURES / FOLDER if family.package.startswith(f"{GROUP}.") else family.folder / FOLDER


def goldens() -> Mapping[str, Golden]:
    """Every golden recording of every family that is installed, by name. Raises UsageError where two have one name."""
    found: dict[str, Golden] = {}
    for place in dict.fromkeys(map(place_of, families().values())):
        for record in sorted([*place.glob(f"[!.]*/{RECORD}{PACKED}"), *place.glob(f"[!.]*/{RECORD}")]):
            one = Golden(record.parent.name, record.parent)
            if found.setdefault(one.name, one) != one:
                raise UsageError(f"{one.folder}: {found[one.name].folder} has this name; rename one of them")
    return MappingProxyType(found)


def golden(name: str) -> Golden:
    """The golden recording of that name. Raises UsageError with the nearest name."""
    known = goldens()
    if name not in known:
        hint = f"`plugfest golden make {name}` makes one of a planted fault; {nearest(name, known)}".rstrip("; ")
        raise UsageError(f"{name}: no golden recording has this name; {hint}")
    return known[name]


def keep(recording: Recording, folder: Path) -> None:
    """Write a recording into `folder`, compressed and without its logs; what was there of it is replaced."""
    partial = folder.with_name(f".partial-{folder.name}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name in (RECORD, FRAMES):
        packed = lzma.compress(content(recording.folder / name, files.CAPTURE), preset=PRESET)
        (partial / f"{name}{PACKED}").write_bytes(packed)
    if (folder / expected.NAME).is_file():
        shutil.copy2(folder / expected.NAME, partial)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def accept(folder: Path, scenario: str, given: Verdicts, *, of: str = "", fault: str = "") -> None:
    """Write ``expected.toml`` of a recording of `scenario` in `folder`: these verdicts are expected from now on.

    `of` and `fault` say what was recorded just now; without `of` the recording is an older one, and what was said of it
    and of its scenario's code stays. Raises UsageError.
    """
    known = None if of else expected.read(folder)
    made = Expected(
        of=of if known is None else known.of,
        scenario=scenario,
        fault=fault if known is None else known.fault,
        code=scenario_hash(scenario) if known is None else known.code,
        requirements=hashes_of(scenario),
        verdicts=expected.grouped(given),
    )
    (folder / expected.NAME).write_text(expected.text_of(made), encoding="utf-8")
