"""``plugfest verify`` and ``plugfest sign``: whether reports are what their recordings say."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from conformance.attest import compare, manifest, statement
from conformance.errors import UsageError
from conformance.profile import Profile
from conformance.report import store
from conformance.report.model import Report
from conformance.running import memory
from conformance.running.driver import drive
from conformance.running.request import Request
from conformance.running.run import Run

UNPROVED = "recordings: none is here, so nothing could be judged again"


def verify(places: list[Path], recordings: Path | None, key: Path | None) -> int:
    """Print what is not as it was; 0 all is, 1 something is not, 3 the recordings are not there to tell.

    `recordings` is the run's folder where that is not the one that holds the report's folder.
    """
    missing = [line for place in places for line in _missing(place)]
    if missing:
        print("\n".join(missing))  # noqa: T201 - what cannot be verified
    codes = {3} if missing else set()
    folders = _folders([place for place in places if not missing or any(place.glob(f"**/{store.NAME}"))])
    again = _Again([(recordings or folder.parent, store.read(folder).header.profile) for folder in folders])
    for folder in folders:
        found = list(_problems(folder, recordings or folder.parent, key, again))
        report = store.read(folder)
        if not found:
            print(f"{report.header.profile}: verified, {len(report.outcomes)} outcomes judged again")  # noqa: T201
        else:
            print(f"{report.header.profile}: not verified")  # noqa: T201
            print("\n".join(f"  {text}" for text in found))  # noqa: T201
        codes.add(0 if not found else 3 if found == [UNPROVED] else 1)
    return 1 if 1 in codes else max(codes)


def _missing(place: Path) -> list[str]:
    """What a run's folder lacks by the run's own plan."""
    return memory.told(place, memory.missing_recordings(place), memory.missing_reports(place))


def sign(places: list[Path], key: Path) -> int:
    """Write a signed statement beside each report."""
    for folder in _folders(places):
        print(f"signed: {statement.sign(store.read(folder), folder, key)}")  # noqa: T201
    return 0


def _folders(places: list[Path]) -> list[Path]:
    """The folders of the reports in these places, each a report, its folder, or a run's folder."""
    found = []
    for place in places:
        folder = place.parent if place.is_file() else place
        here = (
            [folder]
            if (folder / store.NAME).is_file()
            else sorted(path.parent for path in folder.glob(f"*/{store.NAME}"))
        )
        if not here:
            raise UsageError(f"{place}: there is no {store.NAME} in it; name a folder that a run wrote")
        found += here
    return [folder.resolve() for folder in found]


def _problems(folder: Path, run: Path, key: Path | None, again: _Again) -> Iterator[str]:
    known, report = manifest.read(folder), store.read(folder)
    if key is not None:
        yield from statement.signature_problems(folder, key)
    yield from compare.report_changes(known, folder, report)
    yield from compare.suite_changes(known)
    if report.header.unavailable is not None:
        return
    if compare.absent(known, run):
        yield UNPROVED
        return
    yield from compare.recording_changes(known, run)
    found = again.of(run, report.header.profile)
    if isinstance(found, UsageError):
        yield f"recordings: they cannot be judged again: {found}"
        return
    if found is None:
        yield "recordings: those of this implementation are not there any more"
        return
    judged, profile = found
    if manifest.profile_hash(profile) != known.profile:
        yield "profile: the recordings were made with another"
    yield from sorted(compare.outcome_changes(report, judged))


class _Again:
    """The recordings of run folders judged again, each folder once, for the profiles that are asked for there."""

    def __init__(self, wanted: Sequence[tuple[Path, str]]) -> None:
        self._wanted = wanted
        self._judged: dict[Path, dict[str, tuple[Report, Profile]] | UsageError] = {}

    def of(self, run: Path, name: str) -> tuple[Report, Profile] | UsageError | None:
        """The report of a profile as its recordings say now, with the profile that they hold; None without any, and why
        where the folder's recordings cannot be read."""
        if run not in self._judged:
            self._judged[run] = self._judge(run)
        judged = self._judged[run]
        return judged if isinstance(judged, UsageError) else judged.get(name)

    def _judge(self, run: Path) -> dict[str, tuple[Report, Profile]] | UsageError:
        names = tuple(dict.fromkeys(name for place, name in self._wanted if place == run))
        with tempfile.TemporaryDirectory(prefix="plugfest-out-") as out:
            try:
                again = Run(Request(profiles=names, recordings=run, out=Path(out)))
                drive(again)
            except UsageError as problem:
                return problem
            return {name: (store.read(Path(out) / name), again.profiles[name]) for name in again.names}
