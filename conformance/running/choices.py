"""What a run was asked for, as its report shows it: the profile's text, and what was left out or made again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from conformance import profile as profiles
from conformance import testbed as testbeds
from conformance.profile import Profile
from conformance.recording.store import Recording
from conformance.report.model import Repeated
from conformance.validation import as_toml


def profile_text(profile: Profile) -> str:
    """The profile as it was used, overrides among it, in TOML; a module of it by its name only."""
    data = profile.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    if profile.module is not None:
        data["module"] = Path(profile.module).name
    return as_toml({"schema": 1, **data})


def left_out(profile: Profile, used: Sequence[str]) -> tuple[str, ...]:
    """The testbeds that ship, on which a profile of this kind is judged, and that the run left out.

    Empty for pairs, which choose their own, and for testbeds of the user's: those take the place of others.
    """
    shipped = testbeds.available()
    if profile.paired or not set(used) <= set(shipped):
        return ()
    beds = (name for name in shipped if name not in used)
    return tuple(name for name in beds if testbeds.load(name).links is profile.links)


def switched_off(profile: Profile) -> tuple[str, ...]:
    """The features that this profile does not claim, and the shipped one of its kind and roles that is nearest does."""
    kin = [
        each
        for each in map(profiles.load, profiles.available())
        if each.kind == profile.kind and set(each.roles) == set(profile.roles)
    ]
    if not kin or profile.paired:
        return ()
    same = [each for each in kin if each.name == profile.name.partition("@")[0]]
    nearest = max(same or kin, key=lambda each: len(set(each.features) & set(profile.features)))
    return tuple(name for name in nearest.features if name not in profile.features)


def repeated(recordings: Sequence[Recording]) -> tuple[Repeated, ...]:
    """The recordings that were made again, and why."""
    again = (each for each in recordings if each.record.made_again)
    return tuple(Repeated(recording=each.folder.name, reasons=each.record.made_again) for each in again)


def durations(recordings: Sequence[Recording]) -> dict[str, float]:
    """The seconds that each recording took, by its folder's name."""
    return {each.folder.name: round((each.record.finished_ns - each.record.started_ns) / 1e9, 3) for each in recordings}
