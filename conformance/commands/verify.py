"""``plugfest verify`` and ``plugfest sign``: whether reports are what their recordings say."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from conformance.attest import compare, manifest, statement
from conformance.errors import UsageError
from conformance.profile import CONTROL, Profile
from conformance.report import store
from conformance.report.model import Report
from conformance.report.render.text import printable
from conformance.running import memory
from conformance.running.driver import drive
from conformance.running.request import Request
from conformance.running.run import Run

UNPROVED = "recordings: none is here, so nothing could be judged again"


def verify(places: list[Path], recordings: Path | None, keys: Sequence[Path] = ()) -> int:
    """Print what is not as it was; 0 all is, 1 something is not, 3 the recordings are not there to tell.

    `recordings` is the run's folder where that is not the one that holds the report's folder.
    """
    missing = [line for place in places for line in _missing(place)]
    if missing:
        print("\n".join(missing))  # noqa: T201 - what cannot be verified
    codes = {3} if missing else set()
    folders = _folders([place for place in places if not missing or any(place.glob(f"**/{store.NAME}"))])
    again = _Again(
        (recordings or each.parent, store.read(each).header.profile, manifest.read(each)) for each in folders
    )
    for folder in folders:
        report, signers = store.read(folder), list[str]()
        found = list(map(printable, _problems(folder, recordings or folder.parent, keys, again, signers)))
        if not found:
            signed = f", signed by {', '.join(signers)}" if signers else ""
            print(f"{report.header.profile}: verified, {len(report.outcomes)} outcomes judged again{signed}")  # noqa: T201
        else:
            print(f"{report.header.profile}: not verified")  # noqa: T201
            print("\n".join(f"  {text}" for text in found))  # noqa: T201
        codes.add(0 if not found else 3 if found == [UNPROVED] else 1)
    return 1 if 1 in codes else max(codes)


def _missing(place: Path) -> list[str]:
    """What a run's folder lacks by the run's own plan."""
    return memory.told(place, memory.missing_recordings(place), memory.missing_reports(place))


def sign(places: list[Path], keys: Sequence[Path], expires: str = "") -> int:
    """Write a signed statement beside each report, which holds until that day."""
    for folder in _folders(places):
        print(f"signed: {statement.sign(store.read(folder), folder, keys, expires)}")  # noqa: T201
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


def _problems(folder: Path, run: Path, keys: Sequence[Path], again: _Again, signers: list[str]) -> Iterator[str]:
    known, report = manifest.read(folder), store.read(folder)
    if keys:
        signed = statement.signature(report, folder, keys)
        signers += signed.keys
        yield from signed.problems
    yield from compare.report_changes(known, folder, report)
    yield from compare.suite_changes(known)
    if report.header.unavailable is not None:
        return
    if not known.recordings:
        yield from compare.unrecorded(report)
        return
    if compare.absent(known, run):
        yield UNPROVED
        return
    yield from compare.recording_changes(known, run)
    yield from compare.unlisted(known, run, report.header.profile)
    found = again.of(run, known, report.header.profile)
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


Judged = Mapping[str, tuple[Report, Profile]] | UsageError


class _Again:
    """Recordings judged again: those of a run's folder that a manifest lists, and no others.

    Reports of one run that have their control in common are judged together, where every recording that one of them
    lists is its own or the control's.
    """

    def __init__(self, wanted: Iterable[tuple[Path, str, manifest.Manifest]]) -> None:
        self._groups: dict[tuple[Path, frozenset[str]], dict[str, frozenset[str]]] = {}
        for run, name, known in wanted:
            places = frozenset(manifest.places(known))
            control = frozenset(place for place in places if place.startswith(f"{CONTROL}/"))
            if all(place.startswith(f"{name}/") for place in places - control):
                self._groups.setdefault((run, control), {})[name] = places
        self._judged: dict[tuple[Path, frozenset[str]], Judged] = {}

    def of(self, run: Path, known: manifest.Manifest, name: str) -> tuple[Report, Profile] | UsageError | None:
        """The report of a profile as its recordings say now, with the profile that they hold; None without any, and why
        where the folder's recordings cannot be read."""
        places = frozenset(manifest.places(known))
        group = next((each for (place, _), each in self._groups.items() if place == run and name in each), {})
        union = frozenset().union(*group.values())
        judged = self._of(run, union, tuple(group)) if len(group) > 1 else None
        if judged is None or isinstance(judged, UsageError):
            judged = self._of(run, places, (name,))
        return judged if isinstance(judged, UsageError) else judged.get(name)

    def _of(self, run: Path, places: frozenset[str], names: tuple[str, ...]) -> Judged:
        if (run, places) not in self._judged:
            self._judged[run, places] = self._judge(run, places, names)
        return self._judged[run, places]

    @staticmethod
    def _judge(run: Path, places: frozenset[str], names: tuple[str, ...]) -> Judged:
        there = tuple(run / path for path in sorted(places) if (run / path).is_dir())
        with tempfile.TemporaryDirectory(prefix="plugfest-out-") as out:
            try:
                again = Run(Request(profiles=names, recordings=run, places=there, out=Path(out)))
                if len(names) > 1 and any(
                    folder.relative_to(run).parts[0] != name for folder, name in again.stored.items()
                ):
                    return UsageError("a recording lies in the folder of another implementation")
                drive(again)
            except UsageError as problem:
                return problem
            return {each: (store.read(Path(out) / each), again.profiles[each]) for each in again.names}
