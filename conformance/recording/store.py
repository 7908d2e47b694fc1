"""Recordings as folders: ``recording.json``, ``frames.pcapng`` and ``logs/``; written whole or not at all."""

from __future__ import annotations

import functools
import lzma
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import ValidationError

from conformance import files
from conformance.errors import UsageError
from conformance.family import scenarios
from conformance.recording.model import Flow, Record
from conformance.validation import explain

if TYPE_CHECKING:
    from conformance.recording.capture import Capture
    from conformance.recording.index import FrameIndex
    from conformance.recording.observations import Observation

RECORD: Final = "recording.json"
FRAMES: Final = "frames.pcapng"
LOGS: Final = "logs"
PACKED: Final = ".xz"
"""How the name of a file ends that is kept compressed: golden recordings are (`conformance.golden`)."""
_TOO_LARGE: Final = re.compile(rb"\d{20}")
"""No moment, count or number of a recording has so many digits."""
_TEXTS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')


class FlowGroup(NamedTuple):
    """What flows are asked for by."""

    purpose: str
    path: str
    protocol: str
    family: str


@dataclass(frozen=True)
class Recording:
    """A stored recording. The frames are read and indexed when first asked for.

    `capture` is the capture file of a recording that lies in no folder (`conformance.testing`), or what it holds.
    """

    folder: Path
    record: Record
    capture: bytes | Capture | None = None

    @functools.cached_property
    def frames(self) -> FrameIndex:
        """Index of all frames. Raises conformance.recording.pcapng.NotACapture or TruncatedCapture."""
        from conformance.recording.index import FrameIndex

        if self.capture is not None:
            return FrameIndex(self.capture)
        return FrameIndex(content(self.folder / FRAMES, files.CAPTURE))

    def share(self, other: Recording) -> None:
        """Take over the frames that another recording of the same capture has read, and what is wrong with them."""
        self.__dict__.update(frames=other.frames, damage=other.damage)

    @functools.cached_property
    def damage(self) -> str | None:
        """Why the frames cannot be judged: the file is not what the taps captured. None where it is."""
        from conformance.recording.capture import NotACapture, TruncatedCapture
        from conformance.recording.damage import FIELD, damage_of, damage_of_tables

        try:
            damage = damage_of(self.frames, self.record.taps, field=self.record.scenario == FIELD)
            return damage or damage_of_tables(self.record.matrices)
        except (NotACapture, TruncatedCapture) as problem:
            return f"{FRAMES}: {problem}"

    @functools.cached_property
    def flow_rows(self) -> dict[int, Any]:
        """Rows of the frame index (ascending arrays) by the id of the flow whose marker the frames carry."""
        import numpy as np

        ids = self.frames.flow
        order = np.argsort(ids, kind="stable")
        values, starts = np.unique(ids[order], return_index=True)
        parts = np.split(order, starts[1:]) if len(values) else []
        return {int(flow): rows for flow, rows in zip(values, parts, strict=True) if flow}

    @functools.cached_property
    def _canaries(self) -> dict[str, frozenset[str]]:
        return {}

    def taps_with(self, nonce: str) -> frozenset[str]:
        """The taps that saw a frame with this nonce (hexadecimal) in it."""
        if nonce not in self._canaries:
            frames = self.frames
            rows = frames.find(bytes.fromhex(nonce))
            self._canaries[nonce] = frozenset(frames.taps[frames.tap[row]] for row in rows)
        return self._canaries[nonce]

    @functools.cached_property
    def observations(self) -> dict[int, list[Observation]]:
        """Which pairs of sockets the packets of each flow carried, by flow id."""
        from conformance.recording.observations import observations

        return observations(self.frames)

    @functools.cached_property
    def flow_groups(self) -> dict[FlowGroup, list[Flow]]:
        """The flows by purpose, path, protocol and family, each group in the order of their ids."""
        groups: dict[FlowGroup, list[Flow]] = {}
        for flow in self.record.flows:
            groups.setdefault(FlowGroup(flow.purpose, flow.path, flow.protocol, flow.family), []).append(flow)
        return groups

    @functools.cached_property
    def groups_with(self) -> dict[tuple[str, str], frozenset[FlowGroup]]:
        """Which groups have a value, by the name of the field and the value."""
        found: dict[tuple[str, str], set[FlowGroup]] = {}
        for group in self.flow_groups:
            for item in zip(FlowGroup._fields, group, strict=True):
                found.setdefault(item, set()).add(group)
        return {item: frozenset(groups) for item, groups in found.items()}

    @property
    def name(self) -> str:
        """How reports refer to it: the same on every machine, whatever folder it lies in."""
        record = self.record
        return folder_name(record.testbed.name, record.scenario, record.attempt)

    @functools.cached_property
    def memory(self) -> dict[Any, Any]:
        """What follows from the frames and is worth computing once for all checks, by a key of its maker's."""
        return {}

    def with_record(self, record: Record) -> Recording:
        """The same frames with another record. What follows from the frames only is not computed again."""
        other = Recording(self.folder, record, self.frames.capture)
        kept = ("frames", "flow_rows", "observations", "_canaries")
        other.__dict__.update({name: self.__dict__[name] for name in kept if name in self.__dict__})
        return other

    def with_frames(self, capture: Capture, record: Record) -> Recording:
        """Other frames, and the record that goes with them. Those that carry a canary's nonce must be the same."""
        other = Recording(self.folder, record, capture)
        if "_canaries" in self.__dict__:
            other.__dict__["_canaries"] = dict(self._canaries)
        return other

    def release(self) -> None:
        """Forget the frames and what follows from them; they are read again when asked for."""
        for name in ("frames", "flow_rows", "observations", "memory"):
            self.__dict__.pop(name, None)


def stored(path: Path) -> Path:
    """A file of a recording as it lies there: compressed where it is not there otherwise."""
    packed = path.with_name(path.name + PACKED)
    return packed if packed.is_file() and not path.is_file() else path


def content(path: Path, largest: int) -> bytes:
    """The bytes of a file of a recording, which may lie there compressed; at most `largest`.

    Raises FileNotFoundError, and UsageError for what is no ordinary file below its folder, larger, or no xz file.
    """
    there = stored(path)
    read = files.content(there, path.parent, largest)
    if there == path:
        return read
    shown, unpacking = f"{there.parent.name}/{there.name}", lzma.LZMADecompressor()
    try:
        found = unpacking.decompress(read, largest)
    except lzma.LZMAError as problem:
        raise UsageError(f"{shown}: is not a whole xz file: {problem}") from None
    if not unpacking.eof:
        raise UsageError(f"{shown}: is cut, or holds more than {largest} bytes")
    return found


def folder_name(testbed: str, scenario: str, attempt: int) -> str:
    """The folder of one recording below the folder of its implementation."""
    return f"recordings/{testbed}-{scenario}-{attempt}"


def finish(partial: Path, final: Path, record: Record) -> None:
    """Write the record into the folder `partial`, which holds frames and logs already, and move it into place.

    Whoever finds `final` finds it whole: the move is the last step.
    """
    text = record.model_dump_json(by_alias=True, exclude_defaults=True, indent=0)
    temporary = partial / f".{RECORD}"
    with temporary.open("w") as output:
        output.write(text + "\n")
        output.flush()
        os.fsync(output.fileno())
    temporary.rename(partial / RECORD)
    if final.exists():
        shutil.rmtree(final)
    final.parent.mkdir(parents=True, exist_ok=True)
    partial.rename(final)


def load(folder: Path) -> Recording:
    """Read a recording. Raises UsageError: one line naming the file, the key and the fix."""
    path = folder / RECORD
    try:
        files.all_ordinary(folder)
        text = content(path, files.DOCUMENT)
        if _TOO_LARGE.search(text) and _TOO_LARGE.search(_TEXTS.sub(b"", text)):
            raise UsageError(f"{path}: a number in it has more than 19 digits; it is not what a run wrote")
        record = Record.model_validate_json(text, strict=True)
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such file; name a folder that holds a recording") from None
    except ValidationError as problem:
        raise UsageError(explain(problem, str(path), Record)) from None
    if record.scenario not in scenarios():
        raise UsageError(
            f"{path}: scenario: no family that is installed has {record.scenario!r}; install the distribution that "
            "brings it, or leave the recording out"
        )
    if not stored(folder / FRAMES).is_file():
        raise UsageError(f"{folder / FRAMES}: there is no such file; the recording is not whole")
    return Recording(folder, record)


def find(folder: Path) -> list[Path]:
    """Every whole recording at or below `folder`, sorted."""
    found = {path.parent for name in (RECORD, RECORD + PACKED) for path in folder.rglob(name)}
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))
